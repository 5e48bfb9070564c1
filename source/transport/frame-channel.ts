import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { type BlockChannel, type Frame, frameTypes } from '../protocol/block-stream.js';
import { InputOutputError, UnavailableError } from '../protocol/errors.js';
import type { BufferPool } from './buffer-pool.js';
import { FrameReceiver } from './frame-receiver.js';
import { StallWatch } from './stall-watch.js';

/** What carries a channel's bytes: a socket, or a simulated network. */
export interface FrameTransport {
  /** Sends all pieces, in order; resolves when they were taken. */
  write(pieces: Uint8Array[]): Promise<void>;
  /** Reads on, after `onBytes` or `onChunk` has answered false. */
  resume(): void;
  end(): void;
  destroy(): void;
  /** Whether the channel keeps the process alive. */
  setReferenced(isReferenced: boolean): void;
}

export interface FrameChannelOptions {
  remoteAddress: string;
  clock: Clock;
  pool: BufferPool;
  /** Without progress for so long while one is waited for, ms: the channel breaks. */
  idleTimeoutMs: number;
  /** Frames received and not released, beyond which nothing more is read: the sender waits. */
  maxFramesInFlight: number;
  /** Goes out in front of the first write. */
  hello?: Uint8Array | undefined;
  /** Looks at the first frame that comes, which no reader sees. What it throws breaks the channel. */
  onHello?: ((frame: Frame) => void) | undefined;
  /** Is told when the other side sends what is no frame, or one out of turn. */
  logger?: Logger | undefined;
}

/** Slower than this for the idle limit, bytes a second, in the middle of a frame, is as good as nothing. */
const minBytesPerSecond = 1024;
/** Of which a channel never has less, so that each one moves on even when the pool is under pressure. */
const minFramesInFlight = 2;

interface Reader {
  resolve: (frame: Frame | null) => void;
  reject: (error: Error) => void;
}

/** A BlockChannel over anything that carries bytes. */
export class FrameChannel implements BlockChannel {
  readonly remoteAddress: string;
  readonly #options: FrameChannelOptions;
  readonly #receiver: FrameReceiver;
  readonly #watch: StallWatch;
  readonly #frames: Frame[] = [];
  #transport: FrameTransport | undefined;
  #reader: Reader | undefined;
  #framesInFlight = 0;
  #pendingWrites = 0;
  #isPaused = false;
  #isHelloSent: boolean;
  #isHelloSeen: boolean;
  /** The other side sends nothing more. */
  #hasPeerEnded = false;
  #hasEnded = false;
  #error: Error | undefined;
  #isReused = false;
  #framesOfThisUse = 0;
  #onGone: (() => void) | undefined;
  readonly #goneListeners = new Set<() => void>();
  /** Since the last tick of the watch. */
  #receivedBytes = 0;
  #stepCount = 0;

