import { assert } from '../base/assert.js';
import type { Entry, Key, KeyValueReader, KeyValueTransaction, RangeOptions } from './key-value-store.js';

export const maxKeyBytes = 1900;
const keyPattern = /^[\x01-\xfe][\x00-\xff]*$/;

/**
 * A transaction's own changes over what it began with. Rolling back is dropping it; committing is copying `changes`. Reads and
 * ranges look through the changes at the base.
 */
export class Overlay implements KeyValueTransaction {
  /** undefined: deleted. */
  readonly changes = new Map<Key, Uint8Array | undefined>();
  readonly #base: KeyValueReader;
  #isOpen = true;

  constructor(base: KeyValueReader) {
    this.#base = base;
  }

  get(key: Key): Uint8Array | undefined {
    assert(this.#isOpen, 'a transaction is used only while its work runs');
    const changed = this.changes.get(key);
    if (changed !== undefined || this.changes.has(key)) return changed;
    return this.#base.get(key);
  }

  range(options: RangeOptions): Iterable<Entry> {
    assert(this.#isOpen, 'a transaction is used only while its work runs');
    const changed = this.#changedKeys(options);
    return changed.length === 0 ? this.#base.range(options) : this.#merge(changed, options);
  }

  put(key: Key, value: Uint8Array): void {
    assert(this.#isOpen, 'a transaction is used only while its work runs');
    assert(key.length <= maxKeyBytes && keyPattern.test(key), 'a key has 1 to 1,900 bytes, the first of them 0x01 to 0xfe');
    // Found out here it concerns this transaction alone; found out by the commit, its whole group.
    assert(value instanceof Uint8Array, 'a value is bytes');
    this.changes.set(key, value);
  }

  delete(key: Key): void {
    assert(this.#isOpen, 'a transaction is used only while its work runs');
    assert(key.length <= maxKeyBytes && keyPattern.test(key), 'a key has 1 to 1,900 bytes, the first of them 0x01 to 0xfe');
    this.changes.set(key, undefined);
  }

  /** The work has returned: later use is a broken invariant. */
  close(): void {
    this.#isOpen = false;
  }

  /** In the direction of the range. */
  #changedKeys({ start, end, isReverse }: RangeOptions): Key[] {
    const keys: Key[] = [];
    for (const key of this.changes.keys()) if (key >= start && key < end) keys.push(key);
    keys.sort((a, b) => (a < b ? -1 : 1));
    return isReverse ? keys.reverse() : keys;
  }

  *#merge(changed: Key[], options: RangeOptions): Generator<Entry> {
    const { start, end, isReverse = false, limit = Infinity } = options;
    let left = limit;
    let next = 0;
    if (left <= 0) return;
    for (const entry of this.#base.range({ start, end, isReverse })) {
      for (; next < changed.length && (isReverse ? changed[next]! > entry[0] : changed[next]! < entry[0]); next++) {
        const value = this.changes.get(changed[next]!);
        if (value === undefined) continue;
        yield [changed[next]!, value];
        if (--left <= 0) return;
      }
      if (changed[next] === entry[0]) continue;
      yield entry;
      if (--left <= 0) return;
    }
    for (; next < changed.length; next++) {
      const value = this.changes.get(changed[next]!);
      if (value === undefined) continue;
      yield [changed[next]!, value];
      if (--left <= 0) return;
    }
  }
}
