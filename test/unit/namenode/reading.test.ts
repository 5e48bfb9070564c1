import test from 'ava';
import fc from 'fast-check';
import { NamespaceCatalog } from '../../../source/namenode/read-blocks.js';
import { FileNotFoundError, IsADirectoryError } from '../../../source/protocol/errors.js';
import { NamespaceHarness, written } from '../../helpers/namespace-harness.js';

test('the blocks of a range are those that hold a byte of it, whatever their lengths', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 12 }), fc.nat(13_000), fc.nat(13_000), async (lengths, offsetBytes, lengthBytes) => {
      const harness = await NamespaceHarness.open();
      await harness.file('/f', lengths);
      const { blocks, hasMore } = await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes, lengthBytes });
      let begin = 0;
      const expected = lengths.map((length, index) => ({ index, begin: (begin += length) - length, length })).filter((block) => block.begin < offsetBytes + lengthBytes && block.begin + block.length > offsetBytes && lengthBytes > 0);
      t.false(hasMore);
      t.deepEqual(blocks.map((block) => ({ index: block.blockIndex, begin: block.offsetBytes, length: block.block.lengthBytes })), expected);
    }),
    { numRuns: 60 },
  );
});

test('a file of many blocks is located page by page', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', Array.from({ length: 2300 }, () => 2), { blockSizeBytes: 2 });
  const first = await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 10_000 });
  t.is(first.blocks.length, 1000);
  t.true(first.hasMore);
  t.is(first.file.lengthBytes, 4600);
  const last = await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 4001, lengthBytes: 10_000 });
  t.deepEqual([last.blocks.length, last.blocks[0]!.blockIndex, last.hasMore], [300, 2000, false]);
});

test('of a file under construction the finished blocks can be read, and the open one is named with its writers', async (t) => {
  const harness = await NamespaceHarness.open();
  const { file, block } = await harness.root('fs.create', { path: '/f', permission: 0o644, overwrite: false, createParents: false, withBlock: true });
  const locate = () => harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 10_000 });
  const isOpen = (found: { isUnderConstruction?: true; block: { lengthBytes: number } }) => [found.isUnderConstruction ?? false, found.block.lengthBytes];
  t.deepEqual((await locate()).blocks.map(isOpen), [[true, 0]]);
  t.is((await locate()).file.lengthBytes, 0);
  await harness.root('fs.addBlock', { inodeId: file.inodeId, previous: written(block!, 700), blockIndex: 1, excluded: [] });
  const { blocks, file: status } = await locate();
  t.deepEqual(blocks.map(isOpen), [[false, 700], [true, 0]]);
  t.is(blocks[1]!.offsetBytes, 700);
  t.is(blocks[1]!.locations.length, 3);
  t.is((await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 700 })).blocks.length, 1);
  t.like(status, { lengthBytes: 700, isUnderConstruction: true });
  t.deepEqual(blocks[0]!.locations.map((location) => location.name), ['dn1', 'dn2', 'dn3']);
  t.deepEqual(blocks.map(({ mayBeElsewhere }) => mayBeElsewhere), [undefined, undefined]);
  harness.blocks.unreachable.add('dn2');
  t.deepEqual((await locate()).blocks.map(({ mayBeElsewhere }) => mayBeElsewhere), [undefined, true], 'the reader is told that one of its writers cannot be asked');
});

test('blocks of nothing and of a directory are typed errors', async (t) => {
  const { root } = await NamespaceHarness.open();
  const locate = (path: string) => root('fs.getBlockLocations', { path, offsetBytes: 0, lengthBytes: 1 });
  await t.throwsAsync(locate('/none'), { instanceOf: FileNotFoundError, message: 'File does not exist: /none' });
  await t.throwsAsync(locate('/'), { instanceOf: IsADirectoryError, message: 'Path is not a file: /' });
});

