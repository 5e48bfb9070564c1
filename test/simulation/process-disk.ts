import type { Random } from '../../source/base/random.js';
import type { Disk, DiskEntry, DiskFile, DiskLock, DiskSpace, OpenMode } from '../../source/storage/disk.js';
import { failure, SimulatedDisk } from '../helpers/simulated-disk.js';
import { never, type SimulatedProcess } from './simulated-process.js';

/** One disk of a machine, and what is wrong with it. It outlives processes. */
export class MachineDisk {
  readonly disk = new SimulatedDisk();
  /** Times as slow as it should be. */
  slowness = 1;
  /** Takes no byte more. */
  isFull = false;
  /** Fails every call that would change something, with this code. */
  writeFailure: 'EIO' | 'EROFS' | undefined;
  /** Fails the next so many calls of a kind. */
  failures = { read: 0, write: 0, dataSync: 0, rename: 0, open: 0 };
  /** A sync that fails leaves its pages clean: the next one succeeds without them. */
  doSyncFailuresLie = false;
  /** Calls are answered at this time at the earliest. */
  hangsUntilMs = 0;
}

export type DiskCallKind = 'open' | 'read' | 'write' | 'truncate' | 'dataSync' | 'close' | 'rename' | 'unlink' | 'makeDirectory' | 'readDirectory' | 'readSize' | 'syncDirectory' | 'readSpace' | 'lock';

/** Decides the fate of each call: an error, or 'crash' where whoever decides has killed the process. */
export type DiskFateOf = (kind: DiskCallKind, path: string) => 'EIO' | 'ENOSPC' | 'crash' | undefined;

const changes: ReadonlySet<DiskCallKind> = new Set(['write', 'truncate', 'dataSync', 'rename', 'unlink', 'makeDirectory', 'syncDirectory']);
const failureOf: Partial<Record<DiskCallKind, keyof MachineDisk['failures']>> = { read: 'read', write: 'write', dataSync: 'dataSync', syncDirectory: 'dataSync', rename: 'rename', open: 'open' };

const bytesPerMs = 300_000;
const sectorBytes = 512;

/**
 * A machine's disks, mounted at /0, /1, ..., as one process sees them: each call takes its time, has its effect at the begin or at the
 * end of it, and may fail. What is under way when the process dies happens, or does not, or in part.
 */
export class ProcessDisk implements Disk {
  readonly #process: SimulatedProcess;
  readonly #disks: readonly MachineDisk[];
  readonly #mounted: Disk[];
  readonly #random: Random;
  readonly #onFault: (kind: string) => void;
  readonly #fateOf: DiskFateOf | undefined;
  /** Writes that have not had their effect. */
  readonly #pendingWrites = new Set<() => void>();

  constructor(process: SimulatedProcess, disks: readonly MachineDisk[], onFault: (kind: string) => void, fateOf?: DiskFateOf) {
    this.#process = process;
    this.#disks = disks;
    this.#mounted = disks.map(({ disk }) => disk.mount());
    this.#random = process.simulator.fork();
    this.#onFault = onFault;
    this.#fateOf = fateOf;
    process.onKilled(() => {
      for (const tear of this.#pendingWrites) tear();
      this.#pendingWrites.clear();
    });
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const { index, rest } = split(path);
    const file = await this.#call('open', path, 0, (disk) => disk.open(rest, mode), mode === 'create');
    return this.#file(file, path, index);
  }

  rename({ source, target }: { source: string; target: string }): Promise<void> {
    return this.#call('rename', source, 0, (disk) => disk.rename({ source: split(source).rest, target: split(target).rest }));
  }

  unlink(path: string): Promise<void> {
    return this.#call('unlink', path, 0, (disk) => disk.unlink(split(path).rest));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call('makeDirectory', path, 0, (disk) => disk.makeDirectory(split(path).rest));
  }

  readDirectory(path: string): Promise<DiskEntry[]> {
    return this.#call('readDirectory', path, 0, (disk) => disk.readDirectory(split(path).rest));
  }

  readSize(path: string): Promise<number> {
    return this.#call('readSize', path, 0, (disk) => disk.readSize(split(path).rest));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call('syncDirectory', path, 0, (disk) => disk.syncDirectory(split(path).rest));
  }

  async readSpace(path: string): Promise<DiskSpace> {
    const space = await this.#call('readSpace', path, 0, (disk) => disk.readSpace('/'));
    return this.#disks[split(path).index]!.isFull ? { ...space, availableBytes: 0 } : space;
  }

  lock(path: string): Promise<DiskLock> {
    return this.#call('lock', path, 0, (disk) => disk.lock(split(path).rest));
  }

  #file(file: DiskFile, path: string, _index: number): DiskFile {
    return {
      read: (target, positionBytes) => this.#call('read', path, target.length, () => file.read(target, positionBytes)),
      write: (bytes, positionBytes) => this.#write(file, path, bytes, positionBytes),
      truncate: (lengthBytes) => this.#call('truncate', path, 0, () => file.truncate(lengthBytes)),
      dataSync: () => this.#call('dataSync', path, 0, () => file.dataSync()),
      close: () => this.#call('close', path, 0, () => file.close()),
    };
  }

