import test from 'ava';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { type BenchNode, DatanodeBench, packetFrame, TestWriter, until } from '../../helpers/datanode-bench.js';
import { content, readVerified } from '../../helpers/replica-content.js';
import { failure } from '../../helpers/simulated-disk.js';

const block = { blockId: 7, generationStamp: 1001, lengthBytes: 0 };
const dataFile = `/data/current/${finalizedSubdirectory(7)}/blk_7`;

async function withPipeline(count: number, run: (bench: DatanodeBench, nodes: BenchNode[]) => Promise<void>, settings = {}): Promise<void> {
  const bench = new DatanodeBench();
  try {
    await run(bench, await bench.addAll(count, settings));
  } finally {
    await bench.close();
  }
}

function activeWrites({ dataNode }: BenchNode): number | undefined {
  return dataNode.metrics().find(({ name, labels }) => name === 'dfsh_datanode_operations' && labels?.kind === 'write')?.value;
}

for (const lengthBytes of [0, 1, 64, 256, 1000, 300_000]) {
  test(`a block of ${lengthBytes} bytes is on all three disks, whole and durable, when its last packet is acknowledged`, (t) =>
    withPipeline(3, async (bench, nodes) => {
      const bytes = content(1, lengthBytes);
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      t.like(await writer.open(nodes, block), { ok: true, offsetBytes: 0 });
      const sending = writer.sendAll(bytes, { packetBytes: lengthBytes > 1000 ? 65_536 : 256 });
      await sending;
      const ack = await writer.readAcksUpTo(writer.lastSequence);
      t.deepEqual(
        ack.entries,
        [0, 1, 2].map(() => ({ status: 'ok', receivedBytes: lengthBytes, durableBytes: lengthBytes })),
      );
      for (const node of nodes) {
        node.disk.powerCut('lost', { next: () => 0, integer: () => 0, id: () => '' });
        t.deepEqual(node.disk.bytes(dataFile), bytes, `${node.name} after a power cut`);
      }
    }));
}

test('a packet right behind the request goes down the pipeline with it, before anybody has accepted the block', (t) =>
  withPipeline(3, async (bench, nodes) => {
    const bytes = content(1, 1000);
    // The first node cannot accept before this: what the last one has by then came without its word.
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    nodes[0]!.disk.onCall = (call, path) => (call === 'create' && path.endsWith('blk_7') ? opened : undefined);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const opening = writer.openFollowed(nodes, block, { data: bytes });
    await until(() => nodes[2]!.store.getReplica(7)?.state === 'finalized');
    t.is(nodes[0]!.store.getReplica(7)?.visibleLengthBytes ?? 0, 0);
    open();
    t.like(await opening, { ok: true, offsetBytes: 0 });
    t.deepEqual(
      (await writer.readAck()).entries,
      [0, 1, 2].map(() => ({ status: 'ok', receivedBytes: 1000, durableBytes: 1000 })),
    );
    for (const { store } of nodes) t.deepEqual(await readVerified(store, block), bytes);
    t.like(await writer.openFollowed(nodes, { ...block, blockId: 8 }, { data: bytes }), { ok: true }, 'the channel takes the next block');
    await writer.readAck();
    for (const { store } of nodes) t.deepEqual(await readVerified(store, { ...block, blockId: 8 }), bytes);
  }));

test('a packet right behind the request that is damaged, or is none, or not the first, refuses the block, and leaves nothing on any node (fault 35)', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const data = content(1, 100);
    for (const [packet, code] of [
      [{ data, checksums: Buffer.alloc(8) }, 1202],
      [{ data, offsetInBlock: 64 }, 1008],
    ] as const) {
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      const status = await writer.openFollowed(nodes, block, packet);
      t.like(status, { ok: false, badDatanode: nodes[0]!.location.datanodeUuid });
      t.is(status.ok ? 0 : status.error.code, code);
      for (const { store } of nodes) t.is(store.getReplica(7), undefined);
      t.like(await writer.open(nodes, { ...block, blockId: 100 + code }), { ok: true }, 'the channel takes the next block');
      writer.channel.destroy();
    }
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const opening = writer.openFollowed(nodes, block, undefined);
    void writer.channel.write([packetFrame({ data, offsetInBlock: 0, chunkBytes: 64, sequence: 0 }).fill(6, 1, 2)]);
    t.like(await opening, { ok: false });
    for (const { store } of nodes) t.is(store.getReplica(7), undefined);
  }));

