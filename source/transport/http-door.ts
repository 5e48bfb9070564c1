import { isUtf8 } from 'node:buffer';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopback, parseAddress } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { FeedSource } from '../protocol/cluster-events.js';
import type { Identity } from '../protocol/hello.js';
import type { CallContext } from '../protocol/method.js';
import { serveEvents } from './event-stream.js';
import { isName } from './hello-check.js';
import { parseJson } from './json-text.js';
import { type MetricSample, formatMetrics, metricsContentType } from './metrics.js';
import { type RpcServer, refusalText } from './rpc-server.js';

export interface HttpDoorLimits {
  maxRequestBytes: number;
  /** From a request's first byte to its last, ms. */
  requestTimeoutMs: number;
  /** Between two requests of a connection, ms. */
  keepAliveTimeoutMs: number;
}

/** What GET /healthz answers: its HTTP status, and the members of its JSON. */
export interface HealthReport {
  httpStatus: number;
  status: string;
  [member: string]: unknown;
}

export interface HttpDoorOptions {
  rpc: RpcServer;
  identity: Identity;
  title: string;
  clock: Clock;
  random: Random;
  logger: Logger;
  limits: HttpDoorLimits;
  feed?: FeedSource | undefined;
  health?: (() => HealthReport) | undefined;
  metrics?: (() => MetricSample[]) | undefined;
}

type Respond = (status: number, body: string, headers?: Record<string, string>) => void;
type Route = { methods: string[]; serve: (request: IncomingMessage, response: ServerResponse, respond: Respond) => void };

/**
 * A node's HTTP door: POST /rpc, GET /healthz, /metrics, /events and a word at /. Its server never listens: connections that begin
 * like HTTP are given to it by the node's one listener.
 *
 * Nobody is authenticated yet, so a browser must not be able to carry a foreign page's calls here: the Host must be a name of
 * loopback (DNS rebinding), and an Origin the very same host (cross-site requests); else 403.
 */
