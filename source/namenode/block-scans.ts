/** A walk over many blocks, cut into pieces: each `next` does one. */
export type BlockScan = Iterator<void, void>;

/** Walks that wait for their turns: a node with a million blocks is worked off beside everything else, not in its place. */
export class BlockScans {
  readonly #scans: { scan: BlockScan; onDone: (() => void) | undefined }[] = [];

  get isIdle(): boolean {
    return this.#scans.length === 0;
  }

  add(scan: BlockScan, onDone?: () => void): void {
    this.#scans.push({ scan, onDone });
  }

  /** Does up to `pieces` pieces, of the oldest walk first. */
  step(pieces: number): void {
    for (let left = pieces; left > 0 && this.#scans.length > 0; left--) {
      const { scan, onDone } = this.#scans[0]!;
      if (!scan.next().done) continue;
      this.#scans.shift();
      onDone?.();
    }
  }
}
