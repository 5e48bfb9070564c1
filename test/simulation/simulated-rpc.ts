import { crc32 } from '../../source/base/checksum.js';
import { silentLogger, type Logger } from '../../source/base/log.js';
import { fromWireError, OutcomeUnknownError, UnavailableError, type WireError } from '../../source/protocol/errors.js';
import { type Hello, helloOf, type Identity } from '../../source/protocol/hello.js';
import type { CallContext, CallOptions, Handlers, ParamsOf, Protocol, ResultOf, RpcCaller } from '../../source/protocol/method.js';
import { checkHello, contextOf } from '../../source/transport/hello-check.js';
import { createRpcServer, type RpcServer, type Service } from '../../source/transport/rpc-server.js';
import type { PipeEnd, SimulatedNetwork } from './simulated-network.js';
import { never, type SimulatedProcess } from './simulated-process.js';

/** What travels: a hello first, then requests and answers as the text that the real transport sends. */
type Item = { hello: Hello } | { id: number; text: string };

interface RoutedContext extends CallContext {
  // Each handler takes what its schema let through.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  handlers: Handlers<any>;
}

/**
 * The real server code for one kind of node, made once: compiling its checks takes longer than many simulated seconds. Which node's
 * handlers are meant says the context of each call.
 */
export class SharedRpcServer {
  readonly #server: RpcServer;
  /** What servers could not explain: each of them is a fault of the product. */
  onInternalError: (message: string, cause: unknown) => void = () => {};

  constructor(services: Omit<Service, 'handlers'>[]) {
    const logger: Logger = { ...silentLogger, error: (message, cause) => this.onInternalError(message, cause) };
    this.#server = createRpcServer({
      title: 'simulated',
      logger,
      services: services.map((service) => ({
        ...service,
        handlers: Object.fromEntries(
          // eslint-disable-next-line @typescript-eslint/no-explicit-any
          Object.keys(service.protocol).map((method) => [method, (params: any, context: CallContext) => (context as RoutedContext).handlers[method]!(params, context)]),
        ),
      })),
    });
  }

  /** Serves one connection by `handlers`, all the node's methods in one object. */
  serve(pipe: PipeEnd, node: { process: SimulatedProcess; identity: Identity; handlers: RoutedContext['handlers'] }): void {
    const { process, identity, handlers } = node;
    let context: RoutedContext | undefined;
    pipe.listen({
      onItem: (received) => {
        const item = received as Item;
        if ('hello' in item) {
          try {
            context = { ...contextOf(checkHello(item.hello, identity, pipe.remoteAddress), pipe.remoteAddress), handlers };
            pipe.send({ hello: helloOf(identity) } satisfies Item, 100);
          } catch {
            pipe.reset();
          }
          return;
        }
        if (!context) return pipe.reset();
        const { simulator } = process;
        simulator.note('serve', process.name, item.id, crc32(Buffer.from(item.text)));
        this.#server.call(JSON.parse(item.text), context, (text) => {
          if (!process.enterSeam()) return;
          simulator.note('answer', process.name, item.id, crc32(Buffer.from(text!)));
          pipe.send({ id: item.id, text: text! } satisfies Item, text!.length);
        });
      },
      onEnd: () => pipe.close(),
      onReset: () => {},
    });
  }
}

/** A message without an answer for so long makes its connection suspect (transport/rpc-connection.ts). */
const suspectAfterMs = 2000;

interface WaitingCall {
  method: string;
  isSent: boolean;
  sentMs: number;
  settle: (act: () => void) => void;
  reject: (error: Error) => void;
  resolve: (result: unknown) => void;
}

/** A caller as rpc-client.ts has it, over the simulated network: pipelined calls on one connection, and a new one after that has broken. */
export class SimulatedRpcCaller<P extends Protocol> implements RpcCaller<P> {
  readonly #network: SimulatedNetwork;
  readonly #process: SimulatedProcess;
  readonly #identity: Identity;
  readonly #target: { host: string; port: number };
  #connection: RpcLine | undefined;
  #isClosed = false;

  constructor(network: SimulatedNetwork, process: SimulatedProcess, options: { identity: Identity; address: string }) {
    this.#network = network;
    this.#process = process;
    this.#identity = options.identity;
    const [host, port] = options.address.split(':');
    this.#target = { host: host!, port: Number(port) };
  }

