import type { Block } from '../protocol/block.js';
import type { AdminState, DatanodeReport, SlowVerdict } from '../protocol/cluster-events.js';
import type { DatanodeCommand, FailedVolume, PeerWait, StorageReport } from '../protocol/datanode-protocol.js';
import { BlockSet } from './block-set.js';
import { InvalidationQueue } from './invalidation-queue.js';
import type { PlacementCandidate } from './placement.js';
import { defaultRack } from './rack-mapping.js';
import { RecentReplicaEvents } from './recent-replica-events.js';

/** One storage directory of a data node. Its place among the node's storages is in every replica; it never changes. */
export interface DatanodeStorage {
  readonly storageId: string;
  capacityBytes: number;
  usedBytes: number;
  remainingBytes: number;
  isFailed: boolean;
  /** A full report came since the registration. */
  isReported: boolean;
  /** Of the last report that was finished; 0: none since the registration. */
  lastReportId: number;
  /** The first report was empty though replicas were known: it counts only if the next one is empty too. */
  wasReportedEmpty: boolean;
}

/** A replica that is not one of its block's, if there is such a block at all: see StrangeReplicas. Left alone until `dueMs`. */
export interface StrangeReplica {
  readonly block: Block;
  readonly dueMs: number;
}

/** What the name node knows of one data node (Hadoop: DatanodeDescriptor). Written by DatanodeManager and by block management only. */
export class DatanodeDescriptor implements PlacementCandidate {
  /** In every replica of the BlockMap. Not the N of dnN. */
  readonly number: number;
  readonly uuid: string;
  name: string;
  host: string;
  address: string;
  rack = defaultRack;
  /** Of the rack, for comparing: equal ones are one rack. */
  rackNumber = 0;
  softwareVersion = '';
  state: 'live' | 'stale' | 'dead' = 'stale';
  adminState: AdminState = 'normal';
  /** adminState is `normal`: it may get replicas, and those that it has count. Kept beside, for the many times that it is asked. */
  isInService = true;
  adminNote = '';
  adminPendingBlocks = 0;
  /** Monotonic; undefined: its maintenance does not end by itself. */
  maintenanceEndsMs: number | undefined;
  /** Of its last registration; 0 before the first one in this life of the name node. */
  epoch = 0;
  bootNonce = '';
  /** Processes that another one has replaced: two processes cannot both be this node. */
  readonly replacedNonces: string[] = [];
  storages: DatanodeStorage[] = [];
  /** Its directories that are out of use, as it told last. */
  failedVolumes: readonly FailedVolume[] = [];
  /** How long it waits for others, as it told last. */
  peerWaits: readonly PeerWait[] = [];
  /** On the manager's observed time: see DatanodeManager. */
  lastHeardMs: number;
  /** Monotonic, and as wall time for people; 0: never in this life. */
  lastHeartbeatMs = 0;
  lastHeartbeatTimeMs = 0;
  lastBlockReportTimeMs = 0;
  transferCount = 0;
  receivedBytesPerSecond = 0;
  sentBytesPerSecond = 0;

  /** Entries of the BlockMap that have a replica here. */
  readonly entries = new BlockSet();
  readonly strangers = new Map<number, StrangeReplica>();
  readonly leftovers = new Map<number, StrangeReplica>();
  readonly recentEvents = new RecentReplicaEvents();
  /** Number of the last notice of this registration that was taken in. */
  lastNotice = 0;
  readonly invalidations = new InvalidationQueue();
  /** Replicas to check, and when that was last ordered (0: not yet). */
  readonly verifications = new Map<number, { block: Block; orderedMs: number }>();
  /** Copies to make, for the next heartbeat. */
  copyOrders: Extract<DatanodeCommand, { kind: 'replicate' }>[] = [];
  /** Recoveries of blocks to lead, for the next heartbeat. */
  recoveryOrders: Extract<DatanodeCommand, { kind: 'recover' }>[] = [];
  /** Copies ordered and not done: from here, and to here; so many of them for the balancer. */
  outgoing = { count: 0, bytes: 0, moveCount: 0 };
  incoming = { count: 0, bytes: 0, moveCount: 0 };
  /** Blocks that clients are writing here; `endedCount` rises with each that they are not any more. */
  writing = { count: 0, bytes: 0, endedCount: 0 };
  isReportWanted = false;
  reportOrderedMs = Number.NEGATIVE_INFINITY;

  constructor(identity: { number: number; uuid: string; name: string; host: string; address: string }, lastHeardMs: number) {
    this.number = identity.number;
    this.uuid = identity.uuid;
    this.name = identity.name;
    this.host = identity.host;
    this.address = identity.address;
    this.lastHeardMs = lastHeardMs;
  }

  setAdminState(state: AdminState): void {
    this.adminState = state;
    this.isInService = state === 'normal';
    this.adminNote = '';
    this.adminPendingBlocks = 0;
  }

  get isDecommission(): boolean {
    return this.adminState === 'decommissioning' || this.adminState === 'decommissioned';
  }

