import type { Block } from '../protocol/block.js';

/** More than are being created at a time, by far. */
const keptBlocks = 100_000;

/**
 * The blocks whose replicas this node was ordered to delete, the last ones. Such an order can overtake the write that it is to undo:
 * the file was deleted while its client was still setting up the pipeline. A replica that came into being after that would stay, being
 * written, with nobody to end it.
 */
export class OrderedDeletions {
  /** By block id, the oldest first. */
  readonly #generations = new Map<number, number>();

  /** To be called before the replica is looked for. */
  note({ blockId, generationStamp }: Pick<Block, 'blockId' | 'generationStamp'>): void {
    this.#generations.delete(blockId);
    this.#generations.set(blockId, generationStamp);
    if (this.#generations.size > keptBlocks) this.#generations.delete(this.#generations.keys().next().value!);
  }

  /** True if a new replica of it, once it is there, must go again. Block ids are never given out twice. */
  covers({ blockId, generationStamp }: Pick<Block, 'blockId' | 'generationStamp'>): boolean {
    return (this.#generations.get(blockId) ?? 0) >= generationStamp;
  }
}
