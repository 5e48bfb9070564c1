/**
 * Finalized replicas of a node by block id, in memory: 19 bytes a slot, 27 to 54 bytes a replica, for millions of them.
 *
 * Ids are grouped in pages of 65,536 (they are given out in order, so pages fill); a page is an open-addressing table over the low 16 bits
 * of the id. So no step ever handles more than one page: growing takes about a millisecond, and listing in order sorts a page at a time.
 */
export interface FinalizedReplica {
  generationStamp: number;
  lengthBytes: number;
  /** Which volume, 0 to 254. */
  volumeIndex: number;
}

const pageSize = 65_536;

export class ReplicaIndex {
  readonly #pages = new Map<number, Page>();
  readonly #counts: number[] = [];

  get(blockId: number): FinalizedReplica | undefined {
    return this.#pages.get(Math.floor(blockId / pageSize))?.get(blockId % pageSize);
  }

  set(blockId: number, replica: FinalizedReplica): void {
    this.delete(blockId);
    const number = Math.floor(blockId / pageSize);
    let page = this.#pages.get(number);
    if (!page) this.#pages.set(number, (page = new Page()));
    page.add(blockId % pageSize, replica);
    this.#counts[replica.volumeIndex] = this.count(replica.volumeIndex) + 1;
  }

  delete(blockId: number): FinalizedReplica | undefined {
    const number = Math.floor(blockId / pageSize);
    const page = this.#pages.get(number);
    const replica = page?.remove(blockId % pageSize);
    if (!page || !replica) return undefined;
    if (page.count === 0) this.#pages.delete(number);
    this.#counts[replica.volumeIndex]!--;
    return replica;
  }

  count(volumeIndex: number): number {
    return this.#counts[volumeIndex] ?? 0;
  }

  /** Above `afterBlockId` in rising order of id. What is set or deleted meanwhile is seen or not; nothing is seen twice. */
  *entries(afterBlockId = -1): Iterable<[blockId: number, replica: FinalizedReplica]> {
    const first = Math.floor(afterBlockId / pageSize);
    for (const number of [...this.#pages.keys()].filter((each) => each >= first).sort((a, b) => a - b)) {
      for (const key of this.#pages.get(number)?.sortedKeys() ?? []) {
        if (number * pageSize + key <= afterBlockId) continue;
        const replica = this.#pages.get(number)?.get(key);
        if (replica) yield [number * pageSize + key, replica];
      }
    }
  }
}

const empty = -1;

class Page {
  #keys = new Int32Array(8).fill(empty);
  #generationStamps = new Float64Array(8);
  #lengths = new Float64Array(8);
  #volumes = new Uint8Array(8);
  count = 0;

  get(key: number): FinalizedReplica | undefined {
    const slot = this.#find(key);
    return this.#keys[slot] === key ? this.#at(slot) : undefined;
  }

  /** `key` must not be there. */
  add(key: number, replica: FinalizedReplica): void {
    if ((this.count + 1) * 10 > this.#keys.length * 7) this.#grow();
    this.#put(this.#find(key), key, replica);
    this.count++;
  }

  remove(key: number): FinalizedReplica | undefined {
    let slot = this.#find(key);
    if (this.#keys[slot] !== key) return undefined;
    const replica = this.#at(slot);
    // Knuth's algorithm R: later entries of the run move up, so that no tombstones are needed.
    const mask = this.#keys.length - 1;
    for (let next = (slot + 1) & mask; this.#keys[next] !== empty; next = (next + 1) & mask) {
      const home = this.#home(this.#keys[next]!);
      if (((next - home) & mask) < ((next - slot) & mask)) continue;
      this.#put(slot, this.#keys[next]!, this.#at(next));
      slot = next;
    }
    this.#keys[slot] = empty;
    this.count--;
    return replica;
  }

  sortedKeys(): Int32Array {
    return this.#keys.filter((key) => key !== empty).sort();
  }

  #home(key: number): number {
    return (Math.imul(key, 0x9e3779b1) >>> 15) & (this.#keys.length - 1);
  }

  /** The slot of the key, or the empty one where it would be. */
  #find(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = this.#home(key);
    while (this.#keys[slot] !== empty && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #at(slot: number): FinalizedReplica {
    return { generationStamp: this.#generationStamps[slot]!, lengthBytes: this.#lengths[slot]!, volumeIndex: this.#volumes[slot]! };
  }

  #put(slot: number, key: number, replica: FinalizedReplica): void {
    this.#keys[slot] = key;
    this.#generationStamps[slot] = replica.generationStamp;
    this.#lengths[slot] = replica.lengthBytes;
    this.#volumes[slot] = replica.volumeIndex;
  }

  #grow(): void {
    const [keys, generationStamps, lengths, volumes] = [this.#keys, this.#generationStamps, this.#lengths, this.#volumes];
    const size = keys.length * 2;
    this.#keys = new Int32Array(size).fill(empty);
    this.#generationStamps = new Float64Array(size);
    this.#lengths = new Float64Array(size);
    this.#volumes = new Uint8Array(size);
    keys.forEach((key, slot) => {
      if (key !== empty)
        this.#put(this.#find(key), key, {
          generationStamp: generationStamps[slot]!,
          lengthBytes: lengths[slot]!,
          volumeIndex: volumes[slot]!,
        });
    });
  }
}
