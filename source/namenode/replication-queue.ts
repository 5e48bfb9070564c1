import { type BlockMap, noBucket } from './block-map.js';
import { NumberQueue } from './number-queue.js';

/**
 * Which blocks have too few good replicas, and in which order they are looked at: fewest copies first
 * (Hadoop: LowRedundancyBlocks). A block's bucket is its count of good replicas, up to `lastBucket`; the bucket is what is true of
 * the block, so the counts are exact at any time. Beside that each bucket has a queue of candidates: a block is in it at most once
 * (its queue bit says so), and may have moved on to another bucket meanwhile: `take` skips such.
 *
 *   bucket 0         no good replica: missing. Never queued: there is nothing to copy.
 *   bucket 1..6      so many readable ones (6: or more), and fewer than wanted on nodes that are to stay
 *   bucket 7         enough, but all on one rack while there are more
 *   noBucket         in order
 *
 * A bucket's queue bit is its own, but that of bucket 7, which is bit 0. Bit 7 is for blocks with too many replicas or with rotten
 * ones, of which something may be deleted.
 */
export const missingBucket = 0;
const lastUnderBucket = 6;
export const badlyPlacedBucket = 7;
export const lastBucket = badlyPlacedBucket;
const excessBit = 7;

/** The bucket of a block that has so many readable replicas, and needs more. */
export function bucketOf(readableCount: number): number {
  return Math.min(readableCount, lastUnderBucket);
}

const bitOf = (bucket: number): number => (bucket === badlyPlacedBucket ? 1 : 1 << bucket);
const isUnderReplicated = (bucket: number): boolean => bucket > missingBucket && bucket <= lastUnderBucket;

export class ReplicationQueue {
  readonly #map: BlockMap;
  readonly #counts = new Float64Array(lastBucket + 1);
  readonly #queues: NumberQueue[] = [];
  readonly #excess = new NumberQueue('uint32');
  #missingWithReplicationOne = 0;
  /** Since there was last nothing to repair. */
  #enteredCount = 0;
  #leftCount = 0;

  constructor(map: BlockMap) {
    this.#map = map;
    for (let bucket = 0; bucket <= lastBucket; bucket++) this.#queues.push(new NumberQueue('uint32'));
  }

  get missingCount(): number {
    return this.#counts[missingBucket]!;
  }

  get missingWithReplicationOneCount(): number {
    return this.#missingWithReplicationOne;
  }

  /** Blocks with a good replica, but fewer than wanted. */
  get underReplicatedCount(): number {
    let count = 0;
    for (let bucket = 1; bucket <= lastUnderBucket; bucket++) count += this.#counts[bucket]!;
    return count;
  }

  /** Blocks with enough replicas, all of them on one rack while there are more. */
  get badlyPlacedCount(): number {
    return this.#counts[badlyPlacedBucket]!;
  }

  get highestPriorityCount(): number {
    return this.#counts[1]!;
  }

  /** Blocks that became under-replicated, and those of them that are not any more, since there last were none. */
  get progress(): { doneBlocks: number; totalBlocks: number } {
    return { doneBlocks: this.#leftCount, totalBlocks: this.#enteredCount };
  }

  /** Begins a new count of progress with what is under-replicated now. */
  restartProgress(): void {
    this.#enteredCount = this.underReplicatedCount;
    this.#leftCount = 0;
  }

  /**
   * Moves a block to its bucket. With `isQueued` it is looked at by `take` (again); without, only counted (at start, when most
   * replicas are yet to be reported).
   */
  update(entry: number, bucket: number, isQueued: boolean): void {
    const before = this.#map.bucket(entry);
    if (before !== bucket) {
      this.#uncount(entry, before);
      this.#map.setBucket(entry, bucket);
      this.#count(entry, bucket);
      const wasUnder = isUnderReplicated(before);
      const isUnder = isUnderReplicated(bucket);
      if (!wasUnder && isUnder) this.#enteredCount++;
      if (wasUnder && !isUnder) {
        if (bucket !== missingBucket) this.#leftCount++;
        else this.#enteredCount--;
      }
    }
    if (isQueued && bucket !== noBucket && bucket !== missingBucket) this.enqueue(entry);
  }

  /** To be called before a block is removed from the map, or its wanted replication changes. */
  forget(entry: number): void {
    const before = this.#map.bucket(entry);
    this.#uncount(entry, before);
    this.#map.setBucket(entry, noBucket);
    if (isUnderReplicated(before)) this.#enteredCount--;
  }

  /** Puts a block into the queue of its bucket, unless it stands there. */
  enqueue(entry: number): void {
    const bucket = this.#map.bucket(entry);
    if (bucket === noBucket || bucket === missingBucket) return;
    const bits = this.#map.queueBits(entry);
    if (bits & bitOf(bucket)) return;
    this.#map.setQueueBits(entry, bits | bitOf(bucket));
    this.#queues[bucket]!.push(entry);
  }

  enqueueExcess(entry: number): void {
    const bits = this.#map.queueBits(entry);
    if (bits & (1 << excessBit)) return;
    this.#map.setQueueBits(entry, bits | (1 << excessBit));
    this.#excess.push(entry);
  }

  /** How many stand in the queue of a bucket, those that have moved on too. */
  queuedCount(bucket: number): number {
    return this.#queues[bucket]!.length;
  }

  /** The next block of a bucket, taken out of its queue; undefined if none is left. */
  take(bucket: number): number | undefined {
    for (;;) {
      const entry = this.#queues[bucket]!.shift();
      if (entry === undefined) return undefined;
      this.#map.setQueueBits(entry, this.#map.queueBits(entry) & ~bitOf(bucket));
      if (this.#map.bucket(entry) === bucket) return entry;
    }
  }

  get excessCount(): number {
    return this.#excess.length;
  }

  takeExcess(): number | undefined {
    const entry = this.#excess.shift();
    if (entry !== undefined) this.#map.setQueueBits(entry, this.#map.queueBits(entry) & ~(1 << excessBit));
    return entry;
  }

  #count(entry: number, bucket: number): void {
    if (bucket === noBucket) return;
    this.#counts[bucket]!++;
    if (bucket === missingBucket && this.#map.replication(entry) === 1) this.#missingWithReplicationOne++;
  }

  #uncount(entry: number, bucket: number): void {
    if (bucket === noBucket) return;
    this.#counts[bucket]!--;
    if (bucket === missingBucket && this.#map.replication(entry) === 1) this.#missingWithReplicationOne--;
  }
}
