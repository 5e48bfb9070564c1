import type { Logger } from '../base/log.js';
import { type Block, blockName } from '../protocol/block.js';
import { ReplicaNotFoundError } from '../protocol/errors.js';
import type { BlockStore } from './block-store.js';
import type { KeyedLock } from './keyed-lock.js';
import type { ReplicaBeingWritten } from './replica-being-written.js';
import type { FinalizedReplica } from './replica-index.js';
import type { Generation, ReplicaMap } from './replica-map.js';
import type { Volume } from './volume.js';
import { quarantineFiles, type ScanResult, scanVolume } from './volume-scan.js';

/**
 * Takes replicas away: deleted, given up, or put aside as rotten; and decides at the start which of two copies of a block goes. Methods
 * without a lock of their own are called under that of the block.
 */
export class ReplicaDisposal {
  readonly #replicas: ReplicaMap;
  readonly #locks: KeyedLock<number>;
  readonly #logger: Logger;

  constructor(replicas: ReplicaMap, locks: KeyedLock<number>, logger: Logger) {
    this.#replicas = replicas;
    this.#locks = locks;
    this.#logger = logger;
  }

  /** Brings what a crash left on a volume in order, and remembers what is there. */
  async scan(volume: Volume): Promise<void> {
    const orphans: Promise<void>[] = [];
    const result: ScanResult = {
      onFinalized: (block) => {
        const other = this.#replicas.getFinalized(block.blockId);
        // The same block in two directories: the newer generation is the replica.
        if (other && other.generationStamp >= block.generationStamp) return void orphans.push(this.#discardFiles(volume, block));
        if (other)
          orphans.push(this.#discardFiles(this.#replicas.volumeOf(other), { ...block, generationStamp: other.generationStamp }));
        this.#replicas.addFinalized(block, volume);
      },
      onBeingWritten: (replica) => {
        this.#replicas.beingWritten.set(replica.blockId, replica);
        volume.usedBytes += replica.usedBytes;
      },
      onQuarantined: (block) => void this.#replicas.quarantined.set(block.blockId, { block, volume }),
    };
    await scanVolume(volume, result, this.#logger);
    await Promise.all(orphans);
  }

  /** Of one being written, without a writer or with one that has stopped. Never rejects. */
  async discardOpen(replica: ReplicaBeingWritten): Promise<void> {
    const { blockId, generationStamp, volume } = replica;
    const paths = [replica.dataPath, replica.metaPath];
    // A finalize that failed half-way left files there.
    if (!this.#replicas.getFinalized(blockId)) paths.push(...Object.values(volume.finalizedPaths(blockId, generationStamp)));
    for (const path of volume.failure === undefined ? paths : [])
      await volume.discard(path).catch((error: unknown) => this.#logger.warn(`${path} cannot be deleted: ${String(error)}`));
    volume.usedBytes -= replica.usedBytes;
    replica.usedBytes = 0;
    if (this.#replicas.beingWritten.get(blockId) === replica) this.#replicas.beingWritten.delete(blockId);
  }

  async discardFinalized(blockId: number, replica: FinalizedReplica): Promise<void> {
    this.#replicas.removeFinalized(blockId);
    await this.#discardFiles(this.#replicas.volumeOf(replica), { blockId, generationStamp: replica.generationStamp });
  }

  async dropQuarantined(blockId: number): Promise<void> {
    const aside = this.#replicas.quarantined.get(blockId);
    if (!aside) return;
    this.#replicas.quarantined.delete(blockId);
    if (aside.volume.failure !== undefined) return;
    for (const path of aside.volume.quarantinedPaths(blockId, aside.block.generationStamp)) await aside.volume.discard(path);
  }

  /** Locks the block. */
  discardAbandoned({ blockId, generationStamp }: Generation): Promise<boolean> {
    return this.#locks.run(blockId, async () => {
      const open = this.#replicas.beingWritten.get(blockId);
      if (!open || open.writer || open.generationStamp !== generationStamp) return false;
      await this.discardOpen(open);
      return true;
    });
  }

  /** Locks the block. */
  invalidate({ blockId, generationStamp }: Generation): ReturnType<BlockStore['invalidate']> {
    return this.#locks.run(blockId, async () => {
      const finalized = this.#replicas.getFinalized(blockId);
      const open = this.#replicas.beingWritten.get(blockId);
      const aside = this.#replicas.quarantined.get(blockId);
      let removedFrom: string | undefined;
      if (aside && aside.block.generationStamp <= generationStamp) {
        removedFrom = aside.volume.storageId;
        await this.dropQuarantined(blockId);
      }
      if (open && open.generationStamp <= generationStamp) {
        removedFrom = open.volume.storageId;
        await open.writer?.revoke(new ReplicaNotFoundError(`${blockName(open)} was deleted`, { blockId }));
        await this.discardOpen(open);
      }
      if (finalized && finalized.generationStamp <= generationStamp) {
        removedFrom = this.#replicas.volumeOf(finalized).storageId;
        await this.discardFinalized(blockId, finalized);
      }
      if (removedFrom !== undefined) return { outcome: 'removed', storageId: removedFrom };
      return { outcome: finalized || open ? 'newer' : 'absent' };
    });
  }

  /** Locks the block. */
  quarantine(block: Generation, reason: string): Promise<boolean> {
    const { blockId } = block;
    return this.#locks.run(blockId, async () => {
      const replica = this.#replicas.getFinalized(blockId);
      if (replica?.generationStamp !== block.generationStamp) return false;
      const volume = this.#replicas.volumeOf(replica);
      this.#logger.warn(`${blockName(block)} in ${volume.directory} is quarantined: ${reason}`);
      this.#replicas.removeFinalized(blockId);
      const { data, meta } = volume.finalizedPaths(blockId, replica.generationStamp);
      await quarantineFiles(volume, [data, meta]).catch((error: unknown) =>
        this.#logger.error(`${data} cannot be moved to the quarantine`, error),
      );
      const aside: Block = { blockId, generationStamp: replica.generationStamp, lengthBytes: replica.lengthBytes };
      this.#replicas.quarantined.set(blockId, { block: aside, volume });
      return true;
    });
  }

  async #discardFiles(volume: Volume, { blockId, generationStamp }: Generation): Promise<void> {
    const { data, meta } = volume.finalizedPaths(blockId, generationStamp);
    try {
      await volume.discard(data);
      await volume.discard(meta);
    } catch (error) {
      // It comes back at the next start, and the name node has it deleted again.
      this.#logger.warn(`${data} cannot be deleted: ${String(error)}`);
      void volume.noteFailure(error);
    }
  }
}
