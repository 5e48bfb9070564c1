import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { ReadProgress } from '../../../source/client/client-api.js';
import { BlockMissingError, CancelledError, FileNotFoundError, InvalidArgumentError } from '../../../source/protocol/errors.js';
import { FakeCluster, patternBytes, readFile } from '../../helpers/fake-cluster.js';

function clusterWithFile(lengthBytes: number, options: { blockSizeBytes?: number; nodeCount?: number; clock?: ManualClock } = {}): { cluster: FakeCluster; bytes: Buffer } {
  const cluster = new FakeCluster(options.nodeCount ?? 3, options.clock);
  cluster.blockSizeBytes = options.blockSizeBytes ?? 1 << 20;
  const bytes = patternBytes(lengthBytes);
  cluster.addFile('/f', bytes);
  return { cluster, bytes };
}

function reads(cluster: FakeCluster): string[] {
  return cluster.requests.flatMap((request) => (request.type === 'read' ? [request.address] : []));
}

for (const [lengthBytes, blockSizeBytes] of [
  [0, 1000],
  [1, 1000],
  [999, 1000],
  [1000, 1000],
  [1001, 1000],
  [25_000, 1000],
  [3_000_000, 1_000_000],
  [500_000, 1 << 20],
] as const) {
  test(`${lengthBytes} bytes in blocks of ${blockSizeBytes} are read whole`, async (t) => {
    const { cluster, bytes } = clusterWithFile(lengthBytes, { blockSizeBytes });
    t.true((await readFile(cluster.client(), '/f')).equals(bytes));
  });
}

test('a range gives exactly its bytes, wherever chunks and blocks begin', async (t) => {
  const { cluster, bytes } = clusterWithFile(300_000, { blockSizeBytes: 100_000 });
  const client = cluster.client();
  for (const [startBytes, lengthBytes] of [
    [0, 1],
    [4095, 2],
    [4096, 4096],
    [99_999, 2],
    [50_000, 200_000],
    [299_999, 1],
    [299_990, 1000],
    [123, undefined],
    [300_000, 5],
    [1_000_000, 5],
    [7, 0],
  ] as const) {
    const got = await readFile(client, '/f', { startBytes, lengthBytes });
    t.true(got.equals(bytes.subarray(startBytes, startBytes + (lengthBytes ?? bytes.length))), `${startBytes}+${lengthBytes}`);
  }
});

test('a range that is no range is refused', async (t) => {
  const { cluster } = clusterWithFile(10);
  for (const options of [{ startBytes: -1 }, { startBytes: 0.5 }, { lengthBytes: -1 }, { lengthBytes: NaN }]) {
    await t.throwsAsync(cluster.client().openReader('/f', options), { instanceOf: InvalidArgumentError });
  }
});

test('blocks come page by page, and only those of the range', async (t) => {
  const { cluster, bytes } = clusterWithFile(25_000, { blockSizeBytes: 1000 });
  cluster.pageBlocks = 4;
  const client = cluster.client();
  t.true((await readFile(client, '/f')).equals(bytes));
  t.is(cluster.methods().filter((method) => method === 'fs.getBlockLocations').length, 7);
  cluster.calls.length = 0;
  t.true((await readFile(client, '/f', { startBytes: 9500, lengthBytes: 1000 })).equals(bytes.subarray(9500, 10_500)));
  t.is(cluster.methods().filter((method) => method === 'fs.getBlockLocations').length, 1);
});

test('a dead node is passed over, and not tried first for the blocks after it', async (t) => {
  const { cluster, bytes } = clusterWithFile(400_000, { blockSizeBytes: 100_000 });
  cluster.nodes[0]!.isDown = true;
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
  t.true(reads(cluster).every((address) => address === 'fake:2'));
});

for (const offset of [0, 65_536, 131_072, 458_752]) {
  test(`a node that dies at byte ${offset} of a block: another one goes on at that byte (fault 33)`, async (t) => {
    const { cluster, bytes } = clusterWithFile(500_000);
    cluster.nodes[0]!.onReadPacket = (_, at) => at === offset;
    t.true((await readFile(cluster.client(), '/f')).equals(bytes));
    const [, second] = cluster.requests;
    t.is(second!.address, 'fake:2');
    t.is((second!.body as { offsetBytes: number }).offsetBytes, offset);
  });
}

