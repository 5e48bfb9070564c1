import { dirname } from 'node:path';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { StorageReport } from '../protocol/datanode-protocol.js';
import { StorageDamagedError } from '../protocol/errors.js';
import { type Disk, type DiskLock, type DiskSpace, diskErrorCode, isAbsent } from './disk.js';
import { syncAncestors } from './sync-ancestors.js';
import { isUnused, readIdentity, type VolumeIdentity, writeIdentity } from './volume-identity.js';
import { dataName, entryPath, finalizedSubdirectory, type FolderPaths, folderPaths, metaName } from './volume-layout.js';
import { WatchedDisk } from './watched-disk.js';

export interface VolumeOptions {
  disk: Disk;
  directory: string;
  clock: Clock;
  logger: Logger;
  /** Bytes of the disk that are not ours to fill. */
  reservedBytes: number;
}

/** How old a look at the disk's free space may be before writing asks for another one. */
const spaceAgeMs = 1000;
/** How long a look may take until the last figures are taken instead: a heartbeat waits for no disk. */
const spaceWaitMs = 1000;
/** A disk that owes an answer for so long takes no new replicas until it has given it. */
const stallMs = 10_000;
/** Failures that are not the disk's. */
const harmlessCodes = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EEXIST', 'ENOTEMPTY']);

/**
 * One storage directory: whose it is, where its files are, how much it still takes, whether it works. It knows no blocks.
 */
export class Volume {
  readonly directory: string;
  readonly index: number;
  readonly disk: WatchedDisk;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #reservedBytes: number;
  readonly #lock: DiskLock;
  #identity: VolumeIdentity;
  #space: DiskSpace = { totalBytes: 0, availableBytes: 0 };
  #spaceReadMs = 0;
  #spaceReading: Promise<void> | undefined;
  #writtenSinceBytes = 0;
  #failure: string | undefined;
  #probing: Promise<void> | undefined;
  #isStallTold = false;
  readonly #folders: FolderPaths;
  readonly #subdirectories = new Map<string, Promise<void>>();
  readonly #directorySyncs = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>();
  #trashSequence = 0;
  #trashEmptying: Promise<void> | undefined;
  #hasNewTrash = false;
  #isClosed = false;
  /** By replicas, finalized and being written. */
  usedBytes = 0;

  private constructor(options: VolumeOptions, index: number, disk: WatchedDisk, lock: DiskLock, identity: VolumeIdentity) {
    this.directory = options.directory;
    this.#folders = folderPaths(options.directory);
    this.disk = disk;
    this.index = index;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#reservedBytes = options.reservedBytes;
    this.#lock = lock;
    this.#identity = identity;
  }

