import { blockStates, packReplica, replicaFlags, replicaHas, replicaStorage } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import { BlockSet } from './block-set.js';
import type { BlocksBeingWritten } from './blocks-being-written.js';
import { judgeReplica } from './block-report-rules.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { FutureReplicas } from './future-replicas.js';
import type { RepairPlanner } from './repair-planner.js';
import type { StrangeReplicas } from './strange-replicas.js';

export interface ReportParts {
  redundancy: BlockRedundancy;
  writing: BlocksBeingWritten;
  strangers: StrangeReplicas;
  planner: RepairPlanner;
  future: FutureReplicas;
}

/** What a node says of one replica: from a full report, or from a message about this one alone. */
export interface ReportedReplica {
  blockId: number;
  generationStamp: number;
  lengthBytes: number;
}

/**
 * Takes a finalized replica in that a node says it has. Answers the block's entry if it is now one of the block's replicas (good or
 * not), else -1. `isNews`: the node just got it; a mark of the old copy there is gone.
 */
export function takeReplica(parts: ReportParts, at: { node: DatanodeDescriptor; storageIndex: number }, reported: ReportedReplica, nearEntry: number, isNews: boolean, nowMs: number): number {
  const { redundancy, writing, strangers, planner, future } = parts;
  const { map } = redundancy;
  const { node, storageIndex } = at;
  const entry = map.findNear(reported.blockId, nearEntry);
  if (entry < 0) {
    future.note(reported);
    strangers.note(node, { ...reported }, 'stranger', nowMs);
    return -1;
  }
  const generationStamp = map.generationStamp(entry);
  if (map.state(entry) === blockStates.underConstruction) {
    const written = writing.get(reported.blockId);
    if (written && reported.generationStamp >= generationStamp) writing.noteFinalized(written, node, storageIndex, { ...reported });
    else if (written) writing.noteOld(written, node, storageIndex, { ...reported });
    return -1;
  }
  const verdict = judgeReplica({ generationStamp, lengthBytes: map.lengthBytes(entry) }, reported);
  const index = map.indexOfNode(entry, node.number);
  if (verdict === 'old' || verdict === 'newer') {
    if (index >= 0) redundancy.removeReplica(entry, node);
    strangers.note(node, { ...reported }, 'stranger', nowMs);
    return -1;
  }
  if (node.strangers.size > 0 || node.leftovers.size > 0) strangers.forget(node, reported.blockId);
  // A reader has called it rotten before the node went away, and it was not checked yet.
  let flags: number = node.verifications.size > 0 && !isNews && node.verifications.has(reported.blockId) ? replicaFlags.suspect : 0;
  if (index >= 0) {
    const known = map.replica(entry, index);
    flags = known & 15 & ~replicaFlags.unconfirmed;
    if (isNews) flags &= ~(replicaFlags.corrupt | replicaFlags.suspect);
    // Said to be there, and not on our list of orders: an order that was lost. Judged anew.
    if (replicaHas(known, replicaFlags.deleting) && !node.invalidations.isOrdered(reported.blockId)) flags &= ~replicaFlags.deleting;
    if (verdict === 'good' && flags === (known & 15) && replicaStorage(known) === storageIndex) return entry;
  }
  if (verdict === 'wrong-length') {
    flags |= replicaFlags.corrupt;
    redundancy.noteRotten(entry, node);
  }
  redundancy.putReplica(entry, node, packReplica(node.number, storageIndex, flags));
  if (verdict === 'good') planner.arrived(reported.blockId, node);
  return entry;
}

/**
 * One full report of a storage while it comes in, slice by slice (Hadoop: BlockManager.processReport). What is in it is taken in at once;
 * what is not in it is taken away at its end. Works in pieces: each call of `merge` or `finish` does a bounded part.
 */
export class BlockReportMerge {
  readonly reportId: number;
  /** The slice that comes next. */
  sliceIndex = 0;
  readonly #parts: ReportParts;
  readonly #node: DatanodeDescriptor;
  readonly #storageIndex: number;
  readonly #seen = new BlockSet();
  #nextEntry = 0;
  #reportedCount = 0;
  #finishedContainers = 0;

  constructor(parts: ReportParts, node: DatanodeDescriptor, storageIndex: number, reportId: number) {
    this.#parts = parts;
    this.#node = node;
    this.#storageIndex = storageIndex;
    this.reportId = reportId;
  }

  get reportedCount(): number {
    return this.#reportedCount;
  }

  /** Takes in triples [id, generation stamp, length] from `begin` to before `end` (counted in replicas). */
  merge(replicas: Float64Array, begin: number, end: number, nowMs: number): void {
    const at = { node: this.#node, storageIndex: this.#storageIndex };
    const reported: ReportedReplica = { blockId: 0, generationStamp: 0, lengthBytes: 0 };
    for (let i = begin; i < end; i++) {
      reported.blockId = replicas[3 * i]!;
      reported.generationStamp = replicas[3 * i + 1]!;
      reported.lengthBytes = replicas[3 * i + 2]!;
      this.#reportedCount++;
      // The report was made before the node deleted it.
      if (this.#node.recentEvents.wasDeleted(reported.blockId)) continue;
      if (this.#isOutrun(reported)) continue;
      const entry = takeReplica(this.#parts, at, reported, this.#nextEntry, false, nowMs);
      this.#nextEntry = entry + 1;
      if (entry >= 0) this.#seen.add(entry);
    }
  }

  /** The report was made before the node got the generation that it told of since (HDFS-16987): that replica stays what it is. */
  #isOutrun({ blockId, generationStamp }: ReportedReplica): boolean {
    if (!this.#node.recentEvents.wasReceived(blockId)) return false;
    const { map } = this.#parts.redundancy;
    const entry = map.find(blockId);
    return entry >= 0 && generationStamp < map.generationStamp(entry);
  }

  /** Whether what is not in the report may be taken away: not when some of what the node told of by itself lately is forgotten. */
  canFinish(nowMs: number): boolean {
    return this.#node.recentEvents.isComplete(nowMs);
  }

  /**
   * Takes away what the report does not have, a part at a time: true once all is done. Kept: what a client confirmed and the node has not
   * yet, and what the node told of by itself lately: both may be younger than the report.
   */
  finish(): boolean {
    const node = this.#node;
    const { redundancy } = this.#parts;
    if (this.#finishedContainers >= node.entries.containerCount) return true;
    const { map } = redundancy;
    for (const entry of node.entries.entriesOf(this.#finishedContainers++)) {
      if (this.#seen.has(entry)) continue;
      const index = map.indexOfNode(entry, node.number);
      if (index < 0) continue;
      const replica = map.replica(entry, index);
      if (replicaStorage(replica) !== this.#storageIndex || replicaHas(replica, replicaFlags.unconfirmed)) continue;
      if (node.recentEvents.wasReceived(map.blockId(entry))) continue;
      redundancy.removeReplica(entry, node);
      node.invalidations.confirm(map.blockId(entry));
    }
    return this.#finishedContainers >= node.entries.containerCount;
  }
}
