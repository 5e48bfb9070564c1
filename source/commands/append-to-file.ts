import { FileAlreadyExistsError, InputOutputError, UnsupportedError } from '../protocol/errors.js';
import type { ByteSink, ByteSource, TransferProgress } from '../filesystem/file-system.js';
import { atSource, pump } from '../filesystem/copy-file.js';
import type { Command, CommandContext } from './command.js';
import { isADirectory, isCancellation, noSuchFile, PathError } from './command-errors.js';
import { inputSource } from './input-source.js';
import { expandDestination, expandOperand, type ExistingItem, isExisting, type PathItem } from './path-item.js';
import { TransferReport } from './transfer-report.js';

export const command: Command = {
  name: 'appendToFile',
  group: 'Files',
  summary: 'Append local files to a file',
  usage: '<localsrc> ... <dst>',
  flags: [],
  // Too few is an error in HDFS's own words.
  arguments: [
    { name: 'localsrc', kind: 'local-path', isRepeated: true, isOptional: true },
    { name: 'dst', kind: 'remote-path', isOptional: true },
  ],
  description: 'A file that is not there is made, with its directories. `-` reads standard input, and must be the only source. What was appended before a failure stays.',
  examples: ['appendToFile today.log /logs/all.log', 'appendToFile - /logs/all.log'],
  async run(invocation, context) {
    const words = [...invocation.operands];
    const targetWord = words.pop();
    if (targetWord === undefined || words.length === 0) throw new InputOutputError('missing destination argument');
    const isInput = words.includes('-');
    if (isInput && words.length > 1) throw new InputOutputError('stdin (-) must be the sole input argument when present');
    const target = await expandDestination(targetWord, context);
    if (target.status?.type === 'directory') throw new FileAlreadyExistsError(`Cannot append to directory ${target.path}; already exists as a directory.`);
    const sources = isInput ? [() => Promise.resolve(inputSource(context, target))] : (await findSources(words, context)).map((item) => () => open(item, context));
    await append(sources, { shown: words.length === 1 ? words[0]! : `${words.length} files`, target }, context);
    return 0;
  },
};

/** All of them are looked at before anything is written. */
async function findSources(words: readonly string[], context: CommandContext): Promise<ExistingItem[]> {
  const items: ExistingItem[] = [];
  for (const word of words) {
    for await (const item of expandOperand(word, context, 'local')) {
      if (!isExisting(item)) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      items.push(item);
    }
  }
  return items;
}

function open({ fileSystem, path }: ExistingItem, { signal }: CommandContext): Promise<ByteSource> {
  return fileSystem.open(path, { signal });
}

async function append(sources: readonly (() => Promise<ByteSource>)[], names: { shown: string; target: PathItem }, context: CommandContext): Promise<void> {
  const { target } = names;
  const report = new TransferReport(context, { name: 'appendToFile', source: names.shown, target: target.path, totalBytes: undefined, isReplicated: true });
  const file = report.begin({ source: names.shown, target: target.path, lengthBytes: 0 });
  let outcome = { isFailed: true, isCancelled: false };
  try {
    const sink = await openSink(target, context, file.onProgress);
    const bytes = await writeAll(sources, sink, context.signal);
    const { status, degraded } = await sink.close();
    file.end({ status, bytes, degraded, readFailures: [] });
    outcome = { isFailed: false, isCancelled: false };
  } catch (error) {
    file.end(undefined);
    outcome = { isFailed: true, isCancelled: isCancellation(error, context.signal) };
    throw error;
  } finally {
    report.end(outcome);
  }
}

async function openSink({ fileSystem, path, status, shown }: PathItem, { signal }: CommandContext, onProgress: (progress: TransferProgress) => void): Promise<ByteSink> {
  if (!fileSystem.append) throw new PathError(UnsupportedError.entry, { shown, path }, `${fileSystem.uri} cannot append to files`);
  if (status) return fileSystem.append(path, { signal, onProgress });
  return fileSystem.create(path, { createParents: true, signal, onProgress });
}

async function writeAll(sources: readonly (() => Promise<ByteSource>)[], sink: ByteSink, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  try {
    for (const openSource of sources) {
      const source = await atSource(openSource);
      try {
        bytes += await pump(source, sink, signal);
      } finally {
        await source.close();
      }
    }
    return bytes;
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
