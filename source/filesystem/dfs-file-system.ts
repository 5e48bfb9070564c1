import type { DfsClient, FileWriter, WriteProgress } from '../client/client-api.js';
import type { AppendFileOptions, ByteSink, ByteSource, CopyReadOptions, CreateFileOptions, FileSystem, TransferProgress } from './file-system.js';

/** The distributed file system as a FileSystem, over a client that somebody else closes. */
export function createDfsFileSystem(client: DfsClient): FileSystem {
  return {
    uri: client.uri,
    capabilities: { hasPermissions: true, hasReplication: true },
    stat: (path) => client.stat(path),
    find: (path) => client.find(path),
    list: (path, options) => client.list(path, options?.signal ? { signal: options.signal } : {}),
    open: (path, options) => open(client, path, options),
    create: (path, options) => create(client, path, options),
    mkdirs: (path, options) => client.mkdirs(path, { createParents: false, ...options }),
    rename: (source, target, options) => client.rename(source, target, options),
    delete: (path, options) => client.delete(path, options),
    setPermission: (path, permission) => client.setPermission(path, permission),
    setOwner: (path, owner) => client.setOwner(path, owner),
    setTimes: (path, times) => client.setTimes(path, times),
    append: (path, options) => append(client, path, options),
    truncate: (path, newLengthBytes) => client.truncate(path, newLengthBytes),
    recoverLease: (path) => client.recoverLease(path),
    concat: (target, sources) => client.concat(target, sources),
  };
}

async function open(client: DfsClient, path: string, options: CopyReadOptions = {}): Promise<ByteSource> {
  const reader = await client.openReader(path, options);
  return {
    status: reader.status,
    failures: reader.failures,
    read: () => reader.read(),
    close: async () => reader.close(),
  };
}

async function create(client: DfsClient, path: string, options: CreateFileOptions = {}): Promise<ByteSink> {
  const { temporaryPath, onProgress } = options;
  let blockCount: number | undefined;
  const writer = await client.openWriter(temporaryPath ?? path, {
    // A temporary file of the name is what an earlier copy left behind.
    overwrite: temporaryPath !== undefined || (options.overwrite ?? false),
    createParents: options.createParents ?? false,
    permission: options.permission,
    replication: options.replication,
    blockSizeBytes: options.blockSizeBytes,
    temporary: temporaryPath !== undefined,
    signal: options.signal,
    onProgress: onProgress && ((progress) => onProgress({ ...toTransferProgress(progress), blockCount })),
  });
  if (options.expectedLengthBytes) blockCount = Math.ceil(options.expectedLengthBytes / writer.status.blockSizeBytes);
  const closing = {
    ...(temporaryPath !== undefined && { renameTo: { path, overwrite: options.overwrite ?? false } }),
    ...options.times,
  };
  return toSink(writer, closing);
}

async function append(client: DfsClient, path: string, options: AppendFileOptions = {}): Promise<ByteSink> {
  const { signal, onProgress } = options;
  let before = 0;
  const appended = (progress: TransferProgress): TransferProgress => ({
    ...progress,
    doneBytes: Math.max(0, progress.doneBytes - before),
    durableReplicaBytes: Math.max(0, (progress.durableReplicaBytes ?? 0) - before * (progress.replication ?? 0)),
  });
  const writer = await client.openAppender(path, { signal, onProgress: onProgress && ((progress) => onProgress(appended(toTransferProgress(progress)))) });
  before = writer.status.lengthBytes;
  return toSink(writer, {});
}

function toSink(writer: FileWriter, closing: NonNullable<Parameters<FileWriter['close']>[0]>): ByteSink {
  return {
    write: (bytes) => writer.write(bytes),
    acquire: () => writer.acquire(),
    commit: (lengthBytes) => writer.commit(lengthBytes),
    async close() {
      try {
        return await writer.close(closing);
      } catch (error) {
        await writer.abort();
        throw error;
      }
    },
    abort: () => writer.abort(),
  };
}

function toTransferProgress(progress: WriteProgress): TransferProgress {
  return {
    doneBytes: progress.sentBytes,
    durableReplicaBytes: progress.durableReplicaBytes,
    replication: progress.replication,
    blockIndex: progress.blockIndex,
    durableReplicaCounts: progress.durableReplicaCounts,
    nodes: progress.pipeline,
    failures: progress.failures,
  };
}