  get isMaintenance(): boolean {
    return this.adminState === 'entering-maintenance' || this.adminState === 'in-maintenance';
  }

  /** It stays until its blocks are safe without it. */
  get isBeingEmptied(): boolean {
    return this.adminState === 'decommissioning' || this.adminState === 'entering-maintenance';
  }

  get isStale(): boolean {
    return this.state !== 'live';
  }

  get isAlive(): boolean {
    return this.state !== 'dead';
  }

  /** All its working storages have reported since the registration: what we know of it is complete. */
  get isReported(): boolean {
    return this.epoch > 0 && this.storages.every((storage) => storage.isReported || storage.isFailed);
  }

  get capacityBytes(): number {
    return this.#sum('capacityBytes');
  }

  get usedBytes(): number {
    return this.#sum('usedBytes');
  }

  get totalRemainingBytes(): number {
    return this.#sum('remainingBytes');
  }

  get scheduledBytes(): number {
    return this.writing.bytes + this.incoming.bytes;
  }

  get remainingBytes(): number {
    let most = 0;
    for (const storage of this.storages) if (!storage.isFailed && storage.remainingBytes > most) most = storage.remainingBytes;
    return Math.max(0, most - this.scheduledBytes);
  }

  get usedFraction(): number {
    const capacityBytes = this.capacityBytes;
    return capacityBytes === 0 ? 1 : Math.min(1, (this.usedBytes + this.scheduledBytes) / capacityBytes);
  }

  get load(): number {
    return Math.max(this.transferCount, this.writing.count + this.incoming.count);
  }

  /** False while it holds something strange that a copy of the block would run into: the same generation, or a newer one. */
  canReceive(block: Block): boolean {
    const held = this.strangers.get(block.blockId) ?? this.leftovers.get(block.blockId);
    return !held || held.block.generationStamp < block.generationStamp;
  }

  /** The place of a storage among this node's; -1 if it is not known. */
  storageIndex(storageId: string): number {
    return this.storages.findIndex((storage) => storage.storageId === storageId);
  }

  /** The working storage with the most room. */
  roomiestStorage(): DatanodeStorage | undefined {
    let best: DatanodeStorage | undefined;
    for (const storage of this.storages) if (!storage.isFailed && (!best || storage.remainingBytes > best.remainingBytes)) best = storage;
    return best;
  }

  /** Takes over what a heartbeat or a registration says. Answers the storages that failed since the last one. */
  updateStorages(reports: readonly StorageReport[], maxStorages: number): DatanodeStorage[] {
    const failed: DatanodeStorage[] = [];
    for (const report of reports) {
      let storage = this.storages.find((known) => known.storageId === report.storageId);
      if (!storage) {
        if (this.storages.length >= maxStorages) continue;
        storage = { storageId: report.storageId, capacityBytes: 0, usedBytes: 0, remainingBytes: 0, isFailed: false, isReported: false, lastReportId: 0, wasReportedEmpty: false };
        this.storages.push(storage);
      }
      if (report.isFailed && !storage.isFailed) failed.push(storage);
      if (!report.isFailed && storage.isFailed) storage.isReported = false;
      storage.isFailed = report.isFailed;
      storage.capacityBytes = report.isFailed ? 0 : report.capacityBytes;
      storage.usedBytes = report.isFailed ? 0 : report.usedBytes;
      storage.remainingBytes = report.isFailed ? 0 : report.remainingBytes;
    }
    return failed;
  }

  report(nowMs: number, slow?: SlowVerdict): DatanodeReport {
    const [capacityBytes, usedBytes, remainingBytes] = [this.capacityBytes, this.usedBytes, this.totalRemainingBytes];
    return {
      datanodeUuid: this.uuid,
      name: this.name,
      address: this.address,
      rack: this.rack,
      state: this.state,
      adminState: this.adminState,
      adminNote: this.adminNote,
      adminPendingBlocks: this.adminPendingBlocks,
      maintenanceRemainingMs: this.maintenanceEndsMs === undefined ? null : Math.max(0, Math.round(this.maintenanceEndsMs - nowMs)),
      capacityBytes,
      usedBytes,
      nonDfsUsedBytes: Math.max(0, capacityBytes - usedBytes - remainingBytes),
      remainingBytes,
      blockCount: this.entries.size,
      transferCount: this.transferCount,
      receivedBytesPerSecond: this.receivedBytesPerSecond,
      sentBytesPerSecond: this.sentBytesPerSecond,
      sinceHeartbeatMs: Math.max(0, Math.round(nowMs - this.lastHeartbeatMs)),
      lastHeartbeatTimeMs: this.lastHeartbeatTimeMs,
      lastBlockReportTimeMs: this.lastBlockReportTimeMs,
      ...(this.failedVolumes.length > 0 && { failedVolumes: this.failedVolumes.map(({ directory, reason }) => ({ directory, reason })) }),
      ...(slow && { slow }),
    };
  }

  #sum(key: 'capacityBytes' | 'usedBytes' | 'remainingBytes'): number {
    let sum = 0;
    for (const storage of this.storages) sum += storage[key];
    return sum;
  }
}
