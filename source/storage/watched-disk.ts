import { type Clock, sleep } from '../base/clock.js';
import { type Disk, type DiskEntry, type DiskFile, type DiskLock, type DiskSpace, diskErrorCode, type OpenMode } from './disk.js';

/** How long a call that finds no free descriptor is tried again, and from which pause on. */
const descriptorWaitMs = 5000;
const firstPauseMs = 10;
/** A call that takes longer is late: an fsync has much to write, the others have a page cache before them. */
const lateSyncMs = 1000;
const lateMs = 100;
/** For how long an answer proves that a disk works, and a late one that it may not. */
const provenMs = 1000;
const suspectMs = 10_000;

/** A sync may take longer than the others before it is late. */
type CallKind = 'call' | 'sync';

/**
 * A disk that knows since when it owes an answer, so that one that hangs is seen by those who have not asked it yet, and none of them lets
 * the whole process wait for it; and that waits for a descriptor when the process has none left (EMFILE), since that passes and says
 * nothing about the disk.
 */
export class WatchedDisk implements Disk {
  readonly #disk: Disk;
  readonly #clock: Clock;
  /** Each in the order of their begin. */
  readonly #pending = new Set<{ startMs: number }>();
  readonly #pendingSyncs = new Set<{ startMs: number }>();
  #answeredMs = -Infinity;
  #lateAnswerMs = -Infinity;

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  /** How long the oldest of its open calls has been waiting; 0 if there is none. */
  get waitingMs(): number {
    const nowMs = this.#clock.monotonicMs();
    return nowMs - Math.min(oldest(this.#pending, nowMs), oldest(this.#pendingSyncs, nowMs));
  }

  /** It has answered just now, owes no answer for long, and was not late for a while. */
  get isPrompt(): boolean {
    const nowMs = this.#clock.monotonicMs();
    return (
      nowMs - this.#answeredMs <= provenMs &&
      nowMs - this.#lateAnswerMs > suspectMs &&
      nowMs - oldest(this.#pending, nowMs) < lateMs &&
      nowMs - oldest(this.#pendingSyncs, nowMs) < lateSyncMs
    );
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    return new WatchedFile(this, await this.#watchOpening(() => this.#disk.open(path, mode)));
  }

  rename(paths: { source: string; target: string }): Promise<void> {
    return this.watch(this.#disk.rename(paths));
  }

  unlink(path: string): Promise<void> {
    return this.watch(this.#disk.unlink(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.watch(this.#disk.makeDirectory(path));
  }

  readDirectory(path: string): Promise<DiskEntry[]> {
    return this.#watchOpening(() => this.#disk.readDirectory(path));
  }

  readSize(path: string): Promise<number> {
    return this.watch(this.#disk.readSize(path));
  }

  /** Without a descriptor nothing was synced yet: this one fsync may be asked for again. */
  syncDirectory(path: string): Promise<void> {
    return this.#watchOpening(() => this.#disk.syncDirectory(path), 'sync');
  }

  readSpace(path: string): Promise<DiskSpace> {
    return this.watch(this.#disk.readSpace(path));
  }

  lock(path: string): Promise<DiskLock> {
    return this.#disk.lock(path);
  }

  /** Counts a call as one that the disk owes, until it has answered. */
  async watch<T>(call: Promise<T>, kind: CallKind = 'call'): Promise<T> {
    const pending = kind === 'sync' ? this.#pendingSyncs : this.#pending;
    const entry = { startMs: this.#clock.monotonicMs() };
    pending.add(entry);
    try {
      return await call;
    } finally {
      pending.delete(entry);
      this.#answeredMs = this.#clock.monotonicMs();
      if (this.#answeredMs - entry.startMs >= (kind === 'sync' ? lateSyncMs : lateMs)) this.#lateAnswerMs = this.#answeredMs;
    }
  }

  async #watchOpening<T>(call: () => Promise<T>, kind: CallKind = 'call'): Promise<T> {
    let endMs: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      try {
        return await this.watch(call(), kind);
      } catch (error) {
        if (!isOutOfDescriptors(error)) throw error;
        endMs ??= this.#clock.monotonicMs() + descriptorWaitMs;
        if (this.#clock.monotonicMs() + pauseMs > endMs) throw error;
      }
      await sleep(this.#clock, pauseMs);
    }
  }
}

class WatchedFile implements DiskFile {
  readonly #disk: WatchedDisk;
  readonly #file: DiskFile;

  constructor(disk: WatchedDisk, file: DiskFile) {
    this.#disk = disk;
    this.#file = file;
  }

  read(target: Uint8Array, positionBytes: number): Promise<number> {
    return this.#disk.watch(this.#file.read(target, positionBytes));
  }

  write(bytes: Uint8Array, positionBytes: number): Promise<void> {
    return this.#disk.watch(this.#file.write(bytes, positionBytes, this.#disk.isPrompt));
  }

  truncate(lengthBytes: number): Promise<void> {
    return this.#disk.watch(this.#file.truncate(lengthBytes));
  }

  dataSync(): Promise<void> {
    return this.#disk.watch(this.#file.dataSync(), 'sync');
  }

  close(): Promise<void> {
    return this.#file.close(this.#disk.isPrompt);
  }
}

function oldest(calls: ReadonlySet<{ startMs: number }>, ifNoneMs: number): number {
  for (const { startMs } of calls) return startMs;
  return ifNoneMs;
}

function isOutOfDescriptors(error: unknown): boolean {
  const code = diskErrorCode(error);
  return code === 'EMFILE' || code === 'ENFILE';
}
