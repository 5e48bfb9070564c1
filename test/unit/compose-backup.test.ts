import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ManualClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { backUpNameNode, restoreNameNode, saveNameSpace } from '../../source/compose-backup.js';
import { decodeCounters } from '../../source/namenode/counters.js';
import { decodeInode } from '../../source/namenode/inode.js';
import { countersKey, inodeKey } from '../../source/namenode/keys.js';
import { StorageDamagedError, StorageLockedError } from '../../source/protocol/errors.js';
import { wholeRange } from '../../source/storage/key-encoding.js';
import type { KeyValueReader, SnapshotStore } from '../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { NameNodeBench } from '../helpers/name-node-bench.js';

const mkdirOptions = { permission: 0o755, createParents: true };
const now = 1_800_000_000_000;

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-backup-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A name node on a real store below a folder; two data nodes hold the block of /a/f. */
async function runningNameNode(t: ExecutionContext): Promise<{ folder: string; directory: string; bench: NameNodeBench; store: SnapshotStore }> {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'namenode');
  const store = await openLmdbStore({ directory, logger: silentLogger });
  const bench = new NameNodeBench();
  bench.anyStore = store;
  await bench.start();
  await bench.join(0);
  await bench.join(1);
  await bench.put('/a/f');
  return { folder, directory, bench, store };
}

const restore = (directory: string, image: string, isReplaceWanted = false, timeMs = now) => restoreNameNode({ directory, image, isReplaceWanted, clock: new ManualClock(timeMs) });
const names = (store: KeyValueReader) => [...store.range({ start: 'I', end: 'J' })].map(([, value]) => decodeInode(0, value).name).sort();
const digest = async (path: string) => createHash('sha256').update(await readFile(path)).digest('hex');

async function reading<T>(directory: string, work: (store: SnapshotStore) => T): Promise<T> {
  const store = await openLmdbStore({ directory, logger: silentLogger, isReadOnly: true });
  try {
    return work(store);
  } finally {
    await store.close();
  }
}

test('a backup of a running name node holds one moment of it, and is restored to that', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const before = [...store.range(wholeRange)].map(([key, value]) => [key, Buffer.from(value).toString('hex')]);
  const backup = await backUpNameNode(directory, join(folder, 'image'));
  t.like(backup, { clusterId: bench.nameNode.clusterId, fileCount: 1, directoryCount: 2, recordCount: before.length, isNew: true, path: join(folder, 'image') });
  await bench.root('fs.mkdirs', { path: '/later', ...mkdirOptions });
  await bench.nameNode.close();
  await store.close();

  const elsewhere = join(folder, 'other', 'namenode');
  const restored = await restore(elsewhere, backup.path);
  t.like(restored, { clusterId: backup.clusterId, lastEditId: backup.lastEditId, fileCount: 1, replaced: undefined });
  const after = await reading(elsewhere, (copy) => [...copy.range(wholeRange)].map(([key, value]) => [key, Buffer.from(value).toString('hex')]));
  const same = ([key]: string[]) => key !== countersKey && key !== 'P';
  t.deepEqual(after.filter(same), before.filter(same));
  t.deepEqual(await readdir(elsewhere), ['data.mdb', 'lock.mdb']);
});

test('a running name node, a store that is there and a damaged backup are refused, and nothing is touched (fault 40)', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const { path } = await backUpNameNode(directory, join(folder, 'image'));
  const files = async () => Promise.all((await readdir(directory)).sort().map(async (name) => [name, name === 'lock.mdb' ? '' : await digest(join(directory, name))]));
  const before = await files();
  await t.throwsAsync(restore(directory, path, true), { instanceOf: StorageLockedError });
  t.deepEqual(await files(), before);
  await bench.nameNode.close();
  await store.close();

  const closed = await files();
  await t.throwsAsync(restore(directory, path), { instanceOf: StorageDamagedError, message: /holds a store already.*--replace/ });
  await t.throwsAsync(restore(directory, join(folder, 'none'), true), { instanceOf: StorageDamagedError, message: /there is no backup/ });
  await t.throwsAsync(restore(directory, folder, true), { instanceOf: StorageDamagedError, message: /is a directory, no backup; nothing was changed: name one of the backups in it$/ });
  await truncate(path, (await stat(path)).size - 1);
  await t.throwsAsync(restore(directory, path, true), { instanceOf: StorageDamagedError, message: /ends too early/ });
  await writeFile(path, 'hello\n');
  await t.throwsAsync(restore(directory, path, true), { instanceOf: StorageDamagedError, message: /is no backup/ });
  t.deepEqual(await files(), closed);
});

