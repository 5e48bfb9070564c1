const maxEvents = 65_536;

/**
 * What a data node said lately of single replicas. A full report is a picture of an earlier moment: it must not take away what came
 * after it was made, nor bring back what went. Bounded: once something was forgotten too early, `isComplete` is false for a while,
 * and a report in that time only adds.
 */
export class RecentReplicaEvents {
  /** By block id, oldest first. */
  readonly #events = new Map<number, { isPresent: boolean; atMs: number }>();
  #incompleteUntilMs = Number.NEGATIVE_INFINITY;

  note(blockId: number, isPresent: boolean, nowMs: number, keepMs: number): void {
    this.#events.delete(blockId);
    this.#events.set(blockId, { isPresent, atMs: nowMs });
    if (this.#events.size <= maxEvents) return;
    this.#events.delete(this.#events.keys().next().value!);
    this.#incompleteUntilMs = nowMs + keepMs;
  }

  wasDeleted(blockId: number): boolean {
    return this.#events.get(blockId)?.isPresent === false;
  }

  wasReceived(blockId: number): boolean {
    return this.#events.get(blockId)?.isPresent === true;
  }

  isComplete(nowMs: number): boolean {
    return nowMs >= this.#incompleteUntilMs;
  }

  expire(beforeMs: number): void {
    for (const [blockId, event] of this.#events) {
      if (event.atMs >= beforeMs) break;
      this.#events.delete(blockId);
    }
  }

  clear(): void {
    this.#events.clear();
    this.#incompleteUntilMs = Number.NEGATIVE_INFINITY;
  }
}
