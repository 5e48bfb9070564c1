import { crc32 } from '../base/checksum.js';
import { blockName } from '../protocol/block.js';
import { ChecksumError } from '../protocol/errors.js';
import type { RecoverableReplica } from './block-store.js';
import type { Disk, DiskFile } from './disk.js';
import type { ReplicaBeingWritten } from './replica-being-written.js';
import type { FinalizedReplica } from './replica-index.js';
import type { ReplicaMap } from './replica-map.js';
import {
  checksumAt,
  decodeMetaHeader,
  decodeTailSlots,
  encodeMetaHeader,
  encodeTailSlots,
  type MetaHeader,
  metaHeaderBytes,
} from './replica-meta.js';

/** What of a replica passes its checksums, and the checksums. */
export interface VerifiedPrefix {
  lengthBytes: number;
  /** CRC-32 of the incomplete chunk at its end; 0 if it ends with a chunk. */
  tailCrc: number;
}

/** A replica to be cut. */
export interface CutSource {
  blockId: number;
  chunkBytes: number;
  dataPath: string;
  metaPath: string;
  lengthBytes: number;
  /** CRC-32 of the incomplete chunk at its end; undefined: it is in the table (a finalized replica). */
  tailCrc: number | undefined;
}

const readBytes = 1024 * 1024;

/**
 * Finds, after a crash, the longest prefix of a replica being written that its checksums vouch for: complete chunks by the table, and
 * then the end by a tail slot. Undefined if the checksum file cannot be believed.
 */
export async function verifyPrefix(
  disk: Disk,
  paths: { data: string; meta: string },
  identity: { blockId: number; generationStamp: number },
): Promise<{ header: MetaHeader; prefix: VerifiedPrefix } | undefined> {
  const meta = await readWhole(disk, paths.meta);
  const header = decodeMetaHeader(meta, identity);
  if (typeof header === 'string') return undefined;
  const data = await disk.open(paths.data, 'read');
  try {
    return { header, prefix: await verifyData(data, meta, header) };
  } finally {
    await data.close();
  }
}

async function verifyData(data: DiskFile, meta: Buffer, header: MetaHeader): Promise<VerifiedPrefix> {
  const { chunkBytes } = header;
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let index = 0; ; index++) {
    const start = index * chunkBytes;
    const end = chunk.subarray(0, await data.read(chunk, start));
    const at = checksumAt(index);
    const expected = at + 4 <= meta.length ? meta.readUInt32BE(at) : undefined;
    if (end.length === chunkBytes && expected !== undefined && crc32(end) === expected) continue;
    // A finalized table has its short last chunk in it; one being written has it in a slot.
    if (
      header.state === 'finalized' &&
      start + end.length === header.lengthBytes &&
      end.length > 0 &&
      expected !== undefined &&
      crc32(end) === expected
    ) {
      return { lengthBytes: header.lengthBytes, tailCrc: expected };
    }
    for (const { lengthBytes, crc } of decodeTailSlots(meta)) {
      if (lengthBytes <= start || lengthBytes > start + end.length) continue;
      if (crc32(end.subarray(0, lengthBytes - start)) === crc) return { lengthBytes, tailCrc: crc };
    }
    return { lengthBytes: start, tailCrc: 0 };
  }
}

/**
 * Reads a replica without a writer wholly, for its recovery. What is being written ends, for its readers and for whoever goes on with it, where
 * its checksums end to match from here on. ChecksumError if the checksum file cannot be believed.
 */
export async function verifyReplica(
  replicas: ReplicaMap,
  blockId: number,
  replica: ReplicaBeingWritten | FinalizedReplica,
): Promise<Pick<RecoverableReplica, 'state' | 'lengthBytes'>> {
  const { generationStamp } = replica;
  const volume = 'volume' in replica ? replica.volume : replicas.volumeOf(replica);
  const paths = 'volume' in replica ? { data: replica.dataPath, meta: replica.metaPath } : volume.finalizedPaths(blockId, generationStamp);
  const identity = { blockId, generationStamp };
  const verified = await verifyPrefix(volume.disk, paths, identity);
  if ('volume' in replica && replica.lengthBytes === 0 && !verified) return { state: 'being-written', lengthBytes: 0 };
  if (!verified) throw new ChecksumError(`${blockName(identity)}: its checksum file is damaged`, { blockId });
  const { lengthBytes, tailCrc } = verified.prefix;
  const isRotten = lengthBytes < replica.lengthBytes;
  if (!('volume' in replica)) return { state: isRotten ? 'waiting-to-be-recovered' : 'finalized', lengthBytes };
  replica.isPromised = true;
  replica.lengthBytes = lengthBytes;
  replica.tailCrc = tailCrc;
  if (replica.visibleLengthBytes > lengthBytes) {
    replica.visibleLengthBytes = lengthBytes;
    replica.visibleTailCrc = tailCrc;
  }
  return { state: isRotten || replica.isFromBefore || replica.isUnsynced ? 'waiting-to-be-recovered' : 'being-written', lengthBytes };
}

