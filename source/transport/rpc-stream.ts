import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { RpcError, rpcErrorCodes } from '../protocol/errors.js';
import { type Identity, helloOf } from '../protocol/hello.js';
import type { CallContext } from '../protocol/method.js';
import { checkHello, contextOf } from './hello-check.js';
import { parseJson } from './json-text.js';
import { LineReader } from './line-reader.js';
import { type RpcServer, refusalText } from './rpc-server.js';
import { StallWatch } from './stall-watch.js';

export interface RpcStreamLimits {
  /** A request, in bytes; from a data node, whose block reports are larger. */
  maxRequestBytes: number;
  maxDatanodeRequestBytes: number;
  /** Calls of one stream that run at a time; more are left in the socket, so that the sender waits. */
  maxCallsInFlight: number;
  /** From connecting to the hello, and for the rest of a line that has begun, ms. */
  requestTimeoutMs: number;
  /** Without a call in either direction, ms: then the stream is closed; its owner opens another with its next call. */
  streamIdleTimeoutMs: number;
}

/** Answers that the peer has not taken yet, in bytes, beyond which nothing more is read from it. */
const maxUnsentBytes = 1024 * 1024;

export interface RpcStream {
  /** Takes no more calls; resolves when those in flight have been answered. */
  drain(): Promise<void>;
}

/** The accepting side of a JSON-RPC stream (drawn in rpc-connection.ts). `first` is what was read of it to tell what it is. */
export function serveRpcStream(
  socket: Socket,
  first: Buffer,
  options: { server: RpcServer; identity: Identity; remoteAddress: string; clock: Clock; logger: Logger; limits: RpcStreamLimits },
): RpcStream {
  return new ServedStream(socket, first, options);
}

class ServedStream implements RpcStream {
  readonly #socket: Socket;
  readonly #options: Parameters<typeof serveRpcStream>[2];
  readonly #lines: LineReader;
  readonly #watch: StallWatch;
  #context: CallContext | undefined;
  #inFlight = 0;
  #outgoing: string[] = [];
  #isFlushScheduled = false;
  /** Not reading: too many calls in flight, or too many answers not taken. */
  #isBlocked = false;
  #isUnblocking = false;
  /** The peer has sent its last call. */
  #hasPeerEnded = false;
  /** We take no more calls. */
  #isEnding = false;
  #onDrained: (() => void) | undefined;

