import type { Key } from './keys.js';

export type Typed = { type: 'key'; key: Key } | { type: 'paste'; text: string };

/** More than that is dropped: nobody types so far ahead. */
const maxTyped = 2000;

/** What was typed while a command ran, for the next prompt. */
export class TypeAhead {
  #typed: Typed[] = [];

  add(typed: Typed): void {
    if (this.#typed.length < maxTyped) this.#typed.push(typed);
  }

  /** The oldest; undefined when all is used. */
  next(): Typed | undefined {
    return this.#typed.shift();
  }

  clear(): void {
    this.#typed = [];
  }
}
