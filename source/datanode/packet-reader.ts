import { encodePacketHeader, framePrefixBytes, packetHeaderBytes, packetOverheadBytes } from '../protocol/block-stream.js';
import type { ReplicaReader } from '../storage/block-store.js';
import { chunkCount } from '../storage/replica-meta.js';

/** A packet in a buffer: the frame is ready to be sent, data and checksums are views of it. */
export interface ReplicaPacketFrame {
  frame: Buffer;
  data: Buffer;
  checksums: Buffer;
}

const usualDataBytes = 512 * 1024;
const maxChecksums = 8192;

/** Data in a packet, for chunks of this size: whole chunks, about half a MiB, fewer where they are tiny. */
export function packetDataBytes(chunkBytes: number): number {
  return chunkBytes * Math.max(1, Math.min(maxChecksums, Math.floor(usualDataBytes / chunkBytes)));
}

/** How much of a buffer a packet takes. */
export function packetFrameBytes(dataBytes: number, chunkBytes: number): number {
  return packetOverheadBytes(dataBytes, chunkBytes) + dataBytes;
}

/** Reads a part of a replica straight into the frame that carries it. `buffer` has at least packetFrameBytes. */
export async function readPacket(
  reader: ReplicaReader,
  buffer: Buffer,
  packet: { sequence: number; offsetBytes: number; dataBytes: number; isLast: boolean },
): Promise<ReplicaPacketFrame> {
  const { chunkBytes } = reader;
  const { sequence, offsetBytes, dataBytes, isLast } = packet;
  const frame = buffer.subarray(0, packetFrameBytes(dataBytes, chunkBytes));
  const checksumCount = chunkCount(dataBytes, chunkBytes);
  const checksumsAt = framePrefixBytes + packetHeaderBytes;
  const checksums = frame.subarray(checksumsAt, checksumsAt + 4 * checksumCount);
  const data = frame.subarray(checksumsAt + 4 * checksumCount);
  if (dataBytes > 0) await reader.read({ offsetBytes, data, checksums });
  encodePacketHeader(frame, {
    sequence,
    dataLength: dataBytes,
    offsetInBlock: offsetBytes,
    chunkBytes,
    checksumCount,
    isLast,
    isSync: false,
  });
  return { frame, data, checksums };
}
