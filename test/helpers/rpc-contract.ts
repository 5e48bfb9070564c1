import test from 'ava';
import { ManualClock } from '../../source/base/clock.js';
import { FileNotFoundError, OutcomeUnknownError, PermissionDeniedError, RpcError, UnavailableError } from '../../source/protocol/errors.js';
import type { RpcCaller } from '../../source/protocol/method.js';
import { type DatanodeOnlyProtocol, EchoHandlers, type EchoProtocol, recordingLogger, until } from './echo-node.js';

type Protocol = EchoProtocol & DatanodeOnlyProtocol;

export interface RpcFixture {
  caller: RpcCaller<Protocol>;
  /** Calls of this one time out on `clock`. */
  clock: ManualClock;
  close(): Promise<void>;
}

/** What every RpcCaller promises (protocol/method.ts). `start` serves `handlers` and calls as the user alice, client client-1. */
export function testRpcCaller(name: string, start: (handlers: EchoHandlers, logger: ReturnType<typeof recordingLogger>) => Promise<RpcFixture>): void {
  const each = (title: string, body: (t: import('ava').ExecutionContext, fixture: RpcFixture & { handlers: EchoHandlers; logger: ReturnType<typeof recordingLogger> }) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const handlers = new EchoHandlers();
      const logger = recordingLogger();
      const fixture = await start(handlers, logger);
      try {
        await body(t, { ...fixture, handlers, logger });
      } finally {
        await fixture.close();
      }
    });

  each('a call is answered with its result, and carries who calls', async (t, { caller }) => {
    t.deepEqual(await caller.call('echo.say', { text: 'héllo\n\u2028"\\', count: Number.MAX_SAFE_INTEGER }), {
      text: 'héllo\n\u2028"\\',
      count: Number.MAX_SAFE_INTEGER,
      user: 'alice',
      clientId: 'client-1',
      role: 'client',
    });
    t.is(await caller.call('echo.nothing', {}), null);
  });

  each('many calls wait at a time, and are answered in any order', async (t, { caller, handlers }) => {
    const first = caller.call('echo.wait', { gate: 'first' });
    const rest = await Promise.all(Array.from({ length: 500 }, (_, index) => caller.call('echo.say', { text: `t${index}` })));
    t.deepEqual(rest.map(({ text }) => text), Array.from({ length: 500 }, (_, index) => `t${index}`));
    handlers.open('first');
    t.is(await first, 'first');
  });

  each('calls reach the handlers in the order they were made', async (t, { caller, handlers }) => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => caller.call('echo.say', { text: `${index}` })));
    t.deepEqual(handlers.seen, Array.from({ length: 100 }, (_, index) => `${index}`));
  });

  each('an expected failure arrives as its class, with where it happened', async (t, { caller, logger }) => {
    const error = await t.throwsAsync(caller.call('echo.fail', {}), { instanceOf: FileNotFoundError, message: '/a/b does not exist' });
    t.is((error as InstanceType<typeof FileNotFoundError>).path, '/a/b');
    t.is((error as InstanceType<typeof FileNotFoundError>).blockId, 7);
    t.deepEqual((error as InstanceType<typeof FileNotFoundError>).details, ['one', 'two']);
    t.deepEqual(logger.lines, []);
  });

  for (const isSynchronous of [true, false]) {
    each(`an unexpected failure is logged with its stack, and tells the caller nothing (${isSynchronous ? 'thrown' : 'rejected'})`, async (t, { caller, logger }) => {
      const error = await t.throwsAsync(caller.call('echo.crash', { isSynchronous }), { instanceOf: RpcError });
      t.is((error as RpcError).code, -32603);
      t.notRegex(`${error.message}${error.stack}`, /secret|TypeError/);
      t.is(logger.lines.length, 1);
      t.regex(logger.lines[0]!, /^error echo\.crash from alice at .*secret of this process[^]*echo-node/);
    });
  }

  each('a wrong parameter is refused by name, and the handler does not run', async (t, { caller, handlers }) => {
    const error = await t.throwsAsync(caller.call('echo.say', { text: 'x', count: 0 }), { instanceOf: RpcError });
    t.is((error as RpcError).code, -32602);
    t.is(error.message, 'echo.say: parameter "count": found 0, allowed: an integer from 1 to 9007199254740991');
    t.deepEqual(handlers.seen, []);
  });

  each('a method for another role is refused', async (t, { caller }) => {
    await t.throwsAsync(caller.call('echo.datanode', {}), { instanceOf: PermissionDeniedError });
  });

  each('an unknown method is refused by name', async (t, { caller }) => {
    const error = await t.throwsAsync((caller as unknown as RpcCaller<never>).call('no.such' as never, {} as never), { instanceOf: RpcError });
    t.is((error as RpcError).code, -32601);
    t.regex(error.message, /"no\.such"/);
  });

  each('an aborted call gives up at once with the reason of its signal', async (t, { caller, handlers }) => {
    const controller = new AbortController();
    const call = caller.call('echo.wait', { gate: 'never' }, { signal: controller.signal });
    await until(() => handlers.waitingCount === 1);
    controller.abort(new Error('enough'));
    await t.throwsAsync(call, { message: 'enough' });
    await t.throwsAsync(caller.call('echo.say', { text: 'too late' }, { signal: controller.signal }), { message: 'enough' });
    t.is((await caller.call('echo.say', { text: 'next' })).text, 'next');
    t.deepEqual(handlers.seen, ['next']);
    handlers.open('never');
  });

  each('a call without an answer in time has an unknown outcome; the next one works', async (t, { caller, handlers, clock }) => {
    const call = caller.call('echo.wait', { gate: 'slow' }, { timeoutMs: 500 });
    const patient = caller.call('echo.wait', { gate: 'slow' }, { timeoutMs: 5000 });
    await until(() => handlers.waitingCount === 2);
    clock.advance(499);
    clock.advance(1);
    await t.throwsAsync(call, { instanceOf: OutcomeUnknownError });
    t.is((await caller.call('echo.say', { text: 'next' })).text, 'next');
    handlers.open('slow');
    t.is(await patient, 'slow');
  });

  each('after close, waiting calls have an unknown outcome and new ones certainly do not happen', async (t, { caller, handlers }) => {
    const call = caller.call('echo.wait', { gate: 'open' });
    await until(() => handlers.waitingCount === 1);
    caller.close();
    await t.throwsAsync(call, { instanceOf: OutcomeUnknownError });
    await t.throwsAsync(caller.call('echo.say', { text: 'x' }), { instanceOf: UnavailableError });
    t.deepEqual(handlers.seen, []);
    handlers.open('open');
    caller.close();
  });
}
