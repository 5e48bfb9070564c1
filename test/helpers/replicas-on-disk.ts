import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMetaHeader, findBadChunk, metaHeaderBytes } from '../../source/storage/replica-meta.js';
import type { DfsClient } from '../../source/client/client-api.js';
import type { MiniCluster } from './mini-cluster.js';

export interface ReplicaOnDisk {
  node: string;
  generationStamp: number;
  bytes: Buffer;
  /** The stored checksums are those of the bytes. */
  isIntact: boolean;
}

/** What the disks of a cluster really hold of a block's finalized replicas. */
export async function replicasOnDisk(cluster: MiniCluster, blockId: number): Promise<ReplicaOnDisk[]> {
  const found: ReplicaOnDisk[] = [];
  for (const [index, { directory }] of cluster.nodes.entries()) {
    const current = join(directory, 'current');
    for (const name of await readdir(current, { recursive: true }).catch(() => [] as string[])) {
      const match = new RegExp(`^(.*/blk_${blockId})_(\\d+)\\.meta$`).exec(name);
      if (!match) continue;
      const generationStamp = Number(match[2]);
      const meta = await readFile(join(current, name)).catch(() => undefined);
      const bytes = await readFile(join(current, match[1]!)).catch(() => undefined);
      // Moved while we looked.
      if (!meta || !bytes) continue;
      const header = decodeMetaHeader(meta, { blockId, generationStamp });
      const isIntact =
        typeof header !== 'string' && header.state === 'finalized' && header.lengthBytes === bytes.length && findBadChunk(bytes, meta.subarray(metaHeaderBytes), header.chunkBytes) < 0;
      found.push({ node: `dn${index + 1}`, generationStamp, bytes, isIntact });
    }
  }
  return found;
}

/** What is wrong with a closed file's replicas: nothing, or a line each. Each block has `replicaCount` of them, of its generation, equal to the file's bytes. */
export async function brokenReplicas(cluster: MiniCluster, client: DfsClient, path: string, expected: { bytes: Buffer; replicaCount: number }): Promise<string[]> {
  const broken: string[] = [];
  let endBytes = 0;
  for await (const { block, offsetBytes } of client.blocks(path)) {
    endBytes = offsetBytes + block.lengthBytes;
    const content = expected.bytes.subarray(offsetBytes, endBytes);
    const replicas = (await replicasOnDisk(cluster, block.blockId)).filter((replica) => replica.generationStamp === block.generationStamp);
    if (replicas.length < expected.replicaCount) broken.push(`block at ${offsetBytes} has ${replicas.length} replicas`);
    for (const { node, bytes, isIntact } of replicas) {
      if (!isIntact) broken.push(`block at ${offsetBytes} on ${node} does not match its checksums`);
      if (!bytes.equals(content)) broken.push(`block at ${offsetBytes} on ${node} holds ${bytes.length} bytes that are not those of the file`);
    }
  }
  if (endBytes !== expected.bytes.length) broken.push(`the blocks end at ${endBytes}, the file at ${expected.bytes.length}`);
  return broken;
}
