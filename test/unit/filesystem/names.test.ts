import test from 'ava';
import fc from 'fast-check';
import { compareBytes, comparePrinted, entryNameProblem } from '../../../source/filesystem/names.js';
import { temporaryName } from '../../../source/filesystem/local-errors.js';

test('the order by bytes is that of the UTF-8', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom('a', 'é', '\uff5e', '\u{1f600}', '\ue000', '\u{10ffff}') }), (a, b) => {
      t.is(Math.sign(compareBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test('names print in the order of a Java URI: what it quotes sorts beside a percent sign', (t) => {
  t.deepEqual(['~t', '$x', '"q"', '#h', ' b', '<', '!', '^', '%'].sort(comparePrinted), ['!', '$x', ' b', '"q"', '#h', '%', '<', '^', '~t']);
  t.deepEqual(['a1', 'a<b', 'a b', 'a', 'aA', 'a^b', 'a!b'].sort(comparePrinted), ['a', 'a!b', 'a b', 'a<b', 'a^b', 'a1', 'aA']);
  t.deepEqual(['é', 'z', 'e\u0301', '\uff5e', '\u{1f600}'].sort(comparePrinted), ['e\u0301', 'z', 'é', '\u{1f600}', '\uff5e']);
});

test('the printing order is one: never both ways, never in a circle', (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', ' ', '$', '"', '<', 'é', '\uff5e', '\u{1f600}', '\u00a0'), maxLength: 3 });
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      t.is(Math.sign(comparePrinted(a, b)), -Math.sign(comparePrinted(b, a)) || 0);
      if (comparePrinted(a, b) <= 0 && comparePrinted(b, c) <= 0) t.true(comparePrinted(a, c) <= 0);
    }),
  );
});

test('names that would lead out of a directory are no names (fault 66)', (t) => {
  for (const name of ['', '.', '..', 'a/b', '../x', '/', 'a\0b']) t.truthy(entryNameProblem(name), JSON.stringify(name));
  for (const name of ['a', '...', '.hidden', 'a b', '-', '\\', 'ü']) t.is(entryNameProblem(name), undefined, name);
});

test('a temporary name is never longer than 255 bytes, and cut between characters', (t) => {
  t.is(temporaryName('f'), 'f._COPYING_');
  for (const name of ['n'.repeat(255), '日'.repeat(85), '😀'.repeat(63)]) {
    const temporary = temporaryName(name);
    t.true(Buffer.byteLength(temporary) <= 255);
    t.true(temporary.endsWith('._COPYING_') && temporary.isWellFormed());
  }
});