  /**
   * Locks the directory and checks its identity; makes both in an empty one, with `newIdentity`. StorageLockedError,
   * StorageDamagedError (an identity that is damaged, or missing beside other files), VersionMismatchError: nothing was touched then.
   */
  static async open(options: VolumeOptions, index: number, newIdentity: () => VolumeIdentity): Promise<Volume> {
    const { directory } = options;
    const disk = new WatchedDisk(options.disk, options.clock);
    await disk.makeDirectory(directory);
    const lock = await disk.lock(directory);
    try {
      let identity = await readIdentity(disk, directory);
      if (!identity) {
        if (!(await isUnused(disk, directory))) {
          throw new StorageDamagedError(
            `${directory} holds files but no VERSION: it is no storage directory of dfsh, or a damaged one; nothing was touched. Give an empty one`,
            { path: directory },
          );
        }
        identity = newIdentity();
        await syncAncestors((path) => disk.syncDirectory(path), directory);
        await writeIdentity(disk, directory, identity);
      }
      for (const folder of Object.values(folderPaths(directory))) await disk.makeDirectory(folder);
      await disk.syncDirectory(directory);
      const volume = new Volume(options, index, disk, lock, identity);
      await volume.#readSpace();
      return volume;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get identity(): Readonly<VolumeIdentity> {
    return this.#identity;
  }

  get storageId(): string {
    return this.#identity.storageId;
  }

  /** Why the volume is out of use; undefined while it works. Its replicas do not count any more; who knows of one may still read it. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** How long its disk has owed an answer; 0 if it owes none. */
  get waitingMs(): number {
    return this.disk.waitingMs;
  }

  /** The disk hangs: nothing new is begun on it. */
  get isStalled(): boolean {
    return this.disk.waitingMs >= stallMs;
  }

  async bindToCluster(clusterId: string): Promise<void> {
    const identity = { ...this.#identity, clusterId };
    await writeIdentity(this.disk, this.directory, identity);
    this.#identity = identity;
  }

  folder(name: keyof FolderPaths): string {
    return this.#folders[name];
  }

  finalizedDirectory(blockId: number): string {
    return entryPath(this.folder('current'), finalizedSubdirectory(blockId));
  }

  finalizedPaths(blockId: number, generationStamp: number): { data: string; meta: string } {
    const directory = this.finalizedDirectory(blockId);
    return { data: entryPath(directory, dataName(blockId)), meta: entryPath(directory, metaName(blockId, generationStamp)) };
  }

  quarantinedPaths(blockId: number, generationStamp: number): string[] {
    return [entryPath(this.folder('quarantine'), dataName(blockId)), entryPath(this.folder('quarantine'), metaName(blockId, generationStamp))];
  }

  /** Makes the directory for a finalized block, durably: after that a file in it needs but the sync of the directory itself. */
  makeFinalizedDirectory(blockId: number): Promise<void> {
    const path = this.finalizedDirectory(blockId);
    let made = this.#subdirectories.get(path);
    if (!made) {
      made = (async () => {
        // One that was removed is not made again: what it held is gone, and the volume with it.
        await this.disk.readDirectory(this.folder('current'));
        await this.disk.makeDirectory(path);
        await this.syncDirectory(dirname(path));
        await this.syncDirectory(this.folder('current'));
      })();
      made.catch(() => this.#subdirectories.delete(path));
      this.#subdirectories.set(path, made);
    }
    return made;
  }

  /**
   * Syncs a directory, one fsync for everybody who asks meanwhile: those who come during one wait for the next, since the running one
   * may have begun before their rename.
   */
  syncDirectory(path: string): Promise<void> {
    const current = this.#directorySyncs.get(path);
    if (!current) {
      const entry = { running: this.disk.syncDirectory(path), next: undefined };
      this.#directorySyncs.set(path, entry);
      return entry.running.finally(() => this.#directorySyncEnded(path));
    }
    current.next ??= current.running.then(
      () => this.#startNextSync(path),
      () => this.#startNextSync(path),
    );
    return current.next;
  }

  #startNextSync(path: string): Promise<void> {
    const running = this.disk.syncDirectory(path);
    this.#directorySyncs.set(path, { running, next: undefined });
    return running.finally(() => this.#directorySyncEnded(path));
  }

  #directorySyncEnded(path: string): void {
    if (!this.#directorySyncs.get(path)?.next) this.#directorySyncs.delete(path);
  }

  /** What may still be written, the reserve taken off; as of the last look at the disk, less what was written since. */
  get remainingBytes(): number {
    if (this.#failure !== undefined || this.isStalled) return 0;
    return Math.max(0, this.#space.availableBytes - this.#reservedBytes - this.#writtenSinceBytes);
  }

  /** Counts bytes that are about to be written. False if they would eat into the reserve. */
  async takeSpace(bytes: number): Promise<boolean> {
    if (this.#clock.monotonicMs() - this.#spaceReadMs > spaceAgeMs) void this.refreshSpace();
    if (this.remainingBytes < bytes) {
      await this.refreshSpace();
      if (this.remainingBytes < bytes) return false;
    }
    this.#writtenSinceBytes += bytes;
    return true;
  }

  /** Looks at the disk. One that fails, or does not answer soon, leaves the last figures. */
  async refreshSpace(): Promise<void> {
    if (this.#failure !== undefined || this.#isClosed) return;
    this.#tellStall();
    this.#spaceReading ??= this.#readSpace()
      .catch((error: unknown) => {
        this.#logger.warn(`${this.directory}: cannot ask for free space: ${String(error)}`);
        return this.noteFailure(error);
      })
      .finally(() => (this.#spaceReading = undefined));
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => (timer = this.#clock.setTimer(resolve, spaceWaitMs, { background: true })));
    await Promise.race([this.#spaceReading, late]);
    timer?.cancel();
  }

  async #readSpace(): Promise<void> {
    this.#space = await this.disk.readSpace(this.directory);
    this.#spaceReadMs = this.#clock.monotonicMs();
    this.#writtenSinceBytes = 0;
  }

  /** Once when it begins to hang, and once when it is over. */
  #tellStall(): void {
    if (this.isStalled === this.#isStallTold) return;
    this.#isStallTold = this.isStalled;
    if (this.isStalled) this.#logger.warn(`${this.directory}: its disk has not answered for ${Math.round(this.waitingMs / 1000)} s; nothing new is written there`);
    else this.#logger.info(`${this.directory}: its disk answers again`);
  }

  report(blockCount: number): StorageReport {
    const isFailed = this.#failure !== undefined;
    return {
      storageId: this.storageId,
      capacityBytes: Math.max(0, this.#space.totalBytes - this.#reservedBytes),
      usedBytes: this.usedBytes,
      remainingBytes: this.remainingBytes,
      blockCount: isFailed ? 0 : blockCount,
      isFailed,
    };
  }

  /**
   * To be told of every call of the disk that failed: it does with a small file what is done with every replica (written in tmp, moved to
   * current, durably), and takes the volume out if that fails too.
   * One bad sector is one replica's misfortune, a disk that takes nothing any more is not. Resolves when that is decided.
   */
  noteFailure(error: unknown): Promise<void> {
    const code = diskErrorCode((error as { cause?: unknown } | undefined)?.cause ?? error);
    if (this.#failure !== undefined || this.#isClosed || code === undefined || harmlessCodes.has(code)) return Promise.resolve();
    this.#probing ??= this.#probe(error).finally(() => (this.#probing = undefined));
    return this.#probing;
  }

  async #probe(reason: unknown): Promise<void> {
    const source = entryPath(this.folder('tmp'), 'probe');
    const target = entryPath(this.folder('current'), 'probe');
    // If one of them was removed, the next replica has it made again.
    this.#subdirectories.clear();
    try {
      const file = await this.disk.open(source, 'create');
      try {
        await file.write(Buffer.from('probe'), 0);
        await file.dataSync();
      } finally {
        await file.close();
      }
      await this.disk.rename({ source, target });
      await this.syncDirectory(this.folder('current'));
      await this.disk.unlink(target);
    } catch (error) {
      const code = diskErrorCode(error);
      if (this.#isClosed || (code !== undefined && harmlessCodes.has(code))) return;
      this.putOut((reason as { cause?: unknown } | undefined)?.cause ?? reason);
    }
  }

  /** Out of use from here on, until the next start. */
  putOut(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof Error ? error.message : String(error);
    this.#logger.error(`${this.directory} is out of use until it is repaired and this data node restarted; its replicas are missing`, error);
  }

  /** Moves a file to the trash; gone from where it was when it resolves. An absent file is fine. */
  async discard(path: string): Promise<void> {
    const target = entryPath(this.folder('trash'), `${this.#clock.nowMs()}.${++this.#trashSequence}`);
    try {
      await this.disk.rename({ source: path, target });
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    this.emptyTrash();
  }

  /** Unlinks what is in the trash, file after file, in the background. */
  emptyTrash(): void {
    this.#hasNewTrash = true;
    this.#trashEmptying ??= this.#emptyTrash().finally(() => {
      this.#trashEmptying = undefined;
      if (this.#hasNewTrash && !this.#isClosed) this.emptyTrash();
    });
  }

  async #emptyTrash(): Promise<void> {
    const trash = this.folder('trash');
    try {
      while (this.#hasNewTrash) {
        this.#hasNewTrash = false;
        for (const { name } of await this.disk.readDirectory(trash)) {
          if (this.#isClosed) return;
          await this.disk.unlink(entryPath(trash, name));
        }
      }
      void this.refreshSpace();
    } catch (error) {
      // What stays is unlinked after the next deletion, or at the next start.
      if (this.#failure === undefined) this.#logger.warn(`${trash} cannot be emptied: ${String(error)}`);
      void this.noteFailure(error);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#trashEmptying;
    await this.#spaceReading;
    await this.#probing;
    await this.#lock.release();
  }
}
