import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { bitFlips } from '../rig/bit-flips.js';

/** At length: npm run bit-flips -- --flips 1000 --seed N */
test('bits that flip on the disks under a running cluster are found, never served, and every copy is replaced (faults 12, 13)', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-flips-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const seed = Math.floor(Math.random() * 2 ** 32);
  t.log(`seed ${seed}`);
  const { flipped, detected, repaired, served, inData, inChecksums } = await bitFlips({ folder, seed, flips: 40 });
  t.deepEqual({ flipped, repaired, served }, { flipped: 40, repaired: 40, served: 0 });
  t.true(detected >= 40 && inData > 0 && inChecksums > 0);
});
