import test from 'ava';
import { FileAlreadyExistsError, FileNotFoundError, AlreadyBeingCreatedError, InvalidArgumentError, LeaseExpiredError, NotReplicatedYetError, PermissionDeniedError } from '../../../source/protocol/errors.js';
import type { LocatedBlock } from '../../../source/protocol/block.js';
import { hardLimitMs, NamespaceHarness, written } from '../../helpers/namespace-harness.js';

const create = { permission: 0o644, overwrite: false, createParents: false };

/** What a client does that goes on with the last block of a file: a new generation for it. */
async function goOn(harness: NamespaceHarness, inodeId: number, last: LocatedBlock): Promise<LocatedBlock> {
  const { root } = harness;
  const { generationStamp } = await root('fs.updateBlockForPipeline', { inodeId, block: last.block });
  const renewed = { ...last, block: { ...last.block, generationStamp } };
  await root('fs.updatePipeline', { inodeId, previous: last.block, written: written(renewed, last.block.lengthBytes) });
  return renewed;
}

test('a file is opened behind its partial last block, goes on in it and in new ones, and is closed longer', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const inodeId = await harness.file('/f', [1000, 400]);
  const { file, last } = await root('fs.append', { path: '/f' });
  t.like(file, { inodeId, lengthBytes: 1400, isUnderConstruction: true });
  t.like(last, { blockIndex: 1, offsetBytes: 1000, block: { lengthBytes: 400 } });
  t.is(last!.locations.length, 3);
  t.is((await root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1400);
  t.is(harness.blocks.known.get(last!.block.blockId)!.state, 'under construction');
  const renewed = await goOn(harness, inodeId, last!);
  const next = await root('fs.addBlock', { inodeId, previous: written(renewed, 1000), blockIndex: 2, excluded: [] });
  t.is(next.offsetBytes, 2000);
  const closed = await root('fs.complete', { inodeId, last: written(next, 30) });
  t.like(closed, { lengthBytes: 2030, isUnderConstruction: false });
  const { blocks } = await root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 5000 });
  t.deepEqual(blocks.map(({ block, offsetBytes }) => [offsetBytes, block.lengthBytes]), [[0, 1000], [1000, 1000], [2000, 30]]);
  t.is(blocks[1]!.block.generationStamp, renewed.block.generationStamp);
});

test('a file whose last block is full, or that has none, goes on with a new block', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  for (const [path, lengths] of [['/full', [1000]], ['/empty', []]] as const) {
    const inodeId = await harness.file(path, [...lengths]);
    const { last } = await root('fs.append', { path });
    t.is(last, null);
    const next = await root('fs.addBlock', { inodeId, previous: null, blockIndex: lengths.length, excluded: [] });
    await t.throwsAsync(root('fs.addBlock', { inodeId, previous: null, blockIndex: lengths.length + 1, excluded: [] }), { instanceOf: InvalidArgumentError });
    t.is((await root('fs.complete', { inodeId, last: written(next, 7) })).lengthBytes, 1000 * lengths.length + 7);
  }
});

test('a file that was opened and got nothing is closed as it was', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  for (const lengths of [[], [1000], [1000, 400], [400]]) {
    const path = `/f${lengths.join('-')}`;
    const inodeId = await harness.file(path, lengths);
    const before = await root('fs.getBlockLocations', { path, offsetBytes: 0, lengthBytes: 5000 });
    const { last } = await root('fs.append', { path });
    await root('fs.complete', { inodeId, last: last && written(last, last.block.lengthBytes) });
    t.deepEqual(await root('fs.getBlockLocations', { path, offsetBytes: 0, lengthBytes: 5000 }), before);
  }
});

test('what was complete before stays: the last block cannot be given back, left out, or end shorter', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const inodeId = await harness.file('/f', [400]);
  const { last } = await root('fs.append', { path: '/f' });
  const refused = { instanceOf: InvalidArgumentError };
  await t.throwsAsync(root('fs.abandonBlock', { inodeId, block: last!.block }), { ...refused, message: /cannot be given back/ });
  await t.throwsAsync(root('fs.complete', { inodeId, last: null }), refused);
  await t.throwsAsync(root('fs.complete', { inodeId, last: written(last!, 0) }), refused);
  await t.throwsAsync(root('fs.complete', { inodeId, last: written(last!, 399) }), { ...refused, message: /had 400 bytes when it was opened again/ });
  await t.throwsAsync(root('fs.addBlock', { inodeId, previous: null, blockIndex: 1, excluded: [] }), refused);
  await t.throwsAsync(root('fs.addBlock', { inodeId, previous: written(last!, 399), blockIndex: 1, excluded: [] }), refused);
  const { generationStamp } = await root('fs.updateBlockForPipeline', { inodeId, block: last!.block });
  const shorter = { ...written(last!, 399), block: { ...last!.block, generationStamp, lengthBytes: 399 } };
  await t.throwsAsync(root('fs.updatePipeline', { inodeId, previous: last!.block, written: shorter }), refused);
  t.is((await root('fs.complete', { inodeId, last: written(last!, 400) })).lengthBytes, 400);
});

