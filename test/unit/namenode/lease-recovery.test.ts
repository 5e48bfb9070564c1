import test from 'ava';
import { applyEdit } from '../../../source/namenode/apply-edit.js';
import { decodeEdit } from '../../../source/namenode/edit-record.js';
import { allEdits, idOf } from '../../../source/namenode/keys.js';
import {
  AlreadyBeingCreatedError,
  FileNotFoundError,
  InvalidArgumentError,
  IsADirectoryError,
  LeaseExpiredError,
  PermissionDeniedError,
  RecoveryInProgressError,
  StaleGenerationError,
} from '../../../source/protocol/errors.js';
import { hardLimitMs, NamespaceHarness, recoveryTimeoutMs, softLimitMs, written } from '../../helpers/namespace-harness.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';

const create = { permission: 0o644, overwrite: false, createParents: false };

/** A file of one whole block and one of which 200 bytes are known, whose writer was not heard of for the hard limit. */
async function abandoned(harness: NamespaceHarness, path = '/f') {
  const writer = harness.as('hdfs', 'writer');
  const { file, block } = await writer('fs.create', { ...create, path, withBlock: true });
  const second = await writer('fs.addBlock', { inodeId: file.inodeId, previous: written(block!, 1000), blockIndex: 1, excluded: [] });
  const { generationStamp } = await writer('fs.updateBlockForPipeline', { inodeId: file.inodeId, block: second.block });
  const renewed = { ...written(second, 200), block: { ...second.block, generationStamp, lengthBytes: 200 } };
  await writer('fs.updatePipeline', { inodeId: file.inodeId, previous: second.block, written: renewed });
  return { inodeId: file.inodeId, writer, first: block!, second: renewed };
}

async function silence(harness: NamespaceHarness): Promise<void> {
  for (let passedMs = 0; passedMs <= hardLimitMs + 1000; passedMs += 1000) {
    harness.clock.advance(1000);
    harness.leases.tick();
  }
  await harness.pass(1000);
}

test('a file of a dead writer is closed by itself, with what its last block was recovered to (fault 4)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { second, writer, inodeId } = await abandoned(harness);
  await silence(harness);
  const [order] = harness.blocks.orders;
  t.like(order, { kind: 'recover', block: second.block, newLengthBytes: null });
  t.is(order!.replicas.length, 3);
  t.true(order!.recoveryGeneration > second.block.generationStamp);
  t.true((await harness.root('fs.getFileInfo', { path: '/f' }))!.isUnderConstruction);
  await harness.finishRecovery(order!, 350);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 1350 });
  const { blocks } = await harness.root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 5000 });
  t.deepEqual(blocks.map(({ block }) => block.lengthBytes), [1000, 350]);
  t.is(blocks[1]!.block.generationStamp, order!.recoveryGeneration);
  t.is(harness.blocks.known.get(second.block.blockId)!.state, 'complete');
  t.deepEqual([harness.recovery.recoveries.size, harness.leases.fileCount], [0, 0]);
  await t.throwsAsync(writer('fs.complete', { inodeId, last: second }), { instanceOf: LeaseExpiredError });
});

test('a writer that comes back after its lease was taken is refused at every step (fault 45)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { inodeId, writer, second } = await abandoned(harness);
  await silence(harness);
  const expired = { instanceOf: LeaseExpiredError, message: /nobody any more/ };
  t.deepEqual(await writer('fs.renewLease', {}), { openFileCount: 0 });
  await t.throwsAsync(writer('fs.addBlock', { inodeId, previous: second, blockIndex: 2, excluded: [] }), expired);
  await t.throwsAsync(writer('fs.updateBlockForPipeline', { inodeId, block: second.block }), expired);
  await t.throwsAsync(writer('fs.updatePipeline', { inodeId, previous: second.block, written: second }), expired);
  await t.throwsAsync(writer('fs.abandonBlock', { inodeId, block: second.block }), expired);
  await t.throwsAsync(writer('fs.complete', { inodeId, last: second }), expired);
  await harness.finishRecovery(harness.blocks.orders[0]!, 200);
  t.is((await harness.root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1200);
});

