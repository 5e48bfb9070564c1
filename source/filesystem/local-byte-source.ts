import type { FileHandle } from 'node:fs/promises';
import { throwIfCancelled } from '../client/cancellation.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { ByteSource, CopyReadOptions } from './file-system.js';
import { systemCall } from './local-errors.js';
import { acquireBuffer, releaseBuffer } from './transfer-buffers.js';

export interface LocalByteSourceOptions extends CopyReadOptions {
  handle: FileHandle;
  path: string;
  status: FileStatus;
  /** False for a pipe or a device: read as it comes. */
  isSeekable: boolean;
}

/** Reads a local file into pooled buffers, or straight into the caller's. Owns the handle. */
export class LocalByteSource implements ByteSource {
  readonly status: FileStatus;
  readonly #options: LocalByteSourceOptions;
  #position: number;
  #left: number;

  constructor(options: LocalByteSourceOptions) {
    this.status = options.status;
    this.#options = options;
    this.#position = options.startBytes ?? 0;
    this.#left = options.lengthBytes ?? Number.MAX_SAFE_INTEGER;
  }

  async read(): Promise<{ bytes: Uint8Array; release(): void } | null> {
    const buffer = acquireBuffer();
    let count = 0;
    try {
      count = await this.readInto(buffer);
    } finally {
      if (count === 0) releaseBuffer(buffer);
    }
    return count === 0 ? null : { bytes: buffer.subarray(0, count), release: () => releaseBuffer(buffer) };
  }

  /** Fills the buffer up to the end of the file, so that a slow pipe does not make small packets. */
  async readInto(buffer: Uint8Array): Promise<number> {
    const { handle, path, isSeekable, signal } = this.#options;
    const wanted = Math.min(buffer.byteLength, this.#left);
    let count = 0;
    while (count < wanted) {
      throwIfCancelled(signal, `reading ${path}`);
      const position = isSeekable ? this.#position : null;
      const { bytesRead } = await systemCall(path, () => handle.read(buffer, count, wanted - count, position));
      if (bytesRead === 0) break;
      count += bytesRead;
      this.#position += bytesRead;
    }
    this.#left -= count;
    return count;
  }

  async close(): Promise<void> {
    await systemCall(this.#options.path, () => this.#options.handle.close());
  }
}
