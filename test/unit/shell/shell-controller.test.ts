import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { CommandContext, CommandRegistry, Session } from '../../../source/commands/command.js';
import { unicodeGlyphs } from '../../../source/shell/glyphs.js';
import { createHighlight } from '../../../source/shell/highlight.js';
import { History } from '../../../source/shell/history.js';
import { InkSink } from '../../../source/shell/ink-sink.js';
import type { Key } from '../../../source/shell/keys.js';
import { createPaint } from '../../../source/shell/paint.js';
import { Scrollback } from '../../../source/shell/scrollback.js';
import { ShellController } from '../../../source/shell/shell-controller.js';
import type { ShellCompletion, ShellOptions } from '../../../source/shell/shell-options.js';
import { initialState } from '../../../source/shell/shell-state.js';
import { ShellStore } from '../../../source/shell/shell-store.js';

const special: Record<string, Partial<Key>> = {
  '\r': { name: 'return' },
  '\t': { name: 'tab' },
  '<tab': { name: 'tab', shift: true },
  '<up': { name: 'up' },
  '<down': { name: 'down' },
  '<right': { name: 'right' },
  '<alt-right': { name: 'right', meta: true },
  '<esc': { name: 'escape', meta: true },
  '<backspace': { name: 'backspace' },
  '^C': { name: 'c', ctrl: true },
  '^D': { name: 'd', ctrl: true },
  '^R': { name: 'r', ctrl: true },
  '^L': { name: 'l', ctrl: true },
  '^Z': { name: 'z', ctrl: true },
};

/** A shell without a terminal: keys in, the lines and the state out; commands end when the test says so. */
function createShell(t: ExecutionContext, parts: { run?: (line: string, context: CommandContext) => Promise<number>; complete?: (line: string, cursor: number) => Promise<ShellCompletion>; lines?: string[] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-shell-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const history = new History(join(folder, 'history'));
  for (const line of parts.lines ?? []) history.add(line, 1);
  const entries = ['ls', 'put', 'pwd'].map((name) => ({ name, aliases: [], summary: '', group: 'Files' as const, load: () => Promise.reject(new Error('not loaded')) }));
  const registry: CommandRegistry = { entries, find: (name) => entries.find((entry) => entry.name === name), loadAll: async () => [] };
  const session: Session = { user: 'me', workingDirectory: '/user/me', localDirectory: '/', isJson: false, history: () => [] };
  const ran: string[] = [];
  const options: ShellOptions = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    session,
    createContext: (context) => ({ ...context, session, commands: registry, clock }) as unknown as CommandContext,
    runLine: async (line, context) => {
      ran.push(line);
      return (await parts.run?.(line, context)) ?? 0;
    },
    completer: async (line, cursor) => (await parts.complete?.(line, cursor)) ?? { start: cursor, end: cursor, candidates: [] },
    registry,
    feed: async function* () {},
    historyFile: join(folder, 'history'),
    nameNodeAddress: '127.0.0.1:9870',
    clock,
    environment: {},
  };
  const store = new ShellStore(initialState({ columns: 100, rows: 30, promptLabel: 'dfs:/user/me', nameNodeAddress: '127.0.0.1:9870', hasPanel: true, nowMs: 0 }), clock);
  let written = '';
  const scrollback = new Scrollback({ region: { mount() {}, unmount() {}, writeAbove: (text) => void (written += text) }, stdout: { write: (...parameters: unknown[]) => ((written += String(parameters[0])), (parameters[1] as (() => void) | undefined)?.(), true) }, clock, noNewlineSign: '⏎' });
  const paint = createPaint(0);
  const host = { clears: 0, stops: 0, clearScreen: () => void host.clears++, suspend: () => void host.stops++ };
  const controller = new ShellController({
    options,
    store,
    scrollback,
    history,
    glyphs: unicodeGlyphs,
    paint,
    highlight: createHighlight(registry),
    host,
    createSink: () => new InkSink({ scrollback, store, clock, paint, glyphs: unicodeGlyphs }),
  });
  return {
    controller,
    store,
    session,
    history,
    host,
    clock,
    ran,
    /** Types each of the pieces: a special key by its name, or letters. */
    type(...pieces: string[]) {
      for (const piece of pieces) {
        const keys = piece in special ? [piece] : [...piece];
        for (const one of keys) controller.key({ text: one in special ? undefined : one, name: /^[a-z]$/.test(one) ? one : undefined, sequence: one, ctrl: false, meta: false, shift: false, ...special[one] });
      }
    },
    /** All that stands above the live region. */
    lines() {
      scrollback.flush();
      return stripVTControlCharacters(written).split('\n').slice(0, -1);
    },
    text: () => store.current.editor.text,
    /** Lets promises that are already settled run. */
    settle: async () => {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    },
  };
}

