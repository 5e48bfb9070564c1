import type { Clock, Timer } from '../base/clock.js';

/**
 * Notices that something makes no progress. Time is counted in ticks, none longer than two of its period: after a process has been
 * stopped, or a laptop asleep, its peers get their time anew instead of all being given up at once.
 */
export class StallWatch {
  readonly #options: { clock: Clock; tickMs: number; limitMs: () => number; onTick?: () => void; onStall: () => void };
  #stalledMs = 0;
  #lastTickMs: number;
  #timer: Timer | undefined;

  /** `onStall` is called at each tick at which nothing has made progress for `limitMs()`; `onTick` before that is judged. */
  constructor(options: { clock: Clock; tickMs: number; limitMs: () => number; onTick?: () => void; onStall: () => void }) {
    this.#options = options;
    this.#lastTickMs = options.clock.monotonicMs();
    this.#schedule();
  }

  progress(): void {
    this.#stalledMs = 0;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(() => this.#tick(), this.#options.tickMs, { background: true });
  }

  #tick(): void {
    const { clock, tickMs, limitMs, onTick, onStall } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#stalledMs += Math.min(nowMs - this.#lastTickMs, 2 * tickMs);
    this.#lastTickMs = nowMs;
    this.#schedule();
    onTick?.();
    if (this.#stalledMs >= limitMs()) onStall();
  }
}
