import { crc32 } from '../base/checksum.js';
import { blockName } from '../protocol/block.js';
import { VersionMismatchError } from '../protocol/errors.js';

/**
 * The checksum file of a replica, `blk_ID_GS.meta`. All numbers big-endian.
 *
 *      0        4          6       7            8            12           16        24                 32
 *     +--------+----------+-------+------------+------------+------------+---------+------------------+
 *     | 'DFSM' | version  | state | algorithm  | chunkBytes | 0          | blockId | generationStamp  |
 *     +--------+----------+-------+------------+------------+------------+---------+------------------+
 *      32            40              44              48              64              80
 * *     | lengthBytes | checksumsCrc  | headerCrc     | tail slot 0   | tail slot 1   | tail slot 2   | CRC-32 of each chunk, u32* |
 *     tail slot: u64 lengthBytes, u32 CRC-32 of the last, incomplete chunk up to there, u32 CRC-32 of these 12 bytes
 *
 * headerCrc covers what stands before it, checksumsCrc all chunk checksums: so rot in this file is told apart from rot in the data.
 *
 * state 0, being written: lengthBytes is what it began with when it was taken over (else 0), checksumsCrc 0. The table holds complete
 * chunks only, each written once. Where the data ends inside a chunk, its checksum so far is in a tail slot, with the length that it covers. The slot that was last synced, and the one
 * that is being synced, are never overwritten: what a sync made durable stays verifiable whatever part of later writes survives a power cut.
 * state 1, finalized: the table covers lengthBytes, its last chunk being short or not. The slots stay as they were: should the power be cut
 * before all of the table is on disk, they still vouch for what was synced.
 */
const metaMagic = 0x4446534d;
const metaFormatVersion = 1;
export const metaHeaderBytes = 96;
const checkedBytes = 44;
const slotsAt = 48;
const tailSlotBytes = 16;
export const tailSlotCount = 3;
/** CRC-32 of IEEE 802.3. */
const crc32Algorithm = 1;

export interface MetaHeader {
  state: 'being-written' | 'finalized';
  chunkBytes: number;
  blockId: number;
  generationStamp: number;
  lengthBytes: number;
  checksumsCrc: number;
}

export interface TailSlot {
  lengthBytes: number;
  crc: number;
}

/** The header, up to the tail slots. */
export function encodeMetaHeader(header: MetaHeader): Buffer {
  const bytes = Buffer.alloc(slotsAt);
  bytes.writeUInt32BE(metaMagic, 0);
  bytes.writeUInt16BE(metaFormatVersion, 4);
  bytes[6] = header.state === 'finalized' ? 1 : 0;
  bytes[7] = crc32Algorithm;
  bytes.writeUInt32BE(header.chunkBytes, 8);
  bytes.writeBigUInt64BE(BigInt(header.blockId), 16);
  bytes.writeBigUInt64BE(BigInt(header.generationStamp), 24);
  bytes.writeBigUInt64BE(BigInt(header.lengthBytes), 32);
  bytes.writeUInt32BE(header.checksumsCrc, 40);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, checkedBytes)), checkedBytes);
  return bytes;
}

/**
 * The header, or what is wrong with it, in a few words. `expected`: whom the file says, by its name, to belong to. VersionMismatchError if
 * it is whole, and of a version that this program does not know: that is no rot.
 */
export function decodeMetaHeader(bytes: Buffer, expected: { blockId: number; generationStamp: number }): MetaHeader | string {
  if (bytes.length < metaHeaderBytes) return 'the checksum file is shorter than its header';
  if (bytes.readUInt32BE(0) !== metaMagic) return 'the checksum file does not begin with its magic number';
  if (bytes.readUInt32BE(checkedBytes) !== crc32(bytes.subarray(0, checkedBytes))) return 'the header of the checksum file is damaged';
  const version = bytes.readUInt16BE(4);
  if (version !== metaFormatVersion) {
    throw new VersionMismatchError(
      `the checksum file of ${blockName(expected)} has format version ${version}, this program reads ${metaFormatVersion}: use the version of dfsh that wrote it`,
      { blockId: expected.blockId },
    );
  }
  if (bytes[7] !== crc32Algorithm) return `the checksum file has algorithm ${bytes[7]}, this program knows ${crc32Algorithm} (CRC-32)`;
  const header: MetaHeader = {
    state: bytes[6] === 1 ? 'finalized' : 'being-written',
    chunkBytes: bytes.readUInt32BE(8),
    blockId: Number(bytes.readBigUInt64BE(16)),
    generationStamp: Number(bytes.readBigUInt64BE(24)),
    lengthBytes: Number(bytes.readBigUInt64BE(32)),
    checksumsCrc: bytes.readUInt32BE(40),
  };
  if (header.chunkBytes === 0) return 'the checksum file says chunks of 0 bytes';
  if (header.blockId !== expected.blockId || header.generationStamp !== expected.generationStamp) {
    return `the checksum file belongs to blk_${header.blockId}_${header.generationStamp}: it, or the block, is under a wrong name`;
  }
  return header;
}

export function encodeTailSlot(slot: TailSlot): Buffer {
  const bytes = Buffer.allocUnsafe(tailSlotBytes);
  bytes.writeBigUInt64BE(BigInt(slot.lengthBytes), 0);
  bytes.writeUInt32BE(slot.crc, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 12)), 12);
  return bytes;
}

/** The tail slots, of which the first one holds something or none does. */
export function encodeTailSlots(first: TailSlot | undefined): Buffer {
  const bytes = Buffer.alloc(metaHeaderBytes - slotsAt);
  if (first) encodeTailSlot(first).copy(bytes);
  return bytes;
}

/** The slots of a header that hold something, the longer one first. */
export function decodeTailSlots(header: Buffer): TailSlot[] {
  const slots: TailSlot[] = [];
  for (let index = 0; index < tailSlotCount; index++) {
    const bytes = header.subarray(tailSlotAt(index), tailSlotAt(index) + tailSlotBytes);
    if (bytes.readUInt32BE(12) !== crc32(bytes.subarray(0, 12))) continue;
    slots.push({ lengthBytes: Number(bytes.readBigUInt64BE(0)), crc: bytes.readUInt32BE(8) });
  }
  return slots.sort((a, b) => b.lengthBytes - a.lengthBytes);
}

/** Where the slot is in the file. */
export function tailSlotAt(index: number): number {
  return slotsAt + index * tailSlotBytes;
}

/** Where the checksum of a chunk is in the file. */
export function checksumAt(chunkIndex: number): number {
  return metaHeaderBytes + 4 * chunkIndex;
}

export function chunkCount(lengthBytes: number, chunkBytes: number): number {
  return Math.ceil(lengthBytes / chunkBytes);
}

/**
 * Compares `data`, which begins at a chunk, with the checksums of its chunks: the index of the first chunk that differs, -1 if none does.
 */
export function findBadChunk(data: Uint8Array, checksums: Buffer, chunkBytes: number): number {
  for (let at = 0, index = 0; at < data.length; at += chunkBytes, index++) {
    if (crc32(data.subarray(at, at + chunkBytes)) !== checksums.readUInt32BE(index * 4)) return index;
  }
  return -1;
}
