import { type Static, Type } from '@sinclair/typebox';
import { blockSynchronizationProtocol, replicaRecoveryProtocol } from './block-recovery-protocol.js';
import { mutation, query } from './method.js';
import { blockSchema, blockIdSchema, byteCountSchema, generationStampSchema, replicaLocationSchema, timeSchema } from './schemas.js';

const strict = { additionalProperties: false } as const;
const uuid = Type.String({ minLength: 1, maxLength: 64 });
/** A number that the name node gives at each registration; every later message carries it, and one of an older epoch is refused. */
const epoch = Type.Integer({ minimum: 1 });
const sender = { datanodeUuid: uuid, epoch };
const firstNotice = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: "Number of the first of them. All that one process says of its replicas is numbered, in order: what was taken in already is passed over" });

/** One storage directory of a data node. */
export const storageReportSchema = Type.Object(
  {
    storageId: uuid,
    capacityBytes: byteCountSchema,
    /** By replicas of this cluster. */
    usedBytes: byteCountSchema,
    /** What may still be written, the reserve taken off. */
    remainingBytes: byteCountSchema,
    blockCount: byteCountSchema,
    isFailed: Type.Boolean(),
  },
  strict,
);
export type StorageReport = Static<typeof storageReportSchema>;

/** A storage directory that is out of use (Hadoop: VolumeFailureSummary). `storageId` null: it could not be asked whose it is. */
export const failedVolumeSchema = Type.Object(
  { directory: Type.String({ maxLength: 4096 }), storageId: Type.Union([uuid, Type.Null()]), reason: Type.String({ maxLength: 4096 }) },
  strict,
);
export type FailedVolume = Static<typeof failedVolumeSchema>;
const failedVolumes = Type.Optional(Type.Array(failedVolumeSchema, { maxItems: 1024 }));

/** What the name node wants done, in its answer to a heartbeat. */
export const datanodeCommandSchema = Type.Union([
  Type.Object({ kind: Type.Literal('replicate'), block: blockSchema, targets: Type.Array(replicaLocationSchema), token: Type.String() }, strict),
  Type.Object({ kind: Type.Literal('invalidate'), blocks: Type.Array(blockSchema) }, strict),
  /** Check these replicas against their checksums now: a reader says that they are rotten. */
  Type.Object({ kind: Type.Literal('verify'), blocks: Type.Array(blockSchema) }, strict),
  /**
   * Be the primary of the recovery of a block whose writer is gone, or that is to be cut (BlockRecoveryCommand): find the common content of
   * `replicas`, make it theirs under `recoveryGeneration`, and tell by `datanode.commitBlockSynchronization`.
   */
  Type.Object(
    {
      kind: Type.Literal('recover'),
      /** As the name node has it: its generation stamp is the lowest that takes part, its length the least that was promised. */
      block: blockSchema,
      recoveryGeneration: generationStampSchema,
      /** Truncate: the length to cut to. Null: the longest verified common one. */
      newLengthBytes: Type.Union([byteCountSchema, Type.Null()]),
      replicas: Type.Array(replicaLocationSchema),
      token: Type.String(),
    },
    strict,
  ),
  Type.Object({ kind: Type.Literal('register') }, strict),
  Type.Object({ kind: Type.Literal('blockReport') }, strict),
]);
export type DatanodeCommand = Static<typeof datanodeCommandSchema>;

/** How long a node waited for a peer, beyond what it took itself, in all, for so many packets. */
export const peerWaitSchema = Type.Object({ datanodeUuid: Type.String({ minLength: 1, maxLength: 64 }), packetCount: byteCountSchema, waitMs: byteCountSchema }, strict);
export type PeerWait = Static<typeof peerWaitSchema>;

/**
 * What a data node tells the name node, on the same connection as every other call (Hadoop: DatanodeProtocol).
 * The caller's role in the hello must be `datanode`.
 */
