import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { OperationProgress } from '../../../source/commands/command.js';
import { editLine, emptyLine } from '../../../source/shell/line-editor.js';
import { initialState, sampledRate, type ShellEvent } from '../../../source/shell/shell-state.js';
import { ShellStore } from '../../../source/shell/shell-store.js';
import { fixtureHealth, fixtureNode } from '../../helpers/fixture-cluster.js';

function createStore() {
  const clock = new ManualClock();
  const store = new ShellStore(initialState({ columns: 100, rows: 30, promptLabel: 'dfs:/', nameNodeAddress: 'x:1', hasPanel: true, nowMs: 0 }), clock);
  let announcements = 0;
  store.subscribe(() => announcements++);
  return { clock, store, count: () => announcements };
}

const progress = (doneBytes: number, nowMs: number): ShellEvent => ({ type: 'transfer-progressed', id: 'a', progress: { operation: 'put', source: 'a', target: '/a', startedMs: 0, doneBytes, totalBytes: 1000 } as OperationProgress, nowMs });

test('a key is announced at once, a hundred steps of a transfer in a second nine times, health twice', (t) => {
  const { clock, store, count } = createStore();
  store.dispatch({ type: 'edited', editor: editLine(emptyLine, { type: 'insert', text: 'a' }) });
  t.is(count(), 1);
  for (let step = 0; step < 100; step++) {
    store.dispatch(progress(step, clock.monotonicMs()));
    clock.advance(10);
  }
  t.is(count() - 1, 9);
  clock.advance(1000);
  const before = count();
  for (let step = 0; step < 10; step++) {
    store.dispatch({ type: 'health-came', health: fixtureHealth(), nowMs: clock.monotonicMs() });
    clock.advance(100);
  }
  t.is(count() - before, 2);
});

test('a snapshot stays the same until it is announced, and a key takes waiting changes along', (t) => {
  const { store, count } = createStore();
  const first = store.getSnapshot();
  store.dispatch(progress(10, 0));
  t.is(store.getSnapshot(), first);
  t.is(store.current.transfers.length, 1);
  store.dispatch({ type: 'hinted', hint: 'x' });
  t.is(store.getSnapshot().transfers.length, 1);
  t.is(count(), 1);
});

test('no timer is left when nothing moves', (t) => {
  const { clock, store, count } = createStore();
  store.dispatch(progress(10, 0));
  clock.advance(10_000);
  const announced = count();
  clock.advance(60_000);
  t.is(count(), announced);
});

test('a rate is that of the last seconds, and falls when nothing comes', (t) => {
  const { store } = createStore();
  for (let second = 0; second <= 10; second++) store.dispatch(progress(second < 5 ? second * 10 : 50 + (second - 5) * 100, second * 1000));
  const { samples, progress: last } = store.current.transfers[0]!;
  t.is(sampledRate(samples, { timeMs: 10_000, count: last.doneBytes }), 100);
  t.is(sampledRate(samples, { timeMs: 14_000, count: last.doneBytes }), 50);
  t.true(samples.length < 30);
});

test('an arrow shows a node that fills, for ten seconds', (t) => {
  const { store } = createStore();
  const health = (usedBytes: number) => fixtureHealth({ datanodes: [fixtureNode('dn1', { usedBytes, capacityBytes: 100 })] });
  store.dispatch({ type: 'health-came', health: health(41), nowMs: 0 });
  t.is(store.current.usage.get('dn1')?.direction, 'same');
  store.dispatch({ type: 'health-came', health: health(42), nowMs: 1000 });
  t.is(store.current.usage.get('dn1')?.direction, 'up');
  store.dispatch({ type: 'health-came', health: health(42), nowMs: 9000 });
  t.is(store.current.usage.get('dn1')?.direction, 'up');
  store.dispatch({ type: 'health-came', health: health(42), nowMs: 12_000 });
  t.is(store.current.usage.get('dn1')?.direction, 'same');
});
