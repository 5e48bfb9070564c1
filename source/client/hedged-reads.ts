import type { Clock } from '../base/clock.js';

/**
 * How long a reader waits for a replica before it asks a second one too: dfs.client.hedged.read.threshold.millis. Far above what a good
 * disk takes, even a busy one, and short enough for a person not to wonder.
 */
export const defaultHedgedReadDelayMs = 500;
/** Of all streams of a client at a time: what they may cost the cluster above what they read. */
const maxHedgesPerClient = 8;
/** A hedge that lost was in vain: the stream's next one waits twice as long, up to this. */
const longestDelayMs = 8000;
/** A node that was slow twice within this time is put behind the others for as long. */
const slowForMs = 60_000;

/** Of a client since it began (HDFS: DFSHedgedReadMetrics, and more). */
export interface ReadCounters {
  /** A second replica was asked, since the first kept its reader waiting. */
  hedgedReads: number;
  /** The second one delivered first, and the reader went on with it. */
  hedgedReadWins: number;
  /** Replicas that a reader had to give up: dead, silent, refusing or corrupt ones. */
  failedReplicas: number;
  /** Of these, those whose bytes did not match their checksum: each was reported. */
  corruptReplicas: number;
}

/** The hedged reads of all streams of one client: their budget, and the nodes that made them necessary. */
export class HedgedReads {
  readonly counters: ReadCounters = { hedgedReads: 0, hedgedReadWins: 0, failedReplicas: 0, corruptReplicas: 0 };
  readonly #clock: Clock;
  readonly #delayMs: number;
  #running = 0;
  /** By node: until when one more slowness puts it behind, and until when it is there. */
  readonly #slow = new Map<string, { untilMs: number; isBehind: boolean }>();

  /** `delayMs` 0: no replica is asked as long as another one may still answer. */
  constructor(clock: Clock, delayMs: number = defaultHedgedReadDelayMs) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  stream(): StreamHedge {
    return new StreamHedge(this, this.#delayMs);
  }

  /** To be tried after the others. */
  isBehind(datanodeUuid: string): boolean {
    return this.#recent(datanodeUuid)?.isBehind ?? false;
  }

  noteSlow(datanodeUuid: string): void {
    const isBehind = this.#recent(datanodeUuid) !== undefined;
    this.#slow.set(datanodeUuid, { untilMs: this.#clock.monotonicMs() + slowForMs, isBehind });
  }

  noteQuick(datanodeUuid: string): void {
    this.#slow.delete(datanodeUuid);
  }

  /** False: the budget is used up. */
  tryBegin(): boolean {
    if (this.#running >= maxHedgesPerClient) return false;
    this.#running++;
    this.counters.hedgedReads++;
    return true;
  }

  end(): void {
    this.#running--;
  }

  #recent(datanodeUuid: string): { untilMs: number; isBehind: boolean } | undefined {
    const known = this.#slow.get(datanodeUuid);
    if (known && known.untilMs <= this.#clock.monotonicMs()) {
      this.#slow.delete(datanodeUuid);
      return undefined;
    }
    return known;
  }
}

/** The hedged reads of one stream, at most one at a time. Each that begins is ended. */
export class StreamHedge {
  readonly client: HedgedReads;
  #delayMs: number;

  constructor(client: HedgedReads, delayMs: number) {
    this.client = client;
    this.#delayMs = delayMs;
  }

  /** Silence after which a second replica is asked; 0: none is. */
  get delayMs(): number {
    return this.#delayMs;
  }

  tryBegin(): boolean {
    return this.client.tryBegin();
  }

  end(outcome: 'won' | 'lost' | 'failed'): void {
    this.client.end();
    if (outcome === 'won') this.client.counters.hedgedReadWins++;
    else this.#delayMs = Math.max(this.#delayMs, Math.min(2 * this.#delayMs, longestDelayMs));
  }
}
