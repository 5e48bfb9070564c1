import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { seededRandom } from '../../../source/base/random.js';
import { backoffMs, RetryingCaller } from '../../../source/client/retrying-caller.js';
import type { ClientProtocol } from '../../../source/protocol/client-protocol.js';
import { clientProtocol } from '../../../source/protocol/client-protocol.js';
import { CancelledError, FileNotFoundError, NoSpaceError, OutcomeUnknownError, OverloadedError, RecoveryInProgressError, SafeModeError, UnavailableError } from '../../../source/protocol/errors.js';
import type { RpcCaller } from '../../../source/protocol/method.js';

type Try = { method: string; params: { callId?: number }; timeoutMs: number | undefined };

function scripted(answers: (Error | unknown)[], retryTimeoutMs = 60_000, onWaiting?: (reason: Error) => void): { caller: RetryingCaller; tries: Try[]; clock: ManualClock; settle: <T>(work: Promise<T>) => Promise<T> } {
  const clock = new ManualClock();
  const tries: Try[] = [];
  const rpc = {
    call: async (method: string, params: object, options: { timeoutMs?: number }) => {
      tries.push({ method, params, timeoutMs: options.timeoutMs });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
    close: () => {},
  } as RpcCaller<ClientProtocol>;
  const caller = new RetryingCaller(rpc, clock, seededRandom(7), { retryTimeoutMs, callTimeoutMs: 20_000, onWaiting });
  const settle = async <T>(work: Promise<T>) => {
    let isDone = false;
    const finish = () => (isDone = true);
    work.then(finish, finish);
    while (!isDone) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      clock.advance(10);
    }
    return work;
  };
  return { caller, tries, clock, settle };
}

const remove = { path: '/f', recursive: false };

test('every method whose parameters hold a call id is sent with one, and no other', async (t) => {
  const { caller, tries } = scripted([null]);
  for (const method of Object.keys(clientProtocol) as (keyof ClientProtocol)[]) await caller.call(method, {} as never);
  for (const { method, params } of tries) {
    t.is('callId' in params, 'callId' in clientProtocol[method as keyof ClientProtocol].params.properties, method);
  }
  const ids = tries.flatMap(({ params }) => (params.callId === undefined ? [] : [params.callId]));
  t.deepEqual(ids, [...ids].sort((a, b) => a - b));
  t.is(new Set(ids).size, ids.length);
});

for (const refusal of [new NoSpaceError('the disk is full'), new SafeModeError('safe mode')]) {
  test(`a ${refusal.name} says nothing about an earlier try that got no answer: the outcome is unknown (faults 19, 32)`, async (t) => {
    const { caller, settle } = scripted([null, new OutcomeUnknownError('reset'), refusal, refusal]);
    await caller.call('fs.getStatus', {});
    const error = await t.throwsAsync(settle(caller.call('fs.delete', remove)), { instanceOf: OutcomeUnknownError });
    t.true(error!.message.includes(refusal.message), 'the reason is told');
    await t.throwsAsync(settle(caller.call('fs.delete', remove)), { is: refusal }, 'a call that was tried once is refused and nothing else');
  });
}

test('nothing answers the very first call: it fails at once', async (t) => {
  const { caller, tries } = scripted([new UnavailableError('refused')]);
  await t.throwsAsync(caller.call('fs.getStatus', {}), { instanceOf: UnavailableError });
  t.is(tries.length, 1);
});

test('a name node that was lost later is waited for, with one call id through all tries', async (t) => {
  const { caller, tries, settle, clock } = scripted([null, new UnavailableError('refused'), new OutcomeUnknownError('reset'), new OverloadedError('busy'), new UnavailableError('refused'), true]);
  await caller.call('fs.getStatus', {});
  t.true(await settle(caller.call('fs.delete', remove)));
  const ids = tries.slice(1).map(({ params }) => params.callId);
  t.is(ids.length, 5);
  t.is(new Set(ids).size, 1);
  t.true(clock.monotonicMs() < 2000);
});

test('an error of the name node itself passes at once', async (t) => {
  const { caller, tries } = scripted([new FileNotFoundError('/f')]);
  await t.throwsAsync(caller.call('fs.delete', remove), { instanceOf: FileNotFoundError });
  t.is(tries.length, 1);
});