test('after a restoration no id and no generation stamp is one that was given before, restored twice and over a lost store too', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const { path } = await backUpNameNode(directory, join(folder, 'image'));
  for (let i = 0; i < 20; i++) await bench.put(`/later/${i}`);
  await bench.nameNode.close();
  const lost = decodeCounters(store.get(countersKey)!);
  await store.close();
  const counters: ReturnType<typeof decodeCounters>[] = [lost];
  const { replaced } = await restore(directory, path, true);
  t.truthy((await stat(replaced!)).size);
  counters.push(await reading(directory, (copy) => decodeCounters(copy.get(countersKey)!)));
  await restore(directory, path, true, now + 1000);
  counters.push(await reading(directory, (copy) => decodeCounters(copy.get(countersKey)!)));
  // A wall clock that has gone back a year: the store that is replaced tells.
  await restore(directory, path, true, now - 365 * 86_400_000);
  counters.push(await reading(directory, (copy) => decodeCounters(copy.get(countersKey)!)));
  // And the store that is replaced cannot be read.
  await truncate(join(directory, 'data.mdb'), 5000);
  await restore(directory, path, true, now + 3000);
  const last = await reading(directory, (copy) => decodeCounters(copy.get(countersKey)!));
  for (const kind of ['lastInodeId', 'lastBlockId', 'lastGenerationStamp', 'lastEditId'] as const) {
    for (let i = 1; i < counters.length; i++) t.true(counters[i]![kind] > counters[i - 1]![kind] + 1_000_000, `${kind} ${i}`);
    t.true(last[kind] > counters[2]![kind] + 1_000_000, kind);
    t.true(last[kind] < 2 ** 53);
  }
  t.is((await readdir(directory)).filter((name) => name.startsWith('replaced-')).length, 4);
});

test('a name node on a restored store serves the files of the backup, takes new ones, and keeps the replicas that the backup does not know far beyond the usual grace', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const { path } = await backUpNameNode(directory, join(folder, 'image'));
  await bench.put('/later');
  await bench.nameNode.close();
  await store.close();
  await restore(directory, path, true);

  const again = await openLmdbStore({ directory, logger: silentLogger });
  t.teardown(() => again.close());
  bench.anyStore = again;
  await bench.start();
  await bench.join(0);
  await bench.join(1);
  t.is((await bench.root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 10 })).blocks[0]!.locations.length, 2);
  t.is(await bench.root('fs.getFileInfo', { path: '/later' }), null);
  await bench.put('/new');
  const [, unknown, fresh] = bench.held[0]!;
  t.true(fresh!.generationStamp > unknown!.generationStamp);
  const doomed = async (index: number) => (await bench.heartbeat(index)).flatMap((command) => (command.kind === 'invalidate' ? command.blocks.map(({ blockId }) => blockId) : []));
  for (let passedMs = 0; passedMs < 3_600_000; passedMs += 5000) {
    bench.clock.advance(5000);
    t.deepEqual([...(await doomed(0)), ...(await doomed(1))], []);
    await bench.turns(0);
  }
  await bench.nameNode.close();
});

test('a restoration that is killed at any of its steps leaves the old store or the new one, and the next one goes through (faults 7, 8, 9)', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const { path } = await backUpNameNode(directory, join(folder, 'image'));
  await bench.root('fs.mkdirs', { path: '/later', ...mkdirOptions });
  await bench.nameNode.close();
  await store.close();
  // Half a new store beside the old one, and the old one's link made, as a kill leaves them.
  await mkdir(join(directory, 'new'));
  await writeFile(join(directory, 'new', 'data.mdb'), Buffer.alloc(10_000, 'half'));
  await writeFile(join(directory, 'replaced-20200101T000000Z.mdb'), 'old');
  t.deepEqual(await reading(directory, names), ['', 'a', 'f', 'later']);
  const opened = await openLmdbStore({ directory, logger: silentLogger });
  t.deepEqual(names(opened), ['', 'a', 'f', 'later']);
  await opened.close();
  t.false((await readdir(directory)).includes('new'));
  await mkdir(join(directory, 'new'));
  await writeFile(join(directory, 'new', 'data.mdb'), Buffer.alloc(10_000, 'half'));
  await restore(directory, path, true);
  t.deepEqual(await reading(directory, names), ['', 'a', 'f']);
});

