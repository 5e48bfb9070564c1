import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import type { DfsClient } from '../../../source/client/client-api.js';
import { LeaseExpiredError } from '../../../source/protocol/errors.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, waitUntil } from '../../helpers/mini-cluster.js';
import { brokenReplicas } from '../../helpers/replicas-on-disk.js';

const blockSizeBytes = 300_000;
/** A lease ends by itself after this, so that the tests see it. */
const hardLeaseLimitMs = 1500;

async function waitUntilClosed(client: DfsClient, path: string): Promise<number> {
  await waitUntil(async () => !(await client.stat(path)).isUnderConstruction);
  return (await client.stat(path)).lengthBytes;
}

test('a writer whose file was deleted meanwhile is told so by its path', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes });
  const [client, other] = [cluster.client(), cluster.client()];
  const writer = await client.openWriter('/f');
  await writer.write(patternBytes(1000));
  await writer.hflush();
  await other.delete('/f');
  await writer.write(patternBytes(1000));
  await t.throwsAsync(writer.close(), { instanceOf: LeaseExpiredError, message: /^File (does not exist|is deleted): \/f \(inode \d+\) Holder / });
});

for (const [title, flushedBytes, restBytes] of [
  ['a few bytes', 10, 0],
  ['inside the first block', 100_000, 50_000],
  ['at the end of a block', blockSizeBytes, 1000],
  ['inside the third block', 2 * blockSizeBytes + 70_000, 500],
] as const) {
  test(`a writer dies after a flush (${title}): its file is closed with at least what was flushed, a beginning of what was written (fault 4)`, async (t) => {
    const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 500, hardLeaseLimitMs });
    const { client: mortal, die } = cluster.mortalClient();
    const client = cluster.client();
    const bytes = patternBytes(flushedBytes + restBytes);
    const writer = await mortal.openWriter('/f');
    await writer.write(bytes.subarray(0, flushedBytes));
    await writer.hflush();
    t.true((await readFile(client, '/f')).equals(bytes.subarray(0, flushedBytes)), 'what was flushed is seen before');
    await writer.write(bytes.subarray(flushedBytes));
    die();
    const lengthBytes = await waitUntilClosed(client, '/f');
    t.true(lengthBytes >= flushedBytes && lengthBytes <= bytes.length, `${lengthBytes} bytes`);
    t.true((await readFile(client, '/f')).equals(bytes.subarray(0, lengthBytes)));
    await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.repair.totalBlocks === 0);
    t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: bytes.subarray(0, lengthBytes), replicaCount: 3 }), []);
  });
}

test('a writer that dies before any byte leaves an empty file that is closed', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 500, hardLeaseLimitMs });
  const { client: mortal, die } = cluster.mortalClient();
  const client = cluster.client();
  await mortal.openWriter('/f');
  die();
  t.is(await waitUntilClosed(client, '/f'), 0);
  const bytes = patternBytes(1000);
  const writer = await client.openAppender('/f');
  await writer.write(bytes);
  await writer.close();
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('a data node dies with the writer: the file is recovered from the others, and the node that returns has no say any more (faults 4, 37)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 500, hardLeaseLimitMs });
  const { client: mortal, die } = cluster.mortalClient();
  const client = cluster.client();
  const bytes = patternBytes(120_000);
  const writer = await mortal.openWriter('/f');
  await writer.write(bytes.subarray(0, 100_000));
  await writer.hflush();
  await cluster.nodes[1]!.kill();
  die();
  const lengthBytes = await waitUntilClosed(client, '/f');
  t.is(lengthBytes, 100_000);
  await cluster.nodes[1]!.start();
  await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.repair.totalBlocks === 0 && health.blocks.corrupt === 0);
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: bytes.subarray(0, lengthBytes), replicaCount: 3 }), []);
});

test('all data nodes and the writer die at once: what was flushed is there when the nodes are back (fault 4)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 500, hardLeaseLimitMs });
  const { client: mortal, die } = cluster.mortalClient();
  const client = cluster.client();
  const bytes = patternBytes(400_000);
  const writer = await mortal.openWriter('/f');
  await writer.write(bytes.subarray(0, 333_333));
  await writer.hflush();
  await writer.write(bytes.subarray(333_333));
  die();
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await Promise.all(cluster.nodes.map((node) => node.start()));
  const lengthBytes = await waitUntilClosed(client, '/f');
  t.true(lengthBytes >= 333_333, `${lengthBytes}`);
  t.true((await readFile(client, '/f')).equals(bytes.subarray(0, lengthBytes)));
});

