import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { LineReader } from '../../../source/transport/line-reader.js';

function drain(reader: LineReader): string[] {
  const lines: string[] = [];
  for (let line = reader.next(); line; line = reader.next()) lines.push(line.toString());
  return lines;
}

test('lines come out whole however their bytes were cut', (t) => {
  const random = seededRandom(3);
  const expected = Array.from({ length: 200 }, (_, index) => 'é'.repeat(random.integer(40)) + index);
  const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(''));
  for (const largest of [1, 2, 7, 100, bytes.length]) {
    const reader = new LineReader(1000);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const count = 1 + random.integer(largest);
      reader.push(bytes.subarray(at, at + count));
      lines.push(...drain(reader));
      at += count;
    }
    t.deepEqual(lines, expected);
    t.is(reader.pendingBytes, 0);
  }
});

test('chunks that come before the lines of the last one were taken are not lost', (t) => {
  const reader = new LineReader(1000);
  reader.push(Buffer.from('one\ntwo\nthr'));
  t.is(reader.next()?.toString(), 'one');
  reader.push(Buffer.from('ee\nfo'));
  t.deepEqual(drain(reader), ['two', 'three']);
  t.is(reader.pendingBytes, 2);
});

test('a line that grows beyond the limit is noticed before its end has come', (t) => {
  const reader = new LineReader(10);
  reader.push(Buffer.from('x'.repeat(10)));
  t.is(reader.next(), undefined);
  t.false(reader.isOverlong);
  reader.push(Buffer.from('y'));
  t.is(reader.next(), undefined);
  t.true(reader.isOverlong);
});
