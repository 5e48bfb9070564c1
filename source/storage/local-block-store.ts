import type { Clock } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { type Block, blockName } from '../protocol/block.js';
import type { StorageReport } from '../protocol/datanode-protocol.js';
import {
  ChecksumError,
  ClusterMismatchError,
  InputOutputError,
  NoSpaceError,
  ReplicaNotFoundError,
  StaleGenerationError,
  StorageDamagedError,
} from '../protocol/errors.js';
import type { BlockStore, CreateReplica, RecoverReplica, ReplicaStatus, ReplicaWriter, VerifyOutcome } from './block-store.js';
import { type Disk, isAbsent } from './disk.js';
import { KeyedLock } from './keyed-lock.js';
import { LocalReplicaReader } from './local-replica-reader.js';
import { LocalReplicaWriter, type WriterHost, type WriterStart } from './local-replica-writer.js';
import { Permits } from './permits.js';
import { ReplicaBeingWritten } from './replica-being-written.js';
import type { FinalizedReplica } from './replica-index.js';
import { type Generation, replicaNotFound, ReplicaMap } from './replica-map.js';
import { takeOver } from './replica-takeover.js';
import { storageError } from './storage-error.js';
import { Volume } from './volume.js';
import { readIdentity, type VolumeIdentity } from './volume-identity.js';
import { quarantineFiles, scanVolume } from './volume-scan.js';

export interface LocalBlockStoreOptions {
  disk: Disk;
  /** One a disk, at least one. Made if they are not there. */
  directories: readonly string[];
  clock: Clock;
  random: Random;
  logger?: Logger;
  /** Bytes of each disk that are left free. */
  reservedBytes?: number;
  /** Replicas that may be written at once; more are refused. Each takes two descriptors. */
  maxWriters?: number;
  /** Replicas that may be read at once; more wait. */
  maxReaders?: number;
}

/**
 * Replicas as files of local directories (volume-layout.ts). The state of one block changes under its lock; what may be asked without
 * waiting is in memory. Order on the disk is such that a crash at any point leaves what the next start understands (volume-scan.ts).
 */
export class LocalBlockStore implements BlockStore, WriterHost {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #volumes: Volume[];
  readonly #replicas: ReplicaMap;
  readonly #locks = new KeyedLock<number>();
  readonly #writers: Permits;
  readonly #readers: Permits;
  readonly #releases = new Map<LocalReplicaWriter, () => void>();
  #isClosed = false;

  private constructor(options: LocalBlockStoreOptions, volumes: Volume[]) {
    this.#disk = options.disk;
    this.#logger = options.logger ?? silentLogger;
    this.#volumes = volumes;
    this.#replicas = new ReplicaMap(volumes);
    this.#writers = new Permits({ limit: options.maxWriters ?? 512, queueLimit: 0, what: 'replicas are being written' });
    this.#readers = new Permits({ limit: options.maxReaders ?? 256, queueLimit: 4096, what: 'replicas are being read' });
  }

