import test from 'ava';
import { AlreadyBeingCreatedError, FileNotFoundError, InvalidArgumentError, IsADirectoryError, NotReplicatedYetError, PermissionDeniedError, RecoveryInProgressError } from '../../../source/protocol/errors.js';
import { NamespaceHarness, recoveryTimeoutMs, written } from '../../helpers/namespace-harness.js';

async function lengths(harness: NamespaceHarness, path: string): Promise<number[]> {
  const { blocks } = await harness.root('fs.getBlockLocations', { path, offsetBytes: 0, lengthBytes: 1_000_000 });
  return blocks.map(({ block }) => block.lengthBytes);
}

test('a cut at the end of a block is done at once, and what was behind it is gone', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const inodeId = await harness.file('/f', [1000, 1000, 400]);
  harness.clock.advance(10);
  t.true(await root('fs.truncate', { path: '/f', newLengthBytes: 1000 }));
  t.like(await root('fs.getFileInfo', { path: '/f' }), { inodeId, lengthBytes: 1000, isUnderConstruction: false, modificationTimeMs: harness.clock.nowMs() });
  t.deepEqual(await lengths(harness, '/f'), [1000]);
  t.is(harness.blocks.known.size, 1);
  t.true(await root('fs.truncate', { path: '/f', newLengthBytes: 0 }));
  t.deepEqual(await lengths(harness, '/f'), []);
  t.is(harness.blocks.known.size, 0);
});

test('a cut inside a block is told at once, and done when the block is cut; a restart between changes nothing (fault 7)', async (t) => {
  let harness = await NamespaceHarness.open();
  await harness.file('/f', [1000, 1000, 400]);
  t.false(await harness.root('fs.truncate', { path: '/f', newLengthBytes: 1300 }));
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { lengthBytes: 1300, isUnderConstruction: true });
  t.deepEqual(await lengths(harness, '/f'), [1000, 300]);
  t.is(harness.blocks.known.size, 2);
  // Its data nodes have more of it, which no reader is to see.
  const located = await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 1299, lengthBytes: 5000 });
  t.deepEqual(located.blocks.map(({ block, isUnderConstruction }) => [block.lengthBytes, isUnderConstruction]), [[300, undefined]]);
  t.deepEqual((await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 1300, lengthBytes: 5000 })).blocks, []);
  const [lost] = await harness.recover();
  t.like(lost, { newLengthBytes: 300, block: { lengthBytes: 300 } });
  harness = await harness.restarted();
  t.is((await harness.root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1300);
  const [order] = await harness.recover();
  t.like(order, { newLengthBytes: 300, block: lost!.block });
  for (const wrong of [299, 301, 1000, 0]) await t.throwsAsync(harness.finishRecovery(order!, wrong), { instanceOf: InvalidArgumentError });
  await harness.finishRecovery(order!);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { lengthBytes: 1300, isUnderConstruction: false });
  t.deepEqual(await lengths(harness, '/f'), [1000, 300]);
});

test('while a file is being cut nobody may change it, and a retry of the cut gets its first answer', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/f', [1000]);
  t.false(await root('fs.truncate', { path: '/f', newLengthBytes: 10, callId: 1 }));
  const later = { instanceOf: RecoveryInProgressError };
  await t.throwsAsync(root('fs.append', { path: '/f' }), later);
  await t.throwsAsync(root('fs.truncate', { path: '/f', newLengthBytes: 5 }), { ...later, message: /^Failed to TRUNCATE_FILE \/f for/ });
  await t.throwsAsync(root('fs.concat', { target: '/f', sources: ['/f'] }), { instanceOf: InvalidArgumentError });
  t.false(await root('fs.recoverLease', { path: '/f' }));
  t.false(await root('fs.truncate', { path: '/f', newLengthBytes: 10, callId: 1 }));
  const [order] = await harness.recover();
  await harness.finishRecovery(order!);
  t.true(await root('fs.truncate', { path: '/f', newLengthBytes: 10 }));
  const { last } = await root('fs.append', { path: '/f' });
  t.like(last, { block: { lengthBytes: 10, generationStamp: order!.recoveryGeneration } });
});

test('truncate is refused in HDFS\'s words, and changes nothing then', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/f', [10]);
  await harness.mkdir('/d');
  await root('fs.create', { path: '/open', permission: 0o644, overwrite: false, createParents: false });
  const before = harness.dump();
  await t.throwsAsync(root('fs.truncate', { path: '/f', newLengthBytes: 11 }), { instanceOf: InvalidArgumentError, message: 'Cannot truncate to a larger file size. Current size: 10, truncate size: 11.' });
  await t.throwsAsync(root('fs.truncate', { path: '/none', newLengthBytes: 1 }), { instanceOf: FileNotFoundError });
  await t.throwsAsync(root('fs.truncate', { path: '/d', newLengthBytes: 1 }), { instanceOf: IsADirectoryError });
  await t.throwsAsync(root('fs.truncate', { path: '/open', newLengthBytes: 0 }), { instanceOf: AlreadyBeingCreatedError });
  await t.throwsAsync(harness.as('bob')('fs.truncate', { path: '/f', newLengthBytes: 1 }), { instanceOf: PermissionDeniedError });
  t.true(await root('fs.truncate', { path: '/f', newLengthBytes: 10 }));
  t.deepEqual(harness.dump(), before);
});

test('inside a block that no data node has the file is not cut, and stays as it was: it would wait for ever', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [1000, 400]);
  const [first, last] = [...harness.blocks.known.values()];
  first!.replicas = [];
  const before = harness.dump();
  await t.throwsAsync(harness.root('fs.truncate', { path: '/f', newLengthBytes: 10 }), { instanceOf: NotReplicatedYetError, message: /^Cannot truncate \/f inside blk_\d+_\d+: no data node has a good replica of it/ });
  t.deepEqual(harness.dump(), before);
  t.true(last!.replicas.length > 0);
  t.false(await harness.root('fs.truncate', { path: '/f', newLengthBytes: 1200 }));
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { lengthBytes: 1200, isUnderConstruction: true });
});

test('a file that is deleted while it is being cut is gone, and the late end of the cut with it', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [1000, 500]);
  await harness.root('fs.truncate', { path: '/f', newLengthBytes: 1200 });
  const [order] = await harness.recover();
  await harness.root('fs.delete', { path: '/f', recursive: false });
  await t.throwsAsync(harness.finishRecovery(order!), { instanceOf: FileNotFoundError });
  await harness.pass(4 * recoveryTimeoutMs);
  t.deepEqual([harness.blocks.known.size, harness.recovery.recoveries.size, harness.blocks.orders.length], [0, 0, 1]);
});

test('a cut finds its block among blocks that are shorter than the block size', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/d/a', [300]);
  for (const name of ['b', 'c', 'd']) await harness.file(`/d/${name}`, [7, 1]);
  await root('fs.concat', { target: '/d/a', sources: ['/d/b', '/d/c', '/d/d'] });
  t.deepEqual(await lengths(harness, '/d/a'), [300, 7, 1, 7, 1, 7, 1]);
  t.true(await root('fs.truncate', { path: '/d/a', newLengthBytes: 315 }));
  t.deepEqual(await lengths(harness, '/d/a'), [300, 7, 1, 7]);
  t.false(await root('fs.truncate', { path: '/d/a', newLengthBytes: 303 }));
  await harness.recoverAll();
  t.deepEqual(await lengths(harness, '/d/a'), [300, 3]);
  const { last, file } = await root('fs.append', { path: '/d/a' });
  t.is((await root('fs.complete', { inodeId: file.inodeId, last: written(last!, 3) })).lengthBytes, 303);
});
