import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { ManualClock } from '../../../source/base/clock.js';
import { encodeControl, frameTypes, type TransferRequest } from '../../../source/protocol/block-stream.js';
import { LocalBlockStore } from '../../../source/storage/local-block-store.js';
import { type BenchNode, DatanodeBench, readStatus, TestWriter } from '../../helpers/datanode-bench.js';
import { content, readVerified } from '../../helpers/replica-content.js';
import { failure, type Unsynced } from '../../helpers/simulated-disk.js';

const block = { blockId: 7, generationStamp: 9, lengthBytes: 0 };
const bytes = content(1, 2000);

async function withNodes(count: number, run: (bench: DatanodeBench, nodes: BenchNode[]) => Promise<void>): Promise<void> {
  const bench = new DatanodeBench();
  try {
    await run(bench, await bench.addAll(count));
  } finally {
    await bench.close();
  }
}

/** Cuts the power of a node, and opens what its disk kept. */
async function afterPowerCut(node: BenchNode, unsynced: Unsynced, seed: number): Promise<LocalBlockStore> {
  node.disk.powerCut(unsynced, seededRandom(seed));
  return LocalBlockStore.open({ disk: node.disk.mount(), directories: ['/data'], clock: new ManualClock(), random: seededRandom(seed) });
}

async function transfer(bench: DatanodeBench, source: BenchNode, target: BenchNode, copied: TransferRequest['block']): Promise<boolean> {
  const channel = bench.connect(source.address);
  await channel.write([encodeControl(frameTypes.transfer, { block: copied, token: '', target: target.location })]);
  const status = await readStatus(channel);
  channel.destroy();
  return status.ok;
}

for (const unsynced of ['lost', 'torn'] as const) {
  test(`after a pipeline was recovered, with a replacement, a close is durable on all its nodes: the power is cut everywhere, what was not synced is ${unsynced} (faults 1, 6)`, (t) =>
    withNodes(4, async (bench, nodes) => {
      const [first, second, third, fourth] = nodes as [BenchNode, BenchNode, BenchNode, BenchNode];
      const writer = new TestWriter(bench.connect(first.address));
      await writer.open([first, second, third], block);
      await writer.send(bytes, 0, 300);
      await writer.send(bytes, 300, 501);
      await writer.readAcksUpTo(1);
      bench.kill(second);
      t.true(await transfer(bench, first, fourth, { ...block, lengthBytes: 501 }));
      const next = new TestWriter(bench.connect(first.address));
      const newer = { ...block, generationStamp: 12, lengthBytes: 501 };
      t.like(await next.open([first, third, fourth], newer, { stage: 'recover', keepBytes: 501, previousGenerationStamp: 9 }), { ok: true });
      await next.sendAll(bytes, { from: 501, packetBytes: 333 });
      const ack = await next.readAcksUpTo(next.lastSequence);
      t.deepEqual(ack.entries.map(({ status, durableBytes }) => [status, durableBytes]), [1, 2, 3].map(() => ['ok', 2000]));
      for (const node of [first, third, fourth]) {
        const store = await afterPowerCut(node, unsynced, 3);
        t.deepEqual(store.getReplica(7)?.block, { blockId: 7, generationStamp: 12, lengthBytes: 2000 }, node.name);
        t.deepEqual(await readVerified(store, { blockId: 7, generationStamp: 12 }), bytes);
        await store.close();
      }
    }));

  test(`what hsync promised survives a power cut of all nodes, through a pipeline's recovery and an append too; what was not synced is ${unsynced} (fault 6)`, async (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      await withNodes(2, async (bench, nodes) => {
        let writer = new TestWriter(bench.connect(nodes[0]!.address));
        await writer.open(nodes, block);
        let at = 0;
        let syncedBytes = 0;
        let generationStamp = 9;
        for (let step = 0; step < 8; step++) {
          const end = Math.min(bytes.length, at + 1 + random.integer(200));
          const isSync = random.integer(3) === 0;
          await writer.send(bytes, at, end, { isSync });
          const ack = await writer.readAcksUpTo(writer.lastSequence);
          t.true(ack.entries.every(({ status }) => status === 'ok'));
          at = end;
          if (isSync) syncedBytes = end;
          if (random.integer(4) > 0) continue;
          writer.channel.destroy();
          writer = new TestWriter(bench.connect(nodes[0]!.address));
          const previousGenerationStamp = generationStamp++;
          t.like(await writer.open(nodes, { ...block, generationStamp, lengthBytes: at }, { stage: 'recover', keepBytes: at, previousGenerationStamp }), { ok: true });
        }
        for (const node of nodes) {
          const store = await afterPowerCut(node, unsynced, seed);
          // With nothing synced not even the file need be there.
          const found = syncedBytes === 0 ? { lengthBytes: 0 } : await store.initRecovery({ blockId: 7, generationStamp: 9, recoveryGeneration: 50 });
          t.true(found !== null && found.lengthBytes >= syncedBytes, `seed ${seed}, ${node.name}: ${found?.lengthBytes} of ${syncedBytes} bytes`);
          if (found && found.lengthBytes > 0) {
            await store.updateRecovery({ blockId: 7, recoveryGeneration: 50, newLengthBytes: found.lengthBytes });
            t.deepEqual(await readVerified(store, { blockId: 7, generationStamp: 50 }), bytes.subarray(0, found.lengthBytes), `seed ${seed}`);
          }
          await store.close();
        }
      });
    }
  });
}

