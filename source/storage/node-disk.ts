import * as fs from 'node:fs';
import type { Disk, DiskFile, OpenMode } from './disk.js';
import { lockDirectory } from './store-lock.js';

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** Plain descriptors and callbacks: FileHandle costs several times as much a call. */
function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

function run(start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

const flags: Record<OpenMode, string> = { read: 'r', write: 'r+', create: 'w+' };

/**
 * A write into the page cache of so few bytes takes microseconds; a turn in the thread pool, ten times that. But one to a disk that hangs
 * would stop the process, heartbeats and all: only a disk that is known to answer is written to directly.
 */
const directWriteBytes = 16 * 1024;

class NodeFile implements DiskFile {
  readonly #descriptor: number;
  /** No write has ended since the last sync began, or at all. */
  #isClean = true;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async read(target: Uint8Array, positionBytes: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const count = await call<number>((callback) =>
        fs.read(this.#descriptor, target, done, target.length - done, positionBytes + done, callback),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async write(bytes: Uint8Array, positionBytes: number, isDiskPrompt = false): Promise<void> {
    let done = 0;
    if (isDiskPrompt && bytes.length <= directWriteBytes) done = fs.writeSync(this.#descriptor, bytes, 0, bytes.length, positionBytes);
    while (done < bytes.length) {
      done += await call<number>((callback) =>
        fs.write(this.#descriptor, bytes, done, bytes.length - done, positionBytes + done, callback),
      );
    }
    this.#isClean = false;
  }

  async truncate(lengthBytes: number): Promise<void> {
    await run((done) => fs.ftruncate(this.#descriptor, lengthBytes, done));
    this.#isClean = false;
  }

  async dataSync(): Promise<void> {
    this.#isClean = true;
    try {
      await run((done) => fs.fdatasync(this.#descriptor, done));
    } catch (error) {
      this.#isClean = false;
      throw error;
    }
  }

  /** With nothing to write back it takes microseconds, and a turn in the thread pool ten times that; or milliseconds, if the file was unlinked meanwhile. */
  async close(isDiskPrompt = false): Promise<void> {
    if (isDiskPrompt && this.#isClean) fs.closeSync(this.#descriptor);
    else await run((done) => fs.close(this.#descriptor, done));
  }
}

/** The disks of this machine. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    return new NodeFile(await call<number>((done) => fs.open(path, flags[mode], 0o600, done)));
  },

  rename({ source, target }) {
    return run((done) => fs.rename(source, target, done));
  },

  unlink(path) {
    return run((done) => fs.unlink(path, done));
  },

  async makeDirectory(path) {
    await call<string | undefined>((done) => fs.mkdir(path, { recursive: true, mode: 0o700 }, done));
  },

  async readDirectory(path) {
    const entries = await call<fs.Dirent[]>((done) => fs.readdir(path, { withFileTypes: true }, done));
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  },

  async readSize(path) {
    return (await call<fs.Stats>((done) => fs.stat(path, done))).size;
  },

  async syncDirectory(path) {
    // Windows opens no directories; its file systems journal renames themselves.
    if (process.platform === 'win32') return;
    const descriptor = await call<number>((done) => fs.open(path, 'r', done));
    try {
      await run((done) => fs.fsync(descriptor, done));
    } finally {
      fs.closeSync(descriptor);
    }
  },

  async readSpace(path) {
    const { bsize, blocks, bavail } = await call<fs.StatsFs>((done) => fs.statfs(path, done));
    return { totalBytes: bsize * blocks, availableBytes: bsize * bavail };
  },

  lock(path) {
    return lockDirectory(path);
  },
};
