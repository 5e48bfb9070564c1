import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { seededRandom, systemRandom } from '../../../source/base/random.js';
import { lockByFile, lockDirectory } from '../../../source/storage/store-lock.js';

async function temporaryFolder(t: { teardown: (body: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-lock-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '0']).pid;
}

for (const [kind, lock] of [['this system\'s lock', lockDirectory], ['the lock by file', (directory: string) => lockByFile(directory, systemRandom)]] as const) {
  test(`${kind} is held by one, names the directory and the holder to others, and can be taken again after its release`, async (t) => {
    const folder = await temporaryFolder(t);
    const held = await lock(folder);
    const error = await t.throwsAsync(lock(folder), { name: 'StorageLockedError' });
    t.true(error!.message.includes(folder));
    t.regex(error!.message, /this process itself/);
    await held.release();
    await (await lock(folder)).release();
  });

  test(`${kind} on one directory is not in the way of another's`, async (t) => {
    const held = await lock(await temporaryFolder(t));
    const other = await lock(await temporaryFolder(t));
    await held.release();
    await other.release();
    t.pass();
  });
}

test('a directory is the same one under whatever name it is reached', async (t) => {
  const folder = await temporaryFolder(t);
  const link = `${folder}-link`;
  await symlink(folder, link);
  t.teardown(() => rm(link));
  const held = await lockDirectory(folder);
  await t.throwsAsync(lockDirectory(link), { name: 'StorageLockedError' });
  await held.release();
});

test('a lock file whose process is gone is broken; one of a living process names it and its file', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'lock'), `${deadPid()} abc\n`);
  const held = await lockByFile(folder, seededRandom(1));
  t.regex(await readFile(join(folder, 'lock'), 'utf8'), new RegExp(`^${process.pid} `));
  await held.release();
  t.deepEqual(await readdir(folder), []);
  await writeFile(join(folder, 'lock'), `${process.ppid} abc\n`);
  const error = await t.throwsAsync(lockByFile(folder, seededRandom(2)), { name: 'StorageLockedError' });
  t.true(error!.message.includes(`process ${process.ppid}`) && error!.message.includes(join(folder, 'lock')));
});

test('of many who break a stale lock file at once, one gets it', async (t) => {
  const folder = await temporaryFolder(t);
  const pid = deadPid();
  for (let round = 0; round < 100; round++) {
    await writeFile(join(folder, 'lock'), `${pid} abc\n`);
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => lockByFile(folder, seededRandom(20 * round + index))));
    t.is(results.filter(({ status }) => status === 'fulfilled').length, 1, `round ${round}`);
    t.deepEqual(await readdir(folder), ['lock']);
  }
});
