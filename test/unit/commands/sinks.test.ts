import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { createJsonSink } from '../../../source/commands/json-sink.js';
import { createTextSink } from '../../../source/commands/text-sink.js';
import { CancelledError } from '../../../source/protocol/errors.js';

class Stream {
  text = '';
  writes = 0;
  isTTY: boolean;
  columns = 60;
  failure: Error | undefined;

  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }

  write(chunk: string | Uint8Array, callback?: (error?: Error | null) => void): boolean {
    this.writes++;
    if (!this.failure) this.text += Buffer.from(chunk as Uint8Array).toString();
    callback?.(this.failure);
    return true;
  }
}

const progress = (doneBytes: number, totalBytes = 1000) => ({ operation: 'put', source: 'a.txt', target: '/a', startedMs: 0, doneBytes, totalBytes });
const outcome = { result: 'done' as const, operation: 'put', source: 'a.txt', target: '/a', bytes: 1000, durationMs: 2000, blockCount: 1, replication: 3, notes: [] };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('many lines become few writes, and none is lost', async (t) => {
  const [stdout, stderr] = [new Stream(), new Stream()];
  const sink = createTextSink({ stdout, stderr });
  for (let i = 0; i < 10_000; i++) sink.out(`line ${i}`);
  await turn();
  t.is(stdout.text.split('\n').length, 10_001);
  t.true(stdout.writes < 10);
});

test('what was said first stands first, across stdout, stderr and raw bytes', async (t) => {
  const both = new Stream();
  const sink = createTextSink({ stdout: both, stderr: both });
  sink.out('one');
  sink.err('two');
  sink.out('three');
  await sink.write(Buffer.from('four\n'));
  sink.out('five');
  await turn();
  t.is(both.text, 'one\ntwo\nthree\nfour\nfive\n');
});

test('progress is not for stdout, nor for a stderr that nobody watches', async (t) => {
  const [stdout, stderr] = [new Stream(), new Stream()];
  const sink = createTextSink({ stdout, stderr, clock: new ManualClock() });
  sink.progress('1', progress(500));
  sink.end('1', outcome);
  await turn();
  t.is(stdout.text + stderr.text, '');
});

test('with --progress there is a line every 10%, and one at the end', (t) => {
  const stderr = new Stream();
  const sink = createTextSink({ stdout: new Stream(), stderr, isProgressWanted: true, clock: new ManualClock() });
  for (let done = 0; done <= 1000; done += 10) sink.progress('1', progress(done));
  sink.end('1', outcome);
  const lines = stderr.text.trimEnd().split('\n');
  t.is(lines.length, 11);
  t.regex(lines[4]!, /^put a\.txt → \/a {2}50% /);
  t.is(lines[10], '✓ put a.txt → /a   1000 B  2.0 s  500 B/s  1 block ×3');
});

test('on a terminal one line is redrawn, at most ten times a second, no wider than the terminal, and cleared for others', async (t) => {
  const clock = new ManualClock();
  const [stdout, stderr] = [new Stream(true), new Stream(true)];
  const sink = createTextSink({ stdout, stderr, clock });
  for (let i = 1; i <= 100; i++) {
    sink.progress('1', { ...progress(i * 10), source: 'a very long name '.repeat(10) });
    clock.advance(10);
  }
  const drawn = stderr.text.split('\r\u001b[K').slice(1);
  t.is(drawn.length, 10);
  t.true(drawn.every((line) => line.length < 60 && !line.includes('\n')));
  sink.out('a line');
  await turn();
  t.true(stderr.text.endsWith('\r\u001b[K'));
  t.is(stdout.text, 'a line\n');
});

test('a terminal that does not say how wide it is counts as one of 80 columns', (t) => {
  const stderr = new Stream(true);
  stderr.columns = 0;
  createTextSink({ stdout: new Stream(), stderr, clock: new ManualClock() }).progress('1', { ...progress(0), operation: 'decommission', source: 'dn2', target: '', steps: { done: 3, total: 74, unit: 'blocks' } });
  t.is(stderr.text, '\r\u001b[Kdecommission dn2  4%  3 / 74 blocks');
});

test('a tree is told with its files, and what ended with a line of its own gets no second one', (t) => {
  const stderr = new Stream();
  const sink = createTextSink({ stdout: new Stream(), stderr, isProgressWanted: true, clock: new ManualClock() });
  t.true(sink.isProgressShown);
  sink.progress('1', { ...progress(500), doneFiles: 12, totalFiles: 340 });
  t.is(stderr.text, 'put a.txt → /a  50%  500 B / 1000 B  12 / 340 files\n');
  sink.end('1', undefined);
  t.is(stderr.text.split('\n').length, 2);
  sink.end('2', { ...outcome, result: 'cancelled', bytes: undefined });
  t.is(stderr.text.split('\n')[1], '- put cancelled a.txt → /a   2.0 s  1 block ×3');
});

test('what is counted in steps has its line every 10% too', (t) => {
  const stderr = new Stream();
  const sink = createTextSink({ stdout: new Stream(), stderr, isProgressWanted: true, clock: new ManualClock() });
  for (let done = 0; done <= 20; done++) sink.progress('1', { ...progress(0), operation: 'decommission', source: 'dn2', target: '', totalBytes: undefined, steps: { done, total: 20, unit: 'blocks' } });
  t.is(stderr.text.split('\n').length - 1, 10);
  t.true(stderr.text.startsWith('decommission dn2  10%  2 / 20 blocks\n'));
});

test('names are escaped in progress and in summaries (fault 64)', (t) => {
  const stderr = new Stream(true);
  const sink = createTextSink({ stdout: new Stream(), stderr, clock: new ManualClock() });
  sink.progress('1', { ...progress(5), source: 'x\u001b[2J' });
  sink.end('1', { ...outcome, source: 'x\u001b[2J', notes: ['\u001b[2J'] });
  t.false(stderr.text.includes('\u001b[2J'));
});

test('a reader that went away cancels the command', async (t) => {
  const stdout = new Stream();
  stdout.failure = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  const sink = createTextSink({ stdout, stderr: new Stream() });
  await t.throwsAsync(sink.write(Buffer.from('x')), { instanceOf: CancelledError });
});

test('with --json, records are the lines and text is dropped', async (t) => {
  const [stdout, stderr] = [new Stream(), new Stream()];
  const sink = createJsonSink({ stdout, stderr });
  sink.out('text');
  sink.record({ path: '/a' });
  sink.notice?.('moved');
  sink.err('{"error":{}}');
  await sink.write(Buffer.from('raw'));
  await turn();
  t.is(stdout.text, '{"path":"/a"}\nraw');
  t.is(stderr.text, '{"error":{}}\n');
});
