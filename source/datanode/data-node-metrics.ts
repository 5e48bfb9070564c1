import type { MetricSample } from '../transport/metrics.js';
import type { NodeCounters } from './node-counters.js';

/** A data node's numbers for /metrics. */
export function nodeMetrics(
  counters: NodeCounters,
  state: {
    packetMemoryBytes: number;
    pendingNotices: number;
    isRegistered: boolean;
    failedVolumeCount: number;
    scans: readonly { storageId: string; checkedCount: number }[];
  },
): MetricSample[] {
  const counter = (name: string, help: string, value: number): MetricSample => ({ name, help, type: 'counter', value });
  const gauge = (name: string, help: string, value: number, labels?: Record<string, string>): MetricSample => ({
    name,
    help,
    type: 'gauge',
    value,
    labels,
  });
  const operations = 'Block operations in progress.';
  return [
    counter('dfsh_datanode_received_bytes_total', 'Block bytes received.', counters.receivedBytes),
    counter('dfsh_datanode_sent_bytes_total', 'Block bytes sent to readers and to other nodes by copies.', counters.sentBytes),
    counter('dfsh_datanode_blocks_written_total', 'Replicas finalized.', counters.blocksWritten),
    counter('dfsh_datanode_blocks_read_total', 'Read operations that ended well.', counters.blocksRead),
    counter('dfsh_datanode_replicas_copied_total', 'Copies made by order of the name node.', counters.replicasCopied),
    counter('dfsh_datanode_replication_failures_total', 'Copies ordered by the name node that failed.', counters.replicationFailures),
    counter('dfsh_datanode_pipeline_failures_total', 'Write operations that broke.', counters.pipelineFailures),
    counter('dfsh_datanode_checksum_failures_total', 'Packets and replicas that differed from their checksums.', counters.checksumFailures),
    counter('dfsh_datanode_replicas_quarantined_total', 'Rotten replicas put aside.', counters.replicasQuarantined),
    counter('dfsh_datanode_replicas_deleted_total', 'Replicas deleted by order of the name node.', counters.replicasDeleted),
    counter('dfsh_datanode_scanned_replicas_total', 'Replicas read by the scanner.', counters.replicasScanned),
    counter('dfsh_datanode_scanned_bytes_total', 'Bytes read by the scanner.', counters.scannedBytes),
    counter('dfsh_datanode_scan_findings_total', 'Rotten replicas that the scanner found.', counters.scanFindings),
    counter('dfsh_datanode_scan_passes_total', 'Passes over all replicas of a storage.', counters.scanPasses),
    ...state.scans.map(({ storageId, checkedCount }) => gauge('dfsh_datanode_scan_checked_replicas', 'Replicas read in the present pass.', checkedCount, { storage: storageId })),
    gauge('dfsh_datanode_failed_volumes', 'Storage directories that are out of use.', state.failedVolumeCount),
    gauge('dfsh_datanode_operations', operations, counters.activeWrites, { kind: 'write' }),
    gauge('dfsh_datanode_operations', operations, counters.activeReads, { kind: 'read' }),
    gauge('dfsh_datanode_operations', operations, counters.activeCopies, { kind: 'copy' }),
    gauge('dfsh_datanode_packet_memory_bytes', 'Memory held by packets on their way.', state.packetMemoryBytes),
    gauge('dfsh_datanode_pending_notices', 'Notices that the name node has not heard of yet.', state.pendingNotices),
    gauge('dfsh_datanode_registered', '1 while the name node knows this node.', state.isRegistered ? 1 : 0),
  ];
}
