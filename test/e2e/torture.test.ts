import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { torture } from '../rig/torture.js';

/** At length: npm run torture -- --cycles 500 --seed N */
test('processes killed, stopped and restarted at random moments lose nothing that was acknowledged (faults 2, 5, 6, 7, 9, 54)', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-torture-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const seed = Math.floor(Math.random() * 2 ** 32);
  t.log(`seed ${seed}`);
  const summary = await torture({ folder, seed, cycles: 10 });
  t.is(Object.keys(summary.kinds).length, 10, 'each kind of fault came once');
  t.true(summary.checkedFiles > 0 && summary.acknowledged > 0 && summary.kills > 0);
});
