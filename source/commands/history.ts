import { escapeControls } from '../base/text.js';
import type { Command, CommandContext, Invocation } from './command.js';
import { UsageError } from './command-errors.js';

export const command: Command = {
  name: 'history',
  summary: 'List the lines that were typed before',
  group: 'Shell',
  usage: '[<count>]',
  flags: [],
  arguments: [{ name: 'count', kind: 'number', isOptional: true }],
  description: 'Lists the last lines of the history, oldest first, each with its number; all of them without a count. Lines that begin with a blank are not kept.',
  examples: ['history 20'],
  needsNameNode: false,
  run: listHistory,
};

async function listHistory({ operands }: Invocation, { session, sink }: CommandContext): Promise<number> {
  const [count] = operands;
  if (count !== undefined && !/^\d{1,9}$/.test(count)) throw new UsageError(`a whole number expected, not '${count}'`);
  const lines = session.history();
  const first = count === undefined ? 0 : Math.max(0, lines.length - Number(count));
  for (let index = first; index < lines.length; index++) {
    sink.out(`${String(index + 1).padStart(5)}  ${escapeControls(lines[index]!)}`);
    sink.record({ number: index + 1, line: lines[index]! });
  }
  return 0;
}
