import { type Clock, systemClock } from '../../source/base/clock.js';
import type { BlockChannel } from '../../source/protocol/block-stream.js';
import { BufferPool } from '../../source/transport/buffer-pool.js';
import { FrameChannel, type FrameTransport } from '../../source/transport/frame-channel.js';

/** What a write may leave on its way before it waits, as a socket's buffers would. */
const defaultWindowBytes = 256 * 1024;

/**
 * Two ends of a block channel in memory: bytes are copied into a bounded window and cross it in turns of their own, so reads are
 * never answered within a write, a slow reader makes the writer wait, and the caller's buffers are its own again after a write.
 * `corrupt` may change each piece on its way, and `fragmentBytes` cuts them anywhere.
 */
export function createMemoryChannelPair(
  options: { clock?: Clock; idleTimeoutMs?: number; maxFramesInFlight?: number; windowBytes?: number; fragmentBytes?: number; corrupt?: (bytes: Buffer) => void; pool?: BufferPool } = {},
): [BlockChannel, BlockChannel] {
  const { clock = systemClock, idleTimeoutMs = 60_000, maxFramesInFlight = 16, pool = new BufferPool({ maxIdleBytes: 8 * 1024 * 1024, pressureBytes: 64 * 1024 * 1024 }) } = options;
  const ends = ['memory:1', 'memory:2'].map((name, index, names) => new FrameChannel({ remoteAddress: names[1 - index]!, clock, pool, idleTimeoutMs, maxFramesInFlight })) as [FrameChannel, FrameChannel];
  const transports = ends.map(() => new MemoryTransport(options)) as [MemoryTransport, MemoryTransport];
  for (const index of [0, 1] as const) {
    transports[index].join(ends[index], transports[1 - index]!, ends[1 - index]!);
    ends[index].attach(transports[index]);
  }
  return ends;
}

class MemoryTransport implements FrameTransport {
  readonly #windowBytes: number;
  readonly #fragmentBytes: number;
  readonly #corrupt: (bytes: Buffer) => void;
  #own!: FrameChannel;
  #other!: FrameChannel;
  #otherTransport!: MemoryTransport;
  #onTheWay: Buffer[] = [];
  #onTheWayBytes = 0;
  #waiting: { pieces: Buffer[]; resolve: () => void; reject: (error: Error) => void }[] = [];
  #isReceiverPaused = false;
  #isScheduled = false;
  #hasEnded = false;
  #isEndDelivered = false;
  #isGone = false;

  constructor(options: { windowBytes?: number; fragmentBytes?: number; corrupt?: (bytes: Buffer) => void }) {
    this.#windowBytes = options.windowBytes ?? defaultWindowBytes;
    this.#fragmentBytes = options.fragmentBytes ?? 64 * 1024;
    this.#corrupt = options.corrupt ?? (() => {});
  }

  join(own: FrameChannel, otherTransport: MemoryTransport, other: FrameChannel): void {
    this.#own = own;
    this.#otherTransport = otherTransport;
    this.#other = other;
  }

  write(pieces: Uint8Array[]): Promise<void> {
    if (this.#isGone) return Promise.reject(reset());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pieces: pieces.map((piece) => Buffer.from(piece)), resolve, reject });
      this.#schedule();
    });
  }

  resume(): void {
    this.#otherTransport.#isReceiverPaused = false;
    this.#otherTransport.#schedule();
  }

  end(): void {
    this.#hasEnded = true;
    this.#schedule();
  }

  /** As a closed socket: what is on its way arrives, then the end; bytes that nobody takes any more come back as a reset. */
  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#hasEnded = true;
    for (const { reject } of this.#waiting.splice(0)) reject(reset());
    this.#schedule();
    this.#otherTransport.#schedule();
  }

  setReferenced(): void {}

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#move();
    });
  }

  #move(): void {
    if (this.#otherTransport.#isGone) {
      if (this.#onTheWay.length > 0 || this.#waiting.length > 0) this.#own.onClose(reset());
      return;
    }
    this.#take();
    while (!this.#isReceiverPaused && this.#onTheWay.length > 0) {
      const bytes = this.#onTheWay[0]!;
      const target = this.#other.nextBuffer();
      const count = Math.min(target.length, bytes.length, this.#fragmentBytes);
      bytes.copy(target, 0, 0, count);
      if (count === bytes.length) this.#onTheWay.shift();
      else this.#onTheWay[0] = bytes.subarray(count);
      this.#onTheWayBytes -= count;
      this.#isReceiverPaused = !this.#other.onBytes(count);
      if (this.#other.isDestroyed) return;
      this.#take();
    }
    if (this.#hasEnded && !this.#isEndDelivered && this.#waiting.length === 0 && this.#onTheWay.length === 0) {
      this.#isEndDelivered = true;
      this.#other.onEnd();
    }
  }

  /** Lets writes into the window, in order, as long as there is room. */
  #take(): void {
    while (this.#waiting.length > 0 && this.#onTheWayBytes < this.#windowBytes) {
      const { pieces, resolve } = this.#waiting.shift()!;
      for (const piece of pieces) {
        this.#corrupt(piece);
        this.#onTheWay.push(piece);
        this.#onTheWayBytes += piece.length;
      }
      resolve();
    }
  }
}

function reset(): Error {
  return Object.assign(new Error('reset'), { code: 'ECONNRESET' });
}
