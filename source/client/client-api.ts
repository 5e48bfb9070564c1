import type { Readable, Writable } from 'node:stream';
import type { LocatedBlock } from '../protocol/block.js';
import type { ClientProtocol } from '../protocol/client-protocol.js';
import type { BalancerStatus, ClusterHealth, DatanodeReport, FeedItem } from '../protocol/cluster-events.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { ResultOf } from '../protocol/method.js';
import type { ReadCounters } from './hedged-reads.js';

/**
 * The typed API of the package: `connect` (compose.ts) resolves to a DfsClient. Paths are absolute and clean. Failures
 * are the classes of protocol/errors.ts. Every call survives a restart of the name node for `retryTimeoutMs`.
 */
export interface DfsClient {
  /** `dfs://host:port`, without a last slash. */
  readonly uri: string;
  readonly user: string;
  /** What its readers met so far: slow, dead and corrupt replicas. */
  readonly readCounters: ReadCounters;

  getServerDefaults(): Promise<ResultOf<ClientProtocol, 'fs.getServerDefaults'>>;
  /** FileNotFoundError if there is none. */
  stat(path: string): Promise<FileStatus>;
  /** Null if there is none. */
  find(path: string): Promise<FileStatus | null>;
  exists(path: string): Promise<boolean>;
  /** The entries of a directory in the order of their names' bytes, fetched page by page; of a file, itself. */
  list(path: string, options?: { startAfter?: string; signal?: AbortSignal }): AsyncIterable<FileStatus>;
  getContentSummary(path: string): Promise<ResultOf<ClientProtocol, 'fs.getContentSummary'>>;
  getStatus(): Promise<ResultOf<ClientProtocol, 'fs.getStatus'>>;
  checkAccess(path: string, actions: string): Promise<void>;
  /** True if it was created. With its parents, and with permission 0o777 less the umask 0o022, unless said. */
  mkdirs(path: string, options?: { createParents?: boolean; permission?: number }): Promise<boolean>;
  rename(source: string, target: string, options?: { overwrite?: boolean }): Promise<void>;
  /** False if there was nothing. */
  delete(path: string, options?: { recursive?: boolean }): Promise<boolean>;
  setPermission(path: string, permission: number): Promise<void>;
  setOwner(path: string, owner: { owner?: string; group?: string }): Promise<void>;
  setTimes(path: string, times: { modificationTimeMs?: number; accessTimeMs?: number }): Promise<void>;
  setReplication(path: string, replication: number): Promise<boolean>;
  /** True if the file has its new length; false if its last block is still to be cut, and the file under construction until then. */
  truncate(path: string, newLengthBytes: number): Promise<boolean>;
  /** The blocks of `sources`, in order, go behind those of `target`; the sources are gone then. All in one directory. */
  concat(target: string, sources: readonly string[]): Promise<void>;
  /** Begins to close a file whose writer is gone; true if it is closed. Whoever writes it cannot go on. */
  recoverLease(path: string): Promise<boolean>;
  /** All blocks of a file, fetched page by page. `allReplicas`: dead and corrupt ones too, marked. */
  blocks(path: string, options?: { allReplicas?: boolean; signal?: AbortSignal }): AsyncIterable<LocatedBlock>;
  /** HDFS's `MD5-of-NMD5-of-512CRC32C`, computed by data nodes from verified bytes. */
  getFileChecksum(path: string, options?: { signal?: AbortSignal }): Promise<{ algorithm: string; bytes: Uint8Array }>;

  openReader(path: string, options?: ReadOptions): Promise<FileReader>;
  openWriter(path: string, options?: WriteOptions): Promise<FileWriter>;
  /**
   * Goes on with a file behind its end, its partial last block included. Waits while the file of a writer that is gone is being closed; AlreadyBeingCreatedError
   * while somebody writes it, FileNotFoundError if there is none.
   */
  openAppender(path: string, options?: AppendOptions): Promise<FileWriter>;
  /** A Node stream over openReader. */
  createReadStream(path: string, options?: ReadOptions): Readable;
  /** A Node stream over openWriter: 'finish' comes after a durable close; destroying it leaves nothing behind. */
  createWriteStream(path: string, options?: WriteOptions): Writable;

  getDatanodes(): Promise<DatanodeReport[]>;
  getHealth(): Promise<ClusterHealth>;
  /** Decommission, maintenance, or neither; `node`: dn2 or host:port. Answers how it stands now: the rest takes its time. InvalidArgumentError: there is no such node. */
  setNodeState(node: string, state: 'normal' | 'decommissioned' | 'in-maintenance', options?: { durationMs?: number | undefined }): Promise<DatanodeReport>;
  /** The balancer, as it stands. `start` while it runs changes its threshold (10 if not said). */
  balance(action: 'get' | 'start' | 'stop', options?: { thresholdPercent?: number | undefined }): Promise<BalancerStatus>;
  setSafeMode(action: 'get' | 'enter' | 'leave' | 'forceExit'): Promise<{ isOn: boolean; reason: string }>;
  /** A backup of the name space beside its store, on the name node's machine; only in safe mode, only for the superuser. */
  saveNamespace(): Promise<{ path: string; sizeBytes: number; lastEditId: number }>;
  /** The live feed: reconnects by itself, and goes on after the last event seen, until the signal aborts. */
  feed(options?: { signal?: AbortSignal }): AsyncIterable<FeedItem>;
  /** Ends every connection and the lease renewals. Open writers are aborted. */
  close(): Promise<void>;
}

