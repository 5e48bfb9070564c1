import { assert } from '../base/assert.js';

/** The last id given of each kind, never given again, and what the store holds. One record, part of every edit. */
export interface Counters {
  lastInodeId: number;
  lastBlockId: number;
  lastGenerationStamp: number;
  lastEditId: number;
  lastDeletionId: number;
  fileCount: number;
  /** The root too. */
  directoryCount: number;
  /** Unlinked subtrees that are not reclaimed yet. 0: every inode in the store can be reached. */
  pendingDeletionCount: number;
}

/** Ids begin where HDFS's do, so that names of inodes, blocks and generations look as people know them. */
export const initialCounters: Readonly<Counters> = {
  lastInodeId: 16_385,
  lastBlockId: 1_073_741_824,
  lastGenerationStamp: 1000,
  lastEditId: 0,
  lastDeletionId: 0,
  fileCount: 0,
  directoryCount: 0,
  pendingDeletionCount: 0,
};

const recordBytes = 8 * 8 + 1;
const formatVersion = 1;

/** u8 version, then Float64 little-endian in the order of the interface */
export function encodeCounters(counters: Counters): Uint8Array {
  const bytes = Buffer.allocUnsafe(recordBytes);
  bytes[0] = formatVersion;
  bytes.writeDoubleLE(counters.lastInodeId, 1);
  bytes.writeDoubleLE(counters.lastBlockId, 9);
  bytes.writeDoubleLE(counters.lastGenerationStamp, 17);
  bytes.writeDoubleLE(counters.lastEditId, 25);
  bytes.writeDoubleLE(counters.lastDeletionId, 33);
  bytes.writeDoubleLE(counters.fileCount, 41);
  bytes.writeDoubleLE(counters.directoryCount, 49);
  bytes.writeDoubleLE(counters.pendingDeletionCount, 57);
  return bytes;
}

export function decodeCounters(record: Uint8Array): Counters {
  assert(record.length === recordBytes && record[0] === formatVersion, 'the counters have the known version and length');
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const counters: Counters = {
    lastInodeId: view.getFloat64(1, true),
    lastBlockId: view.getFloat64(9, true),
    lastGenerationStamp: view.getFloat64(17, true),
    lastEditId: view.getFloat64(25, true),
    lastDeletionId: view.getFloat64(33, true),
    fileCount: view.getFloat64(41, true),
    directoryCount: view.getFloat64(49, true),
    pendingDeletionCount: view.getFloat64(57, true),
  };
  assert(Number.isSafeInteger(counters.lastEditId) && counters.lastEditId >= 0, 'the counters are whole numbers');
  return counters;
}
