import test from 'ava';
import {
  AlreadyBeingCreatedError,
  FileAlreadyExistsError,
  FileNotFoundError,
  InvalidArgumentError,
  LeaseExpiredError,
  NotEnoughReplicasError,
  NotReplicatedYetError,
  PermissionDeniedError,
  RecoveryInProgressError,
  StaleGenerationError,
} from '../../../source/protocol/errors.js';
import { NamespaceHarness, softLimitMs, written } from '../../helpers/namespace-harness.js';

const create = { permission: 0o644, overwrite: false, createParents: false };

async function open(options: Parameters<typeof NamespaceHarness.open>[0] = {}) {
  const harness = await NamespaceHarness.open(options);
  return { harness, root: harness.root, other: harness.as('hdfs', 'other'), blocks: harness.blocks };
}

test('a file is created under construction, written block by block, and complete after that', async (t) => {
  const { root, blocks, harness } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', replication: 2, blockSizeBytes: 500 });
  t.is(block, null);
  t.like(file, { name: 'f', lengthBytes: 0, replication: 2, blockSizeBytes: 500, isUnderConstruction: true, owner: 'hdfs', group: 'supergroup', permission: 0o644 });
  t.deepEqual(await root('fs.getFileInfo', { path: '/f' }), file);
  const first = await root('fs.addBlock', { inodeId: file.inodeId, previous: null, blockIndex: 0, excluded: ['uuid-1'] });
  t.like(first, { blockIndex: 0, offsetBytes: 0, token: 'token', block: { blockId: 1_073_741_825, generationStamp: 1001, lengthBytes: 0 } });
  t.deepEqual(first.locations.map((location) => location.name), ['dn2', 'dn3']);
  t.is((await root('fs.getFileInfo', { path: '/f' }))?.lengthBytes, 0);
  const second = await root('fs.addBlock', { inodeId: file.inodeId, previous: written(first, 500), blockIndex: 1, excluded: [] });
  t.like(second, { blockIndex: 1, offsetBytes: 500 });
  t.is((await root('fs.getFileInfo', { path: '/f' }))?.lengthBytes, 500);
  harness.clock.advance(7);
  const complete = await root('fs.complete', { inodeId: file.inodeId, last: written(second, 20) });
  t.like(complete, { lengthBytes: 520, isUnderConstruction: false, modificationTimeMs: harness.clock.nowMs(), accessTimeMs: file.accessTimeMs });
  t.deepEqual(await root('fs.getFileInfo', { path: '/f' }), complete);
  const [a, b] = [first.block.blockId, second.block.blockId];
  t.deepEqual(blocks.log, [`add ${a}`, `commit ${a} 500`, `add ${b}`, `commit ${b} 20 last`]);
  t.is((await root('fs.renewLease', {})).openFileCount, 0);
});

test('create with a block saves the first call', async (t) => {
  const { root, blocks } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true, excluded: ['uuid-2'] });
  t.deepEqual(block!.locations.map((location) => location.name), ['dn1', 'dn3']);
  t.is(blocks.known.get(block!.block.blockId)?.inodeId, file.inodeId);
  t.is((await root('fs.complete', { inodeId: file.inodeId, last: written(block!, 9) })).lengthBytes, 9);
});

test('create makes missing parents like the deepest that is there, with u+wx', async (t) => {
  const { root, harness } = await open();
  await t.throwsAsync(root('fs.create', { ...create, path: '/a/b/f' }), { instanceOf: FileNotFoundError, message: "Parent directory doesn't exist: /a/b" });
  await harness.mkdir('/a', { permission: 0o575 });
  await root('fs.create', { ...create, path: '/a/b/c/f', createParents: true });
  t.is((await root('fs.getFileInfo', { path: '/a/b/c' }))?.permission, 0o775);
  t.true((await root('fs.getFileInfo', { path: '/a/b/c/f' }))?.isUnderConstruction);
});

