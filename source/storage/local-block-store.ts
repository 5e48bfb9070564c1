import type { Clock } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { type Block, blockName } from '../protocol/block.js';
import type { FailedVolume, StorageReport } from '../protocol/datanode-protocol.js';
import {
  ChecksumError,
  InputOutputError,
  NoSpaceError,
  StaleGenerationError,
} from '../protocol/errors.js';
import type {
  BlockStore,
  CreateReplica,
  Pace,
  RecoverableReplica,
  RecoverReplica,
  ReplicaStatus,
  ReplicaWriter,
  VerifyOutcome,
} from './block-store.js';
import { type Disk, isAbsent } from './disk.js';
import { KeyedLock } from './keyed-lock.js';
import { LocalReplicaReader } from './local-replica-reader.js';
import { LocalReplicaWriter, type WriterHost, type WriterStart } from './local-replica-writer.js';
import { Permits } from './permits.js';
import { RecoveryClaims } from './recovery-claims.js';
import { ReplicaBeingWritten } from './replica-being-written.js';
import { ReplicaDisposal } from './replica-disposal.js';
import type { FinalizedReplica } from './replica-index.js';
import { type Generation, replicaNotFound, ReplicaMap } from './replica-map.js';
import { ReplicaRecoveries } from './replica-recoveries.js';
import { takeOver } from './replica-takeover.js';
import { readScanCursor, type ScanCursor, writeScanCursor } from './scan-cursor.js';
import { storageError } from './storage-error.js';
import { VolumeSet } from './volume-set.js';

export interface LocalBlockStoreOptions {
  disk: Disk;
  /** One a disk, at least one. Made if they are not there. */
  directories: readonly string[];
  clock: Clock;
  random: Random;
  logger?: Logger;
  /** Bytes of each disk that are left free. */
  reservedBytes?: number;
  /** What a replica may grow to: a directory with less room takes one only if none has more. */
  blockSizeBytes?: number;
  /** Directories that may fail before the node cannot go on; all but one if not said. */
  failedVolumesTolerated?: number | undefined;
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
  readonly #logger: Logger;
  readonly #volumes: VolumeSet;
  readonly #replicas: ReplicaMap;
  readonly #locks = new KeyedLock<number>();
  readonly #disposal: ReplicaDisposal;
  readonly #claims = new RecoveryClaims();
  readonly #recoveries: ReplicaRecoveries;
  readonly #writers: Permits;
  readonly #readers: Permits;
  readonly #releases = new Map<LocalReplicaWriter, () => void>();
  #isClosed = false;

