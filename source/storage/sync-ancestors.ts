import { dirname, resolve } from 'node:path';
import { diskErrorCode } from './disk.js';

/**
 * A new directory is durable when its parents' entries are. To be called before anything in it says that it is in use: a crash in between
 * would leave one that looks finished. Parents that may not be opened were there before; rejects if the disk fails under one.
 */
export async function syncAncestors(syncDirectory: (path: string) => Promise<void>, directory: string): Promise<void> {
  for (let path = resolve(directory); dirname(path) !== path; path = dirname(path)) {
    await syncDirectory(dirname(path)).catch((error: unknown) => {
      if (diskErrorCode(error) === 'EIO') throw error;
    });
  }
}