test('create is refused over a directory, and over a file unless it overwrites', async (t) => {
  const { root, harness } = await open();
  await harness.mkdir('/d');
  await harness.file('/f', [5]);
  await t.throwsAsync(root('fs.create', { ...create, path: '/d', overwrite: true }), { instanceOf: FileAlreadyExistsError, message: '/d already exists as a directory' });
  await t.throwsAsync(root('fs.create', { ...create, path: '/' }), { instanceOf: FileAlreadyExistsError });
  await t.throwsAsync(root('fs.create', { ...create, path: '/f' }), { instanceOf: FileAlreadyExistsError, message: '/f for client 127.0.0.1 already exists' });
  await root('fs.setPermission', { path: '/', permission: 0o777 });
  await t.throwsAsync(harness.as('bob')('fs.create', { ...create, path: '/f', overwrite: true }), { instanceOf: PermissionDeniedError });
  t.is(harness.blocks.known.size, 1);
  const { file } = await root('fs.create', { ...create, path: '/f', overwrite: true });
  t.is(harness.blocks.known.size, 0);
  t.is((await root('fs.getFileInfo', { path: '/f' }))?.inodeId, file.inodeId);
  t.is(harness.namespace.view.readCounters().fileCount, 1);
});

test('a create that finds no data nodes makes nothing', async (t) => {
  const { root, harness } = await open();
  const error = await t.throwsAsync(root('fs.create', { ...create, path: '/x/f', createParents: true, withBlock: true, excluded: ['uuid-1', 'uuid-2', 'uuid-3'] }), { instanceOf: NotEnoughReplicasError });
  t.regex(error!.message, /^File \/x\/f could only be written to 0/);
  t.is(await root('fs.getFileInfo', { path: '/x' }), null);
  const { file } = await root('fs.create', { ...create, path: '/g' });
  await t.throwsAsync(root('fs.addBlock', { inodeId: file.inodeId, previous: null, blockIndex: 0, excluded: ['uuid-1', 'uuid-2', 'uuid-3'] }), { message: /^File \/g could only/ });
  t.is(harness.blocks.known.size, 0);
});

test('a file that somebody writes is not created again, in HDFS\'s words', async (t) => {
  const { root, other, harness } = await open();
  await other('fs.create', { ...create, path: '/f' });
  const message = 'Failed to CREATE_FILE /f for client-of-hdfs on 127.0.0.1 because this file lease is currently owned by other on 127.0.0.1';
  await t.throwsAsync(root('fs.create', { ...create, path: '/f' }), { instanceOf: AlreadyBeingCreatedError, message });
  await t.throwsAsync(root('fs.create', { ...create, path: '/f', overwrite: true }), { instanceOf: AlreadyBeingCreatedError, message });
  await t.throwsAsync(other('fs.create', { ...create, path: '/f', overwrite: true }), { message: /because other is already the current lease holder\.$/ });
  await harness.pass(softLimitMs + 2000);
  await t.throwsAsync(root('fs.create', { ...create, path: '/f' }), { instanceOf: RecoveryInProgressError, message: /lease recovery is in progress\. Try again later\.$/ });
  const { file } = await root('fs.create', { ...create, path: '/f', overwrite: true });
  t.is((await root('fs.getFileInfo', { path: '/f' }))?.inodeId, file.inodeId);
});

test('a temporary file gives way at once to the next try', async (t) => {
  const { root, other } = await open();
  const first = await other('fs.create', { ...create, path: '/f._COPYING_', temporary: true, withBlock: true });
  await t.throwsAsync(root('fs.create', { ...create, path: '/f._COPYING_', temporary: true }), { instanceOf: AlreadyBeingCreatedError });
  const second = await root('fs.create', { ...create, path: '/f._COPYING_', temporary: true, overwrite: true });
  await t.throwsAsync(other('fs.complete', { inodeId: first.file.inodeId, last: written(first.block!, 5) }), { instanceOf: LeaseExpiredError });
  t.is((await root('fs.complete', { inodeId: second.file.inodeId, last: null, renameTo: { path: '/f', overwrite: false } })).name, 'f');
});

