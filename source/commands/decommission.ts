import type { Command } from './command.js';
import { noWaitFlag, sendAway } from './node-state.js';

export const command: Command = {
  name: 'decommission',
  group: 'Cluster',
  summary: 'Empty a data node, so that it can be taken away',
  usage: '[--no-wait] NODE',
  flags: [noWaitFlag],
  flagParsing: 'anywhere',
  arguments: [{ name: 'NODE', kind: 'datanode' }],
  description:
    'Its blocks are copied to the others; meanwhile it serves reads and gets nothing new. It is decommissioned when nothing needs it any more, blocks that are ' +
    'being written included; with too few other nodes it never is, and the command says why. Ctrl-C ends the waiting, not the work; recommission takes it back. ' +
    'Of a dead node it says that it will not come back: after a while (ten times dead_node_timeout_ms) files whose writer is gone wait for it no longer. ' +
    'The wish outlives restarts. NODE is dn2, or host:port.',
  examples: ['decommission dn2', 'report -decommissioning'],
  run: ({ flags, operands: [node = ''] }, context) => sendAway({ operation: 'decommission', node, state: 'decommissioned', isWaiting: !flags.has('no-wait') }, context),
};
