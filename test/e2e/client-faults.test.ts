import { randomBytes } from 'node:crypto';
import test from 'ava';
import type { WriteProgress } from '../../source/client/client-api.js';
import { readFile } from '../helpers/fake-cluster.js';
import { quickVerdicts, RealCluster } from '../helpers/real-cluster.js';

const megabyte = 1 << 20;

async function pidOf(cluster: RealCluster, name: string): Promise<number> {
  return (await cluster.nodes.status()).find((node) => node.name === name)!.pid!;
}

async function stopProcess(t: { teardown(end: () => void): void }, pid: number): Promise<() => void> {
  const goOn = () => {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It has ended meanwhile.
    }
  };
  t.teardown(goOn);
  process.kill(pid, 'SIGSTOP');
  return goOn;
}

for (const hop of [0, 2]) {
  test(`data node ${hop + 1} of the pipeline is stopped, not killed: the put leaves it out within seconds, and goes on (fault 54)`, async (t) => {
    const cluster = await RealCluster.create({ dataNodes: 4, settings: { ...quickVerdicts, block_size: '64m' } });
    t.teardown(() => cluster.destroy());
    const client = await cluster.client();
    const content = randomBytes(24 * megabyte);
    let progress: WriteProgress | undefined;
    const writer = await client.openWriter('/f', { onProgress: (now) => (progress = now) });
    let goOn: (() => void) | undefined;
    let stopped = '';
    for (let at = 0; at < content.length; at += megabyte) {
      if (!goOn && (progress?.acknowledgedBytes ?? 0) > 4 * megabyte) {
        stopped = progress!.pipeline[hop]!;
        goOn = await stopProcess(t, await pidOf(cluster, stopped));
      }
      await writer.write(content.subarray(at, at + megabyte));
    }
    const { status } = await writer.close();
    t.is(status.lengthBytes, content.length);
    t.truthy(goOn, 'a node was stopped while the put went on');
    t.deepEqual(progress!.failures.map(({ datanode }) => datanode), [stopped]);
    t.true((await readFile(client, '/f')).equals(content));
    goOn!();
    await cluster.until(({ blocks, datanodes }) => datanodes.every(({ state }) => state === 'live') && blocks.underReplicated === 0 && blocks.pendingReplication === 0 && blocks.pendingDeletion === 0);
    t.true((await readFile(client, '/f')).equals(content));
  });
}

test('a data node is stopped in the middle of a get: the rest comes from another one within seconds (fault 54)', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 3, settings: { block_size: '64m' } });
  t.teardown(() => cluster.destroy());
  const client = await cluster.client();
  const content = randomBytes(48 * megabyte);
  const writer = await client.openWriter('/f');
  await writer.write(content);
  await writer.close();
  let node: string | undefined;
  const reader = await client.openReader('/f', { onProgress: ({ datanode }) => (node = datanode) });
  let first: string | undefined;
  let bytes = 0;
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    t.true(content.subarray(bytes, bytes + piece.bytes.length).equals(piece.bytes));
    bytes += piece.bytes.length;
    piece.release();
    if (first) continue;
    first = node!;
    await stopProcess(t, await pidOf(cluster, first));
  }
  t.is(bytes, content.length);
  t.not(node, first);
  t.true(client.readCounters.hedgedReadWins > 0, 'a second replica was asked, long before the first was given up');
  t.is(client.readCounters.failedReplicas, 0);
  t.like(reader.failures[0], { datanode: first, reason: 'too slow' });
});

test('the name node is killed and started again in the middle of a put: the put goes on, and the file is whole (fault 2)', async (t) => {
  const cluster = await RealCluster.create({ settings: { ...quickVerdicts, block_size: '1m' } });
  t.teardown(() => cluster.destroy());
  const client = await cluster.client();
  const content = randomBytes(12 * megabyte + 17);
  const writer = await client.openWriter('/f');
  await writer.write(content.subarray(0, 5 * megabyte));
  await cluster.nodes.kill('nn');
  const starting = cluster.nodes.start('nn');
  await writer.write(content.subarray(5 * megabyte));
  const { status } = await writer.close();
  await starting;
  t.is(status.lengthBytes, content.length);
  t.true((await readFile(client, '/f')).equals(content));
  t.is((await cluster.exec('fsck /')).code, 0);
});
