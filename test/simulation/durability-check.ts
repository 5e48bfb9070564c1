import { decodeFileBlock } from '../../source/namenode/file-block.js';
import { blocksOf } from '../../source/namenode/keys.js';
import { durableReplicas } from './replica-files.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/**
 * P1, at the moment in which a client has its acknowledgement: the file is complete in the name node's durable store, and each block of
 * it that was written has as many durable replicas as were promised: bytes, checksums, name and directory entry.
 */
export function checkDurable(cluster: SimulatedCluster, stats: SimulationStats, file: { inodeId: number; path: string; lengthBytes: number; replication: number; fromBytes?: number }): void {
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
    stats.count('blocks checked for durability');
  }
  if (lengthBytes !== file.lengthBytes) throw new Violation(`${file.path}: ${file.lengthBytes} bytes acknowledged, its blocks have ${lengthBytes}`);
}
