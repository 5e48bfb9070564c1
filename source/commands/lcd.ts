import { homedir } from 'node:os';
import type { Command } from './command.js';
import { isNotADirectory, noSuchFile } from './command-errors.js';
import { expandDestination, literalItem } from './path-item.js';

export const command: Command = {
  name: 'lcd',
  group: 'Shell',
  summary: 'Change the local directory',
  usage: '[<localdir>]',
  flags: [],
  arguments: [{ name: 'localdir', kind: 'local-path', isOptional: true, isDirectory: true }],
  description: 'Local paths of put, get and lls start from there. Without a directory, to the home directory.',
  needsNameNode: false,
  async run(invocation, context) {
    const [word] = invocation.operands;
    const item = word === undefined ? await literalItem(homedir(), context, 'local') : await expandDestination(word, context, 'local');
    if (!item.status) throw noSuchFile(item);
    if (item.status.type === 'file') throw isNotADirectory(item);
    context.session.localDirectory = item.path;
    context.sink.record({ path: item.path });
    return 0;
  },
};
