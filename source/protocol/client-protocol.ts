import { Type } from '@sinclair/typebox';
import { mutation, query } from './method.js';
import { reopenProtocol } from './reopen-protocol.js';
import { balancerStatusSchema, clusterHealthSchema, datanodeReportSchema } from './cluster-events.js';
import {
  blockSchema,
  blockSizeSchema,
  byteCountSchema,
  callIdSchema,
  fileStatusSchema,
  fileStatusTupleSchema,
  inodeIdSchema,
  locatedBlockSchema,
  nameSchema,
  offsetSchema,
  pathSchema,
  permissionSchema,
  replicaLocationSchema,
  replicationSchema,
  storageIdSchema,
  timeSchema,
} from './schemas.js';

const strict = { additionalProperties: false } as const;
const callId = Type.Optional(callIdSchema);
const uuid = Type.String({ minLength: 1, maxLength: 64 });

/** A block as its writer left it, with the replicas that confirmed all of it (durably, unless durable_close is off). */
export const writtenBlockSchema = Type.Object({ block: blockSchema, replicas: Type.Array(Type.Object({ datanodeUuid: uuid, storageId: storageIdSchema }, strict), { maxItems: 512 }) }, strict);

/**
 * What a client asks of the name node (Hadoop: ClientProtocol). Errors are those of errors.ts; every mutating call is one
 * durable transaction, answered after it is on disk.
 */