test('of two recoveries of one block only the latest counts, and it counts once (faults 32, 46)', async (t) => {
  const harness = await NamespaceHarness.open();
  await abandoned(harness);
  await silence(harness);
  await harness.pass(recoveryTimeoutMs + 1000);
  const [first, second] = harness.blocks.orders;
  t.true(second!.recoveryGeneration > first!.recoveryGeneration);
  await t.throwsAsync(harness.finishRecovery(first!, 900), { instanceOf: StaleGenerationError, message: /was given to a later one/ });
  t.true((await harness.root('fs.getFileInfo', { path: '/f' }))!.isUnderConstruction);
  await harness.finishRecovery(second!, 250);
  const after = harness.dump();
  await harness.finishRecovery(second!, 250);
  await t.throwsAsync(harness.finishRecovery(second!, 251), { instanceOf: StaleGenerationError });
  await t.throwsAsync(harness.finishRecovery(first!, 900), { instanceOf: StaleGenerationError });
  t.deepEqual(harness.dump(), after);
  t.is((await harness.root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1250);
});

test('a recovery goes on after each restart of the name node, with a newer generation; what an older one brings is refused (fault 7)', async (t) => {
  let harness = await NamespaceHarness.open();
  await abandoned(harness);
  await silence(harness);
  let last = harness.blocks.orders[0]!;
  for (let i = 0; i < 5; i++) {
    harness = await harness.restarted();
    await t.throwsAsync(harness.finishRecovery(last, 900), { instanceOf: StaleGenerationError });
    const [order] = await harness.recover();
    await t.throwsAsync(harness.finishRecovery(last, 900), { instanceOf: StaleGenerationError });
    t.true(order!.recoveryGeneration > last.recoveryGeneration);
    t.is(order!.block.lengthBytes, 200);
    last = order!;
  }
  await harness.finishRecovery(last, 200);
  harness = await harness.restarted();
  await harness.finishRecovery(last, 200);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 1200 });
  t.is(harness.recovery.recoveries.size, 0);
});

test('a recovery that nobody answers is tried again, later and later', async (t) => {
  const harness = await NamespaceHarness.open();
  await abandoned(harness);
  await silence(harness);
  const triedAfter: number[] = [];
  for (let passedMs = 0; passedMs < 100_000; passedMs += 1000) {
    const before = harness.blocks.orders.length;
    await harness.pass(1000);
    if (harness.blocks.orders.length > before) triedAfter.push(passedMs);
  }
  t.is(triedAfter.length, 3);
  await harness.pass(200_000);
  // What a flush had promised is waited for, but not for ever: a power cut may have taken it everywhere.
  t.deepEqual(harness.blocks.orders.map(({ block }) => block.lengthBytes), [200, 200, 200, 200, 0]);
  t.true(triedAfter[1]! - triedAfter[0]! > 1.5 * triedAfter[0]!);
});

test('nobody to ask: no generation is spent, and the recovery begins when a node is back', async (t) => {
  const harness = await NamespaceHarness.open();
  await abandoned(harness);
  for (const name of ['dn1', 'dn2', 'dn3']) harness.blocks.unreachable.add(name);
  await silence(harness);
  const { lastGenerationStamp } = harness.namespace.view.readCounters();
  await harness.pass(60_000);
  t.is(harness.namespace.view.readCounters().lastGenerationStamp, lastGenerationStamp);
  harness.blocks.unreachable.delete('dn2');
  await harness.pass(5000);
  t.deepEqual(harness.blocks.orders[0]!.replicas.map(({ name }) => name), ['dn2']);
});

