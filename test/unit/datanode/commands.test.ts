import test from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { encodeControl, frameTypes, type TransferRequest } from '../../../source/protocol/block-stream.js';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { openOperation } from '../../../source/transport/block-operation.js';
import { DiskFaults } from '../../helpers/disk-faults.js';
import { type BenchNode, DatanodeBench, readStatus, TestWriter, until } from '../../helpers/datanode-bench.js';
import { appendAll, content, readVerified } from '../../helpers/replica-content.js';
import { failure } from '../../helpers/simulated-disk.js';

type Block = { blockId: number; generationStamp: number; lengthBytes: number };

async function put(node: BenchNode, blockId: number, bytes: Buffer, generationStamp = 9): Promise<Block> {
  const writer = await node.store.create({ blockId, generationStamp, storageId: '', chunkBytes: 64, isDurable: true, isTemporary: false });
  await appendAll(writer, bytes, { chunkBytes: 64, packetBytes: 65_536, isLast: true });
  return writer.finalize();
}

async function withNodes(count: number, run: (bench: DatanodeBench, nodes: BenchNode[]) => Promise<void>, settings = {}): Promise<void> {
  const bench = new DatanodeBench();
  try {
    const nodes = await bench.addAll(count, settings);
    for (const node of nodes) node.dataNode.start();
    await Promise.all(nodes.map((node) => node.dataNode.waitUntilRegistered()));
    await run(bench, nodes);
  } finally {
    await bench.close();
  }
}

function damage(node: BenchNode, blockId: number, offset: number): void {
  node.disk.bytes(`/data/current/${finalizedSubdirectory(blockId)}/blk_${blockId}`)[offset]! ^= 1;
}

