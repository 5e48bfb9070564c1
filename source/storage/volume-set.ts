import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { ClusterMismatchError, InputOutputError, StorageDamagedError } from '../protocol/errors.js';
import type { Disk } from './disk.js';
import { storageError } from './storage-error.js';
import { Volume } from './volume.js';
import { readIdentity, type VolumeIdentity } from './volume-identity.js';

export interface VolumeSetOptions {
  disk: Disk;
  /** One a disk, at least one. Made if they are not there. */
  directories: readonly string[];
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Bytes of each disk that are left free. */
  reservedBytes: number;
}

/** The storage directories of one data node: that they belong together, and which of them takes the next replica. */
export class VolumeSet {
  readonly volumes: readonly Volume[];

  private constructor(volumes: readonly Volume[]) {
    this.volumes = volumes;
  }

  /** Locks the directories and takes empty ones into use. The errors are those of LocalBlockStore.open. */
  static async open(options: VolumeSetOptions): Promise<VolumeSet> {
    const { disk, directories, clock, random, logger, reservedBytes } = options;
    let known: VolumeIdentity | undefined;
    for (const directory of directories) known ??= await readIdentity(disk, directory);
    const owner = { clusterId: known?.clusterId ?? null, datanodeUuid: known?.datanodeUuid ?? random.id() };
    const volumes: Volume[] = [];
    try {
      for (const directory of directories) {
        volumes.push(
          await Volume.open({ disk, directory, clock, logger, reservedBytes }, volumes.length, () => ({
            ...owner,
            storageId: `DS-${random.id()}`,
          })),
        );
      }
      for (const { identity, directory } of volumes) {
        if (identity.datanodeUuid === owner.datanodeUuid && identity.clusterId === volumes[0]!.identity.clusterId) continue;
        throw new StorageDamagedError(
          `${directory} and ${volumes[0]!.directory} belong to different data nodes or clusters; give the directories of one node`,
          { path: directory },
        );
      }
      return new VolumeSet(volumes);
    } catch (error) {
      await Promise.allSettled(volumes.map((volume) => volume.close()));
      throw storageError(error, `opening ${directories[volumes.length] ?? directories.join(', ')}`);
    }
  }

  get datanodeUuid(): string {
    return this.volumes[0]!.identity.datanodeUuid;
  }

  get clusterId(): string | null {
    return this.volumes[0]!.identity.clusterId;
  }

  /** ClusterMismatchError, and nothing is touched, if one of them belongs to another cluster. */
  async bindToCluster(clusterId: string): Promise<void> {
    for (const { directory, identity } of this.volumes) {
      if (identity.clusterId === null || identity.clusterId === clusterId) continue;
      throw new ClusterMismatchError(
        `${directory} belongs to cluster ${identity.clusterId}, the name node to ${clusterId}; nothing was touched. Start with another data directory, or with the name node of that cluster`,
        { path: directory },
      );
    }
    for (const volume of this.volumes) if (volume.identity.clusterId === null) await volume.bindToCluster(clusterId);
  }

  /** Where the next replica goes. InputOutputError if there is no such storage, or it failed. */
  choose(storageId: string): Volume {
    const usable = this.volumes.filter((volume) => volume.failure === undefined && (storageId === '' || volume.storageId === storageId));
    if (usable.length === 0) {
      const failed = this.volumes.find((volume) => volume.failure !== undefined);
      throw new InputOutputError(
        failed
          ? `${failed.directory} takes no more writes: ${failed.failure}`
          : `this data node has no storage ${storageId}; its directory was replaced`,
      );
    }
    return usable.reduce((best, volume) => (volume.remainingBytes > best.remainingBytes ? volume : best));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.volumes.map((volume) => volume.close()));
  }
}
