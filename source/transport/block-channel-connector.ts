import { connect } from 'node:net';
import { type Address, parseAddress } from '../base/address.js';
import type { Clock, Timer } from '../base/clock.js';
import type { BlockChannel, BlockChannelConnector, Frame, StatusMessage } from '../protocol/block-stream.js';
import { decodeControl, encodeControl, frameTypes } from '../protocol/block-stream.js';
import { ConfigError, InputOutputError, UnavailableError, fromWireError } from '../protocol/errors.js';
import { type Identity, helloOf } from '../protocol/hello.js';
import { type BufferPool, framePool } from './buffer-pool.js';
import { connectError, connectTimeoutError } from './connect-error.js';
import { FrameChannel } from './frame-channel.js';
import { checkHello } from './hello-check.js';
import { attachSocket, onReadOf } from './socket-transport.js';

export interface BlockChannelConnectorOptions {
  identity: Identity;
  clock: Clock;
  /** Nothing accepted the connection for so long: UnavailableError. 1,000 if not said. */
  connectTimeoutMs?: number | undefined;
  /** Without progress for so long while a read or a write waits, the channel breaks. 60,000 if not said. */
  idleTimeoutMs?: number | undefined;
  /** Unused channels kept for each address. 64 if not said. */
  poolSize?: number | undefined;
  /** How long an unused channel is kept, ms: less than the other side's own limit. 30,000 if not said. */
  poolIdleMs?: number | undefined;
  /** Frames received and not released, beyond which a channel reads no more. 16 if not said. */
  maxFramesInFlight?: number | undefined;
  /** How a connection is made: over TCP if not said. */
  dial?: Dial | undefined;
  /** Where frames are received: the pool of the process if not said. */
  pool?: BufferPool | undefined;
}

/**
 * Connects to `address` and attaches what carries `channel`. Rejects with UnavailableError if nothing accepts the connection in time, and
 * with the signal's reason if that aborts; nothing is left open then. `onClosed` is to be called once, when an attached connection is gone.
 */
export type Dial = (channel: FrameChannel, address: Address, options: { clock: Clock; connectTimeoutMs: number; signal: AbortSignal | undefined; onClosed: () => void }) => Promise<void>;

/**
 * Opens block channels over TCP, and keeps those that were released for their next use.
 *
 * A pooled channel that the other side closes is dropped as soon as that is seen. If it happens in the moment of its next use, the
 * first write or read of that use rejects with UnavailableError ("had closed the pooled block stream"), never with null and never with
 * InputOutputError: nothing has been answered, so the caller connects once more, to a fresh channel, and repeats the request
 * (block-operation.ts).
 */
export function createBlockChannelConnector(options: BlockChannelConnectorOptions): BlockChannelConnector {
  return new PooledBlockChannelConnector(options);
}

interface Parked {
  channel: FrameChannel;
  sinceMs: number;
}

