import { assert } from '../base/assert.js';
import type { Packet } from './packet.js';

/**
 * The packets of one block in their order: those sent and not acknowledged, then those to send. Bounded by the buffers of its writer.
 *
 *      acknowledgedBytes          sent            pushed
 *     ----------|----- unacknowledged ---|--- to send ---|
 */
export class PacketQueue {
  readonly blockIndex: number;
  readonly #onRelease: (packet: Packet) => void;
  #packets: Packet[] = [];
  #sentCount = 0;
  #acknowledgedBytes = 0;
  #pushedBytes = 0;
  #isComplete = false;
  /** Called when there is something to send. */
  onReady: (() => void) | undefined;

  constructor(blockIndex: number, onRelease: (packet: Packet) => void) {
    this.blockIndex = blockIndex;
    this.#onRelease = onRelease;
  }

  /** Length of the block that every replica of the pipeline has. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes;
  }

  get pushedBytes(): number {
    return this.#pushedBytes;
  }

  /** The packet with LAST was pushed. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  get hasUnacknowledged(): boolean {
    return this.#sentCount > 0;
  }

  push(packet: Packet): void {
    assert(!this.#isComplete && packet.offsetInBlock === this.#pushedBytes, 'the packets of a block follow each other, up to LAST');
    this.#packets.push(packet);
    this.#pushedBytes = packet.endInBlock;
    this.#isComplete = packet.isLast;
    this.onReady?.();
  }

  /** The next packet to send. */
  next(): Packet | undefined {
    const packet = this.#packets[this.#sentCount];
    if (packet) this.#sentCount++;
    return packet;
  }

  /** All that is unacknowledged is to be sent again. */
  rewind(): void {
    this.#sentCount = 0;
  }

  /** The oldest unacknowledged packet; acknowledgements come in order. */
  get oldest(): Packet | undefined {
    return this.#sentCount > 0 ? this.#packets[0] : undefined;
  }

  acknowledgeOldest(): void {
    assert(this.#sentCount > 0, 'only a packet that was sent is acknowledged');
    const packet = this.#packets.shift()!;
    this.#sentCount--;
    this.#acknowledgedBytes = packet.endInBlock;
    packet.isAcknowledged = true;
    this.releaseIfDone(packet);
  }

  /** A write of the packet to a channel ended, well or not. */
  writeEnded(packet: Packet): void {
    packet.pendingWrites--;
    this.releaseIfDone(packet);
  }

  /** Gives up what is left: nothing of it will be sent. */
  discard(): void {
    for (const packet of this.#packets.splice(0)) {
      packet.isAcknowledged = true;
      this.releaseIfDone(packet);
    }
    this.#sentCount = 0;
  }

  private releaseIfDone(packet: Packet): void {
    if (packet.isAcknowledged && packet.pendingWrites === 0) this.#onRelease(packet);
  }
}
