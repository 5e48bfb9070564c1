import BTreeModule from 'sorted-btree';
import type { DfsError } from '../protocol/errors.js';
import type { Entry, Key, KeyValueTransaction, RangeOptions, StoreSnapshot } from './key-value-store.js';
import { DamagedRecordError } from './record.js';
import { type StoreBackend, TransactionQueue } from './transaction-queue.js';

// The package is CommonJS, whose types and whose value disagree on where the default is.
type Tree = InstanceType<typeof BTreeModule.default<Key, Uint8Array>>;
const BTree = ((BTreeModule as { default?: unknown }).default ?? BTreeModule) as unknown as new (entries: undefined, compare: (a: Key, b: Key) => number) => Tree;

/** What a memory store held at one moment: a crash image, to open another store from. Never changes. */
export interface MemoryStoreImage {
  readonly tree: Tree;
}

export interface MemoryStoreOptions {
  image?: MemoryStoreImage;
  /** How long the simulated disk takes for a commit that changes something. A rejection is a commit that failed. */
  commitDelay?: () => Promise<void>;
  /** Asked before a transaction's changes are taken: a simulated full disk. */
  refusal?: (mayUseReserve: boolean) => DfsError | undefined;
}

/** The store for tests and simulations: the same queue as the real one over a sorted tree. Nothing of it is on disk. */
export class MemoryStore extends TransactionQueue {
  readonly #backend: MemoryBackend;

  constructor(options: MemoryStoreOptions = {}) {
    const backend = new MemoryBackend(options);
    super(backend);
    this.#backend = backend;
  }

  /**
   * What a crash at this moment may leave: `durable`, without the commit in flight, or `inFlight`, with it (the same where there is
   * none). Costs O(1).
   */
  crashImage(moment: 'durable' | 'inFlight' = 'durable'): MemoryStoreImage {
    return { tree: (moment === 'inFlight' ? this.#backend.inFlight : undefined) ?? this.#backend.durable };
  }

  /** Simulated bit rot: from now on the record under `key`, of this store alone, fails its checksum until it is written again. */
  damage(key: Key): void {
    this.#backend.damaged.add(key);
  }
}

export function openMemoryStore(options?: MemoryStoreOptions): MemoryStore {
  return new MemoryStore(options);
}

/** Trees share their nodes until one is written: a clone costs O(1). Published ones are never written again. */
class MemoryBackend implements StoreBackend {
  readonly name = 'the memory store';
  durable: Tree;
  inFlight: Tree | undefined;
  readonly damaged = new Set<Key>();
  readonly #options: MemoryStoreOptions;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.durable = options.image?.tree.clone() ?? new BTree(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  get(key: Key): Uint8Array | undefined {
    return this.#checked(key, this.durable.get(key));
  }

  range(options: RangeOptions): Iterable<Entry> {
    return this.#range(this.durable, options);
  }

  *#range(tree: Tree, options: RangeOptions): Generator<Entry> {
    for (const [key, value] of rangeOf(tree, options)) yield [key, this.#checked(key, value)!];
  }

  #checked(key: Key, value: Uint8Array | undefined): Uint8Array | undefined {
    if (value !== undefined && this.damaged.size > 0 && this.damaged.has(key)) {
      throw new DamagedRecordError(key, `a record of ${this.name} fails its checksum (key ${JSON.stringify(key)}, ${value.length} bytes)`);
    }
    return value;
  }

  refusal(mayUseReserve: boolean): DfsError | undefined {
    return this.#options.refusal?.(mayUseReserve);
  }

  async commit(run: (writer: KeyValueTransaction) => void): Promise<void> {
    // As with a disk: never within the call that asks.
    await undefined;
    const tree = this.durable.clone();
    let isChanged = false;
    run({
      get: (key) => this.#checked(key, tree.get(key)),
      range: (options) => this.#range(tree, options),
      put: (key, value) => {
        isChanged = true;
        this.damaged.delete(key);
        tree.set(key, value);
      },
      delete: (key) => {
        isChanged = true;
        tree.delete(key);
      },
    });
    if (!isChanged) return;
    this.inFlight = tree;
    try {
      await this.#options.commitDelay?.();
      this.durable = tree;
    } finally {
      this.inFlight = undefined;
    }
  }

  snapshot(): StoreSnapshot {
    const tree = this.durable;
    return { get: (key) => this.#checked(key, tree.get(key)), range: (options) => this.#range(tree, options), close() {} };
  }

  async close(): Promise<void> {}
}

function* rangeOf(tree: Tree, { start, end, isReverse = false, limit = Infinity }: RangeOptions): Generator<Entry> {
  let left = limit;
  // The tree's own end is "itself excluded" where it goes backwards, too.
  const entries = isReverse ? tree.entriesReversed(end, undefined, true) : tree.entries(start);
  for (const [key, value] of entries) {
    if (left-- <= 0 || (isReverse ? key < start : key >= end)) return;
    yield [key, value];
  }
}
