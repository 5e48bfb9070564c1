import { assert } from '../base/assert.js';
import { BlockIndex } from './block-index.js';

/**
 * All blocks and where their replicas are, in typed arrays: made for 100 million replicas. A block is an entry, a number that is
 * its place in the arrays; it stays the same until the block is removed, and is then used again for another block.
 *
 *   segment of 65,536 entries, 46 bytes each:
 *     block id f64 | inode id f64 | generation stamp f64 | length u32 + u16 | wanted replication u16
 *     | state: bits 0-1 state, 2-3 -, 4-7 bucket u8 | queue bits u8 | replica count u8 | 3 replicas u32
 *   replica: bits 0-3 flags | 4-9 storage index of the node | 10-31 node number
 *
 * From the fourth replica on they are in the segment's `overflow`. Free entries are chained through their inode ids.
 * Order among a block's replicas means nothing.
 */
const segmentBits = 16;
const segmentSize = 1 << segmentBits;
const lowMask = segmentSize - 1;
const inlineReplicas = 3;
/** In the count of a block: more than the inline ones, see the overflow. */
const overflows = 255;

export const blockStates = { free: 0, underConstruction: 1, complete: 2 } as const;

/** Buckets are those of the ReplicationQueue; this one: nothing to repair. */
export const noBucket = 15;

export const replicaFlags = {
  /** A client says so; its node has not yet. */
  unconfirmed: 1,
  /** Known to be rotten, of the wrong length, or unreadable; not counted, not served. */
  corrupt: 2,
  /** A reader calls it rotten; its node is to check. Counted, served last. */
  suspect: 4,
  /** To be deleted, ordered or not yet: not counted, not served. */
  deleting: 8,
} as const;
const flagsMask = 15;
const storageMask = 63;
export const maxStoragesPerNode = storageMask + 1;

export function packReplica(nodeNumber: number, storageIndex: number, flags = 0): number {
  return ((nodeNumber << 10) | (storageIndex << 4) | flags) >>> 0;
}
export const replicaNode = (replica: number): number => replica >>> 10;
export const replicaStorage = (replica: number): number => (replica >>> 4) & storageMask;
export const replicaHas = (replica: number, flags: number): boolean => (replica & flags) !== 0;
export const withFlags = (replica: number, flags: number): number => (replica | flags) >>> 0;
export const withoutFlags = (replica: number, flags: number): number => (replica & ~(flags & flagsMask)) >>> 0;

class Segment {
  readonly blockIds = new Float64Array(segmentSize);
  readonly inodeIds = new Float64Array(segmentSize);
  readonly generationStamps = new Float64Array(segmentSize);
  readonly lengthsLow = new Uint32Array(segmentSize);
  readonly lengthsHigh = new Uint16Array(segmentSize);
  readonly replications = new Uint16Array(segmentSize);
  readonly states = new Uint8Array(segmentSize);
  readonly queueBits = new Uint8Array(segmentSize);
  readonly replicaCounts = new Uint8Array(segmentSize);
  readonly replicas = new Uint32Array(segmentSize * inlineReplicas);
  overflow: Map<number, number[]> | undefined;
}

export class BlockMap {
  readonly #segments: Segment[] = [];
  readonly #index = new BlockIndex((entry) => this.blockId(entry));
  #size = 0;
  #usedEntries = 0;
  /** Entry + 1 of the first free one; 0: none. */
  #firstFree = 0;

  get size(): number {
    return this.#size;
  }

  /** Entries are below this: for walking over all of them. */
  get entryCount(): number {
    return this.#usedEntries;
  }

  /** The entry of a block; -1 if there is none. */
  find(blockId: number): number {
    return this.#index.find(blockId);
  }

  /** As `find`, quicker if the block is at `hint`: the entries of a sorted report mostly follow one another. */
  findNear(blockId: number, hint: number): number {
    if (hint < this.#usedEntries && hint >= 0) {
      const segment = this.#segments[hint >>> segmentBits]!;
      const low = hint & lowMask;
      if (segment.blockIds[low] === blockId && (segment.states[low]! & 3) !== blockStates.free) return hint;
    }
    return this.#index.find(blockId);
  }

