import type { ClusterHealth } from '../protocol/cluster-events.js';
import type { LeaseManager } from './lease-manager.js';
import type { Namespace } from './namespace.js';

/** One sample for /metrics; samples of one name stand together. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export function nameNodeMetrics(parts: { health: ClusterHealth; namespace: Namespace; leases: LeaseManager; calls: ReadonlyMap<string, number> }): Metric[] {
  const { health, namespace, leases, calls } = parts;
  const { counters } = namespace;
  const metrics: Metric[] = [];
  const gauge = (name: string, help: string, value: number) => metrics.push({ name: `dfsh_namenode_${name}`, help, type: 'gauge', value });
  gauge('files', 'Files in the name space.', counters.fileCount);
  gauge('directories', 'Directories in the name space, the root too.', counters.directoryCount);
  gauge('files_under_construction', 'Files that somebody writes.', leases.fileCount);
  gauge('lease_holders', 'Clients that write files.', leases.holderCount);
  gauge('pending_deletions', 'Unlinked subtrees that wait to be reclaimed.', counters.pendingDeletionCount);
  gauge('last_edit_id', 'The last edit that is on disk.', counters.lastEditId);
  gauge('safe_mode', '1 while safe mode is on.', health.safeMode.isOn ? 1 : 0);
  gauge('up_time_seconds', 'Since the start of the name node.', health.upTimeMs / 1000);
  gauge('capacity_bytes', 'Capacity of all live data nodes.', health.capacityBytes);
  gauge('used_bytes', 'Used by replicas.', health.usedBytes);
  gauge('remaining_bytes', 'Free for replicas.', health.remainingBytes);
  gauge('blocks', 'Blocks in the name space.', health.blocks.total);
  gauge('blocks_under_replicated', 'Blocks with fewer copies than wanted.', health.blocks.underReplicated);
  gauge('blocks_missing', 'Blocks without any good copy on a live data node.', health.blocks.missing);
  gauge('blocks_corrupt', 'Blocks with a rotten copy.', health.blocks.corrupt);
  gauge('blocks_badly_placed', 'Blocks with all copies on one rack while there are more.', health.blocks.badlyPlaced);
  gauge('replications_pending', 'Copies that are ordered and have not arrived.', health.blocks.pendingReplication);
  gauge('deletions_pending', 'Replicas that wait to be deleted.', health.blocks.pendingDeletion);
  for (const state of ['live', 'stale', 'dead'] as const) {
    const value = health.datanodes.filter((node) => node.state === state).length;
    metrics.push({ name: 'dfsh_namenode_datanodes', help: 'Data nodes by state.', type: 'gauge', value, labels: { state } });
  }
  for (const state of ['decommissioning', 'decommissioned', 'entering-maintenance', 'in-maintenance'] as const) {
    const value = health.datanodes.filter((node) => node.adminState === state).length;
    metrics.push({ name: 'dfsh_namenode_datanodes_leaving', help: 'Data nodes out of service, by what their administrator wants.', type: 'gauge', value, labels: { state } });
  }
  for (const [method, value] of calls) {
    metrics.push({ name: 'dfsh_namenode_calls_total', help: 'Calls answered or refused, by method.', type: 'counter', value, labels: { method } });
  }
  return metrics;
}
