import type { Clock } from '../base/clock.js';
import type { Patience } from '../base/patience.js';
import { type BlockChannel, type BlockChannelConnector, decodeControl, encodeControl, type Frame, frameTypes, type ReadRequest, type StatusMessage, type TransferRequest, type WriteRequest } from '../protocol/block-stream.js';
import { fromWireError, InputOutputError, UnavailableError, type WireError } from '../protocol/errors.js';
import { StallWatch } from './stall-watch.js';

export type BlockRequest = { type: typeof frameTypes.write; body: WriteRequest } | { type: typeof frameTypes.read; body: ReadRequest } | { type: typeof frameTypes.transfer; body: TransferRequest };
export type AcceptedStatus = Extract<StatusMessage, { ok: true }>;

/** A data node answered a request with a refusal: its own, or that of a node behind it. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** The error that the node sent. */
  readonly reason: Error;
  /** Uuid of the node that refused; undefined: the one asked. */
  readonly badDatanode: string | undefined;

  constructor(reason: Error, badDatanode: string | undefined) {
    super(reason.message);
    this.reason = reason;
    this.badDatanode = badDatanode;
  }
}

export interface BlockOperationOptions {
  clock: Clock;
  /** How long the status may take. */
  limitMs: number;
  /** For how long the node may send nothing at all meanwhile; as long as the status may take if not said. */
  silenceMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** A packet that goes out right behind a WRITE, before that is accepted. In use until the operation is open, or has failed. */
  following?: Uint8Array | undefined;
  /** Told of the channel before anything is sent. */
  onChannel?: ((channel: BlockChannel) => void) | undefined;
  /** The node says that it is at work. */
  onWorking?: (() => void) | undefined;
}

/**
 * Opens a channel, sends a request and reads its status. RefusedError when the node refuses, UnavailableError and InputOutputError when
 * it cannot be reached or does not answer; the channel is then destroyed.
 *
 * A pooled channel that the node had closed meanwhile is no failure: it is known by its UnavailableError after connecting. Where one was
 * closed the others will have been too, so the second try takes a new one.
 */
export async function openOperation(connector: BlockChannelConnector, address: string, request: BlockRequest, options: BlockOperationOptions): Promise<{ channel: BlockChannel; status: AcceptedStatus }> {
  const { signal } = options;
  for (let isFresh = false; ; isFresh = true) {
    const channel = await connector.connect(address, { isFresh, ...(signal && { signal }) });
    try {
      return { channel, status: await exchange(channel, address, request, options) };
    } catch (error) {
      channel.destroy();
      if (isFresh || !(error instanceof UnavailableError)) throw error;
    }
  }
}

async function exchange(channel: BlockChannel, address: string, request: BlockRequest, options: BlockOperationOptions): Promise<AcceptedStatus> {
  const { signal, onChannel, following } = options;
  const onAbort = () => channel.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal?.aborted) throw new InputOutputError(`the operation was broken off before ${address} was asked`);
    onChannel?.(channel);
    // A failing write breaks the channel, and so the read of the status too, which then says why.
    const control = encodeControl(request.type, request.body);
    channel.write(following ? [control, following] : [control]).catch(() => {});
    const frame = await readAnswer(channel, options);
    const status = statusOf(frame);
    frame.release();
    if (!status) throw new InputOutputError(`${address} answered a block operation with something that is no status`);
    if (!status.ok) throw new RefusedError(fromWireError(status.error), status.badDatanode);
    return status;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * The next frame; the channel is destroyed, and InputOutputError thrown, if none comes within `limitMs`, or if the other end ends the
 * channel: it must be in the middle of an operation.
 */
export async function readFrame(channel: BlockChannel, patience: Patience, limitMs: number): Promise<Frame> {
  let isLate = false;
  const wait = patience.begin(limitMs, () => {
    isLate = true;
    channel.destroy();
  });
  try {
    const frame = await channel.read();
    if (frame) return frame;
  } catch (error) {
    if (isLate) throw new InputOutputError(`${channel.remoteAddress} sent nothing for ${limitMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    patience.end(wait);
  }
  channel.destroy();
  throw new InputOutputError(`${channel.remoteAddress} closed the connection in the middle of an operation`);
}

/**
 * The next frame but for WORKING; as `readFrame` if none comes within `limitMs`, or nothing at all within `silenceMs`. Silence is counted in
 * steps: a process that was stopped itself hears what has come meanwhile before it judges.
 */
export async function readAnswer(channel: BlockChannel, { clock, limitMs, silenceMs = limitMs, onWorking }: Pick<BlockOperationOptions, 'clock' | 'limitMs' | 'silenceMs' | 'onWorking'>): Promise<Frame> {
  const startMs = clock.monotonicMs();
  let lateMs: number | undefined;
  const giveUp = (afterMs: number) => {
    lateMs ??= afterMs;
    channel.destroy();
  };
  const watch = new StallWatch({
    clock,
    tickMs: Math.min(silenceMs, limitMs) / 4,
    limitMs: () => silenceMs,
    onTick: () => clock.monotonicMs() - startMs >= limitMs && giveUp(limitMs),
    onStall: () => giveUp(silenceMs),
  });
  try {
    for (let frame = await channel.read(); frame; frame = await channel.read()) {
      if (frame.type !== frameTypes.working) return frame;
      frame.release();
      watch.progress();
      onWorking?.();
    }
  } catch (error) {
    if (lateMs !== undefined) throw new InputOutputError(`${channel.remoteAddress} ${lateMs === silenceMs ? 'sent nothing' : 'gave no answer'} for ${lateMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    watch.stop();
  }
  channel.destroy();
  throw new InputOutputError(`${channel.remoteAddress} closed the connection in the middle of an operation`);
}

/** The boundary: a status as its type, or undefined if the frame holds anything else. */
function statusOf(frame: Frame): StatusMessage | undefined {
  if (frame.type !== frameTypes.status) return undefined;
  const message = decodeControl(frame) as Partial<AcceptedStatus> & { error?: Partial<WireError>; badDatanode?: unknown };
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
