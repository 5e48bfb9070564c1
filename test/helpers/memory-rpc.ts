import type { Clock } from '../../source/base/clock.js';
import { type Logger, silentLogger } from '../../source/base/log.js';
import { OutcomeUnknownError, UnavailableError, type WireError, fromWireError } from '../../source/protocol/errors.js';
import type { CallContext, CallOptions, ParamsOf, Protocol, ResultOf, RpcCaller } from '../../source/protocol/method.js';
import { type Service, createRpcServer } from '../../source/transport/rpc-server.js';

/**
 * An RpcCaller without a network: the real server code, JSON both ways, and answers that never come within the caller's own
 * turn. For tests, and for clusters in one process. `isReachable` false: every call fails with UnavailableError.
 */
export function createMemoryRpcCaller<P extends Protocol>(options: {
  services: Service[];
  context: CallContext | (() => CallContext);
  clock: Clock;
  logger?: Logger;
  defaultTimeoutMs?: number;
  isReachable?: () => boolean;
}): RpcCaller<P> {
  const { services, clock, logger = silentLogger, isReachable = () => true } = options;
  const server = createRpcServer({ services, title: 'memory', logger });
  let isClosed = false;
  let lastId = 0;
  const waiting = new Set<(error: Error) => void>();
  const call = async <M extends keyof P & string>(method: M, params: ParamsOf<P, M>, callOptions: CallOptions = {}): Promise<ResultOf<P, M>> => {
    const { signal, timeoutMs = options.defaultTimeoutMs ?? 60_000 } = callOptions;
    if (signal?.aborted) throw signal.reason as Error;
    if (isClosed || !isReachable()) throw new UnavailableError('nothing answers in memory');
    const request = JSON.parse(JSON.stringify({ jsonrpc: '2.0', id: ++lastId, method, params })) as unknown;
    const context = typeof options.context === 'function' ? options.context() : options.context;
    return new Promise<ResultOf<P, M>>((resolve, reject) => {
      const onAbort = () => finish(() => reject(signal!.reason as Error));
      const timer = clock.setTimer(() => finish(() => reject(new OutcomeUnknownError(`no answer within ${timeoutMs} ms`))), timeoutMs, { background: true });
      const fail = (error: Error) => finish(() => reject(error));
      const finish = (act: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        waiting.delete(fail);
        act();
      };
      waiting.add(fail);
      signal?.addEventListener('abort', onAbort, { once: true });
      setImmediate(() => {
        server.call(request, context, (text) => {
          const answer = JSON.parse(text!) as { error?: WireError; result: ResultOf<P, M> };
          setImmediate(() => finish(() => (answer.error ? reject(fromWireError(answer.error)) : resolve(answer.result))));
        });
      });
    });
  };
  const close = () => {
    isClosed = true;
    for (const fail of [...waiting]) fail(new OutcomeUnknownError('closed on this side'));
  };
  return { call, close };
}
