import { counted, escapeControls } from '../base/text.js';
import type { LocalNode } from '../cluster/local-cluster.js';
import type { Command, CommandContext } from './command.js';
import { UsageError } from './command-errors.js';
import { nodeRecord, nodeTable } from './node-table.js';

/** The cluster of this machine as a whole. */
export const command: Command = {
  name: 'cluster',
  summary: 'Start, stop and show the cluster on this machine',
  group: 'Cluster',
  usage: 'up [N] | down | status',
  flags: [],
  flagParsing: 'anywhere',
  arguments: [
    { name: 'up | down | status', kind: 'text' },
    { name: 'N', kind: 'number', isOptional: true },
  ],
  needsNameNode: false,
  description:
    'up starts what does not run of a name node and the data nodes of config.json (N: that many of them, or more on the next free ports), as processes that ' +
    'outlive the shell, and returns when all are live; a data node that cannot start is named, and the others run. down stops all of them; nothing is deleted. status shows them.',
  examples: ['cluster up', 'cluster up 5', 'cluster status', 'cluster down'],
  async run({ operands: [action, ...rest] }, context) {
    if (action !== 'up' && rest.length > 0) throw new UsageError(`Too many arguments: expected 1 but got ${1 + rest.length}`);
    switch (action) {
      case 'up':
        return up(context, rest[0]);
      case 'down':
        return down(context);
      case 'status':
        return status(context);
      default:
        throw new UsageError(`Unknown action ${JSON.stringify(action)}: up, down or status expected`);
    }
  },
};

async function up({ sink, signal, localCluster }: CommandContext, countText: string | undefined): Promise<number> {
  if (countText !== undefined && !/^[1-9]\d{0,2}$/.test(countText)) throw new UsageError(`The number of data nodes is ${JSON.stringify(countText)}: 1 to 512 expected`);
  const cluster = await localCluster();
  const nodes = await cluster.up({ ...(countText === undefined ? {} : { count: Number(countText) }), signal, onProgress: (step) => sink.out(step) });
  for (const node of nodes) sink.record(nodeRecord(node));
  // More may run than were asked for: those that were added.
  const running = (await cluster.status()).filter(({ state }) => state === 'running');
  const failures = nodes.flatMap(({ failure }) => failure ?? []);
  for (const failure of failures) sink.err(`cluster: ${escapeControls(failure)}`);
  const missing = failures.length > 0 ? `, ${failures.length} did not start` : '';
  sink.out(`${nodes.some(({ wasStarted }) => wasStarted) ? 'cluster up' : 'already up'}: ${summary(running)} live${missing}`);
  return failures.length > 0 ? 1 : 0;
}

async function down({ sink, localCluster }: CommandContext): Promise<number> {
  const nodes = await (await localCluster()).down({ onProgress: (step) => sink.out(step) });
  for (const node of nodes) sink.record(nodeRecord(node));
  sink.out(nodes.length === 0 ? 'already down: nothing that was started from here runs' : `cluster down: ${counted(nodes.length, 'node')} stopped`);
  return 0;
}

async function status({ sink, localCluster }: CommandContext): Promise<number> {
  const nodes = await (await localCluster()).status();
  for (const line of nodeTable(nodes)) sink.out(line);
  for (const node of nodes) sink.record(nodeRecord(node));
  return 0;
}

function summary(nodes: readonly LocalNode[]): string {
  const nameNode = nodes.find(({ role }) => role === 'namenode');
  return `name node ${nameNode?.address ?? '-'}, ${counted(nodes.filter(({ role }) => role === 'datanode').length, 'data node')}`;
}
