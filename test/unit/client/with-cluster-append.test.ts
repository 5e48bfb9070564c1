import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import type { DfsClient, FileWriter, WriteProgress } from '../../../source/client/client-api.js';
import { AlreadyBeingCreatedError, FileNotFoundError } from '../../../source/protocol/errors.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, waitUntil } from '../../helpers/mini-cluster.js';
import { brokenReplicas } from '../../helpers/replicas-on-disk.js';

const blockSizeBytes = 300_000;
const chunkBytes = 65_536;

async function append(client: DfsClient, path: string, bytes: Buffer, onProgress?: (progress: WriteProgress) => void): Promise<void> {
  const writer = await client.openAppender(path, { onProgress });
  await writer.write(bytes);
  await writer.close();
}

for (const [title, lengthBytes] of [
  ['an empty file', 0],
  ['a block of a few bytes', 10],
  ['a chunk that is full', chunkBytes],
  ['a chunk and a part of one', chunkBytes + 1000],
  ['a block that is full', blockSizeBytes],
  ['two blocks and a part of one', 2 * blockSizeBytes + 12_345],
] as const) {
  test(`append goes on behind ${title}, and every replica holds the file's bytes with their checksums`, async (t) => {
    const cluster = await MiniCluster.start(t, { blockSizeBytes });
    const client = cluster.client();
    const bytes = patternBytes(lengthBytes + 700_000);
    await writeFile(client, '/f', bytes.subarray(0, lengthBytes));
    let at = lengthBytes;
    for (const step of [1, 100, 64_000, 0, 300_000, 7]) {
      let last: WriteProgress | undefined;
      await append(client, '/f', bytes.subarray(at, at + step), (progress) => (last = { ...progress }));
      at += step;
      t.is((await client.stat('/f')).lengthBytes, at);
      if (step > 0) t.is(last!.acknowledgedBytes, at);
      t.true((await readFile(client, '/f')).equals(bytes.subarray(0, at)), `after ${step} more bytes`);
    }
    t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: bytes.subarray(0, at), replicaCount: 3 }), []);
    await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.blocks.corrupt === 0);
  });
}

test('append is refused where there is nothing, and while somebody writes', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const [client, other] = [cluster.client(), cluster.client()];
  await t.throwsAsync(client.openAppender('/none'), { instanceOf: FileNotFoundError });
  await writeFile(client, '/f', patternBytes(100));
  const writer = await client.openAppender('/f');
  await t.throwsAsync(other.openAppender('/f'), { instanceOf: AlreadyBeingCreatedError });
  await t.throwsAsync(client.openAppender('/f'), { instanceOf: AlreadyBeingCreatedError });
  await writer.write(patternBytes(10));
  await writer.close();
  t.is((await other.stat('/f')).lengthBytes, 110);
});

test('an append that is given up leaves the file closed, with all that it had (fault 4)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const client = cluster.client();
  const bytes = patternBytes(500_000);
  await writeFile(client, '/f', bytes.subarray(0, 100_000));
  const writer = await client.openAppender('/f');
  await writer.write(bytes.subarray(100_000, 150_000));
  await writer.hflush();
  await writer.write(bytes.subarray(150_000, 160_000));
  await writer.abort();
  await waitUntil(async () => !(await client.stat('/f')).isUnderConstruction);
  const { lengthBytes } = await client.stat('/f');
  t.true(lengthBytes >= 150_000 && lengthBytes <= 160_000, `${lengthBytes}`);
  t.true((await readFile(client, '/f')).equals(bytes.subarray(0, lengthBytes)));
  await append(client, '/f', bytes.subarray(lengthBytes));
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('a file that is opened for append and not written keeps its block as it was', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const client = cluster.client();
  const bytes = patternBytes(1000);
  await writeFile(client, '/f', bytes);
  await (await client.openAppender('/f')).close();
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes, replicaCount: 3 }), []);
  await (await client.openAppender('/f')).abort();
  await waitUntil(async () => !(await client.stat('/f')).isUnderConstruction);
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('nodes die between and during appends, and come back with what they had: the file is never anything but what was written (faults 1, 37)', async (t) => {
  const random = seededRandom(20_261_123);
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes });
  const client = cluster.client();
  const bytes = patternBytes(4_000_000);
  await writeFile(client, '/f', bytes.subarray(0, 50_000));
  let at = 50_000;
  for (let round = 0; round < 10; round++) {
    const victim = cluster.nodes[random.integer(4)]!;
    const isDuring = random.integer(2) === 1;
    if (!isDuring) await victim.kill();
    const writer = await client.openAppender('/f');
    for (let piece = 0; piece < 4; piece++) {
      const end = at + 1 + random.integer(90_000);
      await writer.write(bytes.subarray(at, end));
      at = end;
      if (random.integer(2)) await writer.hflush();
      if (isDuring && piece === 1) await victim.kill();
    }
    await writer.close();
    t.true((await readFile(client, '/f')).equals(bytes.subarray(0, at)), `round ${round}`);
    await victim.start();
    await cluster.waitFor((health) => health.datanodes.every((node) => node.state === 'live'));
  }
  await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.blocks.corrupt === 0 && health.repair.totalBlocks === 0);
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: bytes.subarray(0, at), replicaCount: 3 }), []);
});

