import test from 'ava';
import type { DfsClient, FileReader } from '../../../source/client/client-api.js';
import { ManualClock } from '../../../source/base/clock.js';
import { BlockMissingError, DfsError, FileNotFoundError, InputOutputError, LeaseExpiredError } from '../../../source/protocol/errors.js';
import { FakeCluster, patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster, waitUntil } from '../../helpers/mini-cluster.js';

/** What a reader gets until its end, or until it fails. */
async function drain(reader: FileReader): Promise<{ bytes: Buffer; error: unknown }> {
  const pieces: Buffer[] = [];
  let error: unknown;
  try {
    for (let piece = await reader.read(); piece; piece = await reader.read()) {
      pieces.push(Buffer.from(piece.bytes));
      piece.release();
    }
  } catch (cause) {
    error = cause;
  } finally {
    reader.close();
  }
  return { bytes: Buffer.concat(pieces), error };
}

async function firstPiece(reader: FileReader): Promise<Buffer> {
  const piece = (await reader.read())!;
  const bytes = Buffer.from(piece.bytes);
  piece.release();
  return bytes;
}

/** A replica that is reported after its file was deleted is a stranger, and waits out a grace of a minute. */
const reclaimLimitMs = 90_000;

async function replicas(cluster: MiniCluster): Promise<number> {
  return (await Promise.all(cluster.nodes.map((node) => node.replicaNames()))).flat().length;
}

for (const what of ['deleted', 'overwritten', 'renamed'] as const) {
  test(`a file that is ${what} while it is read: its reader finishes, or fails with an error that says so, and gets no other byte (fault 48)`, async (t) => {
    const cluster = await MiniCluster.start(t, { blockSizeBytes: 100_000 });
    const client = cluster.client();
    const bytes = patternBytes(3_000_000);
    await writeFile(client, '/f', bytes);
    const reader = await client.openReader('/f');
    const begin = await firstPiece(reader);
    if (what === 'deleted') t.true(await client.delete('/f'));
    else if (what === 'overwritten') await writeFile(client, '/f', patternBytes(3_000_000, 9), { overwrite: true });
    else await client.rename('/f', '/g');
    // The replicas go while the reader is under way.
    if (what !== 'renamed') await waitUntil(async () => (await replicas(cluster)) === (what === 'deleted' ? 0 : 90), reclaimLimitMs);
    const { bytes: rest, error } = await drain(reader);
    const got = Buffer.concat([begin, rest]);
    t.true(bytes.subarray(0, got.length).equals(got));
    if (error) t.true(error instanceof FileNotFoundError || error instanceof BlockMissingError, String(error));
    else t.is(got.length, bytes.length);
    if (what === 'renamed') t.is(error, undefined);
    else t.truthy(error, 'most of the file was still to come, and its blocks are gone');
  });
}

test('a directory that is renamed while a file below it is written: the writer goes on, and the file is in the new place (fault 47)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 200_000 });
  const client = cluster.client();
  const bytes = patternBytes(1_000_000);
  await client.mkdirs('/a/b');
  const writer = await client.openWriter('/a/b/f');
  await writer.write(bytes.subarray(0, 450_000));
  await cluster.client().rename('/a', '/z');
  await writer.write(bytes.subarray(450_000));
  await writer.close();
  t.true((await readFile(client, '/z/b/f')).equals(bytes));
  t.is(await client.find('/a'), null);
});

test('a file that is deleted while it is written: its writer is refused, and no block is left of it (fault 49)', async (t) => {
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 100_000 });
  const client = cluster.client();
  const writer = await client.openWriter('/f');
  await writer.write(patternBytes(350_000));
  t.true(await cluster.client().delete('/f'));
  await t.throwsAsync(
    (async () => {
      await writer.write(patternBytes(1_000_000));
      await writer.close();
    })(),
    { instanceOf: DfsError as never },
  );
  await writer.abort();
  t.is(await client.find('/f'), null);
  await waitUntil(async () => (await replicas(cluster)) === 0, reclaimLimitMs);
});

test('a writer whose lease is over is refused, says so, and takes nothing of what came after it (fault 45)', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const writer = await client.openWriter('/f', { blockSizeBytes: 100_000 });
  await writer.write(patternBytes(100_000));
  cluster.onCall = (call) => {
    if (call.method === 'fs.addBlock' || call.method === 'fs.complete') throw new LeaseExpiredError('/f: c1 does not hold the lease of it any more', { path: '/f' });
  };
  await t.throwsAsync(
    (async () => {
      await writer.write(patternBytes(400_000));
      await writer.close();
    })(),
    { instanceOf: LeaseExpiredError },
  );
  // Somebody else has the name meanwhile.
  cluster.onCall = () => {};
  cluster.files.delete('/f');
  cluster.addFile('/f', patternBytes(7));
  await writer.abort();
  t.is((await readFile(client, '/f')).length, 7);
});