test('a line runs, stays above with its prompt, and is in the history', async (t) => {
  const shell = createShell(t, { run: async (_, { sink }) => (sink.out('Found 0 items'), 0) });
  shell.type('ls -h', '\r');
  await shell.settle();
  t.deepEqual(shell.lines(), ['dfs:/user/me> ls -h', 'Found 0 items']);
  t.deepEqual(shell.ran, ['ls -h']);
  t.deepEqual(shell.session.history(), ['ls -h']);
  t.is(shell.store.current.running, undefined);
  t.is(shell.text(), '');
});

test('what is typed while a command runs waits for the next prompt, Enter too', async (t) => {
  const { promise, finish } = pending();
  const shell = createShell(t, { run: (line) => (line === 'put a' ? promise : Promise.resolve(0)) });
  shell.type('put a', '\r', 'pwd', '\r', 'ls');
  await shell.settle();
  t.deepEqual(shell.ran, ['put a']);
  t.is(shell.text(), '');
  finish(0);
  await shell.settle();
  t.deepEqual(shell.ran, ['put a', 'pwd']);
  t.is(shell.text(), 'ls');
});

test('Ctrl-C cancels the command, drops what was typed ahead, and the shell goes on', async (t) => {
  const shell = createShell(t, { run: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(130))) });
  shell.type('put a', '\r');
  await shell.settle();
  shell.type('rm x', '\r', '^C');
  await shell.settle();
  t.is(shell.store.current.running, undefined);
  t.deepEqual(shell.ran, ['put a']);
  t.is(shell.text(), '');
});

test('a command that does not heed Ctrl-C is left behind by the next one, and is then silent', async (t) => {
  let late!: (line: string) => void;
  const shell = createShell(t, { run: (_, { sink }) => ((late = (line) => sink.out(line)), new Promise(() => {})) });
  shell.type('put a', '\r');
  await shell.settle();
  shell.type('^C', '^C');
  await shell.settle();
  t.truthy(shell.store.current.running, 'it is given time first');
  shell.clock.advance(3000);
  shell.type('^C');
  await shell.settle();
  t.is(shell.store.current.running, undefined);
  late('too late');
  t.false(shell.lines().includes('too late'));
});

test('Ctrl-C clears a line, and on an empty one says how to leave; Ctrl-D leaves', async (t) => {
  const shell = createShell(t);
  shell.type('ls /x', '^C');
  t.is(shell.text(), '');
  t.deepEqual(shell.lines(), ['dfs:/user/me> ls /x^C']);
  shell.type('^C');
  t.regex(shell.store.current.hint!, /Ctrl-D/);
  shell.type('a', '^D');
  t.is(shell.text(), 'a', 'Ctrl-D deletes on a line that is not empty');
  shell.type('<backspace', '^D');
  t.is(await shell.controller.finished, 0);
});

test('exit leaves after the command, and a signal cancels what runs first', async (t) => {
  const leaving = createShell(t, { run: async (_, { session }) => (session.exit?.(), 0) });
  leaving.type('exit', '\r');
  t.is(await leaving.controller.finished, 0);
  const order: string[] = [];
  const killed = createShell(t, { run: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => (order.push('cleaned up'), resolve(130)))) });
  killed.type('put a', '\r');
  await killed.settle();
  void killed.controller.leave(143);
  await killed.settle();
  t.deepEqual(order, ['cleaned up']);
  t.is(await killed.controller.finished, 143);
});

