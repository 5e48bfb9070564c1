import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { InputOutputError, NoSpaceError, OverloadedError, StorageDamagedError, VersionMismatchError } from '../../../source/protocol/errors.js';
import { LocalBlockStore, type LocalBlockStoreOptions } from '../../../source/storage/local-block-store.js';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { DiskFaults, writingCalls } from '../../helpers/disk-faults.js';
import { appendAll, content, packetOf, readVerified } from '../../helpers/replica-content.js';
import { SimulatedDisk } from '../../helpers/simulated-disk.js';

const chunkBytes = 64;
const request = { generationStamp: 9, storageId: '', chunkBytes, isDurable: true, isTemporary: false };
const directories = ['/d1', '/d2', '/d3'];

/** Three disks of one node, and what is wrong with them. */
class Bench {
  readonly disk = new SimulatedDisk();
  readonly faults = new DiskFaults();
  readonly clock = new ManualClock();
  #seed = 0;

  constructor() {
    for (const directory of directories) this.disk.disks.set(directory, { totalBytes: 1_000_000 });
    this.disk.onCall = this.faults.onCall;
  }

  open(options: Partial<LocalBlockStoreOptions> = {}): Promise<LocalBlockStore> {
    return LocalBlockStore.open({ disk: this.disk.mount(), directories, clock: this.clock, random: seededRandom(++this.#seed), ...options });
  }

  /** Ends the process and starts it again. */
  reopen(options: Partial<LocalBlockStoreOptions> = {}): Promise<LocalBlockStore> {
    this.disk.restart();
    this.disk.onCall = this.faults.onCall;
    return this.open(options);
  }
}

async function put(store: LocalBlockStore, blockId: number, more: { storageId?: string; lengthBytes?: number; generationStamp?: number } = {}): Promise<string> {
  const { lengthBytes = 300, ...rest } = more;
  const writer = await store.create({ blockId, ...request, ...rest });
  try {
    await appendAll(writer, content(blockId, lengthBytes), { chunkBytes, packetBytes: 4096, isLast: true });
    await writer.finalize();
  } catch (error) {
    await writer.close();
    throw error;
  }
  return writer.storageId;
}

const idsOf = async (store: LocalBlockStore) => (await store.readStorages()).map(({ storageId }) => storageId);
const held = (store: LocalBlockStore, storageId: string) => [...store.finalizedReplicas(storageId)].map(({ blockId }) => blockId);
const turns = async (times: number) => {
  for (let i = 0; i < times; i++) await Promise.resolve();
};

test('replicas go to the disks by turns, to each as often as its share of the room', async (t) => {
  const bench = new Bench();
  bench.disk.disks.get('/d2')!.totalBytes = 2_000_000;
  bench.disk.disks.get('/d3')!.totalBytes = 3_000_000;
  const store = await bench.open();
  const ids = await idsOf(store);
  const chosen: number[] = [];
  for (let blockId = 1; blockId <= 60; blockId++) chosen.push(ids.indexOf(await put(store, blockId, { lengthBytes: 10 })));
  const counts = [0, 1, 2].map((index) => chosen.filter((each) => each === index).length);
  t.deepEqual(counts, [10, 20, 30]);
  t.deepEqual([...new Set(chosen.slice(0, 6))].sort(), [0, 1, 2], 'by turns, not one disk after the other');
  t.deepEqual((await store.readStorages()).map(({ blockCount }) => blockCount), counts);
  await store.close();
});

test('a disk without room for a whole block takes none as long as another one has room', async (t) => {
  const bench = new Bench();
  bench.disk.disks.get('/d1')!.totalBytes = 90_000;
  const store = await bench.open({ blockSizeBytes: 100_000 });
  const [small] = await idsOf(store);
  for (let blockId = 1; blockId <= 20; blockId++) await put(store, blockId);
  t.deepEqual(held(store, small!), []);
  bench.disk.disks.get('/d2')!.totalBytes = 90_000;
  bench.disk.disks.get('/d3')!.totalBytes = 90_000;
  await store.readStorages();
  for (let blockId = 21; blockId <= 40; blockId++) await put(store, blockId);
  t.true(held(store, small!).length > 0);
  await store.close();
});

for (const [title, fault] of [
  ['fails every call', { code: 'EIO' }],
  ['is mounted read-only (fault 22)', { code: 'EROFS', calls: writingCalls }],
  ['is not there any more', { code: 'ENOENT' }],
] as const) {
  test(`a disk that ${title}: the node goes on with the others, and only its replicas are gone`, async (t) => {
    const bench = new Bench();
    const store = await bench.open();
    const ids = await idsOf(store);
    for (let blockId = 1; blockId <= 30; blockId++) await put(store, blockId, { storageId: ids[blockId % 3]! });
    const before = ids.map((id) => held(store, id));
    t.deepEqual(before.map(({ length }) => length), [10, 10, 10]);

    const repair = bench.faults.add({ ...fault, path: '/d2' });
    await t.throwsAsync(put(store, 100, { storageId: ids[1]! }), { instanceOf: InputOutputError });
    await turns(100);
    t.deepEqual((await store.readStorages()).map(({ isFailed, blockCount, remainingBytes }) => [isFailed, blockCount, remainingBytes > 0]), [
      [false, 10, true],
      [true, 0, false],
      [false, 10, true],
    ]);
    t.like(store.failedVolumes, [{ directory: '/d2', storageId: ids[1] }] as never);
    t.is(store.failedVolumes.length, 1);
    t.is(store.unusable, undefined);
    t.deepEqual(ids.map((id) => held(store, id)), [before[0], [], before[2]]);
    t.is(store.getReplica(before[1]![0]!), undefined);
    // What it had may be copied here again, to a disk that works.
    for (const blockId of before[1]!) t.not(await put(store, blockId), ids[1]);
    for (const blockId of [...before[0]!, ...before[1]!, ...before[2]!])
      t.deepEqual(await readVerified(store, { blockId, generationStamp: 9 }), content(blockId, 300));
    await t.throwsAsync(put(store, 101, { storageId: ids[1]! }), { instanceOf: InputOutputError, message: /\/d2 takes no more writes/ });

    // Repaired and started again, it is back; what is twice is kept once.
    repair();
    await store.close();
    const again = await bench.reopen();
    t.deepEqual(again.failedVolumes, []);
    t.deepEqual((await again.readStorages()).map(({ isFailed }) => isFailed), [false, false, false]);
    t.is(ids.reduce((sum, id) => sum + held(again, id).length, 0), 30);
    for (let blockId = 1; blockId <= 30; blockId++) t.deepEqual(await readVerified(again, { blockId, generationStamp: 9 }), content(blockId, 300));
    await again.close();
  });
}

for (const [title, blockId] of [
  ['of the same subdirectory', 100],
  ['of a subdirectory that is yet to be made', 1000],
] as const) {
  test(`only the finalized replicas of a disk are removed under the node, and the next block is one ${title}: the disk is put out, and nothing is written there`, async (t) => {
    const bench = new Bench();
    const store = await bench.open();
    const ids = await idsOf(store);
    for (let id = 1; id <= 6; id++) await put(store, id, { storageId: ids[id % 3]! });
    bench.disk.removeTree('/d2/current');
    await t.throwsAsync(put(store, blockId, { storageId: ids[1]! }), { instanceOf: InputOutputError });
    await turns(100);
    t.like(store.failedVolumes, [{ directory: '/d2', storageId: ids[1] }] as never);
    t.false(bench.disk.has('/d2/current'), 'it was not made again as if it had been empty');
    t.not(await put(store, blockId), ids[1]);
    t.deepEqual(await readVerified(store, { blockId, generationStamp: 9 }), content(blockId, 300));
    await store.close();
  });
}

test('one subdirectory is removed under the node: the disk stays in use, and the next replica of it has it made again', async (t) => {
  const bench = new Bench();
  const store = await bench.open({ directories: ['/d1'] });
  await put(store, 1);
  bench.disk.removeTree(`/d1/current/${finalizedSubdirectory(1)}`);
  await t.throwsAsync(put(store, 2), { instanceOf: InputOutputError });
  await turns(100);
  t.deepEqual(store.failedVolumes, []);
  await put(store, 2);
  t.deepEqual(await readVerified(store, { blockId: 2, generationStamp: 9 }), content(2, 300));
  t.deepEqual(bench.disk.files().filter((path) => path.endsWith('probe')), [], 'the probe leaves nothing');
  await store.close();
});

test('one bad sector is the misfortune of one replica: the disk stays in use', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  await put(store, 1);
  bench.faults.add({ code: 'EIO', path: /rbw\/blk_2/, calls: ['write'] });
  await t.throwsAsync(put(store, 2), { instanceOf: InputOutputError });
  await turns(100);
  t.deepEqual(store.failedVolumes, []);
  await put(store, 3);
  t.deepEqual(await readVerified(store, { blockId: 3, generationStamp: 9 }), content(3, 300));
  await store.close();
});

test('a disk that cannot be read at the start is left out and named; its blocks are back when it is', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = await idsOf(store);
  await store.bindToCluster('cluster-a');
  for (let blockId = 1; blockId <= 9; blockId++) await put(store, blockId, { storageId: ids[blockId % 3]! });
  await store.close();
  for (const path of ['/d1', /\/d1\/VERSION/, /\/d1\/current$/]) {
    const repair = bench.faults.add({ code: 'EIO', path });
    const without = await bench.reopen();
    t.is(without.datanodeUuid, store.datanodeUuid);
    t.is(without.clusterId, 'cluster-a');
    t.deepEqual(without.failedVolumes.map(({ directory }) => directory), ['/d1'], String(path));
    t.regex(without.failedVolumes[0]!.reason, /EIO/);
    t.deepEqual(ids.map((id) => held(without, id).length), [0, 3, 3]);
    t.deepEqual((await without.readStorages()).filter(({ isFailed }) => !isFailed).map(({ storageId }) => storageId), ids.slice(1));
    await without.close();
    repair();
  }
  const whole = await bench.reopen();
  t.deepEqual(ids.map((id) => held(whole, id).length), [3, 3, 3]);
  await whole.close();
});

test('a replica that cannot be looked at during the start is left out, the others of its disk are not', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const [id] = await idsOf(store);
  for (const blockId of [1, 2]) await put(store, blockId, { storageId: id! });
  await store.close();
  const repair = bench.faults.add({ code: 'EIO', path: /blk_1$/, calls: ['readSize'] });
  const again = await bench.reopen();
  t.deepEqual(held(again, id!), [2]);
  t.deepEqual(again.failedVolumes, []);
  await again.close();
  repair();
  const whole = await bench.reopen();
  t.deepEqual(held(whole, id!), [1, 2], 'nothing was done to it');
  await whole.close();
});

