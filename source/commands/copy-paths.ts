import { baseName, isWithin } from '../base/path.js';
import { CopyJob, type CopyOptions } from '../filesystem/copy.js';
import { findUnlessBelowFile } from '../filesystem/glob.js';
import { InvalidArgumentError } from '../protocol/errors.js';
import type { CommandContext, Invocation } from './command.js';
import {
  fileExists,
  isCancellation,
  isNotADirectory,
  type NamedPath,
  noSuchFile,
  PathError,
  shownPath,
  subdirectoryOfItself,
} from './command-errors.js';
import { PathRun } from './failure.js';
import { measureTrees } from './measure-trees.js';
import { addressOf, childPath, type ExistingItem, expandOperand, isExisting, type PathItem, type Side } from './path-item.js';
import { TransferReport } from './transfer-report.js';

export interface CopyPathsOptions extends Omit<CopyOptions, 'onFailure' | 'observer' | 'signal'> {
  /** `put`, `get`, `cp` */
  operation: string;
  sourceSide: Side;
}

/** Every path that the words name, those that do not exist too; what fails to expand is said, and left out. */
export async function expandSources(words: readonly string[], run: PathRun, side: Side): Promise<PathItem[]> {
  const items: PathItem[] = [];
  for (const word of words) {
    await run.attempt(undefined, async () => {
      for await (const item of expandOperand(word, run.context, side)) items.push(item);
    });
  }
  return items;
}

/**
 * What a destination must be before anything is copied or moved (CommandWithDestination.processArguments): a directory for several
 * sources; for one, a directory, a name that is free, or a file to overwrite. Its parent must be there.
 */
export async function checkDestination(destination: PathItem, options: { sourceCount: number; overwrite: boolean }): Promise<void> {
  const { status } = destination;
  if (options.sourceCount > 1) {
    if (!status) throw noSuchFile(destination);
    if (status.type !== 'directory') throw isNotADirectory(destination);
  } else if (status) {
    if (status.type !== 'directory' && !options.overwrite) throw fileExists(destination);
  } else {
    await checkParent(destination);
  }
}

/** ``command: `/x/f': No such file or directory: `dfs://host:port/x/f'`` where the directory for a new name is missing. */
export async function checkParent(item: PathItem): Promise<void> {
  const parent = item.isDirectoryMeant ? item.path : item.path.slice(0, Math.max(1, item.path.lastIndexOf('/')));
  // Below a file, the file system itself says which one is in the way.
  if (!(await findUnlessBelowFile(item.fileSystem, parent))) throw noSuchFile(item, missingAddress(item));
}

function missingAddress(item: PathItem): string {
  return item.fileSystem.capabilities.hasReplication ? addressOf(item) : `file://${item.path}`;
}

/** Where a source lands: inside of a directory under its own name, else at the destination itself. What is there is not looked up. */
function landing(source: PathItem, destination: PathItem): PathItem {
  const isInside = destination.status ? destination.status.type === 'directory' : destination.isDirectoryMeant;
  const name = baseName(source.path);
  return isInside && name !== '' ? childPath(destination, name) : destination;
}

/** The same, with what is there now. */
export async function targetOf(source: PathItem, destination: PathItem): Promise<PathItem> {
  const target = landing(source, destination);
  // In a directory that is not there, nothing is.
  if (target === destination || !destination.status) return target;
  return { ...target, status: await target.fileSystem.find(target.path) };
}

/** A directory must not be copied, or moved, onto itself or into what is below it. */
export function checkNotInside(source: ExistingItem, target: PathItem): void {
  if (source.status.type !== 'directory' || source.fileSystem !== target.fileSystem) return;
  if (target.path === source.path) throw new PathError(InvalidArgumentError.entry, source, 'are identical', { target: addressOf(target) });
  if (isWithin(target.path, source.path)) throw subdirectoryOfItself(source, target.shown);
}

/** Copies sources to a destination, each that can be; resolves to the exit code. */
export async function copyPaths(
  invocation: Invocation,
  context: CommandContext,
  options: CopyPathsOptions & { words: readonly string[]; destination: PathItem },
): Promise<number> {
  const run = new PathRun(invocation, context);
  const { words, destination, operation } = options;
  const sources = await expandSources(words, run, options.sourceSide);
  if (sources.length === 0) return run.exitCode;
  await checkDestination(destination, { sourceCount: sources.length, overwrite: options.overwrite ?? false });
  const report = new TransferReport(context, {
    name: operation,
    ...labels(sources, destination),
    isReplicated: destination.fileSystem.capabilities.hasReplication,
  });
  const nearest = (path: string): NamedPath => {
    const root = sources.find((source) => isWithin(path, source.path));
    return root ? { path, shown: shownPath(path, root) } : { path, shown: path };
  };
  const job = new CopyJob({
    ...options,
    signal: context.signal,
    observer: report,
    onFailure: ({ error, side, path }) => run.fail(error, side === 'source' ? nearest(path) : { path, shown: shownPath(path, destination) }),
  });
  if (context.sink.isProgressShown && sources.some(({ status }) => status?.type === 'directory'))
    void measureTrees(sources, context).then((totals) => totals && report.learnTotals(totals));
  let isCancelled = false;
  try {
    for (const source of sources) {
      context.signal.throwIfAborted();
      await run.attempt(source, async () => {
        if (!isExisting(source)) throw noSuchFile(source);
        const target = await targetOf(source, destination);
        checkNotInside(source, target);
        await job.copy(source, target);
      });
    }
  } catch (error) {
    isCancelled = isCancellation(error, context.signal);
    run.exitCode ||= 1;
    throw error;
  } finally {
    try {
      await job.finish();
    } catch (error) {
      isCancelled ||= isCancellation(error, context.signal);
      run.exitCode ||= 1;
      throw error;
    } finally {
      report.end({ isFailed: run.exitCode !== 0, isCancelled });
    }
  }
  return run.exitCode;
}

function labels(sources: readonly PathItem[], destination: PathItem): { source: string; target: string; totalBytes: number | undefined } {
  const only = sources.length === 1 ? sources[0] : undefined;
  const isKnown = sources.every(({ status }) => status?.type !== 'directory');
  return {
    source: only ? only.shown : `${sources.length} paths`,
    target: only ? landing(only, destination).path : destination.path,
    totalBytes: isKnown ? sources.reduce((total, { status }) => total + (status?.lengthBytes ?? 0), 0) : undefined,
  };
}
