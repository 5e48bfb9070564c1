import test from 'ava';
import fc from 'fast-check';
import { formatAddress, isLoopback, parseAddress } from '../../../source/base/address.js';
import { crc32, crc32c } from '../../../source/base/checksum.js';
import { ManualClock, repeat, sleep } from '../../../source/base/clock.js';
import { createLogger } from '../../../source/base/log.js';
import { isWithin, parentPath, pathNames, pathProblem, resolvePath } from '../../../source/base/path.js';
import { seededRandom, shuffled, systemRandom } from '../../../source/base/random.js';
import { formatHuman, formatReport, parseSize } from '../../../source/base/size.js';
import { escapeControls } from '../../../source/base/text.js';

test('checksums give the check values of their standards, in one go or in two', (t) => {
  const bytes = Buffer.from('123456789');
  t.is(crc32(bytes), 0xcbf43926);
  t.is(crc32c(bytes), 0xe3069283);
  t.is(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4))), 0xcbf43926);
  t.is(crc32c(bytes.subarray(4), crc32c(bytes.subarray(0, 4))), 0xe3069283);
});

test('sizes are read with and without units, and nothing else is', (t) => {
  t.is(parseSize('64m'), 67_108_864);
  t.is(parseSize('1.5K'), 1536);
  t.is(parseSize(' 2 GiB '), 2 ** 31);
  t.is(parseSize(4096), 4096);
  for (const bad of ['', 'm', '-1', '1e3', '0x10', '1.0001', '99999t', 'NaN', Number.NaN, -1, 1.5]) t.is(parseSize(bad), undefined, String(bad));
});

test('sizes are written as HDFS writes them', (t) => {
  t.deepEqual([0, 1023, 1024, 1229, 67_108_864, 1.5 * 2 ** 30].map(formatHuman), ['0', '1023', '1 K', '1.2 K', '64 M', '1.5 G']);
  t.deepEqual([0, 512, 1024, 12_345, 1_220_123_456_789].map(formatReport), ['0 B', '512 B', '1 KB', '12.06 KB', '1.11 TB']);
});

test('a resolved path is absolute and clean, whatever was typed', (t) => {
  t.is(resolvePath('a//b/./c/../d/', '/user/me'), '/user/me/a/b/d');
  t.is(resolvePath('/../..'), '/');
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '..', '.', '', 'b c', 'é')), (names) => {
      const path = resolvePath(names.join('/'), '/w');
      t.is(resolvePath(path), path);
      t.is(pathProblem(path), undefined);
      t.is(path === '/' ? '/' : `/${pathNames(path).join('/')}`, path);
      t.true(isWithin(path, parentPath(path)));
    }),
  );
});

test('paths that must not exist are refused with the reason (fault 56)', (t) => {
  t.regex(pathProblem('a')!, /absolute/);
  t.regex(pathProblem('/a/../b')!, /clean/);
  t.regex(pathProblem('/a\0b')!, /NUL/);
  t.regex(pathProblem('/\ud800')!, /surrogate/);
  t.regex(pathProblem('/.snapshot/x')!, /^"\.snapshot" is a reserved name\.$/);
  t.regex(pathProblem(`/${'é'.repeat(128)}`)!, /255 bytes/);
  t.regex(pathProblem('/a'.repeat(1001))!, /1000 names deep/);
  t.is(pathProblem(`/${'a'.repeat(255)}`), undefined);
});

test('control characters, separators and direction overrides are escaped; plain text of any language is not', (t) => {
  t.is(escapeControls('a\u001b]52;c;x\u0007\n\u202eb'), 'a\\x1b]52;c;x\\x07\\n\\u202eb');
  t.is(escapeControls('naïve 日本語 😀 \ud83d'), 'naïve 日本語 😀 \\ud83d');
  t.is(escapeControls('a\tb', '\t'), 'a\tb');
});

test('what users and peers sent cannot forge a line of the log (fault 63)', (t) => {
  const lines: string[] = [];
  const logger = createLogger((line) => lines.push(line), { level: 'debug', clock: new ManualClock(0) });
  const evil = '/a\n1970-01-01T00:00:00.000Z ERROR forged\r\u001b[2J\u2028';
  logger.debug(evil);
  logger.info(evil);
  logger.warn(evil);
  logger.error(evil, new Error(evil));
  t.is(lines.length, 4);
  for (const line of lines) {
    // eslint-disable-next-line no-control-regex
    t.regex(line, /^[^\u0000-\u001f\u2028]+\n$/);
    t.true(line.startsWith('1970-01-01T00:00:00.000Z '));
  }
});

test('addresses of every spelling come out in one', (t) => {
  const clean = (text: string) => {
    const address = parseAddress(text, 9870);
    return address && formatAddress(address);
  };
  t.is(clean('127.0.0.1'), '127.0.0.1:9870');
  t.is(clean('Host.Example:1'), 'host.example:1');
  t.is(clean('[::1]:5'), '[::1]:5');
  t.is(clean('::1'), '[::1]:9870');
  for (const bad of ['', ':1', 'a:', 'a:0', 'a:65536', 'a b', '300.1.1.1', 'a:1:2', '[::1', 'http://x']) t.is(clean(bad), undefined, bad);
  t.true(isLoopback('127.9.9.9') && isLoopback('::1') && isLoopback('localhost'));
  t.false(isLoopback('0.0.0.0') || isLoopback('128.0.0.1') || isLoopback('127.example.com'));
});

test('seeded randomness repeats; shuffling keeps every item', (t) => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [random.next(), random.integer(1000), random.id()];
  };
  t.deepEqual(draw(7), draw(7));
  t.notDeepEqual(draw(7), draw(8));
  const items = Array.from({ length: 50 }, (_, i) => i);
  t.deepEqual(shuffled(items, systemRandom).sort((a, b) => a - b), items);
});

test('a manual clock runs timers in order, and only when time has come', async (t) => {
  const clock = new ManualClock();
  const seen: string[] = [];
  clock.setTimer(() => seen.push('b'), 20);
  clock.setTimer(() => seen.push('a'), 10);
  clock.setTimer(() => seen.push('never'), 15).cancel();
  clock.advance(9);
  t.deepEqual(seen, []);
  clock.advance(11);
  t.deepEqual(seen, ['a', 'b']);
  const abort = new AbortController();
  const waiting = sleep(clock, 1000, abort.signal);
  abort.abort(new Error('enough'));
  await t.throwsAsync(waiting, { message: 'enough' });
});

test('a repeated tick goes on after a throw, never overlaps itself, and stops when told', async (t) => {
  const clock = new ManualClock();
  let count = 0;
  const errors: unknown[] = [];
  const stop = repeat(clock, () => 100, () => {
    if (++count === 1) throw new Error('first');
  }, (error) => errors.push(error));
  for (let i = 0; i < 3; i++) {
    clock.advance(100);
    await new Promise(setImmediate);
  }
  t.is(count, 3);
  t.is(errors.length, 1);
  stop();
  clock.advance(1000);
  t.is(count, 3);
});
