import { crc32 } from '../../source/base/checksum.js';
import { seededRandom } from '../../source/base/random.js';
import type { BlockStore, ReplicaPacket, ReplicaWriter } from '../../source/storage/block-store.js';

/** Bytes that say by themselves where they belong. */
export function content(seed: number, lengthBytes: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length: lengthBytes }, () => random.integer(256)));
}

/** CRC-32 of each chunk, u32 BE. */
export function chunkChecksums(data: Uint8Array, chunkBytes: number): Buffer {
  const checksums = Buffer.alloc(4 * Math.ceil(data.length / chunkBytes));
  for (let at = 0, index = 0; at < data.length; at += chunkBytes, index++)
    checksums.writeUInt32BE(crc32(data.subarray(at, at + chunkBytes)), 4 * index);
  return checksums;
}

export function packetOf(bytes: Buffer, offsetBytes: number, endBytes: number, chunkBytes: number, isLast = false): ReplicaPacket {
  const data = bytes.subarray(offsetBytes, endBytes);
  return { offsetBytes, data, checksums: chunkChecksums(data, chunkBytes), chunkBytes, isLast };
}

/** Appends `bytes` from where the writer is, in packets of `packetBytes`, waiting for each. */
export async function appendAll(
  writer: ReplicaWriter,
  bytes: Buffer,
  options: { chunkBytes: number; packetBytes: number; endBytes?: number; isLast?: boolean },
): Promise<void> {
  const { chunkBytes, packetBytes, endBytes = bytes.length, isLast = false } = options;
  while (writer.receivedBytes < endBytes) {
    const end = Math.min(writer.receivedBytes + packetBytes, endBytes);
    await writer.append(packetOf(bytes, writer.receivedBytes, end, chunkBytes, isLast && end === endBytes));
  }
}

/** Reads a whole replica and compares each chunk with its stored checksum: the bytes, or undefined if one differs. */
export async function readVerified(store: BlockStore, block: { blockId: number; generationStamp: number }): Promise<Buffer | undefined> {
  const reader = await store.openReader(block);
  try {
    const data = Buffer.alloc(reader.lengthBytes);
    const checksums = Buffer.alloc(4 * Math.ceil(data.length / reader.chunkBytes));
    if (data.length > 0) await reader.read({ offsetBytes: 0, data, checksums });
    return chunkChecksums(data, reader.chunkBytes).equals(checksums) ? data : undefined;
  } finally {
    await reader.close();
  }
}
