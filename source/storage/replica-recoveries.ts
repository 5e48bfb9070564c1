import { blockName } from '../protocol/block.js';
import { ChecksumError, InputOutputError, StaleGenerationError } from '../protocol/errors.js';
import type { BlockStore, RecoverableReplica, RecoverReplica, ReplicaWriter } from './block-store.js';
import type { KeyedLock } from './keyed-lock.js';
import type { RecoveryClaims } from './recovery-claims.js';
import { ReplicaBeingWritten } from './replica-being-written.js';
import type { FinalizedReplica } from './replica-index.js';
import { replicaNotFound, type ReplicaMap } from './replica-map.js';
import { verifyReplica } from './replica-recovery.js';
import { storageError } from './storage-error.js';
import type { VolumeSet } from './volume-set.js';

type InitRecovery = Parameters<BlockStore['initRecovery']>[0];
type UpdateRecovery = Parameters<BlockStore['updateRecovery']>[0];

export interface ReplicaRecoveriesOptions {
  replicas: ReplicaMap;
  locks: KeyedLock<number>;
  claims: RecoveryClaims;
  volumes: VolumeSet;
  /** Called under the lock of the block. */
  takeOver: (current: ReplicaBeingWritten | FinalizedReplica, request: RecoverReplica) => Promise<ReplicaWriter>;
}

/** This node's part in the recovery of blocks (FsDatasetImpl.initReplicaRecovery, updateReplicaUnderRecovery). */
export class ReplicaRecoveries {
  readonly #replicas: ReplicaMap;
  readonly #locks: KeyedLock<number>;
  readonly #claims: RecoveryClaims;
  readonly #volumes: VolumeSet;
  readonly #takeOver: ReplicaRecoveriesOptions['takeOver'];

  constructor(options: ReplicaRecoveriesOptions) {
    this.#replicas = options.replicas;
    this.#locks = options.locks;
    this.#claims = options.claims;
    this.#volumes = options.volumes;
    this.#takeOver = options.takeOver;
  }

  init({ blockId, generationStamp, recoveryGeneration }: InitRecovery): Promise<RecoverableReplica | null> {
    return this.#locks.run(blockId, async () => {
      this.#claims.checkBegin(blockId, recoveryGeneration);
      const current = this.#replicas.getWritable(blockId);
      if (!current) {
        const [failed] = this.#volumes.failed;
        // It may have been there.
        if (failed) throw new InputOutputError(`${failed.directory} is out of use: ${failed.reason}`, { blockId });
        if (!this.#replicas.quarantined.has(blockId)) return null;
        throw new ChecksumError(`${blockName({ blockId })} is put aside as rotten here, and takes no part in its recovery`, { blockId });
      }
      if (current.generationStamp >= recoveryGeneration)
        throw stale(`${blockName({ blockId, generationStamp: recoveryGeneration })}: generation ${current.generationStamp} is here already`, blockId);
      if (current.generationStamp < generationStamp)
        throw stale(`${blockName({ blockId, generationStamp })} is to be recovered, here is but generation ${current.generationStamp}`, blockId);
      if (current instanceof ReplicaBeingWritten) {
        const over = `${blockName(current)} is being recovered under generation ${recoveryGeneration}`;
        await current.writer?.revoke(stale(over, blockId));
        if (this.#replicas.beingWritten.get(blockId) !== current) return null;
      }
      try {
        const { state, lengthBytes } = await verifyReplica(this.#replicas, blockId, current);
        this.#claims.begin(blockId, { recoveryGeneration, verifiedBytes: lengthBytes });
        return { state, generationStamp: current.generationStamp, lengthBytes };
      } catch (error) {
        throw storageError(error, `reading ${blockName({ blockId })} for its recovery`, blockId);
      }
    });
  }

  async update({ blockId, recoveryGeneration, newLengthBytes }: UpdateRecovery): ReturnType<BlockStore['updateRecovery']> {
    const generationStamp = recoveryGeneration;
    const writer = await this.#locks.run(blockId, async () => {
      const finalized = this.#replicas.getFinalized(blockId);
      if (finalized?.generationStamp === generationStamp && finalized.lengthBytes === newLengthBytes)
        return this.#replicas.volumeOf(finalized).storageId;
      const { verifiedBytes } = this.#claims.require(blockId, recoveryGeneration);
      const current = this.#replicas.getWritable(blockId);
      if (!current) throw replicaNotFound({ blockId, generationStamp });
      if (newLengthBytes > verifiedBytes)
        throw new InputOutputError(`${blockName({ blockId, generationStamp })} has ${verifiedBytes} good bytes here, ${newLengthBytes} are to be kept`, {
          blockId,
        });
      return this.#takeOver(current, { blockId, generationStamp, keepBytes: newLengthBytes, isDurable: true });
    });
    if (typeof writer === 'string') return { block: { blockId, generationStamp, lengthBytes: newLengthBytes }, storageId: writer };
    const block = await writer.finalize();
    this.#claims.end(blockId);
    return { block, storageId: writer.storageId };
  }
}

function stale(message: string, blockId: number): Error {
  return new StaleGenerationError(message, { blockId });
}
