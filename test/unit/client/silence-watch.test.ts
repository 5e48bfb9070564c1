import test from 'ava';
import { type Clock, ManualClock, type Timer } from '../../../source/base/clock.js';
import type { ReplicaLocation } from '../../../source/protocol/block.js';
import { SilenceWatch } from '../../../source/client/silence-watch.js';

const targets = ['dn1', 'dn2', 'dn3'].map((name) => ({ name, datanodeUuid: name })) as ReplicaLocation[];
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function watchOn(clock: Clock, options: { suspect?: number; isWaiting?: () => boolean } = {}) {
  const accused: string[] = [];
  let questions = 0;
  const watch = new SilenceWatch(
    clock,
    targets,
    async () => {
      questions++;
      return options.suspect;
    },
    { isWaiting: options.isWaiting ?? (() => true), onSilence: (culprit, reason) => accused.push(`${targets[culprit]!.name} ${reason}`) },
  );
  return { watch, accused, questions: () => questions };
}

async function pass(clock: ManualClock, ms: number, each: () => void = () => {}): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    clock.advance(500);
    each();
    await turn();
  }
}

test('a first node that sends nothing at all is named after 8 to 10 s', async (t) => {
  const clock = new ManualClock();
  const { watch, accused } = watchOn(clock);
  watch.heard();
  await pass(clock, 8000);
  t.deepEqual(accused, []);
  await pass(clock, 2000);
  t.deepEqual(accused, ['dn1 sent nothing for 8 s']);
});

test('one that says that it works has time until the limit of its pipeline; the name node is asked meanwhile', async (t) => {
  const clock = new ManualClock();
  const { watch, accused, questions } = watchOn(clock);
  await pass(clock, 44_000, () => watch.noteWorking());
  t.deepEqual(accused, []);
  t.true(questions() > 10);
  await pass(clock, 4000, () => watch.noteWorking());
  t.deepEqual(accused, ['dn1 did not answer for 46 s']);
});

test('who is silent towards the name node too is named first', async (t) => {
  const clock = new ManualClock();
  const { watch, accused } = watchOn(clock, { suspect: 2 });
  await pass(clock, 6000, () => watch.noteWorking());
  t.deepEqual(accused, ['dn3 did not answer for 4 s']);
});

test('nobody is accused while nothing is to be answered, and a wait begins when something is', async (t) => {
  const clock = new ManualClock();
  let isWaiting = false;
  const { watch, accused } = watchOn(clock, { isWaiting: () => isWaiting });
  await pass(clock, 61_000);
  isWaiting = true;
  watch.heard();
  await pass(clock, 8000);
  t.deepEqual(accused, []);
  await pass(clock, 2000);
  t.is(accused.length, 1);
});

test('a process that was stopped for a minute itself hears what has come before it accuses anybody (fault 54)', async (t) => {
  const clock = new ManualClock();
  // A stop is one late timer, not thirty.
  let stoppedMs = 0;
  const stopped: Clock = {
    nowMs: () => clock.nowMs() + stoppedMs,
    monotonicMs: () => clock.monotonicMs() + stoppedMs,
    setTimer: (callback, delayMs): Timer => clock.setTimer(callback, delayMs),
  };
  const { watch, accused } = watchOn(stopped);
  watch.heard();
  await pass(clock, 3000, () => watch.heard());
  stoppedMs = 60_000;
  await pass(clock, 1000);
  t.deepEqual(accused, []);
  watch.noteWorking();
  await pass(clock, 4000);
  t.deepEqual(accused, []);
});