test('a file whose dead writer is being replaced is waited for, under one call id, but not for ever', async (t) => {
  const { caller, tries, settle } = scripted([new RecoveryInProgressError('recovering'), new RecoveryInProgressError('recovering'), { file: {}, last: null }]);
  await settle(caller.call('fs.append', { path: '/f' }));
  t.deepEqual(tries.map(({ params }) => params.callId), [1, 1, 1]);
  const endless = scripted([new RecoveryInProgressError('recovering')], 5000);
  await t.throwsAsync(endless.settle(endless.caller.call('fs.append', { path: '/f' })), { instanceOf: RecoveryInProgressError });
});

test('the tries end with the time that is given', async (t) => {
  const { caller, tries, settle, clock } = scripted([null, new UnavailableError('refused')], 30_000);
  await caller.call('fs.getStatus', {});
  await t.throwsAsync(settle(caller.call('fs.getStatus', {})), { instanceOf: UnavailableError });
  t.true(clock.monotonicMs() > 20_000 && clock.monotonicMs() <= 30_500, `${clock.monotonicMs()}`);
  t.true(tries.length > 10 && tries.length < 60, `${tries.length} tries`);
  t.true(tries.every(({ timeoutMs }) => timeoutMs! > 0 && timeoutMs! <= 20_000));
});

test('who waits is told why, after a second and then every ten', async (t) => {
  const told: string[] = [];
  const { caller, settle } = scripted([null, new OverloadedError('in safe mode')], 30_000, ({ message }) => void told.push(message));
  await caller.call('fs.getStatus', {});
  t.deepEqual(told, []);
  await t.throwsAsync(settle(caller.call('fs.delete', remove)), { instanceOf: OverloadedError, message: 'in safe mode' });
  t.deepEqual(told, ['in safe mode', 'in safe mode', 'in safe mode']);
});

test('a name node that holds its answer back for seconds is not asked when it could not answer in time', async (t) => {
  const clock = new ManualClock();
  let tries = 0;
  const rpc = {
    call: async (method: string, params: object, { timeoutMs }: { timeoutMs: number }) => {
      tries++;
      clock.advance(Math.min(5000, timeoutMs));
      if (timeoutMs < 5000) throw new OutcomeUnknownError('no answer');
      throw new OverloadedError('in safe mode');
    },
    close: () => {},
  } as unknown as RpcCaller<ClientProtocol>;
  const caller = new RetryingCaller(rpc, clock, seededRandom(7), { retryTimeoutMs: 18_000, callTimeoutMs: 20_000 });
  const failed = t.throwsAsync(caller.call('fs.delete', remove), { instanceOf: OverloadedError, message: 'in safe mode' });
  for (let turn = 0; turn < 100; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  await failed;
  t.is(tries, 3);
});

test('a call that may have happened ends as unknown, not as unavailable', async (t) => {
  const { caller, settle } = scripted([new OutcomeUnknownError('reset in the middle'), new UnavailableError('refused')], 1000);
  await t.throwsAsync(settle(caller.call('fs.delete', remove)), { instanceOf: OutcomeUnknownError, message: 'reset in the middle' });
});

test('a signal ends the waiting between two tries', async (t) => {
  const { caller, settle } = scripted([new OutcomeUnknownError('reset')]);
  const controller = new AbortController();
  const call = caller.call('fs.delete', remove, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await t.throwsAsync(settle(call), { instanceOf: CancelledError });
  await t.throwsAsync(caller.call('fs.delete', remove, { signal: controller.signal }), { instanceOf: CancelledError });
});

test('after close nothing is waited for', async (t) => {
  const { caller, tries } = scripted([null, new UnavailableError('closed')]);
  await caller.call('fs.getStatus', {});
  caller.close();
  await t.throwsAsync(caller.call('fs.getStatus', {}), { instanceOf: UnavailableError });
  t.is(tries.length, 2);
});

test('waits double up to two seconds, their upper half random', (t) => {
  const random = seededRandom(3);
  for (let attempt = 0; attempt < 40; attempt++) {
    const ceiling = Math.min(2000, 20 * 2 ** attempt);
    const delay = backoffMs(attempt, random);
    t.true(delay >= ceiling / 2 && delay < ceiling);
  }
});
