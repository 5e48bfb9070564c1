import type { Command } from './command.js';
import { accountPattern, changeOwner } from './change-owner.js';
import { UsageError } from './command-errors.js';

export const command: Command = {
  name: 'chown',
  group: 'Files',
  summary: 'Change owners and groups',
  usage: '[-R] [OWNER][:[GROUP]] <path> ...',
  flags: [{ name: 'R', summary: 'What is below directories, too' }],
  arguments: [
    { name: 'owner', kind: 'text' },
    { name: 'path', kind: 'remote-path', isRepeated: true },
  ],
  examples: ['chown alice:eng /data', 'chown -R :eng /data'],
  async run(invocation, context) {
    const [typed = '', ...paths] = invocation.operands;
    const match = new RegExp(`^\\s*(${accountPattern})?(?::(${accountPattern})?)?\\s*$`).exec(typed);
    if (!match) throw new UsageError(`'${typed}' does not match expected pattern for [owner][:group].`);
    const [, owner, group] = match;
    if (owner === undefined && group === undefined) throw new UsageError(`'${typed}' does not specify owner or group.`);
    return changeOwner(invocation, context, { owner, group }, paths);
  },
};
