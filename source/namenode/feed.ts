import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { ClusterEvent, ClusterHealth, FeedItem, FeedSource } from '../protocol/cluster-events.js';

/** Where the parts of the name node say what happened. */
export interface EventSink {
  publish(event: Omit<ClusterEvent, 'id' | 'timeMs'>): void;
}

export interface FeedOptions {
  clock: Clock;
  logger: Logger;
  health: () => ClusterHealth;
  /** Events kept for readers that come back. */
  keptEvents?: number;
  healthIntervalMs?: number;
}

/** Changes within this time are told together. */
const coalesceMs = 100;

type Listener = (item: FeedItem) => void;

/**
 * The one feed of what happens: events, kept in a ring, and health: every second while somebody listens, and soon after an event.
 * Every event goes to the log, too. Nothing is done, and no timer runs, while nobody listens.
 */
export class ClusterFeed implements FeedSource, EventSink {
  readonly #options: FeedOptions;
  readonly #kept: ClusterEvent[] = [];
  readonly #listeners = new Set<Listener>();
  #lastId = 0;
  #timer: Timer | undefined;
  #timerDueMs = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  publish(event: Omit<ClusterEvent, 'id' | 'timeMs'>): void {
    const { clock, logger, keptEvents = 1000 } = this.#options;
    const full: ClusterEvent = { id: ++this.#lastId, timeMs: clock.nowMs(), ...event };
    logger[event.level](event.message);
    this.#kept.push(full);
    if (this.#kept.length > keptEvents) this.#kept.shift();
    this.#tell({ type: 'cluster', event: full });
    this.healthChanged();
  }

  /** Health is worth telling before its second is over. */
  healthChanged(): void {
    if (this.#listeners.size > 0) this.#schedule(coalesceMs);
  }

  /** The kept events after `afterId`, health as it is now, and from then on what is new. An id of an earlier life of the name node: all kept ones. */
  subscribe(listener: Listener, afterId?: number): () => void {
    if (afterId !== undefined) {
      const afterKnown = afterId > this.#lastId ? 0 : afterId;
      for (const event of this.#kept) if (event.id > afterKnown) listener({ type: 'cluster', event });
    }
    listener({ type: 'health', health: this.#options.health() });
    this.#listeners.add(listener);
    this.#schedule(this.#options.healthIntervalMs ?? 1000);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** Events that are kept, oldest first. */
  get events(): readonly ClusterEvent[] {
    return this.#kept;
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#timer && this.#timerDueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#options.clock.setTimer(() => this.#tellHealth(), delayMs, { background: true });
  }

  #tellHealth(): void {
    this.#timer = undefined;
    if (this.#listeners.size === 0) return;
    this.#schedule(this.#options.healthIntervalMs ?? 1000);
    this.#tell({ type: 'health', health: this.#options.health() });
  }

  /** A listener that fails loses its place: it must not hurt the others. */
  #tell(item: FeedItem): void {
    for (const listener of this.#listeners) {
      try {
        listener(item);
      } catch (error) {
        this.#listeners.delete(listener);
        this.#options.logger.error('a reader of the cluster feed failed and was dropped', error);
      }
    }
  }
}
