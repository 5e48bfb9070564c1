import { OverloadedError } from '../protocol/errors.js';

/** At most `limit` at a time. Up to `queueLimit` wait in order; more are refused with OverloadedError. */
export class Permits {
  readonly #limit: number;
  readonly #queueLimit: number;
  readonly #what: string;
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;

  constructor(limits: { limit: number; queueLimit: number; what: string }) {
    this.#limit = limits.limit;
    this.#queueLimit = limits.queueLimit;
    this.#what = limits.what;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Resolves to the function that gives the permit back; calling it again does nothing. */
  async acquire(): Promise<() => void> {
    if (this.#inUse < this.#limit) this.#inUse++;
    else if (this.#waiting.length < this.#queueLimit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else throw new OverloadedError(`too many ${this.#what} at once (${this.#limit}, and ${this.#queueLimit} waiting); try again later`);
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inUse--;
    };
  }
}
