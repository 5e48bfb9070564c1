import { type IncomingMessage, request } from 'node:http';
import { parseAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { ClusterEvent, ClusterHealth, FeedItem } from '../protocol/cluster-events.js';
import { ConfigError, InputOutputError, UnavailableError } from '../protocol/errors.js';
import type { Identity } from '../protocol/hello.js';
import { connectError, connectTimeoutError } from './connect-error.js';
import { checkHello } from './hello-check.js';
import { LineReader } from './line-reader.js';
import { StallWatch } from './stall-watch.js';

export interface FeedOptions {
  /** host:port of the name node. */
  address: string;
  identity: Identity;
  clock: Clock;
  /** The last event that was seen: those after it come first, as far as they are still kept. */
  afterId?: number | undefined;
  signal?: AbortSignal | undefined;
  /** 1,000 if not said. */
  connectTimeoutMs?: number | undefined;
}

/** The node sends something every 15 s (event-stream.ts); silence for so long means that it is gone. */
const silenceLimitMs = 40_000;
const maxLineBytes = 64 * 1024 * 1024;

/**
 * The items of one connection to a node's GET /events, as they come. It ends when the node ends it, and throws when it breaks: an
 * InputOutputError, UnavailableError where nothing answers, the signal's reason. Connecting again is the caller's.
 */
export async function* openFeed(options: FeedOptions): AsyncGenerator<FeedItem, void, undefined> {
  const { address, identity, clock, signal } = options;
  const response = await connectFeed(options);
  const watch = new StallWatch({
    clock,
    tickMs: silenceLimitMs / 4,
    limitMs: () => silenceLimitMs,
    onStall: () => response.destroy(new InputOutputError(`the feed of ${address} went silent`)),
  });
  const onAbort = () => response.destroy(signal!.reason as Error);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const lines = new LineReader(maxLineBytes);
    let event = '';
    for await (const chunk of response as AsyncIterable<Buffer>) {
      watch.progress();
      lines.push(chunk);
      for (let line = lines.next(); line; line = lines.next()) {
        const text = line.toString();
        if (text.startsWith('event: ')) event = text.slice(7);
        if (!text.startsWith('data: ')) continue;
        const item = itemOf(event, text.slice(6), identity, address);
        if (item) yield item;
        // The consumer may have been slow: that is no silence.
        watch.progress();
      }
      if (lines.isOverlong) throw new InputOutputError(`the feed of ${address} sent a line of more than ${maxLineBytes} bytes`);
    }
  } catch (error) {
    signal?.throwIfAborted();
    const code = (error as NodeJS.ErrnoException).code;
    const isBroken = code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
    throw isBroken ? new InputOutputError(`the feed of ${address} broke (${code})`, { cause: error }) : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    watch.stop();
    response.destroy();
  }
}

function connectFeed({ address, identity, clock, afterId, signal, connectTimeoutMs = 1000 }: FeedOptions): Promise<IncomingMessage> {
  signal?.throwIfAborted();
  const target = parseAddress(address);
  if (!target) throw new ConfigError(`${JSON.stringify(address)} is no address of a node; allowed: host:port`);
  // Header values are Latin-1 to Node; names travel as UTF-8.
  const user = Buffer.from(identity.user).toString('latin1');
  const headers: Record<string, string> = { accept: 'text/event-stream', 'x-dfsh-user': user, 'x-dfsh-client': identity.clientId };
  if (afterId !== undefined) headers['last-event-id'] = String(afterId);
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: target.host, port: target.port, path: '/events', headers, agent: false });
    const timer = clock.setTimer(() => outgoing.destroy(connectTimeoutError(address, connectTimeoutMs)), connectTimeoutMs);
    const onAbort = () => outgoing.destroy(signal!.reason as Error);
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      settle();
      if (signal?.aborted) reject(signal.reason as Error);
      else reject(error instanceof UnavailableError ? error : connectError(address, error));
    });
    outgoing.on('response', (response) => {
      settle();
      if (response.statusCode === 200) return resolve(response);
      response.destroy();
      reject(new InputOutputError(`${address} has no feed: it answered with HTTP status ${response.statusCode}`));
    });
    outgoing.end();
  });
}

/** Undefined for the hello, once it is checked, and for kinds of events that a newer node may send. */
function itemOf(event: string, data: string, identity: Identity, address: string): FeedItem | undefined {
  let message: unknown;
  try {
    message = JSON.parse(data);
  } catch (error) {
    throw new InputOutputError(`the feed of ${address} sent what is no JSON`, { cause: error });
  }
  if (event === 'hello') checkHello(message, identity, address);
  if (event === 'health') return { type: 'health', health: message as ClusterHealth };
  if (event === 'cluster') return { type: 'cluster', event: message as ClusterEvent };
  return undefined;
}
