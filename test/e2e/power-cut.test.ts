import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { LoopVolumes } from '../rig/loop-volumes.js';
import { controlRun, powerCuts } from '../rig/power-cut.js';

const obstacle = LoopVolumes.whyNot();
const title = 'a power cut of all nodes, or of some, at a random moment takes nothing that was acknowledged (faults 6, 8)';
const controlTitle = 'control: with data nodes that do not sync, the same power cuts do lose data';

function folderOf(t: { teardown(end: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-power-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** At length: npm run power-cut -- --cuts 200 --seed N */
if (obstacle) {
  test.skip(`${title}: ${obstacle}`, () => {});
  test.skip(`${controlTitle}: ${obstacle}`, () => {});
} else {
  test.serial(title, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    t.log(`seed ${seed}`);
    const summary = await powerCuts({ folder: folderOf(t), seed, cuts: 4 });
    t.true(summary.cuts === 4 && summary.acknowledged > 0 && summary.checkedFiles > 0);
  });

  test.serial(controlTitle, async (t) => {
    t.regex(await controlRun({ folder: folderOf(t), seed: Math.floor(Math.random() * 2 ** 32), maxCuts: 10 }), /^cut \d+$/);
  });
}
