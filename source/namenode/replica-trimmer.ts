import type { Block } from '../protocol/block.js';
import { blockStates, replicaFlags, replicaHas, replicaNode, withFlags, withoutFlags } from './block-map.js';
import { type BlockRedundancy, isSolid } from './block-redundancy.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';

/**
 * Decides which replicas are deleted: rotten ones and those of old generations once there are enough good ones, and the excess of
 * blocks that have more than wanted. Only replicas that are good beyond doubt count as reasons, so the last good copy, and the last
 * one of any kind, always stays.
 */
export class ReplicaTrimmer {
  readonly #redundancy: BlockRedundancy;
  /** Blocks that got a replica elsewhere so that this node may lose its own: see `preferFrom`. */
  readonly #preferred = new Map<number, DatanodeDescriptor>();

  constructor(redundancy: BlockRedundancy) {
    this.#redundancy = redundancy;
  }

  /** If the block now has too many replicas, the one of `node` is to go rather than another. Nothing goes that would not go without this. */
  preferFrom(blockId: number, node: DatanodeDescriptor): void {
    this.#preferred.delete(blockId);
    this.#preferred.set(blockId, node);
    if (this.#preferred.size > maxPreferred) this.#preferred.delete(this.#preferred.keys().next().value!);
  }

  /** Looks at up to `limit` blocks that may have something to delete; those where it is too early stay in the queue. */
  trim(limit: number): void {
    const { queue, map } = this.#redundancy;
    const early: number[] = [];
    for (let left = Math.min(limit, queue.excessCount); left > 0; left--) {
      const entry = queue.takeExcess()!;
      if (map.state(entry) === blockStates.complete && !this.#trimBlock(entry)) early.push(entry);
    }
    for (const entry of early) queue.enqueueExcess(entry);
  }

  /**
   * So many solid replicas allow to delete what is worth less: two (or as many as wanted), for one might still be lost; fewer where no
   * other node is left to make a second one on, as the bad replicas themselves, or what copies that failed may have left, take up the nodes.
   */
  isEnoughToDeleteBad(entry: number): boolean {
    const { solid, steady } = this.#redundancy.count(entry);
    const enough = Math.min(this.#redundancy.map.replication(entry), 2);
    return solid + steady >= enough || (solid + steady > 0 && !this.#hasPlaces(entry, enough));
  }

  /** There are so many nodes that have a replica that may be good, or could be sent one. */
  #hasPlaces(entry: number, wanted: number): boolean {
    const { map, datanodes } = this.#redundancy;
    const block = map.block(entry);
    let count = 0;
    for (const node of datanodes.nodes) {
      if (node.state !== 'live' || !node.isInService) continue;
      const index = map.indexOfNode(entry, node.number);
      const replica = index < 0 ? 0 : map.replica(entry, index);
      const isBad = replicaHas(replica, replicaFlags.corrupt) && !replicaHas(replica, replicaFlags.deleting);
      const isPlace = index < 0 ? node.remainingBytes >= block.lengthBytes && node.canReceive(block) : !isBad;
      if (isPlace && ++count === wanted) return true;
    }
    return false;
  }

  /**
   * Whether to go on with the deletion of a replica at the moment when it is ordered. If not, it counts as good again; where it was
   * ordered before (`isRepeated`), and so may be gone, a full report is asked for instead.
   */
  isStillRight(node: DatanodeDescriptor, block: Block, isRepeated: boolean): boolean {
    const { map } = this.#redundancy;
    const entry = map.find(block.blockId);
    if (entry < 0) return true;
    if (map.state(entry) !== blockStates.complete) return false;
    const counts = this.#redundancy.count(entry);
    const hasGood = counts.solid + counts.steady > 0;
    if (block.generationStamp < map.generationStamp(entry)) return hasGood;
    const index = map.indexOfNode(entry, node.number);
    // It was never counted here: left over from a pipeline that went on without this node.
    if (index < 0) return hasGood;
    const replica = map.replica(entry, index);
    if (!replicaHas(replica, replicaFlags.deleting)) return false;
    const isRight = replicaHas(replica, replicaFlags.corrupt) ? hasGood : counts.solid >= map.replication(entry);
    if (isRight) return true;
    if (isRepeated) node.isReportWanted = true;
    else this.#redundancy.putReplica(entry, node, withoutFlags(replica, replicaFlags.deleting));
    return false;
  }

  /** True if nothing is left to do for this block now. */
  #trimBlock(entry: number): boolean {
    const { map, datanodes } = this.#redundancy;
    const wanted = map.replication(entry);
    const counts = this.#redundancy.count(entry);
    if (counts.corrupt > 0 && this.isEnoughToDeleteBad(entry)) {
      this.#order(entry, this.#replicasWhere(entry, (replica, node) => node.isAlive && replicaHas(replica, replicaFlags.corrupt) && !replicaHas(replica, replicaFlags.deleting)));
      counts.corrupt = 0;
    }
    const excessCount = counts.solid - wanted;
    if (excessCount > 0) {
      const nodeOf = (replica: number) => datanodes.byNumber(replicaNode(replica));
      const solid = this.#replicasWhere(entry, isSolid).map((replica) => ({ replica, node: nodeOf(replica) }));
      const doomed = chooseExcess(solid, excessCount, this.#preferred.get(map.blockId(entry)));
      this.#preferred.delete(map.blockId(entry));
      this.#order(entry, doomed.map(({ replica }) => replica));
    }
    return counts.corrupt === 0 && counts.good - Math.max(0, excessCount) <= wanted;
  }

  #replicasWhere(entry: number, test: (replica: number, node: DatanodeDescriptor) => boolean): number[] {
    const { map, datanodes } = this.#redundancy;
    const found: number[] = [];
    for (let index = 0; index < map.replicaCount(entry); index++) {
      const replica = map.replica(entry, index);
      if (test(replica, datanodes.byNumber(replicaNode(replica)))) found.push(replica);
    }
    return found;
  }

  #order(entry: number, replicas: readonly number[]): void {
    const { map, datanodes } = this.#redundancy;
    for (const replica of replicas) {
      const node = datanodes.byNumber(replicaNode(replica));
      if (!node.invalidations.add(map.block(entry))) continue;
      map.setReplica(entry, map.indexOfNode(entry, node.number), withFlags(replica, replicaFlags.deleting));
    }
    this.#redundancy.recheck(entry);
  }
}

/** Moves of the balancer that wait for their last step. */
const maxPreferred = 100_000;

/**
 * Which `count` of the replicas are too many (Hadoop: BlockPlacementPolicyDefault.chooseReplicasToDelete): first of racks that have more than
 * one, so that no rack loses its last one while another has two; then `preferred`; then where room is needed most.
 */
export function chooseExcess<R extends { node: DatanodeDescriptor }>(replicas: readonly R[], count: number, preferred: DatanodeDescriptor | undefined): R[] {
  const left = [...replicas].sort((a, b) => Number(b.node === preferred) - Number(a.node === preferred) || byNeed(a.node, b.node));
  const doomed: R[] = [];
  while (doomed.length < count && left.length > 1) {
    const isShared = ({ node }: R) => left.some((other) => other.node !== node && other.node.rackNumber === node.rackNumber);
    const index = Math.max(0, left.findIndex(isShared));
    doomed.push(...left.splice(index, 1));
  }
  return doomed;
}

/**
 * The node that needs room most comes first: the one with the least free space, in whole percents (nodes that share a disk differ only by
 * the moment when they looked), then the one that holds the most. What it is to delete already counts as deleted, so that a thousand
 * excess replicas do not all go from one node.
 */
function byNeed(a: DatanodeDescriptor, b: DatanodeDescriptor): number {
  const freePercent = (node: DatanodeDescriptor) => Math.round((100 * (node.totalRemainingBytes + node.invalidations.bytes)) / Math.max(1, node.capacityBytes));
  const heldBytes = (node: DatanodeDescriptor) => node.usedBytes - node.invalidations.bytes;
  return freePercent(a) - freePercent(b) || heldBytes(b) - heldBytes(a);
}
