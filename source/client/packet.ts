import { assert } from '../base/assert.js';
import { crc32 } from '../base/checksum.js';
import { defaultChunkBytes, defaultPacketDataBytes, encodePacketHeader, framePrefixBytes, packetHeaderBytes, packetOverheadBytes } from '../protocol/block-stream.js';

/**
 * A packet in one buffer, laid out so that its frame is one piece and its data is filled in place:
 *
 *      0                    dataStart - overhead    dataStart                              bufferBytes
 *     +--------------------+-----------------------+--------------------------------------+
 *     | unused if short    | prefix header CRCs    | data                                 |
 *     +--------------------+-----------------------+--------------------------------------+
 */
const dataStart = packetOverheadBytes(defaultPacketDataBytes, defaultChunkBytes);
export const packetBufferBytes = dataStart + defaultPacketDataBytes;

/** Chunk and packet sizes for a block size: a packet is whole chunks, at most 8 of them, unless it ends the block. */
export function packetGeometry(blockSizeBytes: number): { chunkBytes: number; packetDataBytes: number } {
  const chunkBytes = Math.min(defaultChunkBytes, blockSizeBytes);
  return { chunkBytes, packetDataBytes: Math.min(defaultPacketDataBytes, blockSizeBytes) };
}

/** What is special about a packet: protocol/block-stream.ts. */
export interface PacketMarks {
  isLast: boolean;
  isSync?: boolean;
  isFlush?: boolean;
}

/** Bytes of a block on their way: kept until every replica of the pipeline has acknowledged them, to be sent again if it breaks. */
export class Packet {
  readonly offsetInBlock: number;
  readonly #capacityBytes: number;
  readonly #buffer: Buffer;
  #dataLength = 0;
  #sequence = -1;
  #isLast = false;
  #frame: Buffer | undefined;
  /** Writes to channels that still read from the buffer. */
  pendingWrites = 0;
  isAcknowledged = false;
  /** Called once, when every replica of the pipeline has it. */
  onAcknowledged: (() => void) | undefined;

  constructor(buffer: Buffer, options: { offsetInBlock: number; capacityBytes: number }) {
    this.#buffer = buffer;
    this.offsetInBlock = options.offsetInBlock;
    this.#capacityBytes = options.capacityBytes;
  }

  /** A packet without data, in a small buffer of its own: a sign of life, or the end of a block whose last bytes went out already. */
  static empty(offsetInBlock: number): Packet {
    return new Packet(Buffer.allocUnsafe(dataStart), { offsetInBlock, capacityBytes: 0 });
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  get dataLength(): number {
    return this.#dataLength;
  }

  get endInBlock(): number {
    return this.offsetInBlock + this.#dataLength;
  }

  get isFull(): boolean {
    return this.#dataLength === this.#capacityBytes;
  }

  /** Its number in the block, once it is sealed. */
  get sequence(): number {
    return this.#sequence;
  }

  get isLast(): boolean {
    return this.#isLast;
  }

  /** Where the next bytes go: what `fill` then counts. */
  free(): Buffer {
    return this.#buffer.subarray(dataStart + this.#dataLength, dataStart + this.#capacityBytes);
  }

  fill(lengthBytes: number): void {
    assert(!this.#frame && this.#dataLength + lengthBytes <= this.#capacityBytes, 'a packet takes no more than its capacity, before it is sealed');
    this.#dataLength += lengthBytes;
  }

  /** Computes the checksums and writes the header: from here on the packet is `frame`, and does not change. */
  seal(options: { sequence: number; chunkBytes: number } & PacketMarks): void {
    const { sequence, chunkBytes, isLast, isSync = false, isFlush = false } = options;
    const checksumCount = Math.ceil(this.#dataLength / chunkBytes);
    const start = dataStart - packetOverheadBytes(this.#dataLength, chunkBytes);
    assert(start >= 0, 'the checksums of a packet fit in front of its data');
    const end = dataStart + this.#dataLength;
    const frame = this.#buffer.subarray(start, end);
    encodePacketHeader(frame, { sequence, dataLength: this.#dataLength, offsetInBlock: this.offsetInBlock, chunkBytes, checksumCount, isLast, isSync, isFlush });
    for (let i = 0, at = dataStart; i < checksumCount; i++, at += chunkBytes) {
      frame.writeUInt32BE(crc32(this.#buffer.subarray(at, Math.min(at + chunkBytes, end))), framePrefixBytes + packetHeaderBytes + 4 * i);
    }
    this.#sequence = sequence;
    this.#isLast = isLast;
    this.#frame = frame;
  }

  get frame(): Buffer {
    assert(this.#frame, 'a packet is sealed before it is sent');
    return this.#frame;
  }
}
