import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { ReplicaIndex } from '../../../source/storage/replica-index.js';

test('after any changes the index holds what a Map would, in order of id', (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = seededRandom(seed);
    const index = new ReplicaIndex();
    const model = new Map<number, { generationStamp: number; lengthBytes: number; volumeIndex: number }>();
    // Near each other, far apart, at the borders of pages, and beyond 2^32.
    const ids = Array.from({ length: 400 }, () => [1, 65_530, 1_073_741_825, 2 ** 52][random.integer(4)]! + random.integer(300));
    for (let step = 0; step < 20_000; step++) {
      const blockId = ids[random.integer(ids.length)]!;
      if (random.integer(5) < 3) {
        const replica = {
          generationStamp: 1 + random.integer(2 ** 40),
          lengthBytes: random.integer(2 ** 40),
          volumeIndex: random.integer(3),
        };
        index.set(blockId, replica);
        model.set(blockId, replica);
      } else {
        t.deepEqual(index.delete(blockId), model.get(blockId));
        model.delete(blockId);
      }
    }
    for (const blockId of ids) t.deepEqual(index.get(blockId), model.get(blockId), `seed ${seed}`);
    t.deepEqual(
      [...index.entries()],
      [...model].sort((a, b) => a[0] - b[0]),
    );
    for (let volumeIndex = 0; volumeIndex < 3; volumeIndex++)
      t.is(index.count(volumeIndex), [...model.values()].filter((replica) => replica.volumeIndex === volumeIndex).length);
  }
});

test('listing survives what comes and goes meanwhile', (t) => {
  const index = new ReplicaIndex();
  const replica = { generationStamp: 1, lengthBytes: 1, volumeIndex: 0 };
  for (let blockId = 1; blockId <= 200_000; blockId += 1000) index.set(blockId, replica);
  const seen: number[] = [];
  for (const [blockId] of index.entries()) {
    seen.push(blockId);
    index.delete(blockId);
    index.delete(blockId + 1000);
    index.set(blockId + 500, replica);
  }
  t.deepEqual(
    seen,
    [...new Set(seen)].sort((a, b) => a - b),
  );
  t.is(seen[0], 1);
});

test('two million replicas take less than 60 bytes each', (t) => {
  const before = process.memoryUsage().arrayBuffers;
  const index = new ReplicaIndex();
  for (let blockId = 1; blockId <= 2_000_000; blockId++)
    index.set(2 ** 30 + blockId, { generationStamp: 1000 + blockId, lengthBytes: 4096, volumeIndex: 0 });
  const bytes = process.memoryUsage().arrayBuffers - before;
  t.is(index.count(0), 2_000_000);
  t.is(index.get(2 ** 30 + 1_234_567)?.generationStamp, 1_235_567);
  t.true(bytes / 2_000_000 < 60, `${bytes / 2_000_000}`);
});