test('more failed disks than tolerated: the node does not start, and one that runs says that it cannot go on', async (t) => {
  const bench = new Bench();
  const store = await bench.open({ failedVolumesTolerated: 1 });
  const ids = await idsOf(store);
  bench.faults.add({ code: 'EIO', path: '/d1' });
  await t.throwsAsync(put(store, 1, { storageId: ids[0]! }));
  await turns(100);
  t.is(store.unusable, undefined);
  bench.faults.add({ code: 'EROFS', path: '/d3', calls: writingCalls });
  await t.throwsAsync(put(store, 1, { storageId: ids[2]! }));
  await turns(100);
  t.regex(store.unusable!.message, /^2 of 3 storage directories failed, 1 may \("failed_volumes_tolerated"\): \/d1 \(EIO.*\), \/d3 \(EROFS/);
  await store.close();
  await t.throwsAsync(bench.reopen({ failedVolumesTolerated: 1 }), { instanceOf: InputOutputError, message: /^2 of 3 storage directories failed, 1 may/ });
  const one = await bench.reopen();
  t.deepEqual(one.failedVolumes.map(({ directory }) => directory), ['/d1', '/d3'], 'by default one that works is enough');
  await put(one, 1);
  await one.close();
  bench.faults.add({ code: 'EIO', path: '/d2' });
  await t.throwsAsync(bench.reopen(), { message: /EIO/ }, 'but none is too few');
});

test('no new identity is made beside a disk that cannot be read: it would shut that one out for good', async (t) => {
  const bench = new Bench();
  const store = await bench.open({ directories: ['/d1'] });
  await put(store, 1);
  await store.close();
  const repair = bench.faults.add({ code: 'EIO', path: '/d1' });
  const before = bench.disk.files();
  await t.throwsAsync(bench.reopen({ directories: ['/d1', '/d2'] }), {
    instanceOf: StorageDamagedError,
    message: /\/d1.*EIO.*no other directory says whose this data node is/,
  });
  t.deepEqual(bench.disk.files(), before);
  repair();
  const again = await bench.reopen({ directories: ['/d1', '/d2'] });
  t.is(again.datanodeUuid, store.datanodeUuid);
  t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 9 }), content(1, 300));
  await again.close();
});

