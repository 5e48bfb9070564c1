import { cp, open, readdir, readFile as readLocal, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { DfsClient } from '../../../source/client/client-api.js';
import { BlockMissingError, ClusterMismatchError, DfsError, InputOutputError, RegistrationRefusedError, StorageLockedError } from '../../../source/protocol/errors.js';
import { writingCalls } from '../../helpers/disk-faults.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, MiniDataNode, waitUntil } from '../../helpers/mini-cluster.js';

const kilobyte = 1024;
const megabyte = 1 << 20;

async function blocksOf(client: DfsClient, path: string): Promise<{ blockId: number; names: string[] }[]> {
  const blocks: { blockId: number; names: string[] }[] = [];
  for await (const { block, locations } of client.blocks(path)) blocks.push({ blockId: block.blockId, names: locations.map(({ name }) => name).sort() });
  return blocks;
}

const isHealthy = (health: ReturnType<MiniCluster['health']>) => health.blocks.underReplicated === 0 && health.blocks.missing === 0 && health.blocks.corrupt === 0;

async function flip(path: string, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0]! ^= 0x20;
  await handle.write(byte, 0, 1, position);
  await handle.close();
}

async function metaOf(dataPath: string): Promise<string> {
  const folder = join(dataPath, '..');
  const name = (await readdir(folder)).find((each) => each.startsWith(`${dataPath.slice(folder.length + 1)}_`))!;
  return join(folder, name);
}

test('one of two disks of a node dies: only its blocks are copied again, the node stays, and everybody is told (fault 25)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 64 * kilobyte, dataNode: { volumeCount: 2 } });
  const client = cluster.client();
  const bytes = patternBytes(40 * 64 * kilobyte);
  await writeFile(client, '/f', bytes);
  const node = cluster.node('dn1');
  const [good, bad] = await node.store.readStorages();
  const held = (storageId: string) => [...node.store.finalizedReplicas(storageId)].map(({ blockId }) => blockId);
  const [kept, lost] = [held(good!.storageId), held(bad!.storageId)];
  t.true(kept.length > 5 && lost.length > 5, 'blocks went to both disks');

  node.faults.add({ code: 'EIO', path: node.directories[1]! });
  // Whoever touches it finds out: the look at its free space, at each heartbeat.
  await waitUntil(() => cluster.events.some(({ kind }) => kind === 'storage-failed'));
  await cluster.waitFor(isHealthy);
  const { state, failedVolumes } = cluster.health().datanodes[0]!;
  t.is(state, 'live');
  t.deepEqual(failedVolumes!.map(({ directory }) => directory), [node.directories[1]]);
  t.regex(failedVolumes![0]!.reason, /EIO/);
  const told = cluster.events.filter(({ kind }) => kind === 'storage-failed');
  t.deepEqual(told.map(({ level, node: name, message }) => [level, name, message.replace(/\(EIO.*\)/, '(EIO)')]), [
    ['error', 'dn1', `dn1 lost its storage ${node.directories[1]} (EIO) with ${lost.length} replicas`],
  ]);
  t.is(cluster.events.filter(({ kind }) => kind === 'node-dead').length, 0);
  t.deepEqual(held(good!.storageId).filter((id) => !lost.includes(id)), kept, 'its other disk was left alone');
  const blocks = await blocksOf(client, '/f');
  t.true(blocks.every(({ names }) => names.length === 3));
  t.true(blocks.filter(({ blockId }) => kept.includes(blockId)).every(({ names }) => names.includes('dn1')));
  t.true((await readFile(client, '/f')).equals(bytes));
  await writeFile(client, '/g', bytes);
  t.true((await readFile(client, '/g')).equals(bytes));
  t.is((await node.store.readStorages()).filter(({ isFailed }) => isFailed).length, 1);
});

