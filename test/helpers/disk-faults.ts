import type { Disk, DiskFile, DiskSpace } from '../../source/storage/disk.js';
import { type DiskCall, failure } from './simulated-disk.js';

export interface DiskFault {
  /** EIO, ENOSPC, EROFS, EMFILE, ...; left out where the call is to wait only. */
  code?: string;
  /** All if not said. */
  calls?: readonly DiskCall[];
  /** A begin of the path, or a pattern of it; all if not said. */
  path?: string | RegExp;
  /** How often; for ever if not said. */
  times?: number;
  /** The call waits for it first. */
  until?: Promise<void>;
}

export const writingCalls: readonly DiskCall[] = ['create', 'write', 'truncate', 'dataSync', 'rename', 'unlink', 'makeDirectory', 'syncDirectory'];

/** What is wrong with a disk at present: to be the `onCall` of a SimulatedDisk, or of a FaultyDisk. */
export class DiskFaults {
  readonly #faults = new Set<DiskFault>();
  /** How often each call failed or waited because of a fault, by `call path`. */
  readonly hits = new Map<string, number>();
  /** Instead of what the disk says. */
  space: DiskSpace | undefined;

  /** Answers the function that repairs it. */
  add(fault: DiskFault): () => void {
    const own = { ...fault };
    this.#faults.add(own);
    return () => void this.#faults.delete(own);
  }

  /** Calls wait from now on. The function that is answered lets them go on. */
  hang(fault: Omit<DiskFault, 'until' | 'code'>): () => void {
    let release = () => {};
    const until = new Promise<void>((resolve) => (release = resolve));
    const repair = this.add({ ...fault, until });
    return () => {
      repair();
      release();
    };
  }

  /** How often a call of this kind, on a path that has `part` in it, met a fault. */
  count(call: DiskCall, part = ''): number {
    let sum = 0;
    for (const [key, count] of this.hits) if (key.startsWith(`${call} `) && key.includes(part)) sum += count;
    return sum;
  }

  readonly onCall = (call: DiskCall, path: string): void | Promise<void> => {
    for (const fault of this.#faults) {
      if (fault.calls && !fault.calls.includes(call)) continue;
      if (fault.path !== undefined && !(typeof fault.path === 'string' ? path.startsWith(fault.path) : fault.path.test(path))) continue;
      if (fault.times !== undefined && fault.times-- <= 0) continue;
      const key = `${call} ${path}`;
      this.hits.set(key, (this.hits.get(key) ?? 0) + 1);
      if (fault.until) {
        return fault.until.then(() => {
          if (fault.code !== undefined) throw failure(fault.code, path);
        });
      }
      throw failure(fault.code ?? 'EIO', path);
    }
  };
}

/** A real disk with faults. */
export function faultyDisk(disk: Disk, faults: DiskFaults): Disk {
  const before = async <T>(call: DiskCall, path: string, run: () => Promise<T>): Promise<T> => {
    await faults.onCall(call, path);
    return run();
  };
  return {
    open: (path, mode) => before(mode === 'create' ? 'create' : 'open', path, async () => faultyFile(await disk.open(path, mode), path, before)),
    rename: (paths) => before('rename', paths.source, () => disk.rename(paths)),
    unlink: (path) => before('unlink', path, () => disk.unlink(path)),
    makeDirectory: (path) => before('makeDirectory', path, () => disk.makeDirectory(path)),
    readDirectory: (path) => before('readDirectory', path, () => disk.readDirectory(path)),
    readSize: (path) => before('readSize', path, () => disk.readSize(path)),
    syncDirectory: (path) => before('syncDirectory', path, () => disk.syncDirectory(path)),
    readSpace: (path) => before('readSpace', path, async () => faults.space ?? (await disk.readSpace(path))),
    lock: (path) => disk.lock(path),
  };
}

function faultyFile(file: DiskFile, path: string, before: <T>(call: DiskCall, path: string, run: () => Promise<T>) => Promise<T>): DiskFile {
  return {
    read: (target, positionBytes) => before('read', path, () => file.read(target, positionBytes)),
    write: (bytes, positionBytes, isDiskPrompt) => before('write', path, () => file.write(bytes, positionBytes, isDiskPrompt)),
    truncate: (lengthBytes) => before('truncate', path, () => file.truncate(lengthBytes)),
    dataSync: () => before('dataSync', path, () => file.dataSync()),
    close: () => file.close(),
  };
}
