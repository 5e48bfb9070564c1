import test from 'ava';
import { decodeAck, encodeAck, framePrefixBytes } from '../../../source/protocol/block-stream.js';

test('an acknowledgement comes back as it was', (t) => {
  const ack = { sequence: 7, entries: [{ status: 'ok', receivedBytes: 5_000_000_000, durableBytes: 0 }, { status: 'stale', receivedBytes: 0, durableBytes: 0 }] } as const;
  const frame = encodeAck({ sequence: ack.sequence, entries: [...ack.entries] });
  t.deepEqual(decodeAck(frame.subarray(framePrefixBytes)), { sequence: 7, entries: [...ack.entries] });
});

test('an acknowledgement of lengths that no replica can have is none: passing it on would fail', (t) => {
  const body = Buffer.from(encodeAck({ sequence: 1, entries: [{ status: 'ok', receivedBytes: 1, durableBytes: 1 }] }).subarray(framePrefixBytes));
  body.fill(0xff, body.length - 8);
  t.is(decodeAck(body), undefined);
});
