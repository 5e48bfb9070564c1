import { blockName } from '../protocol/block.js';
import type { BlockChannel, ReadRequest } from '../protocol/block-stream.js';
import { ChecksumError, InputOutputError, InvalidArgumentError } from '../protocol/errors.js';
import type { ReplicaReader } from '../storage/block-store.js';
import { acceptance, refusal } from './channel-operation.js';
import type { NodeContext } from './node-context.js';
import { openNewest } from './open-newest.js';
import { packetDataBytes, packetFrameBytes, readPacket, type ReplicaPacketFrame } from './packet-reader.js';

/** Packets of one reader that are being read from the disk or sent. */
const maxHeldPackets = 8;

interface HeldPacket {
  buffer: Buffer;
  heldBytes: number;
  reading: Promise<ReplicaPacketFrame>;
}

/**
 * The READ operation (DataNode's BlockSender): a range of a replica with its stored checksums, in packets of whole chunks. The reader
 * verifies them; nothing is checked, nor copied, here. Several packets are read ahead of the one that is being sent.
 */
export class BlockSender {
  readonly #node: NodeContext;
  readonly #channel: BlockChannel;
  readonly #request: ReadRequest;

  constructor(node: NodeContext, channel: BlockChannel, request: ReadRequest) {
    this.#node = node;
    this.#channel = channel;
    this.#request = request;
  }

  destroy(): void {
    this.#channel.destroy();
  }

  /** True if the operation ended in good order: the channel takes the next one. */
  async run(): Promise<boolean> {
    let reader: ReplicaReader;
    try {
      reader = await this.#open();
    } catch (error) {
      this.#channel.write([refusal(error, this.#node.store.datanodeUuid)]).catch(() => {});
      return !this.#channel.isDestroyed;
    }
    try {
      await this.#sendAll(reader);
      this.#node.counters.blocksRead++;
      return true;
    } catch (error) {
      // The reader goes on with another replica.
      if (!this.#channel.isDestroyed) this.#noteFailure(error);
      this.#channel.destroy();
      return false;
    } finally {
      reader.close().catch(() => {});
    }
  }

  async #open(): Promise<ReplicaReader> {
    const { block, offsetBytes } = this.#request;
    let reader: ReplicaReader;
    try {
      reader = await openNewest(this.#node.store, block);
    } catch (error) {
      this.#noteFailure(error);
      throw error;
    }
    if (offsetBytes <= reader.lengthBytes) return reader;
    await reader.close();
    throw new InvalidArgumentError(`${blockName(block)} has ${reader.lengthBytes} bytes here, reading was to begin at ${offsetBytes}`, {
      blockId: block.blockId,
    });
  }

  async #sendAll(reader: ReplicaReader): Promise<void> {
    const { budget, buffers, counters } = this.#node;
    const { chunkBytes, lengthBytes } = reader;
    const { offsetBytes, lengthBytes: wantedBytes } = this.#request;
    const beginBytes = Math.floor(offsetBytes / chunkBytes) * chunkBytes;
    const endBytes =
      wantedBytes === 0 ? beginBytes : Math.min(lengthBytes, Math.ceil((offsetBytes + wantedBytes) / chunkBytes) * chunkBytes);
    const stepBytes = packetDataBytes(chunkBytes);
    const held: HeldPacket[] = [];
    const sending = new Set<Promise<void>>();
    let sequence = 0;
    let nextBytes = beginBytes;
    let isLastRead = false;
    let failure: { error: unknown } | undefined;
    const release = ({ buffer, heldBytes }: HeldPacket) => {
      buffers.give(buffer);
      budget.give(heldBytes);
    };
    const readAhead = () => {
      const dataBytes = Math.min(stepBytes, endBytes - nextBytes);
      const heldBytes = packetFrameBytes(dataBytes, chunkBytes);
      const buffer = buffers.take(heldBytes);
      budget.take(heldBytes);
      isLastRead = nextBytes + dataBytes >= endBytes;
      const reading = readPacket(reader, buffer, { sequence: sequence++, offsetBytes: nextBytes, dataBytes, isLast: isLastRead });
      reading.catch(() => {});
      held.push({ buffer, heldBytes, reading });
      nextBytes += dataBytes;
    };

    this.#channel.write([acceptance({ chunkBytes, offsetBytes: beginBytes, replicaLengthBytes: lengthBytes })]).catch(() => {});
    try {
      while (!isLastRead || held.length > 0) {
        while (
          !isLastRead &&
          (held.length + sending.size === 0 || (held.length + sending.size < maxHeldPackets && budget.hasRoom(stepBytes)))
        )
          readAhead();
        const next = held.shift();
        if (!next) {
          // All that may be held is being sent.
          await Promise.race(sending);
        } else {
          let packet: ReplicaPacketFrame;
          try {
            packet = await next.reading;
          } catch (error) {
            release(next);
            throw error;
          }
          const sent = this.#channel
            .write([packet.frame])
            .then(
              () => void (counters.sentBytes += packet.data.length),
              (error: unknown) => void (failure ??= { error }),
            )
            .finally(() => {
              release(next);
              sending.delete(sent);
            });
          sending.add(sent);
        }
        if (failure) throw failure.error;
      }
    } finally {
      await Promise.allSettled(held.map(({ reading }) => reading));
      for (const packet of held) release(packet);
      if (failure) this.#channel.destroy();
      await Promise.allSettled(sending);
    }
    if (failure) throw (failure as { error: unknown }).error;
  }

  #noteFailure(error: unknown): void {
    const { block } = this.#request;
    if (error instanceof ChecksumError || error instanceof InputOutputError) this.#node.onSuspect(block, error);
  }
}
