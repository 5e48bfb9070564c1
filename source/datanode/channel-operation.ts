import { type Clock, repeat } from '../base/clock.js';
import { type BlockChannel, encodeControl, frameTypes, type StatusMessage } from '../protocol/block-stream.js';
import { toWireError } from '../protocol/errors.js';

export function refusal(error: unknown, badDatanode: string | undefined): Buffer {
  const status: StatusMessage = { ok: false, error: toWireError(error), ...(badDatanode === undefined ? {} : { badDatanode }) };
  return encodeControl(frameTypes.status, status);
}

export function acceptance(fields: { chunkBytes: number; offsetBytes: number; replicaLengthBytes: number }): Buffer {
  const status: StatusMessage = { ok: true, ...fields };
  return encodeControl(frameTypes.status, status);
}

const workingFrame = encodeControl(frameTypes.working, {});

/** Tells the other end from time to time that this one is there, until the returned function is called: before the frame that ends the operation. */
export function tellWorking({ clock, signOfLifeMs }: { clock: Clock; signOfLifeMs: number }, channel: BlockChannel): () => void {
  return repeat(clock, () => signOfLifeMs, () => void channel.write([workingFrame]).catch(() => {}), () => {});
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
