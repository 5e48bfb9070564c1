import type { Clock } from '../base/clock.js';
import {
  type BlockChannel,
  type BlockChannelConnector,
  encodeControl,
  type Frame,
  frameTypes,
  type StatusMessage,
  type TransferRequest,
  writeFlags,
  type WriteRequest,
} from '../protocol/block-stream.js';
import { fromWireError, InputOutputError, toWireError, UnavailableError } from '../protocol/errors.js';

/** The other end, or a node behind it, refused an operation. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly reason: Error;
  /** Uuid of the node that refused; undefined: the one asked. */
  readonly badDatanode: string | undefined;

  constructor(reason: Error, badDatanode: string | undefined) {
    super(reason.message);
    this.reason = reason;
    this.badDatanode = badDatanode;
  }
}

type Request = { type: typeof frameTypes.write; body: WriteRequest } | { type: typeof frameTypes.transfer; body: TransferRequest };

/** Each try on a pooled channel that the other end has closed takes it out of the pool; a fresh one follows at last. */
const maxTries = 16;

interface OperationOptions {
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
  /** A packet that goes out with a WRITE, as it came: to be kept until the operation is accepted or not. */
  following?: Buffer | undefined;
}

/** Connects, sends a request, and resolves when it is accepted. RefusedError, UnavailableError, InputOutputError; the channel is destroyed then. */
export async function openOperation(connector: BlockChannelConnector, address: string, request: Request, options: OperationOptions): Promise<BlockChannel> {
  for (let attempt = 1; ; attempt++) {
    const channel = await connector.connect(address, { signal: options.signal });
    try {
      return await sendRequest(channel, address, request, options);
    } catch (error) {
      channel.destroy();
      if (!(error instanceof UnavailableError) || attempt === maxTries) throw error;
    }
  }
}

async function sendRequest(channel: BlockChannel, address: string, request: Request, options: OperationOptions): Promise<BlockChannel> {
  const { clock, timeoutMs, signal, following } = options;
  const onAbort = () => channel.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) throw new InputOutputError(`the operation was broken off before ${address} was asked`);
    // A write that fails breaks the channel, and so the read, which then says why.
    channel.write(following ? [encodeControl(request.type, request.body, writeFlags.followed), following] : [encodeControl(request.type, request.body)]).catch(() => {});
    const frame = await readWithin(channel, clock, timeoutMs);
    const status = decodeStatus(frame);
    frame.release();
    if (!status) throw new InputOutputError(`${address} answered a block operation with something that is no status`);
    if (!status.ok) throw new RefusedError(fromWireError(status.error), status.badDatanode);
    return channel;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The next frame. InputOutputError if the other end hangs up, or is silent for `timeoutMs`; the channel is destroyed then. */
export async function readWithin(channel: BlockChannel, clock: Clock, timeoutMs: number): Promise<Frame> {
  let isLate = false;
  const timer = clock.setTimer(
    () => {
      isLate = true;
      channel.destroy();
    },
    timeoutMs,
    { background: true },
  );
  try {
    const frame = await channel.read();
    if (frame) return frame;
  } catch (error) {
    if (isLate) throw new InputOutputError(`${channel.remoteAddress} was silent for ${timeoutMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    timer.cancel();
  }
  channel.destroy();
  throw new InputOutputError(`${channel.remoteAddress} hung up in the middle of an operation`);
}

export function refusal(error: unknown, badDatanode: string | undefined): Buffer {
  const status: StatusMessage = { ok: false, error: toWireError(error), ...(badDatanode === undefined ? {} : { badDatanode }) };
  return encodeControl(frameTypes.status, status);
}

export function acceptance(fields: { chunkBytes: number; offsetBytes: number; replicaLengthBytes: number }): Buffer {
  const status: StatusMessage = { ok: true, ...fields };
  return encodeControl(frameTypes.status, status);
}

/** How long a channel may go on sending after its operation failed, so that it reads why, instead of finding a reset connection. */
export const drainMs = 2000;

/** Ends our side, takes what still comes, and destroys the channel. */
export async function drain(channel: BlockChannel, clock: Clock): Promise<void> {
  channel.end();
  const timer = clock.setTimer(() => channel.destroy(), drainMs, { background: true });
  try {
    for (let frame = await channel.read(); frame; frame = await channel.read()) frame.release();
  } catch {
    // Broken is what it was to become.
  } finally {
    timer.cancel();
    channel.destroy();
  }
}

function decodeStatus(frame: Frame): StatusMessage | undefined {
  if (frame.type !== frameTypes.status) return undefined;
  try {
    const message = JSON.parse(frame.body.toString()) as StatusMessage;
    if (typeof message !== 'object' || message === null) return undefined;
    if (message.ok === true) return message;
    if (message.ok !== false || typeof message.error?.code !== 'number' || typeof message.error.message !== 'string') return undefined;
    return { ok: false, error: message.error, ...(typeof message.badDatanode === 'string' ? { badDatanode: message.badDatanode } : {}) };
  } catch {
    return undefined;
  }
}
