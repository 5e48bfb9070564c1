import type { Command } from './command.js';
import { accountPattern, changeOwner } from './change-owner.js';
import { UsageError } from './command-errors.js';

export const command: Command = {
  name: 'chgrp',
  group: 'Files',
  summary: 'Change groups',
  usage: '[-R] GROUP <path> ...',
  flags: [{ name: 'R', summary: 'What is below directories, too' }],
  arguments: [
    { name: 'group', kind: 'text' },
    { name: 'path', kind: 'remote-path', isRepeated: true },
  ],
  examples: ['chgrp eng /data'],
  async run(invocation, context) {
    const [typed = '', ...paths] = invocation.operands;
    const match = new RegExp(`^\\s*(${accountPattern})\\s*$`).exec(typed);
    if (!match) throw new UsageError(`'${typed}' does not match expected pattern for group`);
    return changeOwner(invocation, context, { group: match[1] }, paths);
  },
};
