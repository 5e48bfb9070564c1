import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';

/**
 * The layout of LMDB's data file (liblmdb/mdb.c, data version 2, words of 64 bits, little-endian), as far as its free list needs it.
 *
 *     page:   number u64 | transaction u64 | pad u16 | flags u16 | lower u16 | upper u16 | node positions u16, relative to the end of this header
 *     meta:   (on pages 0 and 1, behind the header) magic u32 | version u32 | address u64 | map size u64 | free list 48 bytes | main tree 48 bytes | last page u64 | transaction u64
 *     tree:   page size u32 | flags u16 | depth u16 | branch pages u64 | leaf pages u64 | overflow pages u64 | entries u64 | root u64
 *     node:   u16 | u16 | flags u16 | key length u16 | key | value, or where it is large: first page u64 | transaction u64 | pages u64
 *             (of a branch page, the first three are the page below)
 */
const magic = 0xbeefc0de;
const dataVersion = 2;
const pageHeaderBytes = 24;
const metaBytes = 176;
const nodeHeaderBytes = 8;
const branchFlag = 0x01;
const leafFlag = 0x02;
const largeValueFlag = 0x01;
const noPage = 0xffff_ffff_ffff_ffffn;

/**
 * Whether every page of the free list is in the file, which may be shorter than its last page: LMDB leaves pages at the end unwritten
 * that nothing uses. Records alone do not tell: the first change of a store takes its pages from this list, and dies of SIGBUS where
 * they are cut off. True also for a layout that is not the one above.
 */
export async function isFreeListWhole(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const size = BigInt((await file.stat()).size);
    const meta = await newestMeta(file);
    if (!meta) return true;
    const pages = meta.root === noPage ? [] : [meta.root];
    // A loop would never end.
    for (let visited = 0n; pages.length > 0; visited++) {
      const position = pages.pop()! * meta.pageSize;
      if (position + meta.pageSize > size || visited * meta.pageSize > size) return false;
      const page = await read(file, Number(meta.pageSize), position);
      const flags = page.readUInt16LE(18);
      if ((flags & (branchFlag | leafFlag)) === 0) return false;
      const nodeCount = page.readUInt16LE(20) / 2;
      for (let index = 0; index < nodeCount; index++) {
        const node = pageHeaderBytes + page.readUInt16LE(pageHeaderBytes + 2 * index);
        if (flags & branchFlag) {
          pages.push(BigInt(page.readUIntLE(node, 6)));
          continue;
        }
        if ((page.readUInt16LE(node + 4) & largeValueFlag) === 0) continue;
        const value = node + nodeHeaderBytes + page.readUInt16LE(node + 6);
        if ((page.readBigUInt64LE(value) + page.readBigUInt64LE(value + 16)) * meta.pageSize > size) return false;
      }
    }
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  } finally {
    await file.close();
  }
}

/** Of the one of two that the last transaction wrote. */
async function newestMeta(file: FileHandle): Promise<{ pageSize: bigint; root: bigint } | undefined> {
  if (endianness() !== 'LE') return undefined;
  const first = await readMeta(file, 0n);
  const second = first && (await readMeta(file, first.pageSize));
  return second && second.transaction > first.transaction ? second : first;
}

async function readMeta(file: FileHandle, position: bigint): Promise<{ pageSize: bigint; root: bigint; transaction: bigint } | undefined> {
  const meta = await read(file, metaBytes, position);
  if (meta.readUInt32LE(pageHeaderBytes) !== magic || meta.readUInt32LE(pageHeaderBytes + 4) !== dataVersion) return undefined;
  return { pageSize: BigInt(meta.readUInt32LE(48)), root: meta.readBigUInt64LE(88), transaction: meta.readBigUInt64LE(152) };
}

/** What lies behind the end of the file reads as zeros. */
async function read(file: FileHandle, length: number, position: bigint): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await file.read(buffer, 0, length, Number(position));
  return buffer;
}
