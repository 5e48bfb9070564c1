import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { Command, CommandContext } from '../../../source/commands/command.js';
import { runLine } from '../../../source/commands/dispatcher.js';
import { createRegistry } from '../../../source/commands/registry.js';
import { command as history } from '../../../source/commands/history.js';
import { command as watch } from '../../../source/commands/watch.js';
import type { FeedItem } from '../../../source/protocol/cluster-events.js';
import { fixtureDegradedHealth, fixtureHealth } from '../../helpers/fixture-cluster.js';
import { RecorderSink } from '../../helpers/recorder-sink.js';

const entryOf = (command: Command) => ({ name: command.name, aliases: [], summary: '', group: command.group, load: async () => command });

function createContext(options: { items?: FeedItem[]; sink?: RecorderSink; typed?: string[] } = {}) {
  const clock = new ManualClock(Date.UTC(2026, 10, 22, 16, 52, 7));
  const abort = new AbortController();
  const sink = options.sink ?? new RecorderSink();
  let rounds = 0;
  const count: Command = { name: 'count', summary: '', group: 'Space', usage: '', flags: [], arguments: [{ name: 'path', kind: 'text', isOptional: true, isRepeated: true }], run: async ({ operands }, context) => (context.sink.out(`round ${++rounds} of ${operands.join(' ')}`), 1) };
  const context = {
    sink,
    clock,
    signal: abort.signal,
    commands: createRegistry([count, watch, history].map(entryOf)),
    session: { history: () => options.typed ?? [] },
    client: async () => ({
      async *feed({ signal }: { signal: AbortSignal }) {
        for (const item of options.items ?? []) yield item;
        abort.abort();
        signal.throwIfAborted();
      },
    }),
  } as unknown as CommandContext;
  const settle = async () => {
    for (let turn = 0; turn < 30; turn++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { context, clock, sink, abort, settle };
}

test('watch repeats a command every two seconds, failures too, until it is cancelled with 130', async (t) => {
  const { context, clock, sink, abort, settle } = createContext();
  const running = runLine('watch count /a b', context);
  await settle();
  clock.advance(1999);
  await settle();
  t.deepEqual(sink.lines.filter((line) => line.startsWith('round')), ['round 1 of /a b']);
  clock.advance(1);
  await settle();
  t.deepEqual(sink.lines.filter((line) => line.startsWith('round')), ['round 1 of /a b', 'round 2 of /a b']);
  t.regex(sink.lines[0]!, /^every 2 s: count \/a b {3}\d\d:52:07$/);
  abort.abort();
  t.is(await running, 130);
});

test('on a live screen each round takes the place of the one before, and the last one is kept', async (t) => {
  const shown: (readonly string[])[] = [];
  let kept = 0;
  const sink = Object.assign(new RecorderSink(), { screen: { show: (lines: readonly string[]) => void shown.push(lines), keep: () => void kept++ } });
  const { context, clock, abort, settle } = createContext({ sink });
  const running = runLine('watch -n 0.5 count', context);
  await settle();
  clock.advance(500);
  await settle();
  abort.abort();
  await running;
  t.deepEqual(shown.map((lines) => lines[1]), ['round 1 of ', 'round 2 of ']);
  t.is(kept, 1);
  t.is(sink.text, '');
});

test('watch refuses itself, and seconds that make no sense', async (t) => {
  for (const line of ['watch watch', 'watch -n', 'watch -n x count', 'watch -n 0 count', 'watch -nx count']) {
    const { context, sink } = createContext();
    t.is(await runLine(line, context), 255, line);
    t.regex(sink.errors.join('\n'), /^watch: .*\nUsage: watch \[-n <seconds>\]/, line);
  }
});

const event: FeedItem = { type: 'cluster', event: { id: 1, timeMs: Date.UTC(2026, 10, 22, 16, 52, 14), level: 'error', kind: 'node-dead', node: 'dn3', message: 'dn3 DEAD\u001b[2J' } };

test('watch without a command prints events, and health when it changes, and ends with 130', async (t) => {
  const { context, sink } = createContext({ items: [{ type: 'health', health: fixtureHealth() }, { type: 'health', health: fixtureHealth() }, event, { type: 'health', health: fixtureDegradedHealth() }] });
  t.is(await runLine('watch', context), 130);
  t.deepEqual(sink.lines.map((line) => line.slice(9)), [
    'INFO  HEALTHY 4/4 live, 0 under-replicated, 0 missing',
    'ERROR dn3 DEAD\\x1b[2J',
    'WARN  DEGRADED 3/4 live, 43 under-replicated, 0 missing, repair 171/214',
  ]);
});

test('watch --json gives every item of the feed', async (t) => {
  const items: FeedItem[] = [{ type: 'health', health: fixtureHealth() }, event];
  const { context, sink } = createContext({ items, sink: new RecorderSink({ isJson: true }) });
  await runLine('watch --json', context);
  t.deepEqual(sink.records, items);
});

test('history lists the last lines with their numbers', async (t) => {
  const typed = ['ls', 'put a /b', 'echo "x\ny"'];
  const { context, sink } = createContext({ typed });
  t.is(await runLine('history 2', context), 0);
  t.deepEqual(sink.lines, ['    2  put a /b', '    3  echo "x\\ny"']);
  t.deepEqual(sink.records, [{ number: 2, line: 'put a /b' }, { number: 3, line: 'echo "x\ny"' }]);
  t.is(await runLine('history x', createContext({ typed }).context), 255);
});