test('an empty last block is given up only when every node that may have it said so, and the log says it (HDFS-17358)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { file, block } = await harness.as('hdfs', 'writer')('fs.create', { ...create, path: '/f', withBlock: true });
  harness.blocks.unreachable.add('dn3');
  t.false(await harness.root('fs.recoverLease', { path: '/f' }));
  const [silent] = await harness.recover();
  await t.throwsAsync(harness.finishRecovery(silent!, 0), { instanceOf: InvalidArgumentError, message: /not every data node that may have it was asked/ });
  t.true(harness.blocks.known.has(block!.block.blockId));
  harness.blocks.unreachable.delete('dn3');
  await harness.pass(2 * recoveryTimeoutMs);
  await harness.finishRecovery(harness.blocks.orders.at(-1)!, 0);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 0, inodeId: file.inodeId });
  t.false(harness.blocks.known.has(block!.block.blockId));
  const after = await harness.restarted();
  t.deepEqual(after.dump(), harness.dump());
  const replayed = new MemoryStore();
  for (const [key, value] of harness.store.range(allEdits)) await replayed.transact((transaction) => applyEdit(transaction, decodeEdit(idOf(key), value)));
  t.is([...replayed.range({ start: 'B', end: 'C' })].length, 0);
});

test('a last block of which every node has lost what its writer had synced is given up with a warning that says how much that was', async (t) => {
  const harness = await NamespaceHarness.open();
  const { second } = await abandoned(harness);
  await silence(harness);
  await harness.finishRecovery(harness.blocks.orders.at(-1)!, 0);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 1000 });
  t.is(harness.logged.filter((line) => /warn/i.test(line) && line.includes(`closed without blk_${second.block.blockId}`) && line.includes('its 200 bytes are lost')).length, 1);
});

test('a last block that only nodes had that are gone for good is given up, and what it once had is told; one that was complete before is not', async (t) => {
  const harness = await NamespaceHarness.open();
  const { second } = await abandoned(harness);
  for (const name of ['dn1', 'dn2', 'dn3']) harness.blocks.unreachable.add(name);
  await silence(harness);
  await harness.pass(60_000);
  t.true((await harness.root('fs.getFileInfo', { path: '/f' }))!.isUnderConstruction, 'they may come back');
  for (const name of ['dn1', 'dn2', 'dn3']) harness.blocks.goneForGood.add(name);
  await harness.pass(60_000);
  t.like(await harness.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 1000 });
  t.false(harness.blocks.known.has(second.block.blockId));
  t.is(harness.logged.filter((line) => line.includes(`closed without blk_${second.block.blockId}`) && line.includes('its 200 bytes are lost')).length, 1);
  harness.blocks.goneForGood.clear();

  const appender = harness.as('hdfs', 'appender');
  const { file, block } = await appender('fs.create', { ...create, path: '/g', withBlock: true });
  await appender('fs.complete', { inodeId: file.inodeId, last: written(block!, 300) });
  await appender('fs.append', { path: '/g' });
  for (const name of ['dn1', 'dn2', 'dn3']) harness.blocks.goneForGood.add(name);
  await silence(harness);
  await harness.pass(60_000);
  t.like(await harness.root('fs.getFileInfo', { path: '/g' }), { isUnderConstruction: true, lengthBytes: 300 });
});