/**
 * Writes the checksum file of a new generation: the checksums of the first `keepBytes`, copied; where that is inside a chunk, computed
 * anew from bytes that pass the old ones. The old file stays. ChecksumError if the bytes at the cut do not pass.
 */
export async function writeCutMeta(
  disk: Disk,
  replica: CutSource,
  cut: { metaPath: string; generationStamp: number; keepBytes: number; isDurable: boolean },
): Promise<{ tailCrc: number; tableCrc: number }> {
  const { blockId, chunkBytes } = replica;
  const { keepBytes, generationStamp } = cut;
  const chunks = Math.floor(keepBytes / chunkBytes);
  const table = Buffer.alloc(4 * chunks);
  if (chunks > 0) await readExactly(disk, replica.metaPath, table, checksumAt(0), replica);
  const tailCrc = keepBytes % chunkBytes === 0 ? 0 : await cutChunk(disk, replica, keepBytes);
  const header = encodeMetaHeader({ state: 'being-written', chunkBytes, blockId, generationStamp, lengthBytes: keepBytes, checksumsCrc: 0 });
  const slots = encodeTailSlots(keepBytes % chunkBytes === 0 ? undefined : { lengthBytes: keepBytes, crc: tailCrc });
  const file = await disk.open(cut.metaPath, 'create');
  try {
    await file.write(Buffer.concat([header, slots, table]), 0);
    if (cut.isDurable) await file.dataSync();
  } finally {
    await file.close();
  }
  return { tailCrc, tableCrc: crc32(table) };
}

/** The checksum of the chunk at `keepBytes` up to there, after checking as much of that chunk as there is. */
async function cutChunk(disk: Disk, replica: CutSource, keepBytes: number): Promise<number> {
  const { chunkBytes } = replica;
  const index = Math.floor(keepBytes / chunkBytes);
  const start = index * chunkBytes;
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, replica.lengthBytes - start));
  await readExactly(disk, replica.dataPath, chunk, start, replica);
  let expected = replica.tailCrc;
  if (expected === undefined || chunk.length === chunkBytes) {
    const stored = Buffer.allocUnsafe(4);
    await readExactly(disk, replica.metaPath, stored, checksumAt(index), replica);
    expected = stored.readUInt32BE(0);
  }
  if (crc32(chunk) !== expected)
    throw new ChecksumError(`${blockName(replica)}: the data differs from its checksum in chunk ${index}, where it is to be cut`, {
      blockId: replica.blockId,
    });
  return crc32(chunk.subarray(0, keepBytes - start));
}

/** ChecksumError if the file does not belong to `identity`, or is damaged. */
export async function readMetaHeader(
  disk: Disk,
  path: string,
  identity: { blockId: number; generationStamp: number },
): Promise<MetaHeader> {
  const bytes = Buffer.allocUnsafe(metaHeaderBytes);
  await readExactly(disk, path, bytes, 0, identity);
  const header = decodeMetaHeader(bytes, identity);
  if (typeof header === 'string') throw new ChecksumError(`${blockName(identity)}: ${header}`, { blockId: identity.blockId });
  return header;
}

async function readExactly(disk: Disk, path: string, target: Buffer, positionBytes: number, replica: { blockId: number }): Promise<void> {
  const file = await disk.open(path, 'read');
  try {
    if ((await file.read(target, positionBytes)) < target.length)
      throw new ChecksumError(`${blockName(replica)}: ${path} is shorter than it should be`, { blockId: replica.blockId });
  } finally {
    await file.close();
  }
}

async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, 'read');
  try {
    const pieces: Buffer[] = [];
    for (let position = 0; ;) {
      const piece = Buffer.allocUnsafe(position === 0 ? metaHeaderBytes + 4096 : readBytes);
      const count = await file.read(piece, position);
      pieces.push(piece.subarray(0, count));
      position += count;
      if (count < piece.length) return Buffer.concat(pieces);
    }
  } finally {
    await file.close();
  }
}
