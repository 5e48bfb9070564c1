import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What one run of one contestant took. `cpuSeconds` of all processes that took part, where it can be told. */
export interface Sample {
  seconds: number;
  cpuSeconds?: number;
  /** Other figures worth showing, by name. */
  figures?: Record<string, number>;
}

/** One way of doing the work of a row: the product, a peer, or the limit. */
export interface Contestant {
  name: string;
  run(round: number): Promise<Sample>;
  /** Before the clock starts and after it stopped. */
  before?(round: number): Promise<void>;
  after?(round: number): Promise<void>;
}

/** All samples of each contestant, taken in turn within each round, so that the machine's drift hits all alike. */
export async function interleave(contestants: Contestant[], options: { rounds: number; warmBytes: number }): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const contestant of contestants) {
      await contestant.before?.(round);
      await warmMemory(options.warmBytes);
      samples.get(contestant.name)!.push(await contestant.run(round));
      await contestant.after?.(round);
    }
  }
  return samples;
}

/** Touches and frees memory in another process: on a virtual machine, memory that was long free is slow to touch again. */
async function warmMemory(bytes: number): Promise<void> {
  if (bytes === 0) return;
  await command(process.execPath, ['-e', `for (let left = ${bytes}; left > 0; left -= 2 ** 28) (globalThis.kept ??= []).push(Buffer.alloc(2 ** 28, 1))`]);
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios within each round. */
export function medianRatio(samples: Sample[], base: Sample[], figure: (sample: Sample) => number | undefined): number | undefined {
  const ratios = samples.map((sample, i) => (figure(sample) ?? Number.NaN) / (base[i] ? (figure(base[i]!) ?? Number.NaN) : Number.NaN)).filter(Number.isFinite);
  return ratios.length ? median(ratios) : undefined;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** Runs a program to its end; rejects unless it exits with 0. Resolves to its CPU seconds (its children's too) if it is the only child at work. */
export function command(program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    const errors: Buffer[] = [];
    child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ${args.join(' ')} ended with ${code}: ${Buffer.concat(errors)}`))));
  });
}

const ticksPerSecond = 100;

/** CPU seconds that these processes have used so far; 0 for one that is gone, or where there is no /proc. */
export function cpuSecondsOf(pids: number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {}
  }
  return ticks / ticksPerSecond;
}

/** Anonymous memory of a process, bytes: what it really holds, without mapped files. */
export function anonymousBytes(pid: number): number {
  const match = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Runs `work(0)` to `work(count - 1)` with `outstanding` at a time. */
export async function concurrently(count: number, outstanding: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(outstanding, count) }, async () => { while (next < count) await work(next++); }));
}
