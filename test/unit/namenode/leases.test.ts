import test from 'ava';
import { LeaseManager } from '../../../source/namenode/lease-manager.js';
import { silentLogger } from '../../../source/base/log.js';
import { endExpiredLeases } from '../../../source/namenode/own-edits.js';
import { LeaseExpiredError } from '../../../source/protocol/errors.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { hardLimitMs, NamespaceHarness, softLimitMs, written } from '../../helpers/namespace-harness.js';

const create = { permission: 0o644, overwrite: false, createParents: false };

test('a temporary file is deleted when its writer was not heard of for the soft limit, and its blocks go', async (t) => {
  const harness = await NamespaceHarness.open();
  const { file, block } = await harness.root('fs.create', { ...create, path: '/f._COPYING_', temporary: true, withBlock: true });
  await harness.pass(softLimitMs - 1000);
  t.truthy(await harness.root('fs.getFileInfo', { path: '/f._COPYING_' }));
  await harness.pass(3000);
  t.is(await harness.root('fs.getFileInfo', { path: '/f._COPYING_' }), null);
  t.is(harness.blocks.known.size, 0);
  t.is(harness.leases.fileCount, 0);
  await t.throwsAsync(harness.root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5) }), { instanceOf: LeaseExpiredError });
});

test('renewing keeps a temporary file, and so does any call that writes', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const { file, block } = await root('fs.create', { ...create, path: '/f', temporary: true, withBlock: true });
  await harness.pass(softLimitMs - 1000);
  t.deepEqual(await root('fs.renewLease', {}), { openFileCount: 1 });
  await harness.pass(softLimitMs - 1000);
  const next = await root('fs.addBlock', { inodeId: file.inodeId, previous: written(block!, 10), blockIndex: 1, excluded: [] });
  await harness.pass(softLimitMs - 1000);
  t.is((await root('fs.complete', { inodeId: file.inodeId, last: written(next, 10) })).lengthBytes, 20);
  await harness.pass(2 * softLimitMs);
  t.truthy(await root('fs.getFileInfo', { path: '/f' }));
});

test('another client\'s renewal keeps nothing', async (t) => {
  const harness = await NamespaceHarness.open();
  await harness.root('fs.create', { ...create, path: '/f', temporary: true });
  for (let i = 0; i < 4; i++) {
    t.is((await harness.as('hdfs', 'other')('fs.renewLease', {})).openFileCount, 0);
    await harness.pass(softLimitMs / 2);
  }
  t.is(await harness.root('fs.getFileInfo', { path: '/f' }), null);
});

test('after the hard limit a file is the name node\'s, its late writer is refused, and it can be overwritten at once', async (t) => {
  const harness = await NamespaceHarness.open();
  const { root } = harness;
  const { file, block } = await root('fs.create', { ...create, path: '/f', withBlock: true });
  await harness.pass(hardLimitMs - 2000);
  t.is(harness.leases.fileCount, 1);
  await harness.pass(4000);
  t.true((await root('fs.getFileInfo', { path: '/f' }))?.isUnderConstruction);
  t.is(harness.blocks.known.size, 1);
  await t.throwsAsync(root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5) }), { instanceOf: LeaseExpiredError, message: /not renewed in time/ });
  const again = await root('fs.create', { ...create, path: '/f', overwrite: true });
  t.not(again.file.inodeId, file.inodeId);
  t.is(harness.blocks.known.size, 0);
});

test('a renewal that comes while the verdict waits for the disk saves the file', async (t) => {
  let release: (() => void) | undefined;
  let isSlow = false;
  const store = new MemoryStore({ commitDelay: () => (isSlow ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve()) });
  const harness = await NamespaceHarness.open({ store });
  await harness.root('fs.create', { ...create, path: '/f', temporary: true });
  await harness.root('fs.create', { ...create, path: '/open' });
  for (let i = 0; i < 62; i++) {
    harness.clock.advance(1000);
    harness.leases.tick();
  }
  isSlow = true;
  const made = harness.mkdir('/d');
  while (!release) await new Promise((resolve) => setImmediate(resolve));
  const verdict = endExpiredLeases(harness.namespace, harness.leases, silentLogger);
  t.is((await harness.root('fs.renewLease', {})).openFileCount, 2);
  isSlow = false;
  release();
  await Promise.all([made, verdict]);
  t.truthy(await harness.root('fs.getFileInfo', { path: '/f' }));
});

test('after a restart every lease is fresh, and the writer goes on', async (t) => {
  const harness = await NamespaceHarness.open();
  const { file, block } = await harness.root('fs.create', { ...create, path: '/f', temporary: true, withBlock: true });
  await harness.pass(softLimitMs - 1000);
  const after = await harness.restarted();
  await after.pass(softLimitMs - 1000);
  t.is((await after.root('fs.complete', { inodeId: file.inodeId, last: written(block!, 5) })).lengthBytes, 5);
  const unheard = await harness.restarted();
  await unheard.pass(softLimitMs + 2000);
  t.is(await unheard.root('fs.getFileInfo', { path: '/f' }), null);
});

test('ticks that come late postpone the verdict: a stopped process blames nobody', (t) => {
  let nowMs = 0;
  const leases = new LeaseManager({ softLimitMs: 60_000, hardLimitMs: 600_000, tickIntervalMs: 1000 }, () => nowMs);
  leases.add(1, 'client', true);
  nowMs += 3_600_000;
  t.false(leases.isSoftLimitPassed('client'));
  t.deepEqual(leases.tick(), { temporaryIds: [], expiredIds: [] });
  for (let i = 0; i < 56; i++) {
    nowMs += 1000;
    t.deepEqual(leases.tick().temporaryIds, []);
  }
  nowMs += 2000;
  t.deepEqual(leases.tick().temporaryIds, [1]);
});

test('a client that closed its last file is forgotten', (t) => {
  const leases = new LeaseManager({ softLimitMs: 1, hardLimitMs: 2, tickIntervalMs: 1 }, () => 0);
  leases.add(1, 'a', false);
  leases.add(2, 'a', true);
  leases.remove(1);
  t.is(leases.renew('a'), 1);
  leases.remove(2);
  leases.remove(2);
  t.deepEqual([leases.holderCount, leases.fileCount, leases.renew('a')], [0, 0, 0]);
});
