import type { Clock } from '../base/clock.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import type { Balancer } from './balancer.js';
import type { BlockManager } from './block-manager.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { RepairPlanner } from './repair-planner.js';
import type { RepairProgress } from './repair-progress.js';
import type { SafeMode } from './safe-mode.js';

export interface HealthParts {
  clock: Clock;
  clusterId: string;
  /** host:port */
  nameNode: string;
  redundancy: BlockRedundancy;
  blocks: BlockManager;
  planner: RepairPlanner;
  progress: RepairProgress;
  safeMode: SafeMode;
  balancer: Balancer;
  countInodes: () => { fileCount: number; directoryCount: number };
  /** Why the store takes no changes; undefined while it does. */
  readOnlyReason?: (() => string | undefined) | undefined;
}

const maxShownTransfers = 64;

/** Answers what the panel, `report` and `/healthz` show, from counts that are kept up to date: the cost does not grow with the blocks. */
export function createHealth(parts: HealthParts): () => ClusterHealth {
  const startMs = parts.clock.monotonicMs();
  return () => {
    const { redundancy, planner, safeMode, progress } = parts;
    const { queue, map } = redundancy;
    const { missingCount, underReplicatedCount } = queue;
    const datanodes = redundancy.datanodes.reports();
    const readOnlyReason = parts.readOnlyReason?.();
    const isDegraded = readOnlyReason !== undefined || missingCount > 0 || underReplicatedCount > 0 || redundancy.rottenCount > 0 || datanodes.some(({ state, adminState }) => state !== 'live' && adminState !== 'decommissioned' && adminState !== 'in-maintenance');
    const transfers: ClusterHealth['repair']['transfers'] = [];
    for (const copy of planner.pending) {
      if (transfers.length >= maxShownTransfers) break;
      transfers.push({ blockId: copy.blockId, source: copy.source.name, target: copy.target.name, doneBytes: copy.doneBytes, totalBytes: copy.lengthBytes });
    }
    return {
      clusterId: parts.clusterId,
      nameNode: parts.nameNode,
      status: safeMode.isOn ? 'SAFE MODE' : isDegraded ? 'DEGRADED' : 'HEALTHY',
      upTimeMs: Math.round(parts.clock.monotonicMs() - startMs),
      timeMs: Math.round(parts.clock.nowMs()),
      ...(readOnlyReason === undefined ? {} : { readOnlyReason }),
      safeMode: { isOn: safeMode.isOn, reason: safeMode.reason, reportedBlocks: redundancy.completeCount - missingCount, totalBlocks: redundancy.completeCount },
      ...parts.blocks.spaceStatus(),
      ...parts.countInodes(),
      blocks: {
        total: map.size,
        underReplicated: underReplicatedCount,
        missing: missingCount,
        missingWithReplicationOne: queue.missingWithReplicationOneCount,
        corrupt: redundancy.rottenCount,
        badlyPlaced: queue.badlyPlacedCount,
        highestPriority: queue.highestPriorityCount,
        pendingReplication: planner.pendingCount,
        pendingDeletion: parts.blocks.pendingDeletionCount(),
      },
      repair: { ...progress.counts(), bytesPerSecond: progress.bytesPerSecond, transfers },
      balancer: parts.balancer.status(),
      datanodes,
    };
  };
}
