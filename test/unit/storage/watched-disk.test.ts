import * as fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { Disk } from '../../../source/storage/disk.js';
import { nodeDisk } from '../../../source/storage/node-disk.js';
import { WatchedDisk } from '../../../source/storage/watched-disk.js';
import { DiskFaults, faultyDisk } from '../../helpers/disk-faults.js';
import { SimulatedDisk } from '../../helpers/simulated-disk.js';

/** A disk with faults behind a watched one, which keeps of each write whether the process may wait for it. */
async function bench() {
  const clock = new ManualClock();
  const faults = new DiskFaults();
  const simulated = new SimulatedDisk().mount();
  const directWrites: boolean[] = [];
  const noting: Disk = {
    ...simulated,
    open: async (path, mode) => {
      const file = await simulated.open(path, mode);
      return { ...file, write: (bytes, positionBytes, isDiskPrompt = false) => (directWrites.push(isDiskPrompt), file.write(bytes, positionBytes)) };
    },
  };
  const disk = new WatchedDisk(faultyDisk(noting, faults), clock);
  const file = await disk.open('/f', 'create');
  const writeDirectly = async () => {
    await file.write(Buffer.from('x'), 0);
    return directWrites.at(-1)!;
  };
  return { clock, faults, disk, file, writeDirectly };
}

test('the process waits for a small write to a disk that has answered just now, and not for one that has been idle', async (t) => {
  const { clock, writeDirectly } = await bench();
  t.true(await writeDirectly());
  clock.advance(900);
  t.true(await writeDirectly());
  clock.advance(900);
  t.true(await writeDirectly(), 'a write is an answer, too');
  clock.advance(60_000);
  t.false(await writeDirectly(), 'it may hang since');
  t.true(await writeDirectly());
});

for (const [title, calls, lateMs] of [
  ['a write', ['write'], 100],
  ['an opening', ['open'], 100],
  ['a sync', ['dataSync'], 1000],
  ['the sync of a directory', ['syncDirectory'], 1000],
] as const) {
  test(`${title} that hangs keeps the process from waiting for the disk, until it has been prompt for a while again (fault 23)`, async (t) => {
    const { clock, faults, disk, file, writeDirectly } = await bench();
    const release = faults.hang({ calls, ...(calls[0] === 'write' && { times: 1 }) });
    const begun = { write: () => file.write(Buffer.from('y'), 0), open: () => disk.open('/f', 'read'), dataSync: () => file.dataSync(), syncDirectory: () => disk.syncDirectory('/') }[calls[0]]();
    clock.advance(lateMs - 1);
    t.true(await writeDirectly(), 'nothing unusual yet');
    clock.advance(1);
    t.false(await writeDirectly());
    t.is(disk.waitingMs, lateMs);
    release();
    await begun;
    t.is(disk.waitingMs, 0);
    for (let pauses = 0; pauses < 10; pauses++) {
      t.false(await writeDirectly(), 'it was late a moment ago');
      clock.advance(1000);
    }
    clock.advance(1);
    await writeDirectly();
    t.true(await writeDirectly());
  });
}

test.serial('a small write goes through the thread pool unless the disk is known to answer', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dfsh-'));
  const builtin = createRequire(import.meta.url)('node:fs') as { writeSync: typeof fs.writeSync };
  const original = builtin.writeSync;
  let directCount = 0;
  builtin.writeSync = ((...values: Parameters<typeof original>) => (directCount++, original(...values))) as typeof original;
  syncBuiltinESMExports();
  t.teardown(async () => {
    builtin.writeSync = original;
    syncBuiltinESMExports();
    await rm(directory, { recursive: true });
  });
  const file = await nodeDisk.open(join(directory, 'f'), 'create');
  await file.write(Buffer.from('abc'), 0);
  t.is(directCount, 0);
  await file.write(Buffer.from('def'), 3, true);
  t.is(directCount, 1);
  await file.write(Buffer.alloc(20_000, 'g'), 6, true);
  t.is(directCount, 1, 'a large one always does');
  await file.close();
  t.is(fs.readFileSync(join(directory, 'f'), 'latin1'), `abcdef${'g'.repeat(20_000)}`);
});
