/**
 * A set of entries of the BlockMap (32-bit numbers, dense in ranges): the blocks of one data node. Kept as containers of 65,536
 * consecutive entries, each a sorted list of 16-bit numbers while it holds few, and a bitmap when it holds many, so a replica costs
 * 1 bit to 3 bytes instead of the 16 of two links (the idea of Roaring bitmaps: Chambi, Lemire, Kaser, Godin 2014).
 */
const containerBits = 16;
const containerSize = 1 << containerBits;
const lowMask = containerSize - 1;
/** A bitmap takes 8 KiB, as much as a list of this length; going back to a list only at half of it, so that nothing flaps. */
const maxListLength = 4096;

interface Container {
  count: number;
  list: Uint16Array | undefined;
  words: Uint32Array | undefined;
}

export class BlockSet {
  readonly #containers: (Container | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Containers to walk through with `entriesOf`: a slice of work each. */
  get containerCount(): number {
    return this.#containers.length;
  }

  has(entry: number): boolean {
    const container = this.#containers[entry >>> containerBits];
    if (!container) return false;
    const low = entry & lowMask;
    if (container.words) return (container.words[low >>> 5]! & (1 << (low & 31))) !== 0;
    return find(container.list!, container.count, low) >= 0;
  }

  /** False if it was there. */
  add(entry: number): boolean {
    const high = entry >>> containerBits;
    let container = this.#containers[high];
    if (!container) {
      container = { count: 0, list: new Uint16Array(4), words: undefined };
      while (this.#containers.length <= high) this.#containers.push(undefined);
      this.#containers[high] = container;
    }
    if (!addTo(container, entry & lowMask)) return false;
    this.#size++;
    return true;
  }

  /** False if it was not there. */
  delete(entry: number): boolean {
    const high = entry >>> containerBits;
    const container = this.#containers[high];
    if (!container || !deleteFrom(container, entry & lowMask)) return false;
    if (container.count === 0) this.#containers[high] = undefined;
    this.#size--;
    return true;
  }

  /** A copy of the entries of one container, rising: the set may change while they are worked on. `from` is a position in it. */
  entriesOf(containerIndex: number): Uint32Array {
    const container = this.#containers[containerIndex];
    if (!container) return emptyEntries;
    const base = containerIndex * containerSize;
    const entries = new Uint32Array(container.count);
    if (container.list) {
      for (let i = 0; i < container.count; i++) entries[i] = base + container.list[i]!;
      return entries;
    }
    let at = 0;
    for (let word = 0; word < container.words!.length; word++) {
      for (let bits = container.words![word]!; bits !== 0; bits &= bits - 1) entries[at++] = base + word * 32 + (31 - Math.clz32(bits & -bits));
    }
    return entries;
  }

  clear(): void {
    this.#containers.length = 0;
    this.#size = 0;
  }
}

const emptyEntries = new Uint32Array(0);

/** Where `low` is in the list; -1 - where it would be, if it is not. */
function find(list: Uint16Array, count: number, low: number): number {
  // Entries mostly come in rising order, at loading and in reports.
  if (count === 0 || list[count - 1]! < low) return -1 - count;
  let begin = 0;
  let end = count - 1;
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (list[middle]! < low) begin = middle + 1;
    else end = middle;
  }
  return list[begin] === low ? begin : -1 - begin;
}

function addTo(container: Container, low: number): boolean {
  if (container.words) {
    const word = container.words[low >>> 5]!;
    const bit = 1 << (low & 31);
    if (word & bit) return false;
    container.words[low >>> 5] = word | bit;
    container.count++;
    return true;
  }
  const at = find(container.list!, container.count, low);
  if (at >= 0) return false;
  if (container.count === maxListLength) {
    toBitmap(container);
    return addTo(container, low);
  }
  const place = -1 - at;
  if (container.count === container.list!.length) {
    const larger = new Uint16Array(Math.min(maxListLength, Math.ceil(container.count * 1.5)));
    larger.set(container.list!);
    container.list = larger;
  }
  container.list!.copyWithin(place + 1, place, container.count);
  container.list![place] = low;
  container.count++;
  return true;
}

function deleteFrom(container: Container, low: number): boolean {
  if (container.words) {
    const word = container.words[low >>> 5]!;
    const bit = 1 << (low & 31);
    if (!(word & bit)) return false;
    container.words[low >>> 5] = word & ~bit;
    if (--container.count < maxListLength / 2) toList(container);
    return true;
  }
  const at = find(container.list!, container.count, low);
  if (at < 0) return false;
  container.list!.copyWithin(at, at + 1, container.count);
  container.count--;
  return true;
}

function toBitmap(container: Container): void {
  const words = new Uint32Array(containerSize / 32);
  for (let i = 0; i < container.count; i++) words[container.list![i]! >>> 5]! |= 1 << (container.list![i]! & 31);
  container.words = words;
  container.list = undefined;
}

function toList(container: Container): void {
  const list = new Uint16Array(maxListLength / 2);
  let at = 0;
  for (let word = 0; word < container.words!.length; word++) {
    for (let bits = container.words![word]!; bits !== 0; bits &= bits - 1) list[at++] = word * 32 + (31 - Math.clz32(bits & -bits));
  }
  container.list = list;
  container.words = undefined;
}
