import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { silentLogger } from '../../../source/base/log.js';
import { ClusterFeed } from '../../../source/namenode/feed.js';
import type { ClusterHealth, FeedItem } from '../../../source/protocol/cluster-events.js';

function createFeed(keptEvents?: number) {
  const clock = new ManualClock();
  let healthCount = 0;
  const health = () => ({ timeMs: ++healthCount }) as ClusterHealth;
  const feed = new ClusterFeed({ clock, logger: silentLogger, health, ...(keptEvents === undefined ? {} : { keptEvents }) });
  const say = (message: string) => feed.publish({ kind: 'node-live', level: 'info', message });
  return { clock, feed, say, healthCount: () => healthCount };
}

function reader(feed: ClusterFeed, afterId?: number) {
  const items: FeedItem[] = [];
  const end = feed.subscribe((item) => items.push(item), afterId);
  return { items, end, messages: () => items.flatMap((item) => (item.type === 'cluster' ? [item.event.message] : [])), healths: () => items.filter(({ type }) => type === 'health').length };
}

test('a reader gets health at once and every second, events as they come, and health soon after them, once for many', (t) => {
  const { clock, feed, say } = createFeed();
  const { healths, messages, end } = reader(feed);
  t.is(healths(), 1);
  clock.advance(3000);
  t.is(healths(), 4);
  say('a');
  say('b');
  t.deepEqual(messages(), ['a', 'b']);
  clock.advance(100);
  t.is(healths(), 5);
  clock.advance(999);
  t.is(healths(), 5);
  end();
  say('c');
  clock.advance(5000);
  t.deepEqual(messages(), ['a', 'b']);
  t.is(healths(), 5);
});

test('a reader that comes back gets what it missed, in order, with rising ids; what is not kept any more is gone', (t) => {
  const { feed, say } = createFeed(3);
  for (const message of ['a', 'b', 'c', 'd', 'e']) say(message);
  t.deepEqual(reader(feed, 3).messages(), ['d', 'e']);
  t.deepEqual(reader(feed, 0).messages(), ['c', 'd', 'e']);
  t.deepEqual(reader(feed).messages(), [], 'a new reader gets only what is new');
  t.deepEqual(reader(feed, 99).messages(), ['c', 'd', 'e'], 'an id of an earlier life of the name node');
  t.deepEqual(feed.events.map(({ id }) => id), [3, 4, 5]);
});

test('nobody listens: health is not computed', (t) => {
  const { clock, say, healthCount } = createFeed();
  say('a');
  clock.advance(10_000);
  t.is(healthCount(), 0);
});

test('a reader that fails is dropped, and does not hurt the others', (t) => {
  const { feed, say } = createFeed();
  let calls = 0;
  feed.subscribe((item) => {
    calls++;
    if (item.type === 'cluster') throw new Error('broken pipe');
  });
  const good = reader(feed);
  say('a');
  say('b');
  t.deepEqual(good.messages(), ['a', 'b']);
  t.is(calls, 2);
});
