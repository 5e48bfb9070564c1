import { FileNotFoundError, UnsupportedError } from '../protocol/errors.js';
import type { Command, CommandContext } from './command.js';
import { noSuchFile, PathError } from './command-errors.js';
import { addressOf, expandDestination, expandOperand, type PathItem } from './path-item.js';

export const command: Command = {
  name: 'concat',
  group: 'Files',
  summary: 'Append files to another without copying, and remove them',
  usage: '<target path> <src path> ...',
  flags: [],
  arguments: [
    { name: 'target path', kind: 'remote-path' },
    { name: 'src path', kind: 'remote-path', isRepeated: true },
  ],
  description: 'The sources must be in the directory of the target, and not empty. Their blocks become blocks of the target, in the order of the sources; all at once, or not at all.',
  examples: ['concat /data/all /data/part-0 /data/part-1'],
  async run(invocation, context) {
    const [targetWord = '', ...words] = invocation.operands;
    const target = await expandDestination(targetWord, context);
    if (!isFile(target)) throw new FileNotFoundError(`Target path ${addressOf(target)} does not exist or is not file.`);
    const sources: PathItem[] = [];
    for (const word of words) {
      for await (const source of expandOperand(word, context)) {
        if (!isFile(source)) throw new FileNotFoundError(`${addressOf(source)} does not exist or is not file.`);
        sources.push(source);
      }
    }
    await concat(target, sources, context);
    return 0;
  },
};

async function concat(target: PathItem, sources: readonly PathItem[], context: CommandContext): Promise<void> {
  const { fileSystem } = target;
  if (!fileSystem.concat) throw new PathError(UnsupportedError.entry, target, `${fileSystem.uri} does not support concat`);
  const stranger = sources.find((source) => source.fileSystem !== fileSystem);
  if (stranger) throw noSuchFile(stranger, addressOf(stranger));
  await fileSystem.concat(target.path, sources.map(({ path }) => path));
  context.sink.record({ path: target.path });
}

function isFile({ status }: PathItem): boolean {
  return status?.type === 'file';
}
