import { parseArgs } from 'node:util';
import { seededRandom } from '../../source/base/random.js';
import { runWithSmallFaults, type SmallFault } from './small-faults.js';
import { allPairs, allSingles } from './small-fault-sets.js';

/**
 * Every small fault in turn: each call of a fixed workload lost, unanswered, repeated, or the name node's death; each call of a disk failed, or
 * the power cut at it; and pairs of calls.
 * usage: npm run exhaust [-- --pairs COUNT] [--part K/N]
 * `--pairs`: so many of the pairs, drawn at random (all without). `--part`: of N shares of the work, the K-th.
 */
const { values } = parseArgs({ options: { pairs: { type: 'string' }, part: { type: 'string', default: '1/1' } } });
const [part, parts] = values.part.split('/').map(Number) as [number, number];
const base = await runWithSmallFaults([]);
if (base.failure !== undefined) throw base.failure;
const pairs = allPairs(base);
const random = seededRandom(1);
const chosenPairs = values.pairs === undefined ? pairs : Array.from({ length: Number(values.pairs) }, () => pairs[random.integer(pairs.length)]!);
const work: SmallFault[][] = [...allSingles(base).map((fault) => [fault]), ...chosenPairs];
console.log(`the workload makes ${base.callCount} calls, ${base.diskCallCount} of disks, and has ${base.checkedBlocks} blocks checked for durability; ${allSingles(base).length} faults, ${chosenPairs.length} pairs of calls`);

let [done, happened, checkedBlocks, violations] = [0, 0, 0, 0];
for (const [index, faults] of work.entries()) {
  if (index % parts !== part - 1) continue;
  const run = await runWithSmallFaults(faults);
  done++;
  happened += run.happened;
  checkedBlocks += run.checkedBlocks;
  if (run.failure !== undefined) {
    violations++;
    console.log(`VIOLATION with ${JSON.stringify(faults)}: ${run.failure instanceof Error ? run.failure.message : String(run.failure)}`);
  }
  if (done % 500 === 0) console.log(`${done} runs, ${happened} faults, ${violations} violations`);
}
console.log(`${done} runs, ${happened} faults, ${checkedBlocks} blocks checked, ${violations} violations`);
process.exitCode = violations > 0 || happened === 0 || checkedBlocks === 0 ? 1 : 0;
