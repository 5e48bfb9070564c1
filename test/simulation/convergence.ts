import type { ClusterHealth } from '../../source/protocol/cluster-events.js';
import { parseReplicaFileName } from '../../source/storage/volume-layout.js';
import { allInodes, allLeases } from '../../source/namenode/keys.js';
import { blocksIn, durableReplicas, type StoredBlock } from './replica-files.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import { Violation } from './simulator.js';

/**
 * What still keeps the cluster from being as it should when nothing fails any more: every block with all its copies, durable and good, and
 * nothing else on any disk or in the name node. Empty: it has converged.
 */
export function unconverged(cluster: SimulatedCluster): string[] {
  const health = cluster.health();
  if (!health) return ['the name node does not run'];
  const wrong = healthProblems(health, cluster);
  const view = cluster.nameNode.view();
  const blocks = new Map<number, StoredBlock>();
  for (const block of blocksIn(view)) blocks.set(block.blockId, block);
  if (health.blocks.total !== blocks.size) wrong.push(`the name node has ${health.blocks.total} blocks in memory and ${blocks.size} in its store`);
  const leases = [...view.store.range(allLeases)].length;
  if (leases > 0) wrong.push(`${leases} leases are left`);
  const counters = view.readCounters();
  if (counters.pendingDeletionCount > 0) wrong.push(`${counters.pendingDeletionCount} deletions are pending`);
  const inodes = [...view.store.range(allInodes)].length;
  if (inodes !== counters.fileCount + counters.directoryCount) wrong.push(`${inodes} inodes in the store, ${counters.fileCount} files and ${counters.directoryCount} directories counted`);
  for (const block of blocks.values()) {
    const inode = view.readInode(block.inodeId);
    if (inode?.type !== 'file') {
      wrong.push(`blk_${block.blockId} belongs to inode ${block.inodeId}, which is no file`);
      continue;
    }
    const found = durableReplicas(cluster, block);
    if (found.length !== Math.min(inode.replication, cluster.config.dataNodeCount)) {
      wrong.push(`blk_${block.blockId}_${block.generationStamp} of ${view.readPath(inode)} has ${found.length} good replicas (${found.map(({ machine }) => machine.name).join(', ')}), ${inode.replication} are wanted`);
    }
  }
  wrong.push(...strayFiles(cluster, blocks));
  return wrong;
}

/** Every good replica of a block has the same bytes: what one reader sees is what all see. Answers how many blocks were compared. */
export function checkReplicasAgree(cluster: SimulatedCluster): number {
  let count = 0;
  for (const block of blocksIn(cluster.nameNode.view())) {
    const [first, ...others] = durableReplicas(cluster, block);
    for (const { machine, disk, data } of others) {
      if (disk.disk.durableBytes(data)!.equals(first!.disk.disk.durableBytes(first!.data)!)) continue;
      throw new Violation(`blk_${block.blockId}_${block.generationStamp}: ${machine.name} and ${first!.machine.name} have other bytes, each with checksums that fit`);
    }
    if (others.length > 0) count++;
  }
  return count;
}

function healthProblems(health: ClusterHealth, cluster: SimulatedCluster): string[] {
  const wrong: string[] = [];
  const { blocks, safeMode, datanodes } = health;
  if (safeMode.isOn) wrong.push(`safe mode is on: ${safeMode.reason}`);
  for (const [name, count] of Object.entries(blocks)) if (name !== 'total' && typeof count === 'number' && count > 0) wrong.push(`${count} blocks: ${name}`);
  const live = datanodes.filter((node) => node.state === 'live').length;
  if (live !== cluster.config.dataNodeCount) wrong.push(`${live} of ${cluster.config.dataNodeCount} data nodes are live`);
  let thereCount = 0;
  for (const node of datanodes) {
    const isGone = cluster.isGoneForGood(node);
    if (!isGone) thereCount++;
    if (isGone && node.state !== 'dead') wrong.push(`${node.name} at ${node.address} is ${node.state}, and its machine is gone`);
    if (node.adminState !== (isGone ? 'decommissioned' : 'normal')) wrong.push(`${node.name} is ${node.adminState}${isGone ? `, and its machine is gone: ${node.adminNote}` : ''}`);
  }
  if (thereCount !== cluster.config.dataNodeCount) wrong.push(`${thereCount} data nodes are known that should be there, there are ${cluster.config.dataNodeCount}`);
  for (const key of ['name', 'address', 'datanodeUuid'] as const) {
    if (new Set(datanodes.map((node) => node[key])).size !== datanodes.length) wrong.push(`two data nodes have one ${key}: ${datanodes.map((node) => node[key]).join(', ')}`);
  }
  return wrong;
}

/** Files of replicas that no block explains. What is set aside as rotten is gone too when its block is whole again. */
function strayFiles(cluster: SimulatedCluster, blocks: ReadonlyMap<number, StoredBlock>): string[] {
  const wrong: string[] = [];
  for (const { name, disks } of cluster.dataNodes) {
    for (const [index, { disk }] of disks.entries()) {
      for (const path of disk.files()) {
        const file = parseReplicaFileName(path.slice(path.lastIndexOf('/') + 1));
        const folder = path.split('/')[2]!;
        if (folder === 'trash') wrong.push(`${name}/${index}${path} waits to be deleted`);
        if (!file) continue;
        const block = blocks.get(file.blockId);
        const isRight = block !== undefined && folder === 'current' && (file.kind === 'data' || file.generationStamp === block.generationStamp);
        if (!isRight) wrong.push(`${name}/${index}${path} belongs to ${block ? `blk_${block.blockId}_${block.generationStamp}` : 'no block'}`);
      }
    }
  }
  return wrong;
}
