import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { OperationOutcome, OutputSink } from '../../../source/commands/command.js';
import { createTextSink } from '../../../source/commands/text-sink.js';
import { asciiGlyphs, unicodeGlyphs } from '../../../source/shell/glyphs.js';
import { InkSink } from '../../../source/shell/ink-sink.js';
import { createPaint } from '../../../source/shell/paint.js';
import { Scrollback } from '../../../source/shell/scrollback.js';
import { initialState } from '../../../source/shell/shell-state.js';
import { ShellStore } from '../../../source/shell/shell-store.js';

const outcome: OperationOutcome = { result: 'done', operation: 'put', source: 'my data.csv', target: '/user/me/my data.csv', bytes: 2 ** 30, durationMs: 12_400, blockCount: 8, replication: 3, notes: ['dn2 was dropped: it died'] };

function createSinks(glyphs = unicodeGlyphs) {
  const clock = new ManualClock();
  const store = new ShellStore(initialState({ columns: 100, rows: 30, promptLabel: 'dfs:/', nameNodeAddress: 'x:1', hasPanel: true, nowMs: 0 }), clock);
  const calls: string[] = [];
  let ink = '';
  const write = (chunk: unknown, callback?: unknown) => {
    ink += typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString();
    if (typeof callback === 'function') callback();
    return true;
  };
  const region = { mount: () => void calls.push('mount'), unmount: () => void calls.push('unmount'), writeAbove: (text: string) => void (calls.push('above'), write(text)) };
  const scrollback = new Scrollback({ region, stdout: { write }, clock, noNewlineSign: '' });
  let text = '';
  const stream = { write: (chunk: string | Uint8Array, callback?: (error?: Error | null) => void) => ((text += Buffer.from(chunk as Uint8Array).toString()), callback?.(), true), isTTY: false };
  return {
    clock,
    store,
    scrollback,
    calls,
    inkSink: new InkSink({ scrollback, store, clock, paint: createPaint(1), glyphs }),
    textSink: createTextSink({ stdout: stream, stderr: stream, isProgressWanted: true, clock }),
    ink: () => (scrollback.flush(), scrollback.endRaw(), ink),
    text: () => text,
  };
}

async function speak(sink: OutputSink): Promise<void> {
  sink.out('Found 1 items');
  sink.out('-rw-r--r--   3 me staff  1 2026-11-22 16:40 /a');
  sink.err("ls: `/x': No such file or directory");
  await sink.write(Buffer.from('raw bytes\nof a file\n'));
  sink.out('after');
  sink.end('put-1', outcome);
}

test('the live shell says the same text as the one-shot sink, but for colours', async (t) => {
  const sinks = createSinks();
  await speak(sinks.inkSink);
  await speak(sinks.textSink);
  sinks.textSink.flush();
  t.is(stripVTControlCharacters(sinks.ink()), sinks.text());
  t.true(sinks.ink().includes('\u001b['), 'with colours');
});

test('lines wait for others, and are written in one piece above the region', (t) => {
  const { inkSink, clock, calls } = createSinks();
  for (let index = 0; index < 100; index++) inkSink.out(`line ${index}`);
  t.deepEqual(calls, []);
  clock.advance(20);
  t.deepEqual(calls, ['above']);
});

test('a flood is written on the way, not kept until the end', (t) => {
  const { inkSink, calls } = createSinks();
  for (let index = 0; index < 10_000; index++) inkSink.out('x'.repeat(100));
  t.true(calls.length >= 14 && calls.length <= 20, `${calls.length} writes`);
});

test('the region goes away for raw bytes and comes back with the next line', async (t) => {
  const { inkSink, scrollback, calls } = createSinks();
  inkSink.out('before');
  await inkSink.write(Buffer.from('half a li'));
  await inkSink.write(Buffer.from('ne'));
  inkSink.out('after');
  scrollback.flush();
  t.deepEqual(calls, ['above', 'unmount', 'unmount', 'mount', 'above']);
});

test('what a file switches on in the terminal is switched off behind it', async (t) => {
  const sinks = createSinks();
  await sinks.inkSink.write(Buffer.from('\u001b[31mred\n'));
  t.true(sinks.ink().endsWith('red\n\u000f\u001b[0m'));
});

test('progress lives in the store and never among the lines; the end takes it away', (t) => {
  const sinks = createSinks();
  sinks.inkSink.progress('a', { operation: 'put', source: 'a', target: '/a', startedMs: 0, doneBytes: 1, totalBytes: 2 });
  t.is(sinks.store.current.transfers.length, 1);
  t.is(sinks.ink(), '');
  sinks.inkSink.end('a', outcome);
  t.is(sinks.store.current.transfers.length, 0);
});

test('a terminal without Unicode gets the summary in ASCII', (t) => {
  const sinks = createSinks(asciiGlyphs);
  sinks.inkSink.end('a', outcome);
  t.is(stripVTControlCharacters(sinks.ink()).split('\n')[0], '+ put my data.csv -> /user/me/my data.csv   1.0 GiB  12.4 s  82.6 MiB/s  8 blocks x3');
});

test('the last lines for a repaint are those that fit, wrapped ones counted by their rows', (t) => {
  const { inkSink, scrollback } = createSinks();
  for (const line of ['one', 'x'.repeat(25), 'two', 'three']) inkSink.out(line);
  scrollback.flush();
  t.is(scrollback.lastLines(2, 10), 'two\nthree\n');
  t.is(scrollback.lastLines(4, 10), 'two\nthree\n', 'three rows more do not fit');
  t.is(scrollback.lastLines(5, 10), `${'x'.repeat(25)}\ntwo\nthree\n`);
  scrollback.forget();
  t.is(scrollback.lastLines(5, 10), '');
});
