/** Buffers for packets that are sent, used again and again: fresh memory costs more than what is done with it. */
export class PacketBuffers {
  readonly #free: Buffer[] = [];

  /** At least `bytes` long. */
  take(bytes: number): Buffer {
    if (bytes < smallBytes || bytes > largeBytes) return Buffer.allocUnsafe(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  give(buffer: Buffer): void {
    if (buffer.length === largeBytes && this.#free.length < keptFree) this.#free.push(buffer);
  }
}

const smallBytes = 64 * 1024;
/** A packet of the usual size, with the checksums of the smallest chunks that we send so. */
const largeBytes = 576 * 1024;
const keptFree = 32;
