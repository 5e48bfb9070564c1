import { Type } from '@sinclair/typebox';

/**
 * The shared pieces of every message's schema. TypeBox schemas are JSON Schema: the same objects give the TypeScript
 * types, the validation at the boundary and the OpenRPC document. Only servers load this file: clients import its types alone,
 * so that a one-shot command does not pay for TypeBox at its start.
 */
export const maxInteger = Number.MAX_SAFE_INTEGER;

/** Ids of inodes, blocks and edits, and generation stamps: below 2^53, durable, never reused. */
export const inodeIdSchema = Type.Integer({ minimum: 1, maximum: maxInteger });
export const blockIdSchema = Type.Integer({ minimum: 1, maximum: maxInteger });
export const generationStampSchema = Type.Integer({ minimum: 1, maximum: maxInteger });
export const byteCountSchema = Type.Integer({ minimum: 0, maximum: maxInteger });
export const offsetSchema = Type.Integer({ minimum: 0, maximum: maxInteger });
export const timeSchema = Type.Integer({ minimum: 0, maximum: maxInteger, description: 'milliseconds since 1970' });

/** An absolute path. What is allowed in one is checked by the name node (base/path.ts), which answers with a typed error. */
export const pathSchema = Type.String({ minLength: 1, maxLength: 8000, description: 'absolute path' });
/** Mode bits 0 to 0o1777: the sticky bit and rwx for owner, group, others. */
export const permissionSchema = Type.Integer({ minimum: 0, maximum: 0o1777, description: 'mode bits, the sticky bit included' });
export const replicationSchema = Type.Integer({ minimum: 1, maximum: 512 });
export const blockSizeSchema = Type.Integer({ minimum: 1, maximum: 2 ** 40, description: 'bytes' });
export const nameSchema = Type.String({ minLength: 1, maxLength: 255 });
/**
 * Chosen by the client, rising: with the client id of the connection it names one call, whatever the number of tries.
 * The stored outcome answers every later try; the same id with another call is refused (CallIdReusedError).
 */
export const callIdSchema = Type.Integer({ minimum: 1, maximum: maxInteger });

/**
 * A Block is logical: a numbered piece of a file. A Replica is one copy of it on one data node.
 * (cluster id, block id, generation stamp, length) names a replica's content.
 */
export const blockSchema = Type.Object({ blockId: blockIdSchema, generationStamp: generationStampSchema, lengthBytes: byteCountSchema }, { additionalProperties: false });

/**
 * The storage directory of a replica. '' where it is not known: a data node that has not registered since the name node's start has told of none.
 * Whoever got '' as the place of a replica may say so of that replica: its node tells better.
 */
export const storageIdSchema = Type.String({ maxLength: 64 });

/** Where a replica is, or is to be. `name` is the one shown to people (dn1). `address` is host:port of the node's one listener. */
export const replicaLocationSchema = Type.Object(
  {
    datanodeUuid: Type.String(),
    storageId: storageIdSchema,
    name: Type.String(),
    address: Type.String(),
    rack: Type.String(),
    state: Type.Union([Type.Literal('live'), Type.Literal('stale'), Type.Literal('dead')]),
    /** Left out while it is `normal`: see adminStateSchema. */
    adminState: Type.Optional(Type.Union([Type.Literal('decommissioning'), Type.Literal('decommissioned'), Type.Literal('entering-maintenance'), Type.Literal('in-maintenance')])),
    /** Set by calls that ask for all replicas (fsck): known to be rotten. */
    isCorrupt: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/** A block with its place in the file and its replicas: nearest first, live before stale; empty if none is reported. */
export const locatedBlockSchema = Type.Object(
  {
    block: blockSchema,
    /** Index of the block in its file, from 0. */
    blockIndex: Type.Integer({ minimum: 0 }),
    /** Where the block begins in its file, bytes. */
    offsetBytes: offsetSchema,
    locations: Type.Array(replicaLocationSchema),
    /** Opaque: goes with every block operation. */
    token: Type.String(),
    /**
     * The last block of a file that is being written or recovered (but not of one that is being cut, which is as long as it will be): its locations are where it should be, its length what the name node
     * knows of it (0 at first). How much may be read of it a data node tells (`replica.getInfo`).
     */
    isUnderConstruction: Type.Optional(Type.Literal(true)),
    /** Of one under construction: a data node that is dead, and so not among its locations, may have some of it. */
    mayBeElsewhere: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
);

/** What is known of a file or directory without its blocks (HdfsFileStatus). */
export const fileStatusSchema = Type.Object(
  {
    /** The last name of the path; '' for the root. */
    name: Type.String(),
    inodeId: inodeIdSchema,
    type: Type.Union([Type.Literal('file'), Type.Literal('directory')]),
    /** 0 for a directory; for a file under construction what its finished blocks hold. */
    lengthBytes: byteCountSchema,
    /** Copies wanted of each block; 0 for a directory. */
    replication: Type.Integer({ minimum: 0, maximum: 512 }),
    /** 0 for a directory. */
    blockSizeBytes: byteCountSchema,
    modificationTimeMs: timeSchema,
    accessTimeMs: timeSchema,
    permission: permissionSchema,
    owner: Type.String(),
    group: Type.String(),
    isUnderConstruction: Type.Boolean(),
  },
  { additionalProperties: false },
);

/** FileStatus as a tuple, in a listing: half the bytes and half the time of objects. Field order as in fileStatusSchema. */
export const fileStatusTupleSchema = Type.Tuple([
  Type.String(),
  inodeIdSchema,
  Type.Integer({ minimum: 0, maximum: 2, description: '0 file, 1 directory, 2 file under construction' }),
  byteCountSchema,
  Type.Integer({ minimum: 0 }),
  byteCountSchema,
  timeSchema,
  timeSchema,
  permissionSchema,
  Type.String(),
  Type.String(),
]);
