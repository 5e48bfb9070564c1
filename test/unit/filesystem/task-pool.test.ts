import test from 'ava';
import { TaskPool } from '../../../source/filesystem/task-pool.js';

function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

test('no more tasks run than there are slots, and all of them run', async (t) => {
  const pool = new TaskPool(3);
  let running = 0;
  let most = 0;
  let done = 0;
  for (let i = 0; i < 20; i++) {
    await pool.start(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      done++;
    });
  }
  await pool.drain();
  t.is(most, 3);
  t.is(done, 20);
});

test('a task that costs more waits until enough is free, and others behind it wait too', async (t) => {
  const pool = new TaskPool(4);
  const first = gate();
  const order: string[] = [];
  await pool.start(async () => first.promise, 2);
  const large = pool.start(async () => void order.push('large'), 4);
  const small = pool.start(async () => void order.push('small'));
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(order, []);
  first.open();
  await Promise.all([large, small]);
  await pool.drain();
  t.deepEqual(order, ['large', 'small']);
});

test('a task that costs more than there is takes everything', async (t) => {
  const pool = new TaskPool(2);
  let isDone = false;
  await pool.start(async () => void (isDone = true), 100);
  await pool.drain();
  t.true(isDone);
});
