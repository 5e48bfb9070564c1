import ClientBrowser from 'jayson/lib/client/browser/index.js';
import type { Clock } from '../base/clock.js';
import { InputOutputError, RpcError, UnavailableError, type WireError, fromWireError, rpcErrorCodes } from '../protocol/errors.js';
import type { Identity } from '../protocol/hello.js';
import type { CallOptions, ParamsOf, Protocol, ResultOf, RpcCaller } from '../protocol/method.js';
import { RpcConnection } from './rpc-connection.js';

export interface RpcCallerOptions {
  /** host:port */
  address: string;
  identity: Identity;
  clock: Clock;
  /** Nothing accepted the connection for so long: UnavailableError. 1,000 if not said. */
  connectTimeoutMs?: number | undefined;
  /** For calls that name no timeout of their own. 60,000 if not said. */
  defaultTimeoutMs?: number | undefined;
}

/** Calls that may wait for their answers at a time; the next one is refused with OverloadedError. */
export const maxOutstandingCalls = 100_000;

/**
 * A caller of one node over a pipelined JSON-RPC stream; see RpcCaller for what it promises. Nothing is opened before the first
 * call. While no call waits, the connection does not keep the process alive.
 *
 * Requests and answers are made and taken apart by jayson's client; its transport function is the connection. This module and what
 * it imports are loaded by every one-shot command: no node:http, no TypeBox.
 */
export function createRpcCaller<P extends Protocol>(options: RpcCallerOptions): RpcCaller<P> {
  return new TcpRpcCaller<P>(options);
}

class TcpRpcCaller<P extends Protocol> implements RpcCaller<P> {
  readonly #options: RpcCallerOptions;
  readonly #defaultTimeoutMs: number;
  readonly #jayson: ClientBrowser;
  #lastId = 0;
  /** Of the call that is being sent: jayson hands its text to the transport before `request` returns. */
  #callOptions: CallOptions = {};
  #connection: RpcConnection | undefined;
  #isClosed = false;

  constructor(options: RpcCallerOptions) {
    this.#options = options;
    this.#defaultTimeoutMs = options.defaultTimeoutMs ?? 60_000;
    this.#jayson = new ClientBrowser((text, answered) => this.#send(text, answered), { generator: () => ++this.#lastId });
  }

  call<M extends keyof P & string>(method: M, params: ParamsOf<P, M>, options: CallOptions = {}): Promise<ResultOf<P, M>> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(options.signal.reason as Error);
      this.#callOptions = options;
      this.#jayson.request(method, params as object, (error?: Error | null, wireError?: unknown, result?: ResultOf<P, M>) => {
        if (error instanceof SyntaxError) reject(new InputOutputError(`${this.#options.address} answered ${method} with broken JSON`, { cause: error }));
        else if (error) reject(error);
        else if (wireError) reject(callError(wireError, method));
        else resolve(result as ResultOf<P, M>);
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  #send(text: string, answered: (error?: Error | null, response?: string) => void): void {
    if (this.#isClosed) return answered(new UnavailableError(`the connection to ${this.#options.address} was closed on this side`));
    if (!this.#connection?.isUsable) {
      const { address, identity, clock, connectTimeoutMs = 1000 } = this.#options;
      this.#connection = new RpcConnection({ address, identity, clock, connectTimeoutMs, maxOutstandingCalls });
    }
    const { signal, timeoutMs = this.#defaultTimeoutMs } = this.#callOptions;
    this.#connection.send(this.#lastId, text, { answered, signal, timeoutMs });
  }
}

/** The peer's error as its class. */
function callError(wireError: unknown, method: string): Error {
  const { code, message } = wireError as Partial<WireError>;
  if (!Number.isSafeInteger(code) || typeof message !== 'string') {
    return new RpcError(rpcErrorCodes.internalError, `${method}: the answer holds no JSON-RPC error`);
  }
  return fromWireError(wireError as WireError);
}
