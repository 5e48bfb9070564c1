import test from 'ava';
import { applyEdit } from '../../../source/namenode/apply-edit.js';
import { decodeEdit } from '../../../source/namenode/edit-record.js';
import { allEdits, idOf } from '../../../source/namenode/keys.js';
import { LogTrimmer } from '../../../source/namenode/log-trimmer.js';
import { CallIdReusedError, FileAlreadyExistsError, FileNotFoundError, InvalidArgumentError, NotReplicatedYetError } from '../../../source/protocol/errors.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { NamespaceHarness, written } from '../../helpers/namespace-harness.js';

const create = { path: '/d/f', permission: 0o644, overwrite: false, createParents: true };

test('a call that is tried again gets its first answer and happens once, after a restart too', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const made = await root('fs.create', { ...create, withBlock: true, callId: 1 });
  const { inodeId } = made.file;
  const params = { inodeId, previous: written(made.block!, 10), blockIndex: 1, excluded: [], callId: 2 };
  const added = await root('fs.addBlock', params);
  const pipeline = { inodeId, block: added.block, callId: 3 };
  const generation = await root('fs.updateBlockForPipeline', pipeline);
  const completion = { inodeId, last: written(added, 5), renameTo: { path: '/d/g', overwrite: false }, callId: 4 };
  const completed = await root('fs.complete', completion);
  t.true(await root('fs.mkdirs', { path: '/m', permission: 0o755, createParents: false, callId: 5 }));
  t.is(await root('fs.rename', { source: '/d/g', target: '/d/h', callId: 6 }), null);
  t.true(await root('fs.delete', { path: '/m', recursive: false, callId: 7 }));
  t.false(await root('fs.delete', { path: '/m', recursive: false, callId: 8 }));

  for (const { root: again, blocks, dump } of [harness, await harness.restarted()].map((h) => ({ root: h.root, blocks: h.blocks, dump: () => h.dump() }))) {
    const before = dump();
    const told = blocks.log.length;
    t.deepEqual(await again('fs.create', { ...create, withBlock: true, callId: 1 }), made);
    t.deepEqual(await again('fs.addBlock', params), added);
    t.deepEqual(await again('fs.updateBlockForPipeline', pipeline), generation);
    t.deepEqual(await again('fs.complete', completion), completed);
    t.true(await again('fs.mkdirs', { path: '/m', permission: 0o755, createParents: false, callId: 5 }));
    t.is(await again('fs.rename', { source: '/d/g', target: '/d/h', callId: 6 }), null);
    t.true(await again('fs.delete', { path: '/m', recursive: false, callId: 7 }));
    t.false(await again('fs.delete', { path: '/m', recursive: false, callId: 8 }));
    t.deepEqual(dump(), before);
    t.is(blocks.log.length, told);
  }
});

test('two tries at once of one call happen once', async (t) => {
  const harness = await NamespaceHarness.open();
  const tries = await Promise.all([1, 2, 3].map(() => harness.root('fs.create', { ...create, withBlock: true, callId: 1 })));
  t.deepEqual(tries[1], tries[0]);
  t.deepEqual(tries[2], tries[0]);
  t.is(harness.blocks.log.length, 1);
});

test('a refusal is an answer too: a late copy of the call does not take effect', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/f');
  const again = () => root('fs.mkdirs', { path: '/f', permission: 0o755, createParents: true, callId: 1 });
  const refusal = await t.throwsAsync(again(), { instanceOf: FileAlreadyExistsError });
  await root('fs.delete', { path: '/f', recursive: false });
  await t.throwsAsync(again(), { instanceOf: FileAlreadyExistsError, message: refusal!.message });
  const { root: later } = await harness.restarted();
  await t.throwsAsync(later('fs.mkdirs', { path: '/f', permission: 0o755, createParents: true, callId: 1 }), { instanceOf: FileAlreadyExistsError, message: refusal!.message });
  t.is(await root('fs.getFileInfo', { path: '/f' }), null);
});