  private constructor(options: LocalBlockStoreOptions, volumes: VolumeSet) {
    this.#logger = options.logger ?? silentLogger;
    this.#volumes = volumes;
    this.#replicas = new ReplicaMap(volumes.volumes);
    this.#recoveries = new ReplicaRecoveries({
      replicas: this.#replicas,
      locks: this.#locks,
      claims: this.#claims,
      volumes,
      takeOver: (current, request) => this.#takeOver(current, request),
    });
    this.#disposal = new ReplicaDisposal(this.#replicas, this.#locks, this.#logger, options.clock);
    this.#writers = new Permits({ limit: options.maxWriters ?? 512, queueLimit: 0, what: 'replicas are being written' });
    this.#readers = new Permits({ limit: options.maxReaders ?? 256, queueLimit: 4096, what: 'replicas are being read' });
  }

  /**
   * Locks the directories, takes empty ones into use, and brings what a crash left in order. One that cannot be used is left out, and told
   * in `failedVolumes`. StorageLockedError, StorageDamagedError (identities that do not belong together, or none that can be read),
   * VersionMismatchError, InputOutputError (more have failed than are tolerated): the replicas are untouched then.
   */
  static async open(options: LocalBlockStoreOptions): Promise<LocalBlockStore> {
    const { directories, logger = silentLogger, reservedBytes = 0, blockSizeBytes = 0, failedVolumesTolerated } = options;
    const volumes = await VolumeSet.open({ ...options, logger, reservedBytes, blockSizeBytes, failedVolumesTolerated });
    try {
      const store = new LocalBlockStore(options, volumes);
      await Promise.all(volumes.volumes.map((volume) => store.#disposal.scan(volume).catch((error: unknown) => volume.putOut(error))));
      if (volumes.unusable) throw volumes.unusable;
      await store.#disposal.settle();
      return store;
    } catch (error) {
      await volumes.close();
      throw storageError(error, `opening ${directories.join(', ')}`);
    }
  }

  get datanodeUuid(): string {
    return this.#volumes.datanodeUuid;
  }

  get clusterId(): string | null {
    return this.#volumes.clusterId;
  }

  bindToCluster(clusterId: string): Promise<void> {
    return this.#volumes.bindToCluster(clusterId);
  }

  get failedVolumes(): FailedVolume[] {
    return this.#volumes.failed;
  }

  get unusable(): Error | undefined {
    return this.#volumes.unusable;
  }

  create(request: CreateReplica): Promise<ReplicaWriter> {
    const { blockId, generationStamp } = request;
    return this.#locks.run(blockId, async () => {
      this.#claims.checkWriter(blockId, generationStamp);
      const finalized = this.#replicas.getFinalized(blockId);
      const older = this.#replicas.beingWritten.get(blockId);
      for (const existing of [finalized, older?.volume.failure === undefined ? older : undefined]) {
        const isReplaceable = existing !== undefined && existing === older && request.isCopy && !older.writer;
        if (existing && existing.generationStamp >= generationStamp + (isReplaceable ? 1 : 0))
          throw stale(`${blockName(request)} cannot be created: there is generation ${existing.generationStamp}`, blockId);
      }
      if (older) {
        await older.writer?.revoke(stale(`${blockName(older)} was given up for generation ${generationStamp}`, blockId));
        await this.discard(older);
      }
      const volume = this.#volumes.choose(request.storageId);
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
      this.#claims.checkWriter(blockId, generationStamp);
      const known = this.#replicas.beingWritten.get(blockId);
      const open = known?.volume.failure === undefined ? known : undefined;
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
      if (open?.isUnsynced)
        throw new InputOutputError(`${blockName(open)}: syncing it to the disk failed here; another replica must do`, { blockId });
      if (current.lengthBytes < keepBytes)
        throw new InputOutputError(`${blockName(request)} has ${current.lengthBytes} bytes here, ${keepBytes} are to be kept`, { blockId });
      const writer = await this.#takeOver(open ?? (current as FinalizedReplica), request);
      this.#claims.end(blockId);
      return writer;
    });
  }

  async #takeOver(current: ReplicaBeingWritten | FinalizedReplica, request: RecoverReplica): Promise<ReplicaWriter> {
    try {
      const { replica, start } = await takeOver(this.#replicas, current, request, (volume, path) => this.#disposal.discardFile(volume, request.blockId, path));
      return await this.#openWriter(replica, 'write', start, request);
    } catch (error) {
      throw storageError(error, `recovering ${blockName(request)}`, request.blockId);
    }
  }

  initRecovery(request: Parameters<BlockStore['initRecovery']>[0]): Promise<RecoverableReplica | null> {
    return this.#recoveries.init(request);
  }

  updateRecovery(request: Parameters<BlockStore['updateRecovery']>[0]): ReturnType<BlockStore['updateRecovery']> {
    return this.#recoveries.update(request);
  }

  async #openWriter(
    replica: ReplicaBeingWritten,
    mode: 'create' | 'write',
    start: Omit<WriterStart, 'data' | 'meta'>,
    options: { isDurable: boolean },
  ): Promise<ReplicaWriter> {
    if (this.#isClosed) throw new InputOutputError('the block store is closed');
    const { disk } = replica.volume;
    const release = await this.#writers.acquire();
    const opened = await Promise.allSettled([disk.open(replica.dataPath, mode), disk.open(replica.metaPath, mode)]);
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

  commit(writer: LocalReplicaWriter): Promise<Block> {
    const { replica } = writer;
    const { blockId, generationStamp, volume } = replica;
    return this.#locks.run(blockId, async () => {
      if (writer.failure) throw writer.failure;
      if (volume.failure !== undefined) throw new InputOutputError(`${volume.directory} takes no more writes: ${volume.failure}`, { blockId });
      const older = this.#replicas.getFinalized(blockId);
      if (older && older.generationStamp >= generationStamp)
        throw stale(`${blockName(replica)} is not needed: there is generation ${older.generationStamp}`, blockId);
      await writer.completeFiles();
      await volume.makeFinalizedDirectory(blockId);
      if (older) {
        await this.#disposal.discardFinalized(blockId, older);
        // Else a power cut could leave the new bytes beside the old checksums.
        if (writer.isDurable) await volume.syncDirectory(volume.finalizedDirectory(blockId));
      }
      const target = volume.finalizedPaths(blockId, generationStamp);
      try {
        // The data last: with it in its place the replica is whole.
        await volume.disk.rename({ source: replica.metaPath, target: target.meta });
        await volume.disk.rename({ source: replica.dataPath, target: target.data });
        if (writer.isDurable) await replica.synced(volume.syncDirectory(volume.finalizedDirectory(blockId)));
      } catch (error) {
        // One that is not discarded is where it was before.
        if (replica.isPromised) {
          await volume.disk.rename({ source: target.data, target: replica.dataPath }).catch(() => {});
          await volume.disk.rename({ source: target.meta, target: replica.metaPath }).catch(() => {});
        }
        throw error;
      }
      const block = writer.committed();
      this.#replicas.beingWritten.delete(blockId);
      volume.usedBytes -= replica.usedBytes;
      this.#replicas.addFinalized(block, volume);
      await this.#disposal.dropQuarantined(blockId);
      return block;
    });
  }

  discard(replica: ReplicaBeingWritten): Promise<void> {
    return this.#disposal.discardOpen(replica);
  }

  ended(writer: LocalReplicaWriter): void {
    this.#releases.get(writer)?.();
    this.#releases.delete(writer);
  }

  async openReader(block: Generation): Promise<LocalReplicaReader> {
    const release = await this.#readers.acquire();
    try {
      for (let attempt = 1; ; attempt++) {
        const target = this.#replicas.readerTarget(block);
        try {
          return await LocalReplicaReader.open(target, release);
        } catch (error) {
          const isMoving = isAbsent(error) || (target.visible !== undefined && error instanceof ChecksumError);
          if (!isMoving) throw storageError(error, `opening ${blockName(block)}`, block.blockId);
          if (attempt === 3) {
            if (!isAbsent(error)) throw error;
            throw new ChecksumError(`${blockName(block)}: its files are missing`, { blockId: block.blockId, cause: error });
          }
          // It is perhaps just being finalized, its header written anew: look again when nobody changes it.
          await this.#locks.run(block.blockId, async () => {});
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

  finalizedReplicas(storageId: string, afterBlockId?: number): Iterable<Block> {
    return this.#replicas.finalizedReplicas(storageId, afterBlockId);
  }

  abandonedReplicas(): Iterable<Block> {
    return this.#replicas.abandonedReplicas();
  }

  quarantinedReplicas(): Iterable<{ block: Block; storageId: string }> {
    return this.#replicas.quarantinedReplicas();
  }

  async invalidate(block: Generation): ReturnType<BlockStore['invalidate']> {
    const result = await this.#disposal.invalidate(block);
    if (result.outcome !== 'newer') this.#claims.end(block.blockId);
    return result;
  }

  async verify(block: Generation, signal?: AbortSignal, pace?: Pace): Promise<VerifyOutcome> {
    const isHere = () => this.#replicas.getFinalized(block.blockId)?.generationStamp === block.generationStamp;
    if (!isHere()) return { outcome: 'absent' };
    let reader: LocalReplicaReader | undefined;
    try {
      reader = await this.openReader(block);
      const reason = await reader.verify(signal, pace);
      if (reason === undefined) return { outcome: 'intact' };
      return isHere() ? { outcome: 'rotten', reason, isUnreadable: false } : { outcome: 'absent' };
    } catch (error) {
      // A disk that has failed altogether says nothing about the replica.
      const replica = this.#replicas.getFinalized(block.blockId);
      if (replica) await this.#replicas.volumeOf(replica).noteFailure(error);
      if (!isHere()) return { outcome: 'absent' };
      if (error instanceof ChecksumError || error instanceof InputOutputError) return { outcome: 'rotten', reason: error.message, isUnreadable: error instanceof InputOutputError };
      throw error;
    } finally {
      await reader?.close();
    }
  }

  quarantine(block: Generation, reason: string): Promise<boolean> {
    return this.#disposal.quarantine(block, reason);
  }

  async readScanCursor(storageId: string): Promise<ScanCursor | undefined> {
    const volume = this.#volumes.find(storageId);
    return volume && readScanCursor(volume.disk, volume.directory, this.#logger);
  }

  async writeScanCursor(storageId: string, cursor: ScanCursor): Promise<void> {
    const volume = this.#volumes.find(storageId);
    if (!volume) return;
    try {
      await writeScanCursor(volume.disk, volume.directory, cursor);
    } catch (error) {
      await volume.noteFailure(error);
      throw storageError(error, `writing the scan cursor in ${volume.directory}`);
    }
  }

  async readStorages(): Promise<StorageReport[]> {
    const { volumes, failed } = this.#volumes;
    this.#disposal.retryDeletions();
    await Promise.all(volumes.map((volume) => volume.refreshSpace()));
    const reports = volumes.map((volume) => volume.report(this.#replicas.finalizedCount(volume)));
    for (const { storageId } of failed) {
      if (storageId === null || reports.some((report) => report.storageId === storageId)) continue;
      reports.push({ storageId, capacityBytes: 0, usedBytes: 0, remainingBytes: 0, blockCount: 0, isFailed: true });
    }
    return reports;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([...this.#releases.keys()].map((writer) => writer.close()));
    await this.#disposal.close();
    await this.#volumes.close();
  }
}

function stale(message: string, blockId: number): Error {
  return new StaleGenerationError(message, { blockId });
}
