import type { LocalCluster, LocalNode } from '../cluster/local-cluster.js';
import type { Command, CommandContext } from './command.js';
import { UsageError } from './command-errors.js';
import { nodeRecord } from './node-table.js';

/** One node of this machine's cluster. */
export const command: Command = {
  name: 'node',
  summary: 'Add a data node on this machine; start, stop or kill a node',
  group: 'Cluster',
  usage: 'add | start NAME | stop NAME | kill NAME',
  flags: [],
  flagParsing: 'anywhere',
  arguments: [
    { name: 'add | start | stop | kill', kind: 'text' },
    { name: 'NAME', kind: 'node', isOptional: true },
  ],
  needsNameNode: false,
  description:
    'add starts one more data node on the next free port; it belongs to the cluster from then on. stop ends a node in good order, kill at once (SIGKILL), as a ' +
    'crash would; start brings it back on its old data. NAME is nn, dn1, dn2, ... as cluster status shows them.',
  examples: ['node add', 'node kill dn2', 'node start dn2'],
  async run({ operands: [action, ...names] }, context) {
    if (action === 'add' && names.length > 0) throw new UsageError(`Too many arguments: expected 1 but got ${1 + names.length}`);
    if (action === 'add') return begin(context, 'added', (cluster, options) => cluster.add(options));
    if (action !== 'start' && action !== 'stop' && action !== 'kill') throw new UsageError(`Unknown action ${JSON.stringify(action)}: add, start, stop or kill expected`);
    const [name] = names;
    if (name === undefined) throw new UsageError(`Not enough arguments: which node is to ${action}? cluster status shows them`);
    if (action === 'start') return begin(context, 'started', (cluster, options) => cluster.start(name, options));
    return end(context, action === 'stop' ? 'stopped' : 'killed', (cluster) => cluster[action](name));
  },
};

type BeginOptions = Parameters<LocalCluster['add']>[0];

async function begin({ sink, signal, localCluster }: CommandContext, done: string, work: (cluster: LocalCluster, options: BeginOptions) => Promise<LocalNode>): Promise<number> {
  const node = await work(await localCluster(), { signal, onProgress: (step) => sink.out(step) });
  sink.record(nodeRecord(node));
  sink.out(`${node.name} on ${node.address} ${node.wasStarted ? `is ${done} and live` : 'runs already'}${node.pid === undefined ? '' : `, process ${node.pid}`}`);
  return 0;
}

async function end({ sink, localCluster }: CommandContext, done: string, work: (cluster: LocalCluster) => Promise<LocalNode>): Promise<number> {
  const node = await work(await localCluster());
  sink.record(nodeRecord(node));
  sink.out(`${node.name} on ${node.address} is ${done}, process ${node.pid}`);
  return 0;
}
