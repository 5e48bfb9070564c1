import test from 'ava';
import { defaultChunkBytes, defaultPacketDataBytes, packetOverheadBytes } from '../../../source/protocol/block-stream.js';
import { BufferPool } from '../../../source/transport/buffer-pool.js';

test('a buffer that was given back serves the next frame of its size', (t) => {
  const pool = new BufferPool({ maxIdleBytes: 10_000_000, pressureBytes: 10_000_000 });
  const first = pool.acquire(524_352);
  t.true(first.length >= 524_352);
  pool.release(first);
  t.is(pool.acquire(500_000), first);
  t.not(pool.acquire(500_000), first);
});

test('a packet of ours or with HDFS\'s chunks wastes less than a tenth', (t) => {
  const pool = new BufferPool({ maxIdleBytes: 0, pressureBytes: 0 });
  for (const chunkBytes of [512, defaultChunkBytes]) {
    const bytes = packetOverheadBytes(defaultPacketDataBytes, chunkBytes) + defaultPacketDataBytes;
    t.true(pool.acquire(bytes).length < bytes * 1.1);
  }
});

test('what is kept, and what is lent out, is counted and bounded', (t) => {
  const pool = new BufferPool({ maxIdleBytes: 200_000, pressureBytes: 150_000 });
  const buffers = Array.from({ length: 5 }, () => pool.acquire(60_000));
  t.true(pool.isUnderPressure);
  for (const buffer of buffers) pool.release(buffer);
  t.false(pool.isUnderPressure);
  t.is(pool.lentBytes, 0);
  const again = Array.from({ length: 5 }, () => pool.acquire(60_000));
  t.is(again.filter((buffer) => buffers.includes(buffer)).length, 3, 'only what fits into the limit was kept');
});