test('a recovery that would lose what its pipeline had acknowledged before it was opened again is refused', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.file('/f', [1000, 400]);
  await harness.as('hdfs', 'writer')('fs.append', { path: '/f' });
  await harness.root('fs.recoverLease', { path: '/f' });
  const [order] = await harness.recover();
  const refused = { instanceOf: InvalidArgumentError };
  await t.throwsAsync(harness.finishRecovery(order!, 399), { ...refused, message: /found 399 bytes of 400 that were complete before/ });
  await t.throwsAsync(harness.finishRecovery(order!, 0), refused);
  await t.throwsAsync(harness.finishRecovery(order!, 1001), { ...refused, message: /more than the file's block size/ });
  await t.throwsAsync(harness.finishRecovery({ ...order!, replicas: [] }, 400), { ...refused, message: /names no replica/ });
  await t.throwsAsync(harness.finishRecovery({ ...order!, block: { ...order!.block, generationStamp: 1 } }, 400), refused);
  await t.throwsAsync(harness.finishRecovery({ ...order!, replicas: [{ ...order!.replicas[0]!, datanodeUuid: 'nobody' }] }, 400), refused);
  await harness.finishRecovery(order!, 400);
  t.is((await harness.root('fs.getFileInfo', { path: '/f' }))!.lengthBytes, 1400);
});

test('recoverLease closes at once what has no open block, and begins a recovery of what has one', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const writer = harness.as('hdfs', 'writer');
  await harness.file('/closed', [5]);
  await writer('fs.create', { ...create, path: '/empty' });
  t.true(await root('fs.recoverLease', { path: '/closed' }));
  t.true(await root('fs.recoverLease', { path: '/empty' }));
  t.like(await root('fs.getFileInfo', { path: '/empty' }), { isUnderConstruction: false, lengthBytes: 0 });
  await abandoned(harness, '/open');
  t.false(await root('fs.recoverLease', { path: '/open', callId: 1 }));
  t.false(await root('fs.recoverLease', { path: '/open', callId: 1 }));
  const [order] = await harness.recover();
  t.false(await root('fs.recoverLease', { path: '/open', callId: 2 }));
  await harness.finishRecovery(order!);
  t.true(await root('fs.recoverLease', { path: '/open', callId: 3 }));
  await harness.mkdir('/d');
  await t.throwsAsync(root('fs.recoverLease', { path: '/d' }), { instanceOf: IsADirectoryError });
  await t.throwsAsync(root('fs.recoverLease', { path: '/none' }), { instanceOf: FileNotFoundError });
  await t.throwsAsync(harness.as('bob')('fs.recoverLease', { path: '/closed' }), { instanceOf: PermissionDeniedError });
});

test('recoverLease of a file that the caller writes itself takes it from him', async (t) => {
  const harness = await NamespaceHarness.open();
  const { inodeId, writer, second } = await abandoned(harness);
  t.false(await writer('fs.recoverLease', { path: '/f' }));
  await t.throwsAsync(writer('fs.complete', { inodeId, last: second }), { instanceOf: LeaseExpiredError });
});

test('who wants a file whose writer was not heard of for the soft limit has it recovered, and is told to try again under the same call id', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await abandoned(harness);
  const owned = { instanceOf: AlreadyBeingCreatedError, message: 'Failed to APPEND_FILE /f for client-of-hdfs on 127.0.0.1 because this file lease is currently owned by writer on 127.0.0.1' };
  await t.throwsAsync(root('fs.append', { path: '/f', callId: 1 }), owned);
  await harness.pass(softLimitMs + 2000);
  t.is(harness.blocks.orders.length, 0);
  const call = { path: '/f', callId: 2 };
  const later = { instanceOf: RecoveryInProgressError, message: 'Failed to APPEND_FILE /f for client-of-hdfs on 127.0.0.1 because lease recovery is in progress. Try again later.' };
  await t.throwsAsync(root('fs.append', call), later);
  await t.throwsAsync(root('fs.append', call), later);
  const [order] = await harness.recover();
  await t.throwsAsync(root('fs.append', call), later);
  await harness.finishRecovery(order!, 350);
  const { file, last } = await root('fs.append', call);
  t.like(file, { lengthBytes: 1350, isUnderConstruction: true });
  t.is(last!.block.generationStamp, order!.recoveryGeneration);
  t.deepEqual(await root('fs.append', call), { file, last });
});

