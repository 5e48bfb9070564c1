import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { type Frame, encodePrefix, framePrefixBytes, frameTypes, maxFrameBodyBytes } from '../../../source/protocol/block-stream.js';
import { InputOutputError } from '../../../source/protocol/errors.js';
import { BufferPool } from '../../../source/transport/buffer-pool.js';
import { FrameReceiver } from '../../../source/transport/frame-receiver.js';
import { patternFrame } from '../../helpers/block-channel-contract.js';

function newReceiver(onFrame: (frame: Frame) => void): { receiver: FrameReceiver; pool: BufferPool } {
  const pool = new BufferPool({ maxIdleBytes: 20_000_000, pressureBytes: 100_000_000 });
  return { receiver: new FrameReceiver({ pool, onFrame, onRelease: () => {} }), pool };
}

test('frames come out whole however their bytes were cut, read in place or pushed', (t) => {
  const random = seededRandom(5);
  for (const isPushed of [true, false]) {
    for (let round = 0; round < 40; round++) {
      const sent = Array.from({ length: 30 }, (_, index) => patternFrame(random.integer(2 ** random.integer(18)), index));
      const bytes = Buffer.concat(sent);
      const received: Frame[] = [];
      const { receiver, pool } = newReceiver((frame) => received.push(frame));
      const largest = 2 ** random.integer(20);
      for (let at = 0; at < bytes.length; ) {
        const wanted = 1 + random.integer(largest);
        if (isPushed) {
          receiver.push(bytes.subarray(at, at + wanted));
          at += wanted;
        } else {
          const target = receiver.buffer();
          t.true(target.length > 0);
          const count = bytes.copy(target, 0, at, at + Math.min(wanted, target.length));
          receiver.received(count);
          at += count;
        }
      }
      t.is(received.length, sent.length);
      for (const [index, frame] of received.entries()) {
        if (!frame.raw.equals(sent[index]!)) t.fail(`round ${round}: frame ${index} differs`);
        frame.release();
      }
      t.false(receiver.isMidFrame);
      t.is(pool.lentBytes, 0);
    }
  }
});

test('the rest of a large frame is read into its place: hardly anything is copied', (t) => {
  const { receiver } = newReceiver((frame) => frame.release());
  const frame = patternFrame(524_344);
  let copied = 0;
  for (let round = 0; round < 10; round++) {
    for (let at = 0; at < frame.length; ) {
      const target = receiver.buffer();
      const isScratch = target.length <= 16 * 1024;
      const count = frame.copy(target, 0, at);
      receiver.received(count);
      if (isScratch) copied += count;
      at += count;
    }
  }
  t.true(copied < frame.length * 10 * 0.02, `${copied} bytes`);
});

test('a frame that is too large or no frame is refused before anything is allocated for it', (t) => {
  for (const [type, bodyLength] of [
    [frameTypes.packet, maxFrameBodyBytes + 1],
    [frameTypes.status, 0xffffffff],
    [42, 0],
  ] as const) {
    const { receiver, pool } = newReceiver(() => t.fail('no frame was sent'));
    const prefix = Buffer.alloc(framePrefixBytes);
    encodePrefix(prefix, type, 0, bodyLength);
    t.throws(() => receiver.push(prefix), { instanceOf: InputOutputError });
    t.is(pool.lentBytes, 0);
  }
});

test('dispose gives back the buffer of a frame that was cut off', (t) => {
  const { receiver, pool } = newReceiver(() => t.fail('no whole frame was sent'));
  receiver.push(patternFrame(100_000).subarray(0, 50_000));
  t.true(pool.lentBytes > 0);
  t.true(receiver.isMidFrame);
  receiver.dispose();
  t.is(pool.lentBytes, 0);
  t.false(receiver.isMidFrame);
});
