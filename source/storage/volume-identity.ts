import { join } from 'node:path';
import { StorageDamagedError, VersionMismatchError } from '../protocol/errors.js';
import type { Disk } from './disk.js';
import { readSmallFile, replaceSmallFile } from './small-file.js';

/**
 * VERSION, a storage directory's identity (HDFS's file of that name):
 *
 *     dfsh-storage 1
 *     clusterID=5f2c...        empty until the first registration
 *     storageID=DS-81f0...
 *     datanodeUuid=77ab...
 *     checksum=1c291ca3        CRC-32 of the lines above, so that a damaged identity is refused instead of believed
 */
export interface VolumeIdentity {
  clusterId: string | null;
  storageId: string;
  datanodeUuid: string;
}

export const identityFileName = 'VERSION';
const temporaryName = `${identityFileName}.tmp`;
const format = { magic: 'dfsh-storage', version: 1 };

/** Undefined if the directory has none. StorageDamagedError, VersionMismatchError if it has one that cannot be believed. */
export async function readIdentity(disk: Disk, directory: string): Promise<VolumeIdentity | undefined> {
  const path = join(directory, identityFileName);
  const found = await readSmallFile(disk, path, format).catch((error: unknown) => {
    throw new StorageDamagedError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { path, cause: error });
  });
  if (found === undefined) return undefined;
  if ('kind' in found) {
    if (found.kind === 'damaged') throw damaged(path, found.reason);
    throw new VersionMismatchError(
      `${path} has format version ${found.version}, this program reads ${format.version}: use the version of dfsh that wrote it`,
      { path },
    );
  }
  const [clusterId, storageId, datanodeUuid] = [found.get('clusterID'), found.get('storageID'), found.get('datanodeUuid')];
  if (clusterId === undefined || !storageId || !datanodeUuid) throw damaged(path, 'a line is missing');
  return { clusterId: clusterId === '' ? null : clusterId, storageId, datanodeUuid };
}

/** Replaces the identity as one step that a power cut cannot undo. */
export function writeIdentity(disk: Disk, directory: string, { clusterId, storageId, datanodeUuid }: VolumeIdentity): Promise<void> {
  return replaceSmallFile(disk, { directory, name: identityFileName }, format, { clusterID: clusterId ?? '', storageID: storageId, datanodeUuid });
}

/** True if nothing but what a start leaves before the identity is written is there: the directory may be taken into use. */
export async function isUnused(disk: Disk, directory: string): Promise<boolean> {
  const entries = await disk.readDirectory(directory);
  return entries.every(({ name }) => name === temporaryName || name === 'lock' || name === 'lost+found' || name.startsWith('lock.'));
}

function damaged(path: string, reason: string): StorageDamagedError {
  return new StorageDamagedError(
    `${path} is damaged: ${reason}; nothing was touched. Restore it, or move the directory away to start empty`,
    { path },
  );
}
type StorageDamagedError = InstanceType<typeof StorageDamagedError>;