test('a file that is being written does not seem to be shorter when the disk with its bytes is out of use: its reader is told that they are not to be had (faults 21, 25)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 1, dataNode: { volumeCount: 2 } });
  const writer = await cluster.client().openWriter('/f', { replication: 1 });
  await writer.write(patternBytes(1000));
  await writer.hsync();
  const reader = cluster.client();
  t.is((await readFile(reader, '/f')).length, 1000);
  const [block] = await blocksOf(reader, '/f');
  const node = cluster.node('dn1');
  const written = await Promise.all(node.directories.map(async (directory) => (await readdir(join(directory, 'rbw'))).length > 0));
  node.faults.add({ code: 'EIO', path: node.directories[written.indexOf(true)]! });
  await waitUntil(() => cluster.events.some(({ kind }) => kind === 'storage-failed'));
  const ask = async (blockId: number) => node.dataNode.handlers['replica.getInfo']({ blockId }, undefined as never);
  await t.throwsAsync(ask(block!.blockId), { instanceOf: InputOutputError, message: /out of use/ }, 'nobody knows whether it has none');
  await t.throwsAsync(readFile(reader, '/f'), { instanceOf: BlockMissingError });
  await writer.abort();
});

test('a disk that is gone at the start is told of, and the node serves what it has', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 3, blockSizeBytes: 64 * kilobyte, dataNode: { volumeCount: 2 } });
  const client = cluster.client();
  const bytes = patternBytes(12 * 64 * kilobyte);
  await writeFile(client, '/f', bytes);
  const node = cluster.node('dn2');
  await node.kill();
  const repair = node.faults.add({ code: 'EIO', path: new RegExp(`^${node.directories[0]!}(/|$)`) });
  await node.start();
  await cluster.waitFor((health) => health.datanodes[1]!.failedVolumes?.length === 1 && isHealthy(health));
  t.true(cluster.events.some(({ kind, message }) => kind === 'storage-failed' && message.startsWith('dn2 ')));
  t.true((await readFile(client, '/f')).equals(bytes));
  repair();
  await node.kill();
  await node.start();
  await cluster.waitFor((health) => health.datanodes[1]!.failedVolumes === undefined && isHealthy(health));
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('the only disk of a node is mounted read-only: the node ends and says why, its blocks are copied elsewhere, writes go on (fault 22)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 256 * kilobyte });
  const client = cluster.client();
  const bytes = patternBytes(8 * 256 * kilobyte);
  await writeFile(client, '/f', bytes);
  const node = cluster.node('dn3');
  const { ended } = node.dataNode;
  node.faults.add({ code: 'EROFS', calls: writingCalls });
  for (let index = 0; index < 5; index++) await writeFile(client, `/g${index}`, bytes);
  const reason = await ended;
  t.true(reason instanceof InputOutputError);
  t.regex(reason!.message, /^1 of 1 storage directories failed, 0 may .*EROFS/);
  // The name node takes the node for dead first.
  await waitUntil(async () => (await blocksOf(client, '/f')).every(({ names }) => names.join() === 'dn1,dn2,dn4'));
  await cluster.waitFor(isHealthy);
  t.true((await readFile(client, '/f')).equals(bytes));
  for (let index = 0; index < 5; index++) t.true((await readFile(client, `/g${index}`)).equals(bytes));
});

test('a full node is left out of a write that has begun, which goes on elsewhere; it is used again once there is room (fault 18)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: megabyte });
  const client = cluster.client();
  const bytes = patternBytes(6 * megabyte);
  const node = cluster.node('dn1');
  // The name node does not know yet: the disk fills up between two heartbeats.
  const repair = node.faults.add({ code: 'ENOSPC', calls: ['write'], path: /blk_\d+$/ });
  await writeFile(client, '/f', bytes);
  t.true(node.faults.count('write') > 0, 'it was in a pipeline');
  t.true((await readFile(client, '/f')).equals(bytes));
  await cluster.waitFor(isHealthy);
  t.false((await blocksOf(client, '/f')).some(({ names }) => names.includes('dn1')));
  t.deepEqual(await node.replicaNames(), [], 'nothing half-written is left there');
  t.is(cluster.health().datanodes[0]!.failedVolumes, undefined);
  repair();
  await waitUntil(async () => {
    await writeFile(client, '/again', bytes, { overwrite: true });
    return (await blocksOf(client, '/again')).some(({ names }) => names.includes('dn1'));
  });
});

