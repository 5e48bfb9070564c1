import test, { type ExecutionContext } from 'ava';
import { type Clock, ManualClock, systemClock } from '../../source/base/clock.js';
import { seededRandom } from '../../source/base/random.js';
import { type BlockChannel, type Frame, encodeControl, encodePrefix, framePrefixBytes, frameTypes, maxControlBodyBytes, maxFrameBodyBytes } from '../../source/protocol/block-stream.js';
import { InputOutputError } from '../../source/protocol/errors.js';

export interface ChannelPair {
  /** Who opened it, and who accepted it. */
  opener: BlockChannel;
  acceptor: BlockChannel;
  close(): Promise<void>;
}

export interface ChannelPairOptions {
  clock: Clock;
  idleTimeoutMs: number;
  maxFramesInFlight: number;
}

type Open = (options: ChannelPairOptions) => Promise<ChannelPair>;

/** A whole packet frame whose body is `length` bytes of a pattern. */
export function patternFrame(length: number, seed = 0, type: number = frameTypes.packet): Buffer {
  const frame = Buffer.alloc(framePrefixBytes + length);
  encodePrefix(frame, type, seed & 3, length);
  for (let i = 0; i < length; i++) frame[framePrefixBytes + i] = (i * 31 + seed) & 255;
  return frame;
}

/** Turns of the event loop: enough for everything that can happen to have happened, without a clock. */
export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function readFrame(channel: BlockChannel): Promise<Frame> {
  const frame = await channel.read();
  if (!frame) throw new Error('the channel ended');
  return frame;
}

