/**
 * From a block id to its entry in the BlockMap: open addressing with linear probing, cut into many small tables of which each
 * grows by itself, so that growing never stops the process for long (a table of 100 million slots would, for seconds). 5 to 10 bytes
 * a block.
 */
const tableBits = 12;
const tableMask = (1 << tableBits) - 1;
const firstSlotCount = 8;

export class BlockIndex {
  readonly #tables: (Uint32Array | undefined)[] = new Array<Uint32Array | undefined>(1 << tableBits).fill(undefined);
  readonly #counts = new Uint32Array(1 << tableBits);
  /** The block id of an entry: ids are stored once, there. */
  readonly #blockIdOf: (entry: number) => number;

  constructor(blockIdOf: (entry: number) => number) {
    this.#blockIdOf = blockIdOf;
  }

  /** The entry of a block; -1 if there is none. */
  find(blockId: number): number {
    const hash = hashOf(blockId);
    const table = this.#tables[hash & tableMask];
    if (!table) return -1;
    const mask = table.length - 1;
    for (let slot = (hash >>> tableBits) & mask; ; slot = (slot + 1) & mask) {
      const stored = table[slot]!;
      if (stored === 0) return -1;
      if (this.#blockIdOf(stored - 1) === blockId) return stored - 1;
    }
  }

  /** The block must not be there yet; its id must be stored at `entry` already. */
  add(blockId: number, entry: number): void {
    const hash = hashOf(blockId);
    const which = hash & tableMask;
    let table = (this.#tables[which] ??= new Uint32Array(firstSlotCount));
    if ((this.#counts[which]! + 1) * 5 > table.length * 4) table = this.#tables[which] = this.#grown(table);
    insert(table, hash, entry);
    this.#counts[which]!++;
  }

  /** Deletes without tombstones: followers of the gap move up into it. */
  remove(blockId: number): void {
    const hash = hashOf(blockId);
    const which = hash & tableMask;
    const table = this.#tables[which];
    if (!table) return;
    const mask = table.length - 1;
    let gap = (hash >>> tableBits) & mask;
    while (table[gap] !== 0 && this.#blockIdOf(table[gap]! - 1) !== blockId) gap = (gap + 1) & mask;
    if (table[gap] === 0) return;
    for (let slot = (gap + 1) & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (hashOf(this.#blockIdOf(table[slot]! - 1)) >>> tableBits) & mask;
      // It may move up unless its home lies cyclically behind the gap.
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        table[gap] = table[slot]!;
        gap = slot;
      }
    }
    table[gap] = 0;
    this.#counts[which]!--;
  }

  #grown(table: Uint32Array): Uint32Array {
    const larger = new Uint32Array(table.length * 2);
    for (const stored of table) if (stored !== 0) insert(larger, hashOf(this.#blockIdOf(stored - 1)), stored - 1);
    return larger;
  }
}

function insert(table: Uint32Array, hash: number, entry: number): void {
  const mask = table.length - 1;
  let slot = (hash >>> tableBits) & mask;
  while (table[slot] !== 0) slot = (slot + 1) & mask;
  table[slot] = entry + 1;
}

/** 32 bits from a whole number below 2^53 (the finalizer of MurmurHash3 over both halves). */
function hashOf(blockId: number): number {
  let hash = (blockId >>> 0) ^ Math.imul(Math.floor(blockId / 0x1_0000_0000), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