test('all disks are full: reads go on, writes are refused with what to do, and all is well as soon as there is room, without a restart (fault 18)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 3, blockSizeBytes: megabyte });
  const client = cluster.client({ retryTimeoutMs: 1000 });
  const bytes = patternBytes(2 * megabyte);
  await writeFile(client, '/f', bytes);
  const repairs = cluster.nodes.map((node) => {
    node.faults.space = { totalBytes: 1e9, availableBytes: 0 };
    return node.faults.add({ code: 'ENOSPC', calls: ['write'] });
  });
  await cluster.waitFor((health) => health.remainingBytes === 0);
  const error = await t.throwsAsync(writeFile(client, '/g', bytes));
  t.true(error instanceof DfsError);
  const told = [error.message, ...(error as unknown as DfsError).details].join('\n');
  t.regex(told, /dn1 .*: 0 bytes left for new blocks, 1048576 needed: free some, or add a data node/);
  t.true((await readFile(client, '/f')).equals(bytes), 'reads go on');
  t.true(cluster.health().datanodes.every(({ state, failedVolumes }) => state === 'live' && failedVolumes === undefined));
  for (const repair of repairs) repair();
  for (const node of cluster.nodes) node.faults.space = undefined;
  await cluster.waitFor((health) => health.datanodes.every(({ remainingBytes }) => remainingBytes > 0));
  await writeFile(client, '/h', bytes);
  t.true((await readFile(client, '/h')).equals(bytes));
  await cluster.waitFor(isHealthy);
});

test('bytes that a disk cannot read come from another node, and the replica is replaced (fault 20)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 4 * megabyte });
  const client = cluster.client();
  const bytes = patternBytes(4 * megabyte);
  await writeFile(client, '/f', bytes);
  const [block] = await blocksOf(client, '/f');
  const node = cluster.node('dn2');
  const repair = node.faults.add({ code: 'EIO', calls: ['read'], path: new RegExp(`/current/.*blk_${block!.blockId}$`) });
  await waitUntil(async () => {
    t.true((await readFile(client, '/f')).equals(bytes));
    return node.faults.count('read') > 0;
  });
  await waitUntil(() => cluster.events.some(({ kind, node: name }) => kind === 'replica-corrupt' && name === 'dn2'));
  repair();
  await cluster.waitFor(isHealthy);
  t.is((await cluster.replicaFiles(block!.blockId)).size, 3);
  t.true((await readLocal((await node.replicaFile(block!.blockId))!)).equals(bytes));
  t.is(cluster.health().datanodes[1]!.failedVolumes, undefined, 'one bad sector is no bad disk');
});

test('a failed fsync fails that replica, once; the put succeeds with the others and is repaired (fault 21)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: megabyte });
  const client = cluster.client();
  const bytes = patternBytes(megabyte);
  let round = 0;
  const victim = cluster.node('dn1');
  victim.faults.add({ code: 'EIO', calls: ['dataSync'], path: /blk_\d+$/ });
  while (victim.faults.count('dataSync') === 0) await writeFile(client, `/f${round++}`, bytes);
  await cluster.waitFor(isHealthy);
  for (let index = 0; index < round; index++) t.true((await readFile(client, `/f${index}`)).equals(bytes));
  for (const [call, count] of victim.faults.hits) t.is(count, 1, `${call} is not repeated`);
  t.false((await blocksOf(client, `/f${round - 1}`)).some(({ names }) => names.includes('dn1')));
  t.deepEqual(await victim.replicaNames(), [], 'and nothing of it is left');
});

