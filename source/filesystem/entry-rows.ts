import { assert } from '../base/assert.js';
import type { FileStatus } from '../protocol/file-status.js';

/**
 * The entries of one directory in columns, some 60 bytes each beside the name: a listing of a million entries is held, since its
 * widths are known at its end only.
 */
export class EntryRows {
  #capacity = 1024;
  #count = 0;
  readonly #names: string[] = [];
  #numbers = new Float64Array(this.#capacity * 5);
  #flags = new Uint16Array(this.#capacity * 3);
  readonly #accounts: string[] = [];
  readonly #accountIndexes = new Map<string, number>();
  #accountsOfRows = new Uint32Array(this.#capacity * 2);

  get count(): number {
    return this.#count;
  }

  add(status: FileStatus): void {
    if (this.#count === this.#capacity) this.#grow();
    const row = this.#count++;
    this.#names.push(status.name);
    this.#numbers.set([status.inodeId, status.lengthBytes, status.blockSizeBytes, status.modificationTimeMs, status.accessTimeMs], row * 5);
    this.#flags.set([(status.type === 'directory' ? 1 : 0) | (status.isUnderConstruction ? 2 : 0), status.replication, status.permission], row * 3);
    this.#accountsOfRows.set([this.#account(status.owner), this.#account(status.group)], row * 2);
  }

  /** A new object each time. 0 <= row < count. */
  get(row: number): FileStatus {
    assert(row < this.#count, 'a row is within the rows');
    const [inodeId, lengthBytes, blockSizeBytes, modificationTimeMs, accessTimeMs] = this.#numbers.subarray(row * 5, row * 5 + 5) as unknown as [
      number,
      number,
      number,
      number,
      number,
    ];
    const [kind, replication, permission] = this.#flags.subarray(row * 3, row * 3 + 3) as unknown as [number, number, number];
    return {
      name: this.#names[row]!,
      inodeId,
      type: kind & 1 ? 'directory' : 'file',
      lengthBytes,
      replication,
      blockSizeBytes,
      modificationTimeMs,
      accessTimeMs,
      permission,
      owner: this.#accounts[this.#accountsOfRows[row * 2]!]!,
      group: this.#accounts[this.#accountsOfRows[row * 2 + 1]!]!,
      isUnderConstruction: (kind & 2) !== 0,
    };
  }

  name(row: number): string {
    return this.#names[row]!;
  }

  lengthBytes(row: number): number {
    return this.#numbers[row * 5 + 1]!;
  }

  modificationTimeMs(row: number): number {
    return this.#numbers[row * 5 + 3]!;
  }

  accessTimeMs(row: number): number {
    return this.#numbers[row * 5 + 4]!;
  }

  /** Row numbers, in the order of `compare`; equal ones stay as they were added. */
  sorted(compare: (a: number, b: number) => number): Uint32Array {
    const rows = new Uint32Array(this.#count);
    let isSorted = true;
    for (let row = 0; row < rows.length; row++) {
      rows[row] = row;
      if (isSorted && row > 0 && compare(row - 1, row) > 0) isSorted = false;
    }
    // A listing comes almost always in the order of its names already.
    return isSorted ? rows : rows.sort((a, b) => compare(a, b) || a - b);
  }

  #account(name: string): number {
    let index = this.#accountIndexes.get(name);
    if (index === undefined) {
      index = this.#accounts.push(name) - 1;
      this.#accountIndexes.set(name, index);
    }
    return index;
  }

  #grow(): void {
    this.#capacity *= 2;
    const numbers = new Float64Array(this.#capacity * 5);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    const flags = new Uint16Array(this.#capacity * 3);
    flags.set(this.#flags);
    this.#flags = flags;
    const accounts = new Uint32Array(this.#capacity * 2);
    accounts.set(this.#accountsOfRows);
    this.#accountsOfRows = accounts;
  }
}
