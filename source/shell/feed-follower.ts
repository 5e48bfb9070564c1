import { type Clock, sleep, type Timer } from '../base/clock.js';
import type { ClusterEvent, ClusterHealth, FeedItem } from '../protocol/cluster-events.js';

/** Health comes every second: silence this long, ms, means that the name node does not answer. */
const silenceMs = 3500;
/** The first item is waited for so long, ms, before the panel says that nobody answers. */
const firstSilenceMs = 1500;
/** A feed that ended is opened again after this long, ms. */
const retryDelayMs = 1000;

export interface FeedListener {
  onHealth(health: ClusterHealth): void;
  onEvent(event: ClusterEvent): void;
  /** Called once for each time that it is lost. */
  onLost(): void;
}

/** Follows the cluster until the signal aborts. A name node that is away is no error: the feed is opened again until one answers. */
export async function followFeed(options: { feed: (signal: AbortSignal) => AsyncIterable<FeedItem>; clock: Clock; signal: AbortSignal; listener: FeedListener }): Promise<void> {
  const { feed, clock, signal, listener } = options;
  let isLost = false;
  let timer: Timer | undefined;
  const lose = () => {
    timer?.cancel();
    if (isLost || signal.aborted) return;
    isLost = true;
    listener.onLost();
  };
  const expectWithin = (delayMs: number) => {
    timer?.cancel();
    timer = clock.setTimer(lose, delayMs, { background: true });
  };
  expectWithin(firstSilenceMs);
  while (!signal.aborted) {
    try {
      for await (const item of feed(signal)) {
        if (signal.aborted) break;
        if (item.type === 'health') {
          isLost = false;
          expectWithin(silenceMs);
          listener.onHealth(item.health);
        } else listener.onEvent(item.event);
      }
    } catch {
      // What went wrong shows in the commands; here it only matters that there is nothing to show.
    }
    lose();
    await sleep(clock, retryDelayMs, signal).catch(() => {});
  }
  timer?.cancel();
}
