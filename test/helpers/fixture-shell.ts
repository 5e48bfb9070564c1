/**
 * A program for the pseudo-terminal tests: the live shell on scripted commands and a scripted cluster, without any server.
 * `node fixture-shell.js [--plain]`; DFSH_FIXTURE_HISTORY names the history file, DFSH_FIXTURE_FEED the cluster (`healthy` by default,
 * `dying`, `absent`).
 */
import { sleep, systemClock } from '../../source/base/clock.js';
import type { CommandContext, CommandEntry, CommandRegistry } from '../../source/commands/command.js';
import { tokenize } from '../../source/commands/tokenizer.js';
import type { FeedItem } from '../../source/protocol/cluster-events.js';
import { UnavailableError } from '../../source/protocol/errors.js';
import type { ShellOptions } from '../../source/shell/shell-options.js';
import { fixtureDegradedHealth, fixtureHealth } from './fixture-cluster.js';

const mebibyte = 1024 ** 2;

type FixtureCommand = { summary: string; run: (words: string[], context: CommandContext) => Promise<number> };

const commands: Record<string, FixtureCommand> = {
  echo: { summary: 'say it', run: async (words, { sink }) => (sink.out(words.join(' ')), 0) },
  fail: { summary: 'fail', run: async (_, { sink }) => (sink.err('fail: `/x\': No such file or directory'), 1) },
  lines: {
    summary: 'many lines',
    run: async ([count = '10'], { sink }) => {
      for (let index = 1; index <= Number(count); index++) sink.out(`line ${index}`);
      return 0;
    },
  },
  cat: { summary: 'raw bytes', run: async (words, { sink }) => (await sink.write(Buffer.from(words.join(' ').replaceAll('|', '\n'))), 0) },
  cd: { summary: 'change the directory', run: async ([path = '/'], { session }) => ((session.workingDirectory = path), 0) },
  exit: { summary: 'leave', run: async (_, { session }) => (session.exit?.(), 0) },
  killme: { summary: 'send a signal to this shell', run: async ([name], { signal }) => (process.kill(process.pid, `SIG${name}`), sleep(systemClock, 60_000, signal).catch(() => {}), 0) },
  crash: { summary: 'break the program', run: async () => (setTimeout(() => { throw new Error('a bug'); }, 1), new Promise(() => {})) },
  wait: { summary: 'until it is cancelled', run: async (_, { signal, sink }) => sleep(systemClock, 60_000, signal).then(() => 0, () => (sink.err('wait: cancelled'), 130)) },
  read: {
    summary: 'echo the input',
    run: async (_, { input, sink }) => {
      let bytes = 0;
      for await (const chunk of input) bytes += chunk.length;
      sink.out(`read ${bytes} bytes`);
      return 0;
    },
  },
  put: {
    summary: 'copy local files into the cluster',
    run: async ([source = 'events.csv', target = '/user/me/events.csv'], { sink, signal }) => {
      const names = { operation: 'put', source, target, startedMs: systemClock.monotonicMs() };
      const totalBytes = 1024 * mebibyte;
      const started = systemClock.monotonicMs();
      const durationMs = Number(process.env['DFSH_FIXTURE_PUT_MS'] ?? 600_000);
      for (;;) {
        const elapsed = systemClock.monotonicMs() - started;
        const fraction = Math.min(1, 0.59 + elapsed / durationMs);
        if (fraction >= 1) break;
        const durable = Math.min(24, Math.floor(fraction * 24) - 3);
        const counts = Array.from({ length: Math.ceil(durable / 3) }, (_, index) => Math.min(3, durable - 3 * index));
        sink.progress('put-1', {
          ...names,
          doneBytes: fraction * totalBytes,
          totalBytes,
          durableReplicaBytes: (fraction - 0.13) * 3 * totalBytes,
          replication: 3,
          blockIndex: Math.floor(fraction * 8),
          blockCount: 8,
          durableReplicaCounts: counts,
          nodes: ['dn1', 'dn3', 'dn4'],
        });
        try {
          await sleep(systemClock, 20, signal);
        } catch {
          sink.end('put-1', { result: 'cancelled', ...names, bytes: fraction * totalBytes, durationMs: elapsed, notes: [] });
          return 130;
        }
      }
      sink.end('put-1', { result: 'done', ...names, bytes: totalBytes, durationMs: 12_400, blockCount: 8, replication: 3, notes: [] });
      return 0;
    },
  },
  watch: {
    summary: 'show in place until cancelled',
    run: async (_, { sink, signal }) => {
      sink.screen?.show(['every 2 s: du -s /', '123  369  /']);
      await sleep(systemClock, 60_000, signal).catch(() => {});
      sink.screen?.keep();
      return 130;
    },
  },
};

