import { createHash } from 'node:crypto';
import test from 'ava';
import { crc32c } from '../../../source/base/checksum.js';
import { encodeControl, frameTypes } from '../../../source/protocol/block-stream.js';
import { ChecksumError } from '../../../source/protocol/errors.js';
import type { CallContext } from '../../../source/protocol/method.js';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { type BenchNode, DatanodeBench, readRange, readStatus, TestWriter, until } from '../../helpers/datanode-bench.js';
import { appendAll, content } from '../../helpers/replica-content.js';
import { failure } from '../../helpers/simulated-disk.js';

const context: CallContext = { user: 'hdfs', clientId: 'test', role: 'client', remoteAddress: 'test:1' };

async function put(
  node: BenchNode,
  blockId: number,
  bytes: Buffer,
  chunkBytes = 64,
): Promise<{ blockId: number; generationStamp: number; lengthBytes: number }> {
  const writer = await node.store.create({ blockId, generationStamp: 9, storageId: '', chunkBytes, isDurable: true, isTemporary: false });
  await appendAll(writer, bytes, { chunkBytes, packetBytes: 65_536, isLast: true });
  return writer.finalize();
}

async function withNode(run: (bench: DatanodeBench, node: BenchNode) => Promise<void>, settings = {}): Promise<void> {
  const bench = new DatanodeBench();
  try {
    await run(bench, (await bench.addAll(1, settings))[0]!);
  } finally {
    await bench.close();
  }
}

function flip(node: BenchNode, blockId: number, offset: number): void {
  node.disk.bytes(`/data/current/${finalizedSubdirectory(blockId)}/blk_${blockId}`)[offset]! ^= 1;
}

test('any range comes as whole chunks that pass their checksums, on one channel one after the other', (t) =>
  withNode(async (bench, node) => {
    const bytes = content(1, 1000);
    const block = await put(node, 1, bytes);
    const channel = bench.connect(node.address);
    for (const [offsetBytes, lengthBytes, begin, end] of [
      [0, 1000, 0, 1000],
      [0, 1, 0, 64],
      [63, 2, 0, 128],
      [64, 64, 64, 128],
      [990, 10, 960, 1000],
      [990, 5000, 960, 1000],
      [0, 0, 0, 0],
      [1000, 10, 960, 1000],
    ] as const) {
      const { status, bytes: found, isVerified } = await readRange(channel, { block, token: '', offsetBytes, lengthBytes });
      t.like(status, { ok: true, chunkBytes: 64, offsetBytes: begin, replicaLengthBytes: 1000 });
      t.deepEqual(found, bytes.subarray(begin, end), `${lengthBytes} bytes from ${offsetBytes}`);
      t.true(isVerified);
    }
  }));

