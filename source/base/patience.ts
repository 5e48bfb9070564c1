import type { Clock, Timer } from './clock.js';

/** One wait of a Patience. */
export interface Wait {
  readonly dueMs: number;
  readonly onOver: () => void;
}

/**
 * Limits one wait after the other: a reader's for its next bytes, thousands a second, most of them over at once. One timer serves them
 * all; when it runs it looks how long the wait of that moment has lasted.
 */
export class Patience {
  readonly #clock: Clock;
  #wait: Wait | undefined;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the wait before, if there is one. `onOver` is called once, unless this wait has ended within `limitMs`. */
  begin(limitMs: number, onOver: () => void): Wait {
    const wait = { dueMs: this.#clock.monotonicMs() + limitMs, onOver };
    this.#wait = wait;
    if (wait.dueMs < this.#timerDueMs) this.#arm(wait.dueMs, limitMs);
    return wait;
  }

  /** Harmless if another one has begun meanwhile. */
  end(wait: Wait): void {
    if (this.#wait === wait) this.#wait = undefined;
  }

  stop(): void {
    this.#wait = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = Infinity;
  }

  #arm(dueMs: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.setTimer(() => this.#look(), delayMs);
  }

  #look(): void {
    this.#timer = undefined;
    this.#timerDueMs = Infinity;
    const wait = this.#wait;
    if (!wait) return;
    const leftMs = wait.dueMs - this.#clock.monotonicMs();
    if (leftMs > 0) return this.#arm(wait.dueMs, leftMs);
    this.#wait = undefined;
    wait.onOver();
  }
}
