import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { type BlockChannel, type Frame, encodeControl, frameTypes } from '../protocol/block-stream.js';
import { InputOutputError, toWireError } from '../protocol/errors.js';
import { type Identity, helloOf } from '../protocol/hello.js';
import type { CallContext } from '../protocol/method.js';
import { type BufferPool, framePool } from './buffer-pool.js';
import { FrameChannel } from './frame-channel.js';
import { checkHello, contextOf } from './hello-check.js';
import { parseJson } from './json-text.js';
import { adoptSocket, attachSocket, onReadOf } from './socket-transport.js';

export interface BlockChannelLimits {
  blockIdleTimeoutMs: number;
  maxFramesInFlight: number;
  /** False: read by 'data' events, though faster reading is possible. */
  isOnreadAllowed: boolean;
}

/** Serves one channel until it ends. */
export type ServeBlockChannel = (channel: BlockChannel, context: CallContext) => Promise<void>;

/** What a peer gets to take our last frames and to close, ms. */
const lingerMs = 5000;

export interface AcceptedChannelOptions {
  serve: ServeBlockChannel;
  identity: Identity;
  remoteAddress: string;
  clock: Clock;
  logger: Logger;
  limits: Omit<BlockChannelLimits, 'isOnreadAllowed'>;
  /** Where frames are received: the pool of the process if not said. */
  pool?: BufferPool | undefined;
}

/**
 * The accepting side of a block stream on a socket. `first` is what was read of it to tell what it is. Returns the socket that carries on.
 */
export function acceptBlockChannel(
  accepted: Socket,
  first: Buffer,
  options: AcceptedChannelOptions & { limits: BlockChannelLimits },
): Socket {
  const channel = createAcceptedChannel(options);
  // Before the socket asks where its bytes are to go.
  const isReading = channel.onChunk(first);
  const adopted = options.limits.isOnreadAllowed ? adoptSocket(accepted, onReadOf(channel)) : undefined;
  const socket = adopted ?? accepted;
  attachSocket(channel, socket, adopted ? 'onread' : 'data');
  if (!isReading) socket.pause();
  return socket;
}

/**
 * A channel that waits for a peer's hello, and then is served. Our hello goes out with the first frame that `serve` writes; a peer that
 * must not talk to us gets a STATUS that says why. When `serve` is done the channel ends. A transport is to be attached before the
 * microtasks run that follow the first bytes.
 */
export function createAcceptedChannel(options: AcceptedChannelOptions): FrameChannel {
  const { serve, identity, remoteAddress, clock, logger, limits } = options;
  const channel = new FrameChannel({
    remoteAddress,
    clock,
    pool: options.pool ?? framePool,
    idleTimeoutMs: limits.blockIdleTimeoutMs,
    maxFramesInFlight: limits.maxFramesInFlight,
    hello: encodeControl(frameTypes.hello, helloOf(identity)),
    onHello: (frame) => onHello(frame),
    logger,
  });
  const onHello = (frame: Frame) => {
    // What follows from it comes after the receiving: the hello may be in `first`, when there is no socket yet to answer on.
    try {
      const context = contextOf(checkHello(parseHello(frame), identity, remoteAddress), remoteAddress);
      queueMicrotask(() => void run(context));
    } catch (error) {
      queueMicrotask(() => refuse(error as Error));
    }
  };
  const run = async (context: CallContext) => {
    try {
      await serve(channel, context);
      linger();
    } catch (error) {
      if (error instanceof InputOutputError) logger.debug(`block stream of ${context.user} at ${remoteAddress} ended: ${error.message}`);
      else logger.error(`block stream of ${context.user} at ${remoteAddress} failed unexpectedly`, error);
      channel.destroy();
    }
  };
  const refuse = (error: Error) => {
    logger.warn(`refused a block stream from ${remoteAddress}: ${error.message}`);
    const status = encodeControl(frameTypes.status, { ok: false, error: toWireError(error) });
    channel.skipHello();
    channel.write([status]).then(linger, () => {});
  };
  // What still comes is thrown away: the peer must not be reset before it has read our last frames.
  const linger = () => {
    channel.end();
    const timer = clock.setTimer(() => channel.destroy(), lingerMs, { background: true });
    const drain = async () => {
      for (let frame = await channel.read(); frame; frame = await channel.read()) frame.release();
    };
    const finish = () => {
      timer.cancel();
      channel.destroy();
    };
    drain().then(finish, finish);
  };
  return channel;
}

function parseHello(frame: Frame): unknown {
  return frame.type === frameTypes.hello ? parseJson(frame.body) : undefined;
}
