import { type Clock, sleep } from '../base/clock.js';
import type { Random } from '../base/random.js';
import type { FeedItem } from '../protocol/cluster-events.js';
import { UnavailableError } from '../protocol/errors.js';
import { backoffMs } from './retrying-caller.js';

export type OpenFeed = (options: { afterId?: number; signal?: AbortSignal }) => AsyncIterable<FeedItem>;

/**
 * The name node's feed without an end: reconnects, and goes on after the last event seen, until the signal aborts (then it just ends).
 * UnavailableError only if nothing answers the very first time.
 */
export async function* followFeed(openFeed: OpenFeed, clock: Clock, random: Random, signal: AbortSignal | undefined): AsyncIterable<FeedItem> {
  let afterId: number | undefined;
  let hasContact = false;
  for (let attempt = 0; !signal?.aborted; attempt++) {
    try {
      for await (const item of openFeed({ ...(afterId === undefined ? {} : { afterId }), ...(signal ? { signal } : {}) })) {
        hasContact = true;
        attempt = 0;
        // Ids begin anew in each life of the name node.
        if (item.type === 'cluster') afterId = item.event.id;
        yield item;
        if (signal?.aborted) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!hasContact && error instanceof UnavailableError) throw error;
    }
    await sleep(clock, backoffMs(attempt, random), signal).catch(() => {});
  }
}