test('a disk stalls in the middle of a write: it is left out, and the write goes on; new ones pass it by (fault 23)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 4 * megabyte, dataNode: { settings: { diskTimeoutMs: 500 } } });
  const client = cluster.client();
  const bytes = patternBytes(4 * megabyte);
  for (const [path, hop] of [['/first', 0], ['/last', 2]] as const) {
    let pipeline: string[] = [];
    const writer = await client.openWriter(path, { onProgress: (progress) => (pipeline = progress.pipeline) });
    await writer.write(bytes.subarray(0, megabyte));
    await waitUntil(() => pipeline.length === 3);
    const name = pipeline[hop]!;
    const release = cluster.node(name).faults.hang({ calls: ['write', 'dataSync'], path: /blk_\d+$/ });
    const startMs = performance.now();
    await writer.write(bytes.subarray(megabyte));
    await writer.close();
    t.true(performance.now() - startMs < 20_000);
    t.false((await blocksOf(client, path)).some(({ names }) => names.includes(name) && names.length < 2));
    t.true((await readFile(client, path)).equals(bytes));
    release();
    await cluster.waitFor(isHealthy);
  }
});

test('no descriptor for a while: writes and reads take longer, nothing fails, and no disk is blamed (fault 24)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: megabyte });
  const client = cluster.client();
  const bytes = patternBytes(3 * megabyte);
  const repairs = cluster.nodes.map((node) => node.faults.add({ code: 'EMFILE', calls: ['open', 'create', 'syncDirectory', 'readDirectory'] }));
  const writing = writeFile(client, '/f', bytes);
  await waitUntil(() => cluster.nodes.every((node) => node.faults.hits.size > 0));
  for (const repair of repairs) repair();
  await writing;
  const [block] = await blocksOf(client, '/f');
  t.deepEqual(block!.names, ['dn1', 'dn2', 'dn3'], 'none was left out');
  const again = cluster.nodes.map((node) => node.faults.add({ code: 'EMFILE', calls: ['open'], times: 3 }));
  t.true((await readFile(client, '/f')).equals(bytes));
  for (const repair of again) repair();
  t.true(cluster.health().datanodes.every(({ failedVolumes }) => failedVolumes === undefined));
  t.is(cluster.events.filter(({ kind }) => kind === 'replica-corrupt').length, 0);
});

test('the scanner finds rot that nobody has read, in the data and in the checksums, and good copies take its place (faults 12, 13)', async (t) => {
  const settings = { scanPeriodMs: 300, scanBytesPerSecond: 1e9 };
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 256 * kilobyte, dataNode: { settings } });
  const client = cluster.client();
  const bytes = patternBytes(5 * 256 * kilobyte);
  await writeFile(client, '/f', bytes);
  const blocks = await blocksOf(client, '/f');
  const rot = [
    { name: 'dn1', blockId: blocks[0]!.blockId, file: 'data', position: 200_000 },
    { name: 'dn2', blockId: blocks[0]!.blockId, file: 'meta', position: 97 },
    { name: 'dn3', blockId: blocks[3]!.blockId, file: 'meta', position: 20 },
    { name: 'dn1', blockId: blocks[4]!.blockId, file: 'meta', position: 43 },
  ] as const;
  for (const { name, blockId, file, position } of rot) {
    const path = (await cluster.node(name).replicaFile(blockId))!;
    await flip(file === 'data' ? path : await metaOf(path), position);
  }
  await waitUntil(() => cluster.events.filter(({ kind }) => kind === 'replica-corrupt').length >= rot.length);
  await cluster.waitFor(isHealthy);
  for (const { name, blockId } of rot) {
    const index = blocks.findIndex((block) => block.blockId === blockId);
    await waitUntil(async () => (await cluster.node(name).replicaFile(blockId)) !== undefined);
    t.true((await readLocal((await cluster.node(name).replicaFile(blockId))!)).equals(bytes.subarray(index * 256 * kilobyte, (index + 1) * 256 * kilobyte)));
    t.deepEqual(await readdir(join(cluster.node(name).directory, 'quarantine')), [], 'what was put aside went when a good copy had come');
  }
  t.true((await readFile(client, '/f')).equals(bytes));
  const info = (await cluster.node('dn1').dataNode.handlers['node.getInfo']({}, { user: 'x', clientId: 'x', role: 'client', remoteAddress: '' })) as { scans: { checkedCount: number }[] };
  t.is(info.scans.length, 1);
  const samples = cluster.node('dn1').dataNode.metrics();
  t.true((samples.find(({ name }) => name === 'dfsh_datanode_scan_findings_total')?.value ?? 0) >= 2);
});

