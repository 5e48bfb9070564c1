import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface RigRun {
  folder: string;
  seed: number;
  values: Record<string, string | undefined>;
  signal: AbortSignal;
}

/**
 * A rig's own program: its arguments are `--seed N` and those of `defaults`. Ends with the line that `run` resolves to, or with exit code
 * 1, the seed and the evidence; the folder with logs and data is kept then. An interrupt ends the run in good order.
 */
export async function runRig(defaults: Record<string, string>, run: (options: RigRun) => Promise<string>): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, ...Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, { type: 'string' as const, default: value }])) },
  });
  const seed = Number(values['seed'] ?? Math.floor(Math.random() * 2 ** 32));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)));
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-rig-'));
  console.log(`seed ${seed}`);
  try {
    const result = await run({ folder, seed, values: values as Record<string, string | undefined>, signal: stop.signal });
    rmSync(folder, { recursive: true, force: true });
    if (stop.signal.aborted) throw new Error('interrupted');
    console.log(result);
  } catch (error) {
    console.error(`FAILED, seed ${seed}: ${(error as Error).message}\nlogs and data: ${folder}`);
    process.exitCode = 1;
  }
}
