import test from 'ava';
import fc from 'fast-check';
import { ManualClock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { BlockMissingError, CancelledError } from '../../../source/protocol/errors.js';
import { FakeCluster, patternBytes, readFile } from '../../helpers/fake-cluster.js';

function clusterWithFile(lengthBytes: number, blockSizeBytes = 1 << 20): { cluster: FakeCluster; bytes: Buffer; clock: ManualClock } {
  const clock = new ManualClock();
  const cluster = new FakeCluster(3, clock);
  cluster.blockSizeBytes = blockSizeBytes;
  const bytes = patternBytes(lengthBytes);
  cluster.addFile('/f', bytes);
  return { cluster, bytes, clock };
}

/** Moves time on whenever nothing else happens. */
async function inTime<T>(clock: ManualClock, work: Promise<T>, stepMs = 50): Promise<T> {
  let isDone = false;
  const end = () => (isDone = true);
  work.then(end, end);
  while (!isDone) {
    for (let turn = 0; turn < 40 && !isDone; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (!isDone) clock.advance(stepMs);
  }
  return work;
}

function reads(cluster: FakeCluster): string[] {
  return cluster.requests.flatMap((request) => (request.type === 'read' ? [request.address] : []));
}

for (const at of [0, 131_072]) {
  test(`a node that falls silent at byte ${at} holds its reader up for half a second, not for its whole limit (faults 23, 54)`, async (t) => {
    const { cluster, bytes, clock } = clusterWithFile(500_000);
    cluster.nodes[0]!.onReadPacket = (_, offset) => (offset === at ? 'silent' : undefined);
    const client = cluster.client();
    t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
    t.true(clock.monotonicMs() <= 600, `${clock.monotonicMs()} ms`);
    t.deepEqual(client.readCounters, { hedgedReads: 1, hedgedReadWins: 1, failedReplicas: 0, corruptReplicas: 0 });
    const second = cluster.requests[1]!;
    t.is(second.address, 'fake:2');
    t.is((second.body as { offsetBytes: number }).offsetBytes, at);
  });
}

test('without hedged reads a silent node is given up after its limit', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(500_000);
  cluster.nodes[0]!.onReadPacket = (_, offset) => (offset === 131_072 ? 'silent' : undefined);
  const client = cluster.client({ hedgedReadDelayMs: 0 });
  t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.true(clock.monotonicMs() >= 5000);
  t.is(client.readCounters.hedgedReads, 0);
  t.is(client.readCounters.failedReplicas, 1);
});

test('a node that was slow twice is put behind the others for a minute, and then tried again', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(1000);
  cluster.nodes[0]!.onReadPacket = () => 'silent';
  const client = cluster.client();
  for (let i = 0; i < 5; i++) t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.deepEqual(reads(cluster), ['fake:1', 'fake:2', 'fake:1', 'fake:2', 'fake:2', 'fake:2', 'fake:2']);
  t.is(client.readCounters.hedgedReads, 2);
  clock.advance(60_000);
  cluster.nodes[0]!.onReadPacket = undefined;
  await inTime(clock, readFile(client, '/f'));
  t.is(reads(cluster).at(-1), 'fake:1');
});

test('requests made ahead to a node that turns out slow cost no half second each', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(40_000, 1000);
  cluster.nodes[0]!.onReadPacket = () => 'silent';
  t.true((await inTime(clock, readFile(cluster.client(), '/f'))).equals(bytes));
  t.true(clock.monotonicMs() <= 1500, `${clock.monotonicMs()} ms`);
});

test('a node that trickles a byte now and then is left for another one (fault 34)', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(400_000);
  // 4 KiB each 400 ms: it is never silent for long, and would take 40 seconds.
  Object.assign(cluster.nodes[0]!, { packetDataBytes: 4096, onReadPacket: () => 400 });
  const client = cluster.client();
  t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.true(clock.monotonicMs() <= 4000, `${clock.monotonicMs()} ms`);
  t.is(client.readCounters.hedgedReadWins, 1);
});

test('where every node is slow the extra load stays small: a hedge that loses makes the next one wait longer', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(3_000_000);
  for (const node of cluster.nodes) node.onReadPacket = () => 700;
  const client = cluster.client();
  t.true((await inTime(clock, readFile(client, '/f'), 100)).equals(bytes));
  t.true(client.readCounters.hedgedReads <= 2, `${client.readCounters.hedgedReads} hedges for ${Math.ceil(bytes.length / 65_536)} slow packets`);
  t.is(client.readCounters.failedReplicas, 0);
});

test('however many streams wait, a client asks for no more than eight second replicas at a time', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(1000);
  // The nodes answer at last; until then everybody waits, the first and the second.
  for (const node of cluster.nodes) node.onReadPacket = () => 3000;
  const client = cluster.client();
  const all = Promise.all(Array.from({ length: 20 }, () => readFile(client, '/f')));
  while (clock.monotonicMs() < 2500) {
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  t.is(client.readCounters.hedgedReads, 8);
  t.is(reads(cluster).length, 28);
  for (const got of await inTime(clock, all)) t.true(got.equals(bytes));
});