test('a packet right behind the request that is changed between two nodes refuses the block, and the one that got it is named (fault 35)', (t) =>
  withPipeline(3, async (bench, nodes) => {
    bench.faults.set(nodes[1]!.address, { corrupt: (bytes) => (bytes[bytes.length - 5]! ^= 1) });
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const status = await writer.openFollowed(nodes, block, { data: content(1, 500) });
    t.like(status, { ok: false, badDatanode: nodes[1]!.location.datanodeUuid });
    t.is(status.ok ? 0 : status.error.code, 1202);
    for (const { store } of nodes) await until(() => store.getReplica(7) === undefined);
    const failures = nodes.map(({ dataNode }) => dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_checksum_failures_total')?.value);
    t.deepEqual(failures, [0, 1, 0]);
  }));

test('a node that is closed while a packet came with the request breaks off, and keeps nothing as whole', (t) =>
  withPipeline(2, async (bench, nodes) => {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    nodes[0]!.disk.onCall = (call, path) => (call === 'create' && path.endsWith('blk_7') ? opened : undefined);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const opening = writer.openFollowed(nodes, block, { data: content(1, 100) });
    await until(() => nodes[1]!.store.getReplica(7)?.state === 'finalized');
    // The second node's acceptance crosses the channel in a few turns.
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const closing = nodes[0]!.dataNode.close();
    await t.throwsAsync(opening);
    open();
    await closing;
    t.not(nodes[0]!.store.getReplica(7)?.state, 'finalized');
  }));

test('a node that fails while a packet came with the request is named, and nothing is left but where the block has ended', (t) =>
  withPipeline(3, async (bench, nodes) => {
    const data = content(1, 100);
    nodes[0]!.disk.onCall = async (call, path) => {
      if (call !== 'create' || !path.endsWith('blk_6')) return;
      await until(() => nodes[2]!.store.getReplica(6)?.state === 'finalized');
      throw failure('EIO', 'out of order');
    };
    const first = new TestWriter(bench.connect(nodes[0]!.address));
    t.like(await first.openFollowed(nodes, { ...block, blockId: 6 }, { data }), { ok: false, badDatanode: nodes[0]!.location.datanodeUuid });
    t.is(nodes[0]!.store.getReplica(6), undefined);
    await until(() => nodes[1]!.store.getReplica(6)?.state !== 'being-written');
    bench.kill(nodes[1]!);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    t.like(await writer.openFollowed(nodes, block, { data }), { ok: false, badDatanode: nodes[1]!.location.datanodeUuid });
    for (const { store } of nodes) await until(() => store.getReplica(7) === undefined);
    t.like(await writer.openFollowed([nodes[0]!, nodes[2]!], { ...block, blockId: 8 }, { data }), { ok: true }, 'the channel takes the next block');
    t.is((await writer.readAck()).entries.length, 2);
  }));

test('a sender that dies before the packet that it promised leaves nothing', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const opening = writer.openFollowed(nodes, block, undefined);
    await until(() => activeWrites(nodes[0]!) === 1);
    writer.channel.destroy();
    await t.throwsAsync(opening);
    await until(() => activeWrites(nodes[0]!) === 0);
    for (const { store } of nodes) t.is(store.getReplica(7), undefined);
  }));

test('a channel takes one block after the other', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const channel = bench.connect(nodes[0]!.address);
    for (let blockId = 1; blockId <= 5; blockId++) {
      const writer = new TestWriter(channel);
      t.like(await writer.open(nodes, { ...block, blockId }), { ok: true });
      await writer.sendAll(content(blockId, 500));
      await writer.readAcksUpTo(writer.lastSequence);
    }
    for (const { store } of nodes)
      for (let blockId = 1; blockId <= 5; blockId++)
        t.deepEqual(await readVerified(store, { blockId, generationStamp: 1001 }), content(blockId, 500));
  }));

