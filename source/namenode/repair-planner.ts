import type { Random } from '../base/random.js';
import type { Block, ReplicaLocation } from '../protocol/block.js';
import type { ParamsOf } from '../protocol/method.js';
import type { DatanodeProtocol } from '../protocol/datanode-protocol.js';
import { blockStates, noBucket, replicaFlags, replicaHas, replicaNode } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import { chooseTargets } from './placement.js';
import { badlyPlacedBucket, lastBucket } from './replication-queue.js';
import type { StrangeReplicas } from './strange-replicas.js';

export interface RepairLimits {
  /** Copies that a node sends, and receives, at a time, whatever their size. */
  streamsPerNode: number;
  /** Small ones beyond that, up to so many bytes and so many copies together: one heartbeat must keep a node busy until the next. */
  bytesPerNode: number;
  copiesPerNode: number;
  copiesInTotal: number;
  /** Blocks looked at in a tick; and those of them for which no copy can be ordered now, after which the tick stops looking. */
  blocksPerTick: number;
  vainBlocksPerTick: number;
  /** A copy without any progress for so long has failed. */
  timeoutMs: number;
  /** Its source does not mention it any more, and its target never reported it. */
  vanishedMs: number;
}

export const defaultRepairLimits: RepairLimits = {
  streamsPerNode: 4,
  bytesPerNode: 256 * 1024 * 1024,
  copiesPerNode: 500,
  copiesInTotal: 10_000,
  blocksPerTick: 2000,
  vainBlocksPerTick: 500,
  timeoutMs: 30_000,
  vanishedMs: 3_000,
};

/** The slowest transfer that is waited for. */
const slowestBytesPerMs = 2 * 1024;
const maxFailures = 10_000;

/** A copy that was ordered. `source` may not know yet: it learns by its next heartbeat. */
export interface PendingCopy {
  readonly blockId: number;
  readonly generationStamp: number;
  readonly lengthBytes: number;
  readonly source: DatanodeDescriptor;
  readonly target: DatanodeDescriptor;
  /** The balancer wants it: the block has enough replicas, and the source's is to go once this one has come. */
  readonly isMove: boolean;
  deadlineMs: number;
  doneBytes: number;
  /** The source has the order. */
  wasDelivered: boolean;
  wasMentioned: boolean;
}

/**
 * Which copies are made to bring under-replicated blocks back to their number: fewest copies first, one at a time for a block, within
 * limits for each node and in total, so that repair never starves users (Hadoop: RedundancyMonitor, PendingReconstructionBlocks).
 * Pure memory: orders lie in the source's `copyOrders` until its heartbeat takes them.
 */
export class RepairPlanner {
  readonly #redundancy: BlockRedundancy;
  readonly #strangers: StrangeReplicas;
  readonly #random: Random;
  readonly #limits: RepairLimits;
  readonly #pending = new Map<number, PendingCopy>();
  readonly #bySource = new Map<DatanodeDescriptor, Set<PendingCopy>>();
  /** The last copy of a block that failed: the next try goes another way, if there is one. */
  readonly #failures = new Map<number, { source: DatanodeDescriptor; target: DatanodeDescriptor }>();
  #finishedBytes = 0;
  #moveCount = 0;
  /** Told when a copy of the balancer has ended: come, or failed. */
  onMoveEnded: ((copy: PendingCopy, hasArrived: boolean) => void) | undefined;