  /** A new block without replicas. It must not be there. */
  add(block: { blockId: number; inodeId: number; generationStamp: number; lengthBytes: number; replication: number }, state: number): number {
    let entry: number;
    if (this.#firstFree > 0) {
      entry = this.#firstFree - 1;
      this.#firstFree = this.#segment(entry).inodeIds[entry & lowMask]!;
    } else {
      entry = this.#usedEntries++;
      if (entry >>> segmentBits === this.#segments.length) this.#segments.push(new Segment());
    }
    const segment = this.#segment(entry);
    const low = entry & lowMask;
    segment.blockIds[low] = block.blockId;
    segment.inodeIds[low] = block.inodeId;
    segment.generationStamps[low] = block.generationStamp;
    segment.replications[low] = block.replication;
    segment.states[low] = state | (noBucket << 4);
    segment.replicaCounts[low] = 0;
    this.setLengthBytes(entry, block.lengthBytes);
    this.#index.add(block.blockId, entry);
    this.#size++;
    return entry;
  }

  /** Forgets a block and its replicas. Its queue bits stay: they say where the entry's number still stands in a queue. */
  remove(entry: number): void {
    const segment = this.#segment(entry);
    const low = entry & lowMask;
    assert((segment.states[low]! & 3) !== blockStates.free, 'a block that is removed is there');
    this.#index.remove(segment.blockIds[low]!);
    segment.overflow?.delete(low);
    segment.states[low] = blockStates.free | (noBucket << 4);
    segment.replicaCounts[low] = 0;
    segment.blockIds[low] = 0;
    segment.inodeIds[low] = this.#firstFree;
    this.#firstFree = entry + 1;
    this.#size--;
  }

  blockId(entry: number): number {
    return this.#segment(entry).blockIds[entry & lowMask]!;
  }

  inodeId(entry: number): number {
    return this.#segment(entry).inodeIds[entry & lowMask]!;
  }

  setInodeId(entry: number, inodeId: number): void {
    this.#segment(entry).inodeIds[entry & lowMask] = inodeId;
  }

  generationStamp(entry: number): number {
    return this.#segment(entry).generationStamps[entry & lowMask]!;
  }

  setGenerationStamp(entry: number, generationStamp: number): void {
    this.#segment(entry).generationStamps[entry & lowMask] = generationStamp;
  }

  lengthBytes(entry: number): number {
    const segment = this.#segment(entry);
    return segment.lengthsHigh[entry & lowMask]! * 0x1_0000_0000 + segment.lengthsLow[entry & lowMask]!;
  }

  setLengthBytes(entry: number, lengthBytes: number): void {
    assert(lengthBytes >= 0 && lengthBytes < 2 ** 48, 'a block is shorter than 2^48 bytes');
    const segment = this.#segment(entry);
    segment.lengthsHigh[entry & lowMask] = Math.floor(lengthBytes / 0x1_0000_0000);
    segment.lengthsLow[entry & lowMask] = lengthBytes >>> 0;
  }

  replication(entry: number): number {
    return this.#segment(entry).replications[entry & lowMask]!;
  }

  setReplication(entry: number, replication: number): void {
    this.#segment(entry).replications[entry & lowMask] = replication;
  }

  state(entry: number): number {
    return this.#segment(entry).states[entry & lowMask]! & 3;
  }

  setState(entry: number, state: number): void {
    const segment = this.#segment(entry);
    segment.states[entry & lowMask] = (segment.states[entry & lowMask]! & ~3) | state;
  }

  bucket(entry: number): number {
    return this.#segment(entry).states[entry & lowMask]! >>> 4;
  }

  setBucket(entry: number, bucket: number): void {
    const segment = this.#segment(entry);
    segment.states[entry & lowMask] = (segment.states[entry & lowMask]! & 15) | (bucket << 4);
  }

  queueBits(entry: number): number {
    return this.#segment(entry).queueBits[entry & lowMask]!;
  }

  setQueueBits(entry: number, bits: number): void {
    this.#segment(entry).queueBits[entry & lowMask] = bits;
  }

  block(entry: number): { blockId: number; generationStamp: number; lengthBytes: number } {
    return { blockId: this.blockId(entry), generationStamp: this.generationStamp(entry), lengthBytes: this.lengthBytes(entry) };
  }

  replicaCount(entry: number): number {
    const segment = this.#segment(entry);
    const count = segment.replicaCounts[entry & lowMask]!;
    return count === overflows ? inlineReplicas + segment.overflow!.get(entry & lowMask)!.length : count;
  }

  /** The packed replica at `index`, 0 <= index < replicaCount. */
  replica(entry: number, index: number): number {
    const segment = this.#segment(entry);
    if (index < inlineReplicas) return segment.replicas[(entry & lowMask) * inlineReplicas + index]!;
    return segment.overflow!.get(entry & lowMask)![index - inlineReplicas]!;
  }

  setReplica(entry: number, index: number, replica: number): void {
    const segment = this.#segment(entry);
    if (index < inlineReplicas) segment.replicas[(entry & lowMask) * inlineReplicas + index] = replica;
    else segment.overflow!.get(entry & lowMask)![index - inlineReplicas] = replica;
  }

  /** Where the replica of a node is among the block's; -1 if it has none. */
  indexOfNode(entry: number, nodeNumber: number): number {
    const count = this.replicaCount(entry);
    for (let index = 0; index < count; index++) if (replicaNode(this.replica(entry, index)) === nodeNumber) return index;
    return -1;
  }

  /** The node must not have one yet. */
  addReplica(entry: number, replica: number): void {
    const segment = this.#segment(entry);
    const low = entry & lowMask;
    const count = segment.replicaCounts[low]!;
    if (count < inlineReplicas) {
      segment.replicas[low * inlineReplicas + count] = replica;
      segment.replicaCounts[low] = count + 1;
      return;
    }
    segment.overflow ??= new Map();
    if (count === overflows) segment.overflow.get(low)!.push(replica);
    else segment.overflow.set(low, [replica]);
    segment.replicaCounts[low] = overflows;
  }

  /** The last replica moves to the place of the removed one. */
  removeReplica(entry: number, index: number): void {
    const segment = this.#segment(entry);
    const low = entry & lowMask;
    const lastIndex = this.replicaCount(entry) - 1;
    assert(index >= 0 && index <= lastIndex, 'a replica that is removed is there');
    this.setReplica(entry, index, this.replica(entry, lastIndex));
    if (lastIndex < inlineReplicas) {
      segment.replicaCounts[low] = lastIndex;
      return;
    }
    const rest = segment.overflow!.get(low)!;
    rest.pop();
    if (rest.length > 0) return;
    segment.overflow!.delete(low);
    segment.replicaCounts[low] = inlineReplicas;
  }

  #segment(entry: number): Segment {
    return this.#segments[entry >>> segmentBits]!;
  }
}
