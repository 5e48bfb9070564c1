import type { StorageDamagedError } from '../protocol/errors.js';

/**
 * The ordered store under the name node. Keys are strings of which each character is one byte (latin1): they sort as their
 * bytes. From 1 to 1,900 bytes a key, of which the first is 0x01 to 0xfe: the rest is the store's own, and so ['\x01', '\xff') is
 * everything. Values are bytes, owned by the store once put, and not to be changed by who got them.
 */
export type Key = string;
export type Entry = [key: Key, value: Uint8Array];

export interface RangeOptions {
  /** First key, itself included. */
  start: Key;
  /** Where to stop, itself excluded. */
  end: Key;
  /** From the end to the start; the bounds mean the same. */
  isReverse?: boolean;
  limit?: number;
}

/** Reads throw DamagedRecordError (record.ts) where a record fails its checksum; other records stay readable: a range that is begun again behind its key goes on. */
export interface KeyValueReader {
  get(key: Key): Uint8Array | undefined;
  /** Entries in the order of the keys' bytes. To be consumed at once: not across an await, nor across a write. */
  range(options: RangeOptions): Iterable<Entry>;
}

export interface KeyValueTransaction extends KeyValueReader {
  put(key: Key, value: Uint8Array): void;
  /** Deleting an absent key succeeds. */
  delete(key: Key): void;
}

export interface TransactionOptions {
  /** It frees space, or is little and must not fail because others have filled the disk. */
  mayUseReserve?: boolean | undefined;
}

/**
 * Reads outside a transaction see what is durable, or about to be by the commit in flight; never part of a transaction.
 */
export interface KeyValueStore extends KeyValueReader {
  /** Resolves, never rejects, when a commit has failed: the process is to end then. Pending for ever otherwise. */
  readonly failed: Promise<InstanceType<typeof StorageDamagedError>>;
  /**
   * Runs `work` synchronously on a view that holds every earlier transaction's changes. Its changes apply wholly, or, if it throws,
   * not at all. Transactions are run in the order of the calls and committed in groups. The promise settles, with the result or
   * with what `work` threw, only when everything that `work` saw is on disk for good. A commit that fails rejects every
   * transaction of its group with StorageDamagedError and closes the store to writing: the process is to end. A transaction that
   * changes something is refused with NoSpaceError below the floor of free space, one that may use the reserve only below a lower
   * one; with more than 65,536 waiting, any is with OverloadedError.
   */
  transact<T>(work: (transaction: KeyValueTransaction) => T, options?: TransactionOptions): Promise<T>;
  /** Resolves when all is on disk and the files are closed. Later calls fail with UnavailableError. */
  close(): Promise<void>;
}

/** What was durable at one moment, for as long as it is open: to be read at leisure, across awaits and commits. */
export interface StoreSnapshot extends KeyValueReader {
  /** To be called: pages that it sees are not used again before. */
  close(): void;
}

export interface SnapshotStore extends KeyValueStore {
  snapshot(): StoreSnapshot;
  /** Why transactions that change something are refused now, reserve or not; undefined: they are not. */
  refusal(): Error | undefined;
}
