import type { Command, CommandContext, FlagSpec, Invocation } from './command.js';
import { fileExists, isCancellation } from './command-errors.js';
import { copyPaths, targetOf } from './copy-paths.js';
import { numberFlag } from './flags.js';
import { inputSource } from './input-source.js';
import { expandDestination, type PathItem } from './path-item.js';
import { TransferReport } from './transfer-report.js';
import { writeFile } from '../filesystem/copy-file.js';

export const putFlags: FlagSpec[] = [
  { name: 'f', summary: 'Overwrite what is there' },
  { name: 'p', summary: 'Keep times, owner, group and mode' },
  { name: 'l', summary: 'Keep one copy only' },
  { name: 'd', summary: 'Write under the real name at once, without a temporary file' },
  { name: 't', value: 'threads', summary: 'Files in progress at a time' },
  { name: 'q', value: 'queue', summary: "Taken for HDFS's sake; there is no queue" },
];

export const command: Command = {
  name: 'put',
  aliases: ['copyFromLocal'],
  group: 'Files',
  summary: 'Copy local files and directories into the file system',
  usage: '<localsrc> ... <dst>',
  flags: putFlags,
  arguments: [
    { name: 'localsrc', kind: 'local-path', isRepeated: true },
    { name: 'dst', kind: 'remote-path', isOptional: true },
  ],
  description:
    'Directories are copied with all that is in them; into the destination, if that is a directory. Several sources need one. ' +
    'Without a destination, into the working directory. `-` reads standard input. A reader sees the file when it is whole: until ' +
    'then it is NAME._COPYING_.',
  examples: ['put data.csv /user/me', "put -f 'my file' logs/*.gz /logs", 'put -p site /'],
  run: (invocation, context) => runPut(invocation, context, { isMove: false }),
};

export async function runPut(invocation: Invocation, context: CommandContext, { isMove }: { isMove: boolean }): Promise<number> {
  const { flags, operands } = invocation;
  const words = operands.length > 1 ? operands.slice(0, -1) : operands;
  const threads = flags.has('t') ? numberFlag(invocation, 't', 1) : undefined;
  const destination = await expandDestination(operands.length > 1 ? operands.at(-1)! : '.', context);
  const options = {
    overwrite: flags.has('f'),
    preserve: flags.has('p') ? { times: true, owner: true, permission: true } : undefined,
    isDirect: flags.has('d'),
    replication: flags.has('l') ? 1 : undefined,
  };
  if (words.length === 1 && words[0] === '-' && !isMove) return putInput(context, destination, options);
  return copyPaths(invocation, context, { ...options, operation: 'put', sourceSide: 'local', words, destination, threads, isMove });
}

/** `put - /f`: standard input, whose length nobody knows. Makes the directories that are missing. */
async function putInput(
  context: CommandContext,
  destination: PathItem,
  options: { overwrite: boolean; isDirect: boolean; replication: number | undefined },
): Promise<number> {
  const source = { fileSystem: context.local, path: '/-', shown: '-', status: null, isDirectoryMeant: false };
  const target = await targetOf(source, destination);
  if (target.status && (target.status.type === 'directory' || !options.overwrite)) throw fileExists(target);
  const report = new TransferReport(context, { name: 'put', source: '-', target: target.path, totalBytes: undefined, isReplicated: true });
  const file = report.begin({ source: '-', target: target.path, lengthBytes: 0 });
  let isFailed = true;
  let isCancelled = false;
  try {
    const input = inputSource(context, target);
    const result = await writeFile(input, target, { ...options, createParents: true, signal: context.signal, onProgress: file.onProgress });
    file.end(result);
    isFailed = false;
  } catch (error) {
    file.end(undefined);
    isCancelled = isCancellation(error, context.signal);
    throw error;
  } finally {
    report.end({ isFailed, isCancelled });
  }
  return 0;
}
