import { dirname } from 'node:path';
import type { RecoverReplica } from './block-store.js';
import type { DiskFile } from './disk.js';
import type { WriterStart } from './local-replica-writer.js';
import { ReplicaBeingWritten } from './replica-being-written.js';
import type { FinalizedReplica } from './replica-index.js';
import type { ReplicaMap } from './replica-map.js';
import { type CutSource, readMetaHeader, writeCutMeta } from './replica-recovery.js';
import type { Volume } from './volume.js';

const rewriteBytes = 1 << 20;

/**
 * Turns a replica, being written without a writer or finalized, into one being written of a newer generation, cut to `keepBytes`; the data
 * file itself is cut by whoever opens it next. Called under the lock of the block.
 *
 * New checksum file first, then the data's move, then the old checksum file's end: after a crash the newest generation that is whole wins
 * (volume-scan.ts), and what was finalized is never in neither place. If it fails before the move, nothing has changed. `discard` deletes a file
 * of the block, now or later, and never rejects.
 */
export async function takeOver(
  replicas: ReplicaMap,
  current: ReplicaBeingWritten | FinalizedReplica,
  request: RecoverReplica,
  discard: (volume: Volume, path: string) => Promise<void>,
): Promise<{ replica: ReplicaBeingWritten; start: Omit<WriterStart, 'data' | 'meta'> }> {
  const { blockId, generationStamp, keepBytes, isDurable } = request;
  const isOpen = current instanceof ReplicaBeingWritten;
  const volume = isOpen ? current.volume : replicas.volumeOf(current);
  const { disk } = volume;
  const source = isOpen ? sourceOfOpen(current) : await sourceOfFinalized(replicas, blockId, current);
  const replica = isOpen
    ? current
    : new ReplicaBeingWritten({ blockId, generationStamp, volume, isTemporary: false, chunkBytes: source.chunkBytes });
  const metaPath = replica.metaPathOf(generationStamp);
  if (isOpen && isDurable) await syncData(current);
  let checksums: { tailCrc: number; tableCrc: number };
  try {
    checksums = await writeCutMeta(disk, source, { metaPath, generationStamp, keepBytes, isDurable });
    if (!isOpen) await disk.rename({ source: source.dataPath, target: replica.dataPath });
  } catch (error) {
    await discard(volume, metaPath);
    throw error;
  }
  const { tailCrc, tableCrc } = checksums;
  if (!isOpen) {
    replicas.removeFinalized(blockId);
    replicas.beingWritten.set(blockId, replica);
  }
  replica.generationStamp = generationStamp;
  replica.isPromised ||= !isOpen;
  replica.isFromBefore = false;
  replica.lengthBytes = replica.visibleLengthBytes = keepBytes;
  replica.tailCrc = replica.visibleTailCrc = tailCrc;
  volume.usedBytes += keepBytes - replica.usedBytes;
  replica.usedBytes = keepBytes;
  replica.olderMetaPaths.push(source.metaPath);
  if (isDurable) await replica.synced(volume.syncDirectory(replica.directory));
  const olderPaths = replica.olderMetaPaths.splice(0);
  for (const path of olderPaths) await discard(volume, path);
  // Else the old checksum file could come back, when the new data is in its place again.
  const isOneFinalized = olderPaths.some((path) => dirname(path) !== replica.directory);
  if (isDurable && isOneFinalized) await volume.syncDirectory(volume.finalizedDirectory(blockId));
  const syncedSlot = isDurable && keepBytes % replica.chunkBytes !== 0 ? 0 : undefined;
  return { replica, start: { endBytes: keepBytes, tailCrc, tableCrc, hasHeader: true, syncedSlot } };
}

/**
 * The checksums that vouch for what was synced before go with the old checksum file: those of the new one may speak of later bytes in the same
 * chunks, so these must be on the disk first.
 */
async function syncData(replica: ReplicaBeingWritten): Promise<void> {
  const data = await replica.volume.disk.open(replica.dataPath, 'write');
  try {
    if (replica.isFromBefore || replica.isUnsynced) await rewrite(data, replica.lengthBytes);
    replica.isUnsynced = false;
    await replica.synced(data.dataSync());
  } finally {
    await data.close();
  }
}

/**
 * Writes the same bytes once more. An fsync has failed, or may have in a process that is gone: the system takes those pages for clean since then,
 * and the next sync would succeed without them.
 */
async function rewrite(data: DiskFile, lengthBytes: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(rewriteBytes, lengthBytes));
  for (let at = 0; at < lengthBytes; ) {
    const readBytes = await data.read(buffer.subarray(0, Math.min(buffer.length, lengthBytes - at)), at);
    // Shorter than it was when it was verified: whoever goes on with it finds that out.
    if (readBytes === 0) return;
    await data.write(buffer.subarray(0, readBytes), at);
    at += readBytes;
  }
}

function sourceOfOpen(replica: ReplicaBeingWritten): CutSource {
  const { blockId, chunkBytes, dataPath, metaPath, lengthBytes, tailCrc } = replica;
  return { blockId, chunkBytes, dataPath, metaPath, lengthBytes, tailCrc };
}

async function sourceOfFinalized(replicas: ReplicaMap, blockId: number, replica: FinalizedReplica): Promise<CutSource> {
  const { generationStamp, lengthBytes } = replica;
  const volume = replicas.volumeOf(replica);
  const { data, meta } = volume.finalizedPaths(blockId, generationStamp);
  const { chunkBytes } = await readMetaHeader(volume.disk, meta, { blockId, generationStamp });
  return { blockId, chunkBytes, dataPath: data, metaPath: meta, lengthBytes, tailCrc: undefined };
}
