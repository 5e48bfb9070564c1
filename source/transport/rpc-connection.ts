import { type Socket, connect } from 'node:net';
import { parseAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import { ConfigError, InputOutputError, OutcomeUnknownError, OverloadedError, UnavailableError, type WireError, fromWireError } from '../protocol/errors.js';
import { type Identity, helloOf } from '../protocol/hello.js';
import { connectError, connectTimeoutError } from './connect-error.js';
import { checkHello } from './hello-check.js';
import { LineReader } from './line-reader.js';

/** The answer to a call: a page of a listing, at most. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** A stream that brought nothing for so long when a call runs out of time is given up: the next call opens another. */
const suspectAfterMs = 10_000;
const keepAliveMs = 30_000;
/** How jayson's server begins each answer; any other order of members works too, at the price of a second parse. */
const answerBegin = '{"jsonrpc":"2.0","id":';

interface Waiting {
  answered: (error?: Error | null, response?: string) => void;
  deadlineMs: number;
  sentMs: number;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

/**
 * One stream to one node, from connecting to its end: the opener's side.
 *
 *   -> {"magic":"dfsh",...}      <- {"magic":"dfsh",...}    or {"error":...} and the end
 *   -> {"jsonrpc":"2.0",...}     <- {"jsonrpc":"2.0",...}   one a line, answers in any order
 *
 * What is sent in one turn of the event loop goes out in one write, the hello and the first calls too.
 */
export class RpcConnection {
  readonly #address: string;
  readonly #identity: Identity;
  readonly #clock: Clock;
  readonly #maxOutstandingCalls: number;
  readonly #socket: Socket;
  readonly #lines = new LineReader(maxAnswerBytes);
  readonly #waiting = new Map<number, Waiting>();
  readonly #connectTimer: Timer;
  #outgoing: string[] = [];
  #isFlushScheduled = false;
  /** Calls up to this id have left: if the stream breaks, nobody knows whether they happened. */
  #sentThroughId = 0;
  #lastQueuedId = 0;
  #isConnected = false;
  #isHelloChecked = false;
  #isOver = false;
  #lastReceivedMs = 0;
  #sweepTimer: Timer | undefined;
  #sweepAtMs = Infinity;

  constructor(options: { address: string; identity: Identity; clock: Clock; connectTimeoutMs: number; maxOutstandingCalls: number }) {
    const { address, identity, clock, connectTimeoutMs } = options;
    this.#address = address;
    this.#identity = identity;
    this.#clock = clock;
    this.#maxOutstandingCalls = options.maxOutstandingCalls;
    const target = parseAddress(address);
    if (!target) throw new ConfigError(`${JSON.stringify(address)} is no address of a node; allowed: host:port`);
    this.#socket = connect({ host: target.host, port: target.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
    this.#connectTimer = clock.setTimer(() => this.#fail(connectTimeoutError(address, connectTimeoutMs)), connectTimeoutMs);
    this.#socket.on('connect', () => this.#onConnect());
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#onBroken(error));
    this.#socket.on('close', () => this.#onBroken());
  }

  get isUsable(): boolean {
    return !this.#isOver;
  }

  /** Sends a request of that id; ids rise from call to call. `answered` is called once, unless the signal or the time limit came first. */
  send(id: number, text: string, call: { answered: Waiting['answered']; signal: AbortSignal | undefined; timeoutMs: number }): void {
    if (this.#waiting.size >= this.#maxOutstandingCalls) {
      return call.answered(new OverloadedError(`${this.#maxOutstandingCalls} calls to ${this.#address} wait for their answers; send fewer at a time`));
    }
    const nowMs = this.#clock.monotonicMs();
    const waiting: Waiting = { answered: call.answered, deadlineMs: nowMs + call.timeoutMs, sentMs: nowMs, signal: call.signal, onAbort: undefined };
    if (call.signal) {
      waiting.onAbort = () => this.#settle(id, waiting, call.signal!.reason as Error);
      call.signal.addEventListener('abort', waiting.onAbort, { once: true });
    }
    if (this.#waiting.size === 0) this.#socket.ref();
    this.#waiting.set(id, waiting);
    this.#outgoing.push(text);
    this.#lastQueuedId = id;
    if (!this.#isFlushScheduled && this.#isConnected) this.#scheduleFlush();
    if (waiting.deadlineMs < this.#sweepAtMs) this.#sweepAt(waiting.deadlineMs);
  }

  close(): void {
    this.#fail(new OutcomeUnknownError(`the connection to ${this.#address} was closed on this side before the answer came`));
  }

  #onConnect(): void {
    this.#connectTimer.cancel();
    this.#isConnected = true;
    this.#outgoing.unshift(JSON.stringify(helloOf(this.#identity)));
    this.#flush();
  }

  #scheduleFlush(): void {
    this.#isFlushScheduled = true;
    setImmediate(() => {
      this.#isFlushScheduled = false;
      if (!this.#isOver && this.#outgoing.length > 0) this.#flush();
    });
  }

  #flush(): void {
    this.#sentThroughId = this.#lastQueuedId;
    const text = `${this.#outgoing.join('\n')}\n`;
    this.#outgoing = [];
    this.#socket.write(text);
  }

  #onData(chunk: Buffer): void {
    this.#lastReceivedMs = this.#clock.monotonicMs();
    this.#lines.push(chunk);
    for (let line = this.#lines.next(); line && !this.#isOver; line = this.#lines.next()) this.#onLine(line.toString());
    if (this.#lines.isOverlong) this.#fail(new InputOutputError(`${this.#address} sent an answer of more than ${maxAnswerBytes} bytes`));
  }

  #onLine(text: string): void {
    try {
      if (!this.#isHelloChecked) return this.#onFirstLine(JSON.parse(text) as { error?: WireError } | null);
      const id = answerId(text);
      const waiting = id === undefined ? undefined : this.#waiting.get(id);
      if (waiting) this.#settle(id!, waiting, null, text);
      // An answer without an id is about the stream itself: a message that the node could not read, or its refusal to go on.
      else if (id === undefined) this.#fail(fromWireError((JSON.parse(text) as { error: WireError }).error));
    } catch (error) {
      const what = this.#isHelloChecked ? 'sent a line that is no JSON-RPC answer' : 'is no node of dfsh: it does not answer in its protocol';
      this.#fail(new InputOutputError(`${this.#address} ${what}`, { cause: error }));
    }
  }

  #onFirstLine(message: { error?: WireError } | null): void {
    try {
      if (message?.error) throw fromWireError(message.error);
      checkHello(message, this.#identity, this.#address);
      this.#isHelloChecked = true;
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #settle(id: number, waiting: Waiting, error: Error | null, text?: string): void {
    this.#waiting.delete(id);
    if (waiting.onAbort) waiting.signal!.removeEventListener('abort', waiting.onAbort);
    if (this.#waiting.size === 0) this.#socket.unref();
    waiting.answered(error, text);
  }

  /** One timer serves all calls; it is set for the earliest deadline, and moves on when it finds that call answered. */
  #sweepAt(atMs: number): void {
    this.#sweepTimer?.cancel();
    this.#sweepAtMs = atMs;
    this.#sweepTimer = this.#clock.setTimer(() => this.#sweep(), atMs - this.#clock.monotonicMs(), { background: true });
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#sweepAtMs = Infinity;
    let nextMs = Infinity;
    let isSuspect = false;
    for (const [id, waiting] of this.#waiting) {
      if (waiting.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, waiting.deadlineMs);
        continue;
      }
      isSuspect ||= nowMs - Math.max(this.#lastReceivedMs, waiting.sentMs) >= suspectAfterMs;
      const waitedMs = Math.round(nowMs - waiting.sentMs);
      this.#settle(id, waiting, new OutcomeUnknownError(`${this.#address} did not answer within ${waitedMs} ms; whether the call took effect is unknown`));
    }
    if (isSuspect) this.#fail(new OutcomeUnknownError(`${this.#address} went silent; whether the call took effect is unknown`));
    else if (nextMs !== Infinity && !this.#isOver) this.#sweepAt(nextMs);
  }

  #onBroken(cause?: NodeJS.ErrnoException): void {
    if (!this.#isConnected) return this.#fail(connectError(this.#address, cause ?? new Error('connection closed')));
    const reason = cause?.code ?? cause?.message ?? 'connection closed';
    const message = `the connection to ${this.#address} broke (${reason}) before the answer came; whether the call took effect is unknown`;
    this.#fail(new OutcomeUnknownError(message, { cause }));
  }

  /** Ends the stream: calls that left get `error`; those that did not certainly did not happen, and are told so. */
  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connectTimer.cancel();
    this.#sweepTimer?.cancel();
    this.#socket.destroy();
    for (const [id, waiting] of this.#waiting) {
      const isUnsent = error instanceof OutcomeUnknownError && id > this.#sentThroughId;
      const unsentError = () => new UnavailableError(`the connection to ${this.#address} broke before the call was sent`, { cause: error });
      this.#settle(id, waiting, isUnsent ? unsentError() : error);
    }
  }
}

/** The id of a JSON-RPC answer, undefined if it is null or absent. */
function answerId(text: string): number | undefined {
  if (text.startsWith(answerBegin)) {
    const id = Number.parseInt(text.slice(answerBegin.length, answerBegin.length + 16), 10);
    if (Number.isSafeInteger(id)) return id;
  }
  const id = (JSON.parse(text) as { id?: unknown }).id;
  return typeof id === 'number' ? id : undefined;
}
