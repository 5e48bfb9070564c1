import type { Block, ReplicaLocation } from '../protocol/block.js';
import type { DatanodeCommand } from '../protocol/datanode-protocol.js';

/**
 * The seam between the namespace (which files have which blocks: durable) and block management (where the replicas are: soft
 * state, rebuilt from reports). Neither knows the other's classes. `createBlockServices` (block-services.ts) builds everything on
 * this side of it.
 */

/** A confirmed or claimed place of a replica, as a client names it. */
export interface ReplicaPlace {
  datanodeUuid: string;
  storageId: string;
}

export interface TargetRequest {
  /** How many more replicas are wanted, 1 or more. */
  count: number;
  blockSizeBytes: number;
  /** host:port of who writes: a node on its machine is preferred where machines differ. */
  writerAddress: string;
  /** Uuids that the writer cannot use. */
  excluded: readonly string[];
  /** Uuids that hold a replica already; empty for a new block. */
  existing: readonly string[];
  /** Of the file: begins the message of a refusal, as in HDFS. */
  path?: string | undefined;
}

export interface LocateOptions {
  /** host:port of the reader: a replica on its machine comes first where machines differ. */
  readerAddress: string;
  /** Dead and corrupt ones too, marked (fsck). */
  allReplicas?: boolean | undefined;
}

/** A try to recover a block under construction: see `recover` of datanodeCommandSchema. */
export type RecoveryOrder = Extract<DatanodeCommand, { kind: 'recover' }>;

/** What the namespace asks of block management. Implemented by BlockManager. In memory, synchronous; a name unknown to it is ignored unless said. */
export interface BlockManagement {
  /**
   * Nodes for new replicas, the first one nearest to the writer. May be fewer than `count`. NotEnoughReplicasError, in HDFS's words
   * and with a detail line a node on why it was not chosen, when none is left, and for a new block (`existing` empty) also when
   * there are fewer than min(minReplication, count) (1 where only one data node was ever registered).
   */
  chooseTargets(request: TargetRequest): ReplicaLocation[];

  /** A block that a client is about to write at `targets`. To be called when (or before) the client learns of it. */
  addUnderConstruction(block: { blockId: number; generationStamp: number; inodeId: number; replication: number; /** Space to count on each target until it is committed. */ blockSizeBytes?: number }, targets: readonly ReplicaLocation[]): void;

  /**
   * The block is final: its length and generation stamp never change again. `replicas` (those that confirmed all of it to the writer)
   * count at once as locations, and are dropped again unless their nodes report them within a grace. Replicas of earlier
   * pipelines are deleted once there are enough of these.
   * `isFileComplete` false: a block before the last one of an open file. It is repaired like any other.
   */
  commit(block: Block, replicas: readonly ReplicaPlace[], isFileComplete: boolean): void;

  /** The block under construction goes on with this generation stamp on these replicas: those of lower generation are stale. */
  updatePipeline(block: Block, replicas: readonly ReplicaPlace[]): void;

  /**
   * A complete block is under construction again, to be appended to or cut: what it has of replicas is its pipeline. To be called before
   * anybody learns of it.
   */
  reopen(blockId: number, blockSizeBytes: number): void;

  /**
   * Where the replicas of a block under construction may be, as far as these nodes can be reached now; every node of the cluster, if its
   * pipeline is not known (after our restart). `areAll`: no other node can have one. Empty: nobody can be asked now, or
   * ever if these are all: each node that had one was replaced, or let go dead.
   */
  recoveryPlaces(blockId: number): { places: ReplicaLocation[]; areAll: boolean };

  /** Sends a recovery to one of its replicas' nodes, with that node's next heartbeat: each `attempt` (from 0) to another one. */
  orderRecovery(order: RecoveryOrder, attempt: number): void;

  /** The file that a block belongs to, as it was told last; undefined if there is no such block. */
  inodeOf(blockId: number): number | undefined;

  /** The block belongs to this file now, which wants so many copies of it. */
  moveTo(blockId: number, inodeId: number, replication: number): void;

  /** Copies wanted of a block from now on: missing ones are made, excess ones deleted. */
  setReplication(blockId: number, replication: number): void;

  /** The file was deleted or the block abandoned, durably: its replicas are invalidated. */
  remove(blockId: number): void;

  /**
   * Replicas in the order to try them: on the reader's machine where machines differ, live before stale, doubted ones (a reader
   * called them rotten) last, equally good ones in random order. Of a block under construction: its pipeline. Empty if none is known.
   */
  locate(blockId: number, options: LocateOptions): ReplicaLocation[];

  /** Of a block under construction: a dead node, which `locate` does not name, may have it. That the others have nothing does not say that nobody has, then. */
  mayBeElsewhere(blockId: number): boolean;

  /** Goes with every operation on the block; '' while there is no authentication. */
  token(block: Block): string;

  /** Data nodes that ever registered. */
  registeredDatanodeCount(): number;

  /** Whether this is a data node of the cluster, alive or not. */
  isRegistered(datanodeUuid: string): boolean;

  spaceStatus(): { capacityBytes: number; usedBytes: number; remainingBytes: number };

  /** A reader met bytes that did not match their checksums: the nodes are told to verify. Unknown blocks and replicas are ignored. */
  reportBadReplicas(replicas: readonly { block: Block; datanodeUuid: string; storageId: string }[]): void;

  /** Replicas that wait to be deleted: reclaiming further files should pause above some 100,000 of them. */
  pendingDeletionCount(): number;
}

/** A block as the namespace has it on disk. */
export interface CatalogBlock {
  blockId: number;
  inodeId: number;
  /** From 0. */
  blockIndex: number;
  generationStamp: number;
  /** While it is under construction, what is known of it; 0 at first. */
  lengthBytes: number;
  replication: number;
  /** False for the last block of a file, while a client writes it. */
  isComplete: boolean;
}

/** What the primary of a recovery says when it has ended: see `datanode.commitBlockSynchronization`. */
export interface RecoveredBlock {
  block: Block;
  recoveryGeneration: number;
  newLengthBytes: number;
  replicas: ReplicaPlace[];
}

/** What block management asks of the namespace. */
export interface BlockCatalog {
  /**
   * A page of all blocks, ordered by (inodeId, blockIndex), after the given position (from the begin without one); empty at the
   * end. Blocks that are added meanwhile may or may not be among them: addUnderConstruction tells of those too.
   */
  scanBlocks(afterInodeId?: number, afterIndex?: number, limit?: number): CatalogBlock[];
  /** Undefined if the inode is gone. */
  pathOfInode(inodeId: number): string | undefined;
}
