import { crc32 } from '../base/checksum.js';

/** The chunks that a packet completes, and what it leaves incomplete. */
export interface GridStep {
  /** Index of the first chunk in `checksums`. */
  firstChunk: number;
  /** CRC-32 of each chunk that is complete now and was not before, u32 BE. May be a view of the packet's own checksums. */
  checksums: Buffer;
  endBytes: number;
  /** CRC-32 of the incomplete chunk at the end; 0 if there is none. */
  tailCrc: number;
}

/**
 * Turns packets' checksums, which are counted from the begin of each packet, into those of the replica's chunks, counted from the begin
 * of the block. Where both fall together, as they do unless somebody flushed inside a chunk, they are taken as they are.
 */
export class ChunkGrid {
  readonly #chunkBytes: number;
  #endBytes: number;
  #tailCrc: number;

  constructor(chunkBytes: number, at: { endBytes: number; tailCrc: number }) {
    this.#chunkBytes = chunkBytes;
    this.#endBytes = at.endBytes;
    this.#tailCrc = at.tailCrc;
  }

  get endBytes(): number {
    return this.#endBytes;
  }

  get tailCrc(): number {
    return this.#tailCrc;
  }

  append(data: Uint8Array, packet: { checksums: Buffer; chunkBytes: number }): GridStep {
    const chunkBytes = this.#chunkBytes;
    const firstChunk = Math.floor(this.#endBytes / chunkBytes);
    const isAligned = this.#endBytes % chunkBytes === 0 && packet.chunkBytes === chunkBytes;
    const checksums = isAligned ? this.#take(data, packet.checksums) : this.#compute(data);
    this.#endBytes += data.length;
    return { firstChunk, checksums, endBytes: this.#endBytes, tailCrc: this.#tailCrc };
  }

  #take(data: Uint8Array, checksums: Buffer): Buffer {
    const complete = Math.floor(data.length / this.#chunkBytes);
    this.#tailCrc = data.length % this.#chunkBytes === 0 ? 0 : checksums.readUInt32BE(complete * 4);
    return checksums.subarray(0, complete * 4);
  }

  #compute(data: Uint8Array): Buffer {
    const chunkBytes = this.#chunkBytes;
    let filled = this.#endBytes % chunkBytes;
    const checksums = Buffer.allocUnsafe(4 * Math.floor((filled + data.length) / chunkBytes));
    let count = 0;
    for (let at = 0; at < data.length;) {
      const take = Math.min(chunkBytes - filled, data.length - at);
      this.#tailCrc = crc32(data.subarray(at, at + take), filled === 0 ? 0 : this.#tailCrc);
      at += take;
      filled += take;
      if (filled < chunkBytes) continue;
      checksums.writeUInt32BE(this.#tailCrc, 4 * count++);
      this.#tailCrc = 0;
      filled = 0;
    }
    return checksums;
  }
}
