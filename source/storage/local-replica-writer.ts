import { assert } from '../base/assert.js';
import { crc32 } from '../base/checksum.js';
import { type Block, blockName } from '../protocol/block.js';
import { NoSpaceError } from '../protocol/errors.js';
import type { ReplicaPacket } from './block-store.js';
import { ChunkGrid, type GridStep } from './chunk-grid.js';
import type { DiskFile } from './disk.js';
import type { ReplicaBeingWritten, RevocableWriter } from './replica-being-written.js';
import { checksumAt, encodeMetaHeader, encodeTailSlot, encodeTailSlots, tailSlotAt, tailSlotCount } from './replica-meta.js';
import { storageError } from './storage-error.js';

/** What a writer needs of the store that it belongs to. */
export interface WriterHost {
  /** Puts the replica into its place: calls completeFiles, moves the files, calls committed; all under the lock of the block. */
  commit(writer: LocalReplicaWriter): Promise<Block>;
  /** Removes what there is of it. Never rejects. */
  discard(replica: ReplicaBeingWritten): Promise<void>;
  /** The writer has let go of its files. */
  ended(writer: LocalReplicaWriter): void;
}

/** Where a writer goes on: what there is already, of a new replica nothing. */
export interface WriterStart {
  data: DiskFile;
  meta: DiskFile;
  endBytes: number;
  tailCrc: number;
  /** CRC-32 of the checksums of its complete chunks. */
  tableCrc: number;
  hasHeader: boolean;
  /** The tail slot that was synced: not to be overwritten before the next sync. */
  syncedSlot: number | undefined;
}

interface Boundary {
  endBytes: number;
  tailCrc: number;
  isWritten: boolean;
  /** Its checksums are written by finalize: till then the replica does not reach up to here. */
  isDeferred: boolean;
}

/** Data written between two syncs in the background. The less is left for the last one, the sooner it ends. */
const backgroundSyncBytes = 16 * 1024 * 1024;

/**
 * Writes the files of one replica. Data and checksums of a packet are written at once, side by side; those of a last packet wait for
 * the final header, so that a block of one packet costs two writes.
 */
export class LocalReplicaWriter implements RevocableWriter {
  readonly replica: ReplicaBeingWritten;
  readonly isDurable: boolean;
  readonly #host: WriterHost;
  readonly #data: DiskFile;
  readonly #meta: DiskFile;
  readonly #grid: ChunkGrid;
  #tableCrc: number;
  #hasHeader: boolean;
  #syncedSlot: number | undefined;
  #syncingSlot: number | undefined;
  /** Packets in order, from the first one that is not both written and acknowledged; #writtenCount of them are written. */
  readonly #boundaries: Boundary[] = [];
  #writtenCount = 0;
  #lastChecksums: { firstChunk: number; bytes: Buffer } | undefined;
  /** Resolves when everything appended so far is written, or failed. Never rejects. */
  #writes: Promise<unknown> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #syncStartedBytes: number;
  #isDirectorySynced = false;
  #durableBytes = 0;
  #failure: Error | undefined;
  /** A disk failed us, and nobody was told of the replica's bytes; or it was never anything. */
  #isUseless = false;
  #finalizing: Promise<Block> | undefined;
  #isCommitted = false;
  #ending: Promise<void> | undefined;
  readonly #revokedCallbacks: ((reason: Error) => void)[] = [];

  constructor(host: WriterHost, replica: ReplicaBeingWritten, start: WriterStart, options: { isDurable: boolean }) {
    this.#host = host;
    this.replica = replica;
    this.isDurable = options.isDurable;
    this.#data = start.data;
    this.#meta = start.meta;
    this.#grid = new ChunkGrid(replica.chunkBytes, start);
    this.#tableCrc = start.tableCrc;
    this.#hasHeader = start.hasHeader;
    this.#syncedSlot = start.syncedSlot;
    this.#syncStartedBytes = start.endBytes;
  }

  get blockId(): number {
    return this.replica.blockId;
  }

  get generationStamp(): number {
    return this.replica.generationStamp;
  }

  get storageId(): string {
    return this.replica.volume.storageId;
  }

  get chunkBytes(): number {
    return this.replica.chunkBytes;
  }

  get receivedBytes(): number {
    return this.#grid.endBytes;
  }

  get durableBytes(): number {
    return this.#durableBytes;
  }

