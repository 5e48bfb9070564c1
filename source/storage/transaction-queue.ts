import { assert } from '../base/assert.js';
import { type DfsError, OverloadedError, StorageDamagedError, UnavailableError } from '../protocol/errors.js';
import type { Entry, Key, KeyValueReader, KeyValueTransaction, RangeOptions, SnapshotStore, StoreSnapshot, TransactionOptions } from './key-value-store.js';
import { Overlay } from './overlay.js';

/** What is below the queue: ordered records, and one commit at a time. */
export interface StoreBackend extends KeyValueReader {
  /** For messages: `the store in /d/namenode`. */
  readonly name: string;
  /** Why transactions that change something must be refused now. Asked once a group for each kind, if one of it does. */
  refusal(mayUseReserve: boolean): DfsError | undefined;
  /**
   * Runs `run`, later and synchronously, on all that is committed, and commits what it has written. Resolves when that is on disk
   * for good. Rejects, with nothing of it applied as far as the backend can tell, when `run` threw or the commit failed. While a
   * commit goes on, reads outside `run` see the last one.
   */
  commit(run: (writer: KeyValueTransaction) => void): Promise<void>;
  /** Of what is committed. */
  snapshot(): StoreSnapshot;
  close(): Promise<void>;
}

interface Waiting {
  work: (transaction: KeyValueTransaction) => unknown;
  mayUseReserve: boolean;
  resolve: (result: never) => void;
  reject: (reason: unknown) => void;
  settle?: () => void;
}

export const maxWaitingTransactions = 65_536;
/** A group runs at a stretch: some 50 ms of work at most. */
const maxGroupTransactions = 1024;

/**
 * Group commit. Calls wait while a commit is in flight; when it is durable, all that wait (the first 1,024) run in turn, each on an overlay of its own
 * over what the earlier ones wrote, and are committed as one:
 *
 *   calls    a b c         d e f g
 *   disk     [ a  ][ b c         ][ d e f g ]
 *
 * Everybody, the refused too, is answered when the group is durable: a refusal may rest on what an earlier one of the group did.
 */
export class TransactionQueue implements SnapshotStore {
  readonly failed: Promise<InstanceType<typeof StorageDamagedError>>;
  readonly #backend: StoreBackend;
  #waiting: Waiting[] = [];
  #isCommitting = false;
  #failure: InstanceType<typeof StorageDamagedError> | undefined;
  #announceFailure!: (failure: InstanceType<typeof StorageDamagedError>) => void;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(backend: StoreBackend) {
    this.#backend = backend;
    this.failed = new Promise((resolve) => (this.#announceFailure = resolve));
  }

  get(key: Key): Uint8Array | undefined {
    this.#throwIfClosing();
    return this.#backend.get(key);
  }

  range(options: RangeOptions): Iterable<Entry> {
    this.#throwIfClosing();
    return this.#backend.range(options);
  }

  snapshot(): StoreSnapshot {
    this.#throwIfClosing();
    return this.#backend.snapshot();
  }

  /** Why changes are refused now, as transactions would be told; undefined: they are not. */
  refusal(): DfsError | undefined {
    return this.#backend.refusal(false);
  }

  async transact<T>(work: (transaction: KeyValueTransaction) => T, { mayUseReserve = false }: TransactionOptions = {}): Promise<T> {
    this.#throwIfClosing();
    if (this.#failure) throw this.#failure;
    if (this.#waiting.length >= maxWaitingTransactions) {
      throw new OverloadedError(`${this.#backend.name} has ${maxWaitingTransactions} transactions waiting; try again later`);
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, mayUseReserve, resolve, reject });
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#isCommitting) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#backend.close();
  }

  #throwIfClosing(): void {
    if (this.#closing) throw new UnavailableError(`${this.#backend.name} is closed`);
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiting.length > 0) {
      let group: Waiting[] = [];
      try {
        await this.#backend.commit((writer) => {
          group = this.#waiting.splice(0, maxGroupTransactions);
          // What several of the group write, counters above all, is read from memory and written once.
          const whole = new Overlay(writer);
          const ordinary = once(() => this.#backend.refusal(false));
          const urgent = once(() => this.#backend.refusal(true));
          for (const waiting of group) this.#run(waiting, whole, waiting.mayUseReserve ? urgent : ordinary);
          for (const [key, value] of whole.changes) {
            if (value === undefined) writer.delete(key);
            else writer.put(key, value);
          }
          whole.close();
        });
        for (const waiting of group) waiting.settle!();
        // Promises of lmdb reach from each commit to the next: they must not keep what is answered in memory.
        group.length = 0;
      } catch (cause) {
        this.#fail(cause, group);
      }
    }
    this.#isCommitting = false;
    this.#onIdle?.();
  }

  #run(waiting: Waiting, whole: Overlay, refusalOf: () => DfsError | undefined): void {
    const overlay = new Overlay(whole);
    let result: unknown;
    try {
      result = waiting.work(overlay);
      assert(!(result instanceof Promise), 'the work of a transaction is synchronous');
    } catch (error) {
      waiting.settle = () => waiting.reject(error);
      return;
    } finally {
      overlay.close();
    }
    const refusal = overlay.changes.size > 0 ? refusalOf() : undefined;
    if (refusal) {
      waiting.settle = () => waiting.reject(refusal);
      return;
    }
    for (const [key, value] of overlay.changes) whole.changes.set(key, value);
    waiting.settle = () => waiting.resolve(result as never);
  }

  /** What is on disk now is unknown, so nobody may be told anything else, and nothing may be built on it. */
  #fail(cause: unknown, group: Waiting[]): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new StorageDamagedError(`a commit of ${this.#backend.name} failed (${reason}); nothing more is written: check the disk, then start again`, { cause });
    for (const waiting of [...group, ...this.#waiting]) waiting.reject(this.#failure);
    this.#waiting = [];
    this.#announceFailure(this.#failure);
  }
}

function once<T>(ask: () => T): () => T {
  let answer: { value: T } | undefined;
  return () => (answer ??= { value: ask() }).value;
}
