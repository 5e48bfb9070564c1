import type { Clock } from '../base/clock.js';
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

const retryIntervalMs = 30_000;

/**
 * Takes replicas away: deleted, given up, or put aside as rotten; and decides at the start which of two copies of a block goes. Methods
 * without a lock of their own are called under that of the block.
 */
export class ReplicaDisposal {
  readonly #replicas: ReplicaMap;
  readonly #locks: KeyedLock<number>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Files that could not be deleted, by path. Nobody else knows of them. */
  readonly #undeleted = new Map<string, { blockId: number; volume: Volume }>();
  /** Found by the scans beside one of the same block that is worth more, on another disk. */
  readonly #outdone: ReplicaBeingWritten[] = [];
  #triedMs = 0;
  #trying: Promise<void> | undefined;
  #isClosed = false;

  constructor(replicas: ReplicaMap, locks: KeyedLock<number>, logger: Logger, clock: Clock) {
    this.#replicas = replicas;
    this.#locks = locks;
    this.#logger = logger;
    this.#clock = clock;
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
        volume.usedBytes += replica.usedBytes;
        const other = this.#replicas.beingWritten.get(replica.blockId);
        const isOther = other !== undefined && isWorthMore(other, replica);
        if (other) this.#outdone.push(isOther ? replica : other);
        if (!isOther) this.#replicas.beingWritten.set(replica.blockId, replica);
      },
      onQuarantined: (block) => {
        const other = this.#replicas.quarantined.get(block.blockId);
        // In two directories: that of the newer generation is worth more, if any of them is worth anything.
        const isOlder = other !== undefined && other.block.generationStamp > block.generationStamp;
        if (other) orphans.push(isOlder ? this.#dropFiles(volume, block) : this.#dropFiles(other.volume, other.block));
        if (!isOlder) this.#replicas.quarantined.set(block.blockId, { block, volume });
      },
    };
    await scanVolume(volume, result, this.#logger);
    await Promise.all(orphans);
  }

  /**
   * After the scans of all disks: of two replicas being written the lesser is put aside, and goes when the block is finalized here; and what
   * was put aside or being written, and has been replaced by a finalized one since, is of no use.
   */
  async settle(): Promise<void> {
    for (const replica of this.#outdone.splice(0)) await this.#putAside(replica);
    for (const replica of [...this.#replicas.beingWritten.values()]) {
      const finalized = this.#replicas.getFinalized(replica.blockId);
      if (finalized && finalized.generationStamp >= replica.generationStamp) await this.discardOpen(replica);
    }
    for (const [blockId, { block }] of [...this.#replicas.quarantined]) {
      const finalized = this.#replicas.getFinalized(blockId);
      if (finalized && finalized.generationStamp >= block.generationStamp) await this.dropQuarantined(blockId);
    }
  }

  async #putAside(replica: ReplicaBeingWritten): Promise<void> {
    const { blockId, generationStamp, lengthBytes, volume, dataPath, metaPath } = replica;
    volume.usedBytes -= replica.usedBytes;
    this.#logger.warn(`${blockName(replica)} in ${volume.directory} is put aside: another disk has more of it`);
    try {
      await quarantineFiles(volume, [dataPath, metaPath]);
      const other = this.#replicas.quarantined.get(blockId);
      if (other && other.volume !== volume) await this.#dropFiles(other.volume, other.block);
      this.#replicas.quarantined.set(blockId, { block: { blockId, generationStamp, lengthBytes }, volume });
    } catch (error) {
      this.#logger.error(`${dataPath} cannot be moved to the quarantine`, error);
      await volume.noteFailure(error);
    }
  }

  /** Of one being written, without a writer or with one that has stopped. Never rejects. */
  async discardOpen(replica: ReplicaBeingWritten): Promise<void> {
    const { blockId, generationStamp, volume } = replica;
    const paths = [replica.dataPath, replica.metaPath, ...replica.olderMetaPaths];
    // A finalize that failed half-way left files there.
    if (!this.#replicas.getFinalized(blockId)) paths.push(...Object.values(volume.finalizedPaths(blockId, generationStamp)));
    for (const path of volume.failure === undefined ? paths : []) await this.discardFile(volume, blockId, path);
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
    if (aside.volume.failure === undefined) await this.#dropFiles(aside.volume, aside.block);
  }

  /** Tries once more to delete what could not be deleted. At most twice a minute, in the background. Never throws. */
  retryDeletions(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#undeleted.size === 0 || this.#trying || this.#isClosed || nowMs - this.#triedMs < retryIntervalMs) return;
    this.#triedMs = nowMs;
    this.#trying = this.#retryDeletions().finally(() => (this.#trying = undefined));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#trying;
  }

  async #retryDeletions(): Promise<void> {
    for (const [path, { blockId, volume }] of [...this.#undeleted]) {
      await this.#locks.run(blockId, async () => {
        if (this.#isClosed || !this.#undeleted.delete(path)) return;
        // A new replica of the block may have taken the name meanwhile.
        if (volume.failure === undefined && !this.#isInUse(path, blockId)) await this.discardFile(volume, blockId, path);
      });
    }
  }

  #isInUse(path: string, blockId: number): boolean {
    const open = this.#replicas.beingWritten.get(blockId);
    const finalized = this.#replicas.getFinalized(blockId);
    const aside = this.#replicas.quarantined.get(blockId);
    const paths = open ? [open.dataPath, open.metaPath, ...open.olderMetaPaths] : [];
    if (finalized) paths.push(...Object.values(this.#replicas.volumeOf(finalized).finalizedPaths(blockId, finalized.generationStamp)));
    if (aside) paths.push(...aside.volume.quarantinedPaths(blockId, aside.block.generationStamp));
    return paths.includes(path);
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

  /** Of a replica that was put aside: where it is, and where it stayed if it could not be moved. */
  async #dropFiles(volume: Volume, { blockId, generationStamp }: Generation): Promise<void> {
    const paths = volume.quarantinedPaths(blockId, generationStamp);
    if (!this.#replicas.getFinalized(blockId)) paths.push(...Object.values(volume.finalizedPaths(blockId, generationStamp)));
    for (const path of paths) await this.discardFile(volume, blockId, path);
  }

  async #discardFiles(volume: Volume, { blockId, generationStamp }: Generation): Promise<void> {
    const { data, meta } = volume.finalizedPaths(blockId, generationStamp);
    await this.discardFile(volume, blockId, data);
    await this.discardFile(volume, blockId, meta);
  }

  /** Never rejects: a file that cannot be deleted now is tried again, and at the next start, which finds it. */
  async discardFile(volume: Volume, blockId: number, path: string): Promise<void> {
    try {
      await volume.discard(path);
    } catch (error) {
      this.#logger.warn(`${path} cannot be deleted, it is tried again: ${String(error)}`);
      this.#undeleted.set(path, { blockId, volume });
      void volume.noteFailure(error);
    }
  }
}

/** The newer generation; of one generation the longer replica: the other may be a copy that broke off. */
function isWorthMore(one: ReplicaBeingWritten, other: ReplicaBeingWritten): boolean {
  if (one.generationStamp !== other.generationStamp) return one.generationStamp > other.generationStamp;
  return one.lengthBytes > other.lengthBytes;
}
