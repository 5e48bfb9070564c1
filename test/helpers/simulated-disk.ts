import { dirname, join } from 'node:path';
import type { Random } from '../../source/base/random.js';
import { StorageLockedError } from '../../source/protocol/errors.js';
import type { Disk, DiskEntry, DiskFile, DiskSpace, OpenMode } from '../../source/storage/disk.js';

interface FileNode {
  bytes: Buffer;
  durable: Buffer;
  /** Pages whose sync failed and that were not written again since: clean for the system, and never written to the disk. */
  lostPages?: Set<number>;
}

type Node = FileNode | 'directory';

interface Operation {
  kind: 'add' | 'remove' | 'rename';
  path: string;
  target?: string;
  node: Node;
}

export type DiskCall =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'truncate'
  | 'dataSync'
  | 'rename'
  | 'unlink'
  | 'makeDirectory'
  | 'syncDirectory'
  | 'readDirectory'
  | 'readSize'
  | 'readSpace';

/** What a power cut does with what was not synced: nothing of it stays, all of it, or any part. */
export type Unsynced = 'lost' | 'kept' | 'torn';

/** What the system's cache holds, and writes, as a whole. */
const pageBytes = 4096;

/** What a disk writes wholly or not at all. */
const sectorBytes = 512;

/**
 * A disk in memory that keeps to the contract of storage/disk.ts and to nothing more: what was not synced is at the mercy of a power cut. Directory
 * changes that were not synced may survive in any selection; a rename as a whole.
 */
export class SimulatedDisk {
  /** Throw to let the call fail, resolve later to make it slow; called before it does anything. `callCount` counts calls that change something. */
  onCall: (call: DiskCall, path: string, callCount: number) => void | Promise<void> = () => {};
  /** What does not fit any more is ENOSPC; may change at any time. */
  totalBytes = 2 ** 40;
  /** Directories that are disks of their own, with what each holds. */
  readonly disks = new Map<string, { totalBytes: number }>();
  callCount = 0;
  syncCount = 0;
  #paths = new Map<string, Node>([['/', 'directory']]);
  #durable = new Map<string, Node>([['/', 'directory']]);
  #pending: Operation[] = [];
  #locks = new Set<string>();
  #life = 0;
  #isDead = false;

