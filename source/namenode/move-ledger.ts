import type { DatanodeDescriptor } from './datanode-descriptor.js';

/** A block that has come to its target, and is to go from its source. */
export interface Arrival {
  readonly blockId: number;
  readonly source: DatanodeDescriptor;
  readonly target: DatanodeDescriptor;
  readonly lengthBytes: number;
  readonly untilMs: number;
  /** When it came to the target, and when it was seen to be gone from the source: what heartbeats after that say counts it. */
  readonly arrivedMs: number;
  goneMs: number | undefined;
}

interface Unheard {
  receivedBytes: number;
  sentBytes: number;
}

const nothing: Readonly<Unheard> = { receivedBytes: 0, sentBytes: 0 };

interface Allowance {
  bytes: number;
  atMs: number;
}

/**
 * What the balancer has moved that heartbeats do not show yet (counted longer, it would be counted twice: a target would look too full, and
 * be emptied again), and how much of its bandwidth each node has left: a second of it may be
 * used ahead, and a block larger than that is paid off before the next.
 */
export class MoveLedger {
  readonly #limits: { bytesPerSecond: number; settleMs: number };
  #arrivals: Arrival[] = [];
  /** Their sums, as of the last tick and of what came since. */
  readonly #unheard = new Map<DatanodeDescriptor, Unheard>();
  readonly #allowances = new Map<DatanodeDescriptor, Allowance>();

  constructor(limits: { bytesPerSecond: number; settleMs: number }) {
    this.#limits = limits;
  }

  /** All that was moved shows. */
  get isEmpty(): boolean {
    return this.#arrivals.length === 0;
  }

  mayMove(node: DatanodeDescriptor, nowMs: number): boolean {
    return this.#allowance(node, nowMs).bytes > 0;
  }

  noteOrder(source: DatanodeDescriptor, target: DatanodeDescriptor, lengthBytes: number, nowMs: number): void {
    this.#allowance(source, nowMs).bytes -= lengthBytes;
    this.#allowance(target, nowMs).bytes -= lengthBytes;
  }

  noteArrival(move: Pick<Arrival, 'blockId' | 'source' | 'target' | 'lengthBytes'>, nowMs: number): void {
    const arrival = { ...move, arrivedMs: nowMs, goneMs: undefined, untilMs: nowMs + this.#limits.settleMs };
    this.#arrivals.push(arrival);
    this.#count(arrival);
  }

  unheard(node: DatanodeDescriptor): Readonly<Unheard> {
    return this.#unheard.get(node) ?? nothing;
  }

  /** Forgets what both nodes have told since, and what one never will. `isAtSource`: it has not confirmed the deletion. */
  expire(nowMs: number, isAtSource: (arrival: Arrival) => boolean): void {
    if (this.#arrivals.length === 0) return;
    for (const arrival of this.#arrivals) if (arrival.goneMs === undefined && !isAtSource(arrival)) arrival.goneMs = nowMs;
    this.#arrivals = this.#arrivals.filter((arrival) => arrival.untilMs > nowMs && !(isArrivalHeard(arrival) && isGoneHeard(arrival)));
    this.#unheard.clear();
    for (const arrival of this.#arrivals) this.#count(arrival);
  }

  clear(): void {
    this.#arrivals = [];
    this.#unheard.clear();
    this.#allowances.clear();
  }

  #count(arrival: Arrival): void {
    if (!isGoneHeard(arrival)) this.#unheardOf(arrival.source).sentBytes += arrival.lengthBytes;
    if (!isArrivalHeard(arrival)) this.#unheardOf(arrival.target).receivedBytes += arrival.lengthBytes;
  }

  #unheardOf(node: DatanodeDescriptor): Unheard {
    let bytes = this.#unheard.get(node);
    if (!bytes) this.#unheard.set(node, (bytes = { receivedBytes: 0, sentBytes: 0 }));
    return bytes;
  }

  #allowance(node: DatanodeDescriptor, nowMs: number): Allowance {
    const { bytesPerSecond } = this.#limits;
    let allowance = this.#allowances.get(node);
    if (!allowance) this.#allowances.set(node, (allowance = { bytes: bytesPerSecond, atMs: nowMs }));
    allowance.bytes = Math.min(bytesPerSecond, allowance.bytes + ((nowMs - allowance.atMs) * bytesPerSecond) / 1000);
    allowance.atMs = nowMs;
    return allowance;
  }
}

function isArrivalHeard({ target, arrivedMs }: Arrival): boolean {
  return target.lastHeartbeatMs > arrivedMs;
}

function isGoneHeard({ source, goneMs }: Arrival): boolean {
  return goneMs !== undefined && source.lastHeartbeatMs > goneMs;
}
