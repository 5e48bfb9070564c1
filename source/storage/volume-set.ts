import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import {
  ClusterMismatchError,
  type DfsError,
  InputOutputError,
  NoSpaceError,
  OverloadedError,
  StorageDamagedError,
  StorageLockedError,
  VersionMismatchError,
} from '../protocol/errors.js';
import type { FailedVolume } from '../protocol/datanode-protocol.js';
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
  /** What a replica may grow to: a volume with less room takes one only if none has more. */
  blockSizeBytes: number;
  /** More failed directories than this, and the node cannot go on (dfs.datanode.failed.volumes.tolerated); all but one if not said. */
  failedVolumesTolerated: number | undefined;
}

/**
 * The storage directories of one data node: that they belong together, which of them takes the next replica, and which have failed. One
 * that fails takes its own replicas only: the node goes on with the others, until the next start.
 */
export class VolumeSet {
  /** Those that could be opened; their places never change. */
  readonly volumes: readonly Volume[];
  readonly #directories: readonly string[];
  readonly #tolerated: number;
  readonly #blockSizeBytes: number;
  /** Directories that could not be used from the start. */
  readonly #unopened: readonly FailedVolume[];
  /** How far each volume's turn has come, by its place: see choose. */
  readonly #credits: number[];

  private constructor(options: VolumeSetOptions, volumes: readonly Volume[], unopened: readonly FailedVolume[]) {
    this.volumes = volumes;
    this.#directories = options.directories;
    this.#tolerated = Math.min(options.failedVolumesTolerated ?? Infinity, options.directories.length - 1);
    this.#blockSizeBytes = options.blockSizeBytes;
    this.#unopened = unopened;
    this.#credits = volumes.map(() => 0);
  }

  /**
   * Locks the directories and takes empty ones into use. A directory that cannot be read or written is left out if the others do without
   * it; one that another process has, that a later version wrote, or that belongs elsewhere ends it all. The errors are those of LocalBlockStore.open.
   */
  static async open(options: VolumeSetOptions): Promise<VolumeSet> {
    const { disk, directories, clock, random, logger, reservedBytes } = options;
    const volumes: Volume[] = [];
    const unopened: FailedVolume[] = [];
    const reasons: unknown[] = [];
    const leaveOut = (directory: string, error: unknown, identity: VolumeIdentity | undefined) => {
      if (error instanceof StorageLockedError || error instanceof VersionMismatchError) throw error;
      reasons.push(error);
      unopened.push({ directory, storageId: identity?.storageId ?? null, reason: messageOf(error) });
    };
    try {
      const identities = new Map<string, VolumeIdentity | undefined>();
      for (const directory of directories) {
        try {
          identities.set(directory, await readIdentity(disk, directory));
        } catch (error) {
          leaveOut(directory, error, undefined);
        }
      }
      const known = [...identities.values()].filter((identity) => identity !== undefined);
      refuseStrangers(identities);
      // Whose they are would be unknown: a new identity now would shut the old directories out when they come back.
      if (known.length === 0 && unopened.length > 0)
        throw new StorageDamagedError(
          `${messageOf(reasons[0])}; and no other directory says whose this data node is: repair it, or leave it out of "data_dir"`,
          { path: unopened[0]!.directory, cause: reasons[0] },
        );
      const owner = {
        clusterId: known.find(({ clusterId }) => clusterId !== null)?.clusterId ?? null,
        datanodeUuid: known[0]?.datanodeUuid ?? random.id(),
      };
      const newIdentity = () => ({ ...owner, storageId: `DS-${random.id()}` });
      for (const [directory, identity] of identities) {
        try {
          volumes.push(await Volume.open({ disk, directory, clock, logger, reservedBytes }, volumes.length, newIdentity));
        } catch (error) {
          leaveOut(directory, error, identity);
        }
      }
      const set = new VolumeSet(options, volumes, unopened);
      if (volumes.length === 0) throw reasons[0];
      if (set.unusable) throw set.unusable;
      for (const { directory, reason } of unopened)
        logger.error(`${directory} is left out: ${reason}. Its replicas are missing until it is repaired and this data node restarted`);
      return set;
    } catch (error) {
      await Promise.allSettled(volumes.map((volume) => volume.close()));
      throw storageError(error, `opening ${directories.join(', ')}`);
    }
  }