test('a reader beside an append sees a beginning of what was written, and never less than before', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const [client, other] = [cluster.client(), cluster.client()];
  const bytes = patternBytes(1_500_000);
  await writeFile(client, '/f', bytes.subarray(0, 1000));
  const open = await other.openReader('/f');
  let isOver = false;
  let seen = 0;
  let reads = 0;
  const reading = (async () => {
    while (!isOver) {
      const found = await readFile(other, '/f');
      t.true(found.equals(bytes.subarray(0, found.length)));
      t.true(found.length >= seen, `${found.length} bytes after ${seen}`);
      seen = found.length;
      reads++;
    }
  })();
  const writer = await client.openAppender('/f');
  const random = seededRandom(5);
  for (let at = 1000; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.integer(60_000));
    await writer.write(bytes.subarray(at, end));
    at = end;
    await writer.hflush();
    if (at % 3 === 0) t.true((await readFile(client, '/f')).length >= at, 'what was flushed is seen');
  }
  await writer.close();
  isOver = true;
  await reading;
  t.true(reads > 3, `${reads} reads`);
  const early: Buffer[] = [];
  for (let piece = await open.read(); piece; piece = await open.read()) {
    early.push(Buffer.from(piece.bytes));
    piece.release();
  }
  t.true(Buffer.concat(early).equals(bytes.subarray(0, 1000)), 'a reader that opened the file before goes on');
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('the name node restarts while a file is written: readers see what was flushed, and the writer goes on (fault 2)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes, isLmdb: true });
  const [client, other] = [cluster.client(), cluster.client()];
  const bytes = patternBytes(500_000);
  const writer = await client.openWriter('/f');
  let at = 0;
  for (const end of [70_000, 150_000, 400_000]) {
    await writer.write(bytes.subarray(at, end));
    await writer.hflush();
    at = end;
    await cluster.restartNameNode();
    await cluster.waitFor((health) => !health.safeMode.isOn && health.datanodes.filter((node) => node.state === 'live').length === 4);
    t.true((await readFile(other, '/f')).equals(bytes.subarray(0, at)), `${at} bytes`);
    const part = await readFile(other, '/f', { startBytes: at - 1000 });
    t.true(part.equals(bytes.subarray(at - 1000, at)));
  }
  await writer.write(bytes.subarray(at));
  await writer.close();
  t.true((await readFile(other, '/f')).equals(bytes));
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes, replicaCount: 3 }), []);
});

test('a pipeline breaks while a file is read: what was seen stays', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes: 4_000_000 });
  const [client, other] = [cluster.client(), cluster.client()];
  const bytes = patternBytes(3_000_000);
  let progress: WriteProgress | undefined;
  const writer = await client.openWriter('/f', { onProgress: (now) => (progress = now) });
  let seen = 0;
  for (let at = 0, step = 0; at < bytes.length; at += 100_000, step++) {
    await writer.write(bytes.subarray(at, at + 100_000));
    await writer.hflush();
    if (step === 9 || step === 19) await cluster.node(progress!.pipeline[step === 9 ? 0 : 1]!).kill();
    const found = await readFile(other, '/f');
    t.true(found.length >= seen, `${found.length} after ${seen}`);
    t.true(found.equals(bytes.subarray(0, found.length)));
    seen = found.length;
  }
  await writer.close();
  t.true((await readFile(other, '/f')).equals(bytes));
});

for (const [title, end] of [
  ['its writer is given up', async ({ writer }) => writer.abort()],
  ['its client is closed', async ({ client }) => client.close()],
  [
    'no data node is left to go on with',
    async ({ cluster, writer }) => {
      for (const node of cluster.nodes) await node.kill();
      await writer.write(patternBytes(100_000)).catch(() => {});
      await writer.close().catch(() => {});
      await writer.abort();
      for (const node of cluster.nodes) await node.start();
    },
  ],
] as [string, (parts: { cluster: MiniCluster; client: DfsClient; writer: FileWriter }) => Promise<void>][]) {
  for (const flush of ['hflush', 'hsync'] as const) {
    test(`what a new file has behind its last ${flush} stays when ${title}: the file is closed, not deleted`, async (t) => {
      const cluster = await MiniCluster.start(t, { blockSizeBytes });
      const [client, other] = [cluster.client(), cluster.client()];
      const bytes = patternBytes(500_000);
      const writer = await client.openWriter('/f');
      await writer.write(bytes);
      await writer[flush]();
      await end({ cluster, client, writer });
      await waitUntil(async () => (await other.find('/f'))?.isUnderConstruction === false);
      const found = await readFile(other, '/f');
      t.true(found.subarray(0, bytes.length).equals(bytes));
    });
  }
}

test('a temporary file goes when its writer is given up, flushed or not', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const client = cluster.client();
  const writer = await client.openWriter('/f._COPYING_', { temporary: true });
  await writer.write(patternBytes(1000));
  await writer.hflush();
  await writer.abort();
  t.is(await client.find('/f._COPYING_'), null);
});