test('acknowledgements tell what is written and what is durable, replica by replica', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const bytes = content(1, 600);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.send(bytes, 0, 200);
    t.deepEqual(
      (await writer.readAck()).entries,
      [0, 1].map(() => ({ status: 'ok', receivedBytes: 200, durableBytes: 0 })),
    );
    t.is(nodes[0]!.store.getReplica(7)?.visibleLengthBytes, 200);
    await writer.send(bytes, 200, 300, { isSync: true });
    t.deepEqual(
      (await writer.readAck()).entries,
      [0, 1].map(() => ({ status: 'ok', receivedBytes: 300, durableBytes: 300 })),
    );
    await writer.send(bytes, 300, 300);
    t.is((await writer.readAck()).entries[1]!.receivedBytes, 300, 'a sign of life is acknowledged');
    await writer.send(bytes, 300, 600, { isLast: true });
    t.deepEqual(
      (await writer.readAck()).entries,
      [0, 1].map(() => ({ status: 'ok', receivedBytes: 600, durableBytes: 600 })),
    );
  }));

test('a write that need not be durable is acknowledged without an fsync', (t) =>
  withPipeline(1, async (bench, nodes) => {
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    const before = nodes[0]!.disk.syncCount;
    await writer.open(nodes, block, { isDurable: false });
    await writer.sendAll(content(1, 100));
    t.deepEqual((await writer.readAcksUpTo(writer.lastSequence)).entries, [{ status: 'ok', receivedBytes: 100, durableBytes: 0 }]);
    t.true(nodes[0]!.disk.syncCount - before <= 2, 'but for the directories that are made once');
  }));

test('a packet that was changed on its way stops at the hop that gets it, and that hop is named (fault 35)', (t) =>
  withPipeline(3, async (bench, nodes) => {
    bench.faults.set(nodes[1]!.address, { corrupt: (bytes) => bytes.length > 700 && (bytes[bytes.length - 5]! ^= 1) });
    const bytes = content(1, 2000);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.send(bytes, 0, 500);
    t.deepEqual(
      (await writer.readAck()).entries.map((entry) => entry.status),
      ['ok', 'ok', 'ok'],
    );
    await writer.send(bytes, 500, 1500);
    t.deepEqual(
      (await writer.readAck()).entries.map((entry) => entry.status),
      ['ok', 'checksum'],
    );
    await until(() => [...nodes[2]!.store.abandonedReplicas()].length === 1);
    t.is(nodes[1]!.store.getReplica(7)?.block.lengthBytes, 500);
    t.is(nodes[2]!.store.getReplica(7)?.block.lengthBytes, 500);
    t.is(nodes[1]!.dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_checksum_failures_total')?.value, 1);
  }));

test('a packet of the client with a wrong checksum, a gap, or another frame is refused by the first hop', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const bytes = content(1, 500);
    for (const [index, { send, status }] of [
      { send: (writer: TestWriter) => writer.send(bytes, 0, 100, { checksums: Buffer.alloc(8) }), status: 'checksum' },
      { send: (writer: TestWriter) => writer.send(bytes, 100, 200), status: 'error' },
      {
        send: (writer: TestWriter) =>
          writer.channel.write([packetFrame({ data: Buffer.alloc(0), offsetInBlock: 0, chunkBytes: 64, sequence: 0 }).fill(6, 1, 2)]),
        status: 'error',
      },
    ].entries()) {
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      await writer.open(nodes, { ...block, blockId: index + 1 });
      await send(writer);
      t.deepEqual(
        (await writer.readAck()).entries.map((entry) => entry.status),
        [status],
      );
      t.is(await writer.channel.read(), null, 'and the channel ends');
      for (const { store } of nodes)
        await until(() => store.getReplica(index + 1)?.state === 'being-written' && [...store.abandonedReplicas()].length > index);
    }
  }));

