import type { Key } from '../storage/key-value-store.js';
import { entryKey } from './keys.js';

/** What a path needs of a directory on its way. */
export interface CachedDirectory {
  readonly id: number;
  readonly owner: string;
  readonly group: string;
  readonly permission: number;
}

/**
 * Directories by (parent id, name), with what permission checks need, so that resolving a path reads only its last name. A rename
 * costs two keys, not everything below.
 *
 * The same entries serve reads, which see what is durable, and transactions, which see more. They may differ about a key only from
 * the edit that changes it until its commit has settled. For that time the key is suspended: it is out of the cache and is not taken, so that
 * a read in between cannot bring the old directory back (measured: without this it did, every time).
 */
export class DirectoryCache {
  readonly #generationSize: number;
  #young = new Map<Key, CachedDirectory>();
  #old = new Map<Key, CachedDirectory>();
  readonly #suspended = new Map<Key, number>();

  /** Holds at most two generations of `generationSize` directories, about 100 bytes each. */
  constructor(generationSize = 100_000) {
    this.#generationSize = generationSize;
  }

  get(parentId: number, name: string): CachedDirectory | undefined {
    const key = entryKey(parentId, name);
    const young = this.#young.get(key);
    if (young) return young;
    const old = this.#old.get(key);
    if (old) this.#take(key, old);
    return old;
  }

  /** What a reader or a transaction just found there. */
  put(parentId: number, name: string, directory: CachedDirectory): void {
    const key = entryKey(parentId, name);
    if (!this.#suspended.has(key)) this.#take(key, directory);
  }

  /** An edit that is not durable yet changes this directory or its place. Each call wants its `resume`. */
  suspend(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
    this.#suspended.set(key, (this.#suspended.get(key) ?? 0) + 1);
  }

  /** The edit is durable, or was dropped. */
  resume(key: Key): void {
    const count = this.#suspended.get(key)! - 1;
    if (count === 0) this.#suspended.delete(key);
    else this.#suspended.set(key, count);
  }

  #take(key: Key, directory: CachedDirectory): void {
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, directory);
  }
}
