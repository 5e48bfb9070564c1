import { spawn } from 'node:child_process';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputOutputError } from '../protocol/errors.js';
import { identifyProcess, type ProcessIdentity } from './process-identity.js';

export interface NodeLaunch {
  /** node */
  execPath: string;
  /** The script of the program, absolute. */
  entry: string;
}

export interface LaunchedNode {
  identity: ProcessIdentity;
  /** Where its own lines begin in the log file. */
  logBegin: number;
  /** Set when it has ended: `code 1`, `SIGKILL`. */
  ending: () => string | undefined;
}

const maxLogBytes = 16 * 1024 * 1024;
/** Of Node's pool: each fsync holds a thread for as long as it takes, and reads wait behind it when there are only the usual four. */
const ioThreads = '16';

/**
 * Starts `entry` with `args` as a process that outlives this one: a session of its own, no descriptor but its log's, the environment
 * as it is. The log, for its owner alone, is appended to; a large one is put aside as `.1` first.
 */
export async function launchNode({ launch, args, directory, logFile }: { launch: NodeLaunch; args: string[]; directory: string; logFile: string }): Promise<LaunchedNode> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const sizeBytes = await stat(logFile).then(({ size }) => size, () => 0);
  if (sizeBytes > maxLogBytes) await rename(logFile, `${logFile}.1`);
  const log = await open(logFile, 'a', 0o600);
  try {
    const logBegin = (await log.stat()).size;
    const child = spawn(launch.execPath, [launch.entry, ...args], { cwd: directory, env: { UV_THREADPOOL_SIZE: ioThreads, ...process.env }, detached: true, stdio: ['ignore', log.fd, log.fd], windowsHide: true });
    let ending: string | undefined;
    child.once('exit', (code, signal) => (ending = signal ?? `code ${code}`));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new InputOutputError(`${launch.execPath} cannot be started: ${error.message}`, { cause: error })));
    });
    child.unref();
    const pid = child.pid!;
    return { identity: (await identifyProcess(pid)) ?? { pid, startedAt: 'ended' }, logBegin, ending: () => ending };
  } finally {
    await log.close();
  }
}
