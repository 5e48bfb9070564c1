import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { baseName } from '../base/path.js';
import type { Random } from '../base/random.js';
import { throwIfCancelled } from '../client/cancellation.js';
import {
  DirectoryNotEmptyError,
  FileAlreadyExistsError,
  FileNotFoundError,
  InvalidArgumentError,
  IsADirectoryError,
  LocalFileError,
  NotADirectoryError,
} from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { ByteSink, ByteSource, CopyReadOptions, CreateFileOptions, FileSystem } from './file-system.js';
import { fromSystemError, systemCall } from './local-errors.js';
import { LocalByteSink } from './local-byte-sink.js';
import { LocalByteSource } from './local-byte-source.js';
import { localGroups, localUsers } from './local-owners.js';
import { compareBytes } from './names.js';

/** What Hadoop tells of local files (RawLocalFileSystem). */
const localBlockSizeBytes = 32 * 2 ** 20;

/**
 * This machine's files as a FileSystem. Symbolic links are followed, as by `cat` and `cp`. A file is written under a temporary name
 * beside its own and renamed; a device or a pipe is written in place.
 */
export function createLocalFileSystem(options: { random: Random }): FileSystem {
  return new LocalFileSystem(options.random);
}

class LocalFileSystem implements FileSystem {
  readonly uri = 'file://';
  readonly capabilities = { hasPermissions: process.platform !== 'win32', hasReplication: false };
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  async stat(path: string): Promise<FileStatus> {
    const status = await this.find(path);
    if (!status) throw new FileNotFoundError(`${path}: No such file or directory`, { path });
    return status;
  }

  async find(path: string): Promise<FileStatus | null> {
    try {
      return toStatus(baseName(path), await fs.stat(path));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw fromSystemError(error, path);
    }
  }

  async *list(path: string, options?: { signal?: AbortSignal | undefined }): AsyncIterable<FileStatus> {
    const status = await this.stat(path);
    if (status.type === 'file') return yield status;
    const names = await systemCall(path, () => fs.readdir(path));
    for (const name of names.sort(compareBytes)) {
      throwIfCancelled(options?.signal, `listing ${path}`);
      const entry = await this.#entry(join(path, name), name);
      if (entry) yield entry;
    }
  }

