import { open, readFile, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { crc32 } from '../base/checksum.js';
import type { Random } from '../base/random.js';
import { systemRandom } from '../base/random.js';
import { StorageLockedError } from '../protocol/errors.js';

/** A directory that is ours until release, or until this process ends in whatever way. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Takes `directory` (it must exist) for this process. StorageLockedError, naming the directory and if it can be found out the
 * process, when another one, or another part of this one, has it.
 *
 * On Linux the lock is an abstract Unix socket, on Windows a pipe, named after the directory's device and inode: the kernel ends it
 * with the process, so that no stale lock can exist. Elsewhere it is a file with a process id in it.
 */
export async function lockDirectory(directory: string, options: { random?: Random } = {}): Promise<DirectoryLock> {
  const { dev, ino } = await stat(directory, { bigint: true });
  if (process.platform === 'linux') return lockByName(directory, `\0dfsh/${dev}/${ino}`);
  if (process.platform === 'win32') return lockByName(directory, `\\\\.\\pipe\\dfsh-${dev}-${ino}`);
  return lockByFile(directory, options.random ?? systemRandom);
}

/** Who connects is told the holder's process id. */
async function lockByName(directory: string, name: string): Promise<DirectoryLock> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${process.pid}\n`);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(name, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw locked(directory, await askHolder(name));
    throw error;
  }
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

const answerLimitMs = 500;

function askHolder(name: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(name);
    socket.setEncoding('utf8').setTimeout(answerLimitMs, () => socket.destroy());
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(/^\d{1,10}\n$/.test(text) ? Number(text) : undefined));
  });
}

/** For systems with neither. Exported for its tests. */
export async function lockByFile(directory: string, random: Random, path = join(directory, 'lock')): Promise<DirectoryLock> {
  const content = `${process.pid} ${random.id()}\n`;
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(content);
      await file.close();
      return {
        release: async () => {
          if ((await readFile(path, 'utf8').catch(() => '')) === content) await unlink(path);
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === undefined) continue;
    const pid = Number.parseInt(found, 10);
    if (!(pid > 0) || isAlive(pid)) throw locked(directory, pid > 0 ? pid : undefined, path);
    // Its process is gone. One at a time may break just this one: a fresh lock that came in between is never touched.
    const breaking = await lockByFile(directory, random, `${path}.${crc32(Buffer.from(found)).toString(16)}`);
    try {
      if ((await readFile(path, 'utf8').catch(() => undefined)) === found) await unlink(path);
    } finally {
      await breaking.release();
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function locked(directory: string, pid: number | undefined, file?: string): Error {
  const who = pid === undefined ? 'another process' : pid === process.pid ? 'this process itself' : `process ${pid}`;
  const hint = file === undefined ? 'stop that first' : `stop that first, or, if it is no node of dfsh, delete ${file}`;
  return new StorageLockedError(`${directory} is in use by ${who}; ${hint}`, { path: directory });
}
