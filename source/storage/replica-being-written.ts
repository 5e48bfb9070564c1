import type { ReplicaWriter } from './block-store.js';
import type { Volume } from './volume.js';
import { dataName, entryPath, metaName } from './volume-layout.js';

/** A replica that is not finalized, as the store remembers it; with or without a writer. */
export class ReplicaBeingWritten {
  readonly blockId: number;
  readonly volume: Volume;
  readonly isTemporary: boolean;
  readonly chunkBytes: number;
  generationStamp: number;
  /** Data and checksums up to here are written. */
  lengthBytes = 0;
  /** CRC-32 of the incomplete chunk at the end; 0 if the length is whole chunks. */
  tailCrc = 0;
  /** What readers may see; at most lengthBytes. */
  visibleLengthBytes = 0;
  visibleTailCrc = 0;
  /** Somebody was told of its bytes: it is not discarded when its writer fails. */
  isPromised = false;
  /** Found at the start: its writer ended with the last process, and perhaps the machine. */
  isFromBefore = false;
  /** An fsync of it failed: what of it is on the disk nobody can tell any more, so no writer goes on with it until its block's recovery has written it anew. */
  isUnsynced = false;
  /** Checksum files of earlier generations, which count again if a power cut undoes a takeover that was not synced; they go with the replica. */
  readonly olderMetaPaths: string[] = [];
  /** What it takes of the disk, as far as it is counted. */
  usedBytes = 0;
  /** Stays set until the writer has let go of the files. */
  writer: RevocableWriter | undefined;

  constructor(fields: { blockId: number; generationStamp: number; volume: Volume; isTemporary: boolean; chunkBytes: number }) {
    this.blockId = fields.blockId;
    this.generationStamp = fields.generationStamp;
    this.volume = fields.volume;
    this.isTemporary = fields.isTemporary;
    this.chunkBytes = fields.chunkBytes;
  }

  /** Notes the failure of an fsync, which must not be repeated. */
  async synced(syncing: Promise<void>): Promise<void> {
    try {
      await syncing;
    } catch (error) {
      this.isUnsynced = true;
      throw error;
    }
  }

  get directory(): string {
    return this.volume.folder(this.isTemporary ? 'tmp' : 'rbw');
  }

  get dataPath(): string {
    return entryPath(this.directory, dataName(this.blockId));
  }

  get metaPath(): string {
    return this.metaPathOf(this.generationStamp);
  }

  metaPathOf(generationStamp: number): string {
    return entryPath(this.directory, metaName(this.blockId, generationStamp));
  }
}

export interface RevocableWriter extends ReplicaWriter {
  /** Stops the writer; resolves when its files are closed and nothing of it touches the replica any more. */
  revoke(reason: Error): Promise<void>;
}