  constructor(socket: Socket, first: Buffer, options: Parameters<typeof serveRpcStream>[2]) {
    const { clock, limits } = options;
    this.#socket = socket;
    this.#options = options;
    this.#lines = new LineReader(limits.maxRequestBytes);
    // Waiting for: the hello, the rest of a line, the peer to take answers, or else just a sign of life.
    this.#watch = new StallWatch({
      clock,
      tickMs: limits.requestTimeoutMs / 4,
      limitMs: () => (this.#isMidway() ? limits.requestTimeoutMs : limits.streamIdleTimeoutMs),
      onStall: () => this.#onStalled(),
    });
    socket.setKeepAlive(true, 30_000);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onPeerEnd());
    socket.on('drain', () => this.#unblock());
    socket.on('close', () => this.#onClose());
    socket.on('error', () => socket.destroy());
    this.#onData(first);
  }

  drain(): Promise<void> {
    this.#isEnding = true;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.#endIfDone();
    });
  }

  #isMidway(): boolean {
    return this.#context === undefined || this.#lines.pendingBytes > 0 || this.#socket.writableLength > 0;
  }

  #onData(chunk: Buffer): void {
    // Once ending, what still comes is thrown away: the peer must not be reset before it has read its answers.
    if (this.#isEnding) return;
    const isNewLine = this.#lines.pendingBytes === 0;
    this.#lines.push(chunk);
    this.#readLines();
    if (isNewLine && this.#lines.pendingBytes > 0) this.#watch.progress();
  }

  #readLines(): void {
    while (!this.#isBlocked && !this.#isEnding) {
      const line = this.#lines.next();
      if (!line) {
        if (this.#lines.isOverlong) this.#refuse(this.#tooLong());
        return;
      }
      this.#watch.progress();
      if (line.length > 0) this.#onLine(line);
    }
  }

  #onLine(line: Buffer): void {
    let message: unknown;
    try {
      if (line.length > this.#lines.maxLineBytes) throw this.#tooLong();
      message = parseJson(line);
      if (!this.#context) return this.#onHello(message);
    } catch (error) {
      if (!this.#context) this.#refuse(error as Error);
      else this.#send(refusalText(error as Error));
      return;
    }
    const callCount = Array.isArray(message) ? Math.max(1, message.length) : 1;
    this.#inFlight += callCount;
    if (this.#inFlight >= this.#options.limits.maxCallsInFlight) this.#block();
    this.#options.server.call(message, this.#context, (response) => {
      this.#inFlight -= callCount;
      if (response !== undefined) this.#send(response);
      if (this.#isBlocked) this.#unblock();
      this.#endIfDone();
    });
  }

  #onHello(message: unknown): void {
    const { identity, remoteAddress, limits } = this.#options;
    this.#context = contextOf(checkHello(message, identity, remoteAddress), remoteAddress);
    if (this.#context.role === 'datanode') this.#lines.maxLineBytes = limits.maxDatanodeRequestBytes;
    this.#send(JSON.stringify(helloOf(identity)));
  }

  /** Answers that come of one callback (a batch of calls that was read, a commit) leave in one write. */
  #send(text: string): void {
    this.#watch.progress();
    this.#outgoing.push(text);
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#outgoing.length === 0 || this.#socket.destroyed) return;
    const text = `${this.#outgoing.join('\n')}\n`;
    this.#outgoing = [];
    this.#socket.write(text, () => this.#watch.progress());
    if (this.#socket.writableLength > maxUnsentBytes) this.#block();
  }

  #block(): void {
    this.#isBlocked = true;
    this.#socket.pause();
  }

  #unblock(): void {
    const isClear = this.#socket.writableLength <= maxUnsentBytes && this.#inFlight <= this.#options.limits.maxCallsInFlight / 2;
    if (!this.#isBlocked || !isClear || this.#isUnblocking) return;
    this.#isUnblocking = true;
    // Not within the answer of a call: its own caller may be the loop that reads the lines.
    process.nextTick(() => {
      this.#isUnblocking = false;
      this.#isBlocked = false;
      this.#readLines();
      if (!this.#isBlocked) this.#socket.resume();
      this.#endIfDone();
    });
  }

  #tooLong(): RpcError {
    return new RpcError(rpcErrorCodes.invalidRequest, `a request is at most ${this.#lines.maxLineBytes} bytes long`);
  }

  /** Says why, and ends the stream: it cannot be read any further. */
  #refuse(error: Error): void {
    this.#options.logger.warn(`refused a JSON-RPC stream from ${this.#options.remoteAddress}: ${error.message}`);
    this.#send(refusalText(error));
    this.#isEnding = true;
    this.#endIfDone();
  }

  #onPeerEnd(): void {
    this.#hasPeerEnded = true;
    this.#endIfDone();
  }

  /** Ends our side once every call that was taken is answered, if no more are to be taken. */
  #endIfDone(): void {
    const isLast = this.#isEnding || (this.#hasPeerEnded && !this.#isBlocked);
    if (!isLast || this.#inFlight > 0) return;
    this.#isEnding = true;
    this.#flush();
    this.#socket.end();
    this.#socket.resume();
    this.#onDrained?.();
  }

  #onStalled(): void {
    if (this.#isMidway() || this.#isEnding) this.#socket.destroy();
    else if (this.#inFlight === 0) {
      this.#isEnding = true;
      this.#endIfDone();
    }
  }

  #onClose(): void {
    this.#watch.stop();
    this.#isEnding = true;
    this.#onDrained?.();
  }
}
