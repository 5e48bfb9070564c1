import { type Clock, sleep } from '../base/clock.js';
import { type Disk, type DiskEntry, type DiskFile, type DiskLock, type DiskSpace, diskErrorCode, type OpenMode } from './disk.js';

/** How long a call that finds no free descriptor is tried again, and from which pause on. */
const descriptorWaitMs = 5000;
const firstPauseMs = 10;

/**
 * A disk that knows since when it owes an answer, so that one that hangs is seen by those who have not asked it yet; and that waits for
 * a descriptor when the process has none left (EMFILE), since that passes and says nothing about the disk.
 */
export class WatchedDisk implements Disk {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #pending = new Set<{ startMs: number }>();

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  /** How long the oldest of its open calls has been waiting; 0 if there is none. */
  get waitingMs(): number {
    // In the order of their begin.
    for (const { startMs } of this.#pending) return this.#clock.monotonicMs() - startMs;
    return 0;
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const file = await this.#watchOpening(() => this.#disk.open(path, mode));
    return {
      read: (target, positionBytes) => this.#watch(file.read(target, positionBytes)),
      write: (bytes, positionBytes) => this.#watch(file.write(bytes, positionBytes)),
      truncate: (lengthBytes) => this.#watch(file.truncate(lengthBytes)),
      dataSync: () => this.#watch(file.dataSync()),
      close: () => file.close(),
    };
  }

  rename(paths: { source: string; target: string }): Promise<void> {
    return this.#watch(this.#disk.rename(paths));
  }

  unlink(path: string): Promise<void> {
    return this.#watch(this.#disk.unlink(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#watch(this.#disk.makeDirectory(path));
  }

  readDirectory(path: string): Promise<DiskEntry[]> {
    return this.#watchOpening(() => this.#disk.readDirectory(path));
  }

  readSize(path: string): Promise<number> {
    return this.#watch(this.#disk.readSize(path));
  }

  /** Without a descriptor nothing was synced yet: this one fsync may be asked for again. */
  syncDirectory(path: string): Promise<void> {
    return this.#watchOpening(() => this.#disk.syncDirectory(path));
  }

  readSpace(path: string): Promise<DiskSpace> {
    return this.#watch(this.#disk.readSpace(path));
  }

  lock(path: string): Promise<DiskLock> {
    return this.#disk.lock(path);
  }

  async #watch<T>(call: Promise<T>): Promise<T> {
    const entry = { startMs: this.#clock.monotonicMs() };
    this.#pending.add(entry);
    try {
      return await call;
    } finally {
      this.#pending.delete(entry);
    }
  }

  async #watchOpening<T>(call: () => Promise<T>): Promise<T> {
    let endMs: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      try {
        return await this.#watch(call());
      } catch (error) {
        if (!isOutOfDescriptors(error)) throw error;
        endMs ??= this.#clock.monotonicMs() + descriptorWaitMs;
        if (this.#clock.monotonicMs() + pauseMs > endMs) throw error;
      }
      await sleep(this.#clock, pauseMs);
    }
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  const code = diskErrorCode(error);
  return code === 'EMFILE' || code === 'ENFILE';
}