test('a node whose generation a broken recovery had raised still gives a replacement its copy', (t) =>
  withNodes(3, async (bench, nodes) => {
    const [first, second, third] = nodes as [BenchNode, BenchNode, BenchNode];
    const writer = new TestWriter(bench.connect(first.address));
    await writer.open([first, second], block);
    await writer.send(bytes, 0, 700);
    await writer.readAcksUpTo(0);
    writer.channel.destroy();
    const broken = new TestWriter(bench.connect(first.address));
    await broken.open([first], { ...block, generationStamp: 11, lengthBytes: 700 }, { stage: 'recover', keepBytes: 700, previousGenerationStamp: 9 });
    broken.channel.destroy();
    t.true(await transfer(bench, first, third, { ...block, lengthBytes: 700 }));
    const next = new TestWriter(bench.connect(third.address));
    t.like(await next.open([third, first], { ...block, generationStamp: 12, lengthBytes: 700 }, { stage: 'recover', keepBytes: 700, previousGenerationStamp: 9 }), { ok: true });
    await next.sendAll(bytes, { from: 700 });
    await next.readAcksUpTo(next.lastSequence);
    for (const { store } of [first, third]) t.deepEqual(await readVerified(store, { blockId: 7, generationStamp: 12 }), bytes);
  }));

test('a partial chunk that is rotten is not extended: append refuses, and says which node (HDFS-7203, fault 12)', (t) =>
  withNodes(2, async (bench, nodes) => {
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.sendAll(bytes.subarray(0, 700));
    await writer.readAcksUpTo(writer.lastSequence);
    const path = nodes[1]!.disk.files().find((file) => file.endsWith('/blk_7'))!;
    nodes[1]!.disk.bytes(path)[690]! ^= 4;
    const next = new TestWriter(bench.connect(nodes[0]!.address));
    const status = await next.open(nodes, { ...block, generationStamp: 12, lengthBytes: 700 }, { stage: 'recover', keepBytes: 700, previousGenerationStamp: 9 });
    t.false(status.ok);
    t.is(status.ok ? '' : status.badDatanode, nodes[1]!.store.datanodeUuid);
    t.regex(status.ok ? '' : status.error.message, /differs from its checksum/);
    t.is(nodes[1]!.store.getReplica(7)?.block.generationStamp, 9, 'the rotten one stays as it was');
  }));

test('flushed bytes outlive disks that are full on every node of the pipeline (fault 18)', (t) =>
  withNodes(2, async (bench, nodes) => {
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.send(bytes, 0, 700, { isSync: true });
    await writer.readAcksUpTo(0);
    for (const { disk } of nodes) {
      disk.onCall = (call) => {
        if (call === 'write') throw failure('ENOSPC', 'no space left on device');
      };
    }
    await writer.send(bytes, 700, 1000);
    const ack = await writer.readAcksUpTo(1);
    t.true(ack.entries.some(({ status }) => status === 'noSpace'));
    writer.channel.destroy();
    for (const { disk, store } of nodes) {
      disk.onCall = () => {};
      const found = await store.initRecovery({ blockId: 7, generationStamp: 9, recoveryGeneration: 12 });
      t.true(found !== null && found.lengthBytes >= 700, `${found?.lengthBytes}`);
    }
  }));
