import { crc32 } from '../base/checksum.js';
import type { Clock } from '../base/clock.js';
import { Patience } from '../base/patience.js';
import { blockName, type LocatedBlock, type ReplicaLocation } from '../protocol/block.js';
import { type BlockChannel, type BlockChannelConnector, decodePacketHeader, type Frame, frameTypes, packetChecksums, packetData, type PacketHeader } from '../protocol/block-stream.js';
import { ChecksumError, InputOutputError } from '../protocol/errors.js';
import { type AcceptedStatus, openOperation, readFrame } from '../transport/block-operation.js';

/** Verified bytes in the buffer that they came in: valid until `release`. */
export interface Piece {
  bytes: Buffer;
  release(): void;
}

export interface ReadContext {
  connector: BlockChannelConnector;
  clock: Clock;
}

/**
 * Reads a range of one replica (Hadoop: BlockReaderRemote). The request goes out at once, so that it can be made ahead of time; `next`
 * gives verified bytes of exactly that range. ChecksumError: the bytes that came are not those that were written. Any other error:
 * refused, unreachable, silent or out of order. After one only `close` is left.
 */
export class ReplicaReader {
  readonly replica: ReplicaLocation;
  readonly #context: ReadContext;
  readonly #patience: Patience;
  readonly #located: LocatedBlock;
  readonly #endInBlock: number;
  readonly #limitMs: number;
  readonly #controller = new AbortController();
  readonly #opened: Promise<{ channel: BlockChannel; status: AcceptedStatus }>;
  #channel: BlockChannel | undefined;
  #positionInBlock: number;
  /** Where the next packet begins. */
  #nextOffset = 0;
  #isEnded = false;

  constructor(context: ReadContext, located: LocatedBlock, replica: ReplicaLocation, range: { offsetInBlock: number; endInBlock: number; limitMs: number }) {
    this.#context = context;
    this.#patience = new Patience(context.clock);
    this.#located = located;
    this.replica = replica;
    this.#positionInBlock = range.offsetInBlock;
    this.#endInBlock = range.endInBlock;
    this.#limitMs = range.limitMs;
    const body = { block: located.block, token: located.token, offsetBytes: range.offsetInBlock, lengthBytes: range.endInBlock - range.offsetInBlock };
    this.#opened = openOperation(context.connector, replica.address, { type: frameTypes.read, body }, { clock: context.clock, limitMs: range.limitMs, signal: this.#controller.signal });
    this.#opened.catch(() => {});
  }

  /** The next bytes, never empty; null after the last of the range, when the channel has gone back to the pool. */
  async next(): Promise<Piece | null> {
    if (!this.#channel) {
      const { channel, status } = await this.#opened;
      if (this.#controller.signal.aborted) {
        channel.destroy();
        throw new InputOutputError('the read was closed');
      }
      this.#channel = channel;
      this.#nextOffset = status.offsetBytes;
      if (status.offsetBytes > this.#positionInBlock) throw this.#broken(`begins at ${status.offsetBytes} where ${this.#positionInBlock} was asked for`);
    }
    while (!this.#isEnded) {
      const frame = await readFrame(this.#channel, this.#patience, this.#limitMs);
      let isKept = false;
      try {
        const bytes = this.#verified(frame);
        isKept = bytes.length > 0;
        if (isKept) return { bytes, release: () => frame.release() };
      } finally {
        if (!isKept) frame.release();
      }
    }
    return null;
  }

  /** Breaks off what is not at its end. */
  close(): void {
    this.#controller.abort();
    this.#patience.stop();
    if (!this.#isEnded) this.#channel?.destroy();
    this.#opened.then(({ channel }) => (this.#isEnded ? undefined : channel.destroy()), () => {});
  }

  /** Checks a packet, and cuts its data to the range: chunks are whole, so there may be more on both sides. */
  #verified(frame: Frame): Buffer {
    const header = frame.type === frameTypes.packet ? decodePacketHeader(frame) : undefined;
    if (!header) throw this.#broken('sent something that is no packet');
    if (header.offsetInBlock !== this.#nextOffset) throw this.#broken(`sent bytes from ${header.offsetInBlock} where ${this.#nextOffset} was due`);
    const data = packetData(frame.body, header);
    this.#checkSums(frame, header, data);
    const packetEnd = header.offsetInBlock + header.dataLength;
    this.#nextOffset = packetEnd;
    const begin = Math.max(this.#positionInBlock, header.offsetInBlock);
    const end = Math.min(this.#endInBlock, packetEnd);
    if (end > begin) this.#positionInBlock = end;
    if (header.isLast) this.#finish();
    return end > begin ? data.subarray(begin - header.offsetInBlock, end - header.offsetInBlock) : data.subarray(0, 0);
  }

  #checkSums(frame: Frame, header: PacketHeader, data: Buffer): void {
    const checksums = packetChecksums(frame.body, header);
    for (let i = 0; i < header.checksumCount; i++) {
      const start = i * header.chunkBytes;
      if (crc32(data.subarray(start, Math.min(start + header.chunkBytes, data.length))) !== checksums.readUInt32BE(4 * i)) {
        throw new ChecksumError(`${this.replica.name} sent bytes of ${blockName(this.#located.block)} at ${header.offsetInBlock + start} that do not match their checksum`, { blockId: this.#located.block.blockId });
      }
    }
  }

  #finish(): void {
    this.#isEnded = true;
    this.#patience.stop();
    if (this.#positionInBlock < this.#endInBlock) {
      this.#channel!.destroy();
      throw this.#broken(`ended at ${this.#positionInBlock}, before ${this.#endInBlock}`);
    }
    this.#context.connector.release(this.#channel!);
  }

  #broken(reason: string): Error {
    return new InputOutputError(`${this.replica.name} ${reason}`, { blockId: this.#located.block.blockId });
  }
}
