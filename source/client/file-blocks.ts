import type { LocatedBlock } from '../protocol/block.js';
import { FileNotFoundError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { RetryingCaller } from './retrying-caller.js';

const wholeFile = Number.MAX_SAFE_INTEGER;

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
  readonly status: FileStatus;
  #page: readonly LocatedBlock[];
  #nextInPage = 0;
  #hasMore: boolean;

  private constructor(nameNode: RetryingCaller, path: string, options: { signal: AbortSignal | undefined; allReplicas: boolean; endBytes: number }, first: { file: FileStatus; blocks: LocatedBlock[]; hasMore: boolean }) {
    this.#nameNode = nameNode;
    this.#path = path;
    this.#signal = options.signal;
    this.#allReplicas = options.allReplicas;
    this.#endBytes = options.endBytes;
    this.status = first.file;
    this.#page = first.blocks;
    this.#hasMore = first.hasMore;
  }

  /** Fetches the first page. */
  static async open(nameNode: RetryingCaller, path: string, options: { startBytes?: number; lengthBytes?: number; signal?: AbortSignal | undefined; allReplicas?: boolean } = {}): Promise<FileBlocks> {
    const { startBytes = 0, lengthBytes = wholeFile, signal, allReplicas = false } = options;
    const endBytes = Math.min(wholeFile, startBytes + lengthBytes);
    const first = await nameNode.call('fs.getBlockLocations', request(path, startBytes, endBytes - startBytes, allReplicas), { signal });
    return new FileBlocks(nameNode, path, { signal, allReplicas, endBytes }, first);
  }

  /** The next block if its page is here; `hasMore` tells whether `fetchPage` brings others. */
  next(): LocatedBlock | undefined {
    return this.#page[this.#nextInPage++];
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
    return found;
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