test('an empty directory in the place of one that had replicas is a new storage of the same node (fault 42)', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = await idsOf(store);
  await store.bindToCluster('cluster-a');
  for (let blockId = 1; blockId <= 6; blockId++) await put(store, blockId, { storageId: ids[blockId % 3]! });
  await store.close();
  const again = await bench.reopen({ directories: ['/d1', '/d2', '/new'] });
  t.is(again.datanodeUuid, store.datanodeUuid);
  t.is(again.clusterId, 'cluster-a');
  const now = await idsOf(again);
  t.deepEqual(now.slice(0, 2), ids.slice(0, 2));
  t.false(ids.includes(now[2]!));
  t.deepEqual(now.map((id) => held(again, id).length), [2, 2, 0]);
  await again.close();
});

test('a crash between two directories while they are bound to their cluster: the next start goes on', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  bench.faults.add({ code: 'EIO', path: /\/d2\/VERSION/, calls: ['create'], times: 1 });
  await t.throwsAsync(store.bindToCluster('cluster-a'));
  const again = await bench.reopen();
  t.is(again.clusterId, 'cluster-a');
  await again.bindToCluster('cluster-a');
  await again.close();
  for (const directory of directories) t.regex(bench.disk.bytes(`${directory}/VERSION`).toString(), /clusterID=cluster-a/);
});