test('bytes that do not match their checksum never reach the reader: another replica, and the copy is reported (fault 35)', async (t) => {
  const { cluster, bytes } = clusterWithFile(500_000);
  const blockId = cluster.files.get('/f')!.blocks[0]!.block.blockId;
  // The checksums were computed before: what is flipped is flipped on the way.
  cluster.nodes[0]!.onReadPacket = (data, at) => {
    if (at === 131_072) setImmediate(() => {});
    if (at === 131_072) data[7]! ^= 1;
  };
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
  const report = cluster.calls.find((call) => call.method === 'block.reportBadReplicas');
  t.like(report?.params, { replicas: [{ datanodeUuid: 'uuid-1', storageId: 'storage-1', block: { blockId } }] });
});

test('a replica that is too short is no end of the file', async (t) => {
  const { cluster, bytes } = clusterWithFile(500_000);
  const blockId = cluster.files.get('/f')!.blocks[0]!.block.blockId;
  const replica = cluster.nodes[0]!.replicas.get(blockId)!;
  replica.bytes = replica.bytes.subarray(0, 200_000);
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
});

test('a replica of another generation is refused by its node and passed over (faults 17, 32)', async (t) => {
  const { cluster, bytes } = clusterWithFile(5000);
  for (const replica of cluster.nodes[0]!.replicas.values()) replica.generationStamp--;
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
});

test('all replicas failed at first: asked again, the name node tells of one that came back', async (t) => {
  const { cluster, bytes } = clusterWithFile(5000);
  for (const node of cluster.nodes) node.isDown = true;
  cluster.onCall = (call) => {
    if (call.method === 'fs.getBlockLocations' && cluster.methods().filter((method) => method === 'fs.getBlockLocations').length === 3) cluster.nodes[2]!.isDown = false;
  };
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
});

