import test from 'ava';
import { InvalidationQueue } from '../../../source/namenode/invalidation-queue.js';

const block = (blockId: number) => ({ blockId, generationStamp: 1, lengthBytes: 1 });
const take = (queue: InvalidationQueue, nowMs: number, options: Partial<Parameters<InvalidationQueue['take']>[0]> = {}) =>
  queue.take({ limit: 3, nowMs, retryMs: 1000, isStillRight: () => true, onGivenUp: () => {}, ...options }).map(({ blockId }) => blockId);

test('deletions are ordered in batches, and no more than two batches are on their way', (t) => {
  const queue = new InvalidationQueue();
  for (let i = 1; i <= 10; i++) queue.add(block(i));
  t.deepEqual(take(queue, 0), [1, 2, 3]);
  t.deepEqual(take(queue, 1), [4, 5, 6]);
  t.deepEqual(take(queue, 2), []);
  for (const done of [1, 2, 3]) queue.confirm(done);
  t.deepEqual(take(queue, 3), [7, 8, 9]);
  t.deepEqual([queue.size, queue.bytes], [7, 7]);
});

test('what is not confirmed is ordered again, and given up after some tries', (t) => {
  const queue = new InvalidationQueue();
  queue.add(block(1));
  let givenUp = 0;
  const onGivenUp = () => void givenUp++;
  t.deepEqual([take(queue, 0), take(queue, 999), take(queue, 1000), take(queue, 2000), take(queue, 3000, { onGivenUp }), take(queue, 9000)], [[1], [], [1], [1], [], []]);
  t.is(givenUp, 1);
  t.deepEqual([queue.size, queue.bytes], [0, 0]);
});

test('what is needed again by the time of the order is not deleted; a repeated order says that it is one', (t) => {
  const queue = new InvalidationQueue();
  for (const id of [1, 2]) queue.add(block(id));
  const asked: [number, boolean][] = [];
  const isStillRight = ({ blockId }: { blockId: number }, isRepeated: boolean) => (asked.push([blockId, isRepeated]), blockId === 2);
  t.deepEqual(take(queue, 0, { isStillRight }), [2]);
  t.deepEqual(take(queue, 1000, { isStillRight }), [2]);
  t.deepEqual([queue.size, queue.bytes], [1, 1]);
  t.deepEqual(asked, [[1, false], [2, false], [2, true]]);
});

test('a new process of the node is told everything again', (t) => {
  const queue = new InvalidationQueue();
  for (let i = 1; i <= 4; i++) queue.add(block(i));
  take(queue, 0);
  queue.orderAgain();
  t.deepEqual([queue.size, queue.bytes], [4, 4]);
  t.deepEqual(take(queue, 1), [4, 1, 2]);
});