test('a refusal that time can lift is not kept: the same call may succeed later', async (t) => {
  const { root } = await NamespaceHarness.open();
  const { file, block } = await root('fs.create', { ...create, withBlock: true });
  const complete = (replicaCount: number) => root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5, replicaCount), callId: 9 });
  await t.throwsAsync(complete(1), { instanceOf: NotReplicatedYetError });
  t.is((await complete(2)).lengthBytes, 5);
});

test('a call id is one client\'s own, and names one call', async (t) => {
  const harness = await NamespaceHarness.open();
  const mkdir = (client: string, path: string, user = 'hdfs') => harness.as(user, client)('fs.mkdirs', { path, permission: 0o755, createParents: false, callId: 1 });
  t.true(await mkdir('a', '/x'));
  await t.throwsAsync(mkdir('a', '/y'), { instanceOf: CallIdReusedError });
  await t.throwsAsync(mkdir('a', '/x', 'bob'), { instanceOf: CallIdReusedError });
  await t.throwsAsync(harness.as('hdfs', 'a')('fs.delete', { path: '/x', recursive: false, callId: 1 }), { instanceOf: CallIdReusedError });
  t.true(await mkdir('b', '/y'));
  t.truthy(await harness.root('fs.getFileInfo', { path: '/x' }));
  await t.throwsAsync(mkdir('a\0b', '/z'), { instanceOf: InvalidArgumentError });
  await t.throwsAsync(mkdir('', '/z'), { instanceOf: InvalidArgumentError });
});

test('the edits alone make the same namespace again', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  await harness.file('/a/b/f', [1000, 5]);
  await harness.file('/a/g', Array.from({ length: 40 }, () => 7));
  await harness.mkdir('/x/y', { permission: 0o700 });
  await t.throwsAsync(root('fs.rename', { source: '/none', target: '/y', callId: 77 }), { instanceOf: FileNotFoundError });
  await root('fs.rename', { source: '/a/b', target: '/x/b' });
  await root('fs.setOwner', { path: '/x/b', owner: 'bob' });
  await root('fs.setTimes', { path: '/x/b/f', modificationTimeMs: 5 });
  await root('fs.setReplication', { path: '/x/b/f', replication: 2 });
  await root('fs.create', { ...create, path: '/x/b/open', withBlock: true, callId: 78 });
  await root('fs.delete', { path: '/a', recursive: true });
  await harness.reclaimAll();

  const copy = new MemoryStore();
  for (const [key, record] of harness.store.range(allEdits)) await copy.transact((transaction) => applyEdit(transaction, decodeEdit(idOf(key), record)));
  t.deepEqual([...copy.range({ start: '\x01', end: '\xff' })], [...harness.store.range({ start: '\x01', end: '\xff' })]);
});

test('the log keeps its tail for as long as clients retry, by the clock that never jumps', async (t) => {
  const harness = await NamespaceHarness.open();
  const trimmer = new LogTrimmer(harness.namespace, harness.clock, { keptMs: 600_000, keptEdits: 1_000_000 });
  const mkdir = (path: string, callId: number) => harness.root('fs.mkdirs', { path, permission: 0o755, createParents: false, callId });
  const editCount = () => [...harness.store.range(allEdits)].length;
  await mkdir('/a', 1);
  t.false(await trimmer.trim());
  harness.clock.advance(300_000);
  await mkdir('/b', 2);
  t.false(await trimmer.trim());
  t.is(editCount(), 3);
  harness.clock.advance(299_999);
  t.false(await trimmer.trim());
  t.is(editCount(), 3);
  harness.clock.advance(1);
  await trimmer.trim();
  t.is(editCount(), 1);
  t.true(await mkdir('/b', 2));
  await t.throwsAsync(mkdir('/a', 1), { instanceOf: FileAlreadyExistsError });
});

test('the log is bounded by a number of edits as well', async (t) => {
  const harness = await NamespaceHarness.open();
  const trimmer = new LogTrimmer(harness.namespace, harness.clock, { keptMs: 600_000, keptEdits: 10 });
  for (let i = 0; i < 30; i++) await harness.root('fs.mkdirs', { path: `/${i}`, permission: 0o755, createParents: false, callId: i + 1 });
  t.false(await trimmer.trim());
  t.is([...harness.store.range(allEdits)].length, 10);
  t.is([...harness.store.range({ start: 'R', end: 'S' })].length, 10);
});
