import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { FileWriter, WriteProgress } from '../../source/client/client-api.js';
import { patternBytes, readFile } from '../helpers/fake-cluster.js';
import { fullHealth } from '../rig/full-health.js';
import { RigCluster } from '../rig/rig-cluster.js';

const megabyte = 1 << 20;
const blockBytes = 2 * megabyte;

interface Write {
  writer: FileWriter;
  content: Buffer;
  /** Of the pipeline as it is: the node at `hop`. */
  kill: () => Promise<void>;
  acknowledged: (bytes: number) => Promise<void>;
}

/** When a data node is killed. Each writes all of `content` and closes. */
const steps: Record<string, (write: Write) => Promise<unknown>> = {
  async 'before the first byte'({ writer, content, kill }) {
    await kill();
    await writer.write(content);
    return writer.close();
  },
  async 'in the middle of a block'({ writer, content, kill, acknowledged }) {
    await writer.write(content.subarray(0, megabyte));
    await acknowledged(1);
    await kill();
    await writer.write(content.subarray(megabyte));
    return writer.close();
  },
  async 'between two blocks'({ writer, content, kill, acknowledged }) {
    await writer.write(content.subarray(0, blockBytes));
    await acknowledged(blockBytes);
    await kill();
    await writer.write(content.subarray(blockBytes));
    return writer.close();
  },
  async 'after the last byte, before the close'({ writer, content, kill }) {
    await writer.write(content);
    await kill();
    return writer.close();
  },
  async 'while the close waits for its disk'({ writer, content, kill }) {
    await writer.write(content);
    const closing = writer.close();
    await kill();
    return closing;
  },
};

test('a data node killed at any step of a write costs nothing: the file is whole, and three copies come back (fault 1)', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-steps-'));
  const cluster = await RigCluster.create({ folder, dataNodes: 4, settings: { block_size: blockBytes } });
  t.teardown(async () => {
    await cluster.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  const { client } = cluster;
  cluster.startAll();
  await cluster.settled();
  const contents = new Map<string, Buffer>();
  for (const [step, write] of Object.entries(steps)) {
    for (const hop of [0, 1, 2]) {
      const path = `/${step}, hop ${hop}`;
      const content = patternBytes(2 * blockBytes + 1234, contents.size + 1);
      let progress: WriteProgress | undefined;
      const acknowledged = async (bytes: number) => {
        while ((progress?.acknowledgedBytes ?? 0) < bytes) await new Promise((resolve) => setTimeout(resolve, 2));
      };
      let victim = '';
      const kill = () => cluster.kill((victim = progress?.pipeline[hop] ?? `dn${hop + 1}`));
      const writer = await client.openWriter(path, { onProgress: (now) => (progress = now) });
      await write({ writer, content, kill, acknowledged });
      t.true((await readFile(client, path)).equals(content), path);
      t.true(progress!.failures.every(({ datanode }) => datanode === victim), `${path}: ${victim} was killed, left out were ${JSON.stringify(progress!.failures)}`);
      contents.set(path, content);
      cluster.start(victim);
      await cluster.settled();
    }
  }
  await fullHealth(cluster);
  for (const [path, content] of contents) t.true((await readFile(client, path)).equals(content), path);
});
