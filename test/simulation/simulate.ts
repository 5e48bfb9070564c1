import { parseArgs } from 'node:util';
import { foldHashes } from './trace.js';
import { runSimulation, type SimulationRun } from './run-simulation.js';

const usage = 'usage: npm run simulate -- --seed N --minutes M [--seeds COUNT] [--plain] [--log] [--verbose]';

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, minutes: { type: 'string', default: '5' }, seeds: { type: 'string', default: '1' }, plain: { type: 'boolean', default: false }, log: { type: 'boolean' }, verbose: { type: 'boolean' } } });
  const [seed, minutes, count] = [Number(values.seed), Number(values.minutes), Number(values.seeds)];
  if (!Number.isSafeInteger(seed) || seed < 0 || !(minutes > 0) || !Number.isSafeInteger(count) || count < 1) {
    console.error(usage);
    return 255;
  }
  const runs: SimulationRun[] = [];
  for (let next = seed; next < seed + count; next++) {
    const run = await runSimulation({ seed: next, minutes, isPlain: values.plain, ...(values.log && { log: (line: string) => console.error(line) }) });
    if (run.failure !== undefined) return report(run, minutes, values.plain);
    runs.push(run);
    console.log(`seed ${next}, ${summary([run])}`);
    if (values.verbose) console.log(`  ${counts(run.stats.counts)}; ${run.eventCount} events; whole again after ${(run.convergenceMs / 1000).toFixed(0)} s`);
  }
  if (count === 1) return 0;
  // Runs in which nothing was acknowledged, or nothing looked at, prove nothing.
  const idle = ['acknowledged writes', 'blocks checked for durability', 'paths checked at the end'].filter((counter) => runs.every((run) => run.stats.get(counter) === 0));
  if (idle.length > 0) console.log(`nothing is proved: no ${idle.join(', no ')}; run it for longer`);
  console.log(`seeds ${seed} to ${seed + count - 1}, ${summary(runs)}`);
  return idle.length > 0 ? 1 : 0;
}

/** Simulated time, `N faults` and their kinds, and the hash as the last word. */
function summary(runs: SimulationRun[]): string {
  const simulatedS = runs.reduce((sum, run) => sum + run.simulatedMs, 0) / 1000;
  const kinds = new Map<string, number>();
  for (const run of runs) for (const [kind, count] of run.stats.faults) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  const total = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const operations = runs.reduce((sum, run) => sum + [...run.stats.operations.values()].reduce((count, each) => count + each, 0), 0);
  return `${simulatedS.toFixed(1)} s simulated, ${total} faults (${counts(kinds)})${operations > 0 ? `, ${operations} operations` : ''}, trace ${foldHashes(runs.map((run) => run.hash))}`;
}

function counts(map: ReadonlyMap<string, number>): string {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`).join(', ');
}

function report(run: SimulationRun, minutes: number, isPlain: boolean): number {
  for (const line of run.trace) console.log(line);
  console.log(`\nVIOLATION: ${run.failure instanceof Error ? (run.failure.name === 'Violation' ? run.failure.message : run.failure.stack) : String(run.failure)}\n`);
  console.log(`to repeat: npm run simulate -- --seed ${run.seed} --minutes ${minutes}${isPlain ? ' --plain' : ''}`);
  console.log(`seed ${run.seed}, failed: ${summary([run])}`);
  return 1;
}

process.exitCode = await main();
