import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { Command, CommandContext, CommandRegistry } from '../../../source/commands/command.js';
import { UsageError } from '../../../source/commands/command-errors.js';
import { runLine } from '../../../source/commands/dispatcher.js';
import { createRegistry, registry } from '../../../source/commands/registry.js';
import { BlockMissingError, CancelledError, FileNotFoundError, InvalidArgumentError, NotEnoughReplicasError, SafeModeError, UnavailableError } from '../../../source/protocol/errors.js';
import { RecorderSink } from '../../helpers/recorder-sink.js';

type Run = Command['run'];

const command = (name: string, run: Run, changes: Partial<Command> = {}): Command => ({
  name,
  group: 'Files',
  summary: 'Does',
  usage: '[<word> ...]',
  flags: [{ name: 'f', summary: 'F' }],
  arguments: [{ name: 'word', kind: 'text', isOptional: true, isRepeated: true }],
  run,
  ...changes,
});

const fail = (error: unknown): Run => async () => {
  throw error;
};
const say: Run = async ({ typedName, operands, flags }, { sink }) => {
  sink.out([typedName, ...flags.keys(), ...operands].join('|'));
  sink.record({ typedName });
  return 0;
};

function setUp(commands: Command[], options: { isJson?: boolean; isShell?: boolean; signal?: AbortSignal } = {}): { run: (line: string) => Promise<number>; sink: RecorderSink; loaded: string[] } {
  const loaded: string[] = [];
  const sink = new RecorderSink({ isJson: options.isJson ?? false });
  const commandRegistry: CommandRegistry = createRegistry(
    commands.map((one) => ({
      name: one.name,
      aliases: one.aliases ?? [],
      summary: one.summary,
      group: one.group,
      load: async () => {
        loaded.push(one.name);
        return one;
      },
    })),
  );
  const context = {
    sink,
    signal: options.signal ?? new AbortController().signal,
    session: { user: 'me', workingDirectory: '/user/me', localDirectory: '/', isJson: false, history: () => [], ...(options.isShell && { exit() {} }) },
    commands: commandRegistry,
    clock: new ManualClock(),
  } as unknown as CommandContext;
  return { run: (line) => runLine(line, context), sink, loaded };
}

test('a command gets its words, with or without a dash or the program in front', async (t) => {
  const { run, sink } = setUp([command('ls', say, { aliases: ['dir'] })]);
  for (const line of ['ls -f /a', '-ls -f /a', 'hdfs dfs -ls -f /a', 'hadoop fs -ls -f /a', 'hdfs dfsadmin -ls /a', 'hdfs ls /a', "dir 'a b'"]) t.is(await run(line), 0, line);
  t.deepEqual(sink.lines, ['ls|f|/a', '-ls|f|/a', '-ls|f|/a', '-ls|f|/a', '-ls|/a', 'ls|/a', 'dir|a b']);
});

test('only the command that runs is loaded', async (t) => {
  const { run, loaded } = setUp([command('a', say), command('b', say)]);
  await run('a x');
  t.deepEqual(loaded, ['a']);
});

test('a semicolon goes on after a failure, two ampersands do not; the code is the last one\'s that ran', async (t) => {
  const { run, sink } = setUp([command('ok', say), command('no', async () => 1)]);
  t.is(await run('ok 1; no; ok 2'), 0);
  t.is(await run('no && ok 3'), 1);
  t.is(await run('no && ok 4 && ok 5; ok 6'), 0);
  t.is(await run('ok 7 && no'), 1);
  t.is(await run(''), 0);
  t.is(await run('  # nothing'), 0);
  t.is(await run('ok 8 ;;'), 0);
  t.deepEqual(sink.lines, ['ok|1', 'ok|2', 'ok|6', 'ok|7', 'ok|8']);
});

test('usage errors name the command as typed, with its usage, and are 255', async (t) => {
  const { run, sink } = setUp([command('ls', say)]);
  t.is(await run('-ls -z'), 255);
  t.deepEqual(sink.errors, ['-ls: Illegal option -z', 'Usage: ls [-f] [<word> ...]']);
});

test('an unknown command is 255, and the nearest one is named', async (t) => {
  const { run, sink } = setUp([command('mkdir', say), command('setQuota', say)]);
  t.is(await run('-mkdri /a'), 255);
  t.is(await run('setquota 1 /a'), 255);
  t.is(await run('frobnicate'), 255);
  t.deepEqual(
    sink.errors.filter((line) => !line.startsWith('Usage:')),
    ['-mkdri: Unknown command', 'Did you mean mkdir?', 'setquota: Unknown command', 'Did you mean setQuota?', 'frobnicate: Unknown command'],
  );
  t.is(sink.errors.filter((line) => line.startsWith('Usage:')).length, 3);
});

test('a quote that is not closed runs nothing', async (t) => {
  const { run, sink } = setUp([command('ok', say)]);
  t.is(await run(`ok a; ok 'b`), 255);
  t.deepEqual(sink.lines, []);
  t.regex(sink.errors[0]!, /never closed/);
});

for (const [what, error, code, line] of [
  ['an error of the namespace', new FileNotFoundError('File /x does not exist.', { path: '/x' }), 1, 'do: File /x does not exist.'],
  ['an error of several lines', new SafeModeError('Cannot delete /x. Name node is in safe mode.\nIt was turned on by hand.'), 1, 'do: Cannot delete /x. Name node is in safe mode.'],
  ['an argument that the name node refuses', new InvalidArgumentError('no'), 1, 'do: no'],
  ['what nobody expected', new TypeError('oops'), 1, 'do: oops'],
  ['a cancellation', new CancelledError('stop'), 130, undefined],
] as const) {
  test(`${what} gives ${code} and ${line === undefined ? 'no line' : 'one line'}`, async (t) => {
    const { run, sink } = setUp([command('do', fail(error))]);
    t.is(await run('-do'), code);
    t.deepEqual(sink.errors, line === undefined ? [] : [line]);
  });
}

