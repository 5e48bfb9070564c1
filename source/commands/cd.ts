import type { Command } from './command.js';
import { isNotADirectory, noSuchFile } from './command-errors.js';
import { expandDestination } from './path-item.js';

export const command: Command = {
  name: 'cd',
  group: 'Shell',
  summary: 'Change the working directory',
  usage: '[<dir>]',
  flags: [],
  arguments: [{ name: 'dir', kind: 'remote-path', isOptional: true, isDirectory: true }],
  description: 'Paths without a slash at their begin start from there. Without a directory, back to /user/NAME.',
  examples: ['cd /logs', 'cd ..'],
  async run(invocation, context) {
    const { session, sink } = context;
    const home = `/user/${session.user}`;
    const [word] = invocation.operands;
    if (word === undefined) {
      session.workingDirectory = home;
    } else {
      const item = await expandDestination(word, context);
      // The home of a user is where he is at first, whether it is there or not.
      if (!item.status && item.path !== home) throw noSuchFile(item);
      if (item.status?.type === 'file') throw isNotADirectory(item);
      if (item.fileSystem !== (await context.remote())) throw isNotADirectory(item);
      session.workingDirectory = item.path;
    }
    sink.record({ path: session.workingDirectory });
    return 0;
  },
};
