import test from 'ava';
import type { LocalCluster, LocalNode } from '../../../source/cluster/local-cluster.js';
import { command as clusterCommand } from '../../../source/commands/cluster.js';
import type { Command, CommandContext, OutputSink } from '../../../source/commands/command.js';
import { parseFlags } from '../../../source/commands/flags.js';
import { command as logsCommand } from '../../../source/commands/logs.js';
import { command as nodeCommand } from '../../../source/commands/node.js';

const node = (name: string, more: Partial<LocalNode> = {}): LocalNode => ({
  name,
  role: name === 'nn' ? 'namenode' : 'datanode',
  address: name === 'nn' ? '127.0.0.1:9870' : `127.0.0.1:${9863 + Number(name.slice(2))}`,
  pid: 4711,
  state: 'running',
  dataDirectory: `/data/${name}`,
  logFile: `/data/log/${name}.log`,
  ...more,
});

/** Runs a command line against a cluster whose calls are recorded. */
async function run(command: Command, line: string, cluster: Partial<LocalCluster>) {
  const out: string[] = [];
  const records: object[] = [];
  const sink = { out: (text: string) => out.push(text), record: (record: object) => records.push(record), isJson: false } as unknown as OutputSink;
  const context = { sink, signal: new AbortController().signal, localCluster: async () => cluster as LocalCluster } as unknown as CommandContext;
  const code = await command.run(parseFlags(command, command.name, line.split(' ').filter(Boolean)), context);
  return { code, out, records };
}

test('cluster up tells each step and ends with what is live; without anything to start it says so', async (t) => {
  const counts: unknown[] = [];
  const up = (wasStarted: boolean): LocalCluster['up'] => async ({ count, onProgress }) => {
    counts.push(count);
    if (wasStarted) onProgress?.('starting nn on 127.0.0.1:9870');
    return [node('nn', wasStarted ? { wasStarted: true } : {}), node('dn1'), node('dn2')];
  };
  const first = await run(clusterCommand, 'up 2', { up: up(true) });
  t.deepEqual(first.out, ['starting nn on 127.0.0.1:9870', 'cluster up: name node 127.0.0.1:9870, 2 data nodes live']);
  t.is(first.code, 0);
  t.deepEqual(first.records[1], { name: 'dn1', role: 'datanode', address: '127.0.0.1:9864', pid: 4711, state: 'running', dataDirectory: '/data/dn1', logFile: '/data/log/dn1.log' });
  const second = await run(clusterCommand, 'up', { up: up(false) });
  t.deepEqual(second.out, ['already up: name node 127.0.0.1:9870, 2 data nodes live']);
  t.deepEqual(counts, [2, undefined]);
});

test('cluster down counts what it stopped', async (t) => {
  t.deepEqual((await run(clusterCommand, 'down', { down: async () => [node('nn'), node('dn1')] })).out, ['cluster down: 2 nodes stopped']);
  t.deepEqual((await run(clusterCommand, 'down', { down: async () => [] })).out, ['already down: nothing that was started from here runs']);
});

test('cluster status is a table, and a record a node', async (t) => {
  const { out, records } = await run(clusterCommand, 'status', { status: async () => [node('nn'), node('dn10', { pid: undefined, state: 'unreachable', dataDirectory: '/a\u001b[2Jb' })] });
  t.deepEqual(out, [
    'NODE  STATE        ADDRESS         PID   DATA',
    'nn    running      127.0.0.1:9870  4711  /data/nn',
    'dn10  unreachable  127.0.0.1:9873  -     /a\\x1b[2Jb',
  ]);
  t.is((records[1] as { pid: unknown }).pid, null);
});

test('node add, start, stop and kill name the node, its address and its process', async (t) => {
  const cluster: Partial<LocalCluster> = {
    add: async () => node('dn4', { wasStarted: true }),
    start: async (name) => node(name),
    stop: async (name) => node(name, { state: 'stopped' }),
    kill: async (name) => node(name, { state: 'stopped' }),
  };
  t.deepEqual((await run(nodeCommand, 'add', cluster)).out, ['dn4 on 127.0.0.1:9867 is added and live, process 4711']);
  t.deepEqual((await run(nodeCommand, 'start dn2', cluster)).out, ['dn2 on 127.0.0.1:9865 runs already, process 4711']);
  t.deepEqual((await run(nodeCommand, 'stop dn2', cluster)).out, ['dn2 on 127.0.0.1:9865 is stopped, process 4711']);
  t.deepEqual((await run(nodeCommand, 'kill dn2', cluster)).out, ['dn2 on 127.0.0.1:9865 is killed, process 4711']);
});

test('logs prints the last lines, escaped, and with -f those that come', async (t) => {
  const asked: number[] = [];
  const cluster: Partial<LocalCluster> = {
    log: async (_name, { lineCount }) => {
      asked.push(lineCount);
      return ['one\ttab', 'two\u001b]0;'];
    },
    async *followLog() {
      yield 'three';
    },
  };
  t.deepEqual((await run(logsCommand, 'dn1', cluster)).out, ['one\ttab', 'two\\x1b]0;']);
  const followed = await run(logsCommand, 'dn1 -n 5 -f', cluster);
  t.deepEqual(followed.out, ['one\ttab', 'two\\x1b]0;', 'three']);
  t.deepEqual(followed.records.at(-1), { node: 'dn1', line: 'three' });
  await run(logsCommand, '-n 0 dn1', cluster);
  t.deepEqual(asked, [20, 5, 0]);
});

test('what makes no sense is refused before anything is touched', async (t) => {
  for (const [command, line] of [
    [clusterCommand, ''],
    [clusterCommand, 'sideways'],
    [clusterCommand, 'up 0'],
    [clusterCommand, 'up two'],
    [clusterCommand, 'up 1 2'],
    [clusterCommand, 'down now'],
    [clusterCommand, 'status -v'],
    [nodeCommand, 'kill'],
    [nodeCommand, 'add dn4'],
    [nodeCommand, 'burn dn1'],
    [logsCommand, ''],
    [logsCommand, 'dn1 -n few'],
    [logsCommand, 'dn1 -n'],
  ] as const) {
    await t.throwsAsync(run(command, line, {}), { name: 'UsageError' }, `${command.name} ${line}`);
  }
});
