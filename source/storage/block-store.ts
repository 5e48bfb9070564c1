import type { Block } from '../protocol/block.js';
import type { FailedVolume, StorageReport } from '../protocol/datanode-protocol.js';
import type { ScanCursor } from './scan-cursor.js';

/**
 * The replicas of one data node. Any number of blocks may be read and written at once.
 *
 * A replica is being written, by at most one writer, or finalized; rotten ones are quarantined: kept, and never served. At most one
 * finalized and one being written exist of a block. The generation stamp of what there is of a block only rises (P9).
 *
 *                 create                          finalize
 *      (nothing) --------> being written <---------------------> finalized
 *                            | recover: newer generation          | quarantine
 *      invalidate: from anywhere to nothing                       v
 *                                                              quarantined
 *
 * Errors of all methods: ReplicaNotFoundError, StaleGenerationError (what is there is of another generation), NoSpaceError,
 * OverloadedError (too many open replicas), ChecksumError (stored bytes or checksums are damaged), InputOutputError.
 */
export interface BlockStore {
  readonly datanodeUuid: string;
  /** Null until the first registration. */
  readonly clusterId: string | null;
  /** Binds an unbound store to its cluster, durably. ClusterMismatchError, and nothing is touched, if it belongs to another one. */
  bindToCluster(clusterId: string): Promise<void>;

  /**
   * A new, empty replica. One being written of an older generation is given up for it, its writer stopped; a finalized one of an older
   * generation stays until this one is finalized. StaleGenerationError if there is one of this generation or a newer one; but a copy takes the
   * place of one being written of its own generation that has no writer: the rest of a copy that nobody waits for any more.
   */
  create(request: CreateReplica): Promise<ReplicaWriter>;
  /**
   * Takes a replica, being written or finalized, over for a new writer: its generation stamp rises to that of the request, it is cut to
   * `keepBytes`, and its old writer, if it still runs, is stopped: all of it as one step towards every other call. When it resolves, and
   * the request is durable, a power cut cannot bring the old generation back. StaleGenerationError unless the stamp rises, and unless
   * the replica's is at least `previousGenerationStamp`. InputOutputError if it is shorter than `keepBytes`. After a failure what there was stays.
   */
  recover(request: RecoverReplica): Promise<ReplicaWriter>;
  /**
   * Begins the recovery of a block here (protocol/block-recovery-protocol.ts): stops the replica's writer, reads all of it, and from then on,
   * while this process lives, refuses writers of `recoveryGeneration` or below it. Null if there is nothing of the block. What is older than
   * `generationStamp`, or put aside as rotten, takes no part: StaleGenerationError, ChecksumError. StaleGenerationError too once a later
   * recovery has begun. Nothing is changed on the disk.
   */
  initRecovery(request: { blockId: number; generationStamp: number; recoveryGeneration: number }): Promise<RecoverableReplica | null>;
  /**
   * Ends it: cuts the replica to `newLengthBytes`, at most what `initRecovery` told, and finalizes it, durably, under `recoveryGeneration`.
   * After a crash it is what it was, or being written with the new generation and length, or finalized. Repeating it is fine.
   */
  updateRecovery(request: { blockId: number; recoveryGeneration: number; newLengthBytes: number }): Promise<{ block: Block; storageId: string }>;
  /**
   * Ranged reads of a replica of exactly this generation, finalized or being written (then up to its visible length). ChecksumError
   * if its checksum file is damaged, or belongs to another block (a file under a wrong name).
   */
  openReader(block: Pick<Block, 'blockId' | 'generationStamp'>): Promise<ReplicaReader>;
  /** What is known without reading the disk; undefined if there is nothing. The newest where there are two. */
  getReplica(blockId: number): ReplicaStatus | undefined;
  /** Finalized replicas of a storage in rising order of block id, above `afterBlockId` if that is given. What comes or goes meanwhile is seen or not. */
  finalizedReplicas(storageId: string, afterBlockId?: number): Iterable<Block>;
  /** Replicas being written that have no writer: of writers that died, or of before a restart. */
  abandonedReplicas(): Iterable<Block>;
  /** Replicas that were put aside as rotten, of blocks of which there is nothing better here. */
  quarantinedReplicas(): Iterable<{ block: Block; storageId: string }>;
  /**
   * Removes a replica of this generation or an older one; it is not found from here on. `newer` if there is one of a newer generation,
   * which stays. Being written: its writer is stopped. Quarantined: removed. The space is given back a little later.
   */
  invalidate(
    block: Pick<Block, 'blockId' | 'generationStamp'>,
  ): Promise<{ outcome: 'removed'; storageId: string } | { outcome: 'absent' | 'newer' }>;
  /** Reads a finalized replica wholly and compares it with its checksums. Changes nothing. `pace` is awaited after each so many bytes. */
  verify(block: Pick<Block, 'blockId' | 'generationStamp'>, signal?: AbortSignal, pace?: Pace): Promise<VerifyOutcome>;
  /** How far the scan of a storage had come; undefined if that is not known. */
  readScanCursor(storageId: string): Promise<ScanCursor | undefined>;
  /** When it resolves, a power cut cannot undo it. */
  writeScanCursor(storageId: string, cursor: ScanCursor): Promise<void>;
  /** Puts a finalized replica of this generation aside: its bytes are kept and never served again. False if there is none. */
  quarantine(block: Pick<Block, 'blockId' | 'generationStamp'>, reason: string): Promise<boolean>;
  readStorages(): Promise<StorageReport[]>;
  /** Directories that are out of use, with all that they hold. */
  readonly failedVolumes: FailedVolume[];
  /** Why this node cannot go on: more directories have failed than are tolerated. Undefined as long as it can. */
  readonly unusable: Error | undefined;
  /** Stops writers (their replicas stay, being written), and gives the directories free. */
  close(): Promise<void>;
}

