import { basename, relative, sep } from 'node:path';
import type { DfsClient } from '../../source/client/client-api.js';
import { parseReplicaFileName } from '../../source/storage/volume-layout.js';
import type { RigCluster } from './rig-cluster.js';
import { Violation } from './violation.js';

const limitMs = 60_000;

/**
 * Waits until every block has the copies that it should, and the disks hold these and no other file of a replica. Violation with what
 * still differs after a minute.
 */
export async function fullHealth(cluster: RigCluster): Promise<void> {
  const endMs = performance.now() + limitMs;
  const isWhole = ({ blocks }: Awaited<ReturnType<RigCluster['settled']>>) => blocks.underReplicated + blocks.pendingReplication + blocks.pendingDeletion + blocks.missing + blocks.corrupt === 0;
  for (;;) {
    await cluster.until('full replication', (health) => isWhole(health) && health.datanodes.every(({ state }) => state === 'live'), limitMs);
    const reason = await whatIsWrong(cluster);
    if (reason === undefined) return;
    if (performance.now() > endMs) throw new Violation(`no full health within ${limitMs} ms: ${reason}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function whatIsWrong(cluster: RigCluster): Promise<string | undefined> {
  const wanted = new Map<string, number>();
  for await (const path of files(cluster.client, '')) {
    if (path.endsWith('._COPYING_')) return `${path} of a dead writer is still there`;
    const { replication, isUnderConstruction } = await cluster.client.stat(path);
    if (isUnderConstruction) return `${path} is still open, and its writer is dead`;
    for await (const { block } of cluster.client.blocks(path)) wanted.set(`blk_${block.blockId} ${block.generationStamp}`, replication);
  }
  for (const name of cluster.dataNodeNames) {
    const data = new Set<number>();
    const metas = new Map<number, number>();
    for (const file of cluster.filesOf(name)) {
      const [folder] = relative(cluster.storageOf(name), file).split(sep);
      const replica = parseReplicaFileName(basename(file));
      // What a dead writer left in rbw a data node keeps for a day, for its recovery; quarantined replicas are kept by intention.
      if (folder === 'tmp' || folder === 'trash') return `${name} has ${file}`;
      if (folder !== 'current') continue;
      if (!replica) continue;
      if (replica.kind === 'data') data.add(replica.blockId);
      else if (metas.has(replica.blockId)) return `${name} has two checksum files of blk_${replica.blockId}`;
      else metas.set(replica.blockId, replica.generationStamp);
    }
    for (const blockId of data) {
      const key = `blk_${blockId} ${metas.get(blockId)}`;
      const left = wanted.get(key);
      if (left === undefined) return `${name} has ${key}, which no file has (leaked, or of an old generation)`;
      wanted.set(key, left - 1);
      metas.delete(blockId);
    }
    for (const blockId of metas.keys()) return `${name} has checksums of blk_${blockId} and no data`;
  }
  for (const [key, left] of wanted) if (left !== 0) return `${key} has ${left > 0 ? `${left} copies too few` : `${-left} copies too many`}`;
  return undefined;
}

async function* files(client: DfsClient, directory: string): AsyncGenerator<string> {
  for await (const { name, type } of client.list(directory || '/')) {
    if (type === 'file') yield `${directory}/${name}`;
    else yield* files(client, `${directory}/${name}`);
  }
}
