import type { DatanodeDescriptor } from './datanode-descriptor.js';

interface Arrival {
  readonly source: DatanodeDescriptor;
  readonly target: DatanodeDescriptor;
  readonly lengthBytes: number;
  readonly untilMs: number;
}

interface Allowance {
  bytes: number;
  atMs: number;
}

/**
 * What the balancer has moved that heartbeats do not show yet, and how much of its bandwidth each node has left: a second of it may be
 * used ahead, and a block larger than that is paid off before the next.
 */
export class MoveLedger {
  readonly #limits: { bytesPerSecond: number; settleMs: number };
  #arrivals: Arrival[] = [];
  readonly #allowances = new Map<DatanodeDescriptor, Allowance>();

  constructor(limits: { bytesPerSecond: number; settleMs: number }) {
    this.#limits = limits;
  }

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

  noteArrival(source: DatanodeDescriptor, target: DatanodeDescriptor, lengthBytes: number, nowMs: number): void {
    this.#arrivals.push({ source, target, lengthBytes, untilMs: nowMs + this.#limits.settleMs });
  }

  unheard(node: DatanodeDescriptor): { receivedBytes: number; sentBytes: number } {
    const bytes = { receivedBytes: 0, sentBytes: 0 };
    for (const { source, target, lengthBytes } of this.#arrivals) {
      if (source === node) bytes.sentBytes += lengthBytes;
      if (target === node) bytes.receivedBytes += lengthBytes;
    }
    return bytes;
  }

  expire(nowMs: number): void {
    while (this.#arrivals.length > 0 && this.#arrivals[0]!.untilMs <= nowMs) this.#arrivals.shift();
  }

  clear(): void {
    this.#arrivals = [];
    this.#allowances.clear();
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