for (const victim of [0, 1, 2]) {
  for (const step of ['before the first packet', 'between packets', 'before the last acknowledgement'] as const) {
    test(`hop ${victim + 1} of 3 dies ${step}: the others keep what they have, and the block goes on with them`, (t) =>
      withPipeline(3, async (bench, nodes) => {
        const bytes = content(1, 2000);
        let ackedBytes = 0;
        const writer = new TestWriter(bench.connect(nodes[0]!.address));
        await writer.open(nodes, block);
        if (step !== 'before the first packet') {
          await writer.sendAll(bytes.subarray(0, 1000), { isLast: false, packetBytes: 200 });
          ackedBytes = (await writer.readAcksUpTo(writer.lastSequence)).entries[2]!.receivedBytes;
          t.is(ackedBytes, 1000);
        }
        if (step === 'before the last acknowledgement') {
          // Its disk never answers again.
          const { disk } = nodes[victim]!;
          disk.onCall = (call) => {
            if (call === 'dataSync') bench.kill(nodes[victim]!);
          };
        } else bench.kill(nodes[victim]!);
        await writer.sendAll(bytes, { from: ackedBytes, packetBytes: 400 }).catch(() => {});
        let culprit = 0;
        try {
          const ack = await writer.readAcksUpTo(writer.lastSequence);
          culprit = ack.entries.findIndex((entry) => entry.status !== 'ok');
        } catch {
          // The first hop died: its connection broke.
        }
        writer.channel.destroy();
        if (victim > 0 || culprit > 0) t.is(culprit, victim);
        const survivors = nodes.filter((_, index) => index !== victim);
        // A new block if nothing was acknowledged, else the same one in a new generation.
        const second = new TestWriter(bench.connect(survivors[0]!.address));
        const again = { blockId: ackedBytes === 0 ? 8 : 7, generationStamp: 1002, lengthBytes: ackedBytes };
        const status = await second.open(
          survivors,
          again,
          ackedBytes === 0 ? {} : { stage: 'recover', keepBytes: ackedBytes, previousGenerationStamp: 1001 },
        );
        t.like(status, { ok: true, offsetBytes: ackedBytes });
        await second.sendAll(bytes, { from: ackedBytes, packetBytes: 300 });
        const last = await second.readAcksUpTo(second.lastSequence);
        t.deepEqual(
          last.entries,
          survivors.map(() => ({ status: 'ok', receivedBytes: 2000, durableBytes: 2000 })),
        );
        for (const { store } of survivors) t.deepEqual(await readVerified(store, again), bytes);
      }));
  }
}

test('a failing disk in the middle of the pipeline is told as that, and its replica is gone', (t) =>
  withPipeline(3, async (bench, nodes) => {
    for (const [blockId, code, status] of [
      [1, 'ENOSPC', 'noSpace'],
      [2, 'EIO', 'error'],
    ] as const) {
      nodes[1]!.disk.onCall = (call, path) => {
        if (call === 'write' && path.endsWith(`blk_${blockId}`)) throw failure(code, 'out of order');
      };
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      await writer.open(nodes, { ...block, blockId });
      await writer.send(content(1, 100), 0, 100);
      t.deepEqual(
        (await writer.readAck()).entries.map((entry) => entry.status),
        ['ok', status],
      );
      await until(() => nodes[1]!.store.getReplica(blockId) === undefined);
      await until(() => [...nodes[2]!.store.abandonedReplicas()].some((each) => each.blockId === blockId));
    }
  }));

