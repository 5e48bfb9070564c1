import type { Command } from './command.js';
import { PathRun } from './failure.js';
import { Listing, listingFlags } from './listing.js';

export const command: Command = {
  name: 'ls',
  group: 'Files',
  summary: 'List files and directories',
  usage: '[<path> ...]',
  flags: listingFlags,
  arguments: [{ name: 'path', kind: 'remote-path', isOptional: true, isRepeated: true }],
  description: 'Without a path, the working directory. A directory is listed with its entries, in the order of their names.',
  examples: ['ls -h /', 'ls -R -t /user/me/logs', "ls '/logs/2026-1[0-2]/*.gz'"],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await new Listing(invocation, run, 'remote').list(invocation.operands.length > 0 ? invocation.operands : ['.']);
    return run.exitCode;
  },
};
