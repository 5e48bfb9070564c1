import { type BlockMap, blockStates, noBucket, replicaFlags, replicaHas, replicaNode } from './block-map.js';
import type { BlocksBeingWritten } from './blocks-being-written.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { DatanodeManager } from './datanode-manager.js';
import { badlyPlacedBucket, bucketOf, missingBucket, type ReplicationQueue } from './replication-queue.js';

/** Replicas of one block by what they are worth. */
export interface ReplicaCounts {
  /** On a node in service that is not dead, not known to be rotten, not to be deleted: what counts against the wanted number. */
  good: number;
  /**
   * Good beyond doubt: its node is live, has reported since its registration, and confirmed this replica, and no reader doubts it.
   * Only on the strength of these is anything deleted, and only they let a node go.
   */
  solid: number;
  /** As solid, on a node that is still being emptied, and goes only when all it has is elsewhere: what is worth less may be deleted for these too. */
  steady: number;
  /** The good ones are on more than one rack. */
  isSpread: boolean;
  /** As good, and on a node that is to be emptied or to go away for a while: it can be read and copied, but does not count. */
  leaving: number;
  /** On nodes in or before maintenance, dead ones too: they are to come back, and so many fewer are wanted meanwhile. */
  maintenance: number;
  /** Known to be rotten, not yet ordered to be deleted, on a node that is not dead. */
  corrupt: number;
  /** On dead nodes. */
  dead: number;
}

/** Blocks with rotten replicas that are followed by name until they are whole again; beyond that they are only repaired. */
const maxRottenBlocks = 100_000;
/** Newly missing blocks that are named in the event. */
const maxMissingExamples = 3;

/**
 * Where replicas are, and so which blocks need copies or have too many: each change of a replica, of its node or of the wanted number
 * passes here, and ends in `recheck` of the block.
 */
export class BlockRedundancy {
  readonly map: BlockMap;
  readonly queue: ReplicationQueue;
  readonly datanodes: DatanodeManager;
  readonly #writing: BlocksBeingWritten;
  /** Nodes (numbers) that had rotten replicas of a block, until it has all its good ones. */
  readonly #rotten = new Map<number, number[]>();
  #replaced: { blockId: number; nodes: string[] }[] = [];
  #newlyMissing: number[] = [];
  /** While most replicas are yet to be reported, blocks are counted, not queued; `recheck` each when it ends. */
  isStarting = true;
  /**
   * Nodes in maintenance that have not registered since the start: each block may have a replica on each, and of that nobody is to make
   * a storm of copies.
   */
  unheardMaintenanceCount = 0;
  readonly #maintenanceMinReplication: number;

  /** `maintenanceMinReplication`: so many replicas a block must have while others are in maintenance (dfs.namenode.maintenance.replication.min). */
  constructor(parts: { map: BlockMap; queue: ReplicationQueue; datanodes: DatanodeManager; writing: BlocksBeingWritten; maintenanceMinReplication: number }) {
    this.#maintenanceMinReplication = parts.maintenanceMinReplication;
    this.map = parts.map;
    this.queue = parts.queue;
    this.datanodes = parts.datanodes;
    this.#writing = parts.writing;
  }

  /** Blocks that are not under construction. */
  get completeCount(): number {
    return this.map.size - this.#writing.size;
  }

  count(entry: number): ReplicaCounts {
    const counts: ReplicaCounts = { good: 0, solid: 0, steady: 0, isSpread: false, leaving: 0, maintenance: 0, corrupt: 0, dead: 0 };
    let rackNumber = -1;
    const count = this.map.replicaCount(entry);
    for (let index = 0; index < count; index++) {
      const replica = this.map.replica(entry, index);
      const node = this.datanodes.byNumber(replicaNode(replica));
      if (!node.isInService) countLeaving(counts, node, replica);
      else if (!node.isAlive) counts.dead++;
      else if (replicaHas(replica, replicaFlags.deleting)) continue;
      else if (replicaHas(replica, replicaFlags.corrupt)) counts.corrupt++;
      else {
        counts.good++;
        if (isSolid(replica, node)) counts.solid++;
        if (rackNumber < 0) rackNumber = node.rackNumber;
        else if (rackNumber !== node.rackNumber) counts.isSpread = true;
      }
    }
    return counts;
  }

