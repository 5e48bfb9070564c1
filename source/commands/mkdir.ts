import { parentPath } from '../base/path.js';
import { findUnlessBelowFile } from '../filesystem/glob.js';
import type { Command } from './command.js';
import { fileExists, isNotADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { addressOf } from './path-item.js';

export const command: Command = {
  name: 'mkdir',
  group: 'Files',
  summary: 'Make directories',
  usage: '[-p] <path> ...',
  flags: [{ name: 'p', summary: 'Make parents too, and do not mind what is there already' }],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  examples: ['mkdir -p /user/me/logs/2026'],
  async run(invocation, context) {
    const createParents = invocation.flags.has('p');
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      const { fileSystem, path, status } = item;
      if (status?.type === 'file') throw isNotADirectory(item);
      if (status && !createParents) throw fileExists(item);
      if (!status) {
        const parent = parentPath(path);
        const address = addressOf({ fileSystem, path: parent });
        if (!createParents && !(await findUnlessBelowFile(fileSystem, parent))) throw noSuchFile({ shown: address, path: parent });
        await fileSystem.mkdirs(path, { createParents });
      }
      context.sink.record({ path });
    });
    return run.exitCode;
  },
};
