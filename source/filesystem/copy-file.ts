import { baseName, joinPath, parentPath } from '../base/path.js';
import { throwIfCancelled } from '../client/cancellation.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { ByteSink, ByteSource, CreateFileOptions, FileSystem, TransferProgress } from './file-system.js';
import { temporaryName } from './local-errors.js';

export interface FilePlace {
  fileSystem: FileSystem;
  /** Absolute and clean. */
  path: string;
}

/** What of a source its copy keeps. */
export interface Preserved {
  times?: boolean | undefined;
  /** Owner and group. */
  owner?: boolean | undefined;
  permission?: boolean | undefined;
}

export interface CopyFileOptions {
  overwrite?: boolean | undefined;
  preserve?: Preserved | undefined;
  /** Write under the real name at once: no temporary file, no rename. */
  isDirect?: boolean | undefined;
  createParents?: boolean | undefined;
  replication?: number | undefined;
  isRegularOnly?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TransferProgress) => void) | undefined;
}

export interface CopyFileResult {
  /** Of the new file. */
  status: FileStatus;
  /** What was copied, bytes. */
  bytes: number;
  degraded: { blockIndex: number; durableReplicas: number }[];
  /** Nodes that had to be left while the source was read. */
  readFailures: readonly { datanode: string; reason: string }[];
}

/** Which errors came from the source's side: the same path may stand for two things on two file systems. */
const sourceErrors = new WeakSet<object>();

/** Runs `work` on the source; what it throws is known as the source's. */
export async function atSource<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (typeof error === 'object' && error !== null) sourceErrors.add(error);
    throw error;
  }
}

export function isSourceError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && sourceErrors.has(error);
}

/**
 * Copies one file, in constant memory. The target gets its name when it is whole: after a failure, or an abort, nothing is left
 * of it. The target's old content stays until then.
 */
export async function copyFile(source: FilePlace, target: FilePlace, options: CopyFileOptions = {}): Promise<CopyFileResult> {
  throwIfCancelled(options.signal, `copying ${source.path}`);
  const from = await atSource(() => source.fileSystem.open(source.path, { signal: options.signal, isRegularOnly: options.isRegularOnly }));
  try {
    return await writeFile(from, target, options);
  } finally {
    await from.close();
  }
}

/** As copyFile, from bytes that are there already. Does not close the source. */
export async function writeFile(from: ByteSource, target: FilePlace, options: CopyFileOptions): Promise<CopyFileResult> {
  const { permission, modificationTimeMs, accessTimeMs } = from.status;
  const { preserve = {} } = options;
  const creation: CreateFileOptions = {
    overwrite: options.overwrite,
    createParents: options.createParents,
    replication: options.replication,
    temporaryPath: options.isDirect || !target.fileSystem.capabilities.hasReplication ? undefined : temporarySibling(target.path),
    signal: options.signal,
    onProgress: options.onProgress,
    expectedLengthBytes: from.status.lengthBytes,
    ...(preserve.permission && { permission }),
    ...(preserve.times && { times: { modificationTimeMs, accessTimeMs } }),
  };
  const sink = await target.fileSystem.create(target.path, creation);
  let bytes: number;
  try {
    bytes = await pump(from, sink, options.signal);
  } catch (error) {
    await sink.abort();
    throw error;
  }
  const { status, degraded } = await sink.close();
  await preserveAttributes(target, status, from.status, { owner: preserve.owner, permission: preserve.permission });
  return { status, bytes, degraded, readFailures: from.failures ?? [] };
}

/** Gives what is at `target`, now `now`, the attributes of `wanted` that are to be kept; what is right already is left alone. */
export async function preserveAttributes({ fileSystem, path }: FilePlace, now: FileStatus, wanted: FileStatus, preserve: Preserved): Promise<void> {
  const { modificationTimeMs, accessTimeMs, permission, owner, group } = wanted;
  if (preserve.times) await fileSystem.setTimes(path, { modificationTimeMs, accessTimeMs });
  // A user who is not the superuser may name himself and his groups, and nobody else.
  const change = { ...(now.owner !== owner && { owner }), ...(now.group !== group && { group }) };
  const isOwnerChanged = preserve.owner && (change.owner !== undefined || change.group !== undefined);
  if (isOwnerChanged) await fileSystem.setOwner(path, change);
  if (preserve.permission && now.permission !== permission) await fileSystem.setPermission(path, permission);
}

/** `/d/f` is copied as `/d/f._COPYING_` (CommandWithDestination.copyStreamToTarget). */
function temporarySibling(path: string): string {
  return joinPath(parentPath(path), temporaryName(baseName(path)));
}

/** All that the source still has goes to the sink; answers how many bytes. Closes neither. */
export async function pump(source: ByteSource, sink: ByteSink, signal: AbortSignal | undefined): Promise<number> {
  return source.readInto ? fill(source as Required<ByteSource>, sink, signal) : pass(source, sink, signal);
}

/** Reads into the buffers that the sink sends from: no copy in between. */
async function fill(source: Required<ByteSource>, sink: ByteSink, signal: AbortSignal | undefined): Promise<number> {
  let bytes = 0;
  for (;;) {
    throwIfCancelled(signal, 'copying');
    const buffer = await sink.acquire();
    const count = await atSource(() => source.readInto(buffer));
    await sink.commit(count);
    if (count === 0) return bytes;
    bytes += count;
  }
}

/** The next bytes are read while the last ones are written. */
async function pass(source: ByteSource, sink: ByteSink, signal: AbortSignal | undefined): Promise<number> {
  let bytes = 0;
  let writing: Promise<void> = Promise.resolve();
  try {
    for (;;) {
      throwIfCancelled(signal, 'copying');
      const chunk = await atSource(() => source.read());
      if (!chunk) break;
      bytes += chunk.bytes.byteLength;
      await writing.catch((error: unknown) => {
        chunk.release();
        throw error;
      });
      writing = sink.write(chunk.bytes).finally(chunk.release);
      // Awaited on the next round: until then a rejection is no unhandled one.
      writing.catch(() => {});
    }
  } finally {
    await writing.catch(() => {});
  }
  await writing;
  return bytes;
}
