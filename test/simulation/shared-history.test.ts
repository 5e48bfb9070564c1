import test from 'ava';
import { recordBytes, recordOf, SharedHistory, type WriteAttempt } from './shared-history.js';
import { Violation } from './simulator.js';

const inodeId = 7;

/** An attempt of `recordCount` records that was acknowledged from `fromMs` to `toMs`. */
function attempt(history: SharedHistory, recordCount: number, fromMs: number, toMs?: number): WriteAttempt {
  const begun = history.begin({ writer: 'w', path: '/shared/a', recordCount, invokedMs: fromMs, isCalm: true });
  begun.inodeId = inodeId;
  begun.openedMs = fromMs + 1;
  if (toMs !== undefined) {
    begun.closingMs = toMs - 1;
    history.acknowledge(begun, toMs);
  }
  return begun;
}

function check(history: SharedHistory, ...parts: Buffer[]): void {
  history.check({ path: '/shared/a', inodeId, bytes: Buffer.concat(parts) }, { beganMs: 1000, endedMs: 1001 });
}

test('a shared file may hold what was acknowledged, in order, and the torn rest of what was not, wherever that was cut', (t) => {
  const history = new SharedHistory();
  const first = attempt(history, 2, 0, 10);
  const failed = attempt(history, 3, 20);
  const last = attempt(history, 1, 30, 40);
  for (const length of [0, 1, 3, 8, 12, 16, 20, 400, recordBytes]) {
    const rest = recordOf(failed.id, 0).subarray(0, length);
    t.notThrows(() => check(history, recordOf(first.id, 0), recordOf(first.id, 1), rest, recordOf(last.id, 0)), `${length} bytes`);
  }
  t.notThrows(() => check(history, recordOf(first.id, 0), recordOf(first.id, 1), recordOf(failed.id, 0).subarray(0, 300), recordOf(failed.id, 0).subarray(0, 0), recordOf(last.id, 0).subarray(0)));
});

test('a record of a shared file that is torn, twice there, missing, out of order, interleaved or of another file is noticed (P4)', (t) => {
  const history = new SharedHistory();
  const [a, b] = [attempt(history, 2, 0, 10), attempt(history, 2, 20, 30)];
  const [a0, a1, b0, b1] = [recordOf(a.id, 0), recordOf(a.id, 1), recordOf(b.id, 0), recordOf(b.id, 1)];
  const throws = (what: string, ...parts: Buffer[]) => t.throws(() => check(history, ...parts), { instanceOf: Violation }, what);
  t.notThrows(() => check(history, a0, a1, b0, b1));
  throws('torn', a0, a1.subarray(0, 500), b0, b1);
  throws('twice', a0, a1, a1, b0, b1);
  throws('missing at the end', a0, a1, b0);
  throws('missing in the middle', a1, b0, b1);
  throws('missing wholly', a0, a1);
  throws('out of order', b0, b1, a0, a1);
  throws('interleaved', a0, b0, a1, b1);
  throws('garbage', a0, a1, b0, b1, Buffer.from('0123456789abcdefgh'));
  throws('a few bytes of nothing', a0, a1, b0, b1, Buffer.from('xyz'));
  throws('of nobody', a0, a1, b0, b1, recordOf(99, 0));
  const late = attempt(history, 2, 900, 1001);
  const [late0, late1] = [recordOf(late.id, 0), recordOf(late.id, 1).subarray(0, 300)];
  t.notThrows(() => check(history, a0, a1, b0, b1, late0, late1), 'it was acknowledged when the reader had begun');
  throws('torn, and not at the end', a0, a1, b0, b1, late0.subarray(0, 300), recordOf(late.id, 1));
  const flipped = Buffer.from(a1);
  flipped[300]! ^= 1;
  throws('flipped', a0, flipped, b0, b1);
  const foreign = attempt(history, 1, 40, 50);
  foreign.inodeId = 8;
  throws('of another file', a0, a1, b0, b1, recordOf(foreign.id, 0));
});

test('two writers of one file at once, both acknowledged, are noticed, and what a sync promised is asked for (P4)', (t) => {
  const history = new SharedHistory();
  attempt(history, 1, 0, 10);
  t.throws(() => attempt(history, 1, 5, 15), { instanceOf: Violation, message: /two writers at once/ });

  const other = new SharedHistory();
  const synced = attempt(other, 3, 0);
  synced.syncedCount = 2;
  synced.syncedMs = 5;
  t.notThrows(() => check(other, recordOf(synced.id, 0), recordOf(synced.id, 1)));
  t.throws(() => check(other, recordOf(synced.id, 0)), { instanceOf: Violation });
  const cut = other.beginCut(6);
  t.notThrows(() => check(other, recordOf(synced.id, 0)), 'a cut explains it');
  cut.endedMs = 7;
  t.notThrows(() => check(other, recordOf(synced.id, 0)));
});

test('a cut explains torn records of before it, and none of behind it', (t) => {
  const history = new SharedHistory();
  const before = attempt(history, 1, 0, 10);
  const cut = history.beginCut(20);
  cut.endedMs = 30;
  const behind = attempt(history, 2, 40, 50);
  const records = [recordOf(behind.id, 0), recordOf(behind.id, 1)];
  t.notThrows(() => check(history, recordOf(before.id, 0).subarray(0, 300), ...records));
  t.throws(() => check(history, ...records, recordOf(behind.id, 1).subarray(0, 300)), { instanceOf: Violation, message: /a torn record/ });
});
