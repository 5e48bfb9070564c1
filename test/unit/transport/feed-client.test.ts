import test from 'ava';
import { ManualClock, systemClock } from '../../../source/base/clock.js';
import type { ClusterEvent, FeedItem, FeedSource } from '../../../source/protocol/cluster-events.js';
import { ClusterMismatchError, InputOutputError, UnavailableError } from '../../../source/protocol/errors.js';
import { feedHeartbeatMs, maxUnreadBytes } from '../../../source/transport/event-stream.js';
import { openFeed } from '../../../source/transport/feed-client.js';
import { turns } from '../../helpers/block-channel-contract.js';
import { recordingLogger, startEchoNode, testIdentity, until } from '../../helpers/echo-node.js';
import { RawConnection } from '../../helpers/raw-connection.js';

/** A feed that keeps its events, as a name node's does. */
class TestFeed implements FeedSource {
  readonly listeners = new Set<(item: FeedItem) => void>();
  readonly events: ClusterEvent[] = [];

  subscribe(listener: (item: FeedItem) => void, afterId = Infinity): () => void {
    for (const event of this.events) if (event.id > afterId) listener({ type: 'cluster', event });
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  happen(message: string): void {
    const event: ClusterEvent = { id: this.events.length + 1, timeMs: 5, level: 'info', kind: 'node-live', message };
    this.events.push(event);
    this.send({ type: 'cluster', event });
  }

  send(item: FeedItem): void {
    for (const listener of this.listeners) listener(item);
  }
}

function messageOf(item: FeedItem | undefined): string {
  return item?.type === 'cluster' ? item.event.message : 'no event';
}

test('items arrive as they happen, and after a reconnection from the last one seen', async (t) => {
  const feed = new TestFeed();
  const { listener } = await startEchoNode({ feed });
  const open = (afterId?: number) => openFeed({ address: listener.address, identity: testIdentity({ user: 'Jürgen' }), clock: systemClock, afterId });
  const first = open();
  const next = first.next();
  await until(() => feed.listeners.size === 1);
  feed.happen('one\nline');
  t.is(messageOf((await next).value as FeedItem), 'one\nline');
  const health = { type: 'health', health: { status: 'HEALTHY', datanodes: ['é\u2028'] } } as never;
  feed.send(health);
  t.deepEqual((await first.next()).value as unknown, health);
  await first.return(undefined);
  await until(() => feed.listeners.size === 0);
  feed.happen('two');
  feed.happen('three');
  const second = open(1);
  t.is(messageOf((await second.next()).value as FeedItem), 'two');
  t.is(messageOf((await second.next()).value as FeedItem), 'three');
  const last = second.next();
  await listener.close();
  // The node ended it: in good order, or in the middle of a silence.
  await last.then(
    ({ done }) => t.true(done),
    (error: unknown) => t.true(error instanceof InputOutputError),
  );
});

test('any reader of server-sent events can follow: hello, ids, Last-Event-ID or ?after', async (t) => {
  const feed = new TestFeed();
  const { listener } = await startEchoNode({ feed });
  feed.happen('one');
  feed.happen('two');
  for (const [path, header] of [
    ['/events?after=1', ''],
    ['/events', 'Last-Event-ID: 1\r\n'],
  ] as const) {
    const connection = await RawConnection.open(listener.address);
    let text = '';
    connection.socket.on('data', (chunk) => (text += chunk.toString()));
    connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`);
    await until(() => text.includes('"two"'));
    t.regex(text, /content-type: text\/event-stream/i);
    t.regex(text, /event: hello\ndata: \{"magic":"dfsh"/);
    t.regex(text, /event: cluster\nid: 2\ndata: \{"id":2,.*"two"\}\n\n/);
    t.false(text.includes('"one"'));
    connection.socket.destroy();
  }
  await listener.close();
});

test('a quiet feed sends a heartbeat; one that sends nothing at all is given up', async (t) => {
  const clock = new ManualClock();
  const feed = new TestFeed();
  const { listener } = await startEchoNode({ feed, clock });
  const clientClock = new ManualClock();
  const items = openFeed({ address: listener.address, identity: testIdentity(), clock: clientClock });
  const next = items.next();
  let isOver = false;
  const outcome = next.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  await until(() => feed.listeners.size === 1);
  await turns();
  for (let beat = 0; beat < 10; beat++) {
    clientClock.advance(30_000);
    clock.advance(feedHeartbeatMs);
    await turns();
  }
  t.false(isOver);
  clientClock.advance(60_000);
  await t.throwsAsync(next, { instanceOf: InputOutputError, message: /silent/ });
  await outcome;
  await listener.close();
});

test('a reader that leaves too much unread is dropped, and the others are not', async (t) => {
  const feed = new TestFeed();
  const logger = recordingLogger();
  const { listener } = await startEchoNode({ feed, logger });
  const slow = await RawConnection.open(listener.address);
  slow.socket.pause();
  slow.socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => feed.listeners.size === 1);
  const controller = new AbortController();
  const items = openFeed({ address: listener.address, identity: testIdentity(), clock: systemClock, signal: controller.signal });
  let seen = 0;
  const reading = (async () => {
    for await (const item of items) seen += item.type === 'cluster' ? 1 : 0;
  })().catch(() => {});
  await until(() => feed.listeners.size === 2);
  let sent = 0;
  while (feed.listeners.size === 2) {
    feed.happen('x'.repeat(100_000));
    sent++;
    await until(() => seen === sent);
    if (sent * 100_000 > 100 * maxUnreadBytes) return t.fail('the slow reader was not dropped');
  }
  t.is(feed.listeners.size, 1);
  t.regex(logger.lines.join(), /dropped a reader of \/events/);
  slow.socket.destroy();
  controller.abort();
  await reading;
  await listener.close();
});

test('nothing there, no feed there, another cluster, an aborted signal: each is said as what it is', async (t) => {
  const { listener } = await startEchoNode();
  const open = (address: string, options = {}) => openFeed({ address, identity: testIdentity({ clusterId: 'C1' }), clock: systemClock, ...options }).next();
  await t.throwsAsync(open(listener.address), { instanceOf: InputOutputError, message: /no feed.*404/ });
  await listener.close();
  await t.throwsAsync(open(listener.address), { instanceOf: UnavailableError, message: /nothing answers/ });
  const feed = new TestFeed();
  const other = await startEchoNode({ feed, identity: testIdentity({ role: 'namenode', clusterId: 'C2' }) });
  await t.throwsAsync(open(other.listener.address), { instanceOf: ClusterMismatchError });
  const controller = new AbortController();
  const next = openFeed({ address: other.listener.address, identity: testIdentity(), clock: systemClock, signal: controller.signal }).next();
  await until(() => feed.listeners.size === 1);
  await turns();
  controller.abort(new Error('enough'));
  await t.throwsAsync(next, { message: 'enough' });
  await t.throwsAsync(open(other.listener.address, { signal: controller.signal }), { message: 'enough' });
  await until(() => feed.listeners.size === 0);
  await other.listener.close();
});