  /** The disk as one process sees it: dead for it once that has ended, by die, restart or powerCut. */
  mount(): Disk {
    const life = this.#life;
    const alive =
      <A extends unknown[], R>(call: (...values: A) => Promise<R>) =>
      (...values: A): Promise<R> =>
        life === this.#life ? call.apply(this, values) : Promise.reject(failure('EIO', 'the process is dead'));
    return {
      open: alive(this.#openFile),
      rename: alive(this.#rename),
      unlink: alive(this.#unlink),
      makeDirectory: alive(this.#makeDirectory),
      readDirectory: alive(this.#readDirectory),
      readSize: alive(this.#readSize),
      syncDirectory: alive(this.#syncDirectory),
      readSpace: alive(this.#readSpace),
      lock: alive(this.#lock),
    };
  }

  /** This call and all later ones fail. A write is cut in the middle. */
  die(): void {
    this.#isDead = true;
  }

  /** What is there after a restart. The files that are open now stay dead. */
  powerCut(unsynced: Unsynced, random: Random): void {
    for (const operation of [...this.#pending]) {
      if (unsynced === 'kept' || (unsynced === 'torn' && random.integer(2) === 1)) this.#persist(operation);
    }
    this.#pending = [];
    this.#paths = new Map(this.#durable);
    // What was made in a directory that is gone is gone too.
    for (const path of this.#paths.keys()) if (path !== '/' && this.#paths.get(dirname(path)) !== 'directory') this.#paths.delete(path);
    for (const node of this.#paths.values()) {
      if (node === 'directory') continue;
      node.bytes = node.durable = Buffer.from(settle(node, unsynced, random));
      delete node.lostPages;
    }
    this.#durable = new Map(this.#paths);
    this.restart();
  }

  /** The process ended, the machine did not: all that was written is there. */
  restart(): void {
    this.#life++;
    this.#isDead = false;
    this.#locks.clear();
    this.onCall = () => {};
  }

  /** Copies all files and directories, as they are now, to an empty disk: durably, as a copy of a data directory that was taken with care. */
  copyTo(target: SimulatedDisk): void {
    for (const [path, node] of this.#paths) {
      const copy: Node = node === 'directory' ? node : { bytes: Buffer.from(node.bytes), durable: Buffer.from(node.bytes) };
      target.#paths.set(path, copy);
      target.#durable.set(path, copy);
    }
  }

  /** Every file's path. */
  files(): string[] {
    return [...this.#paths].filter(([, node]) => node !== 'directory').map(([path]) => path);
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  bytes(path: string): Buffer {
    return this.#file(path).bytes;
  }

  /** What a power cut would surely leave of a file; undefined if that is nothing. */
  durableBytes(path: string): Buffer | undefined {
    const node = this.#durable.get(path);
    if (node === undefined || node === 'directory') return undefined;
    for (let parent = dirname(path); parent !== '/'; parent = dirname(parent)) if (this.#durable.get(parent) !== 'directory') return undefined;
    return node.durable;
  }

  /**
   * A sync of the file has failed, and the system takes its pages for clean: they are read as they were written, a later sync succeeds
   * without them, and a power cut shows what really is on the disk.
   */
  loseUnsynced(path: string): void {
    const node = this.#paths.get(path);
    if (node === undefined || node === 'directory') return;
    node.lostPages ??= new Set();
    const { bytes, durable } = node;
    for (let at = 0; at < bytes.length; at += pageBytes) {
      if (!bytes.subarray(at, at + pageBytes).equals(durable.subarray(at, Math.min(at + pageBytes, bytes.length)))) node.lostPages.add(at / pageBytes);
    }
  }

  /** Changes what lies on the disk, behind everybody's back. */
  rot(path: string, change: (bytes: Buffer) => Buffer): void {
    const node = this.#file(path);
    const isSynced = node.durable.equals(node.bytes);
    node.bytes = change(Buffer.from(node.bytes));
    node.durable = isSynced ? Buffer.from(node.bytes) : change(Buffer.from(node.durable));
  }

  async #openFile(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.#call(mode === 'create' ? 'create' : 'open', path);
    if (mode === 'create' && !this.#paths.has(path)) {
      this.#requireDirectory(dirname(path));
      this.#change({ kind: 'add', path, node: { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) } });
    }
    const node = this.#file(path);
    if (mode === 'create') node.bytes = Buffer.alloc(0);
    return this.#open(path, node);
  }

  #open(path: string, node: FileNode): DiskFile {
    const life = this.#life;
    const call = (name: DiskCall) => (life === this.#life ? this.#call(name, path) : Promise.reject(failure('EIO', 'the process is dead')));
    return {
      read: async (target, positionBytes) => {
        await call('read');
        return node.bytes.copy(target, 0, positionBytes);
      },
      write: async (bytes, positionBytes) => {
        try {
          await call('write');
        } catch (error) {
          if (this.#isDead && life === this.#life) write(node, bytes.subarray(0, tornLength(positionBytes, bytes.length)), positionBytes);
          throw error;
        }
        const grownBytes = positionBytes + bytes.length - node.bytes.length;
        if (grownBytes > 0 && grownBytes > this.#space(path).availableBytes) throw failure('ENOSPC', path);
        write(node, bytes, positionBytes);
      },
      truncate: async (lengthBytes) => {
        await call('truncate');
        const bytes = Buffer.alloc(lengthBytes);
        node.bytes.copy(bytes);
        node.bytes = bytes;
      },
      dataSync: async () => {
        await call('dataSync');
        this.syncCount++;
        node.durable = Buffer.from(reachable(node));
      },
      close: async () => {},
    };
  }

  async #rename({ source, target }: { source: string; target: string }): Promise<void> {
    await this.#call('rename', source);
    this.#requireDirectory(dirname(target));
    this.#change({ kind: 'rename', path: source, target, node: this.#file(source) });
  }

  async #unlink(path: string): Promise<void> {
    await this.#call('unlink', path);
    this.#change({ kind: 'remove', path, node: this.#file(path) });
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#paths.get(path) === 'directory') return;
    if (path !== '/') await this.#makeDirectory(dirname(path));
    await this.#call('makeDirectory', path);
    this.#change({ kind: 'add', path, node: 'directory' });
  }

  async #readDirectory(path: string): Promise<DiskEntry[]> {
    await this.#call('readDirectory', path);
    this.#requireDirectory(path);
    return [...this.#paths]
      .filter(([each]) => each !== '/' && dirname(each) === path)
      .map(([each, node]) => ({ name: each.slice(join(path, '/').length), isDirectory: node === 'directory' }));
  }

  async #syncDirectory(path: string): Promise<void> {
    await this.#call('syncDirectory', path);
    this.#requireDirectory(path);
    this.syncCount++;
    for (const operation of [...this.#pending]) {
      if (dirname(operation.path) === path || (operation.target !== undefined && dirname(operation.target) === path))
        this.#persist(operation);
    }
  }

  async #readSize(path: string): Promise<number> {
    await this.#call('readSize', path);
    return this.#file(path).bytes.length;
  }

  async #readSpace(path: string): Promise<DiskSpace> {
    await this.#call('readSpace', path);
    return this.#space(path);
  }

  #space(path: string): DiskSpace {
    const own = [...this.disks].find(([root]) => path === root || path.startsWith(`${root}/`));
    const totalBytes = own ? own[1].totalBytes : this.totalBytes;
    let usedBytes = 0;
    for (const [each, node] of this.#paths) if (node !== 'directory' && (!own || each.startsWith(`${own[0]}/`))) usedBytes += node.bytes.length;
    return { totalBytes, availableBytes: Math.max(0, totalBytes - usedBytes) };
  }

  /** Removes a directory and all in it, durably, behind everybody's back. */
  removeTree(directory: string): void {
    const isBelow = (path: string) => path === directory || path.startsWith(`${directory}/`);
    for (const paths of [this.#paths, this.#durable]) for (const path of [...paths.keys()]) if (isBelow(path)) paths.delete(path);
    this.#pending = this.#pending.filter(({ path, target }) => !isBelow(path) && !(target !== undefined && isBelow(target)));
  }

  /** Rot: flips a bit of what is stored, durably. */
  flipBit(path: string, bitIndex: number): void {
    const node = this.#file(path);
    for (const bytes of new Set([node.bytes, node.durable])) if (bitIndex < 8 * bytes.length) bytes[bitIndex >>> 3]! ^= 1 << (bitIndex & 7);
  }

  async #lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.#locks.has(path)) throw new StorageLockedError(`${path} is in use`);
    this.#locks.add(path);
    const life = this.#life;
    return { release: async () => void (life === this.#life && this.#locks.delete(path)) };
  }

  async #call(call: DiskCall, path: string): Promise<void> {
    await Promise.resolve();
    if (this.#isDead) throw failure('EIO', 'the disk is dead');
    if (!call.startsWith('read') && call !== 'open') this.callCount++;
    const waiting = this.onCall(call, path, this.callCount);
    if (waiting) await waiting;
    if (this.#isDead) throw failure('EIO', 'the disk is dead');
  }

  #change(operation: Operation): void {
    const { kind, path, target, node } = operation;
    this.#pending.push(operation);
    if (kind !== 'add') this.#paths.delete(path);
    if (kind !== 'remove') this.#paths.set(target ?? path, node);
  }

  /** Applies a change, and before it every earlier one of the same names. */
  #persist(operation: Operation): void {
    const index = this.#pending.indexOf(operation);
    if (index < 0) return;
    this.#pending.splice(index, 1);
    const names = [operation.path, operation.target];
    for (const earlier of this.#pending.slice(0, index)) {
      if (names.includes(earlier.path) || (earlier.target !== undefined && names.includes(earlier.target))) this.#persist(earlier);
    }
    const { kind, path, target, node } = operation;
    if (kind !== 'add') this.#durable.delete(path);
    if (kind !== 'remove') this.#durable.set(target ?? path, node);
  }

  #file(path: string): FileNode {
    const node = this.#paths.get(path);
    if (node === undefined) throw failure('ENOENT', path);
    if (node === 'directory') throw failure('EISDIR', path);
    return node;
  }

  #requireDirectory(path: string): void {
    if (this.#paths.get(path) !== 'directory') throw failure('ENOENT', path);
  }
}

export function failure(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function write(node: FileNode, bytes: Uint8Array, positionBytes: number): void {
  const end = positionBytes + bytes.length;
  if (end > node.bytes.length) {
    const grown = Buffer.alloc(end);
    node.bytes.copy(grown);
    node.bytes = grown;
  }
  node.bytes.set(bytes, positionBytes);
  // A page that is written again is written out as a whole, with what was lost of it.
  if (node.lostPages) for (let page = Math.floor(positionBytes / pageBytes); page * pageBytes < end; page++) node.lostPages.delete(page);
}

/** What of a file can still get to the disk: all, but for pages that a failed sync has left clean; there is what was there, or nothing. */
function reachable({ bytes, durable, lostPages }: FileNode): Buffer {
  if (!lostPages?.size) return bytes;
  const result = Buffer.from(bytes);
  for (const page of lostPages) {
    const at = page * pageBytes;
    if (at >= result.length) continue;
    const end = Math.min(at + pageBytes, result.length);
    result.fill(0, at, end);
    if (at < durable.length) durable.copy(result, at, at, end);
  }
  return result;
}

/** About half of a write, up to the begin of a sector. */
function tornLength(positionBytes: number, lengthBytes: number): number {
  const end = positionBytes + lengthBytes / 2;
  return Math.max(0, end - (end % sectorBytes) - positionBytes);
}

/** Of a file: what was synced, what was written, or sectors of both, and any length between. */
function settle(node: FileNode, unsynced: Unsynced, random: Random): Buffer {
  const { durable } = node;
  const bytes = reachable(node);
  if (unsynced !== 'torn') return unsynced === 'lost' ? durable : bytes;
  const [short, long] = [Math.min(bytes.length, durable.length), Math.max(bytes.length, durable.length)];
  const result = Buffer.alloc(short + random.integer(long - short + 1));
  for (let at = 0; at < result.length; at += sectorBytes)
    result.set((random.integer(2) === 1 ? bytes : durable).subarray(at, Math.min(at + sectorBytes, result.length)), at);
  return result;
}