test('only the holder of the lease may write, and only while the file is there', async (t) => {
  const { root, other } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/d/f', createParents: true, withBlock: true });
  const { inodeId } = file;
  const last = written(block!, 5);
  const expired = { instanceOf: LeaseExpiredError };
  await t.throwsAsync(other('fs.complete', { inodeId, last }), { ...expired, message: `Client (=other) is not the lease owner (=client-of-hdfs): /d/f (inode ${inodeId})` });
  await t.throwsAsync(other('fs.addBlock', { inodeId, previous: last, blockIndex: 1, excluded: [] }), expired);
  await t.throwsAsync(other('fs.abandonBlock', { inodeId, block: block!.block }), expired);
  await t.throwsAsync(other('fs.updateBlockForPipeline', { inodeId, block: block!.block }), expired);
  await t.throwsAsync(other('fs.updatePipeline', { inodeId, previous: block!.block, written: last }), expired);
  await t.throwsAsync(other('fs.getAdditionalDatanodes', { inodeId, block: block!.block, existing: [], excluded: [], count: 1 }), expired);
  await root('fs.delete', { path: '/d', recursive: true });
  await t.throwsAsync(root('fs.addBlock', { inodeId, previous: last, blockIndex: 1, excluded: [] }), { ...expired, message: /^File is deleted/ });
  await t.throwsAsync(root('fs.complete', { inodeId, last }), expired);
  await t.throwsAsync(root('fs.complete', { inodeId: 999_999, last: null }), { ...expired, message: /^File does not exist/ });
  await t.throwsAsync(root('fs.complete', { inodeId: 16_385, last: null }), expired);
});

test('deleting against adding a block leaves no block behind, in either order (fault 49)', async (t) => {
  for (const isDeleteFirst of [true, false]) {
    const { root, blocks, harness } = await open();
    const { file } = await root('fs.create', { ...create, path: '/f' });
    const add = () => root('fs.addBlock', { inodeId: file.inodeId, previous: null, blockIndex: 0, excluded: [] });
    const remove = () => root('fs.delete', { path: '/f', recursive: false });
    const results = await Promise.allSettled(isDeleteFirst ? [remove(), add()] : [add(), remove()]);
    t.is(results.filter((result) => result.status === 'fulfilled').length, isDeleteFirst ? 1 : 2);
    t.is(blocks.known.size, 0);
    t.false([...harness.dump().keys()].some((key) => key.startsWith('B') || key.startsWith('U')));
  }
});

test('a rename during a write changes nothing for the writer (fault 47)', async (t) => {
  const { root, harness } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/d/f', createParents: true, withBlock: true });
  await root('fs.rename', { source: '/d', target: '/e' });
  await harness.mkdir('/d');
  const next = await root('fs.addBlock', { inodeId: file.inodeId, previous: written(block!, 1000), blockIndex: 1, excluded: [] });
  await root('fs.complete', { inodeId: file.inodeId, last: written(next, 1) });
  t.is((await root('fs.getFileInfo', { path: '/e/f' }))?.lengthBytes, 1001);
  t.is(await root('fs.getFileInfo', { path: '/d/f' }), null);
});

test('a block that was finished on the only data node stays finished when another one joins', async (t) => {
  const { root, harness } = await open({ registeredDatanodes: 1 });
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const previous = written(block!, 1000);
  t.is(previous.replicas.length, 1);
  const next = await root('fs.addBlock', { inodeId, previous, blockIndex: 1, excluded: [] });
  harness.blocks.nodeCount = 2;
  await root('fs.abandonBlock', { inodeId, block: next.block });
  const again = await root('fs.addBlock', { inodeId, previous, blockIndex: 1, excluded: [] });
  await t.throwsAsync(root('fs.complete', { inodeId, last: written(again, 5, 1) }), { instanceOf: NotReplicatedYetError });
  t.is((await root('fs.complete', { inodeId, last: written(again, 5, 2) })).lengthBytes, 1005);
});

test('a block is finished only on as many data nodes as promised', async (t) => {
  const { root, harness } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const message = 'Not replicated yet: blk_1073741825_1001 of /f is on 1 of the 2 data nodes that it must be on before the file goes on';
  await t.throwsAsync(root('fs.complete', { inodeId, last: written(block!, 5, 1), callId: 7 }), { instanceOf: NotReplicatedYetError, message });
  await t.throwsAsync(root('fs.addBlock', { inodeId, previous: written(block!, 5, 1), blockIndex: 1, excluded: [] }), { instanceOf: NotReplicatedYetError });
  const twice = written(block!, 5, 1);
  await t.throwsAsync(root('fs.complete', { inodeId, last: { ...twice, replicas: [...twice.replicas, ...twice.replicas] } }), { instanceOf: NotReplicatedYetError });
  const stranger = { ...twice, replicas: [...twice.replicas, { datanodeUuid: 'uuid-of-nobody', storageId: 'storage-1' }] };
  await t.throwsAsync(root('fs.complete', { inodeId, last: stranger }), { instanceOf: NotReplicatedYetError, message });
  t.true((await root('fs.getFileInfo', { path: '/f' }))?.isUnderConstruction);
  t.is((await root('fs.complete', { inodeId, last: written(block!, 5, 2), callId: 8 })).lengthBytes, 5);
  const single = await root('fs.create', { ...create, path: '/one', replication: 1, withBlock: true });
  t.is((await root('fs.complete', { inodeId: single.file.inodeId, last: written(single.block!, 5) })).lengthBytes, 5);
  t.is(harness.blocks.known.size, 2);
});