test('one directory of a later version keeps the node from starting, names both versions, and stays untouched', async (t) => {
  const bench = new Bench();
  await (await bench.open()).close();
  const path = '/d2/VERSION';
  const later = bench.disk.bytes(path).toString().replace('dfsh-storage 1', 'dfsh-storage 2');
  const file = await bench.disk.mount().open(path, 'write');
  await file.write(Buffer.from(later), 0);
  await t.throwsAsync(bench.reopen(), { instanceOf: VersionMismatchError, message: /\/d2\/VERSION has format version 2, this program reads 1/ });
  t.is(bench.disk.bytes(path).toString(), later);
});

test('a disk that hangs takes no new replica until it answers; the others do, and looking at the disks waits for none (fault 23)', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = await idsOf(store);
  const release = bench.faults.hang({ path: '/d1' });
  const stuck = put(store, 1, { storageId: ids[0]! });
  stuck.catch(() => {});
  await turns(50);
  bench.clock.advance(8000);
  t.true((await advanceUntil(bench, store.readStorages()))[0]!.remainingBytes > 0, 'slow is not stalled yet');
  bench.clock.advance(3000);
  const reports = await advanceUntil(bench, store.readStorages());
  t.deepEqual(reports.map(({ remainingBytes, isFailed }) => [remainingBytes > 0, isFailed]), [[false, false], [true, false], [true, false]]);
  for (let blockId = 10; blockId < 20; blockId++) t.not(await advanceUntil(bench, put(store, blockId)), ids[0]);
  await t.throwsAsync(store.create({ blockId: 30, ...request, storageId: ids[0]! }), { instanceOf: OverloadedError, message: /\/d1: its disk has not answered for 1\d s; try another/ });
  release();
  await stuck;
  t.true((await store.readStorages())[0]!.remainingBytes > 0);
  t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 300));
  await put(store, 30, { storageId: ids[0]! });
  await store.close();
});

/** Lets the time go on until a promise settles. */
async function advanceUntil<T>(bench: Bench, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => (isSettled = true));
  settled.catch(() => {});
  for (let i = 0; i < 400 && !isSettled; i++) {
    await turns(20);
    if (!isSettled) bench.clock.advance(10);
  }
  return settled;
}

