import { open } from 'node:fs/promises';
import test from 'ava';
import type { DfsClient, WriteProgress } from '../../../source/client/client-api.js';
import { seededRandom } from '../../../source/base/random.js';
import { BlockMissingError, NotEnoughReplicasError } from '../../../source/protocol/errors.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, waitUntil } from '../../helpers/mini-cluster.js';

const megabyte = 1 << 20;

async function firstBlock(client: DfsClient, path: string): Promise<{ blockId: number; names: string[] }> {
  for await (const { block, locations } of client.blocks(path)) return { blockId: block.blockId, names: locations.map((location) => location.name) };
  throw new Error(`${path} has no block`);
}

async function flipByte(file: string, position: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0]! ^= 0x10;
  await handle.write(byte, 0, 1, position);
  await handle.close();
}

/**
 * Writes packet by packet, and kills a node of the pipeline before packet `killAt`, when all before the `unacknowledged` last of them
 * have been acknowledged: so in the middle of a block its pipeline must be recovered, not replaced.
 */
async function writeAndKill(cluster: MiniCluster, client: DfsClient, bytes: Buffer, options: { killAt: number; hop: number; blockSizeBytes: number; unacknowledged: number }): Promise<{ killed: string; degraded: unknown[] }> {
  let progress: WriteProgress | undefined;
  const writer = await client.openWriter('/f', { blockSizeBytes: options.blockSizeBytes, onProgress: (now) => (progress = now) });
  const packetBytes = 512 * 1024;
  let killed = '';
  for (let at = 0, index = 0; at < bytes.length; at += packetBytes, index++) {
    if (index === options.killAt) {
      await waitUntil(() => (progress?.pipeline.length ?? 0) > options.hop && progress!.acknowledgedBytes >= at - options.unacknowledged * packetBytes);
      killed = progress!.pipeline[options.hop]!;
      await cluster.node(killed).kill();
    }
    await writer.write(bytes.subarray(at, at + packetBytes));
  }
  const { degraded } = await writer.close();
  return { killed, degraded };
}

for (const hop of [0, 1, 2]) {
  test(`node ${hop + 1} of the pipeline dies in the middle of a block: the write succeeds, and the file ends with three replicas (fault 1)`, async (t) => {
    const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 8 * megabyte });
    const client = cluster.client();
    const bytes = patternBytes(12 * megabyte + 333, hop);
    const { killed } = await writeAndKill(cluster, client, bytes, { killAt: 9, hop, blockSizeBytes: 8 * megabyte, unacknowledged: hop });
    t.true((await readFile(client, '/f')).equals(bytes));
    await cluster.waitFor((health) => health.datanodes.find((node) => node.name === killed)?.state === 'dead' && health.blocks.underReplicated === 0 && health.repair.totalBlocks === 0);
    for await (const { block, offsetBytes } of client.blocks('/f')) {
      const files = await cluster.replicaFiles(block.blockId);
      files.delete(killed);
      t.is(files.size, 3, `block at ${offsetBytes} on ${[...files.keys()].join(' ')}`);
    }
  });
}

test('nodes die at random packets, again and again, and come back: every file is whole (fault 1)', async (t) => {
  const random = seededRandom(20_261_122);
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 2 * megabyte });
  const client = cluster.client();
  for (let round = 0; round < 12; round++) {
    const bytes = patternBytes(megabyte + random.integer(5 * megabyte), round);
    const { killed, degraded } = await writeAndKill(cluster, client, bytes, { killAt: random.integer(Math.ceil(bytes.length / (512 * 1024) - 1)) + 1, hop: random.integer(3), blockSizeBytes: 2 * megabyte, unacknowledged: random.integer(4) });
    t.true((await readFile(client, '/f')).equals(bytes), `round ${round}, ${killed} killed, degraded ${JSON.stringify(degraded)}`);
    await cluster.node(killed).start();
    await client.delete('/f');
    await cluster.waitFor((health) => health.datanodes.every((node) => node.state === 'live'));
  }
});

test('two of four nodes die during one put: it succeeds with the replicas that must be durable', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 16 * megabyte });
  const client = cluster.client();
  const bytes = patternBytes(10 * megabyte);
  let progress: WriteProgress | undefined;
  const writer = await client.openWriter('/f', { onProgress: (now) => (progress = now) });
  const writeMegabyte = (index: number) => writer.write(bytes.subarray(index * megabyte, (index + 1) * megabyte));
  for (let index = 0; index < 10; index++) {
    if (index === 3 || index === 6) {
      await waitUntil(() => (progress?.acknowledgedBytes ?? 0) >= (index - 1) * megabyte);
      await cluster.node(progress!.pipeline[0]!).kill();
    }
    await writeMegabyte(index);
  }
  await writer.close();
  t.true(progress!.durableReplicaCounts[0]! >= 2);
  t.is(progress!.failures.length, 2);
  t.true((await readFile(client, '/f')).equals(bytes));
  const { blockId } = await firstBlock(client, '/f');
  t.true((await cluster.replicaFiles(blockId)).size >= 2);
});

test('a put begins while a node of its first pipeline is dead and nobody knows it yet (fault 27)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4 });
  const client = cluster.client();
  await writeFile(client, '/before', patternBytes(1000));
  await cluster.nodes[1]!.kill();
  for (let index = 0; index < 12; index++) {
    const bytes = patternBytes(index % 2 ? 300_000 + index : 1000 + index);
    const { degraded } = await writeFile(client, `/f${index}`, bytes);
    t.deepEqual(degraded, []);
    t.true((await readFile(client, `/f${index}`)).equals(bytes));
  }
  // A small block was finalized on the nodes before the dead one, and then given up: nothing of it stays.
  await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.blocks.pendingDeletion === 0 && health.datanodes.some((node) => node.state === 'dead'));
  const live = [0, 2, 3].map((index) => cluster.nodes[index]!);
  await waitUntil(async () => (await Promise.all(live.map((node) => node.replicaNames()))).flat().length === 13 * 3);
});