  /**
   * Good replicas that a block needs now: as many as wanted, less those that are in maintenance, but never fewer than the least that
   * must be there meanwhile (Hadoop: BlockManager.getExpectedLiveRedundancyNum).
   */
  neededCount(entry: number, counts: ReplicaCounts): number {
    const wanted = this.map.replication(entry);
    const away = counts.maintenance + this.unheardMaintenanceCount;
    return away === 0 ? wanted : Math.max(wanted - away, Math.min(this.#maintenanceMinReplication, wanted));
  }

  /** Several replicas, all on one rack, and there are other racks (Hadoop: BlockPlacementPolicyDefault.verifyBlockPlacement). */
  isBadlyPlaced(entry: number, counts: ReplicaCounts): boolean {
    return counts.good > 1 && !counts.isSpread && this.datanodes.rackCount > 1 && this.map.replication(entry) > 1;
  }

  /** Adds a replica, or makes the known one of that node what this one is. */
  putReplica(entry: number, node: DatanodeDescriptor, replica: number): void {
    const index = this.map.indexOfNode(entry, node.number);
    if (index >= 0) this.map.setReplica(entry, index, replica);
    else {
      this.map.addReplica(entry, replica);
      node.entries.add(entry);
    }
    this.recheck(entry);
  }

  /** Forgets the replica of a node; true if there was one. */
  removeReplica(entry: number, node: DatanodeDescriptor): boolean {
    const index = this.map.indexOfNode(entry, node.number);
    node.entries.delete(entry);
    if (index < 0) return false;
    this.map.removeReplica(entry, index);
    this.recheck(entry);
    return true;
  }

  /** Puts a complete block where it belongs now: missing, under-replicated, in order, or with something to delete. */
  recheck(entry: number): void {
    if (this.map.state(entry) !== blockStates.complete) return;
    const counts = this.count(entry);
    const wanted = this.map.replication(entry);
    const bucket = this.#bucket(entry, counts);
    if (bucket === missingBucket && !this.isStarting && this.map.bucket(entry) !== missingBucket && this.#newlyMissing.length < maxMissingExamples) {
      this.#newlyMissing.push(entry);
    }
    this.queue.update(entry, bucket, !this.isStarting);
    if (counts.good > wanted || (counts.corrupt > 0 && counts.good > 0)) this.queue.enqueueExcess(entry);
    if (counts.dead > 0 && counts.solid >= wanted) this.#forgetDead(entry);
    if ((bucket === noBucket || bucket === badlyPlacedBucket) && counts.corrupt === 0 && this.#rotten.size > 0) this.#noteWhole(entry);
  }

  #bucket(entry: number, counts: ReplicaCounts): number {
    const readable = counts.good + counts.leaving;
    if (readable === 0) return missingBucket;
    if (counts.good < this.neededCount(entry, counts)) return bucketOf(readable);
    return this.isBadlyPlaced(entry, counts) ? badlyPlacedBucket : noBucket;
  }

  /** A node has a rotten replica of this block. */
  noteRotten(entry: number, node: DatanodeDescriptor): void {
    const blockId = this.map.blockId(entry);
    const numbers = this.#rotten.get(blockId);
    if (!numbers && this.#rotten.size >= maxRottenBlocks) return;
    if (!numbers) this.#rotten.set(blockId, [node.number]);
    else if (!numbers.includes(node.number)) numbers.push(node.number);
  }

  /** Nodes that have put a rotten replica of this block aside, and have no other. */
  rottenNodes(entry: number): DatanodeDescriptor[] {
    const nodes = this.#rotten.get(this.map.blockId(entry))?.map((number) => this.datanodes.byNumber(number)) ?? [];
    return nodes.filter((node) => this.map.indexOfNode(entry, node.number) < 0);
  }

  /** Blocks of which a rotten replica was found and that are not whole again. */
  get rottenCount(): number {
    return this.#rotten.size;
  }

  /** Blocks whose rotten replicas were replaced since the last call. */
  takeReplaced(): { blockId: number; nodes: string[] }[] {
    const replaced = this.#replaced;
    this.#replaced = [];
    return replaced;
  }

  /** Some of the blocks that became missing since the last call, and are missing still. */
  takeNewlyMissing(): number[] {
    const entries = this.#newlyMissing.filter((entry) => this.map.state(entry) === blockStates.complete && this.map.bucket(entry) === missingBucket);
    this.#newlyMissing = [];
    return entries;
  }

  /** Takes a block out of all counts, before it is removed from the map. What rotten bytes of it nodes have put aside they may delete. */
  forget(entry: number): void {
    this.queue.forget(entry);
    this.#deleteQuarantined(entry);
  }

  /** What rotten bytes a node has put aside, it may delete now, unless a good replica has taken their place. */
  #noteWhole(entry: number): void {
    const nodes = this.#deleteQuarantined(entry);
    if (nodes) this.#replaced.push({ blockId: this.map.blockId(entry), nodes: nodes.map((node) => node.name) });
  }

  /** Answers the nodes that had rotten replicas. One that is away tells of what it has put aside when it is back. */
  #deleteQuarantined(entry: number): DatanodeDescriptor[] | undefined {
    const blockId = this.map.blockId(entry);
    const nodes = this.#rotten.get(blockId)?.map((number) => this.datanodes.byNumber(number));
    this.#rotten.delete(blockId);
    for (const node of nodes ?? []) if (node.isAlive && this.map.indexOfNode(entry, node.number) < 0) node.invalidations.add(this.map.block(entry));
    return nodes;
  }

  /** There is enough without them. If such a node comes back, its report brings its replicas back too. */
  #forgetDead(entry: number): void {
    for (let index = this.map.replicaCount(entry) - 1; index >= 0; index--) {
      const node = this.datanodes.byNumber(replicaNode(this.map.replica(entry, index)));
      if (node.isAlive || node.isMaintenance) continue;
      this.map.removeReplica(entry, index);
      node.entries.delete(entry);
    }
  }
}

/** Of a node that is to be emptied, or to go away for a while. */
function countLeaving(counts: ReplicaCounts, node: DatanodeDescriptor, replica: number): void {
  if (!node.isAlive && !node.isMaintenance) counts.dead++;
  else if (replicaHas(replica, replicaFlags.deleting)) return;
  else if (replicaHas(replica, replicaFlags.corrupt)) counts.corrupt += node.isAlive ? 1 : 0;
  else {
    if (node.isMaintenance) counts.maintenance++;
    if (node.isAlive) counts.leaving++;
    if (node.isBeingEmptied && isBeyondDoubt(replica, node)) counts.steady++;
  }
}

/** Good beyond doubt: see ReplicaCounts. */
export function isSolid(replica: number, node: DatanodeDescriptor): boolean {
  return node.isInService && isBeyondDoubt(replica, node);
}

function isBeyondDoubt(replica: number, node: DatanodeDescriptor): boolean {
  return node.state === 'live' && node.isReported && !replicaHas(replica, replicaFlags.unconfirmed | replicaFlags.corrupt | replicaFlags.suspect | replicaFlags.deleting);
}