test('why no node was chosen is told below the error', async (t) => {
  const { run, sink } = setUp([command('put', fail(new NotEnoughReplicasError('File /a could only be written to 0 nodes.', { details: ['dn1: full', 'dn2: dead'] })))]);
  t.is(await run('put'), 1);
  t.deepEqual(sink.errors, ['put: File /a could only be written to 0 nodes.', '  dn1: full', '  dn2: dead']);
});

test('why no replica could be read is told below the error, a line a node', async (t) => {
  const { run, sink } = setUp([command('cat', fail(new BlockMissingError('Could not obtain block: blk_7_8 file=/a (block 0 of the file)', { details: ['dn1: refused the connection', 'dn2: was too slow'] })))]);
  t.is(await run('cat'), 1);
  t.deepEqual(sink.errors, ['cat: Could not obtain block: blk_7_8 file=/a (block 0 of the file)', '  dn1: refused the connection', '  dn2: was too slow']);
});

test('without a name node the code is 2, and what to type is said', async (t) => {
  const error = new UnavailableError('nothing answers at 127.0.0.1:9870');
  const oneShot = setUp([command('ls', fail(error))]);
  t.is(await oneShot.run('ls'), 2);
  t.deepEqual(oneShot.sink.errors, ['ls: nothing answers at 127.0.0.1:9870; to start a cluster on this machine: dfsh --exec "cluster up"']);
  const shell = setUp([command('ls', fail(error))], { isShell: true });
  t.is(await shell.run('ls'), 2);
  t.regex(shell.sink.errors[0]!, /: cluster up$/);
});

test('an administration command fails with 255, and with 2 where no name node is', async (t) => {
  const { run } = setUp([command('report', fail(new FileNotFoundError('x')), { isAdmin: true }), command('half', async () => 1, { isAdmin: true }), command('away', fail(new UnavailableError('nobody')), { isAdmin: true })]);
  t.is(await run('report'), 255);
  t.is(await run('half'), 255);
  t.is(await run('away'), 2);
});

test('an abort ends the line with 130', async (t) => {
  const abort = new AbortController();
  const { run, sink } = setUp(
    [
      command('slow', async () => {
        abort.abort();
        throw abort.signal.reason;
      }),
      command('ok', say),
    ],
    { signal: abort.signal },
  );
  t.is(await run('slow; ok'), 130);
  t.deepEqual([sink.lines, sink.errors], [[], []]);
});

test('errors are objects with --json: command, name, code, message, path', async (t) => {
  const { run, sink } = setUp([command('do', fail(new FileNotFoundError('File /x does not exist.', { path: '/x' }))), command('use', fail(new UsageError('wrong')))], { isJson: true });
  t.is(await run('do'), 1);
  t.is(await run('use'), 255);
  t.is(await run('nothing'), 255);
  t.deepEqual(
    sink.errors.map((line) => JSON.parse(line)),
    [
      { error: { command: 'do', name: 'FileNotFoundError', code: 1001, message: 'File /x does not exist.', path: '/x' } },
      { error: { command: 'use', name: 'InvalidArgumentError', code: 1008, message: 'wrong' } },
      { error: { command: 'nothing', name: 'InvalidArgumentError', code: 1008, message: 'Unknown command' } },
    ],
  );
});

test('--json in a line prints objects for that command alone, and not behind two dashes', async (t) => {
  const { run, sink } = setUp([command('do', say)]);
  await run('do --json x; do y; do -- --json');
  t.deepEqual(sink.lines, ['{"typedName":"do"}', 'do|y', 'do|--json']);
});

test('control characters in what was typed do not reach the terminal (fault 64)', async (t) => {
  const { run, sink } = setUp([command('do', fail(new UsageError('x \u001b[2J')))]);
  await run('do');
  await run("'\u001b[2J'");
  // eslint-disable-next-line no-control-regex
  t.false(sink.errors.some((line) => /\u001b/.test(line)));
});

test('what a server says cannot drive the terminal either: not its words, not its details, not its paths (fault 64)', async (t) => {
  const evil = '\u001b]52;c;aGk=\u0007\u202e\u009b2J\r\n forged: line';
  const { run, sink } = setUp([command('do', fail(new NotEnoughReplicasError(`no ${evil}`, { path: `/${evil}`, details: [`dn1: ${evil}`] })))]);
  t.is(await run('do'), 1);
  t.true(sink.errors.length >= 2);
  // eslint-disable-next-line no-control-regex
  for (const line of sink.errors) t.notRegex(line, /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test('every command is loadable, under the name, the summary and the group that the registry tells', async (t) => {
  const all = await registry.loadAll();
  for (const [i, entry] of registry.entries.entries()) {
    const spec = all[i]!;
    t.like(spec, { name: entry.name, summary: entry.summary, group: entry.group });
    t.deepEqual(spec.aliases ?? [], entry.aliases);
    t.false(/[.\n]$/.test(spec.summary), spec.name);
  }
  const names = registry.entries.flatMap(({ name, aliases }) => [name, ...aliases]);
  t.is(new Set(names).size, names.length);
  for (const name of names) t.truthy(registry.find(name), name);
});
