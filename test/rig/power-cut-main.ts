import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LoopVolumes } from './loop-volumes.js';
import { controlRun, powerCutLine, powerCuts } from './power-cut.js';
import { runRig } from './run-rig.js';

/** npm run power-cut [-- --cuts 200 --seed N]: first the control run, which must lose something. */
await runRig({ cuts: '200' }, async ({ folder, seed, values, signal }) => {
  const obstacle = LoopVolumes.whyNot();
  if (obstacle) throw new Error(obstacle);
  const [control, main] = ['control', 'main'].map((name) => join(folder, name)) as [string, string];
  for (const each of [control, main]) mkdirSync(each);
  console.log(`control run without syncs: data was lost, as it must be, at ${await controlRun({ folder: control, seed, maxCuts: 10, signal })}`);
  const summary = await powerCuts({ folder: main, seed, cuts: Number(values['cuts']), onLine: console.log, signal });
  console.log(Object.entries(summary.kinds).map(([kind, count]) => `  ${count} x ${kind}`).join('\n'));
  return powerCutLine(summary);
});
