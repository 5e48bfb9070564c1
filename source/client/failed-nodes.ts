import type { Clock } from '../base/clock.js';
import type { ReplicaLocation } from '../protocol/block.js';

/** After this a node may have come back: a long write is not to go on without it for ever. */
const excludedForMs = 60_000;
const keptReasons = 100;

/** The data nodes that failed one file's writer: whom to keep out of new pipelines, and what to tell the user. */
export class FailedNodes {
  readonly #clock: Clock;
  readonly #excludedUntilMs = new Map<string, number>();
  /** In the order of the failures, the last 100: `{datanode: 'dn2', reason: 'refused the connection'}`. */
  readonly failures: { datanode: string; reason: string }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(node: ReplicaLocation, reason: string): void {
    this.#excludedUntilMs.set(node.datanodeUuid, this.#clock.monotonicMs() + excludedForMs);
    if (this.failures.length >= keptReasons) this.failures.shift();
    this.failures.push({ datanode: node.name, reason });
  }

  excluded(): string[] {
    const nowMs = this.#clock.monotonicMs();
    for (const [uuid, untilMs] of this.#excludedUntilMs) {
      if (untilMs <= nowMs) this.#excludedUntilMs.delete(uuid);
    }
    return [...this.#excludedUntilMs.keys()];
  }

  /** All may be tried again: when nobody else is left. */
  forgive(): void {
    this.#excludedUntilMs.clear();
  }

  /** `dn2: refused the connection` */
  lines(): string[] {
    return this.failures.map(({ datanode, reason }) => `${datanode}: ${reason}`);
  }
}
