import type { FileStatus } from '../protocol/file-status.js';

/** What a file system cannot do is false here; a command that needs it says so instead of trying. */
export interface FileSystemCapabilities {
  /** Owners, groups and modes mean something. */
  hasPermissions: boolean;
  hasReplication: boolean;
}

export interface CopyReadOptions {
  startBytes?: number | undefined;
  lengthBytes?: number | undefined;
  /** Refuse devices, pipes and sockets, which a walk through a local tree must not open. */
  isRegularOnly?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Bytes of a file, in order. */
export interface ByteSource {
  readonly status: FileStatus;
  /** Nodes that had to be left for others so far, where bytes come from several. */
  readonly failures?: readonly { datanode: string; reason: string }[];
  /** Never empty; null at the end. Valid until `release`, to be called once each. */
  read(): Promise<{ bytes: Uint8Array; release(): void } | null>;
  /** Where it spares a copy: fills `buffer` from its begin and resolves to how many bytes, 0 at the end. Not mixed with `read`. */
  readInto?(buffer: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/**
 * A file being written. Until `close` has resolved nothing that was there under its name has changed, except where the
 * distributed file system writes without a `temporaryPath`: there the file under construction has the name. After `abort`,
 * nothing of it is left. One call at a time.
 */
export interface ByteSink {
  /** The bytes may be reused once it has resolved. */
  write(bytes: Uint8Array): Promise<void>;
  /** A buffer to fill from its begin and then to `commit` (0 is fine): spares a copy. */
  acquire(): Promise<Uint8Array>;
  commit(lengthBytes: number): Promise<void>;
  /** Names the blocks that are not at full replication yet. */
  close(): Promise<{ status: FileStatus; degraded: { blockIndex: number; durableReplicas: number }[] }>;
  abort(): Promise<void>;
}

export interface CreateFileOptions {
  overwrite?: boolean | undefined;
  createParents?: boolean | undefined;
  permission?: number | undefined;
  replication?: number | undefined;
  blockSizeBytes?: number | undefined;
  /** Write under this path, and rename to the real one in the closing transaction (`f._COPYING_`). */
  temporaryPath?: string | undefined;
  times?: { modificationTimeMs: number; accessTimeMs: number } | undefined;
  /** How long the file is going to be, as far as known: for progress only. */
  expectedLengthBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TransferProgress) => void) | undefined;
}

export interface AppendFileOptions {
  signal?: AbortSignal | undefined;
  /** Of what is appended. */
  onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** Progress of one file's transfer: real figures only; a field that a file system has no notion of is left out. */
export interface TransferProgress {
  doneBytes: number;
  totalBytes?: number | undefined;
  /** From the acknowledgements: bytes durable, summed over replicas. */
  durableReplicaBytes?: number | undefined;
  replication?: number | undefined;
  blockIndex?: number | undefined;
  blockCount?: number | undefined;
  durableReplicaCounts?: number[] | undefined;
  /** dn1 dn3 dn4 */
  nodes?: string[] | undefined;
  failures?: { datanode: string; reason: string }[] | undefined;
}

/**
 * What every command uses: implemented by the distributed file system (dfs://), by the local one (file://), and later by WebHDFS.
 * Paths are absolute and clean in that file system's own spelling. Failures are the classes of protocol/errors.ts; those of the
 * local file system become LocalFileError or the namespace's own (FileNotFoundError, ...). One contract suite runs on all.
 */
export interface FileSystem {
  /** `dfs://127.0.0.1:9870` or `file://`: what stands before a path in a URI. */
  readonly uri: string;
  readonly capabilities: FileSystemCapabilities;
  stat(path: string): Promise<FileStatus>;
  find(path: string): Promise<FileStatus | null>;
  /** In the order of the names' bytes, fetched as it is consumed. Of a file: itself. */
  list(path: string, options?: { signal?: AbortSignal | undefined }): AsyncIterable<FileStatus>;
  open(path: string, options?: CopyReadOptions): Promise<ByteSource>;
  create(path: string, options?: CreateFileOptions): Promise<ByteSink>;
  /** True if it was made. Without `createParents` (the default) the parent must be there and the name free. */
  mkdirs(path: string, options?: { createParents?: boolean; permission?: number }): Promise<boolean>;
  rename(source: string, target: string, options?: { overwrite?: boolean }): Promise<void>;
  delete(path: string, options?: { recursive?: boolean }): Promise<boolean>;
  setPermission(path: string, permission: number): Promise<void>;
  setOwner(path: string, owner: { owner?: string; group?: string }): Promise<void>;
  setTimes(path: string, times: { modificationTimeMs?: number; accessTimeMs?: number }): Promise<void>;
  /** Only where files can be changed once they are closed. Bytes go behind the end of the file; after an abort, those that arrived stay. */
  append?(path: string, options?: AppendFileOptions): Promise<ByteSink>;
  /** As `append`. True: done; false: the file is under construction until it is. */
  truncate?(path: string, newLengthBytes: number): Promise<boolean>;
  /** Only where a file under construction has a holder. True: the file is closed; false: it is going to be. */
  recoverLease?(path: string): Promise<boolean>;
  /** Only where it moves no bytes. The sources are gone then. */
  concat?(target: string, sources: readonly string[]): Promise<void>;
}