test('no descriptor is left: calls wait for one, and neither disk nor replica is blamed (fault 24)', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  await put(store, 1);
  const open = ['open', 'create', 'syncDirectory', 'readDirectory'] as const;
  bench.faults.add({ code: 'EMFILE', calls: open, times: 6 });
  await advanceUntil(bench, put(store, 2));
  t.true(bench.faults.hits.size > 0);
  t.deepEqual(await readVerified(store, { blockId: 2, generationStamp: 9 }), content(2, 300));

  const repair = bench.faults.add({ code: 'ENFILE', calls: open });
  await t.throwsAsync(advanceUntil(bench, put(store, 3)), { instanceOf: OverloadedError, message: /too many open files/ });
  await t.throwsAsync(advanceUntil(bench, store.verify({ blockId: 1, generationStamp: 9 })), { instanceOf: OverloadedError }, 'is no verdict');
  t.deepEqual(store.failedVolumes, []);
  t.is(store.getReplica(1)?.state, 'finalized');
  repair();
  await put(store, 4);
  t.deepEqual(await store.verify({ blockId: 1, generationStamp: 9 }), { outcome: 'intact' });
  await store.close();
});

test('a full disk refuses with what to do, serves what it has, and takes more as soon as there is room (fault 18)', async (t) => {
  const bench = new Bench();
  const store = await bench.open({ directories: ['/d1'] });
  await put(store, 1);
  const own = bench.disk.disks.get('/d1')!;
  own.totalBytes = 2000;
  await t.throwsAsync(put(store, 2, { lengthBytes: 5000 }), { instanceOf: NoSpaceError, message: /free some/ });
  t.is(store.getReplica(2), undefined);
  t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 300));
  t.deepEqual(store.failedVolumes, []);
  own.totalBytes = 1_000_000;
  await put(store, 2, { lengthBytes: 5000 });
  t.deepEqual(await readVerified(store, { blockId: 2, generationStamp: 9 }), content(2, 5000));
  await store.close();
});

test('disks that are full at once refuse; the one that gets room is used at once', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = await idsOf(store);
  for (const directory of directories) bench.disk.disks.get(directory)!.totalBytes = 0;
  await store.readStorages();
  await t.throwsAsync(put(store, 1), { instanceOf: NoSpaceError, message: /\/d1, \/d2, \/d3: only the reserve is left; free some space, or add a data node/ });
  bench.disk.disks.get('/d2')!.totalBytes = 1_000_000;
  await store.readStorages();
  t.is(await put(store, 1), ids[1]!);
  await store.close();
});

test('a writer whose disk is put out by another one\'s failure cannot finish, and leaves nothing that counts', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const [id] = await idsOf(store);
  const writer = await store.create({ blockId: 5, ...request, storageId: id! });
  await writer.append(packetOf(content(5, 100), 0, 100, chunkBytes));
  const repair = bench.faults.add({ code: 'EROFS', path: '/d1', calls: writingCalls });
  await t.throwsAsync(put(store, 6, { storageId: id! }));
  await turns(100);
  repair();
  await t.throwsAsync(writer.finalize(), { instanceOf: InputOutputError, message: /\/d1 takes no more writes/ });
  await writer.close();
  t.is(store.getReplica(5), undefined);
  t.deepEqual([...store.abandonedReplicas()], []);
  await put(store, 5);
  await store.close();
});

test('a replica being written on a disk that failed does not bar its block from the other disks', async (t) => {
  const bench = new Bench();
  const store = await bench.open();
  const [id] = await idsOf(store);
  const writer = await store.create({ blockId: 5, ...request, storageId: id! });
  await writer.append(packetOf(content(5, 100), 0, 100, chunkBytes));
  bench.faults.add({ code: 'EIO', path: '/d1' });
  await t.throwsAsync(put(store, 6, { storageId: id! }));
  await turns(100);
  t.not(await put(store, 5), id);
  await t.throwsAsync(writer.append(packetOf(content(5, 200), 100, 200, chunkBytes)));
  await writer.close();
  t.deepEqual(await readVerified(store, { blockId: 5, generationStamp: 9 }), content(5, 300));
  await store.close();
});