export const clientProtocol = {
  'fs.getServerDefaults': query(
    'What applies where a client does not say otherwise',
    Type.Object({}, strict),
    Type.Object(
      {
        clusterId: Type.String(),
        blockSizeBytes: blockSizeSchema,
        replication: replicationSchema,
        minReplication: replicationSchema,
        trashIntervalMinutes: Type.Integer({ minimum: 0 }),
        /** False: close() may answer before the replicas are on disk (HDFS's default). */
        isDurableClose: Type.Boolean(),
        softLeaseLimitMs: Type.Integer({ minimum: 1 }),
        supergroup: Type.String(),
      },
      strict,
    ),
  ),
  'fs.getFileInfo': query('Status of a file or directory; null if there is none', Type.Object({ path: pathSchema }, strict), Type.Union([fileStatusSchema, Type.Null()])),
  'fs.getListing': query(
    'A page of a directory in the order of the names\' bytes; of a file, the file itself under an empty name',
    Type.Object({ path: pathSchema, startAfter: Type.Optional(Type.String({ maxLength: 255 })), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })) }, strict),
    Type.Object({ entries: Type.Array(fileStatusTupleSchema), hasMore: Type.Boolean() }, strict),
  ),
  'fs.getContentSummary': query(
    'Directories (itself too), files and bytes below a path',
    Type.Object({ path: pathSchema }, strict),
    Type.Object({ directoryCount: byteCountSchema, fileCount: byteCountSchema, lengthBytes: byteCountSchema, spaceConsumedBytes: byteCountSchema }, strict),
  ),
  'fs.getBlockLocations': query(
    'The blocks that hold a range of a file, at most 1,000 a call, with their replicas in the order to try them',
    Type.Object(
      {
        path: pathSchema,
        offsetBytes: offsetSchema,
        lengthBytes: byteCountSchema,
        /** Dead, corrupt and excess replicas too, marked (fsck). */
        allReplicas: Type.Optional(Type.Boolean()),
      },
      strict,
    ),
    Type.Object({ file: fileStatusSchema, blocks: Type.Array(locatedBlockSchema), hasMore: Type.Boolean() }, strict),
  ),
  'fs.checkAccess': query('Nothing if the caller may do all of `actions` there, else PermissionDeniedError', Type.Object({ path: pathSchema, actions: Type.String({ pattern: '^[rwx]{1,3}$' }) }, strict), Type.Null()),
  'fs.getStatus': query(
    'Space of the file system',
    Type.Object({}, strict),
    Type.Object({ capacityBytes: byteCountSchema, usedBytes: byteCountSchema, remainingBytes: byteCountSchema }, strict),
  ),
  'fs.create': mutation(
    'Creates a file under construction with the caller as its lease holder, and its first block if asked',
    Type.Object(
      {
        path: pathSchema,
        /** Before the umask of the client; the name node takes it as it is. */
        permission: permissionSchema,
        overwrite: Type.Boolean(),
        createParents: Type.Boolean(),
        replication: Type.Optional(replicationSchema),
        blockSizeBytes: Type.Optional(blockSizeSchema),
        /** Deleted, not closed, when its lease ends: `put` writes such a file and renames it by complete. */
        temporary: Type.Optional(Type.Boolean()),
        withBlock: Type.Optional(Type.Boolean()),
        excluded: Type.Optional(Type.Array(uuid, { maxItems: 1000 })),
        callId,
      },
      strict,
    ),
    Type.Object({ file: fileStatusSchema, block: Type.Union([locatedBlockSchema, Type.Null()]) }, strict),
  ),
  'fs.addBlock': mutation(
    'Commits the previous block and allocates the next one',
    Type.Object(
      {
        inodeId: inodeIdSchema,
        /** Null for the first block. */
        previous: Type.Union([writtenBlockSchema, Type.Null()]),
        blockIndex: Type.Integer({ minimum: 0 }),
        /** Uuids of data nodes that the client could not use. */
        excluded: Type.Array(uuid, { maxItems: 1000 }),
        callId,
      },
      strict,
    ),
    locatedBlockSchema,
  ),
  'fs.abandonBlock': mutation('Gives back the last, unwritten block of a file', Type.Object({ inodeId: inodeIdSchema, block: blockSchema, callId }, strict), Type.Null()),
  'fs.updateBlockForPipeline': mutation(
    'A fresh generation stamp for the block under construction, for the pipeline that replaces a failed one',
    Type.Object({ inodeId: inodeIdSchema, block: blockSchema, callId }, strict),
    Type.Object({ generationStamp: Type.Integer({ minimum: 1 }), token: Type.String() }, strict),
  ),
  'fs.updatePipeline': mutation(
    'Makes the new generation and its replicas the block: older replicas are stale from here on',
    Type.Object({ inodeId: inodeIdSchema, previous: blockSchema, written: writtenBlockSchema, callId }, strict),
    Type.Null(),
  ),
  'fs.getAdditionalDatanodes': query(
    'More targets for a block under construction',
    Type.Object({ inodeId: inodeIdSchema, block: blockSchema, existing: Type.Array(uuid, { maxItems: 512 }), excluded: Type.Array(uuid, { maxItems: 1000 }), count: Type.Integer({ minimum: 1, maximum: 512 }) }, strict),
    Type.Array(replicaLocationSchema),
  ),
  'fs.complete': mutation(
    'Commits the last block and closes the file; renames it in the same transaction if asked',
    Type.Object(
      {
        inodeId: inodeIdSchema,
        /** Null for an empty file. */
        last: Type.Union([writtenBlockSchema, Type.Null()]),
        renameTo: Type.Optional(Type.Object({ path: pathSchema, overwrite: Type.Boolean() }, strict)),
        /** Set with the file's close, so that `put -p` needs no further call. */
        modificationTimeMs: Type.Optional(timeSchema),
        accessTimeMs: Type.Optional(timeSchema),
        callId,
      },
      strict,
    ),
    fileStatusSchema,
  ),
  ...reopenProtocol,
  'fs.renewLease': query('Keeps the leases of this client; answers how many files it has open', Type.Object({}, strict), Type.Object({ openFileCount: Type.Integer() }, strict)),
  'fs.mkdirs': mutation(
    'Creates a directory; true if it was not there. With createParents an existing directory is fine',
    Type.Object({ path: pathSchema, permission: permissionSchema, createParents: Type.Boolean(), callId }, strict),
    Type.Boolean(),
  ),
  'fs.rename': mutation(
    'Renames; the target is the final path, not a directory to put it into. Over an existing target only with overwrite, and then only a file, or an empty directory by a directory',
    Type.Object({ source: pathSchema, target: pathSchema, overwrite: Type.Optional(Type.Boolean()), callId }, strict),
    Type.Null(),
  ),
  'fs.delete': mutation(
    'Deletes; false if there was nothing. A directory that is not empty needs recursive. With inodeId, only if it is still this one; with isOwnWrite, only a file that the caller itself is writing',
    Type.Object({ path: pathSchema, recursive: Type.Boolean(), inodeId: Type.Optional(inodeIdSchema), isOwnWrite: Type.Optional(Type.Literal(true)), callId }, strict),
    Type.Boolean(),
  ),
  'fs.setPermission': mutation('Mode bits', Type.Object({ path: pathSchema, permission: permissionSchema, callId }, strict), Type.Null()),
  'fs.setOwner': mutation('Owner, group or both', Type.Object({ path: pathSchema, owner: Type.Optional(nameSchema), group: Type.Optional(nameSchema), callId }, strict), Type.Null()),
  'fs.setTimes': mutation('Times; one left out stays', Type.Object({ path: pathSchema, modificationTimeMs: Type.Optional(timeSchema), accessTimeMs: Type.Optional(timeSchema), callId }, strict), Type.Null()),
  'fs.setReplication': mutation('Copies wanted of a file; false for a directory', Type.Object({ path: pathSchema, replication: replicationSchema, callId }, strict), Type.Boolean()),
  'block.reportBadReplicas': query(
    'Replicas whose bytes failed their checksums at a reader: they are checked, replaced and then deleted',
    Type.Object({ replicas: Type.Array(Type.Object({ block: blockSchema, datanodeUuid: uuid, storageId: storageIdSchema }, strict), { minItems: 1, maxItems: 1000 }) }, strict),
    Type.Null(),
  ),
  'cluster.getDatanodes': query('Every data node that ever registered', Type.Object({}, strict), Type.Array(datanodeReportSchema)),
  'cluster.getHealth': query('What the live panel shows', Type.Object({}, strict), clusterHealthSchema),
  'cluster.setNodeState': mutation(
    'What is wanted of a data node, durably: to be emptied, to go away for a while, or to be as any other. Needs the superuser; answers at once, with how it stands',
    Type.Object(
      {
        /** dn2, or host:port */
        node: Type.String({ minLength: 1, maxLength: 300 }),
        state: Type.Union([Type.Literal('normal'), Type.Literal('decommissioned'), Type.Literal('in-maintenance')]),
        /** Of a maintenance: until it ends by itself. Without it, when `normal` is asked for. */
        durationMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 * 365 * 86_400_000 })),
        callId,
      },
      strict,
    ),
    datanodeReportSchema,
  ),
  'cluster.balance': mutation(
    'Asks for the balancer, starts it (or changes its threshold), or stops it; all but asking needs the superuser. It does not outlive the name node',
    Type.Object({ action: Type.Union([Type.Literal('get'), Type.Literal('start'), Type.Literal('stop')]), thresholdPercent: Type.Optional(Type.Number({ minimum: 0.1, maximum: 100 })) }, strict),
    balancerStatusSchema,
  ),
  'cluster.setSafeMode': mutation(
    'Asks for or changes safe mode; changing it needs the superuser',
    Type.Object({ action: Type.Union([Type.Literal('get'), Type.Literal('enter'), Type.Literal('leave'), Type.Literal('forceExit')]) }, strict),
    Type.Object({ isOn: Type.Boolean(), reason: Type.String() }, strict),
  ),
  'cluster.saveNamespace': mutation(
    'Writes a backup of the name space beside its store, in safe mode, for the superuser; `path` is one of the name node\'s machine',
    Type.Object({}, strict),
    Type.Object({ path: Type.String(), sizeBytes: byteCountSchema, lastEditId: Type.Integer() }, strict),
  ),
};
export type ClientProtocol = typeof clientProtocol;
