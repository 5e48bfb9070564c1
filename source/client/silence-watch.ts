import type { Clock, Timer } from '../base/clock.js';
import type { ReplicaLocation } from '../protocol/block.js';

/** Asks the name node which of these nodes it has not heard of for longer than it should have: the index of the first. */
export type SuspectFinder = (targets: readonly ReplicaLocation[]) => Promise<number | undefined>;

/** From here on the name node is asked who of the pipeline is silent towards it too. Above its stale limit of 3 s. */
const suspicionMs = 4000;
const askAgainMs = 2000;
/** Less than half of what a channel may stand still (transport), towards us and between any two nodes. */
const signOfLifeMs = 15_000;
/** Silence of a pipeline of one node that is a failure whatever the name node says. A hop waits 5 s longer for each one behind it; the first of three gives up after 40 s, and tells us whom it lost: before we give it up. */
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
 * Notices a pipeline in which nothing moves any more though something should. A killed process resets its connections at once; a
 * stopped one, or a cut cable, says nothing, and from our end we cannot tell which hop it is. The name node can: it misses heartbeats.
 */
export class SilenceWatch {
  readonly limitMs: number;
  readonly #clock: Clock;
  readonly #targets: readonly ReplicaLocation[];
  readonly #findSuspect: SuspectFinder;
  readonly #events: SilenceEvents;
  #heardMs: number;
  #idleSinceMs: number | undefined;
  #timer: Timer;
  #isStopped = false;

  constructor(clock: Clock, targets: readonly ReplicaLocation[], findSuspect: SuspectFinder, events: SilenceEvents) {
    this.#clock = clock;
    this.#targets = targets;
    this.#findSuspect = findSuspect;
    this.#events = events;
    this.limitMs = limitOfOneMs + limitPerHopMs * (targets.length - 1);
    this.#heardMs = clock.monotonicMs();
    this.#timer = this.#arm(suspicionMs);
  }

  heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
  }

  #arm(delayMs: number): Timer {
    return this.#clock.setTimer(() => void this.#check(), delayMs, { background: true });
  }

  async #check(): Promise<void> {
    if (!this.#events.isWaiting()) this.#noteIdle();
    else this.#idleSinceMs = undefined;
    const silentMs = this.#clock.monotonicMs() - this.#heardMs;
    if (silentMs < suspicionMs) {
      this.#timer = this.#arm(suspicionMs - silentMs);
      return;
    }
    if (silentMs >= this.limitMs) return this.#accuse(0, `did not answer for ${Math.round(silentMs / 1000)} s`);
    const heardMs = this.#heardMs;
    const suspect = await this.#findSuspect(this.#targets).catch(() => undefined);
    if (this.#isStopped) return;
    if (suspect !== undefined && this.#heardMs === heardMs) return this.#accuse(suspect, `did not answer for ${Math.round((this.#clock.monotonicMs() - heardMs) / 1000)} s`);
    this.#timer = this.#arm(askAgainMs);
  }

  #noteIdle(): void {
    this.heard();
    this.#idleSinceMs ??= this.#heardMs;
    if (this.#heardMs - this.#idleSinceMs < signOfLifeMs) return;
    this.#idleSinceMs = undefined;
    this.#events.onIdle?.();
  }

  #accuse(culprit: number, reason: string): void {
    this.stop();
    this.#events.onSilence(culprit, reason);
  }
}
