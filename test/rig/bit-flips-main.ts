import { bitFlipLine, bitFlips } from './bit-flips.js';
import { runRig } from './run-rig.js';

/** npm run bit-flips [-- --flips 1000 --seed N] */
await runRig({ flips: '1000' }, async ({ folder, seed, values, signal }) =>
  bitFlipLine(await bitFlips({ folder, seed, flips: Number(values['flips']), onLine: console.log, signal })),
);