test('a node that was restarted is used again over new connections', async (t) => {
  const cluster = await MiniCluster.start(t);
  const client = cluster.client();
  await writeFile(client, '/before', patternBytes(1000));
  for (const node of cluster.nodes) {
    await node.kill();
    await node.start();
  }
  await cluster.waitFor((health) => health.datanodes.every((node) => node.state === 'live'));
  const { degraded } = await writeFile(client, '/f', patternBytes(5000));
  t.deepEqual(degraded, []);
  t.is((await readFile(client, '/before')).length, 1000);
});

test('a flipped byte in one replica: the reader gets the right bytes, and the copy is replaced (fault 12)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 4 * megabyte });
  const client = cluster.client();
  const bytes = patternBytes(3 * megabyte);
  await writeFile(client, '/f', bytes);
  const { blockId } = await firstBlock(client, '/f');
  const files = await cluster.replicaFiles(blockId);
  const rotten = files.get('dn2')!;
  await flipByte(rotten, 1_500_000);
  // The order of replicas is random: read until the rotten one came first.
  let isSeen = false;
  await waitUntil(async () => {
    t.true((await readFile(client, '/f')).equals(bytes));
    isSeen ||= cluster.health().blocks.corrupt > 0 || !(await client.blocks('/f', {})[Symbol.asyncIterator]().next()).value.locations.some((location: { name: string }) => location.name === 'dn2');
    return isSeen;
  });
  await waitUntil(async () => {
    const file = (await cluster.replicaFiles(blockId)).get('dn2');
    if (!file) return false;
    const handle = await open(file);
    const copy = await handle.readFile();
    await handle.close();
    return copy.equals(bytes);
  });
  await cluster.waitFor((health) => health.blocks.corrupt === 0 && health.blocks.underReplicated === 0);
});

test('a node dies in the middle of a read: the rest comes from another one (faults 27, 33)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 64 * megabyte });
  const client = cluster.client();
  const bytes = patternBytes(24 * megabyte);
  await writeFile(client, '/f', bytes);
  const nodes: (string | undefined)[] = [];
  const reader = await client.openReader('/f', { onProgress: ({ datanode }) => nodes.push(datanode) });
  const pieces: Buffer[] = [];
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    pieces.push(Buffer.from(piece.bytes));
    piece.release();
    if (pieces.length === 3) await cluster.node(nodes[0]!).kill();
  }
  t.true(Buffer.concat(pieces).equals(bytes));
  t.true(new Set(nodes).size >= 2, [...new Set(nodes)].join(' '));
});

test('two of four nodes are gone: every file still reads; three gone: the error names the block', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 100_000 });
  const client = cluster.client();
  const bytes = patternBytes(1_000_000);
  await writeFile(client, '/f', bytes);
  await cluster.nodes[0]!.kill();
  await cluster.nodes[3]!.kill();
  t.true((await readFile(client, '/f')).equals(bytes));
  await cluster.nodes[1]!.kill();
  await cluster.nodes[2]!.kill();
  const { blockId } = await firstBlock(client, '/f');
  const error = await t.throwsAsync<InstanceType<typeof BlockMissingError>>(readFile(client, '/f'), { instanceOf: BlockMissingError });
  t.is(error!.blockId, blockId);
  t.true(error!.details.length > 0);
});

test('right after a start of the name node a write waits for the data nodes that are expected back', async (t) => {
  const cluster = await MiniCluster.start(t, { deadNodeTimeoutMs: 60_000 });
  const [first, second] = cluster.nodes;
  await Promise.all([first!.kill(), second!.kill()]);
  await cluster.restartNameNode();
  const writing = writeFile(cluster.client({ retryTimeoutMs: 60_000 }), '/f', patternBytes(1000));
  await waitUntil(() => cluster.health().datanodes.filter((node) => node.state === 'live').length > 0);
  await second!.start();
  const { status } = await writing;
  t.is(status.lengthBytes, 1000);
});

test('a write that waits for data nodes ends with a line a node when those are dead', async (t) => {
  const cluster = await MiniCluster.start(t);
  await Promise.all(cluster.nodes.slice(0, 2).map((node) => node.kill()));
  await cluster.restartNameNode();
  const error = await t.throwsAsync<InstanceType<typeof NotEnoughReplicasError>>(writeFile(cluster.client(), '/g', patternBytes(1000)), { instanceOf: NotEnoughReplicasError });
  t.regex(error!.message, /could only be written to 1 of the 2 minReplication nodes/);
});

test('all data nodes restart at once while a write is under way: it ends well or with a clear error, and never with wrong bytes', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 2 * megabyte });
  const client = cluster.client({ retryTimeoutMs: 5000 });
  const bytes = patternBytes(5 * megabyte);
  const writer = await client.openWriter('/f');
  await writer.write(bytes.subarray(0, 3 * megabyte));
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await Promise.all(cluster.nodes.map((node) => node.start()));
  try {
    await writer.write(bytes.subarray(3 * megabyte));
    await writer.close();
    t.true((await readFile(client, '/f')).equals(bytes));
  } catch {
    await writer.abort();
    t.is(await client.find('/f'), null);
  }
});
