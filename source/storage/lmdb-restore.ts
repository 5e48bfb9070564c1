import { link, mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageDamagedError } from '../protocol/errors.js';
import type { KeyValueTransaction } from './key-value-store.js';
import { createStore, type LmdbStoreOptions, openLmdbStore, removeMarker } from './lmdb-store.js';
import { wholeRange } from './key-encoding.js';
import { storageError } from './storage-error.js';
import { readStoreImage } from './store-image.js';
import { lockDirectory } from './store-lock.js';
import { syncDirectory } from './sync-directory.js';

export interface RestoreOptions extends LmdbStoreOptions {
  /** What writeStoreImage wrote. */
  image: string;
  /** A store that is there, whole or not, is put aside. Without it, one is refused. */
  isReplaceWanted: boolean;
  /** Told apart from others that were put aside: `20261122T165207Z`. */
  timeName: string;
  /** Runs last in the new store, before it takes its place. */
  finish: (transaction: KeyValueTransaction) => void;
}

/**
 * Makes the store of `directory` anew from an image. The image is checked wholly before anything is touched; the new store is made beside the
 * old one and takes its place by one rename, so that a crash at any moment leaves the one or the other. Answers where the old one is now,
 * and the new one's record count. StorageLockedError while a name node runs; StorageDamagedError says what else is in the way.
 */
export async function restoreLmdbStore(options: RestoreOptions): Promise<{ recordCount: number; replaced: string | undefined }> {
  const { directory, image, isReplaceWanted, timeName, finish } = options;
  const data = join(directory, 'data.mdb');
  let recordCount = 0;
  for await (const entries of readStoreImage(image)) recordCount += entries.length;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(directory);
  try {
    const isThere = await stat(data).then(() => true, () => false);
    if (isThere && !isReplaceWanted) {
      throw new StorageDamagedError(`${directory} holds a store already; nothing was changed: add --replace to put it aside and restore the backup in its place`, { path: directory });
    }
    const replaced = isThere ? await freeName(directory, `replaced-${timeName}`) : undefined;
    await createStore(
      options,
      async (store) => {
        for await (const entries of readStoreImage(image)) await store.transact((transaction) => entries.forEach(([key, value]) => transaction.put(key, value)));
        await store.transact(finish);
        let written = 0;
        for (const _ of store.range(wholeRange)) written++;
        if (written < recordCount) throw new StorageDamagedError(`the new store holds ${written} of ${recordCount} records; nothing was changed: check the disk`);
      },
      async () => {
        await removeMarker(directory);
        if (replaced) await link(data, replaced);
        // Of the old store: its readers' table means nothing to the new one.
        await unlink(join(directory, 'lock.mdb')).catch(() => {});
        await syncDirectory(directory);
      },
    );
    return { recordCount, replaced };
  } catch (error) {
    throw storageError(error, `restoring ${image} into ${directory}`);
  } finally {
    await lock.release();
  }
}

/** A try of the same second may have been killed behind its link. */
async function freeName(directory: string, name: string): Promise<string> {
  const taken = new Set(await readdir(directory));
  for (let number = 1; ; number++) {
    const free = number === 1 ? `${name}.mdb` : `${name}-${number}.mdb`;
    if (!taken.has(free)) return join(directory, free);
  }
}
