import test from 'ava';
import { type Random, seededRandom } from '../../../source/base/random.js';
import type { DfsClient } from '../../../source/client/client-api.js';
import { readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, waitUntil } from '../../helpers/mini-cluster.js';
import { brokenReplicas } from '../../helpers/replicas-on-disk.js';

const blockSizeBytes = 150_000;

function randomBytes(random: Random, lengthBytes: number): Buffer {
  const salt = random.integer(256);
  return Buffer.from(Array.from({ length: lengthBytes }, (_, index) => (index * 31 + (index >> 8) * 7 + salt) & 0xff));
}

async function closed(client: DfsClient, path: string): Promise<number> {
  await waitUntil(async () => !(await client.stat(path)).isUnderConstruction, 60_000, () => `${path} is not closed`);
  return (await client.stat(path)).lengthBytes;
}

/** One life of a file: appended, cut, its writers dying, data nodes and the name node restarting. `bytes` is what must be in it. */
async function live(t: { true(value: boolean, message?: string): void }, cluster: MiniCluster, random: Random, steps: number): Promise<Buffer> {
  const client = cluster.client();
  let bytes = randomBytes(random, random.integer(200_000));
  await writeFile(client, '/f', bytes);
  const check = async (what: string) => {
    const found = await readFile(client, '/f');
    t.true(found.equals(bytes), `${what}: ${found.length} bytes, ${bytes.length} are right`);
  };
  for (let step = 0; step < steps; step++) {
    const choice = random.integer(10);
    const more = randomBytes(random, 1 + random.integer(120_000));
    const what = `step ${step}, choice ${choice}`;
    if (choice < 3) {
      const writer = await client.openAppender('/f');
      for (let at = 0; at < more.length; at += 40_000) {
        await writer.write(more.subarray(at, at + 40_000));
        if (random.integer(2)) await writer.hflush();
      }
      await writer.close();
      bytes = Buffer.concat([bytes, more]);
    } else if (choice < 6) {
      const newLengthBytes = random.integer(bytes.length + 1);
      await client.truncate('/f', newLengthBytes);
      if (random.integer(3) === 0) await cluster.nodes[random.integer(cluster.nodes.length)]!.restart();
      await closed(client, '/f');
      bytes = bytes.subarray(0, newLengthBytes);
    } else if (choice < 8) {
      const { client: mortal, die } = cluster.mortalClient();
      const writer = await mortal.openAppender('/f');
      const flushedBytes = random.integer(more.length);
      await writer.write(more.subarray(0, flushedBytes));
      await writer.hflush();
      await writer.write(more.subarray(flushedBytes));
      die();
      const lengthBytes = await closed(client, '/f');
      t.true(lengthBytes >= bytes.length + flushedBytes, `${what}: ${lengthBytes} bytes after ${bytes.length} and ${flushedBytes} flushed`);
      bytes = Buffer.concat([bytes, more]).subarray(0, lengthBytes);
    } else if (choice === 8) {
      await cluster.restartNameNode();
    } else {
      await cluster.nodes[random.integer(cluster.nodes.length)]!.restart();
    }
    await check(what);
  }
  return bytes;
}

for (const seed of (process.env['DFSH_REOPEN_SEEDS'] ?? '1,2,3').split(',').map(Number)) {
  test(`a file that is appended to, cut and recovered, its nodes restarting, is what a model says (seed ${seed}; faults 1, 4, 7, 37)`, async (t) => {
    const cluster = await MiniCluster.start(t, { dataNodeCount: 4, blockSizeBytes, softLeaseLimitMs: 200, hardLeaseLimitMs: 600, isLmdb: true });
    const bytes = await live(t, cluster, seededRandom(seed), Number(process.env['DFSH_REOPEN_STEPS'] ?? 8));
    const client = cluster.client();
    await cluster.waitFor((health) => health.datanodes.every((node) => node.state === 'live') && health.blocks.underReplicated === 0 && health.repair.totalBlocks === 0 && health.blocks.corrupt === 0, 60_000);
    t.deepEqual(await brokenReplicas(cluster, client, '/f', { bytes, replicaCount: 3 }), []);
    const names = async () => (await Promise.all(cluster.nodes.map((node) => node.replicaNames()))).map((own) => own.filter((name) => !name.startsWith('current/')));
    await waitUntil(async () => (await names()).flat().length === 0, 20_000, () => 'replicas being written are left behind');
    t.is((await names()).flat().length, 0);
  });
}
