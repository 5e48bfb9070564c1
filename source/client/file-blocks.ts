import type { LocatedBlock, ReplicaLocation } from '../protocol/block.js';
import { type Clock, sleep } from '../base/clock.js';
import { BlockMissingError, FileNotFoundError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { RetryingCaller } from './retrying-caller.js';
import { fetchVisibleLength, type OpenDataNode } from './visible-length.js';

const wholeFile = Number.MAX_SAFE_INTEGER;
/** Tries to learn how much may be read of a block that is being written: its nodes may just be changing. */
const lengthTries = 4;
const lengthPauseMs = 500;

interface LengthParts {
  openDataNode: OpenDataNode;
  clock: Clock;
}

/**
 * The blocks of a range of a file, a page in memory at a time. If another file has taken the path between two pages:
 * FileNotFoundError, never blocks of two files.
 */
export class FileBlocks {
  readonly #nameNode: RetryingCaller;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #allReplicas: boolean;
  readonly #endBytes: number;
  /** Its length is what may be read: of a file that is being written, as far as that was known when it was opened. */
  readonly status: FileStatus;
  /** The last block of a file under construction: what may be read of it, and where. */
  #open: { blockId: number; lengthBytes: number; locations: ReplicaLocation[] } | undefined;
  #page: readonly LocatedBlock[];
  #nextInPage = 0;
  #hasMore: boolean;

  private constructor(nameNode: RetryingCaller, path: string, options: { signal: AbortSignal | undefined; allReplicas: boolean; endBytes: number }, first: { file: FileStatus; blocks: LocatedBlock[]; hasMore: boolean }) {
    this.#nameNode = nameNode;
    this.#path = path;
    this.#signal = options.signal;
    this.#allReplicas = options.allReplicas;
    this.#endBytes = options.endBytes;
    this.status = { ...first.file };
    this.#page = first.blocks;
    this.#hasMore = first.hasMore;
  }

  /**
   * Fetches the first page. With `lengthParts`, for reading: asks data nodes how much there is of a block that is being written;
   * BlockMissingError if none of them tells.
   */
  static async open(
    nameNode: RetryingCaller,
    path: string,
    options: { startBytes?: number; lengthBytes?: number; signal?: AbortSignal | undefined; allReplicas?: boolean; lengthParts?: LengthParts } = {},
  ): Promise<FileBlocks> {
    const { startBytes = 0, lengthBytes = wholeFile, signal, allReplicas = false } = options;
    const endBytes = Math.min(wholeFile, startBytes + lengthBytes);
    const first = await nameNode.call('fs.getBlockLocations', request(path, startBytes, endBytes - startBytes, allReplicas), { signal });
    const blocks = new FileBlocks(nameNode, path, { signal, allReplicas, endBytes }, first);
    if (options.lengthParts && first.file.isUnderConstruction) await blocks.#fetchLength(options.lengthParts);
    return blocks;
  }

  async #fetchLength(parts: LengthParts): Promise<void> {
    const { status } = this;
    if (this.#endBytes <= status.lengthBytes && !this.#page.some((block) => block.isUnderConstruction)) return;
    for (let attempt = 1; ; attempt++) {
      const page = attempt === 1 && !this.#hasMore ? { file: status, blocks: this.#page } : await this.#fetch(status.lengthBytes, wholeFile - status.lengthBytes);
      const last = page.blocks.at(-1);
      if (!page.file.isUnderConstruction) {
        // Closed meanwhile.
        status.lengthBytes = page.file.lengthBytes;
        if (last) this.#open = { blockId: last.block.blockId, lengthBytes: last.block.lengthBytes, locations: last.locations };
        return;
      }
      if (!last?.isUnderConstruction) return;
      const length = await fetchVisibleLength(last, { ...parts, signal: this.#signal });
      const { blockId } = last.block;
      if ('lengthBytes' in length) {
        this.#open = { blockId, ...length };
        status.lengthBytes = last.offsetBytes + length.lengthBytes;
        return;
      }
      if (attempt === lengthTries)
        throw new BlockMissingError(`${this.#path} is being written, and no data node of its last block tells how long that is`, { path: this.#path, blockId, details: length.reasons });
      await sleep(parts.clock, lengthPauseMs * attempt, this.#signal);
    }
  }

  /** The next block if its page is here; `hasMore` tells whether `fetchPage` brings others. */
  next(): LocatedBlock | undefined {
    const block = this.#page[this.#nextInPage++];
    const open = this.#open;
    return block && block.block.blockId === open?.blockId ? { ...block, block: { ...block.block, lengthBytes: open.lengthBytes }, locations: open.locations } : block;
  }

  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** Gets the page after this one. To be called when `next` has given out all of this page. */
  async fetchPage(): Promise<void> {
    const last = this.#page.at(-1);
    if (!last || last.block.lengthBytes === 0) {
      this.#hasMore = false;
      return;
    }
    const offsetBytes = last.offsetBytes + last.block.lengthBytes;
    const page = await this.#fetch(offsetBytes, this.#endBytes - offsetBytes);
    this.#page = page.blocks;
    this.#nextInPage = 0;
    this.#hasMore = page.hasMore;
  }

  /** Where the replicas of a block are now. FileNotFoundError if the file does not have it any more. */
  async refetch(block: LocatedBlock): Promise<LocatedBlock> {
    const page = await this.#fetch(block.offsetBytes, 1);
    const found = page.blocks[0];
    if (found?.block.blockId !== block.block.blockId) throw this.#replaced();
    // Of one that is being written the name node knows but a part of what its readers saw.
    const { lengthBytes } = block.block;
    return found.isUnderConstruction && found.block.lengthBytes < lengthBytes ? { ...found, block: { ...found.block, lengthBytes } } : found;
  }

  async #fetch(offsetBytes: number, lengthBytes: number): Promise<{ file: FileStatus; blocks: LocatedBlock[]; hasMore: boolean }> {
    const page = await this.#nameNode.call('fs.getBlockLocations', request(this.#path, offsetBytes, lengthBytes, this.#allReplicas), { signal: this.#signal });
    if (page.file.inodeId !== this.status.inodeId) throw this.#replaced();
    return page;
  }

  #replaced(): Error {
    return new FileNotFoundError(`${this.#path} was replaced while it was being read`, { path: this.#path });
  }
}

function request(path: string, offsetBytes: number, lengthBytes: number, allReplicas: boolean): { path: string; offsetBytes: number; lengthBytes: number; allReplicas?: boolean } {
  return { path, offsetBytes, lengthBytes, ...(allReplicas ? { allReplicas } : {}) };
}

/** All blocks in order, page by page. */
export async function* eachBlock(nameNode: RetryingCaller, path: string, options: { signal?: AbortSignal | undefined; allReplicas?: boolean | undefined }): AsyncIterable<LocatedBlock> {
  const blocks = await FileBlocks.open(nameNode, path, { signal: options.signal, allReplicas: options.allReplicas ?? false });
  for (;;) {
    for (let block = blocks.next(); block; block = blocks.next()) yield block;
    if (!blocks.hasMore) return;
    await blocks.fetchPage();
  }
}
