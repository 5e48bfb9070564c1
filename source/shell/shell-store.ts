import type { Clock, Timer } from '../base/clock.js';
import { drawDelayMs, reduceShell, type ShellEvent, type ShellState } from './shell-state.js';

/**
 * The shell's state outside React, so that the screen can be mounted and unmounted without losing anything. `current` is the newest
 * state; `getSnapshot` the one last announced to subscribers: changes that may wait (drawDelayMs) are announced together.
 */
export class ShellStore {
  readonly #clock: Clock;
  #current: ShellState;
  #announced: ShellState;
  readonly #listeners = new Set<() => void>();
  #timer: { timer: Timer; dueMs: number } | undefined;

  constructor(initial: ShellState, clock: Clock) {
    this.#clock = clock;
    this.#current = initial;
    this.#announced = initial;
  }

  get current(): ShellState {
    return this.#current;
  }

  getSnapshot = (): ShellState => this.#announced;

  /** For `useSyncExternalStore`. Returns the function that unsubscribes. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  dispatch(event: ShellEvent): void {
    this.#current = reduceShell(this.#current, event);
    const delayMs = drawDelayMs(event);
    if (delayMs === 0) return this.announce();
    const dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#timer && this.#timer.dueMs <= dueMs) return;
    this.#timer?.timer.cancel();
    this.#timer = { timer: this.#clock.setTimer(() => this.announce(), delayMs, { background: true }), dueMs };
  }

  announce(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    if (this.#announced === this.#current) return;
    this.#announced = this.#current;
    for (const listener of this.#listeners) listener();
  }
}
