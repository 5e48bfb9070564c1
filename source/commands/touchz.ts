import { FileNotFoundError, InvalidArgumentError } from '../protocol/errors.js';
import type { Command } from './command.js';
import { isADirectory, PathError } from './command-errors.js';
import { checkParent } from './copy-paths.js';
import { PathRun } from './failure.js';
import type { PathItem } from './path-item.js';

export const command: Command = {
  name: 'touchz',
  group: 'Files',
  summary: 'Make empty files',
  usage: '<path> ...',
  flags: [],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  description: 'A file that is there must be empty; it gets a new time.',
  examples: ['touchz /jobs/_SUCCESS'],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (item.status?.type === 'directory') throw isADirectory(item);
      if (item.status && item.status.lengthBytes > 0) throw new PathError(InvalidArgumentError.entry, item, 'Not a zero-length file');
      await createEmptyFile(item, context.signal);
      context.sink.record({ path: item.path });
    });
    return run.exitCode;
  },
};

/** Makes an empty file; one that is there is replaced. */
export async function createEmptyFile(item: PathItem, signal: AbortSignal): Promise<void> {
  try {
    const file = await item.fileSystem.create(item.path, { overwrite: item.status !== null, signal });
    await file.close();
  } catch (error) {
    // Asked for afterwards only: a missing parent is rare, and looking for it costs a call.
    if (error instanceof FileNotFoundError) await checkParent(item);
    throw error;
  }
}
