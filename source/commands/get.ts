import type { Command, CommandContext, FlagSpec, Invocation } from './command.js';
import type { FileSystem } from '../filesystem/file-system.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { copyPaths, expandSources } from './copy-paths.js';
import { PathRun } from './failure.js';
import { numberFlag } from './flags.js';
import { literalItem } from './path-item.js';
import { printFile } from './print-file.js';

export const getFlags: FlagSpec[] = [
  { name: 'f', summary: 'Overwrite what is there' },
  { name: 'p', summary: 'Keep times, owner, group and mode' },
  { name: 'crc', summary: 'Write the checksums of each file beside it, as .NAME.crc' },
  { name: 'ignoreCrc', summary: "Taken for HDFS's sake; bytes are always checked" },
  { name: 't', value: 'threads', summary: 'Files in progress at a time' },
  { name: 'q', value: 'queue', summary: "Taken for HDFS's sake; there is no queue" },
];

export const command: Command = {
  name: 'get',
  aliases: ['copyToLocal'],
  group: 'Files',
  summary: 'Copy files and directories to this machine',
  usage: '<src> ... <localdst>',
  flags: getFlags,
  arguments: [
    { name: 'src', kind: 'remote-path', isRepeated: true },
    { name: 'localdst', kind: 'local-path', isOptional: true },
  ],
  description:
    'Directories are copied with all that is in them; into the destination, if that is a directory. Several sources need one. ' +
    'Without a destination, into the local directory. `-` prints to standard output. A file gets its name when it is whole.',
  examples: ['get /user/me/data.csv', "get -f '/logs/*.gz' logs", 'get /f - '],
  run: (invocation, context) => runGet(invocation, context, { isMove: false }),
};

export async function runGet(invocation: Invocation, context: CommandContext, { isMove }: { isMove: boolean }): Promise<number> {
  const { flags, operands } = invocation;
  const words = operands.length > 1 ? operands.slice(0, -1) : operands;
  const target = operands.length > 1 ? operands.at(-1)! : '.';
  const threads = flags.has('t') ? numberFlag(invocation, 't', 1) : undefined;
  if (target === '-' && !isMove) return printFiles(invocation, context, words);
  const destination = await literalItem(target, context, 'local');
  if (flags.has('crc') && !destination.fileSystem.capabilities.hasReplication) destination.fileSystem = await checksummed(destination.fileSystem);
  return copyPaths(invocation, context, {
    operation: 'get',
    sourceSide: 'remote',
    words,
    destination,
    overwrite: flags.has('f'),
    preserve: flags.has('p') ? { times: true, owner: true, permission: true } : undefined,
    threads,
    isMove,
  });
}

async function checksummed(fileSystem: FileSystem): Promise<FileSystem> {
  const { withChecksumFiles } = await import('../filesystem/checksum-files.js');
  return withChecksumFiles(fileSystem);
}

async function printFiles(invocation: Invocation, context: CommandContext, words: readonly string[]): Promise<number> {
  const run = new PathRun(invocation, context);
  for (const item of await expandSources(words, run, 'remote')) {
    await run.attempt(item, async () => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      await printFile(item, context);
    });
  }
  return run.exitCode;
}
