import { statfsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import { assert } from '../base/assert.js';
import type { Logger } from '../base/log.js';
import { formatReport } from '../base/size.js';
import { type DfsError, NoSpaceError, StorageDamagedError, UnsupportedError, VersionMismatchError } from '../protocol/errors.js';
import { wholeRange } from './key-encoding.js';
import type { Entry, Key, KeyValueTransaction, RangeOptions, SnapshotStore, StoreSnapshot } from './key-value-store.js';
import { checkLmdbFiles } from './lmdb-check.js';
import { maxKeyBytes } from './overlay.js';
import { DamagedRecordError, decodeRecord, encodeRecord } from './record.js';
import { type DirectoryLock, lockDirectory } from './store-lock.js';
import { storageError } from './storage-error.js';
import { syncAncestors } from './sync-ancestors.js';
import { syncDirectory } from './sync-directory.js';
import { type StoreBackend, TransactionQueue } from './transaction-queue.js';

export interface LmdbStoreOptions {
  /** Created, for its owner alone, if missing. It belongs to the store wholly: data.mdb, lock.mdb, clean-shutdown, new, replaced-TIME.mdb (restoreLmdbStore). */
  directory: string;
  /** How large the store may grow, in bytes of address space; the file grows as it is filled. */
  mapSize?: number;
  logger: Logger;
  /** No lock, no changes: beside a running name node too. */
  isReadOnly?: boolean;
  /** Below this much free space transactions that change something are refused, below a quarter of it also those that may use the reserve. A full disk under LMDB can end the process. */
  minFreeBytes?: number;
  /** Free bytes on the disk of `directory`. */
  freeBytes?: () => number;
}

const formatMagic = 'dfsh-kv';
export const formatVersion = 1;
const headerKey = '\0header';
const defaultMapSize = 2 ** 40;
const defaultMinFreeBytes = 64 * 1024 * 1024;
/** What is left of the floor for deletions: LMDB writes pages anew before it frees the old ones. */
const reserveDivisor = 4;
/** For reading over a store that was not closed in good order: restarts after a kill are to stay quick. */
const checkBudgetMs = 40;
export const markerName = 'clean-shutdown';
/** Where a store is made; what a crash leaves of one is swept away. */
const birthplaceName = 'new';

/**
 * The store on disk. Refuses, and changes nothing, with StorageLockedError when another process has the directory,
 * VersionMismatchError on a format that this program does not know, StorageDamagedError on files that cannot be read. `damage` tells of
 * records that the look at a store has found damaged that was not closed in good order.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<SnapshotStore & { readonly damage?: DamagedRecordError | undefined }> {
  const { directory, isReadOnly = false } = options;
  if (isReadOnly) {
    // LMDB would leave a lock file behind where it found nothing to read.
    if ((await fingerprint(directory)) === undefined) throw new StorageDamagedError(`there is no store in ${directory}`, { path: directory });
    await checkUnlessClean(options);
    return new TransactionQueue(new LmdbBackend(options, openDatabase(options), undefined));
  }
  const lock = await mkdir(directory, { recursive: true, mode: 0o700 })
    .then(() => lockDirectory(directory))
    .catch((error: unknown) => {
      throw storageError(error, `the directory of the store, ${directory}, cannot be used; repair it, or give another one`);
    });
  try {
    let damage: DamagedRecordError | undefined;
    if ((await fingerprint(directory)) === undefined) {
      await refuseLeftovers(directory);
      await createStore(options);
    } else {
      damage = await checkUnlessClean(options);
    }
    const database = openDatabase(options);
    await rm(join(directory, birthplaceName), { recursive: true, force: true });
    await removeMarker(directory);
    return Object.assign(new TransactionQueue(new LmdbBackend(options, database, lock)), { damage });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Nothing of ours is ever there without data.mdb: somebody has lost it, and must not be given an empty one. */
async function refuseLeftovers(directory: string): Promise<void> {
  const found = (await readdir(directory)).filter((name) => name === 'lock.mdb' || name === markerName || /^replaced-.*\.mdb$/.test(name));
  if (found.length === 0) return;
  throw new StorageDamagedError(`the store in ${directory} has lost its data.mdb, and ${found.join(', ')} is there; nothing was changed: put the file back, or restore a backup`, { path: directory });
}

/**
 * Made beside its place and renamed, so that a crash in between leaves no store at all, or the one that was there, and an empty file
 * always means damage. `fill` puts the first records into it; `beforeSwap` runs when it is whole and on disk. The directory is locked.
 */
export async function createStore(options: LmdbStoreOptions, fill?: (store: SnapshotStore) => Promise<void>, beforeSwap?: () => Promise<void>): Promise<void> {
  const { directory } = options;
  const birthplace = join(directory, birthplaceName);
  await rm(birthplace, { recursive: true, force: true });
  const database = openEnvironment({ ...options, directory: birthplace });
  try {
    // Its directory's lock is the caller's.
    const backend = new LmdbBackend(options, database, { release: async () => {} });
    const refusal = backend.refusal(false);
    if (refusal) throw refusal;
    await backend.commit((writer) => writer.put(headerKey, Buffer.from(JSON.stringify({ magic: formatMagic, version: formatVersion }))));
    await fill?.(new TransactionQueue(backend));
  } finally {
    await database.close();
  }
  await syncAncestors(syncDirectory, directory);
  await beforeSwap?.();
  await rename(join(birthplace, 'data.mdb'), join(directory, 'data.mdb'));
  await syncDirectory(directory);
  await rm(birthplace, { recursive: true });
}

/** Its types leave out what getBinary takes as get does. */
type Database = RootDatabase<Buffer, Key> & { getBinary(key: Key, options?: { transaction: Transaction }): Buffer | undefined };

/** An environment whose header was checked. */
function openDatabase(options: LmdbStoreOptions): Database {
  const { directory } = options;
  let database: Database | undefined;
  try {
    database = openEnvironment(options);
    checkHeader(database, directory);
    return database;
  } catch (error) {
    void database?.close();
    if (error instanceof StorageDamagedError || error instanceof VersionMismatchError) throw error;
    throw new StorageDamagedError(`the store in ${directory} cannot be opened (${error instanceof Error ? error.message : String(error)}); its files were left as they are: restore a backup of it (dfsh namenode restore)`, { path: directory, cause: error });
  }
}

function openEnvironment({ directory, isReadOnly = false, mapSize = defaultMapSize }: LmdbStoreOptions): Database {
  return open({
    path: directory,
    noSubdir: false,
    // With lmdb's default a commit may be answered before it is durable, and stay unanswered after a failed fsync.
    overlappingSync: false,
    // The queue makes the batches. lmdb's own would leave a rejected promise behind after a failed commit, with nobody to take it.
    eventTurnBatching: false,
    mapSize,
    encoding: 'binary',
    cache: false,
    readOnly: isReadOnly,
    permissionsMode: 0o600,
    keyEncoder: {
      writeKey: (key: Key, target: Buffer, start: number) => start + target.write(key, start, 'latin1'),
      readKey: (target: Buffer, start: number, end: number) => target.toString('latin1', start, end),
    },
  } as Parameters<typeof open>[0]) as Database;
}

function checkHeader(database: Database, directory: string): void {
  const record = database.getBinary(headerKey);
  if (record === undefined) throw new StorageDamagedError(`${directory} holds an LMDB store that is none of dfsh's; choose another directory`, { path: directory });
  const header = JSON.parse(Buffer.from(decodeRecord(headerKey, record, `the store in ${directory}`)).toString()) as { magic: string; version: number };
  if (header.magic === formatMagic && header.version === formatVersion) return;
  throw new VersionMismatchError(
    `the store in ${directory} has format ${header.magic} ${header.version}; this program knows ${formatMagic} ${formatVersion}: use the release that wrote it`,
    { path: directory },
  );
}

class LmdbBackend implements StoreBackend {
  readonly name: string;
  readonly #database: Database;
  readonly #lock: DirectoryLock | undefined;
  readonly #directory: string;
  readonly #minFreeBytes: number;
  readonly #freeBytes: () => number;
  #hasFailed = false;

  constructor(options: LmdbStoreOptions, database: Database, lock: DirectoryLock | undefined) {
    this.#directory = options.directory;
    this.name = `the store in ${options.directory}`;
    this.#database = database;
    this.#lock = lock;
    this.#minFreeBytes = options.minFreeBytes ?? defaultMinFreeBytes;
    this.#freeBytes = options.freeBytes ?? (() => freeBytesOf(options.directory));
  }

  get(key: Key, transaction?: Transaction): Uint8Array | undefined {
    assert(key.length > 0 && key.length <= maxKeyBytes, 'a key has 1 to 1,900 bytes');
    const record = this.#database.getBinary(key, transaction && { transaction });
    return record === undefined ? undefined : decodeRecord(key, record, this.name);
  }

  *range({ start, end, isReverse = false, limit }: RangeOptions, transaction?: Transaction): Generator<Entry> {
    const low = start < wholeRange.start ? wholeRange.start : start;
    if (low >= end || limit === 0) return;
    const bounds = isReverse ? { start: end, end: low, reverse: true, exclusiveStart: true, inclusiveEnd: true } : { start: low, end };
    for (const { key, value } of this.#database.getRange({ ...bounds, ...(limit === undefined ? {} : { limit }), ...(transaction && { transaction }) })) {
      yield [key, decodeRecord(key, value, this.name)];
    }
  }

  refusal(mayUseReserve: boolean): DfsError | undefined {
    if (!this.#lock) return new UnsupportedError(`${this.name} was opened for reading only`);
    const freeBytes = this.#freeBytes();
    const floorBytes = mayUseReserve ? Math.floor(this.#minFreeBytes / reserveDivisor) : this.#minFreeBytes;
    if (freeBytes >= floorBytes) return undefined;
    const shortage = `no space for ${this.name}: ${formatReport(freeBytes)} free, at least ${formatReport(floorBytes)} needed`;
    // A new one has nothing to read, and nothing to delete.
    const isEmpty = [...this.range({ ...wholeRange, limit: 1 })].length === 0;
    if (isEmpty) return new NoSpaceError(`${shortage}; make space on its disk, or give another directory`);
    const remedy = mayUseReserve ? 'make space on its disk' : 'make space on its disk, or delete files (rm -skipTrash)';
    return new NoSpaceError(`${shortage}; reading goes on, and writing by itself once there is space: ${remedy}`);
  }

  async commit(run: (writer: KeyValueTransaction) => void): Promise<void> {
    const writer: KeyValueTransaction = {
      get: (key) => this.get(key),
      range: (options) => this.range(options),
      put: (key, value) => void this.#database.put(key, encodeRecord(key, value)),
      delete: (key) => void this.#database.remove(key),
    };
    if (!this.#lock) return run(writer);
    try {
      await this.#database.childTransaction(() => run(writer));
    } catch (error) {
      this.#hasFailed = true;
      throw await commitCause(error);
    }
  }

  snapshot(): StoreSnapshot {
    const transaction = this.#database.useReadTransaction();
    let isOpen = true;
    return {
      get: (key) => this.get(key, transaction),
      range: (options) => this.range(options, transaction),
      close() {
        if (isOpen) transaction.done();
        isOpen = false;
      },
    };
  }

  async close(): Promise<void> {
    // After a failed commit LMDB is not touched again: the next start reads the files over.
    if (this.#hasFailed) return;
    await this.#database.close();
    if (!this.#lock) return;
    // A full disk may have no room for it: then the next start reads the files over.
    await writeMarker(this.#directory).catch(() => rm(join(this.#directory, `${markerName}.new`), { force: true }).catch(() => {}));
    await this.#lock.release();
  }
}

/** lmdb puts the reason of a failed commit into a second promise, rejected in the same turn; taking it keeps the process from ending unheard. */
async function commitCause(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<never> };
  if (!commitError) return error;
  return Promise.race([commitError.catch((cause: unknown) => cause), new Promise((resolve) => setImmediate(resolve, error))]);
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** Size and time of data.mdb after the last close in good order: a file that looks otherwise is read over before it is trusted. */
async function fingerprint(directory: string): Promise<string | undefined> {
  try {
    const { size, mtimeMs } = await stat(join(directory, 'data.mdb'));
    return JSON.stringify({ magic: 'dfsh-kv-clean', version: 1, dataBytes: size, modificationTimeMs: mtimeMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Answers what is damaged, as far as it has read. */
async function checkUnlessClean({ directory, logger }: LmdbStoreOptions): Promise<DamagedRecordError | undefined> {
  const found = await fingerprint(directory);
  if (found === undefined) return undefined;
  if ((await readFile(join(directory, markerName), 'utf8').catch(() => '')) === found) return undefined;
  const { records, damaged, firstDamaged, isShort } = await checkLmdbFiles(directory, checkBudgetMs);
  logger.info(`the store in ${directory} was not closed in good order: ${isShort ? 'all' : 'a sample'} of ${records} records read, ${damaged} damaged`);
  return firstDamaged === null ? undefined : new DamagedRecordError(firstDamaged, `${damaged} of ${records} records of the store in ${directory} that were read fail their checksums (one has key ${JSON.stringify(firstDamaged)})`);
}

async function writeMarker(directory: string): Promise<void> {
  const path = join(directory, markerName);
  await writeFile(`${path}.new`, (await fingerprint(directory)) ?? '', { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function removeMarker(directory: string): Promise<void> {
  try {
    await unlink(join(directory, markerName));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await syncDirectory(directory);
}
