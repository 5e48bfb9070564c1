import type { Command } from './command.js';

export const command: Command = {
  name: 'exit',
  aliases: ['quit'],
  group: 'Shell',
  summary: 'Leave the shell',
  usage: '',
  flags: [],
  arguments: [],
  needsNameNode: false,
  description: 'The local cluster goes on running; cluster down stops it.',
  async run(_invocation, { session }) {
    session.exit?.();
    return 0;
  },
};
