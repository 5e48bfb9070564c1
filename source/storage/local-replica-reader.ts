import { assert } from '../base/assert.js';
import { crc32 } from '../base/checksum.js';
import { blockName } from '../protocol/block.js';
import { ChecksumError, InputOutputError } from '../protocol/errors.js';
import type { Pace, ReplicaReader } from './block-store.js';
import type { Disk, DiskFile } from './disk.js';
import { checksumAt, chunkCount, decodeMetaHeader, findBadChunk, type MetaHeader } from './replica-meta.js';
import { storageError } from './storage-error.js';

/** Which replica to open, and what is known of it. */
export interface ReaderTarget {
  disk: Disk;
  blockId: number;
  generationStamp: number;
  storageId: string;
  dataPath: string;
  metaPath: string;
  /** Of one being written: what is visible now. Undefined: finalized, of the length that its header says. */
  visible: { lengthBytes: number; tailCrc: number } | undefined;
}

/** Read with the header in one go: the checksums of a block of 64 MiB, at the usual chunk size. */
const firstReadBytes = checksumAt(1024);
const verifyReadBytes = 512 * 1024;

export class LocalReplicaReader implements ReplicaReader {
  readonly storageId: string;
  readonly chunkBytes: number;
  readonly lengthBytes: number;
  readonly #target: ReaderTarget;
  readonly #header: MetaHeader;
  readonly #data: DiskFile;
  readonly #meta: DiskFile;
  /** The begin of the checksum file. */
  readonly #begin: Buffer;
  readonly #onClose: () => void;
  #isClosed = false;

  private constructor(
    target: ReaderTarget,
    files: { data: DiskFile; meta: DiskFile },
    header: MetaHeader,
    begin: Buffer,
    onClose: () => void,
  ) {
    this.#target = target;
    this.#header = header;
    this.#data = files.data;
    this.#meta = files.meta;
    this.#begin = begin;
    this.#onClose = onClose;
    this.storageId = target.storageId;
    this.chunkBytes = header.chunkBytes;
    this.lengthBytes = target.visible?.lengthBytes ?? header.lengthBytes;
  }

  /** `onClose` is called once, by close. A file that is not there rejects with the disk's own ENOENT: the replica may just have moved. */
  static async open(target: ReaderTarget, onClose: () => void): Promise<LocalReplicaReader> {
    const opened = await Promise.allSettled([target.disk.open(target.dataPath, 'read'), target.disk.open(target.metaPath, 'read')]);
    try {
      const [data, meta] = opened.map((result) => {
        if (result.status === 'rejected') throw result.reason;
        return result.value;
      }) as [DiskFile, DiskFile];
      const begin = Buffer.allocUnsafe(firstReadBytes);
      const bytes = begin.subarray(0, await meta.read(begin, 0));
      const header = decodeMetaHeader(bytes, target);
      if (typeof header === 'string') throw damaged(target, header);
      if (!target.visible && header.state !== 'finalized') throw damaged(target, 'the checksum file says that it is not finalized');
      return new LocalReplicaReader(target, { data, meta }, header, bytes, onClose);
    } catch (error) {
      for (const result of opened) if (result.status === 'fulfilled') result.value.close().catch(() => {});
      throw error;
    }
  }

  async read({ offsetBytes, data, checksums }: { offsetBytes: number; data: Uint8Array; checksums: Buffer }): Promise<void> {
    const { chunkBytes, lengthBytes } = this;
    const endBytes = offsetBytes + data.length;
    assert(
      offsetBytes % chunkBytes === 0 && (endBytes % chunkBytes === 0 || endBytes === lengthBytes) && endBytes <= lengthBytes,
      'a read covers whole chunks of the replica',
    );
    assert(checksums.length === 4 * chunkCount(data.length, chunkBytes), 'there is room for a checksum a chunk');
    const results = await Promise.allSettled([
      this.#data.read(data, offsetBytes),
      this.#readChecksums(offsetBytes / chunkBytes, checksums),
    ]);
    for (const result of results)
      if (result.status === 'rejected') throw storageError(result.reason, `reading ${blockName(this.#target)}`, this.#target.blockId);
    const { visible } = this.#target;
    if ((results[0] as PromiseFulfilledResult<number>).value < data.length) {
      if (!visible) throw damaged(this.#target, 'the data file is shorter than the replica');
      // What was visible is written again at once: its writer goes on with fewer nodes.
      throw new InputOutputError(`${blockName(this.#target)} was cut while it was read; read it again`, { blockId: this.#target.blockId });
    }
    if (visible && endBytes === lengthBytes && lengthBytes % chunkBytes !== 0)
      checksums.writeUInt32BE(visible.tailCrc, checksums.length - 4);
  }

  async #readChecksums(firstChunk: number, target: Buffer): Promise<void> {
    const at = checksumAt(firstChunk);
    if (at + target.length <= this.#begin.length) {
      this.#begin.copy(target, 0, at, at + target.length);
      return;
    }
    const count = await this.#meta.read(target, at);
    // The tail of a replica being written is not in the table.
    const missing = target.length - count;
    if (missing > 0 && !(this.#target.visible && missing <= 4))
      throw damaged(this.#target, 'the checksum file is shorter than its replica needs');
  }

  /** Undefined if all bytes match their checksums, else what is wrong. Throws what reading throws. */
  async verify(signal?: AbortSignal, pace?: Pace): Promise<string | undefined> {
    const { chunkBytes, lengthBytes } = this;
    const size = await this.#target.disk.readSize(this.#target.dataPath);
    if (!this.#target.visible && size !== lengthBytes) return `the data file holds ${size} bytes, the replica ${lengthBytes}`;
    const stepBytes = Math.max(chunkBytes, Math.floor(verifyReadBytes / chunkBytes) * chunkBytes);
    const buffer = Buffer.allocUnsafe(Math.min(stepBytes, lengthBytes));
    let checksumsCrc = 0;
    let badChunk = -1;
    for (let offsetBytes = 0; offsetBytes < lengthBytes; offsetBytes += stepBytes) {
      signal?.throwIfAborted();
      const data = buffer.subarray(0, Math.min(stepBytes, lengthBytes - offsetBytes));
      const checksums = Buffer.allocUnsafe(4 * chunkCount(data.length, chunkBytes));
      await this.read({ offsetBytes, data, checksums });
      await pace?.(data.length);
      checksumsCrc = crc32(checksums, checksumsCrc);
      if (badChunk >= 0) continue;
      const bad = findBadChunk(data, checksums, chunkBytes);
      if (bad >= 0) badChunk = offsetBytes / chunkBytes + bad;
    }
    const isTableGood = this.#target.visible !== undefined || checksumsCrc === this.#header.checksumsCrc;
    if (!isTableGood)
      return badChunk < 0 ? 'the checksum file is damaged (the data passes)' : `the checksum file is damaged (chunk ${badChunk} differs)`;
    return badChunk < 0 ? undefined : `the data differs from its checksum in chunk ${badChunk}, at byte ${badChunk * chunkBytes}`;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.allSettled([this.#data.close(), this.#meta.close()]);
    this.#onClose();
  }
}

function damaged(target: ReaderTarget, reason: string): Error {
  return new ChecksumError(`${blockName(target)}: ${reason}`, { blockId: target.blockId });
}
