import { crc32 } from '../base/checksum.js';
import { type Block, blockName, type ReplicaLocation } from '../protocol/block.js';
import { type BlockChannel, decodeAck, encodePacketHeader, frameTypes, silenceLimitMs, type WriteRequest } from '../protocol/block-stream.js';
import { ChecksumError, InputOutputError } from '../protocol/errors.js';
import type { ReplicaReader } from '../storage/block-store.js';
import { findBadChunk } from '../storage/replica-meta.js';
import { openOperation, readAnswer } from '../transport/block-operation.js';
import type { NodeContext } from './node-context.js';
import { openNewest } from './open-newest.js';
import { packetDataBytes, packetFrameBytes, readPacket } from './packet-reader.js';

export interface CopyOrder {
  /** Its first `lengthBytes` are copied. */
  block: Block;
  token: string;
  /** A pipeline of them, the next hop first. */
  targets: ReplicaLocation[];
  /** Finalize there (repair), or leave it being written (it then joins a pipeline). */
  isFinal: boolean;
  signal: AbortSignal;
  onProgress?: (doneBytes: number) => void;
}

/** A copy failed at, or on the way to, another node. */
export class CopyTargetError extends Error {
  override readonly name = 'CopyTargetError';
  readonly target: ReplicaLocation;

  constructor(target: ReplicaLocation, cause: unknown) {
    super(`copying to ${target.name} (${target.address}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.target = target;
  }
}

const maxUnacknowledged = 8;

/**
 * Copies a replica of this node to others, as the writer of a pipeline. Every byte is verified before it leaves: a rotten source is never
 * replicated (ChecksumError; the targets drop what they have). Resolves when all of it is durable at each target. CopyTargetError: it was them.
 */
export async function copyReplica(node: NodeContext, order: CopyOrder): Promise<void> {
  const { block, targets } = order;
  // A pipeline that was begun and given up may have raised the generation here; what its writer keeps of it is the same.
  const reader = order.isFinal ? await node.store.openReader(block) : await openNewest(node.store, block);
  try {
    if (reader.lengthBytes < block.lengthBytes) {
      throw new InputOutputError(`${blockName(block)} has ${reader.lengthBytes} bytes here, ${block.lengthBytes} are to be copied`, {
        blockId: block.blockId,
      });
    }
    await new ReplicaCopy(node, order, reader, targets[0]!).run();
  } finally {
    await reader.close();
  }
}

class ReplicaCopy {
  readonly #node: NodeContext;
  readonly #order: CopyOrder;
  readonly #reader: ReplicaReader;
  readonly #target: ReplicaLocation;
  #unacknowledged: { endBytes: number; isLast: boolean }[] = [];
  #wake: (() => void) | undefined;
  #failure: { error: unknown } | undefined;

  constructor(node: NodeContext, order: CopyOrder, reader: ReplicaReader, target: ReplicaLocation) {
    this.#node = node;
    this.#order = order;
    this.#reader = reader;
    this.#target = target;
  }

  async run(): Promise<void> {
    const { connector } = this.#node;
    const channel = await this.#connect();
    const onAbort = () => channel.destroy();
    this.#order.signal.addEventListener('abort', onAbort, { once: true });
    try {
      const acknowledging = this.#readAcks(channel);
      acknowledging.catch(() => {});
      await this.#sendPackets(channel);
      await acknowledging;
      connector.release(channel);
    } catch (error) {
      channel.destroy();
      throw error;
    } finally {
      this.#order.signal.removeEventListener('abort', onAbort);
    }
  }

  async #connect(): Promise<BlockChannel> {
    const { block, token, targets, isFinal, signal } = this.#order;
    const body: WriteRequest = {
      stage: 'transfer',
      block,
      storageId: this.#target.storageId,
      token,
      downstream: targets.slice(1),
      chunkBytes: this.#reader.chunkBytes,
      isDurable: true,
      keepBytes: 0,
      isFinal,
    };
    try {
      const { channel } = await openOperation(
        this.#node.connector,
        this.#target.address,
        { type: frameTypes.write, body },
        { clock: this.#node.clock, limitMs: this.#limitMs(), silenceMs: silenceLimitMs, signal },
      );
      return channel;
    } catch (error) {
      throw new CopyTargetError(this.#target, error);
    }
  }

  #limitMs(): number {
    return this.#node.downstreamTimeoutMs + this.#node.hopTimeoutMs * this.#order.targets.length;
  }

  async #sendPackets(channel: BlockChannel): Promise<void> {
    const { budget, buffers, counters } = this.#node;
    const { chunkBytes } = this.#reader;
    const { lengthBytes } = this.#order.block;
    const stepBytes = packetDataBytes(chunkBytes);
    let sequence = 0;
    for (let offsetBytes = 0; offsetBytes < lengthBytes || sequence === 0; offsetBytes += stepBytes) {
      while (
        !this.#failure &&
        this.#unacknowledged.length > 0 &&
        (this.#unacknowledged.length >= maxUnacknowledged || !budget.hasRoom(stepBytes))
      ) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#failure) throw this.#failure.error;
      const endBytes = Math.min(offsetBytes + stepBytes, lengthBytes);
      const isLast = endBytes === lengthBytes;
      const { buffer, frame, heldBytes } = await this.#readVerified({ sequence: sequence++, offsetBytes, endBytes, isLast });
      this.#unacknowledged.push({ endBytes, isLast });
      channel
        .write([frame])
        .then(
          () => void (counters.sentBytes += endBytes - offsetBytes),
          () => {},
        )
        .finally(() => {
          buffers.give(buffer);
          budget.give(heldBytes);
          this.#wake?.();
        });
    }
  }

  /** A packet whose bytes passed their checksums. Where the copy ends inside a chunk, with that chunk's checksum computed anew. */
  async #readVerified(packet: {
    sequence: number;
    offsetBytes: number;
    endBytes: number;
    isLast: boolean;
  }): Promise<{ buffer: Buffer; frame: Buffer; heldBytes: number }> {
    const { budget, buffers } = this.#node;
    const { chunkBytes, lengthBytes } = this.#reader;
    const { sequence, offsetBytes, endBytes, isLast } = packet;
    const wholeBytes = Math.min(Math.ceil(endBytes / chunkBytes) * chunkBytes, lengthBytes) - offsetBytes;
    const heldBytes = packetFrameBytes(wholeBytes, chunkBytes);
    const buffer = buffers.take(heldBytes);
    budget.take(heldBytes);
    try {
      const whole = await readPacket(this.#reader, buffer, { sequence, offsetBytes, dataBytes: wholeBytes, isLast });
      const bad = findBadChunk(whole.data, whole.checksums, chunkBytes);
      if (bad >= 0) {
        this.#node.counters.checksumFailures++;
        throw new ChecksumError(
          `${blockName(this.#order.block)}: the data differs from its checksum at byte ${offsetBytes + bad * chunkBytes}`,
          { blockId: this.#order.block.blockId },
        );
      }
      if (wholeBytes === endBytes - offsetBytes) return { buffer, frame: whole.frame, heldBytes };
      return {
        buffer,
        frame: cutPacket(whole, { sequence, offsetBytes, isLast, chunkBytes, dataBytes: endBytes - offsetBytes }),
        heldBytes,
      };
    } catch (error) {
      buffers.give(buffer);
      budget.give(heldBytes);
      throw error;
    }
  }

  async #readAcks(channel: BlockChannel): Promise<void> {
    try {
      for (let isDone = false; !isDone;) {
        const frame = await readAnswer(channel, { clock: this.#node.clock, limitMs: this.#limitMs(), silenceMs: silenceLimitMs });
        const ack = frame.type === frameTypes.ack ? decodeAck(frame.body) : undefined;
        frame.release();
        const packet = this.#unacknowledged[0];
        if (!ack || !packet || ack.entries.length === 0) throw new InputOutputError('it sent something that is no acknowledgement');
        const bad = ack.entries.findIndex((entry) => entry.status !== 'ok');
        if (bad >= 0) throw new InputOutputError(`${this.#order.targets[bad]?.name ?? 'a node'} answered "${ack.entries[bad]!.status}"`);
        this.#unacknowledged.shift();
        this.#order.onProgress?.(packet.endBytes);
        this.#wake?.();
        isDone = packet.isLast;
      }
    } catch (error) {
      this.#failure = { error: new CopyTargetError(this.#target, error) };
      this.#wake?.();
      throw this.#failure.error;
    }
  }
}

/** Shortens a packet to its first `dataBytes`, in place; they end inside the last chunk that it keeps. */
function cutPacket(
  whole: { frame: Buffer; data: Buffer; checksums: Buffer },
  packet: { sequence: number; offsetBytes: number; isLast: boolean; chunkBytes: number; dataBytes: number },
): Buffer {
  const { frame, data, checksums } = whole;
  const { sequence, offsetBytes, isLast, chunkBytes, dataBytes } = packet;
  const lastChunk = Math.floor(dataBytes / chunkBytes);
  checksums.writeUInt32BE(crc32(data.subarray(lastChunk * chunkBytes, dataBytes)), 4 * lastChunk);
  encodePacketHeader(frame, {
    sequence,
    dataLength: dataBytes,
    offsetInBlock: offsetBytes,
    chunkBytes,
    checksumCount: lastChunk + 1,
    isLast,
    isSync: false,
    isFlush: false,
  });
  return frame.subarray(0, frame.length - (data.length - dataBytes));
}
