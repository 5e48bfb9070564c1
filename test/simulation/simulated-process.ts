import type { Clock, Timer } from '../../source/base/clock.js';
import type { Random } from '../../source/base/random.js';
import type { Simulator } from './simulator.js';

/** What a call of a dead process resolves to. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/**
 * One life of one program on one host. What it does goes through its clock and through the simulated network and disks, all of which go
 * by its state: of a killed process nothing ever settles, and no timer fires; a stopped one (SIGSTOP) does later what is due meanwhile.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly host: string;
  readonly simulator: Simulator;
  readonly random: Random;
  readonly clock: Clock;
  readonly #startedMs: number;
  /** What the host's wall clock is wrong by, asked at each look. */
  readonly #wallOffsetMs: () => number;
  readonly #onKilled: (() => void)[] = [];
  #isAlive = true;
  #stoppedUntilMs = 0;
  /** Calls of seams so far, and the one at which the process dies. */
  #seamCalls = 0;
  #diesAtCall = Infinity;
  #onDeath: (() => void) | undefined;

  constructor(simulator: Simulator, options: { name: string; host: string; wallOffsetMs?: () => number }) {
    this.simulator = simulator;
    this.name = options.name;
    this.host = options.host;
    this.random = simulator.fork();
    this.#wallOffsetMs = options.wallOffsetMs ?? (() => 0);
    this.#startedMs = simulator.nowMs - this.random.integer(1_000_000_000);
    this.clock = {
      nowMs: () => Math.floor(wallStartMs + simulator.nowMs + this.#wallOffsetMs()),
      monotonicMs: () => simulator.nowMs - this.#startedMs,
      setTimer: (callback, delayMs) => this.#setTimer(callback, delayMs),
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isStopped(): boolean {
    return this.#stoppedUntilMs > this.simulator.nowMs;
  }

  /** After `delayMs`, later if the process is stopped, never if it is dead by then. */
  after(delayMs: number, run: () => void): () => void {
    if (!this.#isAlive) return () => {};
    const { simulator } = this;
    let event = simulator.schedule(delayMs, () => fire());
    const fire = () => {
      if (!this.#isAlive) return;
      if (this.#stoppedUntilMs > simulator.nowMs) event = simulator.schedule(this.#stoppedUntilMs - simulator.nowMs, fire);
      else run();
    };
    return () => simulator.cancel(event);
  }

  /** Within an event: at once, later if the process is stopped, never if it is dead. */
  now(run: () => void): void {
    if (!this.#isAlive) return;
    if (this.isStopped) this.after(0, run);
    else run();
  }

  /** To be called at each call of a seam. False: the process is dead, or has just died, and the call never happens. */
  enterSeam(): boolean {
    if (!this.#isAlive) return false;
    if (++this.#seamCalls < this.#diesAtCall) return true;
    const onDeath = this.#onDeath;
    this.#diesAtCall = Infinity;
    onDeath?.();
    return this.#isAlive;
  }

  /** The process dies at the call of a seam that comes `count` calls from now; `kill` must be done by `onDeath`. */
  dieAtSeamCall(count: number, onDeath: () => void): void {
    this.#diesAtCall = this.#seamCalls + count;
    this.#onDeath = onDeath;
  }

  stopFor(durationMs: number): void {
    this.#stoppedUntilMs = Math.max(this.#stoppedUntilMs, this.simulator.nowMs + durationMs);
  }

  onKilled(listener: () => void): void {
    this.#onKilled.push(listener);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const listener of this.#onKilled.splice(0)) listener();
  }

  #setTimer(callback: () => void, delayMs: number): Timer {
    // Timers of a busy process are late by a little.
    const lateMs = this.random.next() < 0.02 ? this.random.next() * 5 : 0;
    return { cancel: this.after(delayMs + lateMs, callback) };
  }
}

/** When simulations begin, by an exact wall clock. */
const wallStartMs = 1_700_000_000_000;
