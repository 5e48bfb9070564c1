import type { Block } from '../protocol/block.js';
import { blockStates } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { ReplicaTrimmer } from './replica-trimmer.js';

/** Kept by name at a node; what is beyond is found again by a later full report. */
const maxStrangersPerNode = 100_000;

/**
 * Replicas that are not (any more) one of their block's. Never served or counted.
 *
 * Strangers: no block of ours explains them: their file was deleted while the node was away, or they are of an older generation that
 * missed the end of a write, or nobody has written them for long. They are left alone for a long grace: what is strange now may be explained by a message on its way,
 * and a mistake of ours must not delete everything at once (promises.md, P9 and faults 37, 38, 43).
 * Leftovers: of nodes that a pipeline went on without. These are explained, and go as soon as there are enough good replicas.
 * Strangers that a restored backup made strange are spared for longer (restoration.ts).
 */
export class StrangeReplicas {
  readonly #redundancy: BlockRedundancy;
  readonly #trimmer: ReplicaTrimmer;
  readonly #graceMs: { stranger: number; leftover: number };
  readonly #isSpared: (blockId: number) => boolean;

  constructor(parts: { redundancy: BlockRedundancy; trimmer: ReplicaTrimmer; strangerGraceMs: number; leftoverGraceMs: number; isSpared?: ((blockId: number) => boolean) | undefined }) {
    this.#redundancy = parts.redundancy;
    this.#trimmer = parts.trimmer;
    this.#graceMs = { stranger: parts.strangerGraceMs, leftover: parts.leftoverGraceMs };
    this.#isSpared = parts.isSpared ?? (() => false);
  }

  note(node: DatanodeDescriptor, block: Block, kind: 'stranger' | 'leftover', nowMs: number): void {
    const those = kind === 'stranger' ? node.strangers : node.leftovers;
    const known = those.get(block.blockId);
    // What is said of a leftover is the newest that it can be: an older order, say, knows less. Of a stranger its node tells.
    if (known && (known.block.generationStamp === block.generationStamp || (kind === 'leftover' && known.block.generationStamp > block.generationStamp))) return;
    if (!known && those.size >= maxStrangersPerNode) {
      node.isReportWanted = true;
      return;
    }
    those.delete(block.blockId);
    those.set(block.blockId, { block, dueMs: nowMs + this.#graceMs[kind] });
  }

  /** The node says that it is gone, or has become a replica of its block. */
  forget(node: DatanodeDescriptor, blockId: number): void {
    node.strangers.delete(blockId);
    node.leftovers.delete(blockId);
  }

  /** Judges up to `limit` of a node's whose grace is over: to be deleted, or to wait on. `isTarget`: a copy is on its way there. */
  judge(node: DatanodeDescriptor, nowMs: number, limit: number, isTarget: (block: Block, node: DatanodeDescriptor) => boolean): void {
    for (const kind of ['stranger', 'leftover'] as const) {
      const those = kind === 'stranger' ? node.strangers : node.leftovers;
      let left = limit;
      for (const [blockId, { block, dueMs }] of those) {
        if (dueMs > nowMs || left-- === 0) break;
        const verdict = this.#verdict(node, block, isTarget);
        those.delete(blockId);
        if (verdict === 'wait') those.set(blockId, { block, dueMs: nowMs + this.#graceMs[kind] });
        else if (verdict === 'delete') node.invalidations.add(block);
      }
    }
  }

  /** 'drop': it is no stranger any more. */
  #verdict(node: DatanodeDescriptor, block: Block, isTarget: (block: Block, node: DatanodeDescriptor) => boolean): 'delete' | 'wait' | 'drop' {
    const { map } = this.#redundancy;
    const entry = map.find(block.blockId);
    if (entry < 0) return this.#isSpared(block.blockId) ? 'wait' : 'delete';
    if (map.state(entry) !== blockStates.complete) return 'wait';
    // Beside the replica of now, an older one may still be open there.
    if (map.indexOfNode(entry, node.number) >= 0 && block.generationStamp >= map.generationStamp(entry)) return 'drop';
    // A newer generation than ours should not exist. Whatever it is, it is not ours to delete.
    if (block.generationStamp > map.generationStamp(entry)) return 'wait';
    // The order would hit the copy of the same generation that is on its way there.
    if (isTarget(block, node)) return 'wait';
    return this.#trimmer.isEnoughToDeleteBad(entry) ? 'delete' : 'wait';
  }
}