class PooledBlockChannelConnector implements BlockChannelConnector {
  readonly #options: BlockChannelConnectorOptions;
  readonly #clock: Clock;
  readonly #poolIdleMs: number;
  /** By address, the longest unused first. */
  readonly #parked = new Map<string, Parked[]>();
  readonly #open = new Set<FrameChannel>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: BlockChannelConnectorOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#poolIdleMs = options.poolIdleMs ?? 30_000;
  }

  async connect(address: string, options: { signal?: AbortSignal; isFresh?: boolean } = {}): Promise<BlockChannel> {
    options.signal?.throwIfAborted();
    if (this.#isClosed) throw new UnavailableError(`the block channels of this process were closed; ${address} was not asked`);
    // The one used last is the least likely to have been closed.
    const parked = options.isFresh ? undefined : this.#parked.get(address)?.pop();
    if (!parked) return this.#connect(address, options.signal);
    parked.channel.unpark();
    return parked.channel;
  }

  release(channel: BlockChannel): void {
    if (!(channel instanceof FrameChannel) || !this.#open.has(channel)) return;
    if (this.#isClosed || !channel.isReusable) return channel.destroy();
    let list = this.#parked.get(channel.remoteAddress);
    if (!list) this.#parked.set(channel.remoteAddress, (list = []));
    if (list.some((parked) => parked.channel === channel)) return;
    list.push({ channel, sinceMs: this.#clock.monotonicMs() });
    channel.park(() => this.#drop(channel));
    if (list.length > (this.#options.poolSize ?? 64)) list[0]!.channel.destroy();
    this.#timer ??= this.#clock.setTimer(() => this.#sweep(), this.#poolIdleMs / 2, { background: true });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const channel of [...this.#open]) channel.destroy();
  }

  async #connect(address: string, signal: AbortSignal | undefined): Promise<FrameChannel> {
    const { identity, connectTimeoutMs = 1000, idleTimeoutMs = 60_000, maxFramesInFlight = 16, dial = dialTcp, pool = framePool } = this.#options;
    const target = parseAddress(address);
    if (!target) throw new ConfigError(`${JSON.stringify(address)} is no address of a node; allowed: host:port`);
    const channel = new FrameChannel({
      remoteAddress: address,
      clock: this.#clock,
      pool,
      idleTimeoutMs,
      maxFramesInFlight,
      hello: encodeControl(frameTypes.hello, helloOf(identity)),
      onHello: (frame) => checkAnswer(frame, identity, address),
    });
    try {
      await dial(channel, target, { clock: this.#clock, connectTimeoutMs, signal, onClosed: () => this.#open.delete(channel) });
    } catch (error) {
      channel.destroy();
      throw error;
    }
    if (this.#isClosed) {
      channel.destroy();
      throw new UnavailableError(`the block channels of this process were closed; ${address} was not asked`);
    }
    if (!channel.isDestroyed) this.#open.add(channel);
    return channel;
  }

  #drop(channel: FrameChannel): void {
    const list = this.#parked.get(channel.remoteAddress);
    const index = list?.findIndex((parked) => parked.channel === channel) ?? -1;
    if (index >= 0) list!.splice(index, 1);
    if (list?.length === 0) this.#parked.delete(channel.remoteAddress);
    if (!channel.isDestroyed) channel.destroy();
  }

  #sweep(): void {
    this.#timer = undefined;
    const oldestMs = this.#clock.monotonicMs() - this.#poolIdleMs;
    for (const [address, list] of [...this.#parked]) {
      if (list.length === 0) this.#parked.delete(address);
      for (const { channel, sinceMs } of [...list]) {
        if (sinceMs <= oldestMs) channel.destroy();
      }
    }
    if (this.#parked.size > 0) this.#timer = this.#clock.setTimer(() => this.#sweep(), this.#poolIdleMs / 2, { background: true });
  }
}

const dialTcp: Dial = (channel, target, { clock, connectTimeoutMs, signal, onClosed }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: target.host, port: target.port, noDelay: true, allowHalfOpen: true, onread: onReadOf(channel) } as never);
    const fail = (error: Error) => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal!.reason as Error);
    const onError = (error: NodeJS.ErrnoException) => fail(connectError(channel.remoteAddress, error));
    const timer = clock.setTimer(() => fail(connectTimeoutError(channel.remoteAddress, connectTimeoutMs)), connectTimeoutMs);
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      // A socket that was given up may still report that.
      socket.on('error', () => {});
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.once('connect', () => {
      settle();
      attachSocket(channel, socket, 'onread');
      socket.once('close', onClosed);
      resolve();
    });
  });

/** The other's first frame: its hello, or a STATUS that says why it will not talk. Throws unless it is a hello that suits us. */
function checkAnswer(frame: Frame, identity: Identity, address: string): void {
  const message = decodeControl(frame);
  if (message === undefined) throw new InputOutputError(`${address} began a block stream with what is no JSON`);
  if (frame.type === frameTypes.status) {
    const status = message as StatusMessage;
    throw status.ok === false ? fromWireError(status.error) : new InputOutputError(`${address} began a block stream without a hello`);
  }
  checkHello(frame.type === frameTypes.hello ? message : undefined, identity, address);
}
