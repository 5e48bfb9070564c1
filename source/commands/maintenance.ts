import { parseDuration } from './admin-state.js';
import type { Command } from './command.js';
import { UsageError } from './command-errors.js';
import { noWaitFlag, sendAway } from './node-state.js';

export const command: Command = {
  name: 'maintenance',
  group: 'Cluster',
  summary: 'Let a data node go away for a while, without its blocks being copied',
  usage: '[--no-wait] NODE [DURATION]',
  flags: [noWaitFlag],
  flagParsing: 'anywhere',
  arguments: [
    { name: 'NODE', kind: 'datanode' },
    { name: 'DURATION', kind: 'text', isOptional: true },
  ],
  description:
    'When the command returns, every block has a copy on another node (maintenance_min_replication of them), and the node may be stopped. DURATION is 30m, 2h, 1d; ' +
    'after it, or after recommission, the node is one like any other, and a dead one is repaired. Without DURATION it lasts until recommission.',
  examples: ['maintenance dn2 2h', 'recommission dn2'],
  async run({ flags, operands: [node = '', typed] }, context) {
    const durationMs = typed === undefined ? undefined : parseDuration(typed);
    if (typed !== undefined && durationMs === undefined) throw new UsageError(`DURATION is ${JSON.stringify(typed)}: a number with s, m, h or d expected, such as 30m or 2h, 10 years at most`);
    return sendAway({ operation: 'maintenance', node, state: 'in-maintenance', durationMs, isWaiting: !flags.has('no-wait') }, context);
  },
};