  /** Why it must not commit; undefined as long as it may. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  append(packet: ReplicaPacket): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    assert(!this.#finalizing && !this.#lastChecksums, 'nothing is appended after the last packet');
    assert(packet.offsetBytes === this.#grid.endBytes, 'packets of a replica follow each other');
    if (packet.isFlush) this.replica.isPromised = true;
    const step = this.#grid.append(packet.data, packet);
    this.#tableCrc = crc32(step.checksums, this.#tableCrc);
    const boundary: Boundary = {
      endBytes: step.endBytes,
      tailCrc: step.tailCrc,
      isWritten: false,
      isDeferred: packet.isLast && packet.data.length > 0,
    };
    this.#boundaries.push(boundary);
    if (packet.isLast) this.#lastChecksums = { firstChunk: step.firstChunk, bytes: Buffer.from(step.checksums) };
    const earlier = this.#writes;
    const written = this.#write(packet, step, earlier).then(
      () => this.#noteWritten(boundary),
      (error: unknown) => {
        throw this.#fail(error, 'writing');
      },
    );
    this.#writes = Promise.all([earlier, written.catch(() => {})]);
    return written;
  }

  async #write({ data, offsetBytes, isLast }: ReplicaPacket, step: GridStep, earlier: Promise<unknown>): Promise<void> {
    const { volume } = this.replica;
    const writes: Promise<void>[] = [];
    if (!isLast) {
      if (!this.#hasHeader) writes.push(this.#meta.write(Buffer.concat([this.#header(), encodeTailSlots(undefined), step.checksums]), 0));
      else if (step.checksums.length > 0) writes.push(this.#meta.write(step.checksums, checksumAt(step.firstChunk)));
      this.#hasHeader = true;
      // It may fail while space is being looked for: its failure is taken note of below.
      writes[0]?.catch(() => {});
    }
    if (data.length > 0) {
      if (!(await volume.takeSpace(data.length))) {
        await Promise.allSettled(writes);
        throw new NoSpaceError(`${volume.directory}: only its reserve is left; free some space, or add a data node`, {
          blockId: this.blockId,
        });
      }
      volume.usedBytes += data.length;
      this.replica.usedBytes += data.length;
      writes.push(this.#data.write(data, offsetBytes));
    }
    await settleAll(writes);
    if (isLast || step.endBytes % this.chunkBytes === 0) return;
    // The slot may speak only of bytes that are there, since it overwrites what vouched for earlier, acknowledged ones.
    await earlier;
    if (!this.#failure)
      await this.#meta.write(encodeTailSlot({ lengthBytes: step.endBytes, crc: step.tailCrc }), tailSlotAt(this.#scratchSlot()));
  }

  #scratchSlot(): number {
    for (let slot = 0; slot < tailSlotCount; slot++) if (slot !== this.#syncedSlot && slot !== this.#syncingSlot) return slot;
    throw new Error('there are more slots than pinned ones');
  }

  #noteWritten(boundary: Boundary): void {
    boundary.isWritten = true;
    for (let next = this.#boundaries[this.#writtenCount]; next?.isWritten; next = this.#boundaries[this.#writtenCount]) {
      this.#writtenCount++;
      if (next.isDeferred) break;
      this.replica.lengthBytes = next.endBytes;
      this.replica.tailCrc = next.tailCrc;
    }
    const isDue = this.replica.lengthBytes - this.#syncStartedBytes >= backgroundSyncBytes;
    if (isDue && this.isDurable && !this.#syncing && !this.#finalizing && !this.#failure) this.#startSync('background').catch(() => {});
  }

  acknowledge(lengthBytes: number): void {
    while (this.#writtenCount > 0 && this.#boundaries[0]!.endBytes <= lengthBytes) {
      const { endBytes, tailCrc, isDeferred } = this.#boundaries.shift()!;
      this.#writtenCount--;
      if (isDeferred) continue;
      this.replica.visibleLengthBytes = endBytes;
      this.replica.visibleTailCrc = tailCrc;
    }
  }

  async sync(): Promise<void> {
    // Until nothing is on its way, so that the tail slot is that of the length that is promised.
    for (let writes: unknown; writes !== this.#writes;) {
      writes = this.#writes;
      await this.#writes;
      await this.#syncing?.catch(() => {});
    }
    if (this.#failure) throw this.#failure;
    await this.#startSync('promised');
  }

  /** In the background only whole chunks count as durable: the slot of the tail may change meanwhile. */
  #startSync(kind: 'background' | 'promised'): Promise<void> {
    const { volume, directory } = this.replica;
    const tailBytes = this.replica.lengthBytes % this.chunkBytes;
    const durableBytes = kind === 'promised' ? this.replica.lengthBytes : this.replica.lengthBytes - tailBytes;
    this.#syncStartedBytes = this.replica.lengthBytes;
    if (kind === 'promised' && tailBytes > 0) this.#syncingSlot = this.#scratchSlot();
    const sync = async () => {
      await this.replica.synced(this.#data.dataSync());
      await this.replica.synced(this.#meta.dataSync());
      if (!this.#isDirectorySynced) await this.replica.synced(volume.syncDirectory(directory));
      this.#isDirectorySynced = true;
      this.#syncedSlot = this.#syncingSlot ?? this.#syncedSlot;
      this.#durableBytes = Math.max(this.#durableBytes, durableBytes);
    };
    this.#syncing = sync()
      .catch((error: unknown) => {
        throw this.#fail(error, 'syncing');
      })
      .finally(() => {
        this.#syncing = undefined;
        this.#syncingSlot = undefined;
      });
    return this.#syncing;
  }

  finalize(): Promise<Block> {
    assert(!this.#finalizing, 'a writer finalizes once');
    this.#finalizing = (async () => {
      try {
        await this.#writes;
        await this.#syncing;
        if (this.#failure) throw this.#failure;
        return await this.#host.commit(this);
      } catch (error) {
        const failure = this.#fail(error, 'finalizing');
        void this.#end();
        throw failure;
      }
    })();
    return this.#finalizing;
  }

  /**
   * Completes both files, durably if asked: the first half of the durable order. Both are synced at once: nobody sees either before the
   * rename, and until then a checksum file that says "finalized" vouches for no more than the data behind it (replica-recovery.ts).
   */
  async completeFiles(): Promise<void> {
    if (!this.isDurable) return this.#completeChecksums();
    await settleAll([
      this.replica.synced(this.#data.dataSync()),
      this.#completeChecksums().then(() => this.replica.synced(this.#meta.dataSync())),
    ]);
  }

  async #completeChecksums(): Promise<void> {
    const { tail, header } = this.#finalChecksums();
    const rest = Buffer.concat([this.#lastChecksums?.bytes ?? Buffer.alloc(0), tail]);
    if (!this.#hasHeader) {
      await this.#meta.write(Buffer.concat([header, encodeTailSlots(undefined), rest]), 0);
    } else {
      const firstChunk = Math.ceil(this.#grid.endBytes / this.chunkBytes) - rest.length / 4;
      if (rest.length > 0) await this.#meta.write(rest, checksumAt(firstChunk));
      await this.#meta.write(header, 0);
    }
  }

  #finalChecksums(): { tail: Buffer; header: Buffer } {
    const { blockId, generationStamp, chunkBytes } = this.replica;
    const lengthBytes = this.#grid.endBytes;
    const tail = Buffer.alloc(lengthBytes % chunkBytes === 0 ? 0 : 4);
    if (tail.length > 0) tail.writeUInt32BE(this.#grid.tailCrc);
    const checksumsCrc = crc32(tail, this.#tableCrc);
    return { tail, header: encodeMetaHeader({ state: 'finalized', chunkBytes, blockId, generationStamp, lengthBytes, checksumsCrc }) };
  }

  #header(): Buffer {
    const { blockId, generationStamp, chunkBytes } = this.replica;
    return encodeMetaHeader({ state: 'being-written', chunkBytes, blockId, generationStamp, lengthBytes: 0, checksumsCrc: 0 });
  }

  /** The second half of the durable order is done too. */
  committed(): Block {
    this.#isCommitted = true;
    const { blockId, generationStamp } = this.replica;
    const lengthBytes = this.#grid.endBytes;
    if (this.isDurable) this.#durableBytes = lengthBytes;
    void this.#end();
    return { blockId, generationStamp, lengthBytes };
  }

  async close(options: { isDiscarded?: boolean } = {}): Promise<void> {
    await this.#finalizing?.catch(() => {});
    this.#isUseless ||= options.isDiscarded ?? false;
    this.#failure ??= storageError(new Error('its writer was closed'), this.#name(), this.blockId);
    await this.#writes;
    await this.#end();
  }

  async revoke(reason: Error): Promise<void> {
    if (!this.#ending && !this.#failure) {
      this.#failure = reason;
      for (const callback of this.#revokedCallbacks.splice(0)) callback(reason);
    }
    await this.#writes;
    await this.#end();
  }

  onRevoked(callback: (reason: Error) => void): void {
    this.#revokedCallbacks.push(callback);
  }

  /** Lets go of the replica and its files, once. A replica that cannot be used any more is discarded. */
  #end(): Promise<void> {
    this.#ending ??= (async () => {
      await this.#syncing?.catch(() => {});
      if (!this.#isCommitted && (this.#isUseless || this.replica.isTemporary)) await this.#host.discard(this.replica);
      await Promise.allSettled([this.#data.close(), this.#meta.close()]);
      if (this.replica.writer === this) this.replica.writer = undefined;
      this.#host.ended(this);
    })();
    return this.#ending;
  }

  #fail(error: unknown, doing: string): Error {
    if (this.#failure === undefined) {
      this.#failure = storageError(error, `${doing} ${this.#name()}`, this.blockId);
      this.#isUseless = !this.replica.isPromised;
      void this.replica.volume.noteFailure(error);
    }
    return this.#failure;
  }

  #name(): string {
    return `${blockName(this.replica)} in ${this.replica.volume.directory}`;
  }
}

/** All of them must have ended before anybody reuses their buffers, even if one failed. */
async function settleAll(writes: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(writes)) if (result.status === 'rejected') throw result.reason;
}