  /**
   * Locks the directories, takes empty ones into use, and brings what a crash left in order. StorageLockedError, StorageDamagedError
   * (identities that are damaged or do not belong together), VersionMismatchError: the directory's replicas are untouched then.
   */
  static async open(options: LocalBlockStoreOptions): Promise<LocalBlockStore> {
    const { disk, directories, clock, random, logger = silentLogger, reservedBytes = 0 } = options;
    let known: VolumeIdentity | undefined;
    for (const directory of directories) known ??= await readIdentity(disk, directory);
    const owner = { clusterId: known?.clusterId ?? null, datanodeUuid: known?.datanodeUuid ?? random.id() };
    const volumes: Volume[] = [];
    try {
      for (const directory of directories) {
        volumes.push(
          await Volume.open({ disk, directory, clock, logger, reservedBytes }, volumes.length, () => ({
            ...owner,
            storageId: `DS-${random.id()}`,
          })),
        );
      }
      for (const { identity, directory } of volumes) {
        if (identity.datanodeUuid === owner.datanodeUuid && identity.clusterId === volumes[0]!.identity.clusterId) continue;
        throw new StorageDamagedError(
          `${directory} and ${volumes[0]!.directory} belong to different data nodes or clusters; give the directories of one node`,
          { path: directory },
        );
      }
      const store = new LocalBlockStore(options, volumes);
      await Promise.all(volumes.map((volume) => store.#scan(volume)));
      return store;
    } catch (error) {
      await Promise.allSettled(volumes.map((volume) => volume.close()));
      throw storageError(error, `opening ${directories[volumes.length] ?? directories.join(', ')}`);
    }
  }

  async #scan(volume: Volume): Promise<void> {
    const orphans: Promise<void>[] = [];
    await scanVolume(
      volume,
      {
        onFinalized: (block) => {
          const other = this.#replicas.getFinalized(block.blockId);
          // The same block in two directories: the newer generation is the replica.
          if (other && other.generationStamp >= block.generationStamp) return void orphans.push(this.#discardFinalizedFiles(volume, block));
          if (other)
            orphans.push(this.#discardFinalizedFiles(this.#replicas.volumeOf(other), { ...block, generationStamp: other.generationStamp }));
          this.#replicas.addFinalized(block, volume);
        },
        onBeingWritten: (replica) => {
          this.#replicas.beingWritten.set(replica.blockId, replica);
          volume.usedBytes += replica.usedBytes;
        },
        onQuarantined: (block) => void this.#replicas.quarantined.set(block.blockId, { block, volume }),
      },
      this.#logger,
    );
    await Promise.all(orphans);
  }

  get datanodeUuid(): string {
    return this.#volumes[0]!.identity.datanodeUuid;
  }

  get clusterId(): string | null {
    return this.#volumes[0]!.identity.clusterId;
  }

  async bindToCluster(clusterId: string): Promise<void> {
    for (const { directory, identity } of this.#volumes) {
      if (identity.clusterId === null || identity.clusterId === clusterId) continue;
      throw new ClusterMismatchError(
        `${directory} belongs to cluster ${identity.clusterId}, the name node to ${clusterId}; nothing was touched. Start with another data directory, or with the name node of that cluster`,
        { path: directory },
      );
    }
    for (const volume of this.#volumes) if (volume.identity.clusterId === null) await volume.bindToCluster(clusterId);
  }

  create(request: CreateReplica): Promise<ReplicaWriter> {
    const { blockId, generationStamp } = request;
    return this.#locks.run(blockId, async () => {
      const finalized = this.#replicas.getFinalized(blockId);
      const older = this.#replicas.beingWritten.get(blockId);
      for (const existing of [finalized, older]) {
        const isReplaceable = existing !== undefined && existing === older && request.isCopy && !older.writer;
        if (existing && existing.generationStamp >= generationStamp + (isReplaceable ? 1 : 0))
          throw stale(`${blockName(request)} cannot be created: there is generation ${existing.generationStamp}`, blockId);
      }
      if (older) {
        await older.writer?.revoke(stale(`${blockName(older)} was given up for generation ${generationStamp}`, blockId));
        await this.discard(older);
      }
      const volume = this.#chooseVolume(request.storageId);
      if (!(await volume.takeSpace(1)))
        throw new NoSpaceError(`${volume.directory}: only its reserve is left; free some space, or add a data node`, { blockId });
      return this.#openWriter(
        new ReplicaBeingWritten({ ...request, volume }),
        'create',
        { endBytes: 0, tailCrc: 0, tableCrc: 0, hasHeader: false, syncedSlot: undefined },
        request,
      );
    });
  }

  recover(request: RecoverReplica): Promise<ReplicaWriter> {
    const { blockId, generationStamp, previousGenerationStamp = 0, keepBytes } = request;
    return this.#locks.run(blockId, async () => {
      const open = this.#replicas.beingWritten.get(blockId);
      const current = open?.isTemporary ? undefined : (open ?? this.#replicas.getFinalized(blockId));
      if (!current) throw replicaNotFound(request);
      if (current.generationStamp >= generationStamp)
        throw stale(`${blockName(request)} is older than what there is, generation ${current.generationStamp}`, blockId);
      if (current.generationStamp < previousGenerationStamp)
        throw stale(
          `${blockName(request)} cannot go on from generation ${current.generationStamp}: it missed ${previousGenerationStamp}`,
          blockId,
        );
      await open?.writer?.revoke(
        stale(
          `${blockName({ blockId, generationStamp: current.generationStamp })} was taken over by generation ${generationStamp}`,
          blockId,
        ),
      );
      if (open && this.#replicas.beingWritten.get(blockId) !== open) throw replicaNotFound(request);
      if (current.lengthBytes < keepBytes)
        throw new InputOutputError(`${blockName(request)} has ${current.lengthBytes} bytes here, ${keepBytes} are to be kept`, { blockId });
      try {
        const { replica, start } = await takeOver(this.#replicas, open ?? (current as FinalizedReplica), request);
        return await this.#openWriter(replica, 'write', start, request);
      } catch (error) {
        throw storageError(error, `recovering ${blockName(request)}`, blockId);
      }
    });
  }

  async #openWriter(
    replica: ReplicaBeingWritten,
    mode: 'create' | 'write',
    start: Omit<WriterStart, 'data' | 'meta'>,
    options: { isDurable: boolean },
  ): Promise<ReplicaWriter> {
    if (this.#isClosed) throw new InputOutputError('the block store is closed');
    const release = await this.#writers.acquire();
    const opened = await Promise.allSettled([this.#disk.open(replica.dataPath, mode), this.#disk.open(replica.metaPath, mode)]);
    const [data, meta] = opened;
    try {
      if (data.status === 'rejected') throw data.reason;
      if (meta.status === 'rejected') throw meta.reason;
      if (mode === 'write') await data.value.truncate(start.endBytes);
    } catch (error) {
      for (const result of opened) if (result.status === 'fulfilled') result.value.close().catch(() => {});
      if (mode === 'create') await this.discard(replica);
      release();
      void replica.volume.noteFailure(error);
      throw storageError(error, `opening ${blockName(replica)} in ${replica.volume.directory}`, replica.blockId);
    }
    const writer = new LocalReplicaWriter(this, replica, { ...start, data: data.value, meta: meta.value }, options);
    replica.writer = writer;
    this.#replicas.beingWritten.set(replica.blockId, replica);
    this.#releases.set(writer, release);
    return writer;
  }

  #chooseVolume(storageId: string): Volume {
    const usable = this.#volumes.filter((volume) => volume.failure === undefined && (storageId === '' || volume.storageId === storageId));
    if (usable.length === 0) {
      const failed = this.#volumes.find((volume) => volume.failure !== undefined);
      throw new InputOutputError(
        failed
          ? `${failed.directory} takes no more writes: ${failed.failure}`
          : `this data node has no storage ${storageId}; its directory was replaced`,
      );
    }
    return usable.reduce((best, volume) => (volume.remainingBytes > best.remainingBytes ? volume : best));
  }

  commit(writer: LocalReplicaWriter): Promise<Block> {
    const { replica } = writer;
    const { blockId, generationStamp, volume } = replica;
    return this.#locks.run(blockId, async () => {
      if (writer.failure) throw writer.failure;
      const older = this.#replicas.getFinalized(blockId);
      if (older && older.generationStamp >= generationStamp)
        throw stale(`${blockName(replica)} is not needed: there is generation ${older.generationStamp}`, blockId);
      await writer.completeFiles();
      await volume.makeFinalizedDirectory(blockId);
      if (older) {
        await this.#discardFinalized(blockId, older);
        // Else a power cut could leave the new bytes beside the old checksums.
        if (writer.isDurable) await volume.syncDirectory(volume.finalizedDirectory(blockId));
      }
      const target = volume.finalizedPaths(blockId, generationStamp);
      // The data last: with it in its place the replica is whole.
      await this.#disk.rename({ source: replica.metaPath, target: target.meta });
      await this.#disk.rename({ source: replica.dataPath, target: target.data });
      if (writer.isDurable) await volume.syncDirectory(volume.finalizedDirectory(blockId));
      const block = writer.committed();
      this.#replicas.beingWritten.delete(blockId);
      volume.usedBytes -= replica.usedBytes;
      this.#replicas.addFinalized(block, volume);
      await this.#dropQuarantined(blockId).catch(() => {});
      return block;
    });
  }

  async discard(replica: ReplicaBeingWritten): Promise<void> {
    const { blockId, generationStamp, volume } = replica;
    const paths = [replica.dataPath, replica.metaPath];
    // A finalize that failed half-way left files there.
    if (!this.#replicas.getFinalized(blockId)) paths.push(...Object.values(volume.finalizedPaths(blockId, generationStamp)));
    for (const path of paths)
      await volume.discard(path).catch((error: unknown) => this.#logger.warn(`${path} cannot be deleted: ${String(error)}`));
    volume.usedBytes -= replica.usedBytes;
    replica.usedBytes = 0;
    if (this.#replicas.beingWritten.get(blockId) === replica) this.#replicas.beingWritten.delete(blockId);
  }

  ended(writer: LocalReplicaWriter): void {
    this.#releases.get(writer)?.();
    this.#releases.delete(writer);
  }

  async openReader(block: Generation): Promise<LocalReplicaReader> {
    const release = await this.#readers.acquire();
    try {
      for (let attempt = 1; ; attempt++) {
        const target = { disk: this.#disk, ...this.#replicas.readerTarget(block) };
        try {
          return await LocalReplicaReader.open(target, release);
        } catch (error) {
          if (!isAbsent(error)) throw storageError(error, `opening ${blockName(block)}`, block.blockId);
          // It may have been finalized, or deleted, since we looked.
          if (attempt === 3)
            throw new ChecksumError(`${blockName(block)}: its files are missing`, { blockId: block.blockId, cause: error });
        }
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  getReplica(blockId: number): ReplicaStatus | undefined {
    return this.#replicas.getReplica(blockId);
  }

  finalizedReplicas(storageId: string): Iterable<Block> {
    return this.#replicas.finalizedReplicas(storageId);
  }

  abandonedReplicas(): Iterable<Block> {
    return this.#replicas.abandonedReplicas();
  }

  quarantinedReplicas(): Iterable<{ block: Block; storageId: string }> {
    return this.#replicas.quarantinedReplicas();
  }

  discardAbandoned({ blockId, generationStamp }: Generation): Promise<boolean> {
    return this.#locks.run(blockId, async () => {
      const open = this.#replicas.beingWritten.get(blockId);
      if (!open || open.writer || open.generationStamp !== generationStamp) return false;
      await this.discard(open);
      return true;
    });
  }

  invalidate(block: Generation): ReturnType<BlockStore['invalidate']> {
    const { blockId, generationStamp } = block;
    return this.#locks.run(blockId, async () => {
      const finalized = this.#replicas.getFinalized(blockId);
      const open = this.#replicas.beingWritten.get(blockId);
      const aside = this.#replicas.quarantined.get(blockId);
      let removedFrom: string | undefined;
      if (aside && aside.block.generationStamp <= generationStamp) {
        removedFrom = aside.volume.storageId;
        await this.#dropQuarantined(blockId);
      }
      if (open && open.generationStamp <= generationStamp) {
        removedFrom = open.volume.storageId;
        await open.writer?.revoke(new ReplicaNotFoundError(`${blockName(open)} was deleted`, { blockId }));
        await this.discard(open);
      }
      if (finalized && finalized.generationStamp <= generationStamp) {
        removedFrom = this.#replicas.volumeOf(finalized).storageId;
        await this.#discardFinalized(blockId, finalized);
      }
      if (removedFrom !== undefined) return { outcome: 'removed', storageId: removedFrom };
      return { outcome: finalized || open ? 'newer' : 'absent' };
    });
  }

  async verify(block: Generation, signal?: AbortSignal): Promise<VerifyOutcome> {
    if (this.#replicas.getFinalized(block.blockId)?.generationStamp !== block.generationStamp) return { outcome: 'absent' };
    let reader: LocalReplicaReader | undefined;
    try {
      reader = await this.openReader(block);
      const reason = await reader.verify(signal);
      return reason === undefined ? { outcome: 'intact' } : { outcome: 'rotten', reason };
    } catch (error) {
      if (this.#replicas.getFinalized(block.blockId)?.generationStamp !== block.generationStamp) return { outcome: 'absent' };
      if (error instanceof ChecksumError || error instanceof InputOutputError) return { outcome: 'rotten', reason: error.message };
      throw error;
    } finally {
      await reader?.close();
    }
  }

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
      this.#replicas.quarantined.set(blockId, {
        block: { blockId, generationStamp: replica.generationStamp, lengthBytes: replica.lengthBytes },
        volume,
      });
      return true;
    });
  }

  async readStorages(): Promise<StorageReport[]> {
    await Promise.all(this.#volumes.map((volume) => volume.refreshSpace()));
    return this.#volumes.map((volume) => volume.report(this.#replicas.finalizedCount(volume)));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([...this.#releases.keys()].map((writer) => writer.close()));
    await Promise.allSettled(this.#volumes.map((volume) => volume.close()));
  }

  async #discardFinalized(blockId: number, replica: FinalizedReplica): Promise<void> {
    this.#replicas.removeFinalized(blockId);
    await this.#discardFinalizedFiles(this.#replicas.volumeOf(replica), { blockId, generationStamp: replica.generationStamp });
  }

  async #discardFinalizedFiles(volume: Volume, { blockId, generationStamp }: Generation): Promise<void> {
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

  async #dropQuarantined(blockId: number): Promise<void> {
    const aside = this.#replicas.quarantined.get(blockId);
    if (!aside) return;
    this.#replicas.quarantined.delete(blockId);
    for (const path of aside.volume.quarantinedPaths(blockId, aside.block.generationStamp)) await aside.volume.discard(path);
  }
}

function stale(message: string, blockId: number): Error {
  return new StaleGenerationError(message, { blockId });
}