export interface CreateReplica {
  blockId: number;
  generationStamp: number;
  /** '': any. InputOutputError if this node has no such storage, or it failed. */
  storageId: string;
  chunkBytes: number;
  /** fsync as promises.md says. */
  isDurable: boolean;
  /** A copy that means nothing until it is finalized: discarded if its writer ends before, and at the next start. */
  isTemporary: boolean;
  /** What is to be written is there already, whole, on another node. */
  isCopy?: boolean;
}

export interface RecoverReplica {
  blockId: number;
  generationStamp: number;
  previousGenerationStamp?: number | undefined;
  keepBytes: number;
  isDurable: boolean;
}

export interface RecoverableReplica {
  /**
   * How far it can be believed to hold what was acknowledged: `being-written` by a writer of this process; `waiting-to-be-recovered` since a
   * restart, which may have cost it its end, because a part of it is rotten, or because an fsync of it failed (HDFS: RWR).
   */
  state: 'finalized' | 'being-written' | 'waiting-to-be-recovered';
  generationStamp: number;
  /** Of the longest beginning that matches its checksums. */
  lengthBytes: number;
}

export interface ReplicaStatus {
  block: Block;
  storageId: string;
  state: 'finalized' | 'being-written' | 'quarantined';
  visibleLengthBytes: number;
}

export interface ReplicaPacket {
  /** Must be the writer's receivedBytes: packets follow each other. */
  offsetBytes: number;
  data: Uint8Array;
  /** CRC-32 of each `chunkBytes` of `data`, u32 BE, checked by the caller. */
  checksums: Buffer;
  chunkBytes: number;
  /** Nothing but `finalize` follows. */
  isLast: boolean;
  /** Readers are told of these bytes, or they are synced: what is written of the replica is kept, whatever fails. */
  isFlush?: boolean;
}

/**
 * Writes one replica. After any failure only `close` is left. A disk error fails the replica for good: `close` then discards it (the
 * space of a full disk is free again), unless it has bytes that were flushed, or was finalized once: others may have failed like this
 * one, so it stays, being written, as far as it was written. A failed fsync is never repeated: no writer goes on with such a replica, and a
 * recovery of its block writes all of it anew before it syncs it.
 */
export interface ReplicaWriter {
  readonly blockId: number;
  readonly generationStamp: number;
  readonly storageId: string;
  readonly chunkBytes: number;
  /** Length with all packets that were appended, whether written yet or not. */
  readonly receivedBytes: number;
  /** What a power cut cannot take any more. */
  readonly durableBytes: number;
  /**
   * Takes the next packet. Several may be on their way; they count in order. When it resolves, data and checksums are written (they
   * survive the end of this process), and `data` and `checksums` may be reused. While a durable replica grows, it is synced in the background.
   */
  append(packet: ReplicaPacket): Promise<void>;
  /** All nodes after this one have the first `lengthBytes` too: readers may see them. */
  acknowledge(lengthBytes: number): void;
  /** When it resolves, everything appended before the call is on disk for good, durable replica or not. */
  sync(): Promise<void>;
  /**
   * Ends the replica: when it resolves, it is finalized, and, if durable, data, checksums, name and directory entry are on disk, in the
   * order of promises.md. If it fails, the replica is discarded.
   */
  finalize(): Promise<Block>;
  /**
   * Gives the replica up: it stays, being written, for a `recover`, with what was written; a temporary one, and any if `isDiscarded`, is
   * deleted. After finalize: nothing.
   */
  close(options?: { isDiscarded?: boolean }): Promise<void>;
  /** Calls back once when another writer took over, or the replica was invalidated: with the error that every later call gets. */
  onRevoked(callback: (reason: Error) => void): void;
}

export interface ReplicaReader {
  readonly storageId: string;
  readonly chunkBytes: number;
  /** Length of the replica; of one being written, what is visible. */
  readonly lengthBytes: number;
  /**
   * Fills `data` from `offsetBytes` (a multiple of chunkBytes), and `checksums` with the stored CRC-32 of each of its chunks. `data` ends at
   * the end of a chunk or of the replica. Nothing is verified: whoever gets the bytes does. ChecksumError if the files are shorter.
   */
  read(range: { offsetBytes: number; data: Uint8Array; checksums: Buffer }): Promise<void>;
  close(): Promise<void>;
}

export type Pace = (bytes: number) => Promise<void>;

/** `isUnreadable`: the disk would not give its bytes, this time; nothing is known of them. */
export type VerifyOutcome = { outcome: 'intact' } | { outcome: 'absent' } | { outcome: 'rotten'; reason: string; isUnreadable: boolean };