test('a replica is copied to the nodes that the name node names, byte by byte, and they report it', (t) =>
  withNodes(3, async (_bench, [source, ...targets]) => {
    for (const [blockId, lengthBytes] of [
      [1, 0],
      [2, 1],
      [3, 300_000],
      [4, 3_000_001],
    ] as const) {
      const bytes = Buffer.alloc(lengthBytes, content(blockId, 9973));
      const block = await put(source!, blockId, bytes);
      source!.nameNode.commands.push({ kind: 'replicate', block, targets: targets.map((node) => node.location), token: '' });
      for (const { store, nameNode } of targets) {
        await until(
          () => nameNode.events().includes(`received ${blockId}_9`),
          () => `the copy of block ${blockId}`,
        );
        t.true((await readVerified(store, block))?.equals(bytes));
      }
    }
    await until(() => source!.dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_replicas_copied_total')?.value === 4);
  }));

test('no more copies run at a time than the limit, and all of them get done, each reported with its progress', (t) =>
  withNodes(
    2,
    async (_bench, [source, target]) => {
      let most = 0;
      for (let blockId = 1; blockId <= 10; blockId++) {
        const block = await put(source!, blockId, content(blockId, 2000));
        source!.nameNode.commands.push({ kind: 'replicate', block, targets: [target!.location], token: '' });
      }
      await until(() => {
        const { replications } = source!.nameNode.all('datanode.sendHeartbeat').at(-1) ?? { replications: [] };
        most = Math.max(most, replications.length);
        const running = source!.dataNode.metrics().find(({ labels }) => labels?.['kind'] === 'copy')!.value;
        most = Math.max(most, running);
        return target!.nameNode.events().length === 10;
      });
      t.true(most >= 1 && most <= 2, `${most} at a time`);
    },
    { maxReplicationStreams: 2 },
  ));

test('a rotten replica is never copied: it is put aside and reported, and the target keeps nothing', (t) =>
  withNodes(2, async (_bench, [source, target]) => {
    const block = await put(source!, 1, Buffer.alloc(2_000_000, 7));
    damage(source!, 1, 1_500_000);
    source!.nameNode.commands.push({ kind: 'replicate', block, targets: [target!.location], token: '' });
    await until(() => source!.nameNode.all('datanode.reportCorrupt').length === 1);
    t.is(source!.store.getReplica(1)?.state, 'quarantined');
    await until(() => target!.disk.files().every((path) => !path.includes('blk_1')));
    t.deepEqual(target!.nameNode.events(), []);
  }));

test('a copy to a node that is not there fails, and the node goes on', (t) =>
  withNodes(2, async (bench, [source, target]) => {
    const block = await put(source!, 1, content(1, 100));
    bench.kill(target!);
    source!.nameNode.commands.push({ kind: 'replicate', block, targets: [target!.location], token: '' });
    await until(() => source!.dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_replication_failures_total')?.value === 1);
    bench.revive(target!);
    source!.nameNode.commands.push({ kind: 'replicate', block, targets: [target!.location], token: '' });
    await until(() => target!.nameNode.events().length === 1);
    t.is(source!.store.getReplica(1)?.state, 'finalized');
  }));

test('a copy of what is there already is refused, and the name node is told that it is there', (t) =>
  withNodes(2, async (_bench, [source, target]) => {
    const block = await put(source!, 1, content(1, 100));
    await put(target!, 1, content(1, 100));
    source!.nameNode.commands.push({ kind: 'replicate', block, targets: [target!.location], token: '' });
    await until(() => target!.nameNode.events().includes('received 1_9'));
    t.deepEqual(await readVerified(target!.store, block), content(1, 100));
  }));

test('a replica that is not here any more is reported as gone when it is to be copied', (t) =>
  withNodes(2, async (_bench, [source, target]) => {
    source!.nameNode.commands.push({
      kind: 'replicate',
      block: { blockId: 5, generationStamp: 9, lengthBytes: 10 },
      targets: [target!.location],
      token: '',
    });
    await until(() => source!.nameNode.events().includes('deleted 5_9'));
    t.pass();
  }));

test('deleted replicas are gone from the disk and reported, absent ones too; a newer generation stays', (t) =>
  withNodes(1, async (_bench, [node]) => {
    const one = await put(node!, 1, content(1, 100));
    await put(node!, 2, content(2, 100), 12);
    node!.nameNode.commands.push({
      kind: 'invalidate',
      blocks: [one, { blockId: 2, generationStamp: 9, lengthBytes: 0 }, { blockId: 3, generationStamp: 9, lengthBytes: 0 }],
    });
    await until(() => node!.nameNode.events().length === 3);
    t.deepEqual(node!.nameNode.events().sort(), ['deleted 1_9', 'deleted 3_9', 'received 2_12'], 'the name node is told what is there instead');
    t.is(node!.store.getReplica(1), undefined);
    t.is(node!.store.getReplica(2)?.state, 'finalized');
    await until(() => node!.disk.files().every((path) => !path.includes('trash') && !path.includes('blk_1')));
  }));

test('a replica that was called rotten is checked: reported as intact if it is, put aside if not, as gone if it is not there', (t) =>
  withNodes(1, async (_bench, [node]) => {
    const good = await put(node!, 1, content(1, 1000));
    const bad = await put(node!, 2, content(2, 1000));
    damage(node!, 2, 999);
    node!.nameNode.commands.push({ kind: 'verify', blocks: [good, bad, { ...good, blockId: 3 }] });
    await until(
      () =>
        node!.nameNode.all('datanode.reportIntact').length === 1 &&
        node!.nameNode.all('datanode.reportCorrupt').length === 1 &&
        node!.nameNode.events().length === 1,
    );
    t.like(node!.nameNode.all('datanode.reportIntact')[0]!.replicas, [{ storageId: node!.location.storageId, block: good }]);
    t.like(node!.nameNode.all('datanode.reportCorrupt')[0]!.replicas, [{ block: bad, isQuarantined: true }]);
    t.deepEqual(node!.nameNode.events(), ['deleted 3_9']);
    t.true(node!.disk.files().includes('/data/quarantine/blk_2'), 'its bytes are kept');
  }));

test('a disk that fails to read once costs no replica, which may be the last one (fault 20)', (t) =>
  withNodes(1, async (_bench, [node]) => {
    const block = await put(node!, 1, content(1, 1000));
    let failures = 2;
    node!.disk.onCall = (call, path) => {
      if (call === 'read' && path.endsWith('/blk_1') && failures-- > 0) throw failure('EIO', path);
    };
    node!.nameNode.commands.push({ kind: 'verify', blocks: [block] });
    await until(() => node!.nameNode.all('datanode.reportIntact').length === 1);
    t.true(failures <= 0);
    t.is(node!.nameNode.all('datanode.reportCorrupt').length, 0);
    t.is(node!.store.getReplica(1)?.state, 'finalized');
  }));

for (const lengthBytes of [0, 100, 128, 500]) {
  test(`a node copies the first ${lengthBytes} bytes of a replica being written to a node that then joins its pipeline`, (t) =>
    withNodes(2, async (bench, [source, target]) => {
      const bytes = content(1, 800);
      const block = { blockId: 1, generationStamp: 9, lengthBytes };
      const writer = new TestWriter(bench.connect(source!.address));
      await writer.open([source!], block);
      await writer.sendAll(bytes.subarray(0, 500), { isLast: false, packetBytes: 100 });
      await writer.readAcksUpTo(writer.lastSequence);
      const request: TransferRequest = { block, token: '', target: target!.location };
      const channel = bench.connect(source!.address);
      await channel.write([encodeControl(frameTypes.transfer, request)]);
      t.like(await readStatus(channel), { ok: true });
      t.like(target!.store.getReplica(1), { state: 'being-written', visibleLengthBytes: lengthBytes });
      t.deepEqual(await readVerified(target!.store, block), bytes.subarray(0, lengthBytes));
      const second = new TestWriter(channel);
      const next = { ...block, generationStamp: 10 };
      t.like(await second.open([source!, target!], next, { stage: 'recover', keepBytes: lengthBytes, previousGenerationStamp: 9 }), {
        ok: true,
      });
      await second.sendAll(bytes, { from: lengthBytes });
      t.deepEqual(
        (await second.readAcksUpTo(second.lastSequence)).entries.map((entry) => entry.durableBytes),
        [800, 800],
      );
      t.deepEqual(await readVerified(target!.store, next), bytes);
    }));
}

test('a transfer that takes longer than a channel may stand still is waited for', (t) =>
  withNodes(
    2,
    async (bench, [source, target]) => {
      const bytes = content(1, 5000);
      const block = await put(source!, 1, bytes);
      bench.faults.set(source!.address, { idleTimeoutMs: 200 });
      const slow = new DiskFaults();
      const release = slow.hang({ calls: ['dataSync'] });
      target!.disk.onCall = slow.onCall;
      let isAnswered = false;
      const body: TransferRequest = { block, token: '', target: target!.location };
      const asking = openOperation(bench.connector(), source!.address, { type: frameTypes.transfer, body }, { clock: systemClock, limitMs: 30_000 }).finally(() => (isAnswered = true));
      asking.catch(() => {});
      try {
        await until(() => slow.count('dataSync') > 0);
        const startMs = performance.now();
        await until(() => performance.now() - startMs > 800);
        t.false(isAnswered);
      } finally {
        release();
      }
      await asking;
      t.deepEqual(await readVerified(target!.store, block), bytes);
    },
    { signOfLifeMs: 40 },
  ));

test('a transfer whose asker has gone is broken off, and the target keeps nothing', (t) =>
  withNodes(2, async (bench, [source, target]) => {
    const bytes = content(1, 8 * 1024 * 1024);
    const block = await put(source!, 1, bytes);
    let packets = 0;
    const asker = bench.connect(source!.address);
    bench.faults.set(target!.address, { corrupt: () => void (++packets === 3 && asker.destroy()) });
    await asker.write([encodeControl(frameTypes.transfer, { block, token: '', target: target!.location } satisfies TransferRequest)]);
    await t.throwsAsync(readStatus(asker));
    await until(() => target!.channels.size === 0);
    t.is(target!.store.getReplica(1), undefined);
  }));

test('a transfer takes the place of what an earlier one left: a replica of its generation without a writer', (t) =>
  withNodes(2, async (bench, [source, target]) => {
    const bytes = content(1, 800);
    const block = await put(source!, 1, bytes);
    const left = await target!.store.create({ blockId: 1, generationStamp: 9, storageId: '', chunkBytes: 64, isDurable: true, isTemporary: false });
    const ask = async () => {
      const channel = bench.connect(source!.address);
      await channel.write([encodeControl(frameTypes.transfer, { block, token: '', target: target!.location } satisfies TransferRequest)]);
      return readStatus(channel);
    };
    t.like(await ask(), { ok: false, badDatanode: target!.location.datanodeUuid }, 'one that is being written is left alone');
    await left.close();
    t.like(await ask(), { ok: true });
    t.deepEqual(await readVerified(target!.store, block), bytes);
  }));

test('a transfer that cannot be made says who is to blame', (t) =>
  withNodes(2, async (bench, [source, target]) => {
    const block = await put(source!, 1, content(1, 100));
    const ask = async (request: Block) => {
      const channel = bench.connect(source!.address);
      await channel.write([
        encodeControl(frameTypes.transfer, { block: request, token: '', target: target!.location } satisfies TransferRequest),
      ]);
      return readStatus(channel);
    };
    t.like(await ask({ ...block, blockId: 2 }), { ok: false, badDatanode: source!.location.datanodeUuid });
    t.like(await ask({ ...block, lengthBytes: 101 }), { ok: false, badDatanode: source!.location.datanodeUuid });
    bench.kill(target!);
    t.like(await ask(block), { ok: false, badDatanode: target!.location.datanodeUuid });
  }));
