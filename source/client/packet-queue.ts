import { assert } from '../base/assert.js';
import { Packet, type PacketMarks } from './packet.js';

/**
 * The packets of one block in their order: those sent and not acknowledged, then those to send. Bounded by the buffers of its writer.
 *
 *      acknowledgedBytes          sent            pushed
 *     ----------|----- unacknowledged ---|--- to send ---|
 */
export class PacketQueue {
  readonly blockIndex: number;
  readonly #chunkBytes: number;
  readonly #onRelease: (packet: Packet) => void;
  readonly #packets: Packet[] = [];
  #sentCount = 0;
  #nextSequence = 0;
  #acknowledgedBytes = 0;
  #pushedBytes = 0;
  #isComplete = false;
  /** Called when there is something to send. */
  onReady: (() => void) | undefined;

  /** `onRelease` gets each packet once, when nothing needs its buffer any more. `startBytes`: what the block has already. */
  constructor(blockIndex: number, chunkBytes: number, onRelease: (packet: Packet) => void, startBytes = 0) {
    this.blockIndex = blockIndex;
    this.#chunkBytes = chunkBytes;
    this.#onRelease = onRelease;
    this.#acknowledgedBytes = this.#pushedBytes = startBytes;
  }

  /** Length of the block that every replica of the pipeline has. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes;
  }

  /** The packet with LAST was pushed. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  get hasUnacknowledged(): boolean {
    return this.#sentCount > 0;
  }

  /** Seals the packet and takes it over. */
  push(packet: Packet, options: PacketMarks): void {
    assert(!this.#isComplete && packet.offsetInBlock === this.#pushedBytes, 'the packets of a block follow each other, up to LAST');
    packet.seal({ sequence: this.#nextSequence++, chunkBytes: this.#chunkBytes, ...options });
    this.#packets.push(packet);
    this.#pushedBytes = packet.endInBlock;
    this.#isComplete = options.isLast;
    this.onReady?.();
  }

  /** A packet without data: LAST, a flush of what went before, or a sign of life. */
  pushEmpty(options: PacketMarks): Packet {
    const packet = Packet.empty(this.#pushedBytes);
    this.push(packet, options);
    return packet;
  }

  /** The block was ended and is to be ended again: with a replica more. */
  reopen(): void {
    assert(this.#isComplete && this.#packets.length === 0, 'a block is reopened when all of it is acknowledged');
    this.#isComplete = false;
    this.pushEmpty({ isLast: true });
  }

  /** The next packet to send. */
  next(): Packet | undefined {
    const packet = this.#packets[this.#sentCount];
    if (packet) this.#sentCount++;
    return packet;
  }

  /** The block's one packet, if it is complete with that. */
  get only(): Packet | undefined {
    return this.#isComplete && this.#packets.length === 1 && this.#acknowledgedBytes === 0 ? this.#packets[0] : undefined;
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
    packet.onAcknowledged?.();
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