  constructor(parts: { redundancy: BlockRedundancy; strangers: StrangeReplicas; random: Random; limits: RepairLimits }) {
    this.#redundancy = parts.redundancy;
    this.#strangers = parts.strangers;
    this.#random = parts.random;
    this.#limits = parts.limits;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Those of them that the balancer wants. */
  get moveCount(): number {
    return this.#moveCount;
  }

  get pending(): Iterable<PendingCopy> {
    return this.#pending.values();
  }

  /** Bytes that repair has moved so far, parts of copies that run counted in. */
  get movedBytes(): number {
    let bytes = this.#finishedBytes;
    for (const copy of this.#pending.values()) bytes += copy.doneBytes;
    return bytes;
  }

  /** A copy of just this generation is on its way to this node. */
  isTarget(block: { blockId: number; generationStamp: number }, node: DatanodeDescriptor): boolean {
    const copy = this.#pending.get(block.blockId);
    return copy?.target === node && copy.generationStamp === block.generationStamp;
  }

  /** Orders what can be ordered now. */
  plan(nowMs: number): void {
    const candidates = [...this.#redundancy.datanodes.nodes].filter((node) => node.state === 'live' && node.isInService && node.isReported && this.#hasRoom(node.incoming, 0));
    if (candidates.length === 0) return;
    const { queue } = this.#redundancy;
    const postponed: number[] = [];
    let left = this.#limits.blocksPerTick;
    for (let bucket = 1; bucket <= lastBucket; bucket++) {
      while (left > 0 && postponed.length < this.#limits.vainBlocksPerTick && this.#pending.size < this.#limits.copiesInTotal) {
        const entry = queue.take(bucket);
        if (entry === undefined) break;
        left--;
        if (!this.#order(entry, candidates, nowMs)) postponed.push(entry);
      }
    }
    for (const entry of postponed) queue.enqueue(entry);
  }

  /** The orders of a source, for its heartbeat; those that are not needed any more are dropped. */
  takeOrders(source: DatanodeDescriptor): DatanodeDescriptor['copyOrders'] {
    const { map } = this.#redundancy;
    const isNeeded = ({ block }: { block: { blockId: number } }) => {
      const entry = map.find(block.blockId);
      return entry >= 0 && (map.bucket(entry) !== noBucket || this.#pending.get(block.blockId)?.isMove === true);
    };
    const orders = source.copyOrders.filter(isNeeded);
    for (const { block } of source.copyOrders.filter((order) => !isNeeded(order))) this.forget(block.blockId);
    source.copyOrders = [];
    for (const { block } of orders) this.#pending.get(block.blockId)!.wasDelivered = true;
    return orders;
  }

  /** A node has a good replica: if that was the copy, it is done. */
  arrived(blockId: number, node: DatanodeDescriptor): void {
    const copy = this.#pending.get(blockId);
    if (copy?.target !== node) return;
    this.#end(copy);
    this.#failures.delete(blockId);
    this.#finishedBytes += copy.lengthBytes;
    if (copy.isMove) this.onMoveEnded?.(copy, true);
  }

  /** A copy of just this block is on its way. */
  isPending(blockId: number): boolean {
    return this.#pending.has(blockId);
  }

  /**
   * Orders a copy of a block that has enough of them, for the balancer, which keeps to limits of its own: false if it cannot be now.
   */
  move(entry: number, source: DatanodeDescriptor, target: DatanodeDescriptor, nowMs: number): boolean {
    const { map } = this.#redundancy;
    const block = map.block(entry);
    if (this.#pending.has(block.blockId) || this.#pending.size >= this.#limits.copiesInTotal) return false;
    if (!target.canReceive(block)) return false;
    this.#start(block, source, target, true, nowMs);
    return true;
  }

  /** Bytes that the balancer takes from a node by copies that are under way. */
  movingFrom(node: DatanodeDescriptor): number {
    let bytes = 0;
    for (const copy of this.#bySource.get(node) ?? []) if (copy.isMove) bytes += copy.lengthBytes;
    return bytes;
  }

  /** Takes back what the balancer ordered and no source has begun. */
  cancelMoves(): void {
    for (const copy of [...this.#pending.values()]) if (copy.isMove && !copy.wasDelivered) this.#fail(copy);
  }

  /**
   * What a source says in its heartbeat of the copies that it makes. It names those that run; one that ran and does not any more, and all
   * that it had when none runs, have ended: unless the target tells soon, they failed.
   */
  noteProgress(source: DatanodeDescriptor, replications: ParamsOf<DatanodeProtocol, 'datanode.sendHeartbeat'>['replications'], nowMs: number): void {
    const copies = this.#bySource.get(source);
    if (!copies) return;
    const mentioned = new Map(replications.map((replication) => [replication.blockId, replication.doneBytes]));
    for (const copy of copies) {
      const doneBytes = mentioned.get(copy.blockId);
      if (doneBytes !== undefined) {
        if (!copy.wasMentioned || doneBytes > copy.doneBytes) copy.deadlineMs = Math.max(copy.deadlineMs, nowMs + this.#limits.timeoutMs);
        copy.doneBytes = Math.min(doneBytes, copy.lengthBytes);
        copy.wasMentioned = true;
      } else if (copy.wasMentioned || (copy.wasDelivered && mentioned.size === 0)) {
        copy.deadlineMs = Math.min(copy.deadlineMs, nowMs + this.#limits.vanishedMs);
      }
    }
  }

  /** Gives up copies whose time is over. The target may have it all the same, and could not tell. */
  expire(nowMs: number): void {
    for (const copy of this.#pending.values()) {
      if (copy.deadlineMs > nowMs) continue;
      this.#fail(copy);
      const { blockId, generationStamp, lengthBytes } = copy;
      this.#strangers.note(copy.target, { blockId, generationStamp, lengthBytes }, 'leftover', nowMs);
    }
  }

  /** The node is gone, or its process is a new one: what it was to send or receive will not come. */
  abandonNode(node: DatanodeDescriptor): void {
    node.copyOrders = [];
    for (const copy of this.#pending.values()) if (copy.source === node || copy.target === node) this.#fail(copy);
  }

  /** The block is gone. */
  forget(blockId: number): void {
    this.#failures.delete(blockId);
    const copy = this.#pending.get(blockId);
    if (copy) this.#abandon(copy);
  }

  #abandon(copy: PendingCopy): void {
    this.#end(copy);
    if (copy.isMove) this.onMoveEnded?.(copy, false);
  }

  /** True if the block has its copy on the way now, or needs none. */
  #order(entry: number, candidates: readonly DatanodeDescriptor[], nowMs: number): boolean {
    const { map, datanodes } = this.#redundancy;
    const block = map.block(entry);
    if (map.state(entry) !== blockStates.complete || this.#pending.has(block.blockId)) return true;
    const excluded = new Set<string>();
    const existing: DatanodeDescriptor[] = [];
    const sources: { node: DatanodeDescriptor; replica: number }[] = [];
    for (let index = 0; index < map.replicaCount(entry); index++) {
      const replica = map.replica(entry, index);
      const node = datanodes.byNumber(replicaNode(replica));
      excluded.add(node.uuid);
      const isBad = replicaHas(replica, replicaFlags.corrupt | replicaFlags.deleting);
      if (node.isAlive && node.isInService && !isBad) existing.push(node);
      if (node.state === 'live' && !isBad && this.#hasRoom(node.outgoing, block.lengthBytes)) sources.push({ node, replica });
    }
    if (sources.length === 0) return false;
    const failure = this.#failures.get(block.blockId);
    const source = sources.sort((a, b) => rank(a, failure?.source) - rank(b, failure?.source))[0]!.node;
    const isElsewhere = map.bucket(entry) === badlyPlacedBucket;
    const usable = isElsewhere ? candidates.filter(({ rackNumber }) => existing.every((node) => node.rackNumber !== rackNumber)) : candidates;
    const target = this.#target(usable, { block, excluded, existing, failed: failure?.target });
    if (!target) return false;
    this.#start(block, source, target, false, nowMs);
    return true;
  }

  #start(block: Block, source: DatanodeDescriptor, target: DatanodeDescriptor, isMove: boolean, nowMs: number): void {
    source.outgoing.count++;
    source.outgoing.bytes += block.lengthBytes;
    target.incoming.count++;
    target.incoming.bytes += block.lengthBytes;
    const deadlineMs = nowMs + this.#limits.timeoutMs + Math.max(source.outgoing.bytes, target.incoming.bytes) / slowestBytesPerMs;
    const copy: PendingCopy = { ...block, source, target, isMove, deadlineMs, doneBytes: 0, wasDelivered: false, wasMentioned: false };
    this.#pending.set(block.blockId, copy);
    if (isMove) {
      this.#moveCount++;
      source.outgoing.moveCount++;
      target.incoming.moveCount++;
    }
    const copies = this.#bySource.get(source);
    if (copies) copies.add(copy);
    else this.#bySource.set(source, new Set([copy]));
    source.copyOrders.push({ kind: 'replicate', block, targets: [locationOf(target)], token: '' });
  }

  #target(
    candidates: readonly DatanodeDescriptor[],
    { block, excluded, existing, failed }: { block: Block; excluded: ReadonlySet<string>; existing: readonly DatanodeDescriptor[]; failed: DatanodeDescriptor | undefined },
  ): DatanodeDescriptor | undefined {
    const choose = (avoided: ReadonlySet<string>) => {
      const out = new Set(avoided);
      for (;;) {
        const [target] = chooseTargets(candidates, { count: 1, blockSizeBytes: block.lengthBytes, excluded: out, existing }, this.#random);
        if (!target || (this.#hasRoom(target.incoming, block.lengthBytes) && target.canReceive(block))) return target;
        out.add(target.uuid);
      }
    };
    return failed ? (choose(new Set(excluded).add(failed.uuid)) ?? choose(excluded)) : choose(excluded);
  }

  /** The balancer, which may keep a node busy with small ones all the time, takes none of repair's streams. */
  #hasRoom(running: DatanodeDescriptor['incoming'], lengthBytes: number): boolean {
    return running.count - running.moveCount < this.#limits.streamsPerNode || (running.count < this.#limits.copiesPerNode && running.bytes + lengthBytes <= this.#limits.bytesPerNode);
  }

  #fail(copy: PendingCopy): void {
    this.#end(copy);
    if (copy.isMove) this.onMoveEnded?.(copy, false);
    else {
      this.#failures.delete(copy.blockId);
      this.#failures.set(copy.blockId, { source: copy.source, target: copy.target });
      if (this.#failures.size > maxFailures) this.#failures.delete(this.#failures.keys().next().value!);
    }
    // It may have lost a replica meanwhile, and left the queue because a copy was on its way.
    const entry = this.#redundancy.map.find(copy.blockId);
    if (entry >= 0) this.#redundancy.recheck(entry);
  }

  #end(copy: PendingCopy): void {
    this.#pending.delete(copy.blockId);
    if (copy.isMove) {
      this.#moveCount--;
      copy.source.outgoing.moveCount--;
      copy.target.incoming.moveCount--;
    }
    const copies = this.#bySource.get(copy.source)!;
    copies.delete(copy);
    if (copies.size === 0) this.#bySource.delete(copy.source);
    copy.source.outgoing.count--;
    copy.source.outgoing.bytes -= copy.lengthBytes;
    copy.target.incoming.count--;
    copy.target.incoming.bytes -= copy.lengthBytes;
    const waiting = copy.source.copyOrders.findIndex((order) => order.block.blockId === copy.blockId);
    if (waiting >= 0) copy.source.copyOrders.splice(waiting, 1);
  }
}

/** The lower the better: nobody doubts it, it did not just fail, its node is not expected to be away, and confirmed it, it has the least to send. */
function rank({ node, replica }: { node: DatanodeDescriptor; replica: number }, failed: DatanodeDescriptor | undefined): number {
  const doubts = (replicaHas(replica, replicaFlags.suspect) ? 8 : 0) + (node === failed ? 4 : 0) + (node.adminState === 'decommissioned' || node.adminState === 'in-maintenance' ? 2 : 0) + (replicaHas(replica, replicaFlags.unconfirmed) ? 1 : 0);
  return doubts * 1_000_000 + node.outgoing.count;
}

/** A node as a place for a new replica. */
export function locationOf(node: DatanodeDescriptor): ReplicaLocation {
  return { datanodeUuid: node.uuid, storageId: node.roomiestStorage()?.storageId ?? '', name: node.name, address: node.address, rack: node.rack, state: node.state };
}
