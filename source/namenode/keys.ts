import { decodeNumber, decodeText, decodeTextPart, encodedNumberBytes, encodeNumber, encodeText, encodeTextPart } from '../storage/key-encoding.js';
import type { Key, RangeOptions } from '../storage/key-value-store.js';

/**
 * Keys of the name node's store. (n) is encodeNumber, so that keys sort by number; (name) is the UTF-8 of a name, so that a
 * directory's entries sort by their bytes, as HDFS lists them. Values: the codec named on the right.
 *
 *   A (uuid)                   what is wanted of a data node              node-wish.ts
 *   B (inode id)(index)        a block of a file                          file-block.ts
 *   C                          counters                                   counters.ts
 *   D (deletion id)            a subtree that was unlinked: its inode id  number
 *   E (inode id)(name)         an entry of a directory                    inode.ts, encodeEntry
 *   F                          the format: version, cluster id            format.ts
 *   I (inode id)               an inode                                   inode.ts
 *   L (edit id)                an edit, with the answer that was given    edit-record.ts
 *   P                          the last restoration from a backup         restoration.ts
 *   R (client id) 00 (call id) the edit that answered a call: its id      number
 *   U (inode id)               a file under construction: its holder      lease-record.ts
 *   n...                       the data nodes' (DatanodeManager)
 */
export const restorationKey: Key = 'P';
export const countersKey: Key = 'C';
export const formatKey: Key = 'F';

export const inodeKey = (inodeId: number): Key => `I${encodeNumber(inodeId)}`;
export const leaseKey = (inodeId: number): Key => `U${encodeNumber(inodeId)}`;
export const editKey = (editId: number): Key => `L${encodeNumber(editId)}`;
export const deletionKey = (deletionId: number): Key => `D${encodeNumber(deletionId)}`;
export const callKey = (clientId: string, callId: number): Key => `R${encodeTextPart(clientId)}${encodeNumber(callId)}`;
export const entryKey = (directoryId: number, name: string): Key => `E${encodeNumber(directoryId)}${encodeText(name)}`;
export const blockKey = (inodeId: number, blockIndex: number): Key => `B${encodeNumber(inodeId)}${encodeNumber(blockIndex)}`;

export const nodeWishKey = (datanodeUuid: string): Key => `A${encodeText(datanodeUuid)}`;

export const allNodeWishes: RangeOptions = { start: 'A', end: 'B' };
export const allLeases: RangeOptions = { start: 'U', end: 'V' };
export const allEdits: RangeOptions = { start: 'L', end: 'M' };
export const allDeletions: RangeOptions = { start: 'D', end: 'E' };
export const allInodes: RangeOptions = { start: 'I', end: 'J' };
export const allBlocks: RangeOptions = { start: 'B', end: 'C' };

/** Entries of a directory behind `startAfter`; all if that is left out. No name holds NUL, so NUL is the next key behind a name. */
export function entriesOf(directoryId: number, startAfter?: string): RangeOptions {
  const prefix = `E${encodeNumber(directoryId)}`;
  return { start: startAfter === undefined ? prefix : `${prefix}${encodeText(startAfter)}\0`, end: `${prefix}\xff` };
}

/** Blocks of a file from `blockIndex` on. */
export function blocksOf(inodeId: number, blockIndex = 0): RangeOptions {
  const prefix = `B${encodeNumber(inodeId)}`;
  return { start: prefix + encodeNumber(blockIndex), end: `${prefix}\xff` };
}

/** Blocks of all files behind the given one. */
export function blocksAfter(inodeId: number, blockIndex: number): RangeOptions {
  return { start: `${blockKey(inodeId, blockIndex)}\0`, end: allBlocks.end };
}

export function nameOfEntry(key: Key): string {
  return decodeText(key, 1 + encodedNumberBytes(key, 1));
}

/** Of the keys that hold one text behind their letter. */
export function textOf(key: Key): string {
  return decodeText(key, 1);
}

/** Of the keys that hold one number behind their letter. */
export function idOf(key: Key): number {
  return decodeNumber(key, 1);
}

export function placeOfBlock(key: Key): { inodeId: number; blockIndex: number } {
  return { inodeId: decodeNumber(key, 1), blockIndex: decodeNumber(key, 1 + encodedNumberBytes(key, 1)) };
}

export function callOf(key: Key): { clientId: string; callId: number } {
  const { text, next } = decodeTextPart(key, 1);
  return { clientId: text, callId: decodeNumber(key, next) };
}