test('a big block comes in many packets, and the memory for them is given back', (t) =>
  withNode(
    async (bench, node) => {
      const bytes = Buffer.alloc(5_000_000, content(1, 99_991));
      const block = await put(node, 1, bytes, 65_536);
      const {
        bytes: found,
        packetCount,
        isVerified,
      } = await readRange(bench.connect(node.address), { block, token: '', offsetBytes: 0, lengthBytes: bytes.length });
      t.is(packetCount, 10);
      t.true(isVerified);
      t.true(found.equals(bytes));
      const metrics = node.dataNode.metrics();
      await until(() => node.dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_packet_memory_bytes')?.value === 0);
      t.is(metrics.find(({ name }) => name === 'dfsh_datanode_sent_bytes_total')?.value, bytes.length);
    },
    { packetMemoryBytes: 1_200_000 },
  ));

test('tiny chunks make no packet that does not fit its frame', (t) =>
  withNode(async (bench, node) => {
    const bytes = content(1, 20_000);
    const block = await put(node, 1, bytes, 1);
    const { bytes: found, isVerified } = await readRange(bench.connect(node.address), {
      block,
      token: '',
      offsetBytes: 100,
      lengthBytes: 19_000,
    });
    t.true(isVerified);
    t.deepEqual(found, bytes.subarray(100, 19_100));
  }));

test('what cannot be read is refused with its reason, and the channel takes the next operation', (t) =>
  withNode(async (bench, node) => {
    const block = await put(node, 1, content(1, 100));
    const channel = bench.connect(node.address);
    for (const [request, code] of [
      [{ block: { ...block, blockId: 2 }, token: '', offsetBytes: 0, lengthBytes: 10 }, 1203],
      [{ block: { ...block, generationStamp: 10 }, token: '', offsetBytes: 0, lengthBytes: 10 }, 1104],
      [{ block, token: '', offsetBytes: 101, lengthBytes: 10 }, 1008],
    ] as const) {
      const { status } = await readRange(channel, request);
      t.is(status.ok ? 0 : status.error.code, code);
    }
    t.true((await readRange(channel, { block, token: '', offsetBytes: 0, lengthBytes: 10 })).isVerified);
    const older = await readRange(channel, { block: { ...block, generationStamp: 8 }, token: '', offsetBytes: 0, lengthBytes: 10 });
    t.deepEqual(older.bytes.subarray(0, 10), content(1, 100).subarray(0, 10), 'a reader that opened the file before an append goes on');
  }));

test('a reader that goes away in the middle ends the operation', (t) =>
  withNode(async (bench, node) => {
    const block = await put(node, 1, Buffer.alloc(8_000_000, 1), 65_536);
    const channel = bench.connect(node.address);
    await channel.write([encodeControl(frameTypes.read, { block, token: '', offsetBytes: 0, lengthBytes: 8_000_000 })]);
    await readStatus(channel);
    channel.destroy();
    const gauge = (kind: string) =>
      node.dataNode.metrics().find(({ name, labels }) => name === 'dfsh_datanode_operations' && labels?.['kind'] === kind)?.value;
    await until(() => gauge('read') === 0);
    await until(() => node.dataNode.metrics().find(({ name }) => name === 'dfsh_datanode_packet_memory_bytes')?.value === 0);
    t.is(node.store.getReplica(1)?.state, 'finalized');
  }));

test('a read that meets a failing disk breaks off, and the replica is checked, put aside and reported (fault 20)', (t) =>
  withNode(async (bench, node) => {
    const block = await put(node, 1, content(1, 300_000));
    node.dataNode.start();
    await node.dataNode.waitUntilRegistered();
    node.disk.onCall = (call, path) => {
      if (call === 'read' && path.endsWith('blk_1')) throw failure('EIO', 'unreadable sector');
    };
    await t.throwsAsync(readRange(bench.connect(node.address), { block, token: '', offsetBytes: 0, lengthBytes: 300_000 }));
    await until(() => node.nameNode.all('datanode.reportCorrupt').length === 1);
    const [report] = node.nameNode.all('datanode.reportCorrupt');
    t.like(report!.replicas[0], { block, storageId: node.location.storageId, isQuarantined: true });
    t.regex(report!.replicas[0]!.reason, /unreadable sector/);
    t.is(node.store.getReplica(1)?.state, 'quarantined');
  }));

test('a replica being written is served up to what all its pipeline has', (t) =>
  withNode(async (bench, node) => {
    const bytes = content(1, 500);
    const block = { blockId: 3, generationStamp: 9, lengthBytes: 0 };
    const writer = new TestWriter(bench.connect(node.address));
    await writer.open([node], block);
    await writer.send(bytes, 0, 100);
    await writer.readAck();
    const {
      status,
      bytes: found,
      isVerified,
    } = await readRange(bench.connect(node.address), { block, token: '', offsetBytes: 0, lengthBytes: 1000 });
    t.like(status, { ok: true, replicaLengthBytes: 100 });
    t.true(isVerified);
    t.deepEqual(found, bytes.subarray(0, 100));
    t.like(await node.dataNode.handlers['replica.getInfo']({ blockId: 3 }, context), { state: 'being-written', visibleLengthBytes: 100 });
    t.is(await node.dataNode.handlers['replica.getInfo']({ blockId: 4 }, context), null);
  }));

for (const [chunkBytes, bytesPerCrc] of [
  [64, 512],
  [512, 512],
  [1000, 512],
  [100, 7],
  [65_536, 4096],
] as const) {
  test(`the checksum of a block in chunks of ${chunkBytes} bytes, counted by ${bytesPerCrc}, is HDFS's`, (t) =>
    withNode(async (_bench, node) => {
      for (const lengthBytes of [0, 1, 511, 512, 100_001]) {
        const bytes = content(lengthBytes, lengthBytes);
        const block = await put(node, lengthBytes + 1, bytes, chunkBytes);
        const crcs: Buffer[] = [];
        for (let at = 0; at < lengthBytes; at += bytesPerCrc) {
          const crc = Buffer.alloc(4);
          crc.writeUInt32BE(crc32c(bytes.subarray(at, at + bytesPerCrc)));
          crcs.push(crc);
        }
        const expected = createHash('md5').update(Buffer.concat(crcs)).digest('hex');
        t.deepEqual(await node.dataNode.handlers['replica.getChecksum']({ block, token: '', bytesPerCrc }, context), {
          md5: expected,
          generationStamp: 9,
        });
      }
    }));
}

test('the checksum of the begin of a block is that of those bytes; of a rotten one there is none', (t) =>
  withNode(async (_bench, node) => {
    const bytes = content(1, 1000);
    const block = await put(node, 1, bytes);
    const whole = await put(node, 2, bytes.subarray(0, 777));
    const of = (each: typeof block) => node.dataNode.handlers['replica.getChecksum']({ block: each, token: '', bytesPerCrc: 512 }, context);
    t.deepEqual(await of({ ...block, lengthBytes: 777 }), await of(whole));
    flip(node, 1, 500);
    await t.throwsAsync(async () => of(block), { instanceOf: ChecksumError });
    await until(() => node.store.getReplica(1)?.state === 'quarantined');
  }));

test('a node tells who it is', (t) =>
  withNode(async (_bench, node) => {
    const info = await node.dataNode.handlers['node.getInfo']({}, context);
    t.like(info, {
      role: 'datanode',
      datanodeUuid: node.location.datanodeUuid,
      name: null,
      clusterId: null,
      address: 'dn1:9864',
      isRegistered: false,
    });
    node.dataNode.start({ host: '127.0.0.1', port: 1234 });
    await node.dataNode.waitUntilRegistered();
    t.like(await node.dataNode.handlers['node.getInfo']({}, context), {
      name: 'dn1',
      clusterId: 'cluster-1',
      address: '127.0.0.1:1234',
      isRegistered: true,
    });
  }));