test('the first node dies while the second is asked: that one goes on, and is not asked again', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(200_000);
  cluster.nodes[0]!.onReadPacket = (_, offset) => (offset === 65_536 ? { breakAfterMs: 800 } : undefined);
  cluster.nodes[1]!.onReadPacket = (_, offset) => (offset === 65_536 ? 600 : undefined);
  cluster.nodes[2]!.isDown = true;
  const client = cluster.client();
  t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.deepEqual(reads(cluster), ['fake:1', 'fake:2']);
  t.deepEqual(client.readCounters, { hedgedReads: 1, hedgedReadWins: 1, failedReplicas: 1, corruptReplicas: 0 });
});

test('the second node dies: the first one, slow as it is, goes on', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(200_000);
  cluster.nodes[0]!.onReadPacket = (_, offset) => (offset === 65_536 ? 2000 : undefined);
  for (const node of cluster.nodes.slice(1)) node.onReadPacket = () => true;
  const client = cluster.client();
  t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.true(client.readCounters.hedgedReads >= 1);
  t.is(client.readCounters.hedgedReadWins, 0);
});

test('readers that are closed while two nodes are asked give back what they had of the budget', async (t) => {
  const { cluster, bytes, clock } = clusterWithFile(200_000);
  for (const node of cluster.nodes) node.onReadPacket = () => 'silent';
  const client = cluster.client();
  for (let count = 1; count <= 10; count++) {
    const reader = await client.openReader('/f');
    const reading = reader.read();
    reading.catch(() => {});
    while (reads(cluster).length < 2 * count) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(10);
    }
    reader.close();
    await t.throwsAsync(reading, { instanceOf: CancelledError });
  }
  t.is(client.readCounters.hedgedReads, 10);
  cluster.nodes[1]!.onReadPacket = undefined;
  t.true((await inTime(clock, readFile(client, '/f'))).equals(bytes));
  t.is(client.readCounters.hedgedReadWins, 1);
});

test('all replicas rotten: the error names the block and each node with its reason, and each copy was reported (fault 26)', async (t) => {
  const { cluster, clock } = clusterWithFile(5000);
  const { block } = cluster.files.get('/f')!.blocks[0]!;
  for (const node of cluster.nodes) node.onReadPacket = (data) => void (data[100]! ^= 1);
  const error = await t.throwsAsync<InstanceType<typeof BlockMissingError>>(inTime(clock, readFile(cluster.client(), '/f')), { instanceOf: BlockMissingError });
  t.is(error!.message, `Could not obtain block: blk_${block.blockId}_${block.generationStamp} file=/f (block 0 of the file)`);
  t.is(error!.details.length, 3);
  for (const name of ['dn1', 'dn2', 'dn3']) t.true(error!.details.some((line) => line.startsWith(`${name}: `) && line.includes('do not match their checksum')), name);
  const reported = new Set(cluster.calls.flatMap((call) => (call.method === 'block.reportBadReplicas' ? call.params.replicas.map((replica) => replica.datanodeUuid) : [])));
  t.deepEqual([...reported].sort(), ['uuid-1', 'uuid-2', 'uuid-3']);
});

test('whatever replicas do, a reader gets each byte once, in order, and none that is wrong (faults 12, 20, 23, 27, 33, 35)', async (t) => {
  let [hedges, wins, failures, corrupt] = [0, 0, 0, 0];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
      const random = seededRandom(seed);
      const upTo = (limit: number) => Math.floor(random.next() * limit);
      const { cluster, bytes, clock } = clusterWithFile(1 + upTo(600_000), 1 + upTo(4) * 70_001 + upTo(100_000) + 4096);
      // Of 12 tries in four rounds one is left to succeed.
      let faultsLeft = upTo(10);
      for (const node of cluster.nodes) {
        node.packetDataBytes = 4096 * (1 + upTo(16));
        node.onReadPacket = (data) => {
          const kind = random.next();
          if (kind < 0.1) return upTo(2500);
          if (kind > 0.3 || faultsLeft === 0) return undefined;
          faultsLeft--;
          if (kind < 0.17) return 'silent';
          if (kind < 0.24) return true;
          data[upTo(data.length)]! ^= 1 << upTo(8);
          return undefined;
        };
      }
      const startBytes = upTo(bytes.length);
      const lengthBytes = 1 + upTo(bytes.length);
      const client = cluster.client();
      const got = await inTime(clock, readFile(client, '/f', { startBytes, lengthBytes }), 250);
      const { hedgedReads, hedgedReadWins, failedReplicas, corruptReplicas } = client.readCounters;
      hedges += hedgedReads;
      wins += hedgedReadWins;
      failures += failedReplicas;
      corrupt += corruptReplicas;
      return got.equals(bytes.subarray(startBytes, startBytes + lengthBytes));
    }),
    { numRuns: 60 },
  );
  t.log(`${hedges} hedges, ${wins} won, ${failures} replicas failed, ${corrupt} of them corrupt`);
  t.true(hedges > 0 && wins > 0 && wins < hedges && failures > 0 && corrupt > 0, 'the property has met what it is about');
});
