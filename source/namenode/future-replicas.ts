const maxKept = 100_000;

/**
 * Replicas that data nodes report at the start of a name node whose generation stamps it has not given out yet: its name space is
 * older than they are, as one restored from a backup (Hadoop: BlockManagerSafeMode.checkBlocksWithFutureGS). Counted until safe mode is left.
 */
export class FutureReplicas {
  readonly #seen = new Set<number>();
  #bytes = 0;
  #lastGenerationStamp = Number.POSITIVE_INFINITY;

  get bytes(): number {
    return this.#bytes;
  }

  /** From here on replicas above this one are of the future. */
  begin(lastGenerationStamp: number): void {
    this.#lastGenerationStamp = lastGenerationStamp;
  }

  /** One that no block of ours explains. An empty one counts as a byte: it, too, would be deleted. */
  note({ blockId, generationStamp, lengthBytes }: { blockId: number; generationStamp: number; lengthBytes: number }): void {
    if (generationStamp <= this.#lastGenerationStamp || this.#seen.size >= maxKept || this.#seen.has(blockId)) return;
    this.#seen.add(blockId);
    this.#bytes += Math.max(1, lengthBytes);
  }

  /** Safe mode was left: what is strange from here on was decided on, or is older. */
  end(): void {
    this.#lastGenerationStamp = Number.POSITIVE_INFINITY;
    this.#seen.clear();
    this.#bytes = 0;
  }
}