export class HttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #server: Server;
  readonly #routes: Map<string, Route>;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    const { limits } = options;
    this.#routes = new Map<string, Route>([
      ['/', { methods: ['GET', 'HEAD'], serve: (_request, _response, respond) => respond(200, this.#welcome()) }],
      ['/rpc', { methods: ['POST'], serve: (request, _response, respond) => this.#serveRpc(request, respond) }],
    ]);
    const { health, metrics, feed } = options;
    if (health) this.#routes.set('/healthz', { methods: ['GET', 'HEAD'], serve: (_request, _response, respond) => respondHealth(health(), respond) });
    if (metrics) this.#routes.set('/metrics', { methods: ['GET', 'HEAD'], serve: (_request, _response, respond) => this.#serveMetrics(metrics, respond) });
    if (feed) {
      const { identity, clock, logger } = options;
      this.#routes.set('/events', { methods: ['GET'], serve: (request, response) => serveEvents(request, response, { feed, identity, clock, logger }) });
    }
    this.#server = createServer(
      {
        headersTimeout: limits.requestTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.keepAliveTimeoutMs,
        connectionsCheckingInterval: Math.min(5000, Math.max(100, limits.requestTimeoutMs / 2)),
      },
      (request, response) => this.#serve(request, response),
    );
    this.#server.on('clientError', refuseMalformed);
    // A server that never listens would not check its time limits (node:http starts that on this event).
    this.#server.emit('listening');
  }

  /** Takes over a connection of which `first` has been read. */
  accept(socket: Socket, first: Buffer): void {
    socket.pause();
    socket.unshift(first);
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** Resolves when no call is being answered. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      if (this.#inFlight === 0) resolve();
    });
  }

  /** Stops the server's own timers. The listener ends its connections. */
  close(): void {
    this.#server.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const respond: Respond = (status, body, headers = {}) => {
      if (response.headersSent || response.destroyed) return;
      const content = status === 204 ? {} : { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(Buffer.byteLength(body)) };
      response.writeHead(status, { ...content, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', ...headers });
      response.end(body);
    };
    const foreign = foreignProblem(request);
    if (foreign) return respond(403, `${foreign}\n`, { connection: 'close' });
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const route = this.#routes.get(path);
    if (!route) return respond(404, `nothing is served at this path; there is ${[...this.#routes.keys()].join(', ')}\n`);
    if (!route.methods.includes(request.method ?? '')) return respond(405, `use ${route.methods.join(' or ')}\n`, { allow: route.methods.join(', ') });
    try {
      route.serve(request, response, respond);
    } catch (error) {
      this.#options.logger.error(`${request.method} ${path} failed unexpectedly`, error);
      respond(500, 'internal error; the log of the node has the details\n');
    }
  }

  #serveRpc(request: IncomingMessage, respond: Respond): void {
    const { limits, rpc } = this.#options;
    const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
    if (type !== 'application/json') return respond(415, 'a call is application/json\n');
    const context = this.#contextOf(request);
    if (typeof context === 'string') return respond(400, `${context}\n`);
    const refuse = (status: number, message: string) => respond(status, `${message}\n`);
    readBody(request, limits.maxRequestBytes, refuse, (body) => {
      let message: unknown;
      try {
        message = parseJson(body);
      } catch (error) {
        return respondJson(respond, refusalText(error as Error));
      }
      this.#inFlight++;
      rpc.call(message, context, (answer) => {
        this.#inFlight--;
        if (answer === undefined) respond(204, '');
        else respondJson(respond, answer);
        if (this.#inFlight === 0) this.#onIdle?.();
      });
    });
  }

  /** Who calls, from the headers; a problem as text. Without a client id of its own each request is a client of its own. */
  #contextOf(request: IncomingMessage): CallContext | string {
    const user = headerText(request, 'x-dfsh-user') ?? 'dr.who';
    const clientId = headerText(request, 'x-dfsh-client') ?? `http-${this.#options.random.id()}`;
    if (!isName(user)) return 'x-dfsh-user must be a name of 1 to 255 characters';
    if (!isName(clientId)) return 'x-dfsh-client must be text of 1 to 255 characters';
    return { user, clientId, role: 'client', remoteAddress: `${request.socket.remoteAddress}:${request.socket.remotePort}` };
  }

  #serveMetrics(metrics: () => MetricSample[], respond: Respond): void {
    formatMetrics(metrics()).then(
      (text) => respond(200, text, { 'content-type': metricsContentType }),
      (error: unknown) => {
        this.#options.logger.error('GET /metrics failed unexpectedly', error);
        respond(500, 'internal error; the log of the node has the details\n');
      },
    );
  }

  #welcome(): string {
    const { title, identity } = this.#options;
    const paths: Record<string, string> = {
      '/rpc': 'POST JSON-RPC 2.0 here; the method rpc.discover lists what there is',
      '/healthz': 'how this node is',
      '/metrics': 'numbers for Prometheus',
      '/events': 'what happens, as server-sent events',
    };
    const served = Object.keys(paths).filter((path) => this.#routes.has(path));
    const head = `${title} (${identity.role} of cluster ${identity.clusterId ?? 'not known yet'})`;
    return [head, ...served.map((path) => `  ${path.padEnd(10)}${paths[path]}`), ''].join('\n');
  }
}

function respondHealth({ httpStatus, ...report }: HealthReport, respond: Respond): void {
  respondJson(respond, `${JSON.stringify(report)}\n`, httpStatus);
}

function respondJson(respond: Respond, text: string, status = 200): void {
  respond(status, text, { 'content-type': 'application/json; charset=utf-8' });
}

function headerText(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  if (typeof value !== 'string') return undefined;
  // Node reads headers as Latin-1; names are UTF-8 as a rule.
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : value;
}

/** Why a request may have been made by a foreign web page; undefined if it was not. */
function foreignProblem(request: IncomingMessage): string | undefined {
  const { host, origin } = request.headers;
  const address = parseAddress(host ?? '', 80);
  if (!address || !isLoopback(address.host)) return 'the Host header must be localhost or a loopback address (authentication is not there yet)';
  if (origin !== undefined && origin.toLowerCase() !== `http://${host!.toLowerCase()}`) return 'a page of another origin must not call this node';
  return undefined;
}

/** Calls `done` with the whole body, `refuse` if it is too large, neither if the connection breaks. Node drops what is left unread. */
function readBody(request: IncomingMessage, maxBytes: number, refuse: (status: number, message: string) => void, done: (body: Buffer) => void): void {
  const tooLarge = `a request is at most ${maxBytes} bytes long`;
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return refuse(413, tooLarge);
  let chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) return chunks.push(chunk);
    chunks = [];
    return refuse(413, tooLarge);
  });
  request.on('end', () => {
    if (bytes <= maxBytes) done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
}

/** What is no HTTP, or came too slowly, gets one line and the end of its connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  let status = '400 Bad Request';
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') status = '408 Request Timeout';
  if (error.code === 'HPE_HEADER_OVERFLOW') status = '431 Request Header Fields Too Large';
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroySoon();
}