  constructor(options: FrameChannelOptions) {
    this.remoteAddress = options.remoteAddress;
    this.#options = options;
    this.#isHelloSent = options.hello === undefined;
    this.#isHelloSeen = options.onHello === undefined;
    this.#receiver = new FrameReceiver({ pool: options.pool, onFrame: (frame) => this.#onFrame(frame), onRelease: () => this.#onRelease() });
    this.#watch = new StallWatch({
      clock: options.clock,
      tickMs: options.idleTimeoutMs / 4,
      limitMs: () => options.idleTimeoutMs,
      onTick: () => this.#judgeProgress(),
      onStall: () => this.#break(new InputOutputError(`${this.remoteAddress} made no progress for ${options.idleTimeoutMs} ms on a block stream`)),
    });
  }

  get isDestroyed(): boolean {
    return this.#error !== undefined;
  }

  read(): Promise<Frame | null> {
    assert(!this.#reader, 'one read of a channel at a time');
    const frame = this.#frames.shift();
    if (frame) return Promise.resolve(frame);
    if (this.#error) return Promise.reject(this.#error);
    if (this.#hasPeerEnded) return this.#isStale() ? Promise.reject(this.#staleError()) : Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#watch.progress();
      this.#reader = { resolve, reject };
    });
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    if (this.#error) throw this.#error;
    assert(this.#transport && !this.#hasEnded, 'a channel that was ended is not written to');
    const toSend = this.#isHelloSent ? pieces : [this.#options.hello!, ...pieces];
    this.#isHelloSent = true;
    if (this.#pendingWrites++ === 0) this.#watch.progress();
    try {
      await this.#transport.write(toSend);
      this.#stepCount++;
    } catch (error) {
      this.#break(this.#brokenError(error as NodeJS.ErrnoException));
      throw this.#error!;
    } finally {
      this.#pendingWrites--;
    }
  }

  end(): void {
    if (this.#hasEnded || this.#error) return;
    this.#hasEnded = true;
    this.#transport!.end();
  }

  destroy(): void {
    for (const frame of this.#frames.splice(0)) frame.release();
    this.#break(new InputOutputError(`the block stream to ${this.remoteAddress} was broken off on this side`));
  }

  onGone(listener: () => void): () => void {
    if (this.#hasPeerEnded || this.#error) listener();
    else this.#goneListeners.add(listener);
    return () => void this.#goneListeners.delete(listener);
  }

  // For the transport.

  attach(transport: FrameTransport): void {
    this.#transport = transport;
    if (this.#error) transport.destroy();
  }

  /** For a refusal, which comes in the hello's place. */
  skipHello(): void {
    this.#isHelloSent = true;
  }

  /** Where the transport puts the next bytes, if it can choose. */
  readonly nextBuffer = (): Buffer => this.#receiver.buffer();

  /** `count` bytes are in `nextBuffer()`. False: no more, until the transport is resumed. */
  readonly onBytes = (count: number): boolean => this.#take(count, () => this.#receiver.received(count));

  /** Bytes in a buffer of the transport's own. False as above. */
  readonly onChunk = (chunk: Uint8Array): boolean => this.#take(chunk.length, () => this.#receiver.push(chunk));

  onEnd(): void {
    this.#hasPeerEnded = true;
    if (this.#receiver.isMidFrame) return this.#break(new InputOutputError(`${this.remoteAddress} ended a block stream in the middle of a frame`));
    this.#tellGone();
    const reader = this.#takeReader();
    if (this.#isStale()) reader?.reject(this.#staleError());
    else reader?.resolve(null);
  }

  /** The transport is gone, in whatever way. */
  onClose(error?: NodeJS.ErrnoException): void {
    this.#break(this.#brokenError(error));
  }

  // For the connector's pool.

  /** Between two operations: nothing has been read and not taken, and nothing is on its way out. */
  get isReusable(): boolean {
    const isOpen = !this.#error && !this.#hasPeerEnded && !this.#hasEnded;
    return isOpen && !this.#reader && this.#frames.length === 0 && this.#pendingWrites === 0 && !this.#receiver.isMidFrame;
  }

  /** Waits for its next use; `onGone` is called when it turns out that there will be none. */
  park(onGone: () => void): void {
    this.#onGone = onGone;
    this.#transport!.setReferenced(false);
  }

  unpark(): void {
    this.#onGone = undefined;
    this.#isReused = true;
    this.#framesOfThisUse = 0;
    this.#transport!.setReferenced(true);
  }

  #take(count: number, receive: () => void): boolean {
    this.#receivedBytes += count;
    try {
      receive();
    } catch (error) {
      this.#options.logger?.warn(`closed the block stream with ${this.remoteAddress}: ${(error as Error).message}`);
      this.#break(error as Error);
    }
    if (this.#error) return false;
    this.#isPaused = this.#framesInFlight >= this.#frameLimit();
    return !this.#isPaused;
  }

  #frameLimit(): number {
    return this.#options.pool.isUnderPressure ? minFramesInFlight : this.#options.maxFramesInFlight;
  }

  #onFrame(frame: Frame): void {
    this.#framesInFlight++;
    this.#stepCount++;
    if (this.#error) return frame.release();
    if (!this.#isHelloSeen) {
      this.#isHelloSeen = true;
      try {
        this.#options.onHello!(frame);
      } finally {
        frame.release();
      }
      return;
    }
    if (frame.type === frameTypes.hello || this.#onGone) {
      frame.release();
      throw new InputOutputError(`${this.remoteAddress} sent a frame of type ${frame.type} out of turn`);
    }
    this.#framesOfThisUse++;
    const reader = this.#takeReader();
    if (reader) reader.resolve(frame);
    else this.#frames.push(frame);
  }

  #onRelease(): void {
    this.#framesInFlight--;
    if (!this.#isPaused || this.#framesInFlight >= this.#frameLimit()) return;
    this.#isPaused = false;
    if (!this.#error) this.#transport!.resume();
  }

  #takeReader(): Reader | undefined {
    const reader = this.#reader;
    this.#reader = undefined;
    return reader;
  }

  #judgeProgress(): void {
    const { idleTimeoutMs } = this.#options;
    const isWaiting = this.#reader !== undefined || this.#pendingWrites > 0 || (this.#receiver.isMidFrame && !this.#isPaused);
    const isMoving = this.#stepCount > 0 || this.#receivedBytes >= (minBytesPerSecond * idleTimeoutMs) / 4000;
    if (!isWaiting || isMoving) this.#watch.progress();
    this.#stepCount = 0;
    this.#receivedBytes = 0;
  }

  #break(error: Error): void {
    if (this.#error) return;
    this.#error = this.#isStale() ? this.#staleError(error) : error;
    this.#watch.stop();
    this.#receiver.dispose();
    this.#transport?.destroy();
    this.#tellGone();
    this.#takeReader()?.reject(this.#error);
  }

  #tellGone(): void {
    this.#onGone?.();
    const listeners = [...this.#goneListeners];
    this.#goneListeners.clear();
    for (const listener of listeners) listener();
  }

  #brokenError(cause?: NodeJS.ErrnoException): Error {
    return new InputOutputError(`the block stream to ${this.remoteAddress} broke (${cause?.code ?? cause?.message ?? 'closed'})`, { cause });
  }

  /** A pooled channel that has brought nothing since it was handed out again. */
  #isStale(): boolean {
    return this.#isReused && this.#framesOfThisUse === 0;
  }

  #staleError(cause?: Error): Error {
    return new UnavailableError(`${this.remoteAddress} had closed the pooled block stream; try again on a new one`, { cause });
  }
}
