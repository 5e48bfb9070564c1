import type { Clock } from '../base/clock.js';
import { decodeEdit } from './edit-record.js';
import { allEdits, callKey, editKey, idOf } from './keys.js';
import { decodeId } from './inode.js';
import type { Namespace } from './namespace.js';

export interface LogRetention {
  /** An edit, and with it the answer to its call, is kept for at least so long by this process's clock: longer than any client retries. */
  keptMs: number;
  /** But of more edits than this the oldest go all the same. */
  keptEdits: number;
}

const editsPerSlice = 1000;
const markIntervalMs = 10_000;

/**
 * Keeps the tail of the edit log, and the answers for retries with it. Age is measured on the monotonic clock, by remembering which
 * edit was the last one when: a wall clock that jumps forgets nothing. After a restart all that is there counts as new.
 */
export class LogTrimmer {
  readonly #namespace: Namespace;
  readonly #clock: Clock;
  readonly #retention: LogRetention;
  readonly #marks: { editId: number; timeMs: number }[] = [];

  constructor(namespace: Namespace, clock: Clock, retention: LogRetention) {
    this.#namespace = namespace;
    this.#clock = clock;
    this.#retention = retention;
  }

  /** Removes at most one slice; true if there may be more. */
  async trim(): Promise<boolean> {
    const lastId = this.#lastIdToRemove();
    if (lastId <= 0) return false;
    return this.#namespace.maintain((transaction) => {
      let count = 0;
      for (const [key, record] of [...transaction.range({ start: allEdits.start, end: editKey(lastId + 1), limit: editsPerSlice })]) {
        const editId = idOf(key);
        const { call } = decodeEdit(editId, record);
        transaction.delete(key);
        count++;
        if (!call) continue;
        const index = callKey(call.clientId, call.callId);
        const answeredBy = transaction.get(index);
        if (answeredBy && decodeId(answeredBy) === editId) transaction.delete(index);
      }
      return count === editsPerSlice;
    });
  }

  #lastIdToRemove(): number {
    const { keptMs, keptEdits } = this.#retention;
    const nowMs = this.#clock.monotonicMs();
    const lastEditId = this.#namespace.lastEditId;
    const newest = this.#marks.at(-1);
    if (!newest || nowMs - newest.timeMs >= markIntervalMs) this.#marks.push({ editId: lastEditId, timeMs: nowMs });
    while (this.#marks.length > 1 && nowMs - this.#marks[1]!.timeMs >= keptMs) this.#marks.shift();
    const oldest = this.#marks[0]!;
    const byAge = nowMs - oldest.timeMs >= keptMs ? oldest.editId : 0;
    return Math.max(byAge, lastEditId - keptEdits);
  }
}
