import type { Command } from './command.js';
import { directoryNotEmpty, isNotADirectory, noSuchFile } from './command-errors.js';
import { DirectoryNotEmptyError } from '../protocol/errors.js';
import { PathRun } from './failure.js';

export const command: Command = {
  name: 'rmdir',
  group: 'Files',
  summary: 'Remove empty directories',
  usage: '[--ignore-fail-on-non-empty] <dir> ...',
  flags: [{ name: 'ignore-fail-on-non-empty', isLong: true, summary: 'Do not mind directories that are not empty' }],
  arguments: [{ name: 'dir', kind: 'remote-path', isRepeated: true, isDirectory: true }],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type !== 'directory') throw isNotADirectory(item);
      try {
        await item.fileSystem.delete(item.path, { recursive: false });
      } catch (error) {
        if (!(error instanceof DirectoryNotEmptyError)) throw error;
        if (invocation.flags.has('ignore-fail-on-non-empty')) return;
        throw directoryNotEmpty(item);
      }
      context.sink.record({ path: item.path });
    });
    return run.exitCode;
  },
};
