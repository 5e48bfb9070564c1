import type { Clock } from '../base/clock.js';
import { type BlockChannel, type BlockChannelConnector, encodeControl, type Frame, frameTypes, type ReadRequest, type StatusMessage, type TransferRequest, writeFlags, type WriteRequest } from '../protocol/block-stream.js';
import { fromWireError, InputOutputError, UnavailableError, type WireError } from '../protocol/errors.js';

type Request = { type: typeof frameTypes.write; body: WriteRequest } | { type: typeof frameTypes.read; body: ReadRequest } | { type: typeof frameTypes.transfer; body: TransferRequest };
export type AcceptedStatus = Extract<StatusMessage, { ok: true }>;

/** A data node answered a request with a refusal. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError';
  /** The error that the node sent. */
  readonly reason: Error;
  /** Uuid of the node that is to blame; undefined: the one asked. */
  readonly badDatanode: string | undefined;

  constructor(reason: Error, badDatanode: string | undefined) {
    super(reason.message);
    this.reason = reason;
    this.badDatanode = badDatanode;
  }
}

/**
 * The next frame; the channel is destroyed, and InputOutputError thrown, if none comes within `limitMs`, if the other end ends the
 * channel in the middle of the operation, and by the signal.
 */
export async function readFrame(channel: BlockChannel, clock: Clock, limitMs: number): Promise<Frame> {
  let isLate = false;
  const timer = clock.setTimer(() => {
    isLate = true;
    channel.destroy();
  }, limitMs);
  try {
    const frame = await channel.read();
    if (frame) return frame;
    channel.destroy();
    throw new InputOutputError(`${channel.remoteAddress} closed the connection in the middle of an operation`);
  } catch (error) {
    if (isLate) throw new InputOutputError(`${channel.remoteAddress} sent nothing for ${limitMs / 1000} s`);
    throw error;
  } finally {
    timer.cancel();
  }
}

/** More than a pool keeps of one address, so that a fresh channel follows at last. */
const maxStaleChannels = 20;

export interface ExchangeOptions {
  clock: Clock;
  /** How long the status may take. */
  limitMs: number;
  signal?: AbortSignal | undefined;
  /** Told of the channel before anything is sent. */
  onChannel?: ((channel: BlockChannel) => void) | undefined;
  /** Goes out with the request, before it is accepted: small enough to lie in the socket if it is not. Each try begins and ends with a call. */
  following?: { frame: Buffer; onBegin(): void; onEnd(): void } | undefined;
}

/**
 * Opens a channel, sends a request and reads its status. RefusalError when the node refuses, UnavailableError and InputOutputError when
 * it cannot be reached or does not answer; the channel is then destroyed. A pooled channel that the node had closed meanwhile is no
 * failure: it is known by its UnavailableError after connecting, and another one is taken.
 */
export async function openOperation(connector: BlockChannelConnector, address: string, request: Request, options: ExchangeOptions): Promise<{ channel: BlockChannel; status: AcceptedStatus }> {
  for (let staleCount = 0; ; staleCount++) {
    const channel = await connector.connect(address, options.signal ? { signal: options.signal } : {});
    try {
      return { channel, status: await exchange(channel, address, request, options) };
    } catch (error) {
      channel.destroy();
      if (!(error instanceof UnavailableError) || staleCount >= maxStaleChannels) throw error;
    }
  }
}

async function exchange(channel: BlockChannel, address: string, request: Request, { clock, limitMs, signal, onChannel, following }: ExchangeOptions): Promise<AcceptedStatus> {
  const onAbort = () => channel.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal?.aborted) throw new InputOutputError('cancelled');
    onChannel?.(channel);
    const control = encodeControl(request.type, request.body, following ? writeFlags.followed : 0);
    following?.onBegin();
    // A failing write breaks the channel, and so the read of the status too, which then says why.
    channel
      .write(following ? [control, following.frame] : [control])
      .catch(() => {})
      .finally(() => following?.onEnd());
    const frame = await readFrame(channel, clock, limitMs);
    const status = statusOf(frame);
    frame.release();
    if (!status) throw new InputOutputError(`${address} answered a block operation with something that is no status`);
    if (!status.ok) throw new RefusalError(fromWireError(status.error), status.badDatanode);
    return status;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The boundary: a status as its type, or undefined if the frame holds anything else. */
function statusOf(frame: Frame): StatusMessage | undefined {
  if (frame.type !== frameTypes.status) return undefined;
  let message: Partial<AcceptedStatus> & { error?: Partial<WireError>; badDatanode?: unknown };
  try {
    message = JSON.parse(frame.body.toString()) as typeof message;
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const ok: unknown = message.ok;
  if (ok === true) {
    const { chunkBytes, offsetBytes, replicaLengthBytes } = message;
    if (![chunkBytes, offsetBytes, replicaLengthBytes].every((value) => Number.isSafeInteger(value) && value! >= 0)) return undefined;
    return { ok: true, chunkBytes: chunkBytes!, offsetBytes: offsetBytes!, replicaLengthBytes: replicaLengthBytes! };
  }
  const { error, badDatanode } = message;
  if (ok !== false || typeof error !== 'object' || error === null || typeof error.code !== 'number' || typeof error.message !== 'string') return undefined;
  return { ok: false, error: { code: error.code, message: error.message, data: error.data }, ...(typeof badDatanode === 'string' ? { badDatanode } : {}) };
}