test('a client reads what it wrote, and time goes forward for it, over restarts of the name node (P5)', async (t) => {
  const cluster = await MiniCluster.start(t, { isLmdb: true, blockSizeBytes: 50_000 });
  const client = cluster.client();
  const other = cluster.client();
  await client.mkdirs('/d');
  for (let round = 1; round <= 3; round++) {
    const bytes = patternBytes(20_000 * round, round);
    await writeFile(client, '/d/f', bytes, { overwrite: true });
    await writeFile(client, `/d/${round}`, bytes);
    const restart = cluster.restartNameNode();
    for (const reader of [client, other]) {
      t.true((await readFile(reader, '/d/f')).equals(bytes), `round ${round}`);
      t.deepEqual(await names(reader, '/d'), [...Array.from({ length: round }, (_, index) => `${index + 1}`), 'f']);
    }
    await restart;
    if (round === 2) {
      t.true(await client.delete('/d/f'));
      const again = cluster.restartNameNode();
      t.is(await client.find('/d/f'), null);
      await again;
    }
  }
});

async function names(client: DfsClient, path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const status of client.list(path)) found.push(status.name);
  return found;
}

test('a block whose generation rises while it is read: the old one is refused, and the reader goes on with the new one at the same byte (faults 17, 37)', async (t) => {
  const cluster = new FakeCluster();
  cluster.blockSizeBytes = 1 << 20;
  const bytes = patternBytes(900_000);
  const { blocks } = cluster.addFile('/f', bytes);
  const reader = await cluster.client().openReader('/f', { startBytes: 1000 });
  const begin = await firstPiece(reader);
  // A recovery: two nodes have the new generation, the third has the old one still, and it is the first to be asked.
  const { block } = blocks[0]!;
  for (const node of cluster.nodes.slice(1, 3)) node.replicas.get(block.blockId)!.generationStamp++;
  const stale = cluster.nodes[0]!.replicas.get(block.blockId)!;
  stale.bytes = patternBytes(900_000, 99);
  block.generationStamp++;
  cluster.nodes[0]!.onReadPacket = () => true;
  const { bytes: rest, error } = await drain(reader);
  t.is(error, undefined);
  t.true(Buffer.concat([begin, rest]).equals(bytes.subarray(1000)));
  const generations = new Set(cluster.requests.map((request) => request.body.block.generationStamp));
  t.is(generations.size, 2);
});

test('a file that is cut while it is read: the reader gets a prefix of it, then an error that says so', async (t) => {
  const cluster = new FakeCluster();
  const bytes = patternBytes(900_000);
  const { blocks } = cluster.addFile('/f', bytes);
  const reader = await cluster.client().openReader('/f');
  const begin = await firstPiece(reader);
  const { block } = blocks[0]!;
  block.lengthBytes = 400_000;
  block.generationStamp++;
  for (const node of cluster.nodes.slice(0, 3)) {
    const replica = node.replicas.get(block.blockId)!;
    replica.bytes = replica.bytes.subarray(0, 400_000);
    replica.generationStamp++;
    node.onReadPacket = () => true;
  }
  const { bytes: rest, error } = await drain(reader);
  const got = Buffer.concat([begin, rest]);
  t.true(got.length <= 900_000 && bytes.subarray(0, got.length).equals(got));
  t.true(error instanceof InputOutputError && error.message === '/f was cut to 400000 bytes while it was being read', String(error));
});

test('a file that grows while it is read: the reader gets the length that it was opened with', async (t) => {
  const cluster = new FakeCluster(4, new ManualClock());
  cluster.blockSizeBytes = 100_000;
  const bytes = patternBytes(250_000);
  const { blocks, status } = cluster.addFile('/f', bytes);
  const reader = await cluster.client().openReader('/f');
  const begin = await firstPiece(reader);
  const { block } = blocks[2]!;
  block.lengthBytes = 90_000;
  status.lengthBytes = 290_000;
  for (const node of cluster.nodes.slice(0, 3)) {
    const replica = node.replicas.get(block.blockId)!;
    replica.bytes = Buffer.concat([replica.bytes, patternBytes(40_000, 5)]);
  }
  const { bytes: rest, error } = await drain(reader);
  t.is(error, undefined);
  t.true(Buffer.concat([begin, rest]).equals(bytes));
});