test('data.mdb that is gone while other files of the store are there is refused, not taken for a new store (fault 15)', async (t) => {
  const { directory, bench, store } = await runningNameNode(t);
  await bench.nameNode.close();
  await store.close();
  await rm(join(directory, 'data.mdb'));
  const before = (await readdir(directory)).sort();
  await t.throwsAsync(openLmdbStore({ directory, logger: silentLogger }), { instanceOf: StorageDamagedError, message: /has lost its data\.mdb/ });
  t.deepEqual((await readdir(directory)).sort(), before);
});

test('a backup of a damaged store is refused by the record, and none is left', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  await bench.nameNode.close();
  await store.close();
  const file = join(directory, 'data.mdb');
  const bytes = await readFile(file);
  // Copies of the page from earlier transactions hold it as well.
  for (let at = bytes.indexOf('supergroup'); at >= 0; at = bytes.indexOf('supergroup', at + 1)) bytes.write('X', at);
  await writeFile(file, bytes);
  await t.throwsAsync(backUpNameNode(directory, join(folder, 'image')), { instanceOf: StorageDamagedError, message: /fails its checksum/ });
  t.deepEqual(await readdir(folder), ['namenode']);
  await t.throwsAsync(backUpNameNode(join(folder, 'none'), join(folder, 'image')), { instanceOf: StorageDamagedError, message: /there is no store/ });
});

test('a store that has lost a record without a trace is not backed up: its sums tell', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const { inodeId } = (await bench.root('fs.getFileInfo', { path: '/a/f' }))!;
  await store.transact((transaction) => transaction.delete(inodeKey(inodeId)));
  await t.throwsAsync(backUpNameNode(directory, join(folder, 'image')), { instanceOf: StorageDamagedError, message: /holds 2 inodes where it counts 3/ });
  t.deepEqual(await readdir(folder), ['namenode']);
  await bench.nameNode.close();
  await store.close();
});

test('into a directory a backup is named after its cluster and edit, and made once for the same edits', async (t) => {
  const { folder, directory, bench, store } = await runningNameNode(t);
  const first = await backUpNameNode(directory, folder);
  t.regex(first.path, /\/CID-[0-9a-f]+-\d{16}\.image$/);
  t.like(await backUpNameNode(directory, folder), { path: first.path, isNew: false, recordCount: first.recordCount });
  await truncate(first.path, 100);
  t.like(await backUpNameNode(directory, folder), { path: first.path, isNew: true });
  await bench.root('fs.mkdirs', { path: '/later', ...mkdirOptions });
  t.not((await backUpNameNode(directory, folder)).path, first.path);
  await bench.nameNode.close();
  await store.close();
});

test('saving the name space keeps the last two images', async (t) => {
  const { folder, bench, store } = await runningNameNode(t);
  const paths: string[] = [];
  for (let i = 0; i < 4; i++) {
    await bench.root('fs.mkdirs', { path: `/${i}`, ...mkdirOptions });
    paths.push((await saveNameSpace(folder, store)).path);
  }
  t.deepEqual((await readdir(join(folder, 'namenode-image'))).sort().map((name) => join(folder, 'namenode-image', name)), paths.slice(-2));
  await bench.nameNode.close();
  await store.close();
});

test('a backup of the first release is restored, and upgraded by its first start', async (t) => {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'old');
  await mkdir(directory);
  await writeFile(join(directory, 'data.mdb'), gunzipSync(await readFile(fileURLToPath(new URL('../../../test/fixtures/name-space-1.mdb.gz', import.meta.url)))));
  const { path } = await backUpNameNode(directory, folder);
  const target = join(folder, 'namenode');
  await restore(target, path);
  const store = await openLmdbStore({ directory: target, logger: silentLogger });
  const bench = new NameNodeBench();
  bench.anyStore = store;
  await bench.start();
  t.like(await bench.root('fs.getFileInfo', { path: '/a/f' }), { lengthBytes: 2005, owner: 'bob' });
  await bench.nameNode.close();
  await store.close();
});
