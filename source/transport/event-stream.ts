import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, repeat } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { FeedItem, FeedSource } from '../protocol/cluster-events.js';
import { type Identity, helloOf } from '../protocol/hello.js';

/** A comment line so often, so that a reader can tell a quiet feed from a dead one. */
export const feedHeartbeatMs = 15_000;
/** What a reader may leave unread, in bytes, before it is dropped. It reconnects and goes on after the last event it saw. */
export const maxUnreadBytes = 1024 * 1024;

/**
 * GET /events as server-sent events (WHATWG HTML, section 9.2): first `event: hello` with our Hello, then `event: health` with a
 * ClusterHealth and `event: cluster` with a ClusterEvent and its id. The header Last-Event-ID, or ?after=ID, begins after that event.
 */
export function serveEvents(
  request: IncomingMessage,
  response: ServerResponse,
  options: { feed: FeedSource; identity: Identity; clock: Clock; logger: Logger },
): void {
  const { feed, identity, clock, logger } = options;
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  });
  const write = (text: string) => {
    if (response.destroyed) return;
    response.write(text);
    if (response.writableLength <= maxUnreadBytes) return;
    const reader = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
    logger.warn(`dropped a reader of /events at ${reader}: it left ${response.writableLength} bytes unread`);
    response.destroy();
  };
  write(eventText('hello', helloOf(identity)));
  const stopHeartbeat = repeat(clock, () => feedHeartbeatMs, () => write(': still here\n\n'), () => {});
  const unsubscribe = feed.subscribe((item) => write(feedText(item)), lastEventId(request));
  response.on('close', () => {
    stopHeartbeat();
    unsubscribe();
  });
}

function feedText(item: FeedItem): string {
  return item.type === 'health' ? eventText('health', item.health) : eventText('cluster', item.event, item.event.id);
}

function eventText(event: string, data: object, id?: number): string {
  // JSON.stringify leaves no newline in its text, so one data line holds it all.
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}

function lastEventId(request: IncomingMessage): number | undefined {
  const text = request.headers['last-event-id'] ?? new URLSearchParams((request.url ?? '').split('?')[1]).get('after');
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