for (const [title, blockId, generationStamp, source] of [
  ['the name of another block (fault 16)', 2, 9, { blockId: 1, generationStamp: 9 }],
  ['a newer generation, its content being the old one (fault 17)', 1, 12, { blockId: 1, generationStamp: 9 }],
] as const) {
  test(`whole files with good checksums under ${title}: found out, put aside and never served`, async (t) => {
    const bench = new Bench();
    const store = await bench.open({ directories: ['/d1'] });
    await put(store, 1);
    await store.close();
    const folder = (id: number) => `/d1/current/${finalizedSubdirectory(id)}`;
    const disk = bench.disk.mount();
    await disk.rename({ source: `${folder(1)}/blk_${source.blockId}_${source.generationStamp}.meta`, target: `${folder(1)}/blk_${blockId}_${generationStamp}.meta` });
    if (blockId !== source.blockId) await disk.rename({ source: `${folder(1)}/blk_${source.blockId}`, target: `${folder(1)}/blk_${blockId}` });
    const again = await bench.reopen({ directories: ['/d1'] });
    await t.throwsAsync(again.openReader({ blockId, generationStamp }), { message: /belongs to blk_1_9: it, or the block, is under a wrong name/ });
    const verdict = await again.verify({ blockId, generationStamp });
    t.is(verdict.outcome, 'rotten');
    t.true(await again.quarantine({ blockId, generationStamp }, 'identity'));
    t.is(again.getReplica(blockId)?.state, 'quarantined');
    t.deepEqual(bench.disk.bytes(`/d1/quarantine/blk_${blockId}`), content(1, 300), 'its bytes are kept');
    await again.close();
  });
}

test('two directories with one storage id, one copied from the other, are refused, and nothing is touched (fault 40)', async (t) => {
  const bench = new Bench();
  await (await bench.open({ directories: ['/d1'] })).close();
  const version = bench.disk.bytes('/d1/VERSION')!;
  const disk = bench.disk.mount();
  await disk.makeDirectory('/d2');
  const file = await disk.open('/d2/VERSION', 'create');
  await file.write(version, 0);
  await file.close();
  const error = await t.throwsAsync(bench.reopen({ directories: ['/d1', '/d2'] }), { instanceOf: StorageDamagedError });
  t.regex(error!.message, /^\/d2 and \/d1 are one storage, DS-.*: one is a copy of the other/);
  await (await bench.reopen({ directories: ['/d1'] })).close();
});

for (const [title, generations, lengths, expected] of [
  ['of the newer generation', [9, 10], [500, 200], [10, 200]],
  ['of the newer generation, whichever disk it is on', [10, 9], [200, 500], [10, 200]],
  ['that has more, of one generation', [9, 9], [200, 500], [9, 500]],
] as const) {
  test(`of two replicas being written of one block, on a disk that failed and came back and on another, the one ${title} stays`, async (t) => {
    const bench = new Bench();
    const both = ['/d1', '/d2'];
    await (await bench.open({ directories: both })).close();
    for (const index of [0, 1]) {
      const repair = bench.faults.add({ path: both[1 - index]!, code: 'EIO' });
      const store = await bench.reopen({ directories: both });
      const writer = await store.create({ blockId: 5, ...request, generationStamp: generations[index]! });
      await appendAll(writer, content(5, 1000), { chunkBytes, packetBytes: 100, endBytes: lengths[index]! });
      await writer.close();
      await store.close();
      repair();
    }
    for (let start = 0; start < 2; start++) {
      const store = await bench.reopen({ directories: both });
      t.deepEqual([store.getReplica(5)!.block.generationStamp, store.getReplica(5)!.block.lengthBytes], [...expected]);
      t.deepEqual((await store.readStorages()).map(({ usedBytes }) => usedBytes).sort((x, y) => x - y), [0, expected[1]]);
      await store.close();
    }
  });
}

test('a replica being written that a newer finalized one on another disk has outlived goes at the start', async (t) => {
  const bench = new Bench();
  const both = ['/d1', '/d2'];
  await (await bench.open({ directories: both })).close();
  const repairSecond = bench.faults.add({ path: '/d2', code: 'EIO' });
  const before = await bench.reopen({ directories: both });
  const writer = await before.create({ blockId: 5, ...request });
  await appendAll(writer, content(5, 1000), { chunkBytes, packetBytes: 100, endBytes: 300 });
  await writer.close();
  await before.close();
  repairSecond();
  const repairFirst = bench.faults.add({ path: '/d1', code: 'EIO' });
  const between = await bench.reopen({ directories: both });
  await put(between, 5, { generationStamp: 12 });
  await between.close();
  repairFirst();
  const store = await bench.reopen({ directories: both });
  t.like(store.getReplica(5), { state: 'finalized', block: { generationStamp: 12 } });
  t.deepEqual([...store.abandonedReplicas()], []);
  const next = await store.recover({ blockId: 5, generationStamp: 13, previousGenerationStamp: 12, keepBytes: 300, isDurable: true });
  await next.close();
  await store.close();
});