  /** Undefined if it went away meanwhile; a link to nothing is listed, as a file. */
  async #entry(path: string, name: string): Promise<FileStatus | undefined> {
    for (const stat of [fs.stat, fs.lstat]) {
      try {
        return toStatus(name, await stat(path));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOENT' && code !== 'ELOOP') throw fromSystemError(error, path);
      }
    }
    return undefined;
  }

  async open(path: string, options: CopyReadOptions = {}): Promise<ByteSource> {
    return systemCall(path, async () => {
      // Before it is opened: opening a pipe waits for who writes into it.
      if (options.isRegularOnly && !(await fs.stat(path)).isFile()) throw new LocalFileError(`${path}: Not a regular file; left out`, { path });
      const handle = await fs.open(path, 'r');
      try {
        const stat = await handle.stat();
        if (stat.isDirectory()) throw new IsADirectoryError(`${path}: Is a directory`, { path });
        return new LocalByteSource({ handle, path, status: toStatus(baseName(path), stat), isSeekable: stat.isFile(), ...options });
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  async create(path: string, options: CreateFileOptions = {}): Promise<ByteSink> {
    return systemCall(path, async () => {
      throwIfCancelled(options.signal, `creating ${path}`);
      const existing = await statOrNull(path);
      if (existing?.isDirectory()) throw new IsADirectoryError(`${path}: Is a directory`, { path });
      if (existing && existing.isFile() && !options.overwrite) throw new FileAlreadyExistsError(`${path}: File exists`, { path });
      if (!existing && options.createParents) await fs.mkdir(dirname(path), { recursive: true });
      // Through a link to what it names: the link itself must not be replaced by a file.
      const target = existing ? await fs.realpath(path) : path;
      return LocalByteSink.open({
        ...options,
        path: target,
        isInPlace: existing !== null && !existing.isFile(),
        distinction: this.#random.id().slice(0, 8),
        toStatus,
      });
    });
  }

  async mkdirs(path: string, options: { createParents?: boolean; permission?: number } = {}): Promise<boolean> {
    const existing = await this.find(path);
    if (existing?.type === 'file') throw new FileAlreadyExistsError(`${path}: File exists`, { path });
    if (existing && options.createParents) return false;
    const recursive = options.createParents ?? false;
    // A recursive mkdir answers with the first directory it made: nothing, if somebody else was faster.
    return systemCall(path, async () => (await fs.mkdir(path, { recursive, mode: options.permission ?? 0o777 })) !== undefined || !recursive);
  }

  async rename(source: string, target: string, options: { overwrite?: boolean } = {}): Promise<void> {
    await this.stat(source);
    const existing = await this.find(target);
    if (existing && !options.overwrite) throw new FileAlreadyExistsError(`${target}: File exists`, { path: target });
    await systemCall(source, () => fs.rename(source, target)).catch((error: unknown) => {
      // The source was there: what is missing, or no directory, lies on the way to the target.
      if (error instanceof FileNotFoundError) throw new FileNotFoundError(`${target}: No such file or directory`, { path: target, cause: error });
      if (error instanceof NotADirectoryError)
        throw new NotADirectoryError(`${dirname(target)} (is not a directory)`, { path: target, cause: error });
      throw error;
    });
  }

  async delete(path: string, options: { recursive?: boolean } = {}): Promise<boolean> {
    return systemCall(path, async () => {
      const stat = await fs.lstat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
        throw error;
      });
      if (!stat) return false;
      if (!stat.isDirectory()) await fs.unlink(path);
      else if (options.recursive) await fs.rm(path, { recursive: true });
      else
        await fs.rmdir(path).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') throw new DirectoryNotEmptyError(`${path}: Directory is not empty`, { path });
          throw error;
        });
      return true;
    });
  }

  async setPermission(path: string, permission: number): Promise<void> {
    await systemCall(path, () => fs.chmod(path, permission));
  }

  async setOwner(path: string, owner: { owner?: string; group?: string }): Promise<void> {
    const user = owner.owner === undefined ? -1 : localUsers.number(owner.owner);
    const group = owner.group === undefined ? -1 : localGroups.number(owner.group);
    if (user === undefined) throw new InvalidArgumentError(`this machine has no user ${owner.owner}`, { path });
    if (group === undefined) throw new InvalidArgumentError(`this machine has no group ${owner.group}`, { path });
    await systemCall(path, async () => {
      const now = await fs.stat(path);
      if ((user !== -1 && user !== now.uid) || (group !== -1 && group !== now.gid)) await fs.chown(path, user, group);
    });
  }

  async setTimes(path: string, times: { modificationTimeMs?: number; accessTimeMs?: number }): Promise<void> {
    await systemCall(path, async () => {
      const now = await fs.stat(path);
      await fs.utimes(path, (times.accessTimeMs ?? now.atimeMs) / 1000, (times.modificationTimeMs ?? now.mtimeMs) / 1000);
    });
  }
}

async function statOrNull(path: string): Promise<Stats | null> {
  return fs.stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

function toStatus(name: string, stat: Stats): FileStatus {
  const isDirectory = stat.isDirectory();
  return {
    name,
    inodeId: stat.ino,
    type: isDirectory ? 'directory' : 'file',
    lengthBytes: isDirectory ? 0 : stat.size,
    replication: isDirectory ? 0 : 1,
    blockSizeBytes: isDirectory ? 0 : localBlockSizeBytes,
    modificationTimeMs: Math.floor(stat.mtimeMs),
    accessTimeMs: Math.floor(stat.atimeMs),
    permission: stat.mode & 0o1777,
    owner: localUsers.name(stat.uid),
    group: localGroups.name(stat.gid),
    isUnderConstruction: false,
  };
}
