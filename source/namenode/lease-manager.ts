export interface LeaseLimits {
  /** Without a sign of its holder for so long, another may take the file over; a temporary file is deleted. */
  softLimitMs: number;
  /** Then its holder may not write any more. */
  hardLimitMs: number;
  /** Ticks are meant to come so often. */
  tickIntervalMs: number;
}

interface Holder {
  renewedMs: number;
  /** By inode id: is it temporary? */
  readonly files: Map<number, boolean>;
}

/** What a tick found. */
export interface ExpiredLeases {
  /** Temporary files to delete. */
  readonly temporaryIds: number[];
  /** Files whose holder may not go on. */
  readonly expiredIds: number[];
}

/** A stop longer than so many intervals is ours, not the clients' (a stopped process, a suspended laptop). */
const lateTicks = 3;
/** What one tick answers at most; the rest comes with the next. */
const maxExpiredPerTick = 1000;

/**
 * When the writers of files under construction were last heard of (HDFS: LeaseManager). Who holds what is durable (LeaseRecord); this is
 * the soft part: after a restart every lease is fresh. It runs on a clock of its own, which follows the monotonic one, but stands
 * still where ticks are missing: late ticks postpone verdicts.
 */
export class LeaseManager {
  readonly #limits: LeaseLimits;
  readonly #monotonicMs: () => number;
  readonly #holders = new Map<string, Holder>();
  readonly #holderOfFile = new Map<number, string>();
  #tickedMs: number;
  #clockMs = 0;

  constructor(limits: LeaseLimits, monotonicMs: () => number) {
    this.#limits = limits;
    this.#monotonicMs = monotonicMs;
    this.#tickedMs = monotonicMs();
  }

  /** A file under construction, from its creation or found at start. */
  add(inodeId: number, clientId: string, isTemporary: boolean): void {
    let holder = this.#holders.get(clientId);
    if (!holder) this.#holders.set(clientId, (holder = { renewedMs: 0, files: new Map() }));
    holder.renewedMs = this.#nowMs();
    holder.files.set(inodeId, isTemporary);
    this.#holderOfFile.set(inodeId, clientId);
  }

  /** The file is complete, or gone, or its lease has ended. An unknown one is fine. */
  remove(inodeId: number): void {
    const clientId = this.#holderOfFile.get(inodeId);
    if (clientId === undefined) return;
    this.#holderOfFile.delete(inodeId);
    const holder = this.#holders.get(clientId)!;
    holder.files.delete(inodeId);
    if (holder.files.size === 0) this.#holders.delete(clientId);
  }

  /** A sign of life. Answers how many files the client has open. */
  renew(clientId: string): number {
    const holder = this.#holders.get(clientId);
    if (!holder) return 0;
    holder.renewedMs = this.#nowMs();
    return holder.files.size;
  }

  /** The holder was not heard of for the soft limit: another may take its files over. */
  isSoftLimitPassed(clientId: string): boolean {
    const holder = this.#holders.get(clientId);
    return holder !== undefined && this.#nowMs() - holder.renewedMs > this.#limits.softLimitMs;
  }

  /** Moves this clock on, and answers what to do about whom it has left behind. The caller does it and then calls `remove`. */
  tick(): ExpiredLeases {
    this.#clockMs = this.#nowMs();
    this.#tickedMs = this.#monotonicMs();
    const expired: ExpiredLeases = { temporaryIds: [], expiredIds: [] };
    for (const { renewedMs, files } of this.#holders.values()) {
      const silentMs = this.#clockMs - renewedMs;
      if (silentMs <= this.#limits.softLimitMs) continue;
      const isHard = silentMs > this.#limits.hardLimitMs;
      for (const [inodeId, isTemporary] of files) {
        if (expired.temporaryIds.length + expired.expiredIds.length >= maxExpiredPerTick) return expired;
        if (isTemporary) expired.temporaryIds.push(inodeId);
        else if (isHard) expired.expiredIds.push(inodeId);
      }
    }
    return expired;
  }

  get fileCount(): number {
    return this.#holderOfFile.size;
  }

  get holderCount(): number {
    return this.#holders.size;
  }

  #nowMs(): number {
    return this.#clockMs + Math.min(this.#monotonicMs() - this.#tickedMs, lateTicks * this.#limits.tickIntervalMs);
  }
}
