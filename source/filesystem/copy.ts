import { joinPath } from '../base/path.js';
import { throwIfCancelled } from '../client/cancellation.js';
import {
  CancelledError,
  DirectoryNotEmptyError,
  FileAlreadyExistsError,
  InvalidPathError,
  LocalFileError,
  NotADirectoryError,
  UnavailableError,
} from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import { atSource, type CopyFileOptions, type CopyFileResult, copyFile, type FilePlace, isSourceError, preserveAttributes } from './copy-file.js';
import type { TransferProgress } from './file-system.js';
import { entryNameProblem } from './names.js';
import { TaskPool } from './task-pool.js';

export interface CopySource extends FilePlace {
  status: FileStatus;
}

export interface CopyTarget extends FilePlace {
  /** What is there now; null if nothing is. */
  status: FileStatus | null;
}

/** What failed of a copy: of which side the path is. The other files go on. */
export interface CopyFailure {
  error: unknown;
  side: 'source' | 'target';
  path: string;
}

/** Is told of each file: when it begins, its progress, and its end (`result` undefined: it failed). */
export interface CopyObserver {
  begin(file: { source: string; target: string; lengthBytes: number }): {
    onProgress(progress: TransferProgress): void;
    end(result: CopyFileResult | undefined): void;
  };
}

export interface CopyOptions extends Pick<CopyFileOptions, 'overwrite' | 'preserve' | 'isDirect' | 'replication' | 'signal'> {
  /** Files in progress at a time. If not said: 16 small ones, or 2 large ones. */
  threads?: number | undefined;
  /** Delete each source once it has been copied; an existing directory is no target then (moveFromLocal). */
  isMove?: boolean | undefined;
  onFailure(failure: CopyFailure): void;
  observer?: CopyObserver | undefined;
}

/** Small files wait for disks and calls most of their time; large ones fill a packet window each, and two of them the machine. */
const defaultSlots = 16;
const largeFileBytes = 2 ** 20;

/**
 * Copies files and trees between file systems (Hadoop: CommandWithDestination). A directory that is there is merged into; a file
 * that is there is an error without `overwrite`. Entries whose names would lead elsewhere are refused. Several copies share one
 * job; `finish` ends it.
 */
