import { type Clock, sleep } from '../base/clock.js';
import type { Random } from '../base/random.js';
import type { ClientProtocol } from '../protocol/client-protocol.js';
import { NoSpaceError, OutcomeUnknownError, OverloadedError, RecoveryInProgressError, SafeModeError, UnavailableError } from '../protocol/errors.js';
import type { ParamsOf, ResultOf, RpcCaller } from '../protocol/method.js';
import { cancelledError, throwIfCancelled } from './cancellation.js';

type MethodWithCallId = { [M in keyof ClientProtocol & string]: 'callId' extends keyof ParamsOf<ClientProtocol, M> ? M : never }[keyof ClientProtocol & string];

/** Complete by its type. The protocol's own table says the same, but is for servers: clients do not load it. */
const methodsWithCallId: Record<MethodWithCallId, true> = {
  'fs.create': true,
  'fs.addBlock': true,
  'fs.abandonBlock': true,
  'fs.updateBlockForPipeline': true,
  'fs.updatePipeline': true,
  'fs.complete': true,
  'fs.append': true,
  'fs.truncate': true,
  'fs.concat': true,
  'fs.recoverLease': true,
  'fs.mkdirs': true,
  'fs.rename': true,
  'fs.delete': true,
  'fs.setPermission': true,
  'fs.setOwner': true,
  'fs.setTimes': true,
  'fs.setReplication': true,
  'cluster.setNodeState': true,
};

export interface RetryOptions {
  /** How long a call is tried, from its begin. */
  retryTimeoutMs: number;
  /** How long one try waits for its answer. */
  callTimeoutMs: number;
  /** Told why a call waits, once it has done so for a second; at most every ten. */
  onWaiting?: ((reason: Error) => void) | undefined;
}

const firstDelayMs = 20;
const longestDelayMs = 2000;
const toldAfterMs = 1000;
const toldAgainMs = 10_000;

/** The wait before try number `attempt` + 1: doubling from 20 ms to 2 s, the upper half of it random, so that clients spread out. */
export function backoffMs(attempt: number, random: Random): number {
  const ceiling = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempt, 20));
  return ceiling / 2 + (random.next() * ceiling) / 2;
}

/**
 * Calls to the name node that survive its restart. A call that changes something carries one call id through all its tries, so that
 * it happens once (promises.md, P11). The very first contact is not retried when nothing answers: the user then hears at once that no
 * name node is there. Errors that the name node itself sent pass, except those that say that it is too busy now, or still closing the file of a writer
 * that is gone: OverloadedError, RecoveryInProgressError.
 */
export class RetryingCaller {
  readonly #caller: RpcCaller<ClientProtocol>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: RetryOptions;
  #lastCallId = 0;
  #hasContact = false;
  #isClosed = false;
  #toldMs = -Infinity;

  constructor(caller: RpcCaller<ClientProtocol>, clock: Clock, random: Random, options: RetryOptions) {
    this.#caller = caller;
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }

  /**
   * CancelledError when the signal aborts; UnavailableError when nothing answered in time; OutcomeUnknownError when a try of it may have
   * happened and no answer came. `retryTimeoutMs` shortens the time for this call.
   */
  async call<M extends keyof ClientProtocol & string>(method: M, params: ParamsOf<ClientProtocol, M>, options: { signal?: AbortSignal | undefined; retryTimeoutMs?: number } = {}): Promise<ResultOf<ClientProtocol, M>> {
    const { signal } = options;
    const startedMs = this.#clock.monotonicMs();
    const deadlineMs = startedMs + Math.min(this.#options.retryTimeoutMs, options.retryTimeoutMs ?? Infinity);
    const identified = method in methodsWithCallId ? { ...params, callId: ++this.#lastCallId } : params;
    let unknown: unknown;
    for (let attempt = 0; ; attempt++) {
      throwIfCancelled(signal, method);
      const triedMs = this.#clock.monotonicMs();
      const leftMs = deadlineMs - triedMs;
      try {
        const result = await this.#caller.call(method, identified, { signal, timeoutMs: Math.max(1, Math.min(this.#options.callTimeoutMs, leftMs)) });
        this.#hasContact = true;
        return result;
      } catch (error) {
        if (signal?.aborted) throw cancelledError(signal, method);
        const isUnavailable = error instanceof UnavailableError;
        if (isUnavailable && (!this.#hasContact || this.#isClosed)) throw error;
        this.#hasContact = true;
        if (error instanceof OutcomeUnknownError) unknown = error;
        else if (!isUnavailable && !(error instanceof OverloadedError || error instanceof RecoveryInProgressError)) throw unknown !== undefined && isUnrecorded(error) ? unknownBecause(unknown, error) : error;
        const delayMs = backoffMs(attempt, this.#random);
        const nowMs = this.#clock.monotonicMs();
        // The name node may hold its answer back: a try that ends before it would only turn a reason into an unknown outcome.
        const heldMs = error instanceof OverloadedError ? nowMs - triedMs : 0;
        if (nowMs + delayMs + heldMs >= deadlineMs) throw unknown ?? error;
        this.#tell(error, startedMs);
        await this.#pause(delayMs, signal, method);
      }
    }
  }

  #tell(reason: Error, startedMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - startedMs < toldAfterMs || nowMs - this.#toldMs < toldAgainMs) return;
    this.#toldMs = nowMs;
    this.#options.onWaiting?.(reason);
  }

  async #pause(delayMs: number, signal: AbortSignal | undefined, method: string): Promise<void> {
    try {
      await sleep(this.#clock, delayMs, signal);
    } catch {
      throw cancelledError(signal, method);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#caller.close();
  }
}

/** A refusal that the name node could not write down: it says nothing about an earlier try, which may be under way still. */
function isUnrecorded(error: unknown): error is Error {
  return error instanceof NoSpaceError || error instanceof SafeModeError;
}

function unknownBecause(unknown: unknown, refusal: Error): Error {
  const earlier = unknown instanceof Error ? unknown.message : String(unknown);
  return new OutcomeUnknownError(`${earlier}; asked again, the name node refused: ${refusal.message}`, { cause: refusal });
}
