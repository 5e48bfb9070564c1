import test from 'ava';
import { type Clock, ManualClock } from '../../../source/base/clock.js';
import { StallWatch } from '../../../source/transport/stall-watch.js';

test('a stall is noticed at the first tick after the limit, and progress puts it off', (t) => {
  const clock = new ManualClock();
  let stalls = 0;
  const watch = new StallWatch({ clock, tickMs: 100, limitMs: () => 400, onStall: () => stalls++ });
  clock.advance(399);
  t.is(stalls, 0);
  watch.progress();
  clock.advance(300);
  t.is(stalls, 0);
  clock.advance(200);
  t.true(stalls > 0);
  watch.stop();
  stalls = 0;
  clock.advance(10_000);
  t.is(stalls, 0);
});

test('after a process was stopped for an hour its peers get their time anew (fault 54)', (t) => {
  let nowMs = 0;
  let fire = () => {};
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, setTimer: (callback) => ((fire = callback), { cancel: () => {} }) };
  let stalls = 0;
  new StallWatch({ clock, tickMs: 100, limitMs: () => 400, onStall: () => stalls++ });
  nowMs = 3_600_000;
  fire();
  t.is(stalls, 0);
  for (let tick = 0; tick < 2; tick++) {
    nowMs += 100;
    fire();
  }
  t.is(stalls, 1);
});