test('all replicas of a block are rotten: it is missing, reads say so, and the bytes of each are kept, over restarts (fault 26)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 256 * kilobyte, dataNode: { settings: { scanPeriodMs: 300, scanBytesPerSecond: 1e9 } } });
  const client = cluster.client({ retryTimeoutMs: 1000 });
  const bytes = patternBytes(256 * kilobyte);
  await writeFile(client, '/f', bytes);
  const [block] = await blocksOf(client, '/f');
  const files = await cluster.replicaFiles(block!.blockId);
  t.is(files.size, 3);
  let position = 100;
  const rotten = new Map<string, Buffer>();
  // While nobody looks, so that none is repaired before the next one rots.
  for (const node of cluster.nodes) await node.kill();
  for (const [name, file] of files) {
    await flip(file, (position += 70_000));
    rotten.set(name, await readLocal(file));
  }
  for (const node of cluster.nodes) await node.start();
  const isKept = async () => {
    for (const [name, expected] of rotten) {
      const { directory } = cluster.node(name);
      const kept = await readLocal(join(directory, 'quarantine', `blk_${block!.blockId}`)).catch(() => undefined);
      if (!kept?.equals(expected)) return false;
    }
    return true;
  };
  await waitUntil(isKept);
  await cluster.waitFor((health) => health.blocks.missing === 1);
  await t.throwsAsync(readFile(client, '/f'), { instanceOf: BlockMissingError, message: new RegExp(`blk_${block!.blockId}`) });
  const corruptCount = async () => {
    for await (const { locations } of cluster.client().blocks('/f', { allReplicas: true })) return locations.filter(({ isCorrupt }) => isCorrupt).length;
    return 0;
  };
  // A check finds the block corrupt, not without a copy, as soon as each node has told.
  await waitUntil(async () => (await corruptCount()) === 3);
  for (const node of cluster.nodes) {
    await node.kill();
    await node.start();
  }
  await cluster.restartNameNode();
  await cluster.waitFor((health) => health.datanodes.filter(({ state }) => state === 'live').length === 3);
  await waitUntil(() => cluster.health().blocks.missing === 1 && cluster.health().blocks.corrupt === 1);
  await waitUntil(async () => (await corruptCount()) === 3);
  t.true(await isKept(), 'nothing deletes the last copies');
});

for (const [title, damage] of [
  ['missing', (path: string) => rm(path)],
  ['cut short', (path: string) => truncate(path, 60)],
  ['without its last checksum', async (path: string) => truncate(path, (await stat(path)).size - 4)],
] as const) {
  test(`a checksum file that is ${title} after a restart: the replica is not served, and is made anew from a good one (fault 11)`, async (t) => {
    const cluster = await MiniCluster.start(t, { blockSizeBytes: 512 * kilobyte, dataNode: { settings: { scanPeriodMs: 500, scanBytesPerSecond: 1e9 } } });
    const client = cluster.client();
    const bytes = patternBytes(512 * kilobyte);
    await writeFile(client, '/f', bytes);
    const [block] = await blocksOf(client, '/f');
    const node = cluster.node('dn2');
    await node.kill();
    const path = (await node.replicaFile(block!.blockId))!;
    await damage(await metaOf(path));
    await node.start();
    t.true((await readFile(client, '/f')).equals(bytes));
    await waitUntil(async () => {
      const status = node.store.getReplica(block!.blockId);
      return status?.state === 'finalized' && (await node.store.verify(status.block)).outcome === 'intact';
    });
    await cluster.waitFor(isHealthy);
    t.true((await readLocal((await node.replicaFile(block!.blockId))!)).equals(bytes));
  });
}

