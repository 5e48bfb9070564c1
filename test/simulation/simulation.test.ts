import test from 'ava';
import { systemRandom } from '../../source/base/random.js';
import { recordedSeeds } from './recorded-seeds.js';
import { runSimulation, type SimulationRun } from './run-simulation.js';

/** Each with what happens in it besides: copied data nodes; damaged records and syncs that lie; users of the same files, and administrators; rot, of which nobody may notice. */
const fixedSeeds: { seed: number; faults: string[]; counters: string[]; proves: string }[] = [
  { seed: 16, faults: ['cloned-node', 'copy-becomes-node'], counters: [], proves: '(faults 39, 40)' },
  { seed: 17, faults: ['damaged-record', 'disk-dataSync-lie'], counters: [], proves: '(faults 14, 21)' },
  { seed: 136, faults: ['damaged-record', 'disk-dataSync-lie'], counters: ['reads of what was flushed', 'acknowledged contended writes', 'contended reads', 'contended records checked at the end'], proves: '(faults 14, 21)' },
  { seed: 49, faults: ['bit-rot', 'cut-file'], counters: ['reads that nothing hindered', 'blocks checked for syncs'], proves: '(faults 11, 12, 13)' },
];
const minutes = 1;

test.serial('the same seed does the same twice, and another seed does something else', async (t) => {
  const [first, again, other] = [await simulate(6, 0.5), await simulate(6, 0.5), await simulate(1, 0.5)];
  t.is(first.failure, undefined, describe(first));
  t.regex(first.hash, /^[0-9a-f]{16}$/);
  t.is(again.hash, first.hash);
  t.not(other.hash, first.hash);
});

for (const { seed, faults, counters, proves } of fixedSeeds) {
  test.serial(`whatever fails in seed ${seed}, what was acknowledged is there, and all is whole again afterwards ${proves}`, async (t) => {
    const run = await simulate(seed, minutes);
    t.is(run.failure, undefined, describe(run));
    for (const counter of ['acknowledged writes', 'acknowledged bytes', 'blocks checked for durability', 'reads of the last version', 'paths checked at the end', ...counters]) {
      t.true(run.stats.get(counter) > 0, `${counter}: a run in which there are none proves nothing`);
    }
    for (const kind of faults) t.true((run.stats.faults.get(kind) ?? 0) > 0, kind);
    t.true(run.stats.operations.size > 0);
    t.true(run.stats.faultCount > 0);
  });
}

for (const { seed, minutes: recordedMinutes, isPlain = false, found } of recordedSeeds) {
  test.serial(`seed ${seed} stays well: ${found}`, async (t) => {
    const run = await runSimulation({ seed, minutes: recordedMinutes, isPlain });
    t.is(run.failure, undefined, describe(run, recordedMinutes));
  });
}

test.serial('a seed that nobody has run before', async (t) => {
  const seed = Number(process.env.DFSH_SEED ?? systemRandom.integer(1_000_000_000));
  t.log(`seed ${seed}: DFSH_SEED=${seed} repeats it, or npm run simulate -- --seed ${seed} --minutes ${minutes}`);
  const run = await simulate(seed, minutes);
  t.is(run.failure, undefined, describe(run));
});

function simulate(seed: number, ofMinutes: number): Promise<SimulationRun> {
  return runSimulation({ seed, minutes: ofMinutes });
}

function describe(run: SimulationRun, ofMinutes = minutes): string {
  if (run.failure === undefined) return '';
  return `seed ${run.seed}: ${run.failure instanceof Error ? run.failure.message : String(run.failure)}\n${run.trace.slice(-100).join('\n')}\nto repeat: npm run simulate -- --seed ${run.seed} --minutes ${ofMinutes}`;
}
