import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';

/** What the way from the caller to the node (`up`), or back (`down`), does with bytes. */
export type Way =
  | { kind: 'pass' }
  /** Nothing gets through, and nobody is told. What is on its way arrives when the way passes again. */
  | { kind: 'hold' }
  | { kind: 'delay'; delayMs: number }
  /** One byte at a time. */
  | { kind: 'trickle'; intervalMs: number }
  /** The byte at this distance from now is changed, once for all connections. */
  | { kind: 'flip'; afterBytes: number };

const pass: Way = { kind: 'pass' };

/** A TCP way to a node that can be cut, slowed and spoiled, each direction by itself. */
export class CutProxy {
  readonly address: string;
  /** Bytes that came through. */
  readonly passed = { up: 0, down: 0 };
  flipped = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #lanes = new Set<ProxyLane>();
  readonly #ways: { up: Way; down: Way } = { up: pass, down: pass };

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** A proxy on a free port, in front of `target` (host:port). */
  static async open(target: string): Promise<CutProxy> {
    const [host, port] = target.split(':') as [string, string];
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new CutProxy(server, `127.0.0.1:${(server.address() as { port: number }).port}`);
    server.on('connection', (caller) => proxy.#join(caller, connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true, isDirect: true } as NetConnectOpts)));
    return proxy;
  }

  set(ways: { up?: Way; down?: Way }): void {
    Object.assign(this.#ways, ways);
    for (const lane of this.#lanes) lane.wake();
  }

  /** Both directions at once. */
  hold(): void {
    this.set({ up: { kind: 'hold' }, down: { kind: 'hold' } });
  }

  heal(): void {
    this.set({ up: pass, down: pass });
  }

  /** RST to both ends of every connection, but for an end that has been told of the other's already. */
  reset(): void {
    for (const socket of this.#sockets) {
      // While its shutdown is on its way a socket cannot be reset (UV_EINVAL of uv_tcp_close_reset): it would stay, and never close.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.reset();
    await closed;
  }

  #join(caller: Socket, node: Socket): void {
    caller.setNoDelay(true);
    const lanes = [this.#lane('up'), this.#lane('down')] as const;
    for (const [socket, other] of [[caller, node], [node, caller]] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
        for (const lane of lanes) lane.destroy();
      });
    }
    caller.pipe(lanes[0]).pipe(node);
    node.pipe(lanes[1]).pipe(caller);
  }

  #lane(direction: 'up' | 'down'): ProxyLane {
    const lane = new ProxyLane(
      () => this.#ways[direction],
      (bytes) => this.#count(direction, bytes),
    );
    this.#lanes.add(lane);
    lane.on('error', () => {});
    lane.on('close', () => this.#lanes.delete(lane));
    return lane;
  }

  #count(direction: 'up' | 'down', bytes: Buffer): Buffer {
    const way = this.#ways[direction];
    this.passed[direction] += bytes.length;
    if (way.kind !== 'flip') return bytes;
    if (way.afterBytes >= bytes.length) {
      this.#ways[direction] = { kind: 'flip', afterBytes: way.afterBytes - bytes.length };
      return bytes;
    }
    this.#ways[direction] = pass;
    this.flipped++;
    const spoiled = Buffer.from(bytes);
    spoiled[way.afterBytes]! ^= 0x10;
    return spoiled;
  }
}

class ProxyLane extends Transform {
  readonly #way: () => Way;
  readonly #count: (bytes: Buffer) => Buffer;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(way: () => Way, count: (bytes: Buffer) => Buffer) {
    super({ highWaterMark: 64 * 1024 });
    this.#way = way;
    this.#count = count;
  }

  /** The way has changed. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#wake?.();
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#wake = undefined;
    const way = this.#way();
    const later = (rest: Buffer, delayMs: number | undefined) => {
      this.#wake = () => this._transform(rest, _encoding, done);
      if (delayMs !== undefined) this.#timer = setTimeout(this.#wake, delayMs);
    };
    if (way.kind === 'hold') return later(bytes, undefined);
    if (way.kind === 'trickle') {
      this.push(this.#count(bytes.subarray(0, 1)));
      if (bytes.length === 1) return void (this.#timer = setTimeout(done, way.intervalMs));
      return later(bytes.subarray(1), way.intervalMs);
    }
    const go = () => {
      this.#wake = undefined;
      this.push(this.#count(bytes));
      done();
    };
    if (way.kind !== 'delay') return go();
    this.#wake = go;
    this.#timer = setTimeout(go, way.delayMs);
  }

  /** An end is not heard of either while nothing gets through. */
  override _flush(done: TransformCallback): void {
    if (this.#way().kind !== 'hold') return done();
    this.#wake = () => this._flush(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#wake = undefined;
    done(error);
  }
}