test('a file in recovery can be renamed, and is closed under its new name (fault 47)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { inodeId } = await abandoned(harness);
  await silence(harness);
  await harness.mkdir('/d');
  await harness.root('fs.rename', { source: '/f', target: '/d/g' });
  await harness.finishRecovery(harness.blocks.orders[0]!, 200);
  t.like(await harness.root('fs.getFileInfo', { path: '/d/g' }), { inodeId, isUnderConstruction: false, lengthBytes: 1200 });
});

test('a file that is deleted, overwritten or goes with its directory while it is recovered leaves nothing behind (fault 49)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.mkdir('/d/e');
  await abandoned(harness, '/f');
  await abandoned(harness, '/g');
  await abandoned(harness, '/d/e/h');
  await silence(harness);
  const orders = [...harness.blocks.orders];
  t.is(orders.length, 3);
  await root('fs.delete', { path: '/f', recursive: false });
  await root('fs.create', { ...create, path: '/g', overwrite: true });
  await root('fs.delete', { path: '/d', recursive: true });
  for (const order of orders) await t.throwsAsync(harness.finishRecovery(order, 300), { instanceOf: order === orders[2] ? StaleGenerationError : FileNotFoundError });
  await harness.pass(10 * recoveryTimeoutMs);
  t.is(harness.blocks.orders.length, 3);
  await harness.reclaimAll();
  await t.throwsAsync(harness.finishRecovery(orders[2]!, 300), { instanceOf: FileNotFoundError });
  t.deepEqual([...harness.blocks.known.keys()], []);
  t.is(harness.recovery.recoveries.size, 0);
  t.deepEqual([...harness.dump().keys()].filter((key) => key.startsWith('B')), []);
  t.deepEqual((await root('fs.getListing', { path: '/' })).entries.map(([name]) => name), ['g']);
});

test('a temporary file of a dead writer is deleted, not closed, when somebody wants it', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.as('hdfs', 'writer')('fs.create', { ...create, path: '/f._COPYING_', temporary: true, withBlock: true });
  t.false((await harness.root('fs.recoverLease', { path: '/f._COPYING_' })) && (await harness.root('fs.getFileInfo', { path: '/f._COPYING_' })) !== null);
  await harness.pass(2000);
  t.is(await harness.root('fs.getFileInfo', { path: '/f._COPYING_' }), null);
  t.is(harness.blocks.known.size, 0);
});

test('with many files to recover each gets its turn, and all are closed', async (t) => {
  const harness = await NamespaceHarness.open();
  for (let i = 0; i < 450; i++) await harness.as('hdfs', 'writer')('fs.create', { ...create, path: `/f${i}`, withBlock: true });
  await silence(harness);
  await harness.recoverAll();
  t.is(new Set(harness.blocks.orders.map(({ block }) => block.blockId)).size, 450);
  const { entries } = await harness.root('fs.getListing', { path: '/', limit: 1000 });
  t.is(entries.filter(([, , kind]) => kind === 0).length, 450);
});

test('a recovery that ends in the very moment in which the next one begins does not count: there are never two winners (fault 46)', async (t) => {
  const harness = await NamespaceHarness.open();
  const { second } = await abandoned(harness);
  await silence(harness);
  const [early] = harness.blocks.orders;
  harness.clock.advance(recoveryTimeoutMs + 1);
  // Both are in one group of transactions: the generation of the next try first.
  const [begun, ended] = await Promise.allSettled([harness.recover(), harness.finishRecovery(early!, 350)]);
  t.is(begun.status, 'fulfilled');
  const [late] = begun.status === 'fulfilled' ? begun.value : [];
  t.true(late!.recoveryGeneration > early!.recoveryGeneration);
  t.true(ended.status === 'rejected' && ended.reason instanceof StaleGenerationError, 'its replicas get the newer generation now');
  t.true((await harness.root('fs.getFileInfo', { path: '/f' }))!.isUnderConstruction);
  await harness.finishRecovery(late!, 350);
  t.like(harness.blocks.known.get(second.block.blockId), { state: 'complete', generationStamp: late!.recoveryGeneration });
});
