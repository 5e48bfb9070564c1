import type { Clock } from '../base/clock.js';
import type { ReplicaLocation } from '../protocol/block.js';

/** After this a node may have come back: a long write is not to go on without it for ever. */
const excludedForMs = 60_000;
const keptReasons = 100;

/** How often within that time a node is taken back whose connection broke, or whose bytes changed on their way. */
const maxReturns = 3;

interface FailedNode {
  untilMs: number;
  isExcluded: boolean;
  isOfTheWay: boolean;
  returns: number;
}

/** The data nodes that failed one file's writer: whom to keep out of new pipelines, and what to tell the user. */
export class FailedNodes {
  readonly #clock: Clock;
  /** By uuid. */
  readonly #nodes = new Map<string, FailedNode>();
  /** In the order of the failures, the last 100: `{datanode: 'dn2', reason: 'refused the connection'}`. */
  readonly failures: { datanode: string; reason: string }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `isOfTheWay`: it may be the way to the node that failed, and the node may be taken back when others are too few. */
  add(node: ReplicaLocation, reason: string, { isOfTheWay = false } = {}): void {
    this.#forget();
    const returns = this.#nodes.get(node.datanodeUuid)?.returns ?? 0;
    this.#nodes.set(node.datanodeUuid, { untilMs: this.#clock.monotonicMs() + excludedForMs, isExcluded: true, isOfTheWay, returns });
    if (this.failures.length >= keptReasons) this.failures.shift();
    this.failures.push({ datanode: node.name, reason });
  }

  excluded(): string[] {
    this.#forget();
    return [...this.#nodes].flatMap(([uuid, { isExcluded }]) => (isExcluded ? [uuid] : []));
  }

  /** All may be tried again: when nobody else is left. */
  forgive(): void {
    this.#nodes.clear();
  }

  /** Whether this one may be tried again at once: it failed by its way alone, and not again and again. */
  takeBack(datanodeUuid: string): boolean {
    const node = this.#nodes.get(datanodeUuid);
    if (!node?.isExcluded || !node.isOfTheWay || node.returns >= maxReturns) return false;
    node.returns++;
    node.isExcluded = false;
    return true;
  }

  /** The same for all of them; false if there is none. */
  takeBackAny(): boolean {
    return [...this.#nodes.keys()].filter((uuid) => this.takeBack(uuid)).length > 0;
  }

  #forget(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [uuid, { untilMs }] of this.#nodes) if (untilMs <= nowMs) this.#nodes.delete(uuid);
  }

  /** `dn2: refused the connection`, each once: `dn1: is out of space (3 times)` */
  lines(): string[] {
    const counts = new Map<string, number>();
    for (const { datanode, reason } of this.failures) counts.set(`${datanode}: ${reason}`, (counts.get(`${datanode}: ${reason}`) ?? 0) + 1);
    return [...counts].map(([line, count]) => (count === 1 ? line : `${line} (${count} times)`));
  }
}