  get datanodeUuid(): string {
    return this.volumes[0]!.identity.datanodeUuid;
  }

  get clusterId(): string | null {
    return this.volumes.find(({ identity }) => identity.clusterId !== null)?.identity.clusterId ?? null;
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
    for (const volume of this.volumes)
      if (volume.identity.clusterId === null && volume.failure === undefined) await volume.bindToCluster(clusterId);
  }

  /** Undefined if there is none, or it failed. */
  find(storageId: string): Volume | undefined {
    return this.volumes.find((volume) => volume.storageId === storageId && volume.failure === undefined);
  }

  /** Directories that are out of use, from the start or since. */
  get failed(): FailedVolume[] {
    const since = this.volumes.filter((volume) => volume.failure !== undefined);
    return [...this.#unopened, ...since.map(({ directory, storageId, failure }) => ({ directory, storageId, reason: failure! }))];
  }

  /** Why the node cannot go on: more directories have failed than are tolerated. */
  get unusable(): DfsError | undefined {
    const { failed } = this;
    if (failed.length <= this.#tolerated) return undefined;
    const list = failed.map(({ directory, reason }) => `${directory} (${reason})`).join(', ');
    return new InputOutputError(
      `${failed.length} of ${this.#directories.length} storage directories failed, ${this.#tolerated} may ("failed_volumes_tolerated"): ${list}`,
    );
  }

  /**
   * Where the next replica goes: by turns, each as often as its share of the room (weighted round robin, as nginx does it), among those
   * with room for a whole block. `storageId` '': any. InputOutputError if there is no such storage, or it failed; NoSpaceError;
   * OverloadedError if the disk hangs.
   */
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
    const answering = usable.filter((volume) => !volume.isStalled);
    if (answering.length === 0)
      throw new OverloadedError(`${usable[0]!.directory}: its disk has not answered for ${Math.round(usable[0]!.waitingMs / 1000)} s; try another data node`);
    if (answering.length === 1) return answering[0]!;
    const roomy = answering.filter((volume) => volume.remainingBytes >= this.#blockSizeBytes);
    return this.#takeTurn(roomy.length > 0 ? roomy : answering);
  }

  #takeTurn(candidates: readonly Volume[]): Volume {
    let best = candidates[0]!;
    let totalBytes = 0;
    for (const volume of candidates) {
      totalBytes += volume.remainingBytes;
      this.#credits[volume.index]! += volume.remainingBytes;
      if (this.#credits[volume.index]! > this.#credits[best.index]!) best = volume;
    }
    if (totalBytes === 0)
      throw new NoSpaceError(`${candidates.map(({ directory }) => directory).join(', ')}: only the reserve is left; free some space, or add a data node`);
    this.#credits[best.index]! -= totalBytes;
    return best;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.volumes.map((volume) => volume.close()));
  }
}

/** All that say whose they are must say the same, and each be one of its own; one that never registered goes with any cluster. */
function refuseStrangers(identities: ReadonlyMap<string, VolumeIdentity | undefined>): void {
  let first: { directory: string; identity: VolumeIdentity } | undefined;
  let clusterId: string | null = null;
  const storages = new Map<string, string>();
  for (const [directory, identity] of identities) {
    if (!identity) continue;
    first ??= { directory, identity };
    clusterId ??= identity.clusterId;
    const same = storages.get(identity.storageId);
    if (same !== undefined)
      throw new StorageDamagedError(
        `${directory} and ${same} are one storage, ${identity.storageId}: one is a copy of the other, or the same under another name; give one of them`,
        { path: directory },
      );
    storages.set(identity.storageId, directory);
    if (identity.datanodeUuid === first.identity.datanodeUuid && (identity.clusterId === null || identity.clusterId === clusterId)) continue;
    throw new StorageDamagedError(
      `${directory} and ${first.directory} belong to different data nodes or clusters; give the directories of one node`,
      { path: directory },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
