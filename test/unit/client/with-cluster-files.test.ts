import { readFile as readLocalFile } from 'node:fs/promises';
import test from 'ava';
import type { WriteProgress } from '../../../source/client/client-api.js';
import { CancelledError, FileAlreadyExistsError, FileNotFoundError, IsADirectoryError } from '../../../source/protocol/errors.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster } from '../../helpers/mini-cluster.js';

async function blocksOf(client: ReturnType<MiniCluster['client']>, path: string): Promise<{ blockId: number; lengthBytes: number; names: string[] }[]> {
  const blocks = [];
  for await (const { block, locations } of client.blocks(path)) blocks.push({ blockId: block.blockId, lengthBytes: block.lengthBytes, names: locations.map((location) => location.name).sort() });
  return blocks;
}

test('files of every size around a block come back, and each block lies in three data nodes\' folders', async (t) => {
  const blockSizeBytes = 200_000;
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const client = cluster.client();
  for (const lengthBytes of [0, 1, blockSizeBytes - 1, blockSizeBytes, blockSizeBytes + 1, 7 * blockSizeBytes + 12_345]) {
    const bytes = patternBytes(lengthBytes, lengthBytes);
    const path = `/d/f${lengthBytes}`;
    const { status, degraded } = await writeFile(client, path, bytes, { createParents: true });
    t.deepEqual([status.lengthBytes, status.isUnderConstruction, degraded], [lengthBytes, false, []]);
    t.true((await readFile(client, path)).equals(bytes), `${lengthBytes}`);
    const blocks = await blocksOf(client, path);
    t.is(blocks.length, Math.ceil(lengthBytes / blockSizeBytes));
    let offset = 0;
    for (const { blockId, lengthBytes: length } of blocks) {
      const files = await cluster.replicaFiles(blockId);
      t.deepEqual([...files.keys()].sort(), ['dn1', 'dn2', 'dn3']);
      for (const file of files.values()) t.true((await readLocalFile(file)).equals(bytes.subarray(offset, offset + length)), file);
      offset += length;
    }
  }
});

test('a block size of 10000 works for a file of many blocks', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 10_000 });
  const client = cluster.client();
  const bytes = patternBytes(2_003_457);
  await writeFile(client, '/f', bytes);
  t.true((await readFile(client, '/f')).equals(bytes));
  t.is((await blocksOf(client, '/f')).length, 201);
  t.true((await readFile(client, '/f', { startBytes: 1_999_999, lengthBytes: 2 })).equals(bytes.subarray(1_999_999, 2_000_001)));
});

test('the checksum of a file is the one that HDFS 3.4.1 prints', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 1 << 20 });
  const client = cluster.client();
  const bytes = Buffer.alloc(2_500_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 255;
  await writeFile(client, '/f', bytes);
  const checksum = await client.getFileChecksum('/f');
  t.is(checksum.algorithm, 'MD5-of-2048MD5-of-512CRC32C');
  t.is(Buffer.from(checksum.bytes).toString('hex'), '00000200000000000000080087bfc9d46b51549fdf80e9aeb498922e');
  await client.mkdirs('/d');
  await t.throwsAsync(client.getFileChecksum('/d'), { instanceOf: IsADirectoryError });
});

test('a put writes beside the name and appears whole under it', async (t) => {
  const cluster = await MiniCluster.start(t);
  const client = cluster.client();
  const writer = await client.openWriter('/f._COPYING_', { temporary: true });
  await writer.write(Buffer.from('hello'));
  t.is(await client.find('/f'), null);
  const { status } = await writer.close({ renameTo: { path: '/f', overwrite: false }, modificationTimeMs: 1_600_000_000_000 });
  t.is(status.modificationTimeMs, 1_600_000_000_000);
  t.is(await client.find('/f._COPYING_'), null);
  t.is((await readFile(client, '/f')).toString(), 'hello');

  const again = await client.openWriter('/f._COPYING_', { temporary: true });
  await again.write(Buffer.from('other'));
  await t.throwsAsync(again.close({ renameTo: { path: '/f', overwrite: false } }), { instanceOf: FileAlreadyExistsError });
  await again.abort();
  t.is(await client.find('/f._COPYING_'), null);
  t.is((await readFile(client, '/f')).toString(), 'hello');
});

test('an aborted or cancelled write leaves no name, and its blocks go', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 300_000 });
  const client = cluster.client();
  const aborted = await client.openWriter('/aborted');
  await aborted.write(patternBytes(1_000_000));
  await aborted.abort();
  t.is(await client.find('/aborted'), null);

  const controller = new AbortController();
  const cancelled = await client.openWriter('/cancelled', { signal: controller.signal });
  await cancelled.write(patternBytes(1_000_000));
  controller.abort();
  await t.throwsAsync(cancelled.close(), { instanceOf: CancelledError });
  t.is(await client.find('/cancelled'), null);
  await cluster.waitFor((health) => health.blocks.total === 0 && health.blocks.pendingDeletion === 0);
  for (const node of cluster.nodes) await t.notThrowsAsync(waitForNoReplica(node));
});

