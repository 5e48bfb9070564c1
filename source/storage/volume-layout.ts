import { join, sep } from 'node:path';
import { blockName } from '../protocol/block.js';
import { metaHeaderBytes } from './replica-meta.js';

/**
 * A storage directory, laid out as HDFS's are, so that people can look at the disks:
 *
 *     VERSION                                    what it is and whom it belongs to (volume-identity.ts)
 *     current/subdir3/subdir17/blk_1073741825            finalized: the bytes, nothing else
 *     current/subdir3/subdir17/blk_1073741825_1001.meta  and their checksums (replica-meta.ts)
 *     rbw/         replicas being written (HDFS's word)
 *     tmp/         copies of other nodes' replicas, not whole yet: discarded at the start
 *     quarantine/  rotten replicas: kept, never served
 *     trash/       deleted ones that wait for their unlink: it takes milliseconds a file, and nobody waits for it
 *
 * Subdirectories by id as in HDFS's DatanodeUtil.idToBlockDir: 256 consecutive ids share one, so that replicas that are finalized
 * together share the fsync of a directory.
 */
export const replicaFolders = { current: 'current', rbw: 'rbw', tmp: 'tmp', quarantine: 'quarantine', trash: 'trash' } as const;

export function dataName(blockId: number): string {
  return blockName({ blockId });
}

export function metaName(blockId: number, generationStamp: number): string {
  return `${blockName({ blockId, generationStamp })}.meta`;
}

/** `subdir3/subdir17`, by bits 16-20 and 8-12 of the id. */
export function finalizedSubdirectory(blockId: number): string {
  return entryPath(`subdir${Math.floor(blockId / 65_536) % 32}`, `subdir${Math.floor(blockId / 256) % 32}`);
}

/** A name in a directory whose path is normal already: what path.join makes of it, without the twenty times that it costs. */
export function entryPath(directory: string, name: string): string {
  return directory + sep + name;
}

export type FolderPaths = Readonly<Record<keyof typeof replicaFolders, string>>;

export function folderPaths(directory: string): FolderPaths {
  const { current, rbw, tmp, quarantine, trash } = replicaFolders;
  return { current: join(directory, current), rbw: join(directory, rbw), tmp: join(directory, tmp), quarantine: join(directory, quarantine), trash: join(directory, trash) };
}

export type ReplicaFileName = { kind: 'data'; blockId: number } | { kind: 'meta'; blockId: number; generationStamp: number };

/** Undefined for a name that is not a replica's. */
export function parseReplicaFileName(name: string): ReplicaFileName | undefined {
  const match = /^blk_([1-9]\d{0,15})(?:_([1-9]\d{0,15})\.meta)?$/.exec(name);
  if (!match) return undefined;
  const blockId = Number(match[1]);
  if (!Number.isSafeInteger(blockId)) return undefined;
  if (match[2] === undefined) return { kind: 'data', blockId };
  const generationStamp = Number(match[2]);
  return Number.isSafeInteger(generationStamp) ? { kind: 'meta', blockId, generationStamp } : undefined;
}

/** What a replica takes of its disk, checksums included (chunks of the usual size assumed). */
export function spaceOf(lengthBytes: number): number {
  return lengthBytes + metaHeaderBytes + 4 * Math.ceil(lengthBytes / 65_536);
}