test('a failed fsync fails that hop, is not repeated, and is never acknowledged as durable (fault 21)', (t) =>
  withPipeline(2, async (bench, nodes) => {
    let syncs = 0;
    nodes[1]!.disk.onCall = (call, path) => {
      if (call !== 'dataSync' || !path.endsWith('blk_7')) return;
      syncs++;
      throw failure('EIO', 'the disk is failing');
    };
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.sendAll(content(1, 100));
    const { entries } = await writer.readAck();
    t.deepEqual(entries, [
      { status: 'ok', receivedBytes: 100, durableBytes: 100 },
      { status: 'error', receivedBytes: 100, durableBytes: 0 },
    ]);
    t.is(syncs, 1);
    await until(() => nodes[1]!.store.getReplica(7) === undefined);
    t.is(nodes[0]!.store.getReplica(7)?.state, 'finalized', 'the hop before it goes on from its finalized one');
    const second = new TestWriter(bench.connect(nodes[0]!.address));
    t.like(
      await second.open(
        [nodes[0]!],
        { ...block, generationStamp: 1002 },
        { stage: 'recover', keepBytes: 0, previousGenerationStamp: 1001 },
      ),
      { ok: true },
    );
    await second.sendAll(content(1, 100));
    t.is((await second.readAck()).entries[0]!.durableBytes, 100);
  }));

test('setting up a pipeline names the node that is not there, and leaves nothing on the others (fault 29)', (t) =>
  withPipeline(3, async (bench, nodes) => {
    for (const victim of [1, 2]) {
      bench.kill(nodes[victim]!);
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      t.like(await writer.open(nodes, block), { ok: false, badDatanode: nodes[victim]!.location.datanodeUuid });
      for (const { store } of nodes) await until(() => store.getReplica(7) === undefined);
      bench.revive(nodes[victim]!);
      // The same channel takes the next operation.
      t.like(await writer.open(nodes, { ...block, blockId: 100 + victim }), { ok: true });
      writer.channel.destroy();
    }
  }));

test('a node without a descriptor to go on with names itself, not the node behind it (fault 24)', (t) =>
  withPipeline(3, async (bench, nodes) => {
    bench.faults.set(nodes[1]!.address, { hasNoDescriptor: true });
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    t.like(await writer.open(nodes, block), { ok: false, badDatanode: nodes[0]!.location.datanodeUuid });
    bench.faults.clear();
    t.like(await writer.open(nodes, { ...block, blockId: 101 }), { ok: true });
    writer.channel.destroy();
  }));

test('a stale writer is refused, and one that a newer one took over from is stopped', (t) =>
  withPipeline(2, async (bench, nodes) => {
    const bytes = content(1, 1000);
    const old = new TestWriter(bench.connect(nodes[0]!.address));
    await old.open(nodes, block);
    await old.send(bytes, 0, 200);
    await old.readAck();
    const fresh = new TestWriter(bench.connect(nodes[0]!.address));
    const next = { ...block, generationStamp: 1002, lengthBytes: 200 };
    t.like(await fresh.open(nodes, next, { stage: 'recover', keepBytes: 200, previousGenerationStamp: 1001 }), {
      ok: true,
      offsetBytes: 200,
    });
    t.deepEqual(
      (await old.readAck()).entries.map((entry) => entry.status),
      ['stale'],
    );
    await old.send(bytes, 200, 400).catch(() => {});
    const late = new TestWriter(bench.connect(nodes[0]!.address));
    const status = await late.open(nodes, block, { stage: 'recover', keepBytes: 0, previousGenerationStamp: 1000 });
    t.like(status, { ok: false, badDatanode: nodes[0]!.location.datanodeUuid });
    t.is(status.ok ? 0 : status.error.code, 1104);
    const other = Buffer.concat([bytes.subarray(0, 200), content(2, 500)]);
    await fresh.sendAll(other, { from: 200 });
    t.deepEqual(
      (await fresh.readAcksUpTo(fresh.lastSequence)).entries.map((entry) => entry.status),
      ['ok', 'ok'],
    );
    for (const { store } of nodes) t.deepEqual(await readVerified(store, next), other);
  }));

test('a client that dies leaves what was acknowledged, being written, and no writer', (t) =>
  withPipeline(3, async (bench, nodes) => {
    const bytes = content(1, 1000);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.send(bytes, 0, 300);
    await writer.readAck();
    writer.channel.destroy();
    for (const { store } of nodes) {
      await until(() => [...store.abandonedReplicas()].length === 1);
      t.deepEqual(await readVerified(store, block), bytes.subarray(0, 300));
    }
  }));

