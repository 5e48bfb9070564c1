import { crc32 } from '../base/checksum.js';
import { StorageDamagedError } from '../protocol/errors.js';
import type { Key } from './key-value-store.js';

/**
 * A record on disk: its checksum, then its value. The checksum covers the key first, so that a value under another's key is
 * noticed too.
 *
 *      0                                4
 *     +--------------------------------+------------+
 *     | CRC-32 of key and value, BE    | value      |
 *     +--------------------------------+------------+
 */
const headerBytes = 4;
const table = new Int32Array(256).map((_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function encodeRecord(key: Key, value: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(headerBytes + value.length);
  record.writeUInt32BE(crc32(value, keyChecksum(key)), 0);
  record.set(value, headerBytes);
  return record;
}

/** A record that cannot be trusted: it fails its checksum, or is not where others say that it is. Crosses the wire as StorageDamagedError. */
export class DamagedRecordError extends StorageDamagedError {
  readonly entry = StorageDamagedError.entry;
  readonly key: Key;

  /** `what` says of which record it is what: `the record of inode 16386 fails its checksum`. */
  constructor(key: Key, what: string) {
    super(`${what}; nothing more is changed: restore the store from a backup`);
    this.key = key;
  }
}

/** The value: a view on `record`. DamagedRecordError if the checksum does not fit; `storeName` says where. */
export function decodeRecord(key: Key, record: Buffer, storeName: string): Uint8Array {
  const value = record.subarray(headerBytes);
  if (record.length < headerBytes || crc32(value, keyChecksum(key)) !== record.readUInt32BE(0)) {
    throw new DamagedRecordError(key, `a record of ${storeName} fails its checksum (key ${JSON.stringify(key)}, ${record.length} bytes)`);
  }
  return value;
}

/** Keys are short strings: a table is quicker than the way into native code with a buffer made for it (45 ns for 20 bytes). */
function keyChecksum(key: Key): number {
  let crc = -1;
  for (let i = 0; i < key.length; i++) crc = (crc >>> 8) ^ table[(crc ^ key.charCodeAt(i)) & 255]!;
  return ~crc >>> 0;
}