  #write(file: DiskFile, path: string, bytes: Uint8Array, positionBytes: number): Promise<void> {
    const machineDisk = this.#disks[split(path).index]!;
    const tear = () => {
      if (this.#random.next() < 0.3) return;
      const end = positionBytes + this.#random.next() * bytes.length;
      const part = Math.max(0, end - (end % sectorBytes) - positionBytes);
      file.write(Buffer.from(bytes.subarray(0, part)), positionBytes).catch(() => {});
    };
    return this.#call(
      'write',
      path,
      bytes.length,
      () => {
        if (machineDisk.isFull) return Promise.reject(failure('ENOSPC', path));
        return file.write(bytes, positionBytes);
      },
      true,
      tear,
    );
  }

  async #call<T>(kind: DiskCallKind, path: string, bytes: number, perform: (disk: Disk) => Promise<T>, isGrowing = false, tear?: () => void): Promise<T> {
    const process = this.#process;
    if (!process.enterSeam()) return never();
    const { index } = split(path);
    const machineDisk = this.#disks[index]!;
    const { simulator } = process;
    const random = this.#random;
    simulator.note('disk', process.name, kind, path, bytes);
    const isChange = isGrowing || changes.has(kind);
    const fate = this.#fateOf?.(kind, path);
    if (fate === 'crash') return never();
    const error = fate === undefined ? this.#errorOf(machineDisk, kind, path, isChange) : failure(fate, path);
    const delayMs = machineDisk.slowness * (latencyOf(kind, random) + bytes / bytesPerMs) + Math.max(0, machineDisk.hangsUntilMs - simulator.nowMs);
    const isEarly = random.next() < 0.5;
    const begun = isEarly && !error ? perform(this.#mounted[index]!) : undefined;
    begun?.catch(() => {});
    const isPending = !isEarly && !error && tear !== undefined;
    if (isPending) this.#pendingWrites.add(tear);
    return new Promise<T>((resolve, reject) => {
      process.after(delayMs, () => {
        if (isPending) this.#pendingWrites.delete(tear);
        if (error) reject(error);
        else (begun ?? perform(this.#mounted[index]!)).then(resolve, reject);
      });
    });
  }

  #errorOf(disk: MachineDisk, kind: DiskCallKind, path: string, isChange: boolean): Error | undefined {
    const name = failureOf[kind];
    if (name !== undefined && disk.failures[name] > 0) {
      disk.failures[name]--;
      const isLie = kind === 'dataSync' && disk.doSyncFailuresLie;
      if (isLie) disk.disk.loseUnsynced(split(path).rest);
      this.#onFault(isLie ? 'disk-dataSync-lie' : `disk-${name}-error`);
      this.#process.simulator.note('disk-fails', this.#process.name, kind, path);
      return failure('EIO', path);
    }
    if (isChange && disk.writeFailure && kind !== 'makeDirectory') return failure(disk.writeFailure, path);
    return undefined;
  }
}

function latencyOf(kind: DiskCallKind, random: Random): number {
  const spread = 0.5 + random.next();
  return spread * (kind === 'dataSync' || kind === 'syncDirectory' ? 1.2 : 0.05);
}

/** `/1/current/x` is /current/x of disk 1. */
export function split(path: string): { index: number; rest: string } {
  const slash = path.indexOf('/', 1);
  return slash < 0 ? { index: Number(path.slice(1)), rest: '/' } : { index: Number(path.slice(1, slash)), rest: path.slice(slash) };
}
