import { framePrefixBytes, type BlockChannel, type Frame } from '../../source/protocol/block-stream.js';
import { InputOutputError } from '../../source/protocol/errors.js';

/** Two ends of a channel in memory: frames are copied, and arrive in a later turn. For scripted peers. */
export function fakeChannelPair(address: string): [BlockChannel, BlockChannel] {
  const near = new FakeChannel(address);
  const far = new FakeChannel('client');
  near.connect(far);
  far.connect(near);
  return [near, far];
}

class FakeChannel implements BlockChannel {
  readonly remoteAddress: string;
  #peer!: FakeChannel;
  readonly #incoming: Buffer[] = [];
  #waiting: { resolve: (frame: Frame | null) => void; reject: (error: Error) => void } | undefined;
  #isEnded = false;
  isDestroyed = false;
  readonly #goneListeners = new Set<() => void>();

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  connect(peer: FakeChannel): void {
    this.#peer = peer;
  }

  read(): Promise<Frame | null> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    if (this.isDestroyed) throw new InputOutputError(`the connection to ${this.remoteAddress} is broken`);
    const bytes = Buffer.concat(pieces);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isDestroyed || this.#peer.isDestroyed) throw new InputOutputError(`the connection to ${this.remoteAddress} was reset`);
    for (let at = 0; at < bytes.length; ) {
      const end = at + framePrefixBytes + bytes.readUInt32BE(at + 4);
      this.#peer.#incoming.push(bytes.subarray(at, end));
      at = end;
    }
    this.#peer.#serve();
  }

  end(): void {
    setImmediate(() => {
      this.#peer.#isEnded = true;
      this.#peer.#serve();
    });
  }

  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.#serve();
    // A reset overtakes nothing that was sent before it.
    setImmediate(() => {
      this.#peer.isDestroyed = true;
      this.#peer.#serve();
    });
  }

  onGone(listener: () => void): () => void {
    if (this.#isEnded || this.isDestroyed) listener();
    else this.#goneListeners.add(listener);
    return () => void this.#goneListeners.delete(listener);
  }

  #serve(): void {
    if (this.#isEnded || this.isDestroyed) {
      const listeners = [...this.#goneListeners];
      this.#goneListeners.clear();
      for (const listener of listeners) listener();
    }
    const waiting = this.#waiting;
    if (!waiting) return;
    const raw = this.#incoming.shift();
    if (!raw && !this.isDestroyed && !this.#isEnded) return;
    this.#waiting = undefined;
    if (raw) waiting.resolve({ type: raw[1]!, flags: raw.readUInt16BE(2), body: raw.subarray(framePrefixBytes), raw, release: () => {} });
    else if (this.isDestroyed) waiting.reject(new InputOutputError(`the connection to ${this.remoteAddress} was reset`));
    else waiting.resolve(null);
  }
}
