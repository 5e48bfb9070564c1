/** A try to recover the last block of a file. */
export interface RecoveryAttempt {
  readonly blockId: number;
  /** What the block gets if this try succeeds. Only the latest try's counts. */
  readonly recoveryGeneration: number;
  /** Every node that can have a replica is asked: if all of them have none, there is none. */
  readonly areAllAsked: boolean;
}

interface Recovery {
  attempt: RecoveryAttempt | undefined;
  attemptCount: number;
  dueMs: number;
}

const maxDuePerTick = 200;
/** Each further try may take twice as long, up to 2^this: a block that is slow to verify must not be disturbed for ever. */
const maxDoublings = 6;

/**
 * The files that the name node has taken over, and how far it is with recovering their last blocks (HDFS: BlockUnderConstructionFeature,
 * PendingRecoveryBlocks). Which files these are is durable (LeaseRecord); the tries are not: after a restart each begins again, with
 * a newer generation, and whatever an older try still brings is refused.
 */
export class LeaseRecoveries {
  readonly #timeoutMs: number;
  readonly #files = new Map<number, Recovery>();

  /** `timeoutMs`: after so long without a result a try is given up, and another data node asked. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#files.size;
  }

  add(inodeId: number): void {
    if (!this.#files.has(inodeId)) this.#files.set(inodeId, { attempt: undefined, attemptCount: 0, dueMs: Number.NEGATIVE_INFINITY });
  }

  /** The file is closed, or gone. */
  remove(inodeId: number): void {
    this.#files.delete(inodeId);
  }

  /** Files that are to be looked at now: a new one, or one whose last try has had its time. */
  tick(nowMs: number): number[] {
    const due: number[] = [];
    for (const [inodeId, { dueMs }] of this.#files) {
      if (dueMs > nowMs) continue;
      due.push(inodeId);
      if (due.length === maxDuePerTick) break;
    }
    return due;
  }

  /** How many tries there were. */
  attemptCount(inodeId: number): number {
    return this.#files.get(inodeId)?.attemptCount ?? 0;
  }

  /**
   * A new try is planned: what the last one still brings does not count from here on. Not only from `begin` on: both may be in one group
   * of transactions, and the last one would close the file with replicas that get the generation of the new one then.
   */
  endAttempt(inodeId: number): void {
    const recovery = this.#files.get(inodeId);
    if (recovery) recovery.attempt = undefined;
  }

  /** The generation of a new try is on disk: from here on no earlier one counts. */
  begin(inodeId: number, attempt: RecoveryAttempt, nowMs: number): void {
    const recovery = this.#files.get(inodeId);
    if (!recovery) return;
    recovery.attempt = attempt;
    this.#postpone(inodeId, recovery, nowMs + this.#timeoutMs * 2 ** Math.min(recovery.attemptCount++, maxDoublings));
  }

  /** Nothing can be tried now; looked at again a little later. */
  postpone(inodeId: number, nowMs: number): void {
    const recovery = this.#files.get(inodeId);
    if (recovery) this.#postpone(inodeId, recovery, nowMs + this.#timeoutMs / 4);
  }

  /** The latest try. */
  attempt(inodeId: number): RecoveryAttempt | undefined {
    return this.#files.get(inodeId)?.attempt;
  }

  /** Behind those that were not looked at yet: with very many files each gets its turn. */
  #postpone(inodeId: number, recovery: Recovery, dueMs: number): void {
    recovery.dueMs = dueMs;
    this.#files.delete(inodeId);
    this.#files.set(inodeId, recovery);
  }
}