test('append is refused in HDFS\'s words', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.mkdir('/d');
  await harness.file('/f', [400]);
  await t.throwsAsync(root('fs.append', { path: '/d' }), { instanceOf: FileAlreadyExistsError, message: 'Cannot append to directory /d; already exists as a directory.' });
  await t.throwsAsync(root('fs.append', { path: '/none' }), { instanceOf: FileNotFoundError, message: 'Failed to append to non-existent file /none for client 127.0.0.1' });
  await t.throwsAsync(root('fs.append', { path: '/f/g' }), { instanceOf: FileNotFoundError });
  await t.throwsAsync(harness.as('bob')('fs.append', { path: '/f' }), { instanceOf: PermissionDeniedError });
  await root('fs.create', { ...create, path: '/open' });
  await t.throwsAsync(root('fs.append', { path: '/open' }), { instanceOf: AlreadyBeingCreatedError, message: /because client-of-hdfs is already the current lease holder\.$/ });
});

test('a last block with too few replicas is not opened again, and nothing has changed', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [400]);
  const [blockId] = [...harness.blocks.known.keys()];
  harness.blocks.known.get(blockId!)!.replicas = ['uuid-1'];
  const before = harness.dump();
  await t.throwsAsync(harness.root('fs.append', { path: '/f', callId: 5 }), { instanceOf: NotReplicatedYetError, message: /is not sufficiently replicated yet\.$/ });
  t.deepEqual(harness.dump(), before);
  harness.blocks.known.get(blockId!)!.replicas = ['uuid-1', 'uuid-2'];
  t.is((await harness.root('fs.append', { path: '/f', callId: 5 })).last!.locations.length, 2);
});

test('two clients that append at once: one writes, the other is told', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [400]);
  const answers = await Promise.allSettled(['a', 'b'].map((client) => harness.as('hdfs', client)('fs.append', { path: '/f' })));
  t.deepEqual(answers.map(({ status }) => status), ['fulfilled', 'rejected']);
  t.true((answers[1] as PromiseRejectedResult).reason instanceof AlreadyBeingCreatedError);
});

test('an append is answered again after its answer was lost and the name node has started anew (fault 3)', async (t) => {
  const harness = await NamespaceHarness.open();
  const inodeId = await harness.file('/f', [400]);
  const first = await harness.root('fs.append', { path: '/f', callId: 9 });
  const after = await harness.restarted();
  t.deepEqual(await after.root('fs.append', { path: '/f', callId: 9 }), first);
  const renewed = await goOn(after, inodeId, first.last!);
  t.is((await after.root('fs.complete', { inodeId, last: written(renewed, 500) })).lengthBytes, 500);
});

test('a file whose appending writer dies is closed at no less than it had before (fault 4)', async (t) => {
  let harness = await NamespaceHarness.open();
  const inodeId = await harness.file('/f', [1000, 400]);
  const { last } = await harness.root('fs.append', { path: '/f' });
  await goOn(harness, inodeId, last!);
  harness = await harness.restarted();
  t.is((await harness.root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1400);
  for (let passedMs = 0; passedMs <= hardLimitMs + 1000; passedMs += 1000) {
    harness.clock.advance(1000);
    harness.leases.tick();
  }
  await harness.pass(1000);
  const [order] = harness.blocks.orders;
  t.is(order!.block.lengthBytes, 400);
  await harness.finishRecovery(order!, 460);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { lengthBytes: 1460, isUnderConstruction: false });
  await t.throwsAsync(harness.root('fs.addBlock', { inodeId, previous: null, blockIndex: 2, excluded: [] }), { instanceOf: LeaseExpiredError });
});

test('a file can be appended to again and again, deleted and renamed over while it is open', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const inodeId = await harness.file('/f', [1]);
  for (let i = 2; i < 30; i++) {
    const { last } = await root('fs.append', { path: '/f' });
    const renewed = await goOn(harness, inodeId, last!);
    t.is((await root('fs.complete', { inodeId, last: written(renewed, i) })).lengthBytes, i);
  }
  await root('fs.append', { path: '/f' });
  await harness.file('/g', [5]);
  await root('fs.rename', { source: '/g', target: '/f', overwrite: true });
  t.is(harness.blocks.known.size, 1);
  await root('fs.append', { path: '/f' });
  await root('fs.delete', { path: '/f', recursive: false });
  t.is(harness.blocks.known.size, 0);
  t.is(harness.leases.fileCount, 0);
});

test('of a file that is appended to, the part that was complete is read where it is', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [1000, 400]);
  const locate = async (offsetBytes: number, lengthBytes: number) =>
    (await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes, lengthBytes })).blocks.map((found) => [found.blockIndex, found.block.lengthBytes, found.isUnderConstruction ?? false]);
  await harness.root('fs.append', { path: '/f' });
  t.deepEqual(await locate(0, 5000), [[0, 1000, false], [1, 400, true]]);
  t.deepEqual(await locate(1399, 1), [[1, 400, true]]);
  t.deepEqual(await locate(0, 1000), [[0, 1000, false]]);
  // Nobody here knows how far its writer is.
  t.deepEqual(await locate(1400, 1), [[1, 400, true]]);
});
