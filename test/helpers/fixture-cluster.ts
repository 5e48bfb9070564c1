import type { ClusterHealth, DatanodeReport } from '../../source/protocol/cluster-events.js';

const tebibyte = 1024 ** 4;

export function fixtureNode(name: string, changes: Partial<DatanodeReport> = {}): DatanodeReport {
  return {
    datanodeUuid: `uuid-${name}`,
    name,
    address: `127.0.0.1:98${name.slice(2).padStart(2, '0')}`,
    rack: '/default-rack',
    state: 'live',
    adminState: 'normal',
    adminNote: '',
    adminPendingBlocks: 0,
    maintenanceRemainingMs: null,
    capacityBytes: tebibyte / 2,
    usedBytes: Math.round(0.41 * (tebibyte / 2)),
    nonDfsUsedBytes: 0,
    remainingBytes: Math.round(0.59 * (tebibyte / 2)),
    blockCount: 1702,
    transferCount: 0,
    receivedBytesPerSecond: 0,
    sentBytesPerSecond: 0,
    sinceHeartbeatMs: 600,
    lastHeartbeatTimeMs: 1_795_366_327_000,
    lastBlockReportTimeMs: 1_795_366_327_000,
    ...changes,
  };
}

/** A healthy cluster of four, as in the design's first picture. */
export function fixtureHealth(changes: Partial<ClusterHealth> = {}): ClusterHealth {
  return {
    clusterId: 'fixture',
    nameNode: '127.0.0.1:9870',
    status: 'HEALTHY',
    upTimeMs: 3_600_000,
    timeMs: 1_795_366_327_000,
    safeMode: { isOn: false, reason: '', reportedBlocks: 0, totalBlocks: 0 },
    capacityBytes: 2 * tebibyte,
    usedBytes: Math.round(0.38 * 2 * tebibyte),
    remainingBytes: Math.round(0.62 * 2 * tebibyte),
    fileCount: 1812,
    directoryCount: 204,
    blocks: { total: 6204, underReplicated: 0, missing: 0, missingWithReplicationOne: 0, corrupt: 0, badlyPlaced: 0, highestPriority: 0, pendingReplication: 0, pendingDeletion: 0 },
    repair: { doneBlocks: 0, totalBlocks: 0, bytesPerSecond: 0, transfers: [] },
    balancer: { isRunning: false, run: 0, thresholdPercent: 10, outcome: 'none', startedTimeMs: 0, durationMs: 0, movedBlocks: 0, movedBytes: 0, movingBytes: 0, leftBytes: 0 },
    datanodes: [
      fixtureNode('dn1', { receivedBytesPerSecond: 12_000_000 }),
      fixtureNode('dn2', { usedBytes: Math.round(0.37 * (tebibyte / 2)) }),
      fixtureNode('dn3', { usedBytes: Math.round(0.33 * (tebibyte / 2)) }),
      fixtureNode('dn4', { usedBytes: Math.round(0.4 * (tebibyte / 2)), sentBytesPerSecond: 3_000_000 }),
    ],
    ...changes,
  };
}

/** The same cluster after dn3 died, in the middle of its repair. */
export function fixtureDegradedHealth(): ClusterHealth {
  const healthy = fixtureHealth();
  return {
    ...healthy,
    status: 'DEGRADED',
    blocks: { ...healthy.blocks, underReplicated: 43 },
    repair: {
      doneBlocks: 171,
      totalBlocks: 214,
      bytesPerSecond: 96 * 1024 ** 2,
      transfers: [
        { blockId: 1073, source: 'dn1', target: 'dn2', doneBytes: 74, totalBytes: 100 },
        { blockId: 1088, source: 'dn4', target: 'dn1', doneBytes: 31, totalBytes: 100 },
      ],
    },
    datanodes: [
      fixtureNode('dn1', { usedBytes: Math.round(0.46 * (tebibyte / 2)), sentBytesPerSecond: 48_000_000 }),
      fixtureNode('dn2', { usedBytes: Math.round(0.43 * (tebibyte / 2)), receivedBytesPerSecond: 51_000_000 }),
      fixtureNode('dn3', { state: 'dead', sinceHeartbeatMs: 42_000 }),
      fixtureNode('dn4', { usedBytes: Math.round(0.44 * (tebibyte / 2)), sentBytesPerSecond: 47_000_000 }),
    ],
  };
}
