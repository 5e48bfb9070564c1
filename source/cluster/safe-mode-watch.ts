import type { Clock } from '../base/clock.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';

/** So long nothing moves any more before it is taken to stay so. */
const settleMs = 2000;

/** Sees whether a name node in safe mode may still leave it by itself: not when all nodes have reported, and its reason does not move, with blocks or seconds, any more. */
export class SafeModeWatch {
  readonly #clock: Clock;
  #reason = '';
  #sinceMs = 0;
  isSettled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  observe({ safeMode, datanodes }: ClusterHealth): boolean {
    const nowMs = this.#clock.monotonicMs();
    const isReported = datanodes.every((node) => node.state === 'dead' || node.lastBlockReportTimeMs > 0);
    if (!isReported || safeMode.reason !== this.#reason) {
      this.#reason = safeMode.reason;
      this.#sinceMs = nowMs;
    }
    return (this.isSettled = isReported && nowMs - this.#sinceMs >= settleMs);
  }
}
