import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from '../base/checksum.js';
import { StorageDamagedError } from '../protocol/errors.js';
import type { Entry, Key } from './key-value-store.js';
import { maxKeyBytes } from './overlay.js';
import { storageError } from './storage-error.js';
import { syncDirectory } from './sync-directory.js';

/**
 * A store in one file: all its records in the order of their keys, whatever keeps them. All numbers little-endian.
 *
 *     +--------------------+---------+-----------+-----+-----------+---------------+
 *     | "dfsh store image" | version | section 1 | ... | section n | empty section |
 *     +--------------------+---------+-----------+-----+-----------+---------------+
 *       16 bytes             u32
 *
 *     a section:   | payload length u32 | CRC-32 of chain and payload u32 | payload |
 *     its payload: records, each | key length u16 | value length u32 | key, latin1 | value |
 *
 * The chain is the checksum of the section before (0 for the first), so that none can be left out, doubled or moved. The payload of
 * the empty section is none, and the file ends with it: one that was cut is never taken for whole.
 */
const magic = Buffer.from('dfsh store image', 'latin1');
const formatVersion = 1;
const headerBytes = magic.length + 4;
const sectionHeaderBytes = 8;
const recordHeaderBytes = 6;
const sectionBytes = 1024 * 1024;
const maxSectionBytes = 256 * sectionBytes;

/**
 * Writes an image, durable and wholly or not at all: `path` is there only once every byte of it has been read back and checked.
 * `check` may throw once `entries` is drained. Answers how many records and bytes it has. `entries` is drained bit by bit, across awaits. InputOutputError, NoSpaceError: nothing is left.
 */
export async function writeStoreImage(path: string, entries: Iterable<Entry>, check?: () => void): Promise<{ recordCount: number; sizeBytes: number }> {
  if (await stat(path).then(() => true, () => false)) throw new StorageDamagedError(`${path} is there already; give another name`, { path });
  const temporary = `${path}.being-written`;
  try {
    const file = await open(temporary, 'w', 0o600);
    let recordCount: number;
    try {
      recordCount = await writeSections(file, entries);
      check?.();
      await file.sync();
    } finally {
      await file.close();
    }
    let readCount = 0;
    for await (const section of readStoreImage(temporary)) readCount += section.length;
    if (readCount !== recordCount) throw new StorageDamagedError(`${temporary} reads back ${readCount} of ${recordCount} records; check the disk`, { path });
    const { size } = await stat(temporary);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return { recordCount, sizeBytes: size };
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw storageError(error, `writing ${path}`);
  }
}

async function writeSections(file: FileHandle, entries: Iterable<Entry>): Promise<number> {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32LE(formatVersion, magic.length);
  await file.writeFile(header);
  let chain = 0;
  let recordCount = 0;
  let pieces: Buffer[] = [];
  let pending = 0;
  const flush = async () => {
    const payload = Buffer.concat(pieces);
    chain = sectionChecksum(chain, payload);
    const head = Buffer.alloc(sectionHeaderBytes);
    head.writeUInt32LE(payload.length, 0);
    head.writeUInt32LE(chain, 4);
    await file.writeFile(Buffer.concat([head, payload]));
    pieces = [];
    pending = 0;
  };
  for (const [key, value] of entries) {
    const record = Buffer.allocUnsafe(recordHeaderBytes + key.length + value.length);
    record.writeUInt16LE(key.length, 0);
    record.writeUInt32LE(value.length, 2);
    record.write(key, recordHeaderBytes, 'latin1');
    record.set(value, recordHeaderBytes + key.length);
    pieces.push(record);
    pending += record.length;
    recordCount++;
    if (pending >= sectionBytes) await flush();
  }
  if (pending > 0) await flush();
  await flush();
  return recordCount;
}

/**
 * The records of an image, a section at a time, each checked before it is given. StorageDamagedError, in one line that names the file,
 * where it is no image, of another version, cut, longer than it should be, or fails a checksum: nothing that comes after is given.
 */
export async function* readStoreImage(path: string): AsyncGenerator<Entry[]> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new StorageDamagedError(`there is no backup ${path}`, { path });
    throw storageError(error, `reading ${path}`);
  }
  const damaged = (what: string) => new StorageDamagedError(`the backup ${path} ${what}; nothing was changed: take another backup`, { path });
  try {
    if ((await file.stat()).isDirectory()) throw new StorageDamagedError(`${path} is a directory, no backup; nothing was changed: name one of the backups in it`, { path });
    const header = await readExactly(file, headerBytes, 0);
    if (!header || !header.subarray(0, magic.length).equals(magic)) throw damaged('is no backup of a name node');
    const version = header.readUInt32LE(magic.length);
    if (version !== formatVersion) throw damaged(`has format version ${version}, and this program knows version ${formatVersion}`);
    let position = headerBytes;
    let chain = 0;
    let lastKey: Key = '';
    for (;;) {
      const head = await readExactly(file, sectionHeaderBytes, position);
      if (!head) throw damaged(`ends too early, at byte ${position}`);
      const length = head.readUInt32LE(0);
      const payload = length > maxSectionBytes ? undefined : await readExactly(file, length, position + sectionHeaderBytes);
      if (!payload || sectionChecksum(chain, payload) !== head.readUInt32LE(4)) throw damaged(`is damaged or cut, at byte ${position}`);
      chain = head.readUInt32LE(4);
      position += sectionHeaderBytes + length;
      if (length === 0) break;
      const entries = parseRecords(payload, lastKey);
      if (!entries) throw damaged(`holds no records where it should, before byte ${position}`);
      lastKey = entries.at(-1)![0];
      yield entries;
    }
    if (await readExactly(file, 1, position)) throw damaged(`goes on behind its end, at byte ${position}`);
  } catch (error) {
    throw storageError(error, `reading ${path}`);
  } finally {
    await file.close();
  }
}

/** Undefined if the payload is not wholly records whose keys rise from `lastKey`. */
function parseRecords(payload: Buffer, lastKey: Key): Entry[] | undefined {
  const entries: Entry[] = [];
  let at = 0;
  while (at < payload.length) {
    if (at + recordHeaderBytes > payload.length) return undefined;
    const keyEnd = at + recordHeaderBytes + payload.readUInt16LE(at);
    const end = keyEnd + payload.readUInt32LE(at + 2);
    if (end > payload.length) return undefined;
    const key = payload.toString('latin1', at + recordHeaderBytes, keyEnd);
    if (key <= lastKey || key.length > maxKeyBytes) return undefined;
    entries.push([key, payload.subarray(keyEnd, end)]);
    lastKey = key;
    at = end;
  }
  return entries;
}

function sectionChecksum(chain: number, payload: Uint8Array): number {
  const seed = Buffer.alloc(4);
  seed.writeUInt32LE(chain);
  return crc32(payload, crc32(seed));
}

/** Undefined where the file ends before. */
async function readExactly(file: FileHandle, length: number, position: number): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}
