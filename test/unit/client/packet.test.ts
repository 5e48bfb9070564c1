import test from 'ava';
import { crc32 } from '../../../source/base/checksum.js';
import { Packet, packetBufferBytes, packetGeometry } from '../../../source/client/packet.js';
import { PacketPool } from '../../../source/client/packet-pool.js';
import { PacketQueue } from '../../../source/client/packet-queue.js';
import { decodePacketHeader, frameTypes, packetChecksums, packetData } from '../../../source/protocol/block-stream.js';
import { patternBytes } from '../../helpers/fake-cluster.js';

function frameOf(packet: Packet): { flags: number; body: Buffer; raw: Buffer } {
  const { frame } = packet;
  return { flags: frame.readUInt16BE(2), body: frame.subarray(8), raw: frame };
}

for (const lengthBytes of [1, 65_535, 65_536, 65_537, 300_000, 524_288]) {
  test(`a packet of ${lengthBytes} bytes is one frame with a checksum a chunk`, (t) => {
    const data = patternBytes(lengthBytes);
    const packet = new Packet(Buffer.allocUnsafeSlow(packetBufferBytes), { offsetInBlock: 1 << 30, capacityBytes: 524_288 });
    for (let at = 0; at < lengthBytes; ) {
      const count = data.copy(packet.free(), 0, at, at + 100_000);
      packet.fill(count);
      at += count;
    }
    packet.seal({ sequence: 9, chunkBytes: 65_536, isLast: true });
    t.is(packet.frame[1], frameTypes.packet);
    const frame = frameOf(packet);
    const header = decodePacketHeader(frame);
    t.deepEqual(header, { sequence: 9, dataLength: lengthBytes, offsetInBlock: 1 << 30, chunkBytes: 65_536, checksumCount: Math.ceil(lengthBytes / 65_536), isLast: true, isSync: false, isFlush: false });
    t.true(packetData(frame.body, header!).equals(data));
    for (let i = 0; i < header!.checksumCount; i++) t.is(packetChecksums(frame.body, header!).readUInt32BE(4 * i), crc32(data.subarray(i * 65_536, (i + 1) * 65_536)));
  });
}

test('a packet without data ends a block', (t) => {
  const packet = Packet.empty(1000);
  packet.seal({ sequence: 3, chunkBytes: 65_536, isLast: true });
  t.like(decodePacketHeader(frameOf(packet)), { dataLength: 0, checksumCount: 0, isLast: true, offsetInBlock: 1000 });
});

test('a packet takes no more than its capacity', (t) => {
  const packet = new Packet(Buffer.allocUnsafeSlow(packetBufferBytes), { offsetInBlock: 0, capacityBytes: 10 });
  packet.fill(9);
  t.is(packet.free().length, 1);
  t.throws(() => packet.fill(2));
});

test('chunks are 64 KiB, and the block itself where that is smaller', (t) => {
  t.deepEqual(packetGeometry(64 << 20), { chunkBytes: 65_536, packetDataBytes: 524_288 });
  t.deepEqual(packetGeometry(100_000), { chunkBytes: 65_536, packetDataBytes: 100_000 });
  t.deepEqual(packetGeometry(10_000), { chunkBytes: 10_000, packetDataBytes: 10_000 });
});

test('a buffer is given back once: acknowledged, and no write still reads from it', (t) => {
  const released: number[] = [];
  const queue = new PacketQueue(0, 10, (packet) => released.push(packet.sequence));
  for (const sequence of [0, 1, 2]) {
    const packet = new Packet(Buffer.allocUnsafeSlow(packetBufferBytes), { offsetInBlock: sequence * 10, capacityBytes: 10 });
    packet.fill(10);
    queue.push(packet, { isLast: sequence === 2 });
  }
  const sent = [queue.next()!, queue.next()!];
  for (const packet of sent) packet.pendingWrites++;
  queue.acknowledgeOldest();
  t.deepEqual(released, [], 'the write of packet 0 has not ended');
  t.is(queue.acknowledgedBytes, 10);
  queue.writeEnded(sent[0]!);
  t.deepEqual(released, [0]);
  queue.writeEnded(sent[1]!);
  t.deepEqual(released, [0]);
  queue.rewind();
  t.deepEqual([queue.next()!.sequence, queue.next()!.sequence, queue.next()], [1, 2, undefined], 'what is not acknowledged is sent again');
  queue.discard();
  t.deepEqual(released, [0, 1, 2]);
});

test('the pool has a bound, and still nobody is without a first buffer', (t) => {
  const pool = new PacketPool(2);
  const first = pool.take({ isFirst: true })!;
  t.truthy(pool.take({ isFirst: false }));
  t.is(pool.take({ isFirst: false }), undefined);
  t.truthy(pool.take({ isFirst: true }), 'a writer that holds none is never starved by those that do');
  let wakeCount = 0;
  pool.onGiven(() => wakeCount++);
  const forget = pool.onGiven(() => (wakeCount += 10));
  forget();
  pool.give(first);
  pool.give(Buffer.alloc(0));
  t.is(wakeCount, 1);
  t.truthy(pool.take({ isFirst: false }));
});