test('one copy is enough only where one data node has ever been registered', async (t) => {
  const { root } = await open({ registeredDatanodes: 1 });
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  t.is((await root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5) })).lengthBytes, 5);
});

test('an empty file has no block, whether one was given out or not', async (t) => {
  const { root, blocks, harness } = await open();
  const plain = await root('fs.create', { ...create, path: '/a' });
  await root('fs.complete', { inodeId: plain.file.inodeId, last: null });
  const unused = await root('fs.create', { ...create, path: '/b', withBlock: true });
  await root('fs.complete', { inodeId: unused.file.inodeId, last: null });
  const empty = await root('fs.create', { ...create, path: '/c', withBlock: true });
  await root('fs.complete', { inodeId: empty.file.inodeId, last: written(empty.block!, 0) });
  for (const path of ['/a', '/b', '/c']) t.like(await root('fs.getFileInfo', { path }), { lengthBytes: 0, isUnderConstruction: false });
  t.is(blocks.known.size, 0);
  t.false([...harness.dump().keys()].some((key) => key.startsWith('B')));
});

test('a written block that is neither told nor given back is not forgotten', async (t) => {
  const { root } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const next = await root('fs.addBlock', { inodeId, previous: written(block!, 1000), blockIndex: 1, excluded: [] });
  await t.throwsAsync(root('fs.complete', { inodeId, last: null }), { instanceOf: InvalidArgumentError });
  await root('fs.abandonBlock', { inodeId, block: next.block });
  t.is((await root('fs.complete', { inodeId, last: null })).lengthBytes, 1000);
});

test('a block given back is gone, and its index is used by the next', async (t) => {
  const { root, blocks } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  t.is(await root('fs.abandonBlock', { inodeId, block: block!.block }), null);
  t.is(await root('fs.abandonBlock', { inodeId, block: block!.block }), null);
  t.is(blocks.known.size, 0);
  const next = await root('fs.addBlock', { inodeId, previous: null, blockIndex: 0, excluded: [] });
  t.true(next.block.blockId > block!.block.blockId && next.block.generationStamp > block!.block.generationStamp);
});

test('blocks are added in order, after the one before, and never beyond the block size', async (t) => {
  const { root } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const add = (previous: ReturnType<typeof written> | null, blockIndex: number) => root('fs.addBlock', { inodeId, previous, blockIndex, excluded: [] });
  const refused = { instanceOf: InvalidArgumentError };
  await t.throwsAsync(add(null, 1), refused);
  await t.throwsAsync(add(written(block!, 10), 2), refused);
  await t.throwsAsync(add(written(block!, 10), 0), refused);
  await t.throwsAsync(add(written(block!, 1001), 1), refused);
  const foreign = written(block!, 10);
  await t.throwsAsync(add({ ...foreign, block: { ...foreign.block, blockId: 5 } }, 1), refused);
  t.is((await add(written(block!, 10), 1)).offsetBytes, 10);
});

