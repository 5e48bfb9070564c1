import test from 'ava';
import { findLinearization, type HistoryCall, type SequentialModel } from '../../helpers/linearizability.js';

type Step = { write: number } | { read: true };
const register: SequentialModel<number, Step> = {
  initial: 0,
  apply: (state, step) => ('write' in step ? { state: step.write, answer: null } : { state, answer: state }),
  digest: String,
};
const write = (value: number, invokedAt: number, returnedAt: number): HistoryCall<Step> => ({ client: 1, step: { write: value }, invokedAt, returnedAt, answer: null });
const read = (answer: number, invokedAt: number, returnedAt: number): HistoryCall<Step> => ({ client: 2, step: { read: true }, invokedAt, returnedAt, answer });

test('calls that overlap may have happened in either order', (t) => {
  t.truthy(findLinearization([write(1, 1, 4), read(0, 2, 3)], register));
  t.truthy(findLinearization([write(1, 1, 4), read(1, 2, 3)], register));
});

test('what was answered must be seen by whoever asks after it', (t) => {
  t.is(findLinearization([write(1, 1, 2), read(0, 3, 4)], register), undefined);
});

test('a value that was read does not go away again by itself', (t) => {
  t.is(findLinearization([write(1, 1, 8), read(1, 2, 3), read(0, 4, 5)], register), undefined);
});

test('a call of unknown outcome may have happened, late too, or never; but only once', (t) => {
  const unknown = write(1, 1, Infinity);
  t.truthy(findLinearization([unknown, read(0, 2, 3)], register));
  t.truthy(findLinearization([unknown, read(1, 2, 3)], register));
  t.truthy(findLinearization([unknown, read(0, 2, 3), read(1, 4, 5)], register));
  t.is(findLinearization([unknown, read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)], register), undefined);
});