const entries: CommandEntry[] = Object.entries(commands).map(([name, { summary }]) => ({
  name,
  aliases: [],
  summary,
  group: 'Files',
  load: () => Promise.reject(new Error('the fixture runs its commands itself')),
}));
const registry: CommandRegistry = { entries, find: (name) => entries.find((entry) => entry.name === name), loadAll: async () => [] };
const remotePaths = ['/user/me/', '/user/me/logs/', '/user/me/events.parquet', "'/user/me/my data.csv'"];

async function* feed(signal: AbortSignal): AsyncIterable<FeedItem> {
  const kind = process.env['DFSH_FIXTURE_FEED'] ?? 'healthy';
  if (kind === 'absent') throw new UnavailableError('nothing answers at 127.0.0.1:9870');
  yield { type: 'health', health: fixtureHealth() };
  if (kind === 'dying') {
    const event = (id: number, level: 'warn' | 'error', eventKind: 'node-stale' | 'node-dead', message: string): FeedItem => ({ type: 'cluster', event: { id, timeMs: Date.now(), level, kind: eventKind, node: 'dn3', message } });
    yield event(1, 'warn', 'node-stale', 'dn3 no heartbeat for 3 s: STALE');
    yield event(2, 'error', 'node-dead', 'dn3 DEAD, 214 blocks under-replicated, 0 missing; re-replication started');
    for (; !signal.aborted; await sleep(systemClock, 300, signal).catch(() => {})) yield { type: 'health', health: fixtureDegradedHealth() };
  }
  for (; !signal.aborted; await sleep(systemClock, 1000, signal).catch(() => {})) yield { type: 'health', health: fixtureHealth() };
}

const historyFile = process.env['DFSH_FIXTURE_HISTORY'] ?? '/dev/null';
const session = { user: 'me', workingDirectory: '/user/me', localDirectory: process.cwd(), isJson: false, history: (): string[] => [] };
const options: ShellOptions = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  session,
  createContext: (parts) => ({
    ...parts,
    session,
    client: () => Promise.reject(new Error('no client in the fixture')),
    remote: () => Promise.reject(new Error('no file system in the fixture')),
    local: undefined as never,
    localCluster: () => Promise.reject(new Error('no cluster in the fixture')),
    commands: registry,
    clock: systemClock,
  }),
  async runLine(line, context) {
    let code = 0;
    for (const { words } of tokenize(line).segments) {
      const [name, ...rest] = words.map(({ text }) => text);
      if (name === undefined) continue;
      const command = commands[name];
      if (!command) context.sink.err(`${name}: Unknown command`);
      code = command ? await command.run(rest, context) : 255;
    }
    return code;
  },
  async completer(line, cursor) {
    const start = line.lastIndexOf(' ', cursor - 1) + 1;
    const word = line.slice(start, cursor);
    const candidates =
      start === 0
        ? entries.filter(({ name }) => name.startsWith(word)).map(({ name, summary }) => ({ insert: name, label: name, description: summary, isPartial: false }))
        : remotePaths.filter((path) => path.replaceAll("'", '').startsWith(word)).map((path) => ({ insert: path, label: path.replaceAll("'", ''), isPartial: path.endsWith('/') }));
    return { start, end: cursor, candidates };
  },
  registry,
  feed,
  historyFile,
  nameNodeAddress: '127.0.0.1:9870',
  clock: systemClock,
  environment: process.env,
};

const isPlain = process.argv.includes('--plain');
const code = isPlain ? await (await import('../../source/shell/run-plain-shell.js')).runPlainShell(options) : await (await import('../../source/shell/run-shell.js')).runInteractiveShell(options);
process.exit(code);
