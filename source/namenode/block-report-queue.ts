import { type Clock, sleep } from '../base/clock.js';
import { OverloadedError } from '../protocol/errors.js';

/** One message to take in, as a series of bounded pieces of work: each `next` does one, and yields how many replicas it looked at. */
export type ReportWork = Iterator<number, void>;

export interface ReportQueueOptions {
  clock: Clock;
  /** Messages that wait, by the length of their text: the sum is bounded. */
  maxWaitingBytes?: number;
  maxWaitingMessages?: number;
  /** Replicas looked at between two rests: some milliseconds. */
  replicasPerTurn?: number;
}

interface Job {
  readonly size: number;
  readonly work: () => ReportWork;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes block reports in one after the other, resting between pieces so that other calls are answered meanwhile. When a storm of them
 * fills it, further ones are refused (OverloadedError): their nodes try again (promises.md, fault 44). Nothing is taken in before `open`:
 * the blocks are not known before.
 */
export class BlockReportQueue {
  readonly #options: ReportQueueOptions;
  readonly #jobs: Job[] = [];
  #waitingBytes = 0;
  #isOpen = false;
  #isRunning = false;

  constructor(options: ReportQueueOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves when all of it was taken in; rejects with what `work` or its pieces threw. */
  add(size: number, work: () => ReportWork): Promise<void> {
    const { maxWaitingBytes = 128 * 1024 * 1024, maxWaitingMessages = 10_000 } = this.#options;
    if (this.#jobs.length >= maxWaitingMessages || (this.#jobs.length > 0 && this.#waitingBytes + size > maxWaitingBytes)) {
      return Promise.reject(new OverloadedError(`${this.#jobs.length} block reports wait already; send this one again a little later`));
    }
    return new Promise((resolve, reject) => {
      this.#jobs.push({ size, work, resolve, reject });
      this.#waitingBytes += size;
      this.#run();
    });
  }

  open(): void {
    this.#isOpen = true;
    this.#run();
  }

  /** Errors go to whoever sent the message; this itself never rejects. */
  #run(): void {
    if (!this.#isRunning && this.#isOpen) void this.#runAll();
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    const { clock, replicasPerTurn = 8192 } = this.#options;
    let replicas = 0;
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      this.#waitingBytes -= job.size;
      try {
        const work = job.work();
        for (let step = work.next(); !step.done; step = work.next()) {
          replicas += step.value;
          if (replicas < replicasPerTurn) continue;
          replicas = 0;
          await sleep(clock, 0);
        }
        job.resolve();
      } catch (error) {
        job.reject(error);
      }
    }
    this.#isRunning = false;
  }
}
