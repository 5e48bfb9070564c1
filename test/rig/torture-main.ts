import { runRig } from './run-rig.js';
import { line, torture } from './torture.js';

/** npm run torture [-- --cycles 500 --seed N] */
await runRig({ cycles: '500' }, async ({ folder, seed, values, signal }) => {
  const summary = await torture({ folder, seed, cycles: Number(values['cycles']), onLine: console.log, signal });
  console.log(Object.entries(summary.kinds).map(([kind, count]) => `  ${count} x ${kind}`).join('\n'));
  return line(summary);
});
