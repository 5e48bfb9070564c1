import { createHash } from 'node:crypto';
import { crc32c } from '../base/checksum.js';
import { type Block, blockName } from '../protocol/block.js';
import { ChecksumError, InputOutputError } from '../protocol/errors.js';
import type { BlockStore } from '../storage/block-store.js';
import { chunkCount, findBadChunk } from '../storage/replica-meta.js';
import { packetDataBytes } from './packet-reader.js';

/**
 * What HDFS's file checksum MD5-of-MD5-of-CRC32C is made of (BlockChecksumHelper): the MD5, as hex, of the CRC-32C of each `bytesPerCrc` bytes
 * of the block's first `lengthBytes`, big-endian, one after the other. From bytes that passed their stored checksums, whatever those are.
 */
export async function readReplicaChecksum(store: BlockStore, block: Block, bytesPerCrc: number): Promise<string> {
  const reader = await store.openReader(block);
  try {
    const { chunkBytes } = reader;
    if (reader.lengthBytes < block.lengthBytes) {
      throw new InputOutputError(
        `${blockName(block)} has ${reader.lengthBytes} bytes here, the checksum of ${block.lengthBytes} is asked for`,
        { blockId: block.blockId },
      );
    }
    const crcs = new CrcHash(bytesPerCrc);
    const stepBytes = packetDataBytes(chunkBytes);
    const endBytes = Math.min(chunkCount(block.lengthBytes, chunkBytes) * chunkBytes, reader.lengthBytes);
    const buffer = Buffer.allocUnsafe(Math.min(stepBytes, endBytes));
    for (let offsetBytes = 0; offsetBytes < endBytes; offsetBytes += stepBytes) {
      const data = buffer.subarray(0, Math.min(stepBytes, endBytes - offsetBytes));
      const checksums = Buffer.allocUnsafe(4 * chunkCount(data.length, chunkBytes));
      await reader.read({ offsetBytes, data, checksums });
      const bad = findBadChunk(data, checksums, chunkBytes);
      if (bad >= 0)
        throw new ChecksumError(`${blockName(block)}: the data differs from its checksum at byte ${offsetBytes + bad * chunkBytes}`, {
          blockId: block.blockId,
        });
      crcs.update(data.subarray(0, Math.min(data.length, block.lengthBytes - offsetBytes)));
    }
    return crcs.digest();
  } finally {
    await reader.close();
  }
}

class CrcHash {
  readonly #hash = createHash('md5');
  readonly #bytesPerCrc: number;
  #crc = 0;
  #filledBytes = 0;

  constructor(bytesPerCrc: number) {
    this.#bytesPerCrc = bytesPerCrc;
  }

  update(data: Buffer): void {
    const crcs = Buffer.allocUnsafe(4 * Math.floor((this.#filledBytes + data.length) / this.#bytesPerCrc));
    let count = 0;
    for (let at = 0; at < data.length;) {
      const take = Math.min(this.#bytesPerCrc - this.#filledBytes, data.length - at);
      this.#crc = crc32c(data.subarray(at, at + take), this.#filledBytes === 0 ? 0 : this.#crc);
      at += take;
      this.#filledBytes += take;
      if (this.#filledBytes < this.#bytesPerCrc) continue;
      crcs.writeUInt32BE(this.#crc, 4 * count++);
      this.#filledBytes = 0;
    }
    this.#hash.update(crcs);
  }

  digest(): string {
    if (this.#filledBytes > 0) {
      const last = Buffer.allocUnsafe(4);
      last.writeUInt32BE(this.#crc);
      this.#hash.update(last);
    }
    return this.#hash.digest('hex');
  }
}