test('the writer of an append dies: the file is closed with all that was closed before, and what was flushed', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 500, hardLeaseLimitMs });
  const client = cluster.client();
  const bytes = patternBytes(200_000);
  await writeFile(client, '/f', bytes.subarray(0, 90_000));
  for (const flushed of [90_000, 100_001]) {
    const { client: mortal, die } = cluster.mortalClient();
    const before = (await client.stat('/f')).lengthBytes;
    const writer = await mortal.openAppender('/f');
    if (flushed > before) {
      await writer.write(bytes.subarray(before, flushed));
      await writer.hflush();
    }
    die();
    t.true((await waitUntilClosed(client, '/f')) >= flushed);
  }
  const { lengthBytes } = await client.stat('/f');
  t.true((await readFile(client, '/f')).equals(bytes.subarray(0, lengthBytes)));
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: bytes.subarray(0, lengthBytes), replicaCount: 3 }), []);
});

test('a second writer takes over after the soft limit, by waiting: append and create (fault 45)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 300, hardLeaseLimitMs: 60_000 });
  const client = cluster.client();
  const bytes = patternBytes(100_000);
  const { client: mortal, die } = cluster.mortalClient();
  const writer = await mortal.openWriter('/f');
  await writer.write(bytes.subarray(0, 50_000));
  await writer.hflush();
  die();
  let next: Awaited<ReturnType<DfsClient['openAppender']>> | undefined;
  await waitUntil(async () => (next = await client.openAppender('/f').catch(() => undefined)) !== undefined);
  await next!.write(bytes.subarray(50_000));
  await next!.close();
  t.true((await readFile(client, '/f')).equals(bytes));
});

test('a writer whose lease was taken lives on: no byte of it gets in, at no node, and it is told so (fault 45)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes, softLeaseLimitMs: 60_000, hardLeaseLimitMs: 60_000 });
  const [stale, client] = [cluster.client(), cluster.client()];
  const bytes = patternBytes(250_000);
  const other = patternBytes(250_000, 9);
  const writer = await stale.openWriter('/f');
  await writer.write(bytes.subarray(0, 100_000));
  await writer.hflush();
  await waitUntil(() => client.recoverLease('/f'));
  const { lengthBytes } = await client.stat('/f');
  t.is(lengthBytes, 100_000);
  const next = await client.openAppender('/f');
  await next.write(other.subarray(0, 50_000));
  await next.hflush();
  const failure = await t.throwsAsync(
    (async () => {
      await writer.write(bytes.subarray(100_000));
      await writer.close();
    })(),
  );
  t.true(failure instanceof LeaseExpiredError, `${failure}`);
  await next.write(other.subarray(50_000, 80_000));
  await next.close();
  const expected = Buffer.concat([bytes.subarray(0, 100_000), other.subarray(0, 80_000)]);
  t.true((await readFile(client, '/f')).equals(expected));
  await writer.abort();
  t.true((await readFile(client, '/f')).equals(expected), 'nor does it delete what is not its own any more');
  t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes: expected, replicaCount: 3 }), []);
});

test('the name node restarts in the middle of recoveries, and data nodes die in them: the files end closed and right (faults 7, 46)', async (t) => {
  const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes, softLeaseLimitMs: 300, hardLeaseLimitMs: 1000, isLmdb: true });
  const client = cluster.client();
  const random = seededRandom(7);
  const files: { path: string; bytes: Buffer; flushedBytes: number }[] = [];
  for (let index = 0; index < 6; index++) {
    const { client: mortal, die } = cluster.mortalClient();
    const bytes = patternBytes(400_000, index);
    const flushedBytes = 1 + random.integer(350_000);
    const path = `/f${index}`;
    const writer = await mortal.openWriter(path);
    await writer.write(bytes.subarray(0, flushedBytes));
    await writer.hflush();
    await writer.write(bytes.subarray(flushedBytes));
    die();
    files.push({ path, bytes, flushedBytes });
  }
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 300 + random.integer(900)));
    const victim = cluster.nodes[random.integer(4)]!;
    await victim.kill();
    await cluster.restartNameNode();
    await victim.start();
  }
  for (const { path, bytes, flushedBytes } of files) {
    await waitUntil(async () => !(await client.stat(path)).isUnderConstruction, 60_000, () => path);
    const { lengthBytes } = await client.stat(path);
    t.true(lengthBytes >= flushedBytes && lengthBytes <= bytes.length, `${path}: ${lengthBytes} of ${flushedBytes} flushed`);
    t.true((await readFile(client, path)).equals(bytes.subarray(0, lengthBytes)), path);
  }
  await cluster.waitFor((health) => health.blocks.underReplicated === 0 && health.repair.totalBlocks === 0 && health.blocks.corrupt === 0, 60_000);
  for (const { path, bytes } of files) {
    const { lengthBytes } = await client.stat(path);
    t.deepEqual(await brokenReplicas(cluster, client, path, { bytes: bytes.subarray(0, lengthBytes), replicaCount: 3 }), [], path);
  }
});
