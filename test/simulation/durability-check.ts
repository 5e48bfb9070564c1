import { decodeFileBlock } from '../../source/namenode/file-block.js';
import { blocksOf } from '../../source/namenode/keys.js';
import { isContent, type Segment } from './file-model.js';
import { durablePrefixes, durableReplicas } from './replica-files.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/**
 * P1, at the moment in which a client has its acknowledgement: the file is complete in the name node's durable store, and each block of
 * it that was written has as many durable replicas as were promised: bytes, checksums, name and directory entry; and each has the right bytes.
 */
export function checkDurable(cluster: SimulatedCluster, stats: SimulationStats, file: { inodeId: number; path: string; lengthBytes: number; replication: number; fromBytes?: number; segments?: readonly Segment[] }): void {
  const view = cluster.nameNode.view();
  const inode = view.readInode(file.inodeId);
  if (inode?.type !== 'file' || inode.isUnderConstruction) throw new Violation(`${file.path}: acknowledged, and ${inode ? 'not complete' : 'absent'} in the durable store of the name node`);
  const wanted = Math.min(cluster.config.minReplication, file.replication);
  let lengthBytes = 0;
  for (const [, value] of view.store.range(blocksOf(file.inodeId))) {
    const block = decodeFileBlock(value);
    lengthBytes += block.lengthBytes;
    // What an append has only gone on behind is as well off as before.
    if (lengthBytes <= (file.fromBytes ?? 0)) continue;
    const durable = durableReplicas(cluster, block);
    const destroyed = cluster.destroyedReplicas.get(block.blockId) ?? 0;
    if (durable.length + destroyed < wanted) {
      throw new Violation(`${file.path}: acknowledged, with ${durable.length} durable replicas of blk_${block.blockId}_${block.generationStamp} (${durable.map(({ machine }) => machine.name).join(', ')}), ${wanted} are promised`);
    }
    for (const { machine, disk, data } of file.segments ? durable : []) {
      if (!isContent(file.segments!, block.offsetBytes, disk.disk.durableBytes(data)!)) throw new Violation(`${file.path}: acknowledged, and ${machine.name} has other bytes of blk_${block.blockId}_${block.generationStamp} than were written, with checksums that fit them`);
    }
    stats.count('blocks checked for durability');
  }
  if (lengthBytes !== file.lengthBytes) throw new Violation(`${file.path}: ${file.lengthBytes} bytes acknowledged, its blocks have ${lengthBytes}`);
}

/** At the moment in which a sync is acknowledged: what was written before it would survive a power cut of all nodes, in a replica of each block at least. */
export function checkSynced(cluster: SimulatedCluster, stats: SimulationStats, file: { inodeId: number; path: string; segments: readonly Segment[]; lengthBytes: number }): void {
  const view = cluster.nameNode.view();
  let endBytes = 0;
  for (const [, value] of view.store.range(blocksOf(file.inodeId))) {
    const block = decodeFileBlock(value);
    const lengthBytes = Math.min(file.lengthBytes - block.offsetBytes, block.isComplete ? block.lengthBytes : Infinity);
    endBytes = Math.max(endBytes, block.offsetBytes + lengthBytes);
    if (lengthBytes <= 0 || cluster.destroyedReplicas.has(block.blockId)) continue;
    const found = durablePrefixes(cluster, block.blockId, lengthBytes);
    if (!found.some((bytes) => isContent(file.segments, block.offsetBytes, bytes))) {
      throw new Violation(`${file.path}: synced up to byte ${file.lengthBytes}, and a power cut would leave no replica of blk_${block.blockId} with its first ${lengthBytes} bytes`);
    }
    stats.count('blocks checked for syncs');
  }
  if (endBytes < file.lengthBytes) throw new Violation(`${file.path}: synced up to byte ${file.lengthBytes}, and its blocks in the durable store of the name node end at ${endBytes}`);
}
