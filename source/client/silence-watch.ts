import type { Clock, Timer } from '../base/clock.js';
import type { ReplicaLocation } from '../protocol/block.js';
import { signOfLifeMs, silenceLimitMs } from '../protocol/block-stream.js';

/** Asks the name node which of these nodes it has not heard of for longer than it should have: the index of the first. */
export type SuspectFinder = (targets: readonly ReplicaLocation[]) => Promise<number | undefined>;

/** Without an acknowledgement for so long, the name node is asked who of the pipeline is silent towards it too. Above its stale limit of 3 s. */
const suspicionMs = 4000;
/** Less than half of what a channel may stand still (transport), towards us and between any two nodes. */
const idleSignMs = 15_000;
/** A pipeline of one node that is alive and acknowledges nothing for so long is a failure. A hop waits 5 s longer for each one behind it; the first of three gives up after 40 s, and tells us whom it lost: before we give it up. */
const limitOfOneMs = 35_000;
const limitPerHopMs = 5000;

export interface SilenceEvents {
  /** Something has been sent that is to be answered. */
  isWaiting(): boolean;
  onSilence(culprit: number, reason: string): void;
  /** Nothing had to be sent for so long that the connections could be taken for dead. */
  onIdle?(): void;
}

/**
 * Notices a pipeline in which nothing moves any more though something should. A killed process resets its connections at once. A stopped one,
 * or a cut cable, says nothing:
 * - the first node sends signs of life (protocol/block-stream.ts); without any it is gone, or cut off from us, within 10 s. Each node tells of the
 *   next one in the same way;
 * - the name node misses heartbeats, and is asked earlier;
 * - all are alive, and one does not get on: a node tells of its own disk after 20 s, and there is a limit for the whole.
 * Time is counted in steps of two seconds, each of them no longer than two: after this process was stopped itself, nobody is accused of that.
 */
export class SilenceWatch {
  readonly limitMs: number;
  readonly #clock: Clock;
  readonly #targets: readonly ReplicaLocation[];
  readonly #findSuspect: SuspectFinder;
  readonly #events: SilenceEvents;
  /** Since the last step. */
  #wasHeard = false;
  #wasWorking = false;
  /** Without any sign, and without an acknowledgement. */
  #silentMs = 0;
  #unansweredMs = 0;
  #idleMs = 0;
  #steppedMs: number;
  #timer: Timer;
  #isStopped = false;

  constructor(clock: Clock, targets: readonly ReplicaLocation[], findSuspect: SuspectFinder, events: SilenceEvents) {
    this.#clock = clock;
    this.#targets = targets;
    this.#findSuspect = findSuspect;
    this.#events = events;
    this.limitMs = limitOfOneMs + limitPerHopMs * (targets.length - 1);
    this.#steppedMs = clock.monotonicMs();
    this.#timer = this.#arm();
  }

  /** An acknowledgement has come, or something is to be waited for from now on. */
  heard(): void {
    this.#wasHeard = true;
  }

  /** The first node is there. */
  noteWorking(): void {
    this.#wasWorking = true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
  }

  #arm(): Timer {
    return this.#clock.setTimer(() => void this.#step(), signOfLifeMs, { background: true });
  }

  async #step(): Promise<void> {
    this.#count();
    if (this.#silentMs >= silenceLimitMs) return this.#accuse(0, `sent nothing for ${inSeconds(this.#silentMs)} s`);
    if (this.#unansweredMs >= this.limitMs) return this.#accuse(0, `did not answer for ${inSeconds(this.#unansweredMs)} s`);
    if (this.#unansweredMs >= suspicionMs) {
      const suspect = await this.#findSuspect(this.#targets).catch(() => undefined);
      if (this.#isStopped) return;
      if (suspect !== undefined && !this.#wasHeard) return this.#accuse(suspect, `did not answer for ${inSeconds(this.#unansweredMs)} s`);
    }
    this.#timer = this.#arm();
  }

  #count(): void {
    const nowMs = this.#clock.monotonicMs();
    const stepMs = Math.min(nowMs - this.#steppedMs, 2 * signOfLifeMs);
    const isWaiting = this.#events.isWaiting();
    this.#steppedMs = nowMs;
    this.#unansweredMs = this.#wasHeard || !isWaiting ? 0 : this.#unansweredMs + stepMs;
    this.#silentMs = this.#wasHeard || this.#wasWorking || !isWaiting ? 0 : this.#silentMs + stepMs;
    this.#wasHeard = this.#wasWorking = false;
    this.#idleMs = isWaiting ? 0 : this.#idleMs + stepMs;
    if (this.#idleMs < idleSignMs) return;
    this.#idleMs = 0;
    this.#events.onIdle?.();
  }

  #accuse(culprit: number, reason: string): void {
    this.stop();
    this.#events.onSilence(culprit, reason);
  }
}

function inSeconds(ms: number): number {
  return Math.round(ms / 1000);
}
