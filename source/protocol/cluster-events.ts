import { type Static, Type } from '@sinclair/typebox';
import { byteCountSchema, timeSchema } from './schemas.js';

const strict = { additionalProperties: false } as const;
const rate = Type.Number({ minimum: 0 });

/**
 * What its administrator wants of a data node, and how far that is (Hadoop: DatanodeInfo.AdminStates). It serves reads in every one.
 *   decommissioning: its blocks are being copied elsewhere; decommissioned: it is not needed any more.
 *   entering-maintenance: its blocks are being made safe without it; in-maintenance: it may go away for a while.
 */
export const adminStateSchema = Type.Union([Type.Literal('normal'), Type.Literal('decommissioning'), Type.Literal('decommissioned'), Type.Literal('entering-maintenance'), Type.Literal('in-maintenance')]);
export type AdminState = Static<typeof adminStateSchema>;

/** A data node that others wait for out of the ordinary: milliseconds a packet, and what is usual. */
export const slowVerdictSchema = Type.Object({ waitMs: rate, usualMs: rate, reporterCount: byteCountSchema }, strict);
export type SlowVerdict = Static<typeof slowVerdictSchema>;

/** A data node as the name node sees it now. */
export const datanodeReportSchema = Type.Object(
  {
    datanodeUuid: Type.String(),
    /** dn1..dnN */
    name: Type.String(),
    /** host:port of its one listener */
    address: Type.String(),
    rack: Type.String(),
    state: Type.Union([Type.Literal('live'), Type.Literal('stale'), Type.Literal('dead')]),
    adminState: adminStateSchema,
    /** What it waits for, in words for a person; '' for nothing. */
    adminNote: Type.String(),
    /** Blocks that must be copied before it is decommissioned, or in maintenance. */
    adminPendingBlocks: byteCountSchema,
    /** Until its maintenance ends by itself; null: never, or it is in none. */
    maintenanceRemainingMs: Type.Union([byteCountSchema, Type.Null()]),
    capacityBytes: byteCountSchema,
    usedBytes: byteCountSchema,
    nonDfsUsedBytes: byteCountSchema,
    remainingBytes: byteCountSchema,
    blockCount: byteCountSchema,
    /** Block operations in progress. */
    transferCount: byteCountSchema,
    receivedBytesPerSecond: rate,
    sentBytesPerSecond: rate,
    /** ms since its last heartbeat, on the name node's monotonic clock */
    sinceHeartbeatMs: byteCountSchema,
    lastHeartbeatTimeMs: timeSchema,
    /** 0: none yet */
    lastBlockReportTimeMs: timeSchema,
    /** Storage directories that are out of use, if there are any. */
    failedVolumes: Type.Optional(Type.Array(Type.Object({ directory: Type.String(), reason: Type.String() }, strict))),
    /** Its disk or its network is much slower than others', as its peers measure it in pipelines; absent if not. */
    slow: Type.Optional(slowVerdictSchema),
  },
  strict,
);
export type DatanodeReport = Static<typeof datanodeReportSchema>;

/** A copy that repair has ordered and not seen arrive. */
export const repairTransferSchema = Type.Object(
  { blockId: Type.Integer(), source: Type.String(), target: Type.String(), doneBytes: byteCountSchema, totalBytes: byteCountSchema },
  strict,
);

/** The balancer: as it runs, or as its last run ended. */
export const balancerStatusSchema = Type.Object(
  {
    isRunning: Type.Boolean(),
    /** Rises with each run of this life of the name node; 0: none yet. */
    run: Type.Integer({ minimum: 0 }),
    thresholdPercent: Type.Number({ minimum: 0, maximum: 100 }),
    /** `no-block`: it is not balanced, and no block can be moved to make it so. */
    outcome: Type.Union([Type.Literal('none'), Type.Literal('balanced'), Type.Literal('no-block'), Type.Literal('stopped')]),
    startedTimeMs: timeSchema,
    durationMs: byteCountSchema,
    movedBlocks: byteCountSchema,
    movedBytes: byteCountSchema,
    movingBytes: byteCountSchema,
    /** At least so many have to be moved still. */
    leftBytes: byteCountSchema,
  },
  strict,
);
export type BalancerStatus = Static<typeof balancerStatusSchema>;

/** What the panel, `report`, `cluster status` and `/healthz` show. Served by cluster.getHealth, and by the feed every second. */
export const clusterHealthSchema = Type.Object(
  {
    clusterId: Type.String(),
    nameNode: Type.String(),
    status: Type.Union([Type.Literal('HEALTHY'), Type.Literal('DEGRADED'), Type.Literal('SAFE MODE')]),
    upTimeMs: byteCountSchema,
    timeMs: timeSchema,
    /** Why the name node takes no changes though it is not in safe mode: its disk has too little space. Absent while it does. */
    readOnlyReason: Type.Optional(Type.String()),
    safeMode: Type.Object({ isOn: Type.Boolean(), reason: Type.String(), reportedBlocks: byteCountSchema, totalBlocks: byteCountSchema }, strict),
    capacityBytes: byteCountSchema,
    usedBytes: byteCountSchema,
    remainingBytes: byteCountSchema,
    fileCount: byteCountSchema,
    directoryCount: byteCountSchema,
    blocks: Type.Object(
      {
        total: byteCountSchema,
        underReplicated: byteCountSchema,
        /** No good replica on any live node. */
        missing: byteCountSchema,
        missingWithReplicationOne: byteCountSchema,
        /** Blocks with at least one rotten replica. */
        corrupt: byteCountSchema,
        /** With enough copies, all on one rack while there are more. */
        badlyPlaced: byteCountSchema,
        /** Under-replicated with one good copy left. */
        highestPriority: byteCountSchema,
        pendingReplication: byteCountSchema,
        pendingDeletion: byteCountSchema,
      },
      strict,
    ),
    /** The repair that runs: since its queue was last empty. `totalBlocks` 0: none. */
    repair: Type.Object({ doneBlocks: byteCountSchema, totalBlocks: byteCountSchema, bytesPerSecond: rate, transfers: Type.Array(repairTransferSchema, { maxItems: 64 }) }, strict),
    balancer: balancerStatusSchema,
    datanodes: Type.Array(datanodeReportSchema),
  },
  strict,
);
export type ClusterHealth = Static<typeof clusterHealthSchema>;

/**
 * Something that happened in the cluster: a line for people (`dn3 DEAD, 214 blocks under-replicated, 0 missing`) with its kind.
 * `id` rises by one within a name node's life; a reader that reconnects says the last one it saw.
 */
export interface ClusterEvent {
  id: number;
  timeMs: number;
  level: 'info' | 'warn' | 'error';
  kind:
    | 'node-registered'
    | 'node-stale'
    | 'node-dead'
    | 'node-live'
    | 'node-administration'
    | 'safe-mode'
    | 'repair-started'
    | 'repair-finished'
    | 'balancer'
    | 'storage-failed'
    | 'replica-corrupt'
    | 'block-missing'
    | 'name-node-started';
  /** dn1, where the event is about a node. */
  node?: string;
  message: string;
}

/** The feed, over server-sent events at GET /events: `event: health` with ClusterHealth, `event: cluster` with ClusterEvent. */
export type FeedItem = { type: 'health'; health: ClusterHealth } | { type: 'cluster'; event: ClusterEvent };

/** Where a node's /events gets its items: calls `listener` for what is new, and first for events after `afterId` that are still kept. */
export interface FeedSource {
  subscribe(listener: (item: FeedItem) => void, afterId?: number): () => void;
}
