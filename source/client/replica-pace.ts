/** Waiting time that a verdict is based on: less says nothing. */
const windowMs = 2000;
/** Below the slowest disk and network that anybody uses on purpose, above every trickle. */
const minBytesPerSecond = 64 * 1024;

/** Whether a replica trickles: it never falls silent for long enough to be given up, and yet gets nowhere. */
export class ReplicaPace {
  #waitedMs = 0;
  #bytes = 0;
  #isSlow = false;

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** Bytes that came after a wait for them. Time in which nobody waits is the reader's own. */
  add(bytes: number, waitedMs: number): void {
    this.#waitedMs += waitedMs;
    this.#bytes += bytes;
    if (this.#waitedMs < windowMs) return;
    this.#isSlow = this.#bytes * 1000 < minBytesPerSecond * this.#waitedMs;
    this.#waitedMs = 0;
    this.#bytes = 0;
  }
}
