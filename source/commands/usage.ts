import type { Command } from './command.js';
import { usageLine } from './command-errors.js';
import { findCommand, toHelpRecord } from './help.js';

export const command: Command = {
  name: 'usage',
  group: 'Shell',
  summary: 'Print how commands are called',
  usage: '[<command> ...]',
  flags: [],
  // A command may be named with its dash.
  flagParsing: 'own',
  arguments: [{ name: 'command', kind: 'command', isOptional: true, isRepeated: true }],
  needsNameNode: false,
  async run(invocation, context) {
    const { operands } = invocation;
    const commands =
      operands.length === 0
        ? await context.commands.loadAll()
        : await Promise.all(operands.map(async (name) => (await findCommand(name, context)).load()));
    for (const one of commands) {
      context.sink.record(toHelpRecord(one));
      context.sink.out(usageLine(one));
    }
    return 0;
  },
};
