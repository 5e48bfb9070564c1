/** Smaller buffers come from Node's own slabs: pooling them would cost more than it saves. */
const smallestPooledBytes = 4096;

/**
 * Buffers for frames, used again and again: a fresh 512 KiB buffer for each packet costs a page fault for each of its pages.
 * Sizes are powers of two plus what a packet's header and the checksums of 512-byte chunks add, so that a packet of
 * 512 KiB of data does not take a megabyte.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  readonly #pressureBytes: number;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;
  #lentBytes = 0;

  /** Keeps at most `maxIdleBytes` for later; more than `pressureBytes` lent out is pressure. */
  constructor(options: { maxIdleBytes: number; pressureBytes: number }) {
    this.#maxIdleBytes = options.maxIdleBytes;
    this.#pressureBytes = options.pressureBytes;
  }

  /** A buffer of at least `bytes`, holding anything. It goes back by `release`, once. */
  acquire(bytes: number): Buffer {
    if (bytes < smallestPooledBytes) return Buffer.allocUnsafe(bytes);
    const capacity = capacityFor(bytes);
    this.#lentBytes += capacity;
    const buffer = this.#idle.get(capacity)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(capacity);
    this.#idleBytes -= capacity;
    return buffer;
  }

  /** Takes back what `acquire` returned: the very object, not a part of it. */
  release(buffer: Buffer): void {
    const capacity = buffer.length;
    if (capacity < smallestPooledBytes) return;
    this.#lentBytes -= capacity;
    if (this.#idleBytes + capacity > this.#maxIdleBytes) return;
    this.#idleBytes += capacity;
    const list = this.#idle.get(capacity);
    if (list) list.push(buffer);
    else this.#idle.set(capacity, [buffer]);
  }

  /** Who holds several buffers should give some back before asking for more. */
  get isUnderPressure(): boolean {
    return this.#lentBytes > this.#pressureBytes;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }
}

function capacityFor(bytes: number): number {
  for (let data = smallestPooledBytes; ; data *= 2) {
    const capacity = data + data / 128 + 256;
    if (capacity >= bytes) return capacity;
  }
}

/** Shared by all block channels of a process, so that its memory is bounded whatever their number. */
export const framePool = new BufferPool({ maxIdleBytes: 32 * 1024 * 1024, pressureBytes: 64 * 1024 * 1024 });
