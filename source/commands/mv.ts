import type { Command } from './command.js';
import { fileExists, noSuchFile, PathError } from './command-errors.js';
import { checkDestination, checkNotInside, expandSources, targetOf } from './copy-paths.js';
import { PathRun } from './failure.js';
import { expandDestination, isExisting } from './path-item.js';
import { InvalidArgumentError } from '../protocol/errors.js';
import type { RenameRecord } from './records.js';

export const command: Command = {
  name: 'mv',
  group: 'Files',
  summary: 'Rename, or move into a directory',
  usage: '<src> ... <dst>',
  flags: [],
  arguments: [
    { name: 'src', kind: 'remote-path', isRepeated: true },
    { name: 'dst', kind: 'remote-path' },
  ],
  description: 'Nothing is ever overwritten. Several sources need a directory as destination.',
  examples: ['mv /a /b', "mv '/in/*.csv' /done"],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    const { operands } = invocation;
    const destination = await expandDestination(operands.at(-1)!, context);
    const sources = await expandSources(operands.slice(0, -1), run, 'remote');
    if (sources.length === 0) return run.exitCode;
    await checkDestination(destination, { sourceCount: sources.length, overwrite: false });
    for (const source of sources) {
      context.signal.throwIfAborted();
      await run.attempt(source, async () => {
        if (!isExisting(source)) throw noSuchFile(source);
        if (source.fileSystem !== destination.fileSystem) throw new PathError(InvalidArgumentError.entry, source, 'Does not match target filesystem');
        const target = await targetOf(source, destination);
        checkNotInside(source, target);
        if (target.status) throw fileExists(target);
        await source.fileSystem.rename(source.path, target.path);
        const record: RenameRecord = { source: source.path, target: target.path };
        context.sink.record(record);
      });
    }
    return run.exitCode;
  },
};
