import { join } from 'node:path';
import { crc32 } from '../base/checksum.js';
import { StorageDamagedError, VersionMismatchError } from '../protocol/errors.js';
import { type Disk, isAbsent } from './disk.js';

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
const temporaryName = 'VERSION.tmp';
const magic = 'dfsh-storage';
const formatVersion = 1;
const maxIdentityBytes = 4096;

/** Undefined if the directory has none. StorageDamagedError, VersionMismatchError if it has one that cannot be believed. */
export async function readIdentity(disk: Disk, directory: string): Promise<VolumeIdentity | undefined> {
  const path = join(directory, identityFileName);
  let text: string;
  try {
    const file = await disk.open(path, 'read');
    try {
      const bytes = Buffer.alloc(maxIdentityBytes);
      text = bytes.toString('utf8', 0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw new StorageDamagedError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      path,
      cause: error,
    });
  }
  const first = /^(\S+) (\d+)\n/.exec(text);
  if (first?.[1] !== magic) throw damaged(path, `it does not begin with "${magic}"`);
  if (Number(first[2]) !== formatVersion) {
    throw new VersionMismatchError(
      `${path} has format version ${first[2]}, this program reads ${formatVersion}: use the version of dfsh that wrote it`,
      { path },
    );
  }
  const body = /^(.*\n)checksum=([0-9a-f]{8})\n$/s.exec(text);
  if (!body || crc32(Buffer.from(body[1]!)) !== Number.parseInt(body[2]!, 16)) throw damaged(path, 'its checksum is wrong');
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(body[1]!)?.[1];
  const [clusterId, storageId, datanodeUuid] = [value('clusterID'), value('storageID'), value('datanodeUuid')];
  if (clusterId === undefined || !storageId || !datanodeUuid) throw damaged(path, 'a line is missing');
  return { clusterId: clusterId === '' ? null : clusterId, storageId, datanodeUuid };
}

/** Replaces the identity as one step that a power cut cannot undo. */
export async function writeIdentity(disk: Disk, directory: string, identity: VolumeIdentity): Promise<void> {
  const lines = `${magic} ${formatVersion}\nclusterID=${identity.clusterId ?? ''}\nstorageID=${identity.storageId}\ndatanodeUuid=${identity.datanodeUuid}\n`;
  const checksum = crc32(Buffer.from(lines)).toString(16).padStart(8, '0');
  const temporary = join(directory, temporaryName);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(Buffer.from(`${lines}checksum=${checksum}\n`), 0);
    await file.dataSync();
  } finally {
    await file.close();
  }
  await disk.rename({ source: temporary, target: join(directory, identityFileName) });
  await disk.syncDirectory(directory);
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
