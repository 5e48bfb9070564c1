import test from 'ava';
import { FileNotFoundError, InvalidArgumentError, IsADirectoryError, PermissionDeniedError } from '../../../source/protocol/errors.js';
import { NamespaceHarness } from '../../helpers/namespace-harness.js';

test('the sources\' blocks follow the target\'s, in order, and the sources are gone: all at once', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const inodeId = await harness.file('/d/a', [1000, 5]);
  await harness.file('/d/b', [7]);
  await harness.file('/d/c', [1000, 20], { blockSizeBytes: 1000 });
  const ids = [...harness.blocks.known.keys()];
  harness.clock.advance(5);
  t.is(await root('fs.concat', { target: '/d/a', sources: ['/d/c', '/d/b'] }), null);
  const { blocks, file } = await root('fs.getBlockLocations', { path: '/d/a', offsetBytes: 0, lengthBytes: 10_000 });
  t.like(file, { inodeId, lengthBytes: 2032, modificationTimeMs: harness.clock.nowMs() });
  t.deepEqual(blocks.map(({ block, offsetBytes, blockIndex }) => [blockIndex, offsetBytes, block.lengthBytes]), [[0, 0, 1000], [1, 1000, 5], [2, 1005, 1000], [3, 2005, 20], [4, 2025, 7]]);
  t.deepEqual(blocks.map(({ block }) => block.blockId), [ids[0], ids[1], ids[3], ids[4], ids[2]]);
  t.deepEqual((await root('fs.getListing', { path: '/d' })).entries.map(([name]) => name), ['a']);
  t.true([...harness.blocks.known.values()].every((block) => block.inodeId === inodeId));
  t.deepEqual(harness.blocks.log.filter((line) => line.startsWith('remove')), []);
  t.is((await root('fs.getFileInfo', { path: '/d' }))!.modificationTimeMs, harness.clock.nowMs());
  const counters = harness.namespace.view.readCounters();
  t.deepEqual([counters.fileCount, counters.directoryCount], [1, 2]);
  for (const [at, index] of [[0, 0], [1004, 1], [1005, 2], [2004, 2], [2005, 3], [2031, 4]] as const) {
    t.is((await root('fs.getBlockLocations', { path: '/d/a', offsetBytes: at, lengthBytes: 1 })).blocks[0]!.blockIndex, index, `byte ${at}`);
  }
  await root('fs.delete', { path: '/d/a', recursive: false });
  t.is(harness.blocks.known.size, 0);
});

test('what comes to a file wants as many copies as that file', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/a', [5]);
  await harness.file('/b', [6]);
  await root('fs.setReplication', { path: '/a', replication: 2 });
  await root('fs.concat', { target: '/a', sources: ['/b'] });
  t.deepEqual([...harness.blocks.known.values()].map((block) => block.replication), [2, 2]);
});

test('concat is refused in HDFS\'s words, wholly, whatever source is wrong', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  for (const path of ['/d/a', '/d/b', '/e/c']) await harness.file(path, [5]);
  await harness.file('/d/empty');
  await harness.file('/d/big', [5], { blockSizeBytes: 2000 });
  await harness.mkdir('/d/dir');
  await root('fs.create', { path: '/d/open', permission: 0o644, overwrite: false, createParents: false });
  const before = harness.dump();
  const concat = (target: string, ...sources: string[]) => root('fs.concat', { target, sources });
  const refused = (message: string) => ({ instanceOf: InvalidArgumentError, message });
  await t.throwsAsync(concat('/d/a', '/d/b', '/d/a'), refused('concat: the src file /d/a is the same with the target file /d/a'));
  await t.throwsAsync(concat('/d/a', '/d/b', '/d/b'), refused('concat: at least two of the source files are the same'));
  await t.throwsAsync(concat('/d/a', '/d/b', '/d/empty'), refused('concat: source file /d/empty is invalid or empty or underConstruction'));
  await t.throwsAsync(concat('/d/a', '/d/b', '/d/open'), refused('concat: source file /d/open is invalid or empty or underConstruction'));
  await t.throwsAsync(concat('/d/open', '/d/b'), refused('concat: target file /d/open is under construction'));
  await t.throwsAsync(concat('/d/a', '/d/big'), { instanceOf: InvalidArgumentError, message: /has preferred block size 2000 which is greater than/ });
  await t.throwsAsync(concat('/d/a', '/e/c'), { instanceOf: InvalidArgumentError, message: /^Source file \/e\/c is not in the same directory with the target \/d\/a/ });
  await t.throwsAsync(concat('/d/a', '/d/none'), { instanceOf: FileNotFoundError });
  await t.throwsAsync(concat('/d/none', '/d/a'), { instanceOf: FileNotFoundError });
  await t.throwsAsync(concat('/d/a', '/d/dir'), { instanceOf: IsADirectoryError });
  await t.throwsAsync(concat('/d/dir', '/d/a'), { instanceOf: IsADirectoryError });
  await t.throwsAsync(harness.as('bob')('fs.concat', { target: '/d/a', sources: ['/d/b'] }), { instanceOf: PermissionDeniedError });
  t.deepEqual(harness.dump(), before);
});

test('a concat that is tried again, after a restart too, happens once (fault 3)', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/a', [5]);
  await harness.file('/b', [6]);
  const call = { target: '/a', sources: ['/b'], callId: 3 };
  t.is(await harness.root('fs.concat', call), null);
  t.is(await harness.root('fs.concat', call), null);
  const after = await harness.restarted();
  t.is(await after.root('fs.concat', call), null);
  t.is((await after.root('fs.getFileInfo', { path: '/a' }))!.lengthBytes, 11);
});