test('the arrows walk through the lines that begin with what is typed; grey text is taken whole or by words', (t) => {
  const shell = createShell(t, { lines: ['put a /one', 'ls /', 'put b /two words'] });
  shell.type('put', '<up');
  t.is(shell.text(), 'put b /two words');
  shell.type('<up');
  t.is(shell.text(), 'put a /one');
  shell.type('<down', '<down');
  t.is(shell.text(), 'put');
  t.is(shell.store.current.suggestion, ' b /two words');
  shell.type('<alt-right');
  t.is(shell.text(), 'put b');
  shell.type('<right');
  t.is(shell.text(), 'put b /two words');
});

test('Ctrl-R narrows the list as one types, and puts the chosen line into the prompt without running it', (t) => {
  const shell = createShell(t, { lines: ['put events.csv /data', 'ls /', 'mkdir /data'] });
  shell.type('^R', 'evc');
  t.deepEqual(shell.store.current.search!.matches.map(({ line }) => line), ['put events.csv /data']);
  shell.type('\r');
  t.is(shell.text(), 'put events.csv /data');
  t.is(shell.store.current.search, undefined);
  t.deepEqual(shell.ran, []);
  shell.type('^R', 'mk', '<esc');
  t.is(shell.text(), 'put events.csv /data', 'Esc gives the line back');
});

const twoPaths = async (line: string, cursor: number): Promise<ShellCompletion> => ({
  start: line.lastIndexOf(' ') + 1,
  end: cursor,
  candidates: [
    { insert: "'/data/my file'", label: '/data/my file', isPartial: false },
    { insert: '/data/sub/', label: '/data/sub/', isPartial: true },
  ],
});

test('one candidate is put in, with a blank unless more can follow', async (t) => {
  const shell = createShell(t, { complete: async () => ({ start: 0, end: 2, candidates: [{ insert: 'put', label: 'put', isPartial: false }] }) });
  shell.type('pu', '\t');
  await shell.settle();
  t.is(shell.text(), 'put ');
  const partial = createShell(t, { complete: async () => ({ start: 3, end: 5, candidates: [{ insert: '/data/', label: '/data/', isPartial: true }] }) });
  partial.type('ls /d', '\t');
  await partial.settle();
  t.is(partial.text(), 'ls /data/');
});

test('several candidates open a menu: Tab goes round, Enter takes, Esc gives back what was typed', async (t) => {
  const shell = createShell(t, { complete: twoPaths });
  shell.type('ls /d', '\t');
  await shell.settle();
  t.is(shell.text(), 'ls /d');
  t.is(shell.store.current.menu!.candidates.length, 2);
  shell.type('\t');
  t.is(shell.text(), "ls '/data/my file'");
  shell.type('\t');
  t.is(shell.text(), 'ls /data/sub/');
  shell.type('<tab');
  t.is(shell.text(), "ls '/data/my file'");
  shell.type('<esc');
  t.is(shell.text(), 'ls /d');
  t.is(shell.store.current.menu, undefined);
  shell.type('\t');
  await shell.settle();
  shell.type('\t', '\r');
  t.is(shell.text(), "ls '/data/my file' ");
  t.deepEqual(shell.ran, [], 'Enter took the candidate and ran nothing');
});

test('typing goes on from the chosen candidate', async (t) => {
  const shell = createShell(t, { complete: twoPaths });
  shell.type('ls /d', '\t');
  await shell.settle();
  shell.type('\t', '\t', 'x');
  t.is(shell.text(), 'ls /data/sub/x');
  t.is(shell.store.current.menu, undefined);
});

test('what the candidates have in common is put in first', async (t) => {
  const shell = createShell(t, { complete: async () => ({ start: 3, end: 5, candidates: ['/data/a', '/data/b'].map((insert) => ({ insert, label: insert, isPartial: false })) }) });
  shell.type('ls /d', '\t');
  await shell.settle();
  t.is(shell.text(), 'ls /data/');
});

test('Tab and Enter typed in one go run the completed line', async (t) => {
  const { promise, finish } = pending<ShellCompletion>();
  const shell = createShell(t, { complete: () => promise });
  shell.type('ls /d', '\t', '\r', 'pwd');
  await shell.settle();
  t.deepEqual(shell.ran, []);
  finish({ start: 3, end: 5, candidates: [{ insert: "'/data/my file'", label: 'my file', isPartial: false }] });
  await shell.settle();
  t.deepEqual(shell.ran, ["ls '/data/my file' "]);
  t.is(shell.text(), 'pwd');
});