export const datanodeProtocol = {
  'datanode.register': mutation(
    'Joins the cluster, or comes back to it. An empty data node says clusterId null and keeps the one in the answer',
    Type.Object(
      {
        datanodeUuid: uuid,
        clusterId: Type.Union([Type.String(), Type.Null()]),
        /** Random, a process: two live processes with one uuid are told apart by it. */
        bootNonce: Type.String({ minLength: 1, maxLength: 64 }),
        host: Type.String({ minLength: 1, maxLength: 255 }),
        port: Type.Integer({ minimum: 1, maximum: 65535 }),
        softwareVersion: Type.String({ maxLength: 64 }),
        // More than a node may have, so that it is told that.
        storages: Type.Array(storageReportSchema, { maxItems: 1024 }),
        failedVolumes,
      },
      strict,
    ),
    Type.Object({ clusterId: Type.String(), name: Type.String(), epoch, heartbeatIntervalMs: Type.Integer({ minimum: 1 }), blockReportIntervalMs: Type.Integer({ minimum: 1 }) }, strict),
  ),
  'datanode.sendHeartbeat': query(
    'Still here; brings back the commands',
    Type.Object(
      {
        ...sender,
        storages: Type.Array(storageReportSchema, { maxItems: 64 }),
        failedVolumes,
        transferCount: byteCountSchema,
        receivedBytesPerSecond: Type.Number({ minimum: 0 }),
        sentBytesPerSecond: Type.Number({ minimum: 0 }),
        /** Copies that this node makes by command: how far they are, for the repair bars. */
        replications: Type.Array(Type.Object({ blockId: blockIdSchema, doneBytes: byteCountSchema, totalBytes: byteCountSchema }, strict), { maxItems: 64 }),
        /** Of the last minutes: how long it waited for others that were the last of a pipeline. Absent: as it told last. */
        peerWaits: Type.Optional(Type.Array(peerWaitSchema, { maxItems: 64 })),
      },
      strict,
    ),
    Type.Object({ commands: Type.Array(datanodeCommandSchema) }, strict),
  ),
  'datanode.blockReport': query(
    'A slice of all finalized replicas of a storage, in rising order of block id; the last slice makes the report count',
    Type.Object(
      {
        ...sender,
        storageId: uuid,
        /** Rises from report to report of this process; slices of an older report are ignored. */
        reportId: Type.Integer({ minimum: 1 }),
        sliceIndex: Type.Integer({ minimum: 0 }),
        isLast: Type.Boolean(),
        /** base64 of little-endian Float64 triples: block id, generation stamp, length in bytes. At most 65,536 triples. */
        replicas: Type.String({ maxLength: 2_100_000 }),
      },
      strict,
    ),
    Type.Null(),
  ),
  'datanode.blockReceivedAndDeleted': query(
    'Replicas that came and went since the last such message, in order',
    Type.Object(
      {
        ...sender,
        firstNotice,
        events: Type.Array(
          Type.Object({ storageId: uuid, kind: Type.Union([Type.Literal('received'), Type.Literal('deleted')]), block: blockSchema }, strict),
          { maxItems: 10_000 },
        ),
      },
      strict,
    ),
    Type.Null(),
  ),
  'datanode.reportCorrupt': query(
    'Replicas that this node itself found rotten or unreadable, and put aside (`isQuarantined`) so that a good copy may take their place',
    Type.Object({ ...sender, firstNotice, replicas: Type.Array(Type.Object({ storageId: uuid, block: blockSchema, isQuarantined: Type.Boolean(), reason: Type.String({ maxLength: 500 }) }, strict), { minItems: 1, maxItems: 1000 }) }, strict),
    Type.Null(),
  ),
  'datanode.reportIntact': query(
    'Replicas that a reader had called rotten and that passed their checksums here',
    Type.Object({ ...sender, firstNotice, replicas: Type.Array(Type.Object({ storageId: uuid, block: blockSchema }, strict), { minItems: 1, maxItems: 1000 }) }, strict),
    Type.Null(),
  ),
  'datanode.reportAbandoned': query(
    'Replicas that nobody has written for a long time, and that were never finalized. They stay, unless the name node orders their deletion',
    Type.Object({ ...sender, replicas: Type.Array(blockSchema, { minItems: 1, maxItems: 1000 }) }, strict),
    Type.Null(),
  ),
  ...blockSynchronizationProtocol,
};
export type DatanodeProtocol = typeof datanodeProtocol;

/** What a data node itself serves (Hadoop: ClientDatanodeProtocol). Block bytes go over the block stream, never here. */
export const datanodeServiceProtocol = {
  ...replicaRecoveryProtocol,
  'node.getInfo': query(
    'Who this is and what it holds',
    Type.Object({}, strict),
    Type.Object(
      {
        role: Type.Literal('datanode'),
        datanodeUuid: Type.String(),
        name: Type.Union([Type.String(), Type.Null()]),
        clusterId: Type.Union([Type.String(), Type.Null()]),
        address: Type.String(),
        softwareVersion: Type.String(),
        upTimeMs: byteCountSchema,
        isRegistered: Type.Boolean(),
        storages: Type.Array(storageReportSchema),
        failedVolumes,
        /** How far the scanner is in its present pass, or was in the last one. */
        scans: Type.Optional(
          Type.Array(
            Type.Object(
              {
                storageId: uuid,
                startedMs: timeSchema,
                lastBlockId: byteCountSchema,
                isFinished: Type.Boolean(),
                checkedCount: byteCountSchema,
                checkedBytes: byteCountSchema,
                rottenCount: byteCountSchema,
              },
              strict,
            ),
          ),
        ),
      },
      strict,
    ),
  ),
  'replica.getInfo': query(
    'A replica of this node; null if it has none. InputOutputError if it has none that it can see, and one of its disks is out of use',
    Type.Object({ blockId: blockIdSchema }, strict),
    Type.Union([
      Type.Object(
        {
          block: blockSchema,
          storageId: uuid,
          state: Type.Union([Type.Literal('finalized'), Type.Literal('being-written'), Type.Literal('quarantined')]),
          /** Bytes that a reader may see. */
          visibleLengthBytes: byteCountSchema,
        },
        strict,
      ),
      Type.Null(),
    ]),
  ),
  'replica.getChecksum': query(
    'MD5 of the CRC-32C of each 512 bytes of the first `lengthBytes`, from verified bytes: what HDFS\'s file checksum is made of',
    Type.Object({ block: blockSchema, token: Type.String(), bytesPerCrc: Type.Integer({ minimum: 1, maximum: 1 << 20 }) }, strict),
    Type.Object({ md5: Type.String(), generationStamp: generationStampSchema }, strict),
  ),
};
export type DatanodeServiceProtocol = typeof datanodeServiceProtocol;