async function waitForNoReplica(node: { replicaNames(): Promise<string[]> }): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await node.replicaNames()).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`left behind: ${(await node.replicaNames()).join(' ')}`);
}

test('many readers and writers at once', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 100_000 });
  const client = cluster.client();
  const other = cluster.client();
  await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const bytes = patternBytes(1000 + index * 23_456, index);
      await writeFile(index % 2 ? client : other, `/f${index}`, bytes);
      const reads = await Promise.all([readFile(client, `/f${index}`), readFile(other, `/f${index}`)]);
      for (const read of reads) t.true(read.equals(bytes), `/f${index}`);
    }),
  );
  const names: string[] = [];
  for await (const { name } of client.list('/')) names.push(name);
  t.is(names.length, 24);
});

test('progress of a put reaches what is really durable', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 1_000_000 });
  let last: WriteProgress | undefined;
  await writeFile(cluster.client(), '/f', patternBytes(2_500_000), { onProgress: (progress) => (last = { ...progress }) });
  t.like(last, { sentBytes: 2_500_000, acknowledgedBytes: 2_500_000, durableReplicaBytes: 7_500_000, replication: 3, durableReplicaCounts: [3, 3, 3], failures: [] });
});

test('without durable close the bytes arrive all the same', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 1_000_000, isDurableClose: false });
  const client = cluster.client();
  const bytes = patternBytes(2_500_000);
  const { degraded } = await writeFile(client, '/f', bytes);
  t.deepEqual(degraded, []);
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('Node streams read and write', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 300_000 });
  const client = cluster.client();
  const bytes = patternBytes(1_000_001);
  const out = client.createWriteStream('/f');
  const finished = new Promise<void>((resolve, reject) => out.on('finish', resolve).on('error', reject));
  for (let at = 0; at < bytes.length; at += 77_777) if (!out.write(bytes.subarray(at, at + 77_777))) await new Promise((resolve) => out.once('drain', resolve));
  out.end();
  await finished;
  const pieces: Buffer[] = [];
  for await (const piece of client.createReadStream('/f', { startBytes: 5 })) pieces.push(piece as Buffer);
  t.true(Buffer.concat(pieces).equals(bytes.subarray(5)));
});

test('a writer stays the only one, and a deleted file stops its writer', async (t) => {
  const cluster = await MiniCluster.start(t);
  const client = cluster.client();
  const writer = await client.openWriter('/f');
  await writer.write(Buffer.from('mine'));
  await t.throwsAsync(cluster.client().openWriter('/f', { overwrite: true }));
  await cluster.client().delete('/f');
  await t.throwsAsync(writer.close());
  await writer.abort();
  t.is(await client.find('/f'), null);
});

test('the feed tells health and events, and goes on after a restart of the name node', async (t) => {
  const cluster = await MiniCluster.start(t);
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  let healthCount = 0;
  const kinds = new Set<string>();
  const following = (async () => {
    for await (const item of cluster.client().feed({ signal: controller.signal })) {
      if (item.type === 'health') healthCount++;
      else kinds.add(item.event.kind);
    }
  })();
  const until = async (isReached: () => boolean) => {
    while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await until(() => healthCount > 0);
  await cluster.nodes[2]!.kill();
  await until(() => kinds.has('node-dead'));
  await cluster.restartNameNode();
  await until(() => kinds.has('name-node-started'));
  controller.abort();
  await t.notThrowsAsync(following);
});

test('calls survive a restart of the name node, in the middle of a write too', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 200_000 });
  const client = cluster.client();
  const bytes = patternBytes(900_000);
  const writer = await client.openWriter('/f');
  await writer.write(bytes.subarray(0, 500_000));
  await cluster.restartNameNode();
  await writer.write(bytes.subarray(500_000));
  await writer.close();
  t.true((await readFile(client, '/f')).equals(bytes));
  await cluster.restartNameNode();
  t.true(await client.mkdirs('/d'));
});

test('of a file that is being written a reader gets the finished blocks', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 100_000 });
  const bytes = patternBytes(450_000);
  const writer = await cluster.client().openWriter('/f');
  await writer.write(bytes);
  const client = cluster.client();
  while ((await client.stat('/f')).lengthBytes < 300_000) await new Promise((resolve) => setTimeout(resolve, 10));
  const { isUnderConstruction, lengthBytes } = await client.stat('/f');
  t.true(isUnderConstruction);
  const read = await readFile(client, '/f');
  t.true(read.length >= lengthBytes && read.length < bytes.length);
  t.true(read.equals(bytes.subarray(0, read.length)));
  await writer.close();
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('a missing file is said to be missing', async (t) => {
  const cluster = await MiniCluster.start(t);
  await t.throwsAsync(cluster.client().openReader('/none'), { instanceOf: FileNotFoundError });
});
