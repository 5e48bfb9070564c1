import { type Block, blockName } from '../protocol/block.js';
import { ReplicaNotFoundError, StaleGenerationError } from '../protocol/errors.js';
import type { ReplicaStatus } from './block-store.js';
import type { ReaderTarget } from './local-replica-reader.js';
import type { ReplicaBeingWritten } from './replica-being-written.js';
import { type FinalizedReplica, ReplicaIndex } from './replica-index.js';
import type { Volume } from './volume.js';
import { spaceOf } from './volume-layout.js';

export type Generation = Pick<Block, 'blockId' | 'generationStamp'>;

/** What is on the volumes, in memory: answers without reading a disk. Finalized replicas are many, the others few. */
export class ReplicaMap {
  readonly #volumes: readonly Volume[];
  readonly #index = new ReplicaIndex();
  readonly beingWritten = new Map<number, ReplicaBeingWritten>();
  readonly quarantined = new Map<number, { block: Block; volume: Volume }>();

  constructor(volumes: readonly Volume[]) {
    this.#volumes = volumes;
  }

  /** One on a volume that failed is as good as none: a copy may take its place. */
  getFinalized(blockId: number): FinalizedReplica | undefined {
    const replica = this.#index.get(blockId);
    return replica && this.volumeOf(replica).failure === undefined ? replica : undefined;
  }

  volumeOf(replica: FinalizedReplica): Volume {
    return this.#volumes[replica.volumeIndex]!;
  }

  finalizedCount(volume: Volume): number {
    return this.#index.count(volume.index);
  }

  /** In the place of an older one of that block, if there is one. */
  addFinalized({ blockId, generationStamp, lengthBytes }: Block, volume: Volume): void {
    this.removeFinalized(blockId);
    this.#index.set(blockId, { generationStamp, lengthBytes, volumeIndex: volume.index });
    volume.usedBytes += spaceOf(lengthBytes);
  }

  removeFinalized(blockId: number): void {
    const replica = this.#index.delete(blockId);
    if (replica) this.volumeOf(replica).usedBytes -= spaceOf(replica.lengthBytes);
  }

  /** What a writer or a recovery would go on with: one being written, if it is no copy that is not whole yet; else the finalized one. */
  getWritable(blockId: number): ReplicaBeingWritten | FinalizedReplica | undefined {
    return this.#getOpen(blockId) ?? this.getFinalized(blockId);
  }

  /** The newest one there is. A copy that is not whole yet is none. */
  getReplica(blockId: number): ReplicaStatus | undefined {
    const open = this.#getOpen(blockId);
    const finalized = this.getFinalized(blockId);
    if (open && open.generationStamp > (finalized?.generationStamp ?? 0)) {
      const { generationStamp, lengthBytes, volume, visibleLengthBytes } = open;
      return { block: { blockId, generationStamp, lengthBytes }, storageId: volume.storageId, state: 'being-written', visibleLengthBytes };
    }
    if (finalized) {
      const { generationStamp, lengthBytes } = finalized;
      return {
        block: { blockId, generationStamp, lengthBytes },
        storageId: this.volumeOf(finalized).storageId,
        state: 'finalized',
        visibleLengthBytes: lengthBytes,
      };
    }
    const aside = this.quarantined.get(blockId);
    return aside && { block: aside.block, storageId: aside.volume.storageId, state: 'quarantined', visibleLengthBytes: 0 };
  }

  *finalizedReplicas(storageId: string, afterBlockId?: number): Iterable<Block> {
    const volume = this.#volumes.find((each) => each.storageId === storageId && each.failure === undefined);
    if (!volume) return;
    for (const [blockId, { generationStamp, lengthBytes, volumeIndex }] of this.#index.entries(afterBlockId)) {
      if (volumeIndex === volume.index) yield { blockId, generationStamp, lengthBytes };
    }
  }

  *abandonedReplicas(): Iterable<Block> {
    for (const { blockId, generationStamp, lengthBytes, writer, isTemporary, volume } of [...this.beingWritten.values()]) {
      if (!writer && !isTemporary && volume.failure === undefined) yield { blockId, generationStamp, lengthBytes };
    }
  }

  *quarantinedReplicas(): Iterable<{ block: Block; storageId: string }> {
    for (const { block, volume } of [...this.quarantined.values()]) {
      if (volume.failure !== undefined) continue;
      if (!this.beingWritten.has(block.blockId) && !this.#index.get(block.blockId)) yield { block, storageId: volume.storageId };
    }
  }

  /** Where the replica of exactly this generation is now. ReplicaNotFoundError, StaleGenerationError. */
  readerTarget(block: Generation): ReaderTarget {
    const { blockId, generationStamp } = block;
    const open = this.#getOpen(blockId);
    const finalized = this.#index.get(blockId);
    if (open?.generationStamp === generationStamp) {
      const visible = { lengthBytes: open.visibleLengthBytes, tailCrc: open.visibleTailCrc };
      const { storageId, disk } = open.volume;
      return { disk, blockId, generationStamp, storageId, dataPath: open.dataPath, metaPath: open.metaPath, visible };
    }
    if (finalized?.generationStamp === generationStamp) {
      const volume = this.volumeOf(finalized);
      const { data, meta } = volume.finalizedPaths(blockId, generationStamp);
      const { storageId, disk } = volume;
      return { disk, blockId, generationStamp, storageId, dataPath: data, metaPath: meta, visible: undefined };
    }
    const other = finalized ?? open;
    if (other)
      throw new StaleGenerationError(`${blockName(block)} is asked for, this node has generation ${other.generationStamp}`, { blockId });
    throw replicaNotFound(block);
  }

  #getOpen(blockId: number): ReplicaBeingWritten | undefined {
    const open = this.beingWritten.get(blockId);
    return open?.isTemporary || open?.volume.failure !== undefined ? undefined : open;
  }
}

export function replicaNotFound(block: Generation): Error {
  return new ReplicaNotFoundError(`${blockName(block)} is not on this data node`, { blockId: block.blockId });
}
