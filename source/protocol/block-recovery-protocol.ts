import { Type } from '@sinclair/typebox';
import { mutation, query } from './method.js';
import { blockSchema, byteCountSchema, generationStampSchema } from './schemas.js';

/**
 * Block recovery: a block whose writer is gone, or that is to be cut, gets one length and one new generation on all its replicas.
 *
 *   name node --recover--> primary --replica.initRecovery--> each replica's node: stops its writer, tells what it has
 *                          primary --replica.updateRecovery--> those that take part: cut, finalized under the new generation
 *                          primary --datanode.commitBlockSynchronization--> name node: the block is complete, the file closed
 *
 * Each try has a recovery generation of its own, and of two tries the later one wins at every step. A crash anywhere leaves replicas
 * that a later try takes up again.
 */
const strict = { additionalProperties: false } as const;
const uuid = Type.String({ minLength: 1, maxLength: 64 });

/** Between data nodes (Hadoop: InterDatanodeProtocol). The callers' role is `datanode`. */
export const replicaRecoveryProtocol = {
  'replica.initRecovery': query(
    'Stops the writer of a replica, and tells what there is of it; null if there is none. StaleGenerationError once a later recovery has begun',
    Type.Object({ block: blockSchema, recoveryGeneration: generationStampSchema, token: Type.String() }, strict),
    Type.Union([
      Type.Object(
        {
          /** Waiting to be recovered: being written, and perhaps shorter than what was acknowledged, since its node was restarted, a part is rotten, or an fsync of it failed. */
          state: Type.Union([Type.Literal('finalized'), Type.Literal('being-written'), Type.Literal('waiting-to-be-recovered')]),
          generationStamp: generationStampSchema,
          /** Of the longest beginning that matches its checksums. */
          lengthBytes: byteCountSchema,
        },
        strict,
      ),
      Type.Null(),
    ]),
  ),
  'replica.updateRecovery': mutation(
    'Cuts a replica whose recovery has begun to its new length, and finalizes it, durably, under the recovery generation. Repeating it is fine',
    Type.Object({ block: blockSchema, recoveryGeneration: generationStampSchema, newLengthBytes: byteCountSchema, token: Type.String() }, strict),
    Type.Object({ storageId: uuid }, strict),
  ),
};
export type ReplicaRecoveryProtocol = typeof replicaRecoveryProtocol;

/** From the primary to the name node (Hadoop: DatanodeProtocol.commitBlockSynchronization). */
export const blockSynchronizationProtocol = {
  'datanode.commitBlockSynchronization': mutation(
    'A recovery has ended: the block has this generation and length on these replicas, and its file is closed. Repeating it is fine; StaleGenerationError for any try but the latest',
    Type.Object(
      {
        datanodeUuid: uuid,
        epoch: Type.Integer({ minimum: 1 }),
        /** As it was in the command. */
        block: blockSchema,
        recoveryGeneration: generationStampSchema,
        newLengthBytes: byteCountSchema,
        /** None, with length 0: every node of the command has answered that it has nothing of it. */
        replicas: Type.Array(Type.Object({ datanodeUuid: uuid, storageId: uuid }, strict), { maxItems: 512 }),
      },
      strict,
    ),
    Type.Null(),
  ),
};
export type BlockSynchronizationProtocol = typeof blockSynchronizationProtocol;
