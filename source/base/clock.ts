/**
 * Time as a seam. Everything that waits or reads a time takes a Clock, so that a whole cluster can run on a simulated one.
 * This file (and random.ts) are the only places that touch Date, performance and timers.
 */
export interface Clock {
  /** Wall-clock milliseconds since 1970. For showing and for file times; nothing's safety may depend on it. */
  nowMs(): number;
  /** Milliseconds that never go backwards. Leases, timeouts and verdicts run on this. Its origin means nothing. */
  monotonicMs(): number;
  /** Runs `callback` once, after at least `delayMs`. Does not keep the process alive by itself when `background` is set. */
  setTimer(callback: () => void, delayMs: number, options?: { background?: boolean }): Timer;
}

export interface Timer {
  /** After this the callback does not run. Harmless when it ran already. */
  cancel(): void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(callback, delayMs, options) {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    if (options?.background) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason as soon as that aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.setTimer(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Calls `tick` every `intervalMs` from the end of one call to the start of the next, so that slow ticks never pile up.
 * A tick that throws stops nothing: `onError` gets what it threw. Returns the function that ends it.
 */
export function repeat(clock: Clock, intervalMs: () => number, tick: () => void | Promise<void>, onError: (error: unknown) => void): () => void {
  let isStopped = false;
  let timer: Timer | undefined;
  const schedule = () => {
    if (!isStopped) timer = clock.setTimer(run, intervalMs(), { background: true });
  };
  const run = async () => {
    try {
      await tick();
    } catch (error) {
      onError(error);
    }
    schedule();
  };
  schedule();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

/** A clock that stands still until `advance` moves it: for tests and simulations. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #sequence = 0;
  readonly #timers = new Map<number, { dueMs: number; callback: () => void }>();

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const id = ++this.#sequence;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), callback });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** Moves time on by `durationMs`, running each timer at its time, in order; ties run in the order they were set. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      let next: [number, { dueMs: number; callback: () => void }] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].dueMs <= endMs && (!next || entry[1].dueMs < next[1].dueMs)) next = entry;
      }
      if (!next) break;
      this.#timers.delete(next[0]);
      this.#nowMs = Math.max(this.#nowMs, next[1].dueMs);
      next[1].callback();
    }
    this.#nowMs = endMs;
  }
}
