import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from './base/clock.js';
import { silentLogger } from './base/log.js';
import { finishRestoration, type NameSpaceSummary, readCountersOf, summarizeNameSpace } from './namenode/backup.js';
import { allInodes } from './namenode/keys.js';
import { DfsError, StorageDamagedError } from './protocol/errors.js';
import { wholeRange } from './storage/key-encoding.js';
import type { Entry, SnapshotStore } from './storage/key-value-store.js';
import { restoreLmdbStore } from './storage/lmdb-restore.js';
import { openLmdbStore } from './storage/lmdb-store.js';
import { readStoreImage, writeStoreImage } from './storage/store-image.js';

/** Backups of the name node's store: behind `dfsh namenode backup`, `dfsh namenode restore` and `saveNamespace`. */
export interface Backup extends NameSpaceSummary {
  /** Absolute. */
  path: string;
  recordCount: number;
  sizeBytes: number;
  /** False: the same edits were backed up there before, and that backup is still good. */
  isNew: boolean;
}

const imageSuffix = '.image';
const imagesKept = 2;

/** Where a name node keeps its store. */
export function nameNodeDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'namenode');
}

/**
 * Backs up the store in `directory`, whose name node may run meanwhile, into `target`: a file that is not there yet, or a directory, in
 * which the file is named after the cluster and its last edit. StorageDamagedError where there is no store, or a record of it is damaged:
 * a backup is never written of what cannot be trusted.
 */
export async function backUpNameNode(directory: string, target: string): Promise<Backup> {
  if (!(await isThere(join(directory, 'data.mdb')))) throw new StorageDamagedError(`there is no store of a name node in ${directory}; is it below another --data-dir?`, { path: directory });
  const store = await openLmdbStore({ directory, logger: silentLogger, isReadOnly: true });
  try {
    const path = resolve(target);
    const isFolder = await stat(path).then((found) => found.isDirectory(), () => false);
    return await backUp(store, path, isFolder);
  } finally {
    await store.close();
  }
}

/** What `saveNamespace` does: a backup below `dataDirectory`, of which the last two are kept (HDFS: dfs.namenode.num.checkpoints.retained). */
export async function saveNameSpace(dataDirectory: string, store: SnapshotStore): Promise<Backup> {
  const folder = join(dataDirectory, 'namenode-image');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const backup = await backUp(store, folder, true);
  // Named so that they sort by their edits; what another program left there stays.
  const images = (await readdir(folder)).filter((name) => name.startsWith(backup.clusterId) && name.endsWith(imageSuffix)).sort();
  for (const name of images.slice(0, -imagesKept)) await unlink(join(folder, name));
  return backup;
}

async function backUp(store: SnapshotStore, target: string, isFolder: boolean): Promise<Backup> {
  const snapshot = store.snapshot();
  try {
    const summary = summarizeNameSpace(snapshot);
    const path = isFolder ? join(target, `${summary.clusterId}-${String(summary.lastEditId).padStart(16, '0')}${imageSuffix}`) : target;
    if (isFolder && (await isThere(path))) {
      const recordCount = await countRecords(path).catch(() => undefined);
      if (recordCount !== undefined) return { ...summary, path, recordCount, sizeBytes: (await stat(path)).size, isNew: false };
      await unlink(path);
    }
    const counted = { inodes: 0 };
    const result = await writeStoreImage(path, countInodes(snapshot.range(wholeRange), counted), () => {
      const expected = summary.fileCount + summary.directoryCount;
      if (counted.inodes !== expected) throw new StorageDamagedError(`the store is damaged: it holds ${counted.inodes} inodes where it counts ${expected}; restore it from an earlier backup`);
    });
    return { ...summary, path, ...result, isNew: true };
  } finally {
    snapshot.close();
  }
}

/** A record whose very key is damaged may be missed by its readers, but not in the sum. */
function* countInodes(entries: Iterable<Entry>, counted: { inodes: number }): Generator<Entry> {
  for (const entry of entries) {
    if (entry[0] >= allInodes.start && entry[0] < allInodes.end) counted.inodes++;
    yield entry;
  }
}

async function countRecords(path: string): Promise<number> {
  let count = 0;
  for await (const entries of readStoreImage(path)) count += entries.length;
  return count;
}

/**
 * Makes the store in `directory` anew from the backup `image`. Nothing is touched before the backup is found to be whole; a store that
 * is there is refused, or, with `isReplaceWanted`, kept aside. Ids go on far behind all that the lost store may have given out.
 */
export async function restoreNameNode(options: { directory: string; image: string; isReplaceWanted: boolean; clock: Clock }): Promise<NameSpaceSummary & { recordCount: number; replaced: string | undefined }> {
  const { directory, isReplaceWanted, clock } = options;
  const image = resolve(options.image);
  const replacedCounters = isReplaceWanted ? await readOldCounters(directory) : undefined;
  let summary: NameSpaceSummary | undefined;
  const result = await restoreLmdbStore({
    directory,
    logger: silentLogger,
    image,
    isReplaceWanted,
    timeName: new Date(clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, ''),
    finish(transaction) {
      summary = summarizeNameSpace(transaction);
      finishRestoration(transaction, { clock, replaced: replacedCounters });
    },
  });
  return { ...summary!, ...result };
}

/** Of the store that is to be replaced, as far as it can be read: it is often damaged, or gone. */
async function readOldCounters(directory: string): Promise<ReturnType<typeof readCountersOf>> {
  if (!(await isThere(join(directory, 'data.mdb')))) return undefined;
  try {
    const store = await openLmdbStore({ directory, logger: silentLogger, isReadOnly: true });
    try {
      return readCountersOf(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof DfsError) return undefined;
    throw error;
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
