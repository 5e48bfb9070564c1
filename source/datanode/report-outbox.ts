import type { Block } from '../protocol/block.js';

/** Something that happened to a replica here and that the name node must hear of. */
export type ReplicaNotice =
  | { kind: 'received' | 'deleted'; storageId: string; block: Block }
  | { kind: 'corrupt'; storageId: string; block: Block; isQuarantined: boolean; reason: string }
  | { kind: 'intact'; storageId: string; block: Block };

/** Notices that one call carries: all received and deleted, or all corrupt, or all intact. */
export type NoticeBatch = { method: 'events' | 'corrupt' | 'intact'; firstNotice: number; notices: ReplicaNotice[] };

const maxEventsPerBatch = 1000;

/**
 * Notices on their way to the name node, in the order in which things happened: a replica that was put aside and came back must not be
 * heard of the other way round. A batch stays until it is known to have arrived. The notices are numbered, so that the name node takes each one
 * once, however often, and late, a copy of it comes. When there are too many they are dropped, and a full block report says the same.
 */
export class ReportOutbox {
  readonly #maxNotices: number;
  #notices: ReplicaNotice[] = [];
  /** Number of the first one there is, or of the next that comes. */
  #firstNotice = 1;
  #isReportDue = false;
  #wake: (() => void) | undefined;

  constructor(maxNotices: number) {
    this.#maxNotices = maxNotices;
  }

  get size(): number {
    return this.#notices.length;
  }

  get isReportDue(): boolean {
    return this.#isReportDue;
  }

  add(notice: ReplicaNotice): void {
    if (this.#notices.length >= this.#maxNotices) {
      this.#forget(this.#notices.length);
      this.#isReportDue = true;
    }
    this.#notices.push(notice);
    this.#wake?.();
  }

  requestReport(): void {
    this.#isReportDue = true;
    this.#wake?.();
  }

  /** The report that is about to be sent covers everything up to now. */
  reportStarted(): void {
    this.#isReportDue = false;
  }

  /** The oldest notices that go in one call; undefined if there are none. */
  batch(): NoticeBatch | undefined {
    const first = this.#notices[0];
    if (!first) return undefined;
    const method = methodOf(first);
    let count = 1;
    while (count < Math.min(this.#notices.length, maxEventsPerBatch) && methodOf(this.#notices[count]!) === method) count++;
    return { method, firstNotice: this.#firstNotice, notices: this.#notices.slice(0, count) };
  }

  /** The batch has arrived. */
  drop(batch: NoticeBatch): void {
    // After an overflow the begin of the queue is no longer that of the batch.
    if (this.#notices[0] === batch.notices[0]) this.#forget(batch.notices.length);
  }

  #forget(count: number): void {
    this.#notices.splice(0, count);
    this.#firstNotice += count;
  }

  /** Resolves when there is something to send, or the signal aborts. */
  async waitForWork(signal: AbortSignal): Promise<void> {
    if (this.#isReportDue || this.#notices.length > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

function methodOf(notice: ReplicaNotice): NoticeBatch['method'] {
  return notice.kind === 'corrupt' || notice.kind === 'intact' ? notice.kind : 'events';
}
