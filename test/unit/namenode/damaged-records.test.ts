import test from 'ava';
import { describeKey, readableEntries } from '../../../source/namenode/damaged-records.js';
import { blockKey, callKey, countersKey, editKey, entryKey, inodeKey, leaseKey } from '../../../source/namenode/keys.js';
import { rootInodeId } from '../../../source/namenode/inode.js';
import { SafeModeError, StorageDamagedError } from '../../../source/protocol/errors.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { DamagedRecordError } from '../../../source/storage/record.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';
import { NamespaceHarness, written } from '../../helpers/namespace-harness.js';

const mkdir = { permission: 0o755, createParents: true };

test('a damaged record is a typed error that names it; the name node is read-only from then on, and the rest is served (fault 14)', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  await cluster.put('/a/f');
  await cluster.put('/b/g');
  const { inodeId } = (await cluster.root('fs.getFileInfo', { path: '/a/f' }))!;
  cluster.store.damage(inodeKey(inodeId));
  const error = await t.throwsAsync(cluster.root('fs.getFileInfo', { path: '/a/f' }), { instanceOf: StorageDamagedError });
  t.regex(error!.message, /fails its checksum.*restore the store from a backup/);

  const health = await cluster.root('cluster.getHealth', {});
  t.is(health.status, 'SAFE MODE');
  t.regex(health.safeMode.reason, new RegExp(`damaged: inode ${inodeId}: `));
  const before = [...cluster.store.range({ start: 'J', end: '\xff' })];
  const refusal = await t.throwsAsync(cluster.root('fs.mkdirs', { path: '/new', ...mkdir }), { instanceOf: SafeModeError });
  t.regex(refusal!.details.join(), new RegExp(`inode ${inodeId}`));
  await t.throwsAsync(cluster.root('fs.delete', { path: '/b', recursive: true }), { instanceOf: SafeModeError });
  for (const action of ['leave', 'forceExit'] as const) await t.throwsAsync(cluster.root('cluster.setSafeMode', { action }), { instanceOf: SafeModeError, message: /cannot be left/ });
  t.deepEqual([...cluster.store.range({ start: 'J', end: '\xff' })], before);

  t.is((await cluster.root('fs.getFileInfo', { path: '/b/g' }))!.lengthBytes, 7);
  t.is((await cluster.root('fs.getBlockLocations', { path: '/b/g', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
  await cluster.nameNode.close();
});

test('a change that meets a damaged record happens not at all, and its refusal is not kept (fault 14)', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.root('fs.mkdirs', { path: '/a', ...mkdir });
  const edits = () => cluster.nameNode.metrics().length && [...cluster.store.range({ start: 'L', end: 'S' })].length;
  const before = edits();
  cluster.store.damage(inodeKey(rootInodeId));
  await t.throwsAsync(cluster.root('fs.rename', { source: '/a', target: '/b', callId: 7 }), { instanceOf: StorageDamagedError });
  t.is(edits(), before);
  await cluster.nameNode.close();
});

for (const [what, keyOf] of [
  ['block', (inodeId: number) => blockKey(inodeId, 0)],
  ['file', (inodeId: number) => inodeKey(inodeId)],
] as const) {
  test(`a start over the damaged record of a ${what} serves the rest, and orders no deletion of the replicas it cannot explain (fault 14)`, async (t) => {
    const cluster = await new NameNodeBench().start();
    await cluster.join(0);
    await cluster.join(1);
    await cluster.put('/a/f');
    await cluster.put('/b/g');
    const { inodeId } = (await cluster.root('fs.getFileInfo', { path: '/a/f' }))!;
    await cluster.kill();
    cluster.store.damage(keyOf(inodeId));
    await cluster.start();
    await cluster.join(0);
    await cluster.join(1);
    const health = await cluster.root('cluster.getHealth', {});
    t.regex(health.safeMode.reason, new RegExp(`damaged: .*inode ${inodeId}`));
    t.is(health.blocks.total, 1);
    t.is((await cluster.root('fs.getBlockLocations', { path: '/b/g', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
    await cluster.turns(100_000);
    t.deepEqual((await cluster.heartbeat(0)).map((command) => command.kind).filter((kind) => kind === 'invalidate'), []);
    await t.throwsAsync(cluster.root('fs.mkdirs', { path: '/new', ...mkdir }), { instanceOf: SafeModeError });
    await cluster.nameNode.close();
  });
}

test('a damaged lease is told, and the others are loaded (fault 14)', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  const open = (path: string) => cluster.root('fs.create', { path, permission: 0o644, overwrite: false, createParents: true });
  const { file } = await open('/one');
  await open('/two');
  await cluster.kill();
  cluster.store.damage(leaseKey(file.inodeId));
  await cluster.start();
  t.regex((await cluster.root('cluster.getHealth', {})).safeMode.reason, new RegExp(`the lease of inode ${file.inodeId}`));
  t.is((await cluster.root('fs.renewLease', {})).openFileCount, 1);
  await cluster.nameNode.close();
});

test('a start over damaged counters is refused, and names them (fault 14)', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.kill();
  cluster.store.damage(countersKey);
  const before = cluster.store.crashImage().tree;
  await t.throwsAsync(cluster.start(), { instanceOf: StorageDamagedError, message: /key "C"/ });
  t.is(cluster.store.crashImage().tree, before);
});

test('an entry whose inode is gone is damage, not a crash (fault 14)', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.root('fs.mkdirs', { path: '/a', ...mkdir });
  const { inodeId } = (await cluster.root('fs.getFileInfo', { path: '/a' }))!;
  await cluster.store.transact((transaction) => transaction.delete(inodeKey(inodeId)));
  await t.throwsAsync(cluster.root('fs.getListing', { path: '/' }), { instanceOf: StorageDamagedError, message: new RegExp(`inode ${inodeId} is missing`) });
  t.is(await Promise.race([cluster.nameNode.failed, Promise.resolve('runs')]), 'runs');
  t.true((await cluster.root('cluster.getHealth', {})).safeMode.isOn);
  await cluster.nameNode.close();
});

test('a file one of whose blocks has no record is damage, and not a shorter file (fault 14)', async (t) => {
  for (const lostIndex of [0, 1, 2]) {
    const cluster = await new NameNodeBench().start();
    await cluster.join(0);
    await cluster.join(1);
    const { file, block } = await cluster.root('fs.create', { path: '/f', permission: 0o644, overwrite: false, createParents: true, withBlock: true });
    let last = written(block!, 1000);
    for (const blockIndex of [1, 2]) last = written(await cluster.root('fs.addBlock', { inodeId: file.inodeId, previous: last, blockIndex, excluded: [] }), 1000);
    await cluster.root('fs.complete', { inodeId: file.inodeId, last });
    await cluster.store.transact((transaction) => transaction.delete(blockKey(file.inodeId, lostIndex)));
    const locate = (offsetBytes: number) => cluster.root('fs.getBlockLocations', { path: '/f', offsetBytes, lengthBytes: 10_000 });
    await t.throwsAsync(locate(lostIndex * 1000 + 500), { instanceOf: StorageDamagedError, message: new RegExp(`block ${lostIndex} of inode ${file.inodeId} is missing`) });
    await t.throwsAsync(locate(0), { instanceOf: StorageDamagedError });
    if (lostIndex < 2) t.is((await locate(2500)).blocks.length, 1);
    t.true((await cluster.root('cluster.getHealth', {})).safeMode.isOn);
    await cluster.nameNode.close();
  }
});

test('keys are named for people, rotten ones too', (t) => {
  const named = [blockKey(16_386, 3), countersKey, editKey(9), entryKey(16_385, 'ü'), callKey('c', 4), 'B\xff\xff', 'R', 'Zx', ''].map(describeKey);
  t.deepEqual(named, ['block 3 of inode 16386', 'the counters', 'edit 9', 'the entry "ü" of directory 16385', 'call 4 of client c', 'key "Bÿÿ"', 'key "R"', 'key "Zx"', 'key ""']);
});

test('what can be read of a range is what is left without its damaged records', async (t) => {
  const store = new MemoryStore();
  await store.transact((transaction) => {
    for (const key of 'abcdef') transaction.put(key, Buffer.from(key));
  });
  for (const key of 'acdf') store.damage(key);
  const damaged: DamagedRecordError[] = [];
  t.deepEqual([...readableEntries(store, { start: 'a', end: 'z' }, (error) => damaged.push(error))].map(([key]) => key), ['b', 'e']);
  t.deepEqual(damaged.map(({ key }) => key), ['a', 'c', 'd', 'f']);
  t.deepEqual([...readableEntries(store, { start: 'a', end: 'z', limit: 1 }, () => {})].map(([key]) => key), ['b']);
});

test('a file whose block record is gone is not opened, cut or joined as if it were shorter (fault 14)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const ids = [await harness.file('/last', [1000, 1000, 1000]), await harness.file('/first', [1000, 1000, 1000])];
  await harness.file('/target', [1000]);
  await harness.store.transact((transaction) => {
    transaction.delete(blockKey(ids[0]!, 2));
    transaction.delete(blockKey(ids[1]!, 0));
  });
  const before = [...harness.store.range({ start: 'B', end: '\xff' })];
  const missing = { instanceOf: DamagedRecordError, message: /is missing from the name node's store/ };
  await t.throwsAsync(root('fs.append', { path: '/last' }), missing);
  await t.throwsAsync(root('fs.truncate', { path: '/last', newLengthBytes: 2500 }), missing);
  await t.throwsAsync(root('fs.truncate', { path: '/first', newLengthBytes: 500 }), missing);
  for (const source of ['/last', '/first']) await t.throwsAsync(root('fs.concat', { target: '/target', sources: [source] }), missing);
  t.deepEqual([...harness.store.range({ start: 'B', end: '\xff' })], before);
});
