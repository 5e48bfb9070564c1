import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import type { FeedItem } from '../../../source/protocol/cluster-events.js';
import { UnavailableError } from '../../../source/protocol/errors.js';
import { followFeed } from '../../../source/shell/feed-follower.js';
import { fixtureHealth } from '../../helpers/fixture-cluster.js';

const health: FeedItem = { type: 'health', health: fixtureHealth() };

/** Feeds that the test fills: each opening is one; `give` ends with undefined. */
function createFeeds() {
  const clock = new ManualClock();
  const abort = new AbortController();
  const said: string[] = [];
  let opened = 0;
  let queue: (FeedItem | Error | undefined)[] = [];
  let wake: (() => void) | undefined;
  const following = followFeed({
    clock,
    signal: abort.signal,
    listener: { onHealth: () => said.push('health'), onEvent: ({ message }) => said.push(message), onLost: () => said.push('lost') },
    async *feed(signal) {
      opened++;
      signal.addEventListener('abort', () => wake?.(), { once: true });
      for (;;) {
        while (queue.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
        const item = queue.shift();
        if (item instanceof Error) throw item;
        if (!item) return;
        yield item;
      }
    },
  });
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return {
    clock,
    said,
    settle,
    opened: () => opened,
    async give(...items: (FeedItem | Error | undefined)[]) {
      queue = [...queue, ...items];
      wake?.();
      await settle();
    },
    async stop() {
      abort.abort();
      await following;
    },
  };
}

test('health and events are handed on as they come', async (t) => {
  const feeds = createFeeds();
  await feeds.give(health, { type: 'cluster', event: { id: 1, timeMs: 0, level: 'warn', kind: 'node-stale', message: 'dn3 STALE' } });
  t.deepEqual(feeds.said, ['health', 'dn3 STALE']);
  await feeds.stop();
});

test('silence is told once, and health ends it', async (t) => {
  const feeds = createFeeds();
  await feeds.give(health);
  feeds.clock.advance(3000);
  t.deepEqual(feeds.said, ['health']);
  feeds.clock.advance(60_000);
  t.deepEqual(feeds.said, ['health', 'lost']);
  await feeds.give(health);
  feeds.clock.advance(4000);
  t.deepEqual(feeds.said, ['health', 'lost', 'health', 'lost']);
  await feeds.stop();
});

test('where nobody answers at first it says so soon, and tries again every second until somebody does', async (t) => {
  const feeds = createFeeds();
  await feeds.give(new UnavailableError('refused'));
  t.deepEqual(feeds.said, ['lost']);
  feeds.clock.advance(1000);
  await feeds.settle();
  t.is(feeds.opened(), 2);
  await feeds.give(new UnavailableError('refused'));
  t.deepEqual(feeds.said, ['lost'], 'told once');
  feeds.clock.advance(1000);
  await feeds.settle();
  await feeds.give(health);
  t.deepEqual(feeds.said, ['lost', 'health']);
  await feeds.stop();
});

test('a feed that ends is opened again', async (t) => {
  const feeds = createFeeds();
  await feeds.give(health, undefined);
  t.deepEqual(feeds.said, ['health', 'lost']);
  feeds.clock.advance(1000);
  await feeds.settle();
  t.is(feeds.opened(), 2);
  await feeds.stop();
});
