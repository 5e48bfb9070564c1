import { assert } from '../base/assert.js';

/** Runs tasks side by side, up to a number of slots. Whoever adds a task waits for its slot: nothing queues up. */
export class TaskPool {
  readonly #slots: number;
  #used = 0;
  readonly #waiting: { cost: number; start: () => void }[] = [];
  readonly #idle: (() => void)[] = [];

  constructor(slots: number) {
    assert(slots >= 1, 'a pool has a slot');
    this.#slots = slots;
  }

  /** Resolves when `task`, which must not reject, has started. One that costs more than there is takes all. */
  async start(task: () => Promise<void>, cost = 1): Promise<void> {
    const taken = Math.min(cost, this.#slots);
    if (this.#waiting.length > 0 || this.#used + taken > this.#slots) {
      await new Promise<void>((start) => this.#waiting.push({ cost: taken, start }));
    } else {
      this.#used += taken;
    }
    void task().then(() => this.#finish(taken));
  }

  /** Resolves when no task runs. */
  async drain(): Promise<void> {
    while (this.#used > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #finish(cost: number): void {
    this.#used -= cost;
    for (let next = this.#waiting[0]; next && this.#used + next.cost <= this.#slots; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.cost;
      next.start();
    }
    if (this.#used === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
