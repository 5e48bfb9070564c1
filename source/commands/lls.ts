import type { Command } from './command.js';
import { PathRun } from './failure.js';
import { Listing, listingFlags } from './listing.js';

export const command: Command = {
  name: 'lls',
  group: 'Shell',
  summary: 'List local files',
  usage: '[<localpath> ...]',
  flags: listingFlags.filter(({ name }) => name !== 'e'),
  arguments: [{ name: 'localpath', kind: 'local-path', isOptional: true, isRepeated: true }],
  description: 'Like ls, of this machine. Without a path, the local directory (see lcd).',
  needsNameNode: false,
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await new Listing(invocation, run, 'local').list(invocation.operands.length > 0 ? invocation.operands : ['.']);
    return run.exitCode;
  },
};
