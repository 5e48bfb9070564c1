import { type Clock, repeat } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { messageOf } from './pipeline.js';
import type { RetryingCaller } from './retrying-caller.js';

/**
 * Keeps the leases of all files that this client writes, while it writes any (Hadoop: LeaseRenewer). At a third of the soft limit, after
 * which the name node takes a temporary file for abandoned: two calls in a row may be lost.
 */
export class LeaseRenewer {
  readonly #nameNode: RetryingCaller;
  readonly #clock: Clock;
  readonly #log: Logger;
  #openCount = 0;
  #intervalMs = 0;
  #stop: (() => void) | undefined;

  constructor(nameNode: RetryingCaller, clock: Clock, log: Logger) {
    this.#nameNode = nameNode;
    this.#clock = clock;
    this.#log = log;
  }

  /** A file was created. Returns the function that says that it is closed or given up. */
  begin(softLeaseLimitMs: number): () => void {
    this.#intervalMs = Math.max(1, Math.floor(softLeaseLimitMs / 3));
    this.#openCount++;
    this.#stop ??= repeat(this.#clock, () => this.#intervalMs, () => this.#renew(), (error) => this.#log.warn(`could not renew the leases of the files being written: ${messageOf(error)}`));
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      if (--this.#openCount > 0) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  async #renew(): Promise<void> {
    await this.#nameNode.call('fs.renewLease', {}, { retryTimeoutMs: this.#intervalMs });
  }
}
