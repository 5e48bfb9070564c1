import type { Block } from '../protocol/block.js';
import { NumberQueue } from './number-queue.js';

/** More than this many at a node are not kept: the next full report finds the rest again, as replicas that nobody knows. */
const maxWaiting = 4_000_000;
/** A node that has no such replica may say nothing: then a full report tells. */
const maxTries = 3;

/**
 * Replicas that one data node is to delete. First they wait; then they are ordered, a batch a heartbeat, until the node says that they
 * are gone. What it does not confirm is ordered again: an answer to a heartbeat may be lost.
 */
export class InvalidationQueue {
  readonly #waiting = new NumberQueue('float64');
  readonly #ordered = new Map<number, { block: Block; orderedMs: number; tries: number }>();
  #bytes = 0;

  get size(): number {
    return this.#waiting.length / 3 + this.#ordered.size;
  }

  /** What the node gains when all is deleted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False if there was no room. */
  add(block: Block): boolean {
    if (this.#waiting.length / 3 >= maxWaiting) return false;
    this.#bytes += block.lengthBytes;
    this.#waiting.push(block.blockId);
    this.#waiting.push(block.generationStamp);
    this.#waiting.push(block.lengthBytes);
    return true;
  }

  /**
   * What to order now, at most `limit`, those unconfirmed for `retryMs` first. `isStillRight` is asked at this last moment: what is
   * needed again by now must not be deleted, and is dropped here. `isRepeated`: it was ordered before, and may be deleted already.
   * `onGivenUp`: ordered several times without a word.
   */
  take(options: { limit: number; nowMs: number; retryMs: number; isStillRight: (block: Block, isRepeated: boolean) => boolean; onGivenUp: () => void }): Block[] {
    const blocks: Block[] = [];
    for (const [blockId, order] of this.#ordered) {
      if (order.orderedMs + options.retryMs > options.nowMs || blocks.length >= options.limit) break;
      this.confirm(blockId);
      if (order.tries >= maxTries) {
        options.onGivenUp();
        continue;
      }
      if (!options.isStillRight(order.block, true)) continue;
      this.#bytes += order.block.lengthBytes;
      this.#ordered.set(blockId, { block: order.block, orderedMs: options.nowMs, tries: order.tries + 1 });
      blocks.push(order.block);
    }
    // No more are on their way than one batch or so: the node takes its time, and we keep the rest in eight bytes a number.
    while (blocks.length < options.limit && this.#ordered.size < 2 * options.limit) {
      const blockId = this.#waiting.shift();
      if (blockId === undefined) break;
      const block: Block = { blockId, generationStamp: this.#waiting.shift()!, lengthBytes: this.#waiting.shift()! };
      this.#bytes -= block.lengthBytes;
      if (!options.isStillRight(block, false)) continue;
      this.confirm(blockId);
      this.#bytes += block.lengthBytes;
      this.#ordered.set(blockId, { block, orderedMs: options.nowMs, tries: 1 });
      blocks.push(block);
    }
    return blocks;
  }

  /** Ordered, and not known to be deleted. */
  isOrdered(blockId: number): boolean {
    return this.#ordered.has(blockId);
  }

  /** The node has deleted it, or has got it anew. */
  confirm(blockId: number): void {
    const order = this.#ordered.get(blockId);
    if (!order) return;
    this.#bytes -= order.block.lengthBytes;
    this.#ordered.delete(blockId);
  }

  /** The node has this, and was told to delete an older generation of it: that order is over. */
  outrun(block: Block): void {
    const order = this.#ordered.get(block.blockId);
    if (order && order.block.generationStamp < block.generationStamp) this.confirm(block.blockId);
  }

  /** The node's process is a new one: what was ordered may have been lost with the old one. */
  orderAgain(): void {
    for (const { block } of [...this.#ordered.values()]) {
      this.confirm(block.blockId);
      this.add(block);
    }
  }

  clear(): void {
    this.#waiting.clear();
    this.#ordered.clear();
    this.#bytes = 0;
  }
}
