import test from 'ava';
import { seededRandom, systemRandom } from '../../source/base/random.js';
import { allPairs, callFaults, diskFaults, nameNodeDeaths } from './small-fault-sets.js';
import { runWithSmallFaults, type SmallFault, type SmallFaultRun } from './small-faults.js';

let base: SmallFaultRun;
test.before(async (t) => {
  base = await runWithSmallFaults([]);
  if (base.failure !== undefined) throw base.failure;
  t.true(base.callCount > 40 && base.diskCallCount > 300 && base.checkedBlocks > 5);
});

/** `npm run exhaust` tries all; here a share, another one each time: `seed` says which. */
function sample<T>(all: readonly T[], count: number, seed: number): T[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => all[random.integer(all.length)]!);
}

for (const [what, faultsOf] of [
  ['a call is lost, unanswered or repeated', (seed: number) => sample(callFaults(base), 40, seed).map((fault) => [fault])],
  ['the name node dies at a call', (seed: number) => sample(nameNodeDeaths(base), 15, seed).map((fault) => [fault])],
  ['a call of a disk fails, or the power is cut at it', (seed: number) => sample(diskFaults(base), 40, seed).map((fault) => [fault])],
  ['two calls are lost', (seed: number) => sample(allPairs(base), 25, seed)],
] as const) {
  test.serial(`${what}, whichever it is: no user notices, and nothing is left (faults 2, 3, 18, 21, 31, 33)`, async (t) => {
    const seed = Number(process.env['DFSH_SEED'] ?? systemRandom.integer(1_000_000));
    t.log(`seed ${seed}: DFSH_SEED=${seed} repeats it`);
    let happened = 0;
    for (const faults of faultsOf(seed) as SmallFault[][]) {
      const run = await runWithSmallFaults(faults);
      t.is(run.failure, undefined, `${JSON.stringify(faults)}: ${String(run.failure)}`);
      happened += run.happened;
      t.true(run.checkedBlocks > 0);
    }
    t.true(happened > 0);
  });
}
