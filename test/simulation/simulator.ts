import { seededRandom, type Random } from '../../source/base/random.js';
import { Trace } from './trace.js';

/** One thing that will happen. */
export interface ScheduledEvent {
  atMs: number;
  sequence: number;
  /** Undefined once it is taken back. */
  run: (() => void) | undefined;
}

/** A broken promise of the product: the simulation ends with it. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Events at one moment, beyond which something goes round in circles. */
const maxEventsAtOnce = 200_000;
const turnsPerBatch = 128;

/**
 * Simulated time: a heap of events, run in the order of their times and, at one time, in the order in which they were scheduled. After
 * each event all that has become ready (promises and what follows from them) runs before the next: an event is run in a setImmediate of
 * its own, between which Node empties its queues.
 */
export class Simulator {
  readonly trace = new Trace();
  readonly random: Random;
  /** Told of each event, for looking at a failure. */
  onNote: ((kind: string, details: (string | number | undefined)[]) => void) | undefined;
  readonly #seed: number;
  #nowMs = 0;
  #sequence = 0;
  #heap: ScheduledEvent[] = [];
  #cancelled = 0;
  #eventsNow = 0;
  #failure: unknown;

  constructor(seed: number) {
    this.#seed = seed;
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** A stream that no other part's draws shift, and that shifts none: for what came to the simulation later. */
  forkApart(number: number): Random {
    return seededRandom((Math.imul(this.#seed + 1, 0x85ebca6b) ^ Math.imul(number, 0x9e3779b1)) >>> 0);
  }

  /** A random stream of its own, so that one part's draws do not shift another's. */
  fork(): Random {
    return seededRandom(this.random.integer(2 ** 32));
  }

  note(kind: string, ...details: (string | number | undefined)[]): void {
    this.trace.note(this.#nowMs, kind, ...details);
    this.onNote?.(kind, details);
  }

  /** Ends the run with this error, once the event that is running is over. The first one counts. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  schedule(delayMs: number, run: () => void): ScheduledEvent {
    const event: ScheduledEvent = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: ++this.#sequence, run };
    this.#push(event);
    return event;
  }

  cancel(event: ScheduledEvent): void {
    if (!event.run) return;
    event.run = undefined;
    if (++this.#cancelled > 1000 && this.#cancelled > this.#heap.length / 2) this.#compact();
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(delayMs, resolve));
  }

  /** Runs until `main` settles, or something has failed; rejects with what failed. */
  run(main: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      main.then(
        () => (isOver = true),
        (error: unknown) => this.fail(error),
      );
      let turns = 0;
      const finish = () => {
        isOver = true;
        if (this.#failure !== undefined) reject(this.#failure);
        else resolve();
      };
      let isFinished = false;
      const turn = () => {
        turns--;
        if (isFinished) return;
        if (isOver || this.#failure !== undefined) {
          isFinished = true;
          return finish();
        }
        try {
          if (!this.#runNext()) this.fail(new Error('the simulation stands still: nothing is scheduled any more'));
        } catch (error) {
          this.fail(error);
        }
        if (turns === 0) batch();
      };
      const batch = () => {
        turns = turnsPerBatch;
        for (let i = 0; i < turnsPerBatch; i++) setImmediate(turn);
      };
      batch();
    });
  }

  #runNext(): boolean {
    for (;;) {
      const event = this.#pop();
      if (!event) return false;
      const { run } = event;
      if (!run) {
        this.#cancelled--;
        continue;
      }
      if (event.atMs > this.#nowMs) {
        this.#nowMs = event.atMs;
        this.#eventsNow = 0;
      } else if (++this.#eventsNow > maxEventsAtOnce) {
        throw new Violation(`${maxEventsAtOnce} events at one moment: something goes round in circles`);
      }
      event.run = undefined;
      run();
      return true;
    }
  }

  #compact(): void {
    const live = this.#heap.filter((event) => event.run);
    this.#heap = [];
    this.#cancelled = 0;
    for (const event of live) this.#push(event);
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): ScheduledEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
