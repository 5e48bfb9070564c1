import { seededRandom } from '../../source/base/random.js';

const tableBytes = 1 << 20;
const headerBytes = 8;
export const longestFileBytes = tableBytes / 2;

/**
 * Every file that is ever written has a number, its version, and bytes that follow from that: a header that says it, then a stretch of one
 * table. So each byte that is read can be checked, and nothing is kept.
 */
const table = makeTable();

function makeTable(): Buffer {
  const random = seededRandom(4711);
  const bytes = Buffer.alloc(tableBytes);
  for (let at = 0; at < tableBytes; at += 4) bytes.writeUInt32LE(random.integer(2 ** 32), at);
  return bytes;
}

function startOf(version: number): number {
  return (Math.imul(version, 0x9e3779b1) >>> 0) % (tableBytes - longestFileBytes);
}

/** The bytes of a version from `begin` to `end`: its header only where they begin at its first byte. Read only. */
export function contentOf(version: number, begin: number, end: number): Buffer {
  const start = startOf(version);
  if (begin >= headerBytes) return table.subarray(start + begin, start + end);
  const bytes = Buffer.from(table.subarray(start + begin, start + end));
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(version, 0);
  header.writeUInt32BE(~version >>> 0, 4);
  header.copy(bytes, 0, begin, Math.min(end, headerBytes));
  return bytes;
}

/** Which version bytes from a file's begin belong to; undefined if they are no file's. */
export function versionOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, headerBytes);
  const version = view.readUInt32BE(0);
  return view.readUInt32BE(4) === ~version >>> 0 ? version : undefined;
}