test('no replica can be read: BlockMissingError names the block, the file, and each node with its reason', async (t) => {
  const clock = new ManualClock();
  const { cluster } = clusterWithFile(2500, { blockSizeBytes: 1000, clock });
  const block = cluster.files.get('/f')!.blocks[1]!.block;
  for (const node of cluster.nodes) node.replicas.delete(block.blockId);
  cluster.nodes[1]!.isDown = true;
  const reading = readFile(cluster.client(), '/f');
  let isDone = false;
  reading.catch(() => (isDone = true));
  while (!isDone) {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  const error = await t.throwsAsync<InstanceType<typeof BlockMissingError>>(reading, { instanceOf: BlockMissingError });
  t.is(error!.message, `Could not obtain block: blk_${block.blockId}_${block.generationStamp} file=/f (block 1 of the file)`);
  t.is(error!.blockId, block.blockId);
  t.deepEqual([...error!.details].sort(), ['dn1: no such replica', 'dn2: fake:2 refused the connection', 'dn3: no such replica']);
});

test('a node that is stopped, not dead, is passed over after its limit', async (t) => {
  const clock = new ManualClock();
  const { cluster, bytes } = clusterWithFile(500_000, { clock });
  cluster.nodes[0]!.onReadPacket = (_, at) => (at === 131_072 ? 'silent' : undefined);
  const reading = readFile(cluster.client(), '/f');
  let isDone = false;
  void reading.then(() => (isDone = true));
  while (!isDone) {
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  t.true((await reading).equals(bytes));
  t.true(clock.monotonicMs() <= 8000, `${clock.monotonicMs()} ms`);
});

test('a file that is replaced between two pages fails, and is never mixed', async (t) => {
  const { cluster } = clusterWithFile(10_000, { blockSizeBytes: 1000 });
  cluster.pageBlocks = 2;
  const reader = await cluster.client().openReader('/f');
  (await reader.read())!.release();
  cluster.files.delete('/f');
  cluster.addFile('/f', patternBytes(10_000, 2));
  await t.throwsAsync(
    (async () => {
      while (await reader.read());
    })(),
    { instanceOf: FileNotFoundError, message: '/f was replaced while it was being read' },
  );
});

test('progress counts the bytes of the range and names the node', async (t) => {
  const { cluster } = clusterWithFile(300_000, { blockSizeBytes: 100_000 });
  const seen: ReadProgress[] = [];
  await readFile(cluster.client(), '/f', { startBytes: 100, onProgress: (progress) => seen.push(progress) });
  t.deepEqual(seen.at(-1), { readBytes: 299_900, totalBytes: 299_900, datanode: 'dn1' });
});

test('a progress callback that throws ends the reader with its error, and no connection stays at work', async (t) => {
  const { cluster } = clusterWithFile(300_000, { blockSizeBytes: 100_000 });
  const reader = await cluster.client().openReader('/f', {
    onProgress: () => {
      throw new Error('no more');
    },
  });
  await t.throwsAsync(reader.read(), { message: 'no more' });
  await t.throwsAsync(reader.read(), { instanceOf: InvalidArgumentError });
  while (cluster.openChannels > 0) await new Promise((resolve) => setImmediate(resolve));
  t.pass();
});

test('a signal stops a read that waits', async (t) => {
  const { cluster } = clusterWithFile(500_000);
  cluster.nodes[0]!.onReadPacket = () => 'silent';
  const controller = new AbortController();
  const reading = readFile(cluster.client(), '/f', { signal: controller.signal });
  while (cluster.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  await t.throwsAsync(reading, { instanceOf: CancelledError });
});

test('closing a reader in the middle leaves no connection at work, and the pool is not poisoned', async (t) => {
  const { cluster, bytes } = clusterWithFile(500_000, { blockSizeBytes: 100_000 });
  const client = cluster.client();
  const reader = await client.openReader('/f');
  (await reader.read())!.release();
  reader.close();
  reader.close();
  await t.throwsAsync(reader.read(), { instanceOf: InvalidArgumentError });
  t.true((await readFile(client, '/f')).equals(bytes));
  await client.close();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.is(cluster.openChannels, 0);
});

test('connections are used again from block to block', async (t) => {
  const { cluster, bytes } = clusterWithFile(60_000, { blockSizeBytes: 1000 });
  t.true((await readFile(cluster.client(), '/f')).equals(bytes));
  t.is(reads(cluster).length, 60);
  t.true(cluster.openChannels <= 9, `${cluster.openChannels} connections`);
});

test('a Node stream gives the bytes, and its destruction closes the reader', async (t) => {
  const { cluster, bytes } = clusterWithFile(500_000, { blockSizeBytes: 100_000 });
  const client = cluster.client();
  const pieces: Buffer[] = [];
  for await (const piece of client.createReadStream('/f', { startBytes: 10 })) pieces.push(piece as Buffer);
  t.true(Buffer.concat(pieces).equals(bytes.subarray(10)));
  for await (const piece of client.createReadStream('/f')) {
    t.true((piece as Buffer).length > 0);
    break;
  }
  await t.throwsAsync(async () => {
    for await (const piece of client.createReadStream('/none')) t.fail(String(piece));
  }, { instanceOf: FileNotFoundError });
});

test('a Node stream writes durably before it finishes, and leaves nothing when it is destroyed', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const bytes = patternBytes(700_000);
  const stream = client.createWriteStream('/f');
  for (let at = 0; at < bytes.length; at += 100_000) stream.write(bytes.subarray(at, at + 100_000));
  await new Promise<void>((resolve, reject) => stream.on('error', reject).end(resolve));
  t.false(cluster.files.get('/f')!.status.isUnderConstruction);
  t.true(cluster.contentOn('/f', cluster.nodes[1]!).equals(bytes));

  const other = client.createWriteStream('/g');
  other.write(bytes);
  await new Promise<void>((resolve) => {
    other.on('error', () => {}).on('close', resolve);
    other.once('drain', () => other.destroy(new Error('changed my mind')));
  });
  t.false(cluster.files.has('/g'));
});
