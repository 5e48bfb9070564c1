import { type Server, type Socket, createServer } from 'node:net';
import { formatAddress, isLoopback } from '../base/address.js';
import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { type Random, systemRandom } from '../base/random.js';
import { frameMagic } from '../protocol/block-stream.js';
import type { FeedSource } from '../protocol/cluster-events.js';
import { ConfigError } from '../protocol/errors.js';
import type { Identity } from '../protocol/hello.js';
import { type BlockChannelLimits, type ServeBlockChannel, acceptBlockChannel } from './block-channel-acceptor.js';
import { type HealthReport, HttpDoor, type HttpDoorLimits } from './http-door.js';
import type { MetricSample } from './metrics.js';
import { type Service, createRpcServer } from './rpc-server.js';
import { type RpcStream, type RpcStreamLimits, serveRpcStream } from './rpc-stream.js';

export interface ListenLimits extends HttpDoorLimits, RpcStreamLimits, BlockChannelLimits {
  /** More are closed as soon as they are accepted. */
  maxConnections: number;
  /** From being accepted to the first byte, ms. */
  firstByteTimeoutMs: number;
  /** How long close() waits for calls in flight, ms. */
  closeTimeoutMs: number;
}

export const defaultListenLimits: ListenLimits = {
  maxConnections: 4096,
  firstByteTimeoutMs: 10_000,
  closeTimeoutMs: 2000,
  maxRequestBytes: 1024 * 1024,
  // A slice of a block report: 65,536 replicas in base64.
  maxDatanodeRequestBytes: 4 * 1024 * 1024,
  maxCallsInFlight: 1024,
  requestTimeoutMs: 30_000,
  streamIdleTimeoutMs: 600_000,
  keepAliveTimeoutMs: 60_000,
  blockIdleTimeoutMs: 60_000,
  maxFramesInFlight: 16,
  isOnreadAllowed: true,
};

export interface ListenOptions {
  /** Only a host that nobody but this machine can reach. */
  host: string;
  /** 0: one that the system chooses. */
  port: number;
  /** Its clusterId may be filled in later. */
  identity: Identity;
  services: Service[];
  /** Serves a block stream until it ends; without it there are none. */
  onBlockChannel?: ServeBlockChannel | undefined;
  feed?: FeedSource | undefined;
  health?: (() => HealthReport) | undefined;
  metrics?: (() => MetricSample[]) | undefined;
  /** What this is, for the OpenRPC document and for GET /. */
  title: string;
  clock: Clock;
  logger: Logger;
  random?: Random | undefined;
  limits?: Partial<ListenLimits> | undefined;
}

export interface NodeListener {
  /** host:port */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Accepts nothing more, answers the calls in flight, and ends every connection. */
  close(): Promise<void>;
}

/**
 * Opens a node's one port. The first byte of a connection tells what it is: `A` to `Z` HTTP, `{` a JSON-RPC stream, 0xDF a block
 * stream. ConfigError for a host that others can reach, and for a port that is taken.
 */
export async function listen(options: ListenOptions): Promise<NodeListener> {
  const { host, port } = options;
  if (!isLoopback(host)) {
    const rule = 'nodes listen on a loopback address only (127.0.0.1, ::1, localhost)';
    throw new ConfigError(`${host} can be reached by others, and authentication is not there yet: ${rule}`);
  }
  const listener = new Listener(options);
  await listener.open(host, port);
  return listener;
}

class Listener implements NodeListener {
  readonly host: string;
  port: number;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #rpc: ReturnType<typeof createRpcServer>;
  readonly #http: HttpDoor;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #rpcStreams = new Set<RpcStream>();
  #closing: Promise<void> | undefined;

  constructor(options: ListenOptions) {
    const { host, port, services, title, logger, identity, clock, random = systemRandom, feed, health, metrics } = options;
    this.host = host;
    this.port = port;
    this.#options = options;
    this.#limits = { ...defaultListenLimits, ...options.limits };
    this.#rpc = createRpcServer({ services, title, logger });
    this.#http = new HttpDoor({ rpc: this.#rpc, identity, title, clock, random, logger, limits: this.#limits, feed, health, metrics });
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#onConnection(socket));
    this.#server.maxConnections = this.#limits.maxConnections;
    this.#server.on('drop', () => logger.warn(`refused a connection: ${this.#limits.maxConnections} are open`));
  }

  get address(): string {
    return formatAddress(this);
  }

  open(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        this.#http.close();
        reject(listenError(error, host, port));
      });
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => this.#options.logger.error(`accepting on ${this.address} failed`, error));
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const grace = new AbortController();
    const timeout = sleep(this.#options.clock, this.#limits.closeTimeoutMs, grace.signal).catch(() => {});
    await Promise.race([Promise.all([this.#http.drain(), ...[...this.#rpcStreams].map((stream) => stream.drain())]), timeout]);
    this.#http.close();
    for (const socket of this.#sockets) socket.destroySoon();
    await Promise.race([closed, timeout]);
    grace.abort();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #onConnection(socket: Socket): void {
    this.#track(socket);
    const { clock } = this.#options;
    const timer = clock.setTimer(() => socket.destroy(), this.#limits.firstByteTimeoutMs, { background: true });
    const giveUp = () => socket.destroy();
    socket.on('error', giveUp);
    socket.on('end', giveUp);
    socket.on('close', () => timer.cancel());
    socket.once('data', (first: Buffer) => {
      timer.cancel();
      socket.off('error', giveUp);
      socket.off('end', giveUp);
      this.#dispatch(socket, first);
    });
  }

  #dispatch(socket: Socket, first: Buffer): void {
    const byte = first[0]!;
    const remoteAddress = formatAddress({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 });
    if (byte >= 0x41 && byte <= 0x5a) return this.#http.accept(socket, first);
    if (byte === 0x7b || byte === 0x5b) return this.#acceptRpcStream(socket, first, remoteAddress);
    if (byte === frameMagic && this.#options.onBlockChannel) return this.#acceptBlockChannel(socket, first, remoteAddress, this.#options.onBlockChannel);
    this.#options.logger.debug(`closed a connection from ${remoteAddress}: it begins like nothing that this node speaks`);
    socket.on('error', () => {});
    socket.destroy();
  }

  #acceptRpcStream(socket: Socket, first: Buffer, remoteAddress: string): void {
    const { identity, clock, logger } = this.#options;
    const stream = serveRpcStream(socket, first, { server: this.#rpc, identity, remoteAddress, clock, logger, limits: this.#limits });
    this.#rpcStreams.add(stream);
    socket.on('close', () => this.#rpcStreams.delete(stream));
  }

  #acceptBlockChannel(socket: Socket, first: Buffer, remoteAddress: string, serve: ServeBlockChannel): void {
    const { identity, clock, logger } = this.#options;
    socket.pause();
    const rest = socket.read() as Buffer | null;
    const begin = rest ? Buffer.concat([first, rest]) : first;
    const adopted = acceptBlockChannel(socket, begin, { serve, identity, remoteAddress, clock, logger, limits: this.#limits });
    if (adopted !== socket) this.#track(adopted);
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  let message = `cannot listen on ${formatAddress({ host, port })}: ${error.code ?? error.message}`;
  if (error.code === 'EADDRINUSE') message = `port ${port} of ${host} is taken by another process; stop that, or configure another port`;
  if (error.code === 'EACCES') message = `port ${port} of ${host} must not be opened by this user; configure one above 1023`;
  return new ConfigError(message, { cause: error });
}