test('a content summary counts what is below, copies too', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/d/a/f', [1000, 5]);
  await harness.file('/d/g', [7]);
  await harness.mkdir('/d/a/b/c');
  await harness.root('fs.setReplication', { path: '/d/g', replication: 1 });
  await Promise.all(Array.from({ length: 1200 }, (_, index) => harness.mkdir(`/d/many/${index}`)));
  t.deepEqual(await harness.root('fs.getContentSummary', { path: '/d' }), { directoryCount: 1205, fileCount: 2, lengthBytes: 1012, spaceConsumedBytes: 3 * 1005 + 7 });
  t.deepEqual(await harness.root('fs.getContentSummary', { path: '/d/g' }), { directoryCount: 0, fileCount: 1, lengthBytes: 7, spaceConsumedBytes: 7 });
  await t.throwsAsync(harness.root('fs.getContentSummary', { path: '/none' }), { instanceOf: FileNotFoundError });
});

test('reading a file moves its access time on, to the precision and once', async (t) => {
  const harness = await NamespaceHarness.open({ accessTimePrecisionMs: 1000 });
  await harness.file('/f', [5]);
  const read = () => harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 5 });
  const accessTime = async () => (await harness.root('fs.getFileInfo', { path: '/f' }))!.accessTimeMs;
  const created = await accessTime();
  harness.clock.advance(1000);
  await read();
  await harness.mkdir('/x');
  t.is(await accessTime(), created);
  harness.clock.advance(1);
  const before = harness.namespace.lastEditId;
  await Promise.all([read(), read(), read()]);
  await harness.mkdir('/y');
  t.is(await accessTime(), harness.clock.nowMs());
  t.is(harness.namespace.lastEditId, before + 2);
});

test('attributes are set, and block management hears of every block\'s new number of copies', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', Array.from({ length: 2100 }, () => 1), { blockSizeBytes: 1 });
  await harness.mkdir('/d');
  const { root } = harness;
  t.true(await root('fs.setReplication', { path: '/f', replication: 2 }));
  t.true([...harness.blocks.known.values()].every((block) => block.replication === 2));
  t.false(await root('fs.setReplication', { path: '/d', replication: 2 }));
  await root('fs.setTimes', { path: '/f', modificationTimeMs: 5 });
  await root('fs.setTimes', { path: '/f', accessTimeMs: 6 });
  await root('fs.setPermission', { path: '/f', permission: 0o1640 });
  await root('fs.setOwner', { path: '/f', owner: 'bob' });
  await root('fs.setOwner', { path: '/f', group: 'eng' });
  t.like(await root('fs.getFileInfo', { path: '/f' }), { replication: 2, modificationTimeMs: 5, accessTimeMs: 6, permission: 0o1640, owner: 'bob', group: 'eng' });
  for (const call of [
    root('fs.setTimes', { path: '/none', modificationTimeMs: 5 }),
    root('fs.setReplication', { path: '/none', replication: 5 }),
    root('fs.setPermission', { path: '/none', permission: 0o644 }),
    root('fs.checkAccess', { path: '/none', actions: 'r' }),
  ]) {
    await t.throwsAsync(call, { instanceOf: FileNotFoundError });
  }
});

test('the catalog pages through the blocks of all files, with what block management needs of them', async (t) => {
  const harness = await NamespaceHarness.open();
  const inodeId = await harness.file('/d/f', [1000, 1000, 5]);
  const open = await harness.root('fs.create', { path: '/g', permission: 0o644, overwrite: false, createParents: false, withBlock: true, replication: 2 });
  const catalog = new NamespaceCatalog(harness.namespace.view);
  const all: ReturnType<typeof catalog.scanBlocks> = [];
  for (let page = catalog.scanBlocks(undefined, undefined, 2); page.length > 0; page = catalog.scanBlocks(all.at(-1)!.inodeId, all.at(-1)!.blockIndex, 2)) all.push(...page);
  t.deepEqual(all.map((block) => [block.inodeId, block.blockIndex, block.lengthBytes, block.replication, block.isComplete]), [
    [inodeId, 0, 1000, 3, true],
    [inodeId, 1, 1000, 3, true],
    [inodeId, 2, 5, 3, true],
    [open.file.inodeId, 0, 0, 2, false],
  ]);
  t.is(catalog.pathOfInode(inodeId), '/d/f');
  t.is(catalog.pathOfInode(999), undefined);
});
