import { type Clock } from '../base/clock.js';
import { CancelledError } from '../protocol/errors.js';

/** What an operation rejects with after its signal aborted: the signal's own reason if that is a CancelledError already. */
export function cancelledError(signal: AbortSignal | undefined, what: string): Error {
  const reason: unknown = signal?.reason;
  if (reason instanceof CancelledError) return reason;
  return new CancelledError(`${what} was cancelled`, { cause: reason });
}

export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw cancelledError(signal, what);
}

/**
 * A signal that aborts `graceMs` after `signal` does: for a call whose outcome must be known before cleaning up after it (a create,
 * a complete). `dispose` ends the watching.
 */
export function withGrace(signal: AbortSignal, clock: Clock, graceMs: number): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  let cancelTimer: (() => void) | undefined;
  const onAbort = () => {
    const timer = clock.setTimer(() => controller.abort(signal.reason), graceMs);
    cancelTimer = () => timer.cancel();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    dispose: () => {
      signal.removeEventListener('abort', onAbort);
      cancelTimer?.();
    },
  };
}