export class CopyJob {
  readonly #options: CopyOptions;
  readonly #pool: TaskPool;
  /** Directories to set straight when their files are done, deepest last. */
  readonly #directories: { source: CopySource; target: FilePlace }[] = [];
  #fatal: unknown;

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#pool = new TaskPool(options.threads ?? defaultSlots);
  }

  /** Resolves when all of `source` is under way: files may still be in progress. */
  async copy(source: CopySource, target: CopyTarget): Promise<void> {
    await this.#guard(source, target, () => this.#copy(source, target, { ancestors: new Set(), isRoot: true }));
  }

  /** Resolves when everything is done. Rejects with the reason where the whole job had to end: an abort, no name node. */
  async finish(): Promise<void> {
    await this.#pool.drain();
    if (this.#fatal !== undefined) throw this.#fatal;
    for (const { source, target } of this.#directories.reverse()) {
      await this.#guard(source, target, () => this.#finishDirectory(source, target));
    }
    if (this.#fatal !== undefined) throw this.#fatal;
  }

  async #copy(source: CopySource, target: CopyTarget, walk: { ancestors: Set<number>; isRoot: boolean }): Promise<void> {
    if (this.#fatal !== undefined) return;
    throwIfCancelled(this.#options.signal, `copying ${source.path}`);
    if (this.#options.isMove && target.status?.type === 'directory')
      throw new FileAlreadyExistsError(`${target.path}: File exists`, { path: target.path });
    if (source.status.type === 'directory') return this.#copyDirectory(source, target, walk.ancestors);
    if (target.status && (target.status.type === 'directory' || !this.#options.overwrite))
      throw new FileAlreadyExistsError(`${target.path}: File exists`, { path: target.path });
    const { lengthBytes } = source.status;
    const cost = this.#options.threads === undefined && lengthBytes > largeFileBytes ? defaultSlots / 2 : 1;
    await this.#pool.start(() => this.#guard(source, target, () => this.#copyFile(source, target, { isRegularOnly: !walk.isRoot })), cost);
  }

  async #copyFile(source: CopySource, target: CopyTarget, { isRegularOnly }: { isRegularOnly: boolean }): Promise<void> {
    if (this.#fatal !== undefined) return;
    const { overwrite, preserve, isDirect, replication, signal, observer, isMove } = this.#options;
    const observed = observer?.begin({ source: source.path, target: target.path, lengthBytes: source.status.lengthBytes });
    let result: CopyFileResult | undefined;
    try {
      result = await copyFile(source, target, {
        overwrite,
        preserve,
        isDirect,
        replication,
        isRegularOnly,
        signal,
        onProgress: observed?.onProgress,
      });
    } finally {
      observed?.end(result);
    }
    if (isMove) await atSource(() => source.fileSystem.delete(source.path));
  }

  async #copyDirectory(source: CopySource, target: CopyTarget, ancestors: Set<number>): Promise<void> {
    await atSource(async () => {
      if (ancestors.has(source.status.inodeId))
        throw new LocalFileError(`${source.path}: Is a link to a directory above it; left out`, { path: source.path });
    });
    if (target.status && target.status.type !== 'directory')
      throw new NotADirectoryError(`${target.path}: Is not a directory`, { path: target.path });
    if (!target.status) await target.fileSystem.mkdirs(target.path);
    if (this.#options.preserve || this.#options.isMove) this.#directories.push({ source, target });
    const below = new Set(ancestors).add(source.status.inodeId);
    for await (const status of entriesOf(source, this.#options.signal)) {
      const from = { fileSystem: source.fileSystem, path: joinPath(source.path, status.name), status };
      const path = joinPath(target.path, status.name);
      await this.#guard(from, { fileSystem: target.fileSystem, path }, async () => {
        await atSource(async () => {
          const problem = entryNameProblem(status.name);
          if (problem) throw new InvalidPathError(`an entry of ${source.path} is refused: ${problem}`, { path: source.path });
        });
        // In a directory that this job has just made nothing is there yet.
        const existing = target.status ? await target.fileSystem.find(path) : null;
        await this.#copy(from, { fileSystem: target.fileSystem, path, status: existing }, { ancestors: below, isRoot: false });
      });
      if (this.#fatal !== undefined) return;
    }
  }

  async #finishDirectory(source: CopySource, target: FilePlace): Promise<void> {
    const { preserve } = this.#options;
    if (preserve) await preserveAttributes(target, await target.fileSystem.stat(target.path), source.status, preserve);
    if (this.#options.isMove) await atSource(() => source.fileSystem.delete(source.path).then(() => {}, unlessNotEmpty));
  }

  /** Reports what `work` throws; what no other file could survive ends the job. */
  async #guard(source: FilePlace, target: FilePlace, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { signal, onFailure } = this.#options;
      if (signal?.aborted || error instanceof CancelledError || error instanceof UnavailableError) this.#fatal ??= error;
      else if (isSourceError(error)) onFailure({ error, side: 'source', path: source.path });
      else onFailure({ error, side: 'target', path: target.path });
    }
  }
}

/** The entries of a directory; an error of the listing is the source's, one of its consumer is not touched. */
async function* entriesOf(source: CopySource, signal: AbortSignal | undefined): AsyncIterable<FileStatus> {
  const entries = source.fileSystem.list(source.path, { signal })[Symbol.asyncIterator]();
  for (let next = await atSource(() => entries.next()); !next.done; next = await atSource(() => entries.next())) yield next.value;
}

// What has failed stays in its directory, and has been reported.
function unlessNotEmpty(error: unknown): void {
  if (!(error instanceof DirectoryNotEmptyError)) throw error;
}
