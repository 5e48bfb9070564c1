import test from 'ava';
import fc from 'fast-check';
import { decodeNumber, decodeText, decodeTextPart, encodedNumberBytes, encodeNumber, encodeText, encodeTextPart, prefixEnd, prefixRange } from '../../../source/storage/key-encoding.js';

const compare = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);
const bytesOf = (key: string) => Buffer.from(key, 'latin1');
const edges = [0, 1, 255, 256, 65_535, 65_536, 2 ** 24 - 1, 2 ** 24, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 - 1, 2 ** 40, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER];
const numbers = fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat());
const texts = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => text.isWellFormed());

test('numbers come back, and their keys sort as the numbers do, also in front of other parts', (t) => {
  fc.assert(
    fc.property(numbers, numbers, texts, (a, b, rest) => {
      t.is(decodeNumber(encodeNumber(a)), a);
      t.is(decodeNumber('x' + encodeNumber(a) + encodeText(rest), 1), a);
      t.is(encodedNumberBytes(encodeNumber(a)), encodeNumber(a).length);
      if (a !== b) t.is(compare(encodeNumber(a) + encodeText(rest), encodeNumber(b)), compare(a, b));
    }),
  );
  for (const [index, edge] of edges.entries()) {
    t.is(decodeNumber(encodeNumber(edge)), edge);
    if (index > 0) t.true(encodeNumber(edges[index - 1]!) < encodeNumber(edge));
  }
});

test('what is no whole number from 0 to below 2^53 has no key', (t) => {
  for (const bad of [-1, 0.5, 2 ** 53, NaN, Infinity]) t.throws(() => encodeNumber(bad), { name: 'AssertionError' });
  t.throws(() => decodeNumber('\x03ab'), { name: 'AssertionError' });
  t.throws(() => decodeNumber('zebra'), { name: 'AssertionError' });
  t.throws(() => decodeNumber(''), { name: 'AssertionError' });
});

test('text comes back, and its keys sort as its UTF-8 bytes do', (t) => {
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      t.is(decodeText('k' + encodeText(a), 1), a);
      t.deepEqual(bytesOf(encodeText(a)), Buffer.from(a, 'utf8'));
      t.is(compare(encodeText(a), encodeText(b)), Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')));
    }),
  );
  t.true(encodeText('\uffff') < encodeText('\u{10000}'), 'UTF-16 would say the opposite');
});

test('text parts come back with where the next part begins, and sort as their text does', (t) => {
  const parts = texts.filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(parts, parts, numbers, (a, b, number) => {
      const key = 'k' + encodeTextPart(a) + encodeNumber(number);
      const { text, next } = decodeTextPart(key, 1);
      t.is(text, a);
      t.is(decodeNumber(key, next), number);
      if (a !== b) t.is(compare(encodeTextPart(a) + encodeNumber(number), encodeTextPart(b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  t.throws(() => encodeTextPart('a\0b'), { name: 'AssertionError' });
  t.throws(() => decodeTextPart('unterminated'), { name: 'AssertionError' });
});

test('the range of a prefix holds the keys that begin with it, and no others', (t) => {
  const keys = fc.array(fc.constantFrom('\x00', 'a', 'b', '\xfe', '\xff'), { maxLength: 5 }).map((characters) => characters.join(''));
  fc.assert(
    fc.property(keys, keys, (prefix, key) => {
      if (/^\xff*$/.test(prefix)) return;
      const { start, end } = prefixRange(prefix);
      t.is(key >= start && key < end, key.startsWith(prefix));
    }),
  );
  t.is(prefixEnd('ab\xff'), 'ac');
  t.throws(() => prefixEnd('\xff\xff'), { name: 'AssertionError' });
});