test('a directory that was copied: its second process is refused while the first is alive, and one directory has one process (fault 40)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 256 * kilobyte });
  const client = cluster.client();
  const bytes = patternBytes(256 * kilobyte);
  await writeFile(client, '/f', bytes);
  const node = cluster.node('dn1');
  await t.throwsAsync(new MiniDataNode(node.directory, () => cluster.nameNodeAddress, {}).start(), { instanceOf: StorageLockedError });
  const copy = join(cluster.directory, 'clone');
  await cp(node.directory, copy, { recursive: true });
  const clone = new MiniDataNode(copy, () => cluster.nameNodeAddress, {});
  t.teardown(() => clone.kill());
  void clone.start();
  await waitUntil(() => clone.isRunning);
  const reason = await clone.dataNode.ended;
  t.true(reason instanceof RegistrationRefusedError);
  t.regex(reason!.message, /its data directory was copied; empty it to make a new node of it/);
  t.is(cluster.health().datanodes.length, 3);
  t.true(cluster.health().datanodes.every(({ state }) => state === 'live'));
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('a node of another cluster is refused, and nothing of what it has is touched (fault 41)', async (t) => {
  const first = await MiniCluster.start(t, { dataNodeCount: 1, replication: 1, minReplication: 1, blockSizeBytes: 256 * kilobyte });
  const second = await MiniCluster.start(t, { dataNodeCount: 1, replication: 1, minReplication: 1 });
  await writeFile(first.client(), '/f', patternBytes(300 * kilobyte));
  const { directory } = first.node('dn1');
  await first.node('dn1').kill();
  const contentOf = async () => {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
    return Promise.all(paths.map(async (path) => `${path} ${(await readLocal(path)).toString('base64')}`));
  };
  const before = await contentOf();
  t.true(before.length >= 5);
  const stranger = new MiniDataNode(directory, () => second.nameNodeAddress, {});
  void stranger.start();
  await waitUntil(() => stranger.isRunning);
  const reason = await stranger.dataNode.ended;
  t.true(reason instanceof ClusterMismatchError);
  await stranger.kill();
  t.deepEqual(await contentOf(), before);
  t.is(second.health().datanodes.length, 1);
  await first.node('dn1').start();
  t.true((await readFile(first.client(), '/f')).equals(patternBytes(300 * kilobyte)));
});

test('a node that comes back with one of its disks emptied: a new storage, the rest of its blocks as before, and what is missing is made anew (fault 42)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 64 * kilobyte, dataNode: { volumeCount: 2 } });
  const client = cluster.client();
  const bytes = patternBytes(16 * 64 * kilobyte);
  await writeFile(client, '/f', bytes);
  const node = cluster.node('dn3');
  const before = (await node.store.readStorages()).map(({ storageId, blockCount }) => ({ storageId, blockCount }));
  t.true(before.every(({ blockCount }) => blockCount > 0));
  await node.kill();
  await rm(node.directories[1]!, { recursive: true });
  await node.start();
  const after = (await node.store.readStorages()).map(({ storageId }) => storageId);
  t.is(after[0], before[0]!.storageId);
  t.not(after[1], before[1]!.storageId);
  await waitUntil(async () => (await node.store.readStorages()).reduce((sum, { blockCount }) => sum + blockCount, 0) === 16);
  await cluster.waitFor(isHealthy);
  t.true((await readFile(client, '/f')).equals(bytes));
  t.is(cluster.health().datanodes.length, 3);
});
