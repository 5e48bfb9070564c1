import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type Clock, sleep } from '../base/clock.js';

/** A process and what tells it from a later one with the same number. */
export interface ProcessIdentity {
  pid: number;
  /** On Linux the boot and the tick at which it started; elsewhere ps's start time; '' where the system tells neither. */
  startedAt: string;
}

const pollMs = 20;
const killLimitMs = 5000;

/** Undefined if there is no such process, or it has ended and nobody has asked for its exit code yet (a zombie). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined) return undefined;
    const startTick = startTickOf(stat);
    if (startTick === undefined) return undefined;
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    return { pid, startedAt: `${boot.trim()} ${startTick}` };
  }
  if (process.platform === 'win32') return isThere(pid) ? { pid, startedAt: '' } : undefined;
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C' } }, (error, output) => {
      const [state, ...started] = output.trim().split(/\s+/);
      resolve(error || !state || state.startsWith('Z') ? undefined : { pid, startedAt: started.join(' ') });
    });
  });
}

/**
 * When the process of a /proc/PID/stat started, in ticks since the boot; undefined if it has ended. A first thread that is a zombie is not
 * the end: the others, which the kernel ends one by one, hold the ports and the locks until the last is gone.
 */
export function startTickOf(stat: string): string | undefined {
  // proc(5): the name, in parentheses, may hold anything; behind it the state is the first field, the threads the 18th, the start the 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const hasEnded = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1);
  return hasEnded ? undefined : fields[19];
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** True while that very process runs: not another one that has got its number. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identifyProcess(identity.pid))?.startedAt === identity.startedAt;
}

/** Sends the signal if that very process still runs. */
export async function signalProcess(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!(await isRunning(identity))) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGTERM to all, and after `limitMs` SIGKILL to those that are still there. Resolves when all are gone; to those that had to be killed. */
export async function stopProcesses(identities: readonly ProcessIdentity[], { clock, limitMs }: { clock: Clock; limitMs: number }): Promise<ProcessIdentity[]> {
  await Promise.all(identities.map((identity) => signalProcess(identity, 'SIGTERM')));
  const left = await waitUntilGone(identities, clock, limitMs);
  await Promise.all(left.map((identity) => signalProcess(identity, 'SIGKILL')));
  await waitUntilGone(left, clock, killLimitMs);
  return left;
}

export async function killProcess(identity: ProcessIdentity, clock: Clock): Promise<void> {
  await signalProcess(identity, 'SIGKILL');
  await waitUntilGone([identity], clock, killLimitMs);
}

/** Resolves to those that are still there after `limitMs`. */
async function waitUntilGone(identities: readonly ProcessIdentity[], clock: Clock, limitMs: number): Promise<ProcessIdentity[]> {
  const endMs = clock.monotonicMs() + limitMs;
  let left = [...identities];
  for (;;) {
    const areRunning = await Promise.all(left.map(isRunning));
    left = left.filter((_, index) => areRunning[index]);
    if (left.length === 0 || clock.monotonicMs() >= endMs) return left;
    await sleep(clock, pollMs);
  }
}
