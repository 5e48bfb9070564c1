import { counted } from '../base/text.js';
import type { EventSink } from './feed.js';
import type { RepairPlanner } from './repair-planner.js';
import type { ReplicationQueue } from './replication-queue.js';

/** Over so much time the speed is taken. */
const windowMs = 5000;
/** Without a copy ordered for so long, repair stands still: nothing is left to copy to, or from. */
const idleMs = 5000;

/** How far the repair is that runs now, and the events of its begin and its end. */
export class RepairProgress {
  readonly #queue: ReplicationQueue;
  readonly #planner: RepairPlanner;
  readonly #events: EventSink;
  #startedMs: number | undefined;
  #lastActiveMs = 0;
  readonly #samples: { atMs: number; movedBytes: number }[] = [];

  constructor(parts: { queue: ReplicationQueue; planner: RepairPlanner; events: EventSink }) {
    this.#queue = parts.queue;
    this.#planner = parts.planner;
    this.#events = parts.events;
  }

  get isRunning(): boolean {
    return this.#startedMs !== undefined;
  }

  /** Blocks of the repair that runs; zeros if none does. */
  counts(): { doneBlocks: number; totalBlocks: number } {
    return this.isRunning ? this.#queue.progress : { doneBlocks: 0, totalBlocks: 0 };
  }

  get bytesPerSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples[this.#samples.length - 1];
    if (!this.isRunning || !first || !last || last.atMs === first.atMs) return 0;
    return Math.max(0, ((last.movedBytes - first.movedBytes) * 1000) / (last.atMs - first.atMs));
  }

  tick(nowMs: number): void {
    const isWhole = this.#queue.underReplicatedCount === 0;
    const isActive = this.#planner.pendingCount > 0 && !isWhole;
    if (isActive) this.#lastActiveMs = nowMs;
    if (isActive && this.#startedMs === undefined) {
      this.#startedMs = nowMs;
      this.#samples.length = 0;
      this.#events.publish({ kind: 'repair-started', level: 'info', message: `re-replication started: ${counted(this.#queue.underReplicatedCount, 'block')} under-replicated` });
    }
    this.#sample(nowMs);
    if (this.#startedMs !== undefined && isWhole) {
      const seconds = ((nowMs - this.#startedMs) / 1000).toFixed(1);
      this.#events.publish({ kind: 'repair-finished', level: 'info', message: `re-replication finished: ${counted(this.#queue.progress.doneBlocks, 'block')} in ${seconds} s` });
      this.#startedMs = undefined;
    } else if (this.#startedMs !== undefined && nowMs - this.#lastActiveMs > idleMs) {
      this.#events.publish({ kind: 'repair-finished', level: 'warn', message: `re-replication stands still: ${counted(this.#queue.underReplicatedCount, 'block')} under-replicated, and no data node to copy to` });
      this.#startedMs = undefined;
    }
    if (isWhole) this.#queue.restartProgress();
  }

  #sample(nowMs: number): void {
    const last = this.#samples[this.#samples.length - 1];
    if (last && nowMs - last.atMs < 500) return;
    this.#samples.push({ atMs: nowMs, movedBytes: this.#planner.movedBytes });
    while (this.#samples[0]!.atMs < nowMs - windowMs) this.#samples.shift();
  }
}
