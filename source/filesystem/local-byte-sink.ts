import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { baseName } from '../base/path.js';
import { assert } from '../base/assert.js';
import { throwIfCancelled } from '../client/cancellation.js';
import { FileAlreadyExistsError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { ByteSink, CreateFileOptions } from './file-system.js';
import { systemCall, temporarySibling } from './local-errors.js';
import { acquireBuffer, releaseBuffer } from './transfer-buffers.js';

export interface LocalByteSinkOptions extends CreateFileOptions {
  path: string;
  /** A pipe or a device: nothing to rename, and no positions. */
  isInPlace: boolean;
  /** Makes the temporary name one's own, so that two transfers to one name do not mix their bytes. */
  distinction: string;
  toStatus(name: string, stat: Stats): FileStatus;
}

/** Writes a local file under a temporary name, which `close` renames and `abort` removes. */
export class LocalByteSink implements ByteSink {
  readonly #options: LocalByteSinkOptions;
  readonly #handle: fs.FileHandle;
  /** Undefined if the file is written in place. */
  readonly #temporaryPath: string | undefined;
  #position = 0;
  #acquired: Buffer | undefined;
  #isEnded = false;

  static async open(options: LocalByteSinkOptions): Promise<LocalByteSink> {
    if (options.isInPlace) return new LocalByteSink(options, await fs.open(options.path, 'w'), undefined);
    const temporaryPath = options.temporaryPath ?? temporarySibling(options.path, options.distinction);
    return new LocalByteSink(options, await fs.open(temporaryPath, options.temporaryPath ? 'w' : 'wx', options.permission ?? 0o666), temporaryPath);
  }

  private constructor(options: LocalByteSinkOptions, handle: fs.FileHandle, temporaryPath: string | undefined) {
    this.#options = options;
    this.#handle = handle;
    this.#temporaryPath = temporaryPath;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { signal, path, isInPlace } = this.#options;
    throwIfCancelled(signal, `writing ${path}`);
    let written = 0;
    while (written < bytes.byteLength) {
      const position = isInPlace ? null : this.#position;
      const { bytesWritten } = await systemCall(path, () => this.#handle.write(bytes, written, bytes.byteLength - written, position));
      written += bytesWritten;
      this.#position += bytesWritten;
    }
    this.#options.onProgress?.({ doneBytes: this.#position });
  }

  async acquire(): Promise<Uint8Array> {
    assert(!this.#acquired, 'a buffer is committed before the next one is acquired');
    this.#acquired = acquireBuffer();
    return this.#acquired;
  }

  async commit(lengthBytes: number): Promise<void> {
    const buffer = this.#acquired;
    assert(buffer, 'a buffer is acquired before it is committed');
    try {
      await this.write(buffer.subarray(0, lengthBytes));
    } finally {
      this.#acquired = undefined;
      releaseBuffer(buffer);
    }
  }

  async close(): Promise<{ status: FileStatus; degraded: [] }> {
    assert(!this.#isEnded, 'a file is closed or aborted once');
    const { path, times, overwrite, signal } = this.#options;
    try {
      throwIfCancelled(signal, `writing ${path}`);
      return await systemCall(path, async () => {
        if (times && this.#temporaryPath) await this.#handle.utimes(times.accessTimeMs / 1000, times.modificationTimeMs / 1000);
        const status = this.#options.toStatus(baseName(path), await this.#handle.stat());
        this.#isEnded = true;
        await this.#handle.close();
        if (this.#temporaryPath) await publish({ source: this.#temporaryPath, target: path, isReplacing: overwrite ?? false });
        return { status, degraded: [] };
      });
    } catch (error) {
      await this.#discard();
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (!this.#isEnded) await this.#discard();
  }

  async #discard(): Promise<void> {
    if (!this.#isEnded) await this.#handle.close().catch(() => {});
    this.#isEnded = true;
    if (this.#temporaryPath) await fs.unlink(this.#temporaryPath).catch(() => {});
  }
}

/** Gives the file its name, atomically; without `isReplacing`, only if the name is free at that instant. */
async function publish({ source, target, isReplacing }: { source: string; target: string; isReplacing: boolean }): Promise<void> {
  if (!isReplacing) {
    try {
      await fs.link(source, target);
      return await fs.unlink(source);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A disk without hard links: look, then rename.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'].includes(code ?? '')) throw error;
      if (
        await fs.stat(target).then(
          () => true,
          () => false,
        )
      )
        throw new FileAlreadyExistsError(`${target}: File exists`, { path: target });
    }
  }
  await fs.rename(source, target);
}