test('a copy for a pipeline that breaks off in the middle leaves nothing, and the next one is taken', (t) =>
  withPipeline(1, async (bench, nodes) => {
    const { store, address } = nodes[0]!;
    const bytes = content(1, 1000);
    const copied = { ...block, lengthBytes: bytes.length };
    const request = { stage: 'transfer', isFinal: false } as const;
    const broken = new TestWriter(bench.connect(address));
    t.true((await broken.open(nodes, copied, request)).ok);
    await broken.send(bytes, 0, 512);
    await broken.readAck();
    broken.channel.destroy();
    await until(() => store.getReplica(7) === undefined);
    const whole = new TestWriter(bench.connect(address));
    t.true((await whole.open(nodes, copied, request)).ok);
    await whole.sendAll(bytes);
    t.is((await whole.readAcksUpTo(whole.lastSequence)).entries[0]!.durableBytes, bytes.length);
    t.like(store.getReplica(7), { state: 'being-written', visibleLengthBytes: bytes.length });
  }));

test('a node that closes breaks its operations off, and keeps what came', (t) =>
  withPipeline(1, async (bench, nodes) => {
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, block);
    await writer.send(content(1, 300), 0, 300);
    await writer.readAck();
    await nodes[0]!.dataNode.close();
    await t.throwsAsync(writer.readAck());
    t.is([...nodes[0]!.store.abandonedReplicas()].length, 1);
  }));

test('more operations than the limit are refused, with an error that says to try again', (t) =>
  withPipeline(
    1,
    async (bench, nodes) => {
      const first = new TestWriter(bench.connect(nodes[0]!.address));
      await first.open(nodes, block);
      const second = new TestWriter(bench.connect(nodes[0]!.address));
      const status = await second.open(nodes, { ...block, blockId: 8 });
      t.is(status.ok ? 0 : status.error.code, 1310);
      await first.sendAll(content(1, 10));
      await first.readAck();
      t.is(await second.channel.read(), null, 'what follows the refused request is nothing to answer');
      t.like(await new TestWriter(bench.connect(nodes[0]!.address)).open(nodes, { ...block, blockId: 8 }), { ok: true });
    },
    { maxOperations: 1 },
  ));

test('a request that makes no sense is refused in one line', (t) =>
  withPipeline(1, async (bench, nodes) => {
    for (const more of [
      { chunkBytes: 0 },
      { stage: 'other' as 'create' },
      { block: { blockId: -1, generationStamp: 1, lengthBytes: 0 } },
    ]) {
      const writer = new TestWriter(bench.connect(nodes[0]!.address));
      const status = await writer.open(nodes, block, more);
      t.is(status.ok ? 0 : status.error.code, 1008);
      t.false(status.ok === false && status.error.message.includes('\n'));
    }
    t.is(nodes[0]!.store.getReplica(7), undefined);
  }));

test('many blocks at once through the same nodes, in both directions, all arrive', (t) =>
  withPipeline(
    3,
    async (bench, nodes) => {
      const lengths = Array.from({ length: 24 }, (_, index) => 1000 + index * 7777);
      await Promise.all(
        lengths.map(async (lengthBytes, index) => {
          const pipeline = [0, 1, 2].map((hop) => nodes[(index + hop) % 3]!);
          const writer = new TestWriter(bench.connect(pipeline[0]!.address));
          await writer.open(pipeline, { ...block, blockId: index + 1 });
          const sending = writer.sendAll(content(index, lengthBytes), { packetBytes: 8192 });
          await Promise.all([sending, writer.readAcksUpTo(Math.ceil(lengthBytes / 8192) - 1)]);
        }),
      );
      for (const { store, dataNode } of nodes) {
        for (const [index, lengthBytes] of lengths.entries())
          t.is((await readVerified(store, { blockId: index + 1, generationStamp: 1001 }))?.length, lengthBytes);
        t.is(dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_packet_memory_bytes')?.value, 0);
      }
    },
    { packetMemoryBytes: 20_000 },
  ));
