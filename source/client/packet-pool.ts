import { packetBufferBytes } from './packet.js';

const keptFree = 64;

/**
 * Buffers for packets, shared by all writers of a client, so that its memory has one bound whatever the number of files. A writer
 * without a buffer always gets one: so writers that hold a half-filled packet can never starve the others.
 */
export class PacketPool {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #waiting = new Set<() => void>();
  #inUse = 0;

  constructor(limit = 128) {
    this.#limit = limit;
  }

  /** Undefined when the limit is reached: wait for `onGiven` and try again. */
  take(options: { isFirst: boolean }): Buffer | undefined {
    if (!options.isFirst && this.#inUse >= this.#limit) return undefined;
    this.#inUse++;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(packetBufferBytes);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < keptFree) this.#free.push(buffer);
    this.lose();
  }

  /** A buffer that was taken does not come back: it counts no more, and is not used again. */
  lose(): void {
    this.#inUse--;
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Calls `wake` once, after the next buffer came back. Returns the function that takes this back. */
  onGiven(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => void this.#waiting.delete(wake);
  }
}