export interface ReadOptions {
  /** First byte, from 0. */
  startBytes?: number | undefined;
  /** How many at most; to the end if not said. */
  lengthBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  /** What it throws ends the reader, and is what the read rejects with. */
  onProgress?: ((progress: ReadProgress) => void) | undefined;
}

export interface ReadProgress {
  readBytes: number;
  /** Of the whole range. */
  totalBytes: number;
  /** dn1, whom the bytes come from now. */
  datanode: string | undefined;
}

/** Reads verified bytes in order, failing over between replicas without the caller noticing. */
export interface FileReader {
  readonly status: FileStatus;
  /** Data nodes that had to be left for others so far: dead, slow, corrupt. */
  readonly failures: readonly { datanode: string; reason: string }[];
  /** The next bytes, never empty; null at the end. They stay valid until `release`, which must be called once for each. */
  read(): Promise<{ bytes: Uint8Array; release(): void } | null>;
  close(): void;
}

export interface AppendOptions {
  signal?: AbortSignal | undefined;
  /** As in WriteOptions; bytes are counted from the begin of the file. */
  onProgress?: ((progress: WriteProgress) => void) | undefined;
}

export interface WriteOptions {
  overwrite?: boolean | undefined;
  /** False if not said: the directory must be there. */
  createParents?: boolean | undefined;
  /** 0o666 less the umask 0o022, unless said. */
  permission?: number | undefined;
  replication?: number | undefined;
  blockSizeBytes?: number | undefined;
  /** Deleted, not closed, when this client dies. */
  temporary?: boolean | undefined;
  /** How long the file will be, where that is known: for one of 0 bytes no block is asked for. Another length is no error. */
  lengthHintBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Called often, with the same object each time; the caller throttles what it draws. What it throws ends the writer, as an abort: nothing is
   * left, and the call that is under way, or the next one, rejects with it.
   */
  onProgress?: ((progress: WriteProgress) => void) | undefined;
}

/** What the two bars of a put show. Everything from acknowledgements, nothing invented. */
export interface WriteProgress {
  /** Bytes of the file handed to the first data node. */
  sentBytes: number;
  /** Bytes of the file that every replica of their pipeline has written. */
  acknowledgedBytes: number;
  /** Sum over replicas of the bytes that each has durably on disk (with durable_close off: has written); the whole is replication x length. */
  durableReplicaBytes: number;
  /** Copies wanted. */
  replication: number;
  /** The block being written, from 0, and for those that this writer finished how many replicas are durable. */
  blockIndex: number;
  durableReplicaCounts: number[];
  /** dn1 dn3 dn4: the pipeline of now. */
  pipeline: string[];
  /** dn2: nodes dropped from pipelines of this file, each with its reason. */
  failures: { datanode: string; reason: string }[];
}

/**
 * Writes a file under construction. Constant memory: calls wait while the window of unacknowledged packets is full.
 * After any failure only `abort` is left.
 */
export interface FileWriter {
  readonly status: FileStatus;
  /** Takes all of `bytes` (copied). */
  write(bytes: Uint8Array): Promise<void>;
  /** Without a copy: a buffer to fill from its begin, and then to `commit` how much. */
  acquire(): Promise<Uint8Array>;
  commit(lengthBytes: number): Promise<void>;
  /** Resolves when readers may see all bytes so far: every data node of the pipeline has them in memory at least, and a recovery of the file keeps them. */
  hflush(): Promise<void>;
  /** Resolves when all bytes so far are on the disk of every data node of the pipeline; with durable_close off, those of the block being written. */
  hsync(): Promise<void>;
  /**
   * Resolves when the file is durable (P1), complete and, if asked, renamed: one transaction. `degraded` names data nodes that were
   * dropped, where fewer copies than wanted are durable so far.
   */
  close(options?: { renameTo?: { path: string; overwrite: boolean }; modificationTimeMs?: number; accessTimeMs?: number }): Promise<{ status: FileStatus; degraded: { blockIndex: number; durableReplicas: number }[] }>;
  /**
   * Deletes what was written. A file that was opened for append, or flushed or synced and is not temporary, is closed instead, with what was
   * flushed, or more: that was promised. Never rejects.
   */
  abort(): Promise<void>;
}