/** What every BlockChannel promises (protocol/block-stream.ts). */
export function testBlockChannel(name: string, open: Open): void {
  const each = (title: string, body: (t: ExecutionContext, pair: ChannelPair) => Promise<void>, options: Partial<ChannelPairOptions> = {}) =>
    test(`${name}: ${title}`, async (t) => {
      const pair = await open({ clock: systemClock, idleTimeoutMs: 60_000, maxFramesInFlight: 16, ...options });
      try {
        await body(t, pair);
      } finally {
        await pair.close();
      }
    });

  each('whoever works without reading learns that the other end has gone, once; one that asks later at once; one that no longer asks not', async (t, { opener, acceptor }) => {
    let calls = 0;
    let stopped = 0;
    acceptor.onGone(() => calls++);
    acceptor.onGone(() => stopped++)();
    await turns();
    t.is(calls, 0);
    opener.destroy();
    for (let i = 0; i < 100 && calls === 0; i++) await turns();
    acceptor.destroy();
    await turns();
    t.is(calls, 1);
    t.is(stopped, 0);
    acceptor.onGone(() => calls++);
    t.is(calls, 2);
  });

  each('frames of all sizes arrive whole and in order, both ways at once', async (t, { opener, acceptor }) => {
    const random = seededRandom(7);
    const lengths = [0, 1, 4087, 4088, 4089, 16_376, 16_377, 65_536, 524_344, maxFrameBodyBytes, ...Array.from({ length: 60 }, () => random.integer(2 ** random.integer(19)))];
    const send = async (channel: BlockChannel, seed: number) => {
      for (const [index, length] of lengths.entries()) await channel.write([patternFrame(length, index + seed)]);
    };
    const receive = async (channel: BlockChannel, seed: number) => {
      for (const [index, length] of lengths.entries()) {
        const frame = await readFrame(channel);
        const expected = patternFrame(length, index + seed);
        t.is(frame.type, frameTypes.packet);
        t.is(frame.flags, (index + seed) & 3);
        t.true(frame.raw.equals(expected), `frame ${index} of ${length} bytes`);
        t.true(frame.body.equals(expected.subarray(framePrefixBytes)));
        frame.release();
      }
    };
    await Promise.all([send(opener, 1), send(acceptor, 100), receive(acceptor, 1), receive(opener, 100)]);
  });

  each('a frame may be written in pieces, and many frames in one write', async (t, { opener, acceptor }) => {
    const frame = patternFrame(300_000, 5);
    await opener.write([frame.subarray(0, 3), frame.subarray(3, 8), frame.subarray(8, 100_000), frame.subarray(100_000)]);
    await opener.write([Buffer.concat([patternFrame(10, 1), patternFrame(20, 2)]), patternFrame(30, 3)]);
    for (const expected of [frame, patternFrame(10, 1), patternFrame(20, 2), patternFrame(30, 3)]) {
      const received = await readFrame(acceptor);
      t.true(received.raw.equals(expected));
      received.release();
    }
  });

  each('a frame is forwarded by writing its raw bytes', async (t, { opener, acceptor }) => {
    const sent = patternFrame(524_344, 9);
    await opener.write([sent]);
    const received = await readFrame(acceptor);
    await acceptor.write([received.raw]);
    received.release();
    const back = await readFrame(opener);
    t.true(back.raw.equals(sent));
    back.release();
  });

  each('once a write has resolved, its buffers are the caller\'s again', async (t, { opener, acceptor }) => {
    const buffer = Buffer.alloc(framePrefixBytes + 600_000);
    const sum = (bytes: Buffer) => bytes.every((byte, index) => index === 0 || byte === bytes[0]);
    const receive = async () => {
      for (let round = 0; round < 20; round++) {
        const frame = await readFrame(acceptor);
        t.is(frame.body[0], round);
        t.true(sum(frame.body), `round ${round} holds bytes of another`);
        frame.release();
      }
    };
    const send = async () => {
      for (let round = 0; round < 20; round++) {
        buffer.fill(round);
        encodePrefix(buffer, frameTypes.packet, 0, 600_000);
        await opener.write([buffer]);
      }
    };
    await Promise.all([send(), receive()]);
  });

  each('writes that overlap keep their order', async (t, { opener, acceptor }) => {
    const writes = Array.from({ length: 200 }, (_, index) => opener.write([patternFrame(index * 97, index)]));
    for (let index = 0; index < 200; index++) {
      const frame = await readFrame(acceptor);
      t.true(frame.raw.equals(patternFrame(index * 97, index)), `frame ${index}`);
      frame.release();
    }
    await Promise.all(writes);
  });

  each(
    'while nothing is read the sender waits, and nothing is lost when reading begins',
    async (t, { opener, acceptor }) => {
      let resolvedCount = 0;
      const writes = Array.from({ length: 60 }, async (_, index) => {
        await opener.write([patternFrame(1024 * 1024, index)]);
        resolvedCount++;
      });
      await turns(300);
      t.true(resolvedCount < 60, 'every write was taken though nothing was read');
      for (let index = 0; index < 60; index++) {
        const frame = await readFrame(acceptor);
        t.true(frame.raw.equals(patternFrame(1024 * 1024, index)));
        frame.release();
      }
      await Promise.all(writes);
    },
    { maxFramesInFlight: 4 },
  );

  each(
    'frames that are read and not released hold the sender back too',
    async (t, { opener, acceptor }) => {
      const writes = Array.from({ length: 60 }, (_, index) => opener.write([patternFrame(1024 * 1024, index)]));
      const held: Frame[] = [];
      for (let index = 0; index < 4; index++) held.push(await readFrame(acceptor));
      let isFifthHere = false;
      const fifth = readFrame(acceptor).then((frame) => {
        isFifthHere = true;
        return frame;
      });
      await turns(100);
      t.false(isFifthHere);
      t.true(held.every((frame, index) => frame.raw.equals(patternFrame(1024 * 1024, index))), 'held frames keep their bytes');
      for (const frame of held) frame.release();
      (await fifth).release();
      for (let index = 5; index < 60; index++) (await readFrame(acceptor)).release();
      await Promise.all(writes);
    },
    { maxFramesInFlight: 4 },
  );

  each('after an end in good order reads answer null, and the other way still works', async (t, { opener, acceptor }) => {
    await opener.write([patternFrame(100, 1)]);
    opener.end();
    (await readFrame(acceptor)).release();
    t.is(await acceptor.read(), null);
    t.is(await acceptor.read(), null);
    await acceptor.write([patternFrame(50, 2)]);
    acceptor.end();
    (await readFrame(opener)).release();
    t.is(await opener.read(), null);
  });

  each('an end in the middle of a frame is an error', async (t, { opener, acceptor }) => {
    await opener.write([patternFrame(100_000, 1).subarray(0, 60_000)]);
    opener.end();
    await t.throwsAsync(acceptor.read(), { instanceOf: InputOutputError });
    t.true(acceptor.isDestroyed);
  });

  each('a reset in the middle of a frame is an error for reads and writes (fault 33)', async (t, { opener, acceptor }) => {
    await opener.write([patternFrame(100_000, 1).subarray(0, 60_000)]);
    const read = acceptor.read();
    await turns();
    opener.destroy();
    await t.throwsAsync(read, { instanceOf: InputOutputError });
    await t.throwsAsync(acceptor.write([patternFrame(1)]), { instanceOf: InputOutputError });
    await t.throwsAsync(acceptor.read(), { instanceOf: InputOutputError });
  });

  each('destroy breaks off reads and writes in progress, and is harmless when repeated', async (t, { opener, acceptor }) => {
    const read = t.throwsAsync(opener.read(), { instanceOf: InputOutputError });
    const writes = Array.from({ length: 60 }, () => opener.write([patternFrame(1024 * 1024)]));
    const outcomes = Promise.allSettled(writes);
    await turns();
    opener.destroy();
    opener.destroy();
    t.true(opener.isDestroyed);
    await read;
    const settled = await outcomes;
    const rejected = settled.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    t.true(rejected.length > 0);
    t.true(rejected.every(({ reason }) => reason instanceof InputOutputError));
    await t.throwsAsync(opener.read(), { instanceOf: InputOutputError });
    // What had arrived whole may still be read. Then comes the end: as an error, or, between two frames, as null.
    let receivedCount = 0;
    let ending: unknown;
    while (ending === undefined) {
      try {
        const frame = await acceptor.read();
        frame?.release();
        if (frame) receivedCount++;
        else ending = null;
      } catch (error) {
        ending = error;
      }
    }
    t.true(receivedCount < 60);
    t.true(ending === null || ending instanceof InputOutputError, String(ending));
  });

  const badFrames: [string, Buffer][] = [
    ['another magic', Buffer.from([0x47, 0x45, 0x54, 0x20, 0, 0, 0, 0])],
    ['an unknown type', Buffer.from([0xdf, 99, 0, 0, 0, 0, 0, 0])],
    ['a second hello', encodeControl(frameTypes.hello, {})],
    ['an oversize packet', prefixOf(frameTypes.packet, maxFrameBodyBytes + 1)],
    ['an oversize request', prefixOf(frameTypes.write, maxControlBodyBytes + 1)],
    ['an oversize ack', prefixOf(frameTypes.ack, 0xffffffff)],
  ];
  for (const [what, bytes] of badFrames) {
    each(`${what} breaks the channel, after the frames before it`, async (t, { opener, acceptor }) => {
      await opener.write([patternFrame(10, 1), bytes]);
      (await readFrame(acceptor)).release();
      await t.throwsAsync(acceptor.read(), { instanceOf: InputOutputError });
      t.true(acceptor.isDestroyed);
    });
  }

  each('one read at a time, and each frame is released once', async (t, { opener, acceptor }) => {
    const read = acceptor.read();
    t.throws(() => acceptor.read(), { name: 'AssertionError' });
    await opener.write([patternFrame(10_000)]);
    const frame = await read;
    frame!.release();
    t.throws(() => frame!.release(), { name: 'AssertionError' });
  });

  const idle = (title: string, body: (t: ExecutionContext, pair: ChannelPair, clock: ManualClock) => Promise<void>) => {
    const clock = new ManualClock();
    each(title, (t, pair) => body(t, pair, clock), { clock, idleTimeoutMs: 60_000 });
  };

  idle('a read to which nothing comes for the idle limit fails', async (t, { acceptor }, clock) => {
    const read = acceptor.read();
    clock.advance(59_999);
    t.false(acceptor.isDestroyed);
    clock.advance(20_000);
    await t.throwsAsync(read, { instanceOf: InputOutputError, message: /no progress/ });
  });

  idle('one byte a second is too slow (fault 34)', async (t, { opener, acceptor }, clock) => {
    const frame = patternFrame(100_000);
    const read = acceptor.read();
    let error: Error | undefined;
    read.catch((cause: Error) => (error = cause));
    for (let second = 0; second < 80 && !error; second++) {
      // Once the reader has given up, the writer finds the channel broken.
      await opener.write([frame.subarray(second, second + 1)]).catch(() => {});
      await turns(3);
      clock.advance(1000);
    }
    await t.throwsAsync(read, { instanceOf: InputOutputError, message: /no progress/ });
  });

  idle('a write that nobody takes for the idle limit fails', async (t, { opener }, clock) => {
    const writes = Array.from({ length: 60 }, () => opener.write([patternFrame(1024 * 1024)]));
    const outcomes = Promise.allSettled(writes);
    await turns(300);
    clock.advance(100_000);
    t.true(opener.isDestroyed);
    t.true((await outcomes).some(({ status }) => status === 'rejected'));
  });

  idle('a channel on which nobody waits does not time out, and one that moves on now and then neither', async (t, { opener, acceptor }, clock) => {
    clock.advance(600_000);
    t.false(acceptor.isDestroyed);
    for (let round = 0; round < 20; round++) {
      const read = acceptor.read();
      clock.advance(40_000);
      await opener.write([patternFrame(10, round)]);
      (await read)!.release();
    }
    t.false(acceptor.isDestroyed);
    t.false(opener.isDestroyed);
  });
}

function prefixOf(type: number, bodyLength: number): Buffer {
  const prefix = Buffer.alloc(framePrefixBytes);
  encodePrefix(prefix, type, 0, bodyLength);
  return prefix;
}