test('keys behind a Tab wait half a second for its answer and no longer', async (t) => {
  const shell = createShell(t, { complete: () => new Promise(() => {}) });
  shell.type('ls /d', '\t', 'xy');
  await shell.settle();
  t.is(shell.text(), 'ls /d');
  shell.clock.advance(500);
  t.is(shell.text(), 'ls /dxy');
  shell.type('z');
  t.is(shell.text(), 'ls /dxyz');
  shell.type('\t', 'lost', '^C');
  t.is(shell.text(), '', 'Ctrl-C waits for nothing');
});

test('an answer that comes after the line has changed is dropped, and one that never comes is given up', async (t) => {
  const { promise, finish } = pending<ShellCompletion>();
  const shell = createShell(t, { complete: () => promise });
  shell.type('pu', '\t', 'x');
  shell.clock.advance(500);
  finish({ start: 0, end: 2, candidates: [{ insert: 'put', label: 'put', isPartial: false }] });
  await shell.settle();
  t.is(shell.text(), 'pux');
  const waiting = createShell(t, { complete: () => new Promise(() => {}) });
  waiting.type('ls /', '\t');
  await waiting.settle();
  waiting.clock.advance(3000);
  await waiting.settle();
  t.regex(waiting.store.current.hint!, /does not answer/);
});

test('a paste is one edit; its lines run one after the other and stop at the first that fails', async (t) => {
  const shell = createShell(t, { run: async (line) => (line.startsWith('fail') ? 1 : 0) });
  shell.controller.paste('ls /a\necho "two\nlines"\nfail\nls /b\n');
  t.is(shell.text(), 'ls /a\necho "two\nlines"\nfail\nls /b\n');
  shell.type('\r');
  await shell.settle();
  t.deepEqual(shell.ran, ['ls /a', 'echo "two\nlines"', 'fail']);
  t.is(shell.session.history().length, 1);
});

test('a command that reads gets the lines typed for it until Ctrl-D', async (t) => {
  let input = '';
  const shell = createShell(t, {
    run: async (_, context) => {
      for await (const bytes of context.input) input += Buffer.from(bytes).toString();
      return 0;
    },
  });
  shell.type('put - /x', '\r');
  await shell.settle();
  t.true(shell.store.current.running?.isReading);
  shell.type('one', '\r', 'two', '\r');
  await shell.settle();
  shell.type('^D');
  await shell.settle();
  t.is(input, 'one\ntwo\n');
  t.is(shell.store.current.running, undefined);
  t.deepEqual(shell.session.history(), ['put - /x']);
});

test('raw bytes that do not end a line get a sign and a newline, so that the prompt has its own row', async (t) => {
  const shell = createShell(t, { run: async (_, { sink }) => (await sink.write(Buffer.from('a\nb')), 0) });
  shell.type('ls', '\r');
  await shell.settle();
  t.deepEqual(shell.lines(), ['dfs:/user/me> ls', 'a', 'b⏎']);
});

test('an error that a command throws is said and ends nothing', async (t) => {
  const shell = createShell(t, { run: () => Promise.reject(new Error('broken')) });
  shell.type('ls', '\r');
  await shell.settle();
  t.deepEqual(shell.lines(), ['dfs:/user/me> ls', 'broken']);
  t.is(shell.store.current.running, undefined);
});

test('the prompt follows cd, the help opens by ? on an empty line only, Ctrl-L and Ctrl-Z reach the screen', async (t) => {
  const shell = createShell(t, { run: async (_, { session }) => ((session.workingDirectory = '/data'), 0) });
  shell.type('?');
  t.true(shell.store.current.isHelpOpen);
  shell.type('c');
  t.false(shell.store.current.isHelpOpen);
  shell.type('d ?', '\r');
  await shell.settle();
  t.deepEqual(shell.ran, ['cd ?']);
  t.is(shell.store.current.promptLabel, 'dfs:/data');
  shell.type('^L', '^Z');
  t.deepEqual([shell.host.clears, shell.host.stops], [1, 1]);
});

function pending<T = number>(): { promise: Promise<T>; finish: (value: T) => void } {
  let finish!: (value: T) => void;
  const promise = new Promise<T>((resolve) => (finish = resolve));
  return { promise, finish };
}
