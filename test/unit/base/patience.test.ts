import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { Patience } from '../../../source/base/patience.js';

test('each wait has its own limit, whatever came of the ones before, and is told of once', (t) => {
  const clock = new ManualClock();
  const patience = new Patience(clock);
  const over: string[] = [];
  const begin = (name: string, limitMs: number) => patience.begin(limitMs, () => over.push(name));
  for (let i = 0; i < 5; i++) {
    const wait = begin('quick', 500);
    clock.advance(300);
    patience.end(wait);
  }
  t.deepEqual(over, [], 'longer than the limit together, each of them shorter');
  const slow = begin('slow', 500);
  clock.advance(499);
  t.deepEqual(over, []);
  clock.advance(1);
  t.deepEqual(over, ['slow']);
  clock.advance(5000);
  t.deepEqual(over, ['slow']);
  patience.end(slow);
  begin('long', 5000);
  clock.advance(100);
  const short = begin('short', 200);
  clock.advance(200);
  t.deepEqual(over, ['slow', 'short'], 'a shorter limit than that of the wait before');
  patience.end(short);
  begin('at once', 0);
  clock.advance(0);
  clock.advance(1);
  t.deepEqual(over, ['slow', 'short', 'at once']);
});

test('the late end of an earlier wait ends no other one, and what is stopped is told of nothing', (t) => {
  const clock = new ManualClock();
  const patience = new Patience(clock);
  let overCount = 0;
  const first = patience.begin(100, () => overCount++);
  patience.begin(100, () => overCount++);
  patience.end(first);
  clock.advance(100);
  t.is(overCount, 1);
  patience.begin(100, () => overCount++);
  patience.stop();
  clock.advance(1000);
  t.is(overCount, 1);
});
