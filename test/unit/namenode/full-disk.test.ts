import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../../source/base/log.js';
import { FileNotFoundError, NoSpaceError } from '../../../source/protocol/errors.js';
import { openLmdbStore } from '../../../source/storage/lmdb-store.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';
import { written } from '../../helpers/namespace-harness.js';

const mkdir = { permission: 0o755, createParents: true };

async function benchOnDisk(t: { teardown(end: () => Promise<void>): void }) {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-full-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const space = { freeBytes: 1000 };
  const open = () => openLmdbStore({ directory: join(folder, 'namenode'), logger: silentLogger, minFreeBytes: 400, freeBytes: () => space.freeBytes });
  const bench = new NameNodeBench();
  const start = async () => {
    const store = await open();
    bench.anyStore = store;
    bench.storeRefusal = () => store.refusal();
    await bench.start();
    await bench.join(0);
    await bench.join(1);
    return store;
  };
  return { bench, space, start };
}

test('on a disk that is nearly full changes are refused with the reason and the remedy, reads go on, and it ends by itself (fault 19)', async (t) => {
  const { bench, space, start } = await benchOnDisk(t);
  const store = await start();
  await bench.put('/a/f');
  space.freeBytes = 399;
  await bench.turns(1500);
  for (const change of [
    () => bench.root('fs.mkdirs', { path: '/b', ...mkdir }),
    () => bench.root('fs.create', { path: '/g', permission: 0o644, overwrite: false, createParents: true }),
    () => bench.root('fs.setOwner', { path: '/a/f', owner: 'bob' }),
    () => bench.root('fs.rename', { source: '/a', target: '/b' }),
  ]) {
    const error = await t.throwsAsync(change(), { instanceOf: NoSpaceError });
    t.regex(error!.message, /399 B free, at least 400 B needed; reading goes on, .*rm -skipTrash/);
  }
  t.like(bench.nameNode.health(), { status: 'DEGRADED' });
  t.regex(bench.nameNode.health().readOnlyReason!, /^no space for .*399 B free, at least 400 B needed/);
  t.is((await bench.root('fs.getFileInfo', { path: '/a/f' }))!.lengthBytes, 7);
  t.is(await bench.root('fs.getFileInfo', { path: '/b' }), null);
  t.is((await bench.root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
  space.freeBytes = 400;
  await bench.turns(1500);
  t.true(await bench.root('fs.mkdirs', { path: '/b', ...mkdir }));
  t.is(bench.nameNode.health().readOnlyReason, undefined);
  t.deepEqual(bench.events.filter(({ kind }) => kind === 'storage-failed').map(({ level }) => level), ['error', 'info']);
  await bench.nameNode.close();
  await store.close();
});

test('deleting goes on from a reserve, down to what is reclaimed and told to data nodes, and a file that is being written is closed (fault 19)', async (t) => {
  const { bench, space, start } = await benchOnDisk(t);
  const store = await start();
  for (let i = 0; i < 5; i++) await bench.put(`/d/${i}`);
  const { file, block } = await bench.root('fs.create', { path: '/open', permission: 0o644, overwrite: false, createParents: true, withBlock: true });
  space.freeBytes = 101;
  t.true(await bench.root('fs.delete', { path: '/d', recursive: true }));
  t.is((await bench.root('fs.complete', { inodeId: file.inodeId, last: written(block!, 3) })).lengthBytes, 3);
  // The disk is a real one: it takes turns of its own.
  const invalidated = new Set<number>();
  while (invalidated.size < 5) {
    await bench.turns(100);
    for (const command of await bench.heartbeat(0)) if (command.kind === 'invalidate') for (const { blockId } of command.blocks) invalidated.add(blockId);
  }
  t.deepEqual([...store.range({ start: 'D', end: 'E' })], []);
  space.freeBytes = 99;
  await t.throwsAsync(bench.root('fs.delete', { path: '/open', recursive: true }), { instanceOf: NoSpaceError, message: /99 B free, at least 100 B needed/ });
  t.truthy(await bench.root('fs.getFileInfo', { path: '/open' }));
  await bench.nameNode.close();
  await store.close();
});

test('a name node that starts on a disk that is nearly full takes its data nodes back and serves reads (fault 19)', async (t) => {
  const { bench, space, start } = await benchOnDisk(t);
  const first = await start();
  await bench.put('/a/f');
  await bench.nameNode.close();
  await first.close();
  space.freeBytes = 150;
  const store = await start();
  t.is((await bench.root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
  await t.throwsAsync(bench.root('fs.mkdirs', { path: '/b', ...mkdir }), { instanceOf: NoSpaceError });
  await bench.nameNode.close();
  await store.close();
});

test('a name node that starts on a full disk takes back the data nodes it knows, and serves reads; a new one has to wait for space (fault 19)', async (t) => {
  const { bench, space, start } = await benchOnDisk(t);
  const first = await start();
  await bench.put('/a/f');
  const before = bench.epochOf(0);
  await bench.nameNode.close();
  await first.close();
  space.freeBytes = 0;
  const store = await start();
  t.is((await bench.root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
  t.not(bench.epochOf(0), before);
  t.not(bench.epochOf(0), bench.epochOf(1));
  bench.held.push([]);
  await t.throwsAsync(bench.join(2), { instanceOf: NoSpaceError });
  space.freeBytes = 1000;
  await bench.join(2);
  await bench.join(0);
  t.is(bench.epochOf(0), before + 3, 'once there is space epochs are stored again, and go on where they were');
  t.true(await bench.root('fs.mkdirs', { path: '/b', ...mkdir }));
  await bench.nameNode.close();
  await store.close();
});

test('a call that was refused for want of space takes effect when it is tried again, once (fault 19)', async (t) => {
  const { bench, space, start } = await benchOnDisk(t);
  const store = await start();
  space.freeBytes = 0;
  const call = () => bench.root('fs.mkdirs', { path: '/b', ...mkdir, callId: 1 });
  await t.throwsAsync(call(), { instanceOf: NoSpaceError });
  space.freeBytes = 1000;
  t.true(await call());
  await bench.root('fs.delete', { path: '/b', recursive: true });
  t.true(await call());
  t.is(await bench.root('fs.getFileInfo', { path: '/b' }), null);
  await t.throwsAsync(bench.root('fs.setOwner', { path: '/b', owner: 'x' }), { instanceOf: FileNotFoundError });
  await bench.nameNode.close();
  await store.close();
});
