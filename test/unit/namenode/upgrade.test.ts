import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../../source/base/log.js';
import { decodeFormat, formatVersion } from '../../../source/namenode/format.js';
import { formatKey } from '../../../source/namenode/keys.js';
import { readClusterId, upgradeNameSpace } from '../../../source/namenode/name-space-format.js';
import { RenameIntoItselfError } from '../../../source/protocol/errors.js';
import { wholeRange } from '../../../source/storage/key-encoding.js';
import type { KeyValueReader } from '../../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../../source/storage/lmdb-store.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';

/**
 * data.mdb of the first release, made by its name node, killed: two data nodes; /a/f (bob:staff, blocks of 1000, 1000 and 5), /a/c/é, /x/y,
 * /open (under construction, one block complete, its second with a rebuilt pipeline), a temporary file, /gone deleted and not reclaimed,
 * and the answers to every call of client-1.
 */
const fixture = fileURLToPath(new URL('../../../../test/fixtures/name-space-1.mdb.gz', import.meta.url));

async function oldDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dfsh-upgrade-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'data.mdb'), gunzipSync(await readFile(fixture)));
  return directory;
}

/** The records of the first release, in memory. */
async function oldStore(t: ExecutionContext): Promise<MemoryStore> {
  const store = await openLmdbStore({ directory: await oldDirectory(t), logger: silentLogger });
  const copy = new MemoryStore();
  await copy.transact((transaction) => {
    for (const [key, value] of store.range(wholeRange)) transaction.put(key, Buffer.from(value));
  });
  await store.close();
  return copy;
}

const versionOf = (store: KeyValueReader) => decodeFormat(store.get(formatKey)!)!.version;
const others = (store: KeyValueReader) => [...store.range(wholeRange)].filter(([key]) => key !== formatKey).map(([key, value]) => [key, Buffer.from(value).toString('hex')]);

test('the store of the first release is upgraded on disk, and upgraded once', async (t) => {
  const directory = await oldDirectory(t);
  const store = await openLmdbStore({ directory, logger: silentLogger });
  t.is(versionOf(store), 1);
  const [clusterId, before] = [readClusterId(store), others(store)];
  t.is(await upgradeNameSpace(store), 1);
  t.is(await upgradeNameSpace(store), undefined);
  await store.close();
  const again = await openLmdbStore({ directory, logger: silentLogger });
  t.is(versionOf(again), formatVersion);
  t.is(readClusterId(again), clusterId);
  t.deepEqual(others(again), before);
  await again.close();
});

test('after the upgrade all that the first release knew is there, and goes on', async (t) => {
  const cluster = new NameNodeBench();
  cluster.store = await oldStore(t);
  await cluster.start();
  const { root } = cluster;
  t.is(versionOf(cluster.store), formatVersion);
  t.like(await root('fs.getFileInfo', { path: '/a/f' }), { lengthBytes: 2005, owner: 'bob', group: 'staff', permission: 0o640, modificationTimeMs: 1234567890123, accessTimeMs: 1234567890124, replication: 2 });
  t.like(await root('fs.getFileInfo', { path: '/a/c/é' }), { lengthBytes: 7, replication: 1 });
  t.like(await root('fs.getFileInfo', { path: '/a' }), { permission: 0o1777 });
  t.like(await root('fs.getFileInfo', { path: '/x/y' }), { permission: 0o700 });
  t.like(await root('fs.getFileInfo', { path: '/open' }), { isUnderConstruction: true, lengthBytes: 1000 });
  t.is(await root('fs.getFileInfo', { path: '/gone' }), null);
  t.deepEqual((await root('cluster.getDatanodes', {})).map((node) => node.name), ['dn1', 'dn2']);
  const { blocks } = await root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 5000 });
  t.deepEqual(blocks.map(({ block, offsetBytes }) => [block.lengthBytes, offsetBytes]), [[1000, 0], [1000, 1000], [5, 2000]]);

  const { blocks: openBlocks } = await root('fs.getBlockLocations', { path: '/open', offsetBytes: 0, lengthBytes: 5000 });
  for (const { block } of [...blocks, ...openBlocks, ...(await root('fs.getBlockLocations', { path: '/a/c/é', offsetBytes: 0, lengthBytes: 10 })).blocks]) {
    for (const held of cluster.held) held.push(block);
  }
  await cluster.join(0);
  await cluster.join(1);
  await cluster.turns(1000);
  t.false((await root('cluster.getHealth', {})).safeMode.isOn);
  // What was deleted is reclaimed; retries of old calls get their old answers, and the ids go on.
  t.deepEqual([...cluster.store.range({ start: 'D', end: 'E' })], []);
  const client = cluster.as('hdfs', 'client-1');
  t.is(await client('fs.setOwner', { path: '/a/f', owner: 'bob', group: 'staff', callId: 7 }), null);
  await t.notThrowsAsync(cluster.put('/after'));
  t.is((await root('fs.renewLease', {})).openFileCount, 0);
  t.is((await client('fs.renewLease', {})).openFileCount, 2);
  await t.throwsAsync(root('fs.rename', { source: '/a', target: '/a/c/x' }), { instanceOf: RenameIntoItselfError });
  await cluster.nameNode.close();
});

test('killed at any moment of the upgrade, again and again, the store is of the one version or of the other and starts (faults 7, 9)', async (t) => {
  const image = (await oldStore(t)).crashImage();
  const before = others(new MemoryStore({ image }));
  let release = () => {};
  const store = new MemoryStore({ image, commitDelay: () => new Promise((resolve) => (release = resolve)) });
  const upgrade = upgradeNameSpace(store);
  await new Promise((resolve) => setImmediate(resolve));
  const crashes = [store.crashImage('durable'), store.crashImage('inFlight')];
  release();
  t.is(await upgrade, 1);
  crashes.push(store.crashImage());
  t.deepEqual(crashes.map((crash) => versionOf(new MemoryStore({ image: crash }))), [1, formatVersion, formatVersion]);
  for (const crash of crashes) {
    const cluster = new NameNodeBench();
    cluster.store = new MemoryStore({ image: crash });
    for (let restart = 0; restart < 5; restart++) {
      await cluster.start();
      await cluster.kill();
    }
    t.is(versionOf(cluster.store), formatVersion);
    t.deepEqual(others(cluster.store), before);
  }
});
