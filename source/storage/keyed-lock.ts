/** Mutual exclusion per key, first come, first served: the state of one block changes in one place at a time. */
export class KeyedLock<K> {
  readonly #tails = new Map<K, Promise<void>>();

  /** Runs `work` when every earlier work of this key has ended, however it ended. */
  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let end!: () => void;
    const own = new Promise<void>((resolve) => (end = resolve));
    this.#tails.set(key, own);
    try {
      if (before) await before;
      return await work();
    } finally {
      if (this.#tails.get(key) === own) this.#tails.delete(key);
      end();
    }
  }
}
