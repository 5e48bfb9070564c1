import { crc32 } from '../../source/base/checksum.js';
import { decodeFileBlock, type FileBlock } from '../../source/namenode/file-block.js';
import { allBlocks, placeOfBlock } from '../../source/namenode/keys.js';
import type { NamespaceView } from '../../source/namenode/namespace-view.js';
import { checksumAt, decodeMetaHeader, findBadChunk } from '../../source/storage/replica-meta.js';
import { dataName, finalizedSubdirectory, metaName, parseReplicaFileName } from '../../source/storage/volume-layout.js';
import type { MachineDisk } from './process-disk.js';
import type { DataNodeMachine, SimulatedCluster } from './simulated-cluster.js';

export interface StoredBlock extends FileBlock {
  inodeId: number;
  blockIndex: number;
}

/** One file of a replica: where it lies. */
export interface ReplicaPlace {
  machine: DataNodeMachine;
  disk: MachineDisk;
  data: string;
  meta: string;
}

/** Blocks as the name node's store has them. */
export function* blocksIn(view: NamespaceView): Generator<StoredBlock> {
  for (const [key, value] of view.store.range(allBlocks)) yield { ...decodeFileBlock(value), ...placeOfBlock(key) };
}

/**
 * The replicas that a power cut at this moment could not take: data, checksums, names and directories on disk, every byte as its
 * checksum says, of the block's generation and length.
 */
export function durableReplicas(cluster: SimulatedCluster, block: { blockId: number; generationStamp: number; lengthBytes: number }): ReplicaPlace[] {
  const found: ReplicaPlace[] = [];
  for (const machine of cluster.dataNodes) {
    for (const disk of machine.disks) {
      const place = placeOf(machine, disk, block);
      if (isDurable(place, block)) found.push(place);
    }
  }
  return found;
}

export function isDurable(place: ReplicaPlace, block: { blockId: number; generationStamp: number; lengthBytes: number }): boolean {
  const data = place.disk.disk.durableBytes(place.data);
  const meta = place.disk.disk.durableBytes(place.meta);
  return data !== undefined && meta !== undefined && isVisible(place) && isGood(data, meta, block);
}

/** The first `lengthBytes` of a block's replicas in any state, where a power cut could not take them. */
export function durablePrefixes(cluster: SimulatedCluster, blockId: number, lengthBytes: number): Buffer[] {
  const found: Buffer[] = [];
  for (const { disks } of cluster.dataNodes) {
    for (const { disk } of disks) {
      for (const path of disk.files()) {
        const file = parseReplicaFileName(path.slice(path.lastIndexOf('/') + 1));
        if (file?.kind !== 'data' || file.blockId !== blockId) continue;
        const bytes = disk.durableBytes(path);
        if (bytes && bytes.length >= lengthBytes) found.push(bytes.subarray(0, lengthBytes));
      }
    }
  }
  return found;
}

export function placeOf(machine: DataNodeMachine, disk: MachineDisk, block: { blockId: number; generationStamp: number }): ReplicaPlace {
  const folder = `/data/current/${finalizedSubdirectory(block.blockId)}`;
  return { machine, disk, data: `${folder}/${dataName(block.blockId)}`, meta: `${folder}/${metaName(block.blockId, block.generationStamp)}` };
}

/** What was deleted without a sync would be back after a power cut, and deleted again: it is none of what is there. */
function isVisible({ disk, data, meta }: ReplicaPlace): boolean {
  return disk.disk.has(data) && disk.disk.has(meta);
}

function isGood(data: Buffer, meta: Buffer, block: { blockId: number; generationStamp: number; lengthBytes: number }): boolean {
  const header = decodeMetaHeader(meta, block);
  if (typeof header === 'string' || header.state !== 'finalized') return false;
  if (header.lengthBytes !== block.lengthBytes || data.length !== block.lengthBytes) return false;
  const checksums = meta.subarray(checksumAt(0), checksumAt(Math.ceil(data.length / header.chunkBytes)));
  if (checksums.length !== 4 * Math.ceil(data.length / header.chunkBytes) || crc32(checksums) !== header.checksumsCrc) return false;
  return findBadChunk(data, checksums, header.chunkBytes) < 0;
}