  call<M extends keyof P & string>(method: M, params: ParamsOf<P, M>, options: CallOptions = {}): Promise<ResultOf<P, M>> {
    if (!this.#process.enterSeam()) return never();
    const { signal, timeoutMs = 60_000 } = options;
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (this.#isClosed) return Promise.reject(new UnavailableError('the connection was closed on this side'));
    if (!this.#connection?.isUsable) this.#connection = new RpcLine(this.#network, this.#process, this.#identity, this.#target);
    return this.#connection.call(method, params, signal, timeoutMs) as Promise<ResultOf<P, M>>;
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.fail(new OutcomeUnknownError('the connection was closed on this side before the answer came'));
  }
}

class RpcLine {
  readonly #network: SimulatedNetwork;
  readonly #process: SimulatedProcess;
  readonly #address: string;
  readonly #waiting = new Map<number, WaitingCall>();
  readonly #queued: { id: number; text: string }[] = [];
  #pipe: PipeEnd | undefined;
  #lastId = 0;
  #lastReceivedMs = 0;
  #isOver = false;

  constructor(network: SimulatedNetwork, process: SimulatedProcess, identity: Identity, target: { host: string; port: number }) {
    this.#network = network;
    this.#process = process;
    this.#address = `${target.host}:${target.port}`;
    network.connect(process, target, { kind: 'rpc', timeoutMs: 1000 }).then(
      (pipe) => this.#connected(pipe, identity),
      (error: Error) => this.fail(error),
    );
  }

  get isUsable(): boolean {
    return !this.#isOver;
  }

  call(method: string, params: unknown, signal: AbortSignal | undefined, timeoutMs: number): Promise<unknown> {
    const id = ++this.#lastId;
    const text = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const { simulator } = this.#process;
    simulator.note('call', this.#process.name, method, id, crc32(Buffer.from(text)));
    return new Promise((resolve, reject) => {
      const onAbort = () => waiting.settle(() => reject(signal!.reason as Error));
      const cancelTimer = this.#process.after(timeoutMs, () => this.#late(waiting, timeoutMs));
      const waiting: WaitingCall = {
        method,
        isSent: false,
        sentMs: simulator.nowMs,
        resolve,
        reject,
        settle: (act) => {
          if (this.#waiting.get(id) !== waiting) return;
          this.#waiting.delete(id);
          cancelTimer();
          signal?.removeEventListener('abort', onAbort);
          act();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(id, waiting);
      if (this.#pipe) this.#send(id, text);
      else this.#queued.push({ id, text });
    });
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pipe?.close();
    for (const waiting of [...this.#waiting.values()]) {
      const isUnsent = error instanceof OutcomeUnknownError && !waiting.isSent;
      waiting.settle(() => waiting.reject(isUnsent ? new UnavailableError('the connection broke before the call was sent') : error));
    }
  }

  #connected(pipe: PipeEnd, identity: Identity): void {
    if (this.#isOver) return pipe.close();
    this.#pipe = pipe;
    pipe.listen({
      onItem: (received) => this.#received(received as Item, identity),
      onEnd: () => this.#broken(),
      onReset: () => this.#broken(),
    });
    pipe.send({ hello: helloOf(identity) } satisfies Item, 100);
    for (const { id, text } of this.#queued.splice(0)) if (this.#waiting.has(id)) this.#send(id, text);
  }

  #broken(): void {
    this.fail(new OutcomeUnknownError(`the connection to ${this.#address} broke before the answer came; whether the call took effect is unknown`));
  }

  #received(item: Item, identity: Identity): void {
    this.#lastReceivedMs = this.#process.simulator.nowMs;
    if ('hello' in item) {
      try {
        checkHello(item.hello, identity, this.#address);
      } catch (error) {
        this.fail(error as Error);
      }
      return;
    }
    const waiting = this.#waiting.get(item.id);
    if (!waiting) return;
    const answer = JSON.parse(item.text) as { error?: WireError; result: unknown };
    waiting.settle(() => (answer.error ? waiting.reject(fromWireError(answer.error)) : waiting.resolve(answer.result)));
  }

  #late(waiting: WaitingCall, timeoutMs: number): void {
    const { nowMs } = this.#process.simulator;
    waiting.settle(() => waiting.reject(new OutcomeUnknownError(`${this.#address} did not answer within ${timeoutMs} ms; whether the call took effect is unknown`)));
    if (nowMs - Math.max(this.#lastReceivedMs, waiting.sentMs) >= suspectAfterMs) this.fail(new OutcomeUnknownError(`${this.#address} went silent`));
  }

  #send(id: number, text: string): void {
    const pipe = this.#pipe!;
    this.#waiting.get(id)!.isSent = true;
    const { faults, random, onFault } = this.#network;
    const item: Item = { id, text };
    const fate = this.#network.onCall?.(this.#process.name, this.#waiting.get(id)!.method);
    if (fate === 'repeated') {
      pipe.sendStray(item, 3000);
    } else if (fate !== undefined) {
      if (fate === 'answer-lost') pipe.sendStray(item, 0);
      this.#process.after(0.5, () => pipe.breakOff());
      return;
    }
    const draw = random.next();
    let least = 0;
    const isDrawn = (probability: number) => draw >= least && draw < (least += probability);
    if (isDrawn(faults.reset)) {
      onFault('call-reset');
      const hasArrived = random.next() < 0.5;
      if (hasArrived) pipe.send(item, text.length);
      this.#process.after(0.1 + random.next(), () => pipe.breakOff());
      return;
    }
    if (isDrawn(faults.late)) {
      onFault('call-late');
      pipe.sendStray(item, random.next() * faults.longestDelayMs);
      this.#process.after(0.1 + random.next(), () => pipe.breakOff());
      return;
    }
    if (isDrawn(faults.duplicate)) {
      onFault('call-duplicate');
      pipe.sendStray(item, 0.2 + random.next() ** 3 * faults.longestDelayMs);
    } else if (isDrawn(faults.delay)) {
      onFault('call-delay');
      return pipe.send(item, text.length, random.next() ** 2 * faults.longestDelayMs);
    }
    pipe.send(item, text.length);
  }
}