test('a new pipeline raises the generation, and the old one is stale from then on', async (t) => {
  const { root, blocks } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const old = block!.block;
  const { generationStamp } = await root('fs.updateBlockForPipeline', { inodeId, block: old });
  t.true(generationStamp > old.generationStamp);
  const renewed = { ...old, generationStamp, lengthBytes: 300 };
  const replicas = written(block!, 0, 2).replicas;
  await root('fs.updatePipeline', { inodeId, previous: old, written: { block: renewed, replicas } });
  t.like(blocks.known.get(old.blockId), { generationStamp, replicas: ['uuid-1', 'uuid-2'] });
  const stale = { instanceOf: StaleGenerationError };
  await t.throwsAsync(root('fs.complete', { inodeId, last: written(block!, 400) }), stale);
  await t.throwsAsync(root('fs.updateBlockForPipeline', { inodeId, block: old }), stale);
  await t.throwsAsync(root('fs.addBlock', { inodeId, previous: written(block!, 400), blockIndex: 1, excluded: [] }), stale);
  await t.throwsAsync(root('fs.updatePipeline', { inodeId, previous: old, written: { block: renewed, replicas } }), stale);
  t.like(await root('fs.complete', { inodeId, last: { block: { ...renewed, lengthBytes: 400 }, replicas } }), { lengthBytes: 400 });
});

test('of two new pipelines for one block the later wins, and generations never go back (HDFS-7065)', async (t) => {
  const { root, blocks } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const { inodeId } = file;
  const old = block!.block;
  const [a, b] = await Promise.all([root('fs.updateBlockForPipeline', { inodeId, block: old }), root('fs.updateBlockForPipeline', { inodeId, block: old })]);
  t.true(b.generationStamp > a.generationStamp);
  const { replicas } = written(block!, 0);
  const update = (previous: typeof old, generationStamp: number, lengthBytes = 0) =>
    root('fs.updatePipeline', { inodeId, previous, written: { block: { ...old, generationStamp, lengthBytes }, replicas } });
  await update(old, b.generationStamp, 5);
  const current = { ...old, generationStamp: b.generationStamp };
  await t.throwsAsync(update(current, a.generationStamp, 9), { instanceOf: StaleGenerationError });
  await t.throwsAsync(update(current, b.generationStamp + 100, 9), { instanceOf: StaleGenerationError });
  const { generationStamp } = await root('fs.updateBlockForPipeline', { inodeId, block: current });
  await t.throwsAsync(update(current, generationStamp, 4), { instanceOf: InvalidArgumentError });
  await t.throwsAsync(update(current, generationStamp, 2 ** 52), { instanceOf: InvalidArgumentError }, 'longer than a block can be: the next start could not load it');
  t.is(blocks.known.get(old.blockId)?.generationStamp, b.generationStamp);
});

test('more data nodes for a block are others than those it has', async (t) => {
  const { root } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const more = await root('fs.getAdditionalDatanodes', { inodeId: file.inodeId, block: block!.block, existing: ['uuid-1'], excluded: ['uuid-2'], count: 2 });
  t.deepEqual(more.map((location) => location.name), ['dn3']);
});

test('complete renames in the same transaction, or does nothing at all', async (t) => {
  const { root, harness } = await open();
  await harness.file('/taken', [3]);
  const { file, block } = await root('fs.create', { ...create, path: '/d/f._COPYING_', createParents: true, temporary: true, withBlock: true });
  const complete = (renameTo: { path: string; overwrite: boolean }) => root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5), renameTo, modificationTimeMs: 1000, accessTimeMs: 2000 });
  await t.throwsAsync(complete({ path: '/taken', overwrite: false }), { instanceOf: FileAlreadyExistsError });
  await t.throwsAsync(complete({ path: '/none/f', overwrite: false }), { instanceOf: FileNotFoundError });
  t.true((await root('fs.getFileInfo', { path: '/d/f._COPYING_' }))?.isUnderConstruction);
  const status = await complete({ path: '/taken', overwrite: true });
  t.like(status, { name: 'taken', lengthBytes: 5, isUnderConstruction: false, modificationTimeMs: 1000, accessTimeMs: 2000 });
  t.deepEqual(await root('fs.getFileInfo', { path: '/taken' }), status);
  t.is(await root('fs.getFileInfo', { path: '/d/f._COPYING_' }), null);
  t.is(harness.blocks.known.size, 1);
});

test('complete asked again without a call id answers the same, as long as it is the same', async (t) => {
  const { root } = await open();
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  const last = written(block!, 5);
  const first = await root('fs.complete', { inodeId: file.inodeId, last });
  t.deepEqual(await root('fs.complete', { inodeId: file.inodeId, last }), first);
  await t.throwsAsync(root('fs.complete', { inodeId: file.inodeId, last: written(block!, 6) }), { instanceOf: LeaseExpiredError });
});
