import type { Command } from './command.js';
import { takeBack } from './node-state.js';

export const command: Command = {
  name: 'recommission',
  group: 'Cluster',
  summary: 'Take a data node back that was decommissioned, or in maintenance',
  usage: 'NODE',
  flags: [],
  arguments: [{ name: 'NODE', kind: 'datanode' }],
  description: 'Its replicas count again, and it gets new ones; what there is too much by then is deleted. NODE is dn2, or host:port.',
  examples: ['recommission dn2'],
  run: ({ operands: [node = ''] }, context) => takeBack(node, context),
};
