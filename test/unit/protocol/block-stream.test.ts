import test from 'ava';
import { crc32 } from '../../../source/base/checksum.js';
import { decodeAck, decodeControl, decodePacketHeader, encodeAck, encodeControl, encodePacketHeader, framePrefixBytes, frameTypes, packetHeaderBytes } from '../../../source/protocol/block-stream.js';

test('an acknowledgement comes back as it was', (t) => {
  const ack = { sequence: 7, entries: [{ status: 'ok', receivedBytes: 5_000_000_000, durableBytes: 0 }, { status: 'stale', receivedBytes: 0, durableBytes: 0 }] } as const;
  const frame = encodeAck({ sequence: ack.sequence, entries: [...ack.entries] });
  t.deepEqual(decodeAck(frame.subarray(framePrefixBytes)), { sequence: 7, entries: [...ack.entries] });
});

test('an acknowledgement of lengths that no replica can have is none: passing it on would fail', (t) => {
  const body = Buffer.from(encodeAck({ sequence: 1, entries: [{ status: 'ok', receivedBytes: 1, durableBytes: 1 }] }).subarray(framePrefixBytes));
  body.fill(0xff, body.length - 12, body.length - 4);
  body.writeUInt32BE(crc32(body.subarray(0, -4), frameTypes.ack), body.length - 4);
  t.is(decodeAck(body), undefined);
});

test('one bit that changes in an acknowledgement, a request or a packet\'s header is noticed, whichever it is (fault 35)', (t) => {
  const frameOf = (bytes: Buffer) => ({ type: bytes[1]!, flags: bytes.readUInt16BE(2), body: bytes.subarray(framePrefixBytes), raw: bytes });
  const packet = Buffer.alloc(framePrefixBytes + packetHeaderBytes + 4 + 100);
  encodePacketHeader(packet, { sequence: 4, dataLength: 100, offsetInBlock: 4096, chunkBytes: 512, checksumCount: 1, isLast: true, isSync: false });
  const request = encodeControl(frameTypes.write, { block: { blockId: 17, generationStamp: 1041, lengthBytes: 0 } });
  const ack = encodeAck({ sequence: 1, entries: [{ status: 'ok', receivedBytes: 1, durableBytes: 1 }] });
  for (const { name, bytes, begin, end, decode } of [
    { name: 'packet', bytes: packet, begin: 0, end: framePrefixBytes + packetHeaderBytes, decode: (flipped: Buffer) => decodePacketHeader(frameOf(flipped)) },
    { name: 'request', bytes: request, begin: framePrefixBytes, end: request.length, decode: (flipped: Buffer) => decodeControl(frameOf(flipped)) },
    { name: 'acknowledgement', bytes: ack, begin: framePrefixBytes, end: ack.length, decode: (flipped: Buffer) => decodeAck(flipped.subarray(framePrefixBytes)) },
  ]) {
    t.truthy(decode(bytes), name);
    for (let bit = 8 * begin; bit < 8 * end; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      t.is(decode(flipped), undefined, `bit ${bit} of a ${name}`);
    }
  }
});
