import { BlockMissingError, InvalidArgumentError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import { BlockReader, type ReadFileContext } from './block-reader.js';
import { cancelledError } from './cancellation.js';
import type { FileReader, ReadProgress } from './client-api.js';
import type { FileBlocks } from './file-blocks.js';
import type { Piece } from './replica-reader.js';

/** Blocks are asked for so far ahead of what is being read that the next one's first bytes are there when this one ends. */
const aheadBytes = 2 * 1024 * 1024;
const aheadBlocks = 8;

export interface InputStreamOptions {
  file: ReadFileContext;
  blocks: FileBlocks;
  /** The range, in bytes of the file. */
  startBytes: number;
  endBytes: number;
  /** Aborts `file.signal`. */
  stop: AbortController;
  userSignal: AbortSignal | undefined;
  onProgress: ((progress: ReadProgress) => void) | undefined;
  onEnd: () => void;
}

/** Reads a range of a file block by block (DFSInputStream), the requests for the next blocks under way before this one ends. */
export class InputStream implements FileReader {
  readonly #options: InputStreamOptions;
  /** The first is being read. */
  readonly #readers: BlockReader[] = [];
  #positionBytes: number;
  /** Up to here there are readers. */
  #plannedBytes: number;
  #isReading = false;
  #isClosed = false;
  readonly #onUserAbort = (): void => this.close();

  constructor(options: InputStreamOptions) {
    this.#options = options;
    this.#positionBytes = options.startBytes;
    this.#plannedBytes = options.startBytes;
    options.userSignal?.addEventListener('abort', this.#onUserAbort, { once: true });
  }

  get status(): FileStatus {
    return this.#options.blocks.status;
  }

  get failures(): readonly { datanode: string; reason: string }[] {
    return this.#options.file.failures.list;
  }

  async read(): Promise<Piece | null> {
    const { file, userSignal, startBytes, endBytes, onProgress } = this.#options;
    if (this.#isReading) throw new InvalidArgumentError(`${file.path}: one read at a time; await the one before`);
    if (userSignal?.aborted) throw cancelledError(userSignal, `reading ${file.path}`);
    if (this.#isClosed) throw new InvalidArgumentError(`${file.path}: the reader is closed`);
    this.#isReading = true;
    try {
      while (this.#positionBytes < endBytes || this.#readers.length > 0) {
        this.#plan();
        const reader = this.#readers[0];
        if (!reader) {
          await this.#nextPage();
          continue;
        }
        const piece = await reader.next();
        if (piece) {
          this.#positionBytes += piece.bytes.length;
          try {
            onProgress?.({ readBytes: this.#positionBytes - startBytes, totalBytes: endBytes - startBytes, datanode: reader.datanode });
          } catch (error) {
            piece.release();
            throw error;
          }
          return piece;
        }
        this.#readers.shift();
      }
      this.#end();
      return null;
    } catch (error) {
      this.close();
      throw userSignal?.aborted ? cancelledError(userSignal, `reading ${file.path}`) : error;
    } finally {
      this.#isReading = false;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.stop.abort(cancelledError(this.#options.userSignal, `reading ${this.#options.file.path}`));
    for (const reader of this.#readers.splice(0)) reader.close();
    this.#end();
  }

  /** Sends the requests for the blocks that come next, as far as is good. */
  #plan(): void {
    const { blocks, file, endBytes } = this.#options;
    while (this.#plannedBytes < endBytes && this.#readers.length < aheadBlocks) {
      const aheadOfReader = this.#plannedBytes - this.#positionBytes;
      if (this.#readers.length > 0 && aheadOfReader >= aheadBytes) return;
      const located = blocks.next();
      if (!located) return;
      const offsetInBlock = this.#plannedBytes - located.offsetBytes;
      if (offsetInBlock < 0) throw this.#noBlock(file.path);
      const endInBlock = Math.min(located.block.lengthBytes, endBytes - located.offsetBytes);
      if (endInBlock <= offsetInBlock) continue;
      this.#readers.push(new BlockReader(file, located, { offsetInBlock, endInBlock }));
      this.#plannedBytes = located.offsetBytes + endInBlock;
    }
  }

  async #nextPage(): Promise<void> {
    const { blocks, file } = this.#options;
    if (blocks.hasMore) return blocks.fetchPage();
    throw this.#noBlock(file.path);
  }

  #noBlock(path: string): Error {
    return new BlockMissingError(`${path}: the name node knows no block at byte ${this.#plannedBytes} of ${this.status.lengthBytes}`, { path });
  }

  #end(): void {
    this.#options.userSignal?.removeEventListener('abort', this.#onUserAbort);
    this.#options.onEnd();
  }
}

