import test from 'ava';
import { silentLogger } from '../../../source/base/log.js';
import { seededRandom } from '../../../source/base/random.js';
import { createBlockServices } from '../../../source/namenode/block-services.js';
import { NamespaceCatalog } from '../../../source/namenode/read-blocks.js';
import { reclaimSlice } from '../../../source/namenode/own-edits.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { NamespaceHarness } from '../../helpers/namespace-harness.js';

/** 3 directories of 400 files each, one file of 2,000 blocks, and an open file. */
async function openWithTree() {
  const harness = await NamespaceHarness.open();
  for (const name of ['a', 'b', 'c']) {
    await harness.mkdir(`/t/${name}/empty`);
    await Promise.all(Array.from({ length: 400 }, (_, index) => harness.file(`/t/${name}/${index}`, [1])));
  }
  await harness.file('/t/a/big', Array.from({ length: 2000 }, () => 1), { blockSizeBytes: 1 });
  await harness.root('fs.create', { path: '/t/b/open', permission: 0o644, overwrite: false, createParents: false, withBlock: true });
  await harness.file('/kept', [1]);
  return harness;
}

const keysOf = (harness: NamespaceHarness, prefix: string) => [...harness.dump().keys()].filter((key) => key.startsWith(prefix)).length;

test('a large directory is gone at once, and its inodes and blocks are reclaimed in slices', async (t) => {
  const harness = await openWithTree();
  t.is(harness.blocks.known.size, 3 * 400 + 2000 + 1 + 1);
  t.true(await harness.root('fs.delete', { path: '/t', recursive: true }));
  t.is(await harness.root('fs.getFileInfo', { path: '/t/a' }), null);
  t.is(harness.blocks.known.size, 3202);
  t.true((await harness.reclaimAll()) >= 6);
  t.is(harness.blocks.known.size, 1);
  t.like(harness.namespace.view.readCounters(), { fileCount: 1, directoryCount: 1, pendingDeletionCount: 0 });
  for (const [prefix, count] of [['I', 2], ['E', 1], ['B', 1], ['D', 0], ['U', 0]] as const) t.is(keysOf(harness, prefix), count, prefix);
  t.is(harness.leases.fileCount, 0);
});

test('a name is free at once for another, while its old content is reclaimed', async (t) => {
  const harness = await openWithTree();
  await harness.root('fs.delete', { path: '/t', recursive: true });
  await harness.file('/t/a/big', [3]);
  await harness.reclaimAll();
  t.is((await harness.root('fs.getFileInfo', { path: '/t/a/big' }))?.lengthBytes, 3);
  t.is(harness.blocks.known.size, 2);
});

test('reclaiming goes on after a restart, and nobody waits for replicas of what was deleted', async (t) => {
  const harness = await openWithTree();
  await harness.root('fs.delete', { path: '/t', recursive: true });
  await reclaimSlice(harness.namespace, harness.blocks);
  const after = await harness.restarted();
  const catalog = new NamespaceCatalog(after.namespace.view);
  const page = catalog.scanBlocks();
  t.deepEqual(page.map((block) => catalog.pathOfInode(block.inodeId)), ['/kept']);
  t.deepEqual(catalog.scanBlocks(page[0]!.inodeId, page[0]!.blockIndex), []);
  await after.reclaimAll();
  t.like(after.namespace.view.readCounters(), { fileCount: 1, directoryCount: 1, pendingDeletionCount: 0 });
  t.is(keysOf(after, 'B'), 1);
});

test('blocks behind those of a deleted directory are known after a restart: their replicas would be taken for strange, and deleted', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/before', [1]);
  await harness.file('/t/doomed', Array.from({ length: 100 }, () => 1), { blockSizeBytes: 1 });
  await harness.file('/kept', Array.from({ length: 5000 }, () => 1), { blockSizeBytes: 1 });
  await harness.root('fs.delete', { path: '/t', recursive: true });
  const after = await harness.restarted();
  const services = createBlockServices({
    store: new MemoryStore(),
    clock: after.clock,
    random: seededRandom(1),
    logger: silentLogger,
    clusterId: after.clusterId,
    nameNode: '127.0.0.1:9870',
    dataNodes: [],
    minReplication: 1,
    heartbeatIntervalMs: 1000,
    staleNodeTimeoutMs: 3000,
    deadNodeTimeoutMs: 10_000,
    blockReportIntervalMs: 3_600_000,
    maxReplicationStreams: 2,
    commitRecoveredBlock: () => Promise.resolve(),
    countInodes: () => ({ fileCount: 0, directoryCount: 0 }),
  });
  await services.load(new NamespaceCatalog(after.namespace.view));
  t.is(services.health().blocks.total, 5001);
});

test('blocks are found below directories nested deeper than any path, while something waits for its reclamation', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/0/f', [1]);
  const depth = 800;
  for (let i = 1; i <= 25; i++) {
    const path = `/${i}${'/d'.repeat(depth)}`;
    await harness.mkdir(path);
    await harness.root('fs.rename', { source: `/${i - 1}`, target: `${path}/${i - 1}` });
  }
  await harness.file('/t/doomed', [1]);
  await harness.root('fs.delete', { path: '/t', recursive: true });
  t.is(harness.namespace.view.readCounters().pendingDeletionCount, 1);
  t.is(new NamespaceCatalog(harness.namespace.view).scanBlocks().length, 1);
});

test('reclaiming waits while block management is behind with deleting replicas', async (t) => {
  const harness = await openWithTree();
  await harness.root('fs.delete', { path: '/t', recursive: true });
  harness.blocks.pending = 1_000_000;
  t.false(await reclaimSlice(harness.namespace, harness.blocks));
  harness.blocks.pending = 0;
  t.true(await reclaimSlice(harness.namespace, harness.blocks));
});

test('the writer of a file in a deleted directory is refused before it is reclaimed', async (t) => {
  const harness = await NamespaceHarness.open();
  const { file } = await harness.root('fs.create', { path: '/d/e/f', permission: 0o644, overwrite: false, createParents: true });
  await harness.root('fs.delete', { path: '/d', recursive: true });
  await t.throwsAsync(harness.root('fs.addBlock', { inodeId: file.inodeId, previous: null, blockIndex: 0, excluded: [] }), { message: /^File is deleted/ });
  await harness.reclaimAll();
  await t.throwsAsync(harness.root('fs.addBlock', { inodeId: file.inodeId, previous: null, blockIndex: 0, excluded: [] }), { message: /^File does not exist/ });
  t.is(harness.blocks.known.size, 0);
});
