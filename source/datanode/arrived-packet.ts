import { type Block, blockName } from '../protocol/block.js';
import { decodePacketHeader, type Frame, frameTypes, packetChecksums, packetData, type PacketHeader, type WriteRequest } from '../protocol/block-stream.js';
import { ChecksumError, InvalidArgumentError } from '../protocol/errors.js';
import { findBadChunk } from '../storage/replica-meta.js';

/** A frame in the middle of a write, and what it is good for. */
export interface ArrivedPacket {
  frame: Frame;
  header: PacketHeader | undefined;
  /** Why it cannot be taken: ChecksumError if it was damaged on its way, InvalidArgumentError if it is none, or not the one that comes next. */
  problem: Error | undefined;
}

/** Looks at a frame as the next packet of a write that has `receivedBytes` already. `sender` is named if it came damaged. */
export function lookAtPacket(frame: Frame, request: WriteRequest, receivedBytes: number, sender: string): ArrivedPacket {
  const header = frame.type === frameTypes.packet ? decodePacketHeader(frame) : undefined;
  return { frame, header, problem: problemOf(frame, header, request, receivedBytes, sender) };
}

function problemOf(frame: Frame, header: PacketHeader | undefined, { block, stage }: WriteRequest, receivedBytes: number, sender: string): Error | undefined {
  if (frame.type !== frameTypes.packet) return invalid(block, 'a frame in the middle of a write is no packet');
  if (!header) return damaged(block, 'a packet header', sender);
  const { offsetInBlock, dataLength, chunkBytes, isLast } = header;
  if (offsetInBlock !== receivedBytes) return invalid(block, `a packet begins at ${offsetInBlock}, ${receivedBytes} bytes have come so far`);
  if (findBadChunk(packetData(frame.body, header), packetChecksums(frame.body, header), chunkBytes) >= 0) return damaged(block, `the packet at ${offsetInBlock}`, sender);
  const endBytes = offsetInBlock + dataLength;
  if (stage === 'transfer' && isLast && endBytes !== block.lengthBytes) return invalid(block, `the copy ends after ${endBytes} bytes, ${block.lengthBytes} were promised`);
  return undefined;
}

function invalid(block: Block, what: string): Error {
  return new InvalidArgumentError(`${blockName(block)}: ${what}`);
}

function damaged(block: Block, what: string, sender: string): Error {
  return new ChecksumError(`${blockName(block)}: ${what} from ${sender} differs from its checksum`, { blockId: block.blockId });
}
