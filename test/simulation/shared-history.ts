import { crc32 } from '../../source/base/checksum.js';
import { contentOf } from './content.js';
import { Violation } from './simulator.js';

/**
 * A record of a shared file, always of one length, no multiple of anything that disks, packets or blocks are cut into:
 *
 *      0           8              12          16                         20               700
 *     +-----------+--------------+-----------+--------------------------+----------------+
 *     | dfshrec1  | attempt, BE  | number BE | CRC-32 of all the others | bytes          |
 *     +-----------+--------------+-----------+--------------------------+----------------+
 */
export const recordBytes = 700;
const magic = Buffer.from('dfshrec1');
const headerBytes = 20;

/** One try of a writer to create a file with records, or to append some. Times are those of the simulation. */
export interface WriteAttempt {
  readonly id: number;
  readonly writer: string;
  readonly path: string;
  readonly recordCount: number;
  readonly invokedMs: number;
  readonly isCalm: boolean;
  /** The file that was opened; undefined: none was, as far as its writer knows. */
  inodeId?: number;
  openedMs?: number;
  closingMs?: number;
  acknowledgedMs?: number;
  /** Of its records, those that a sync made durable. */
  syncedCount: number;
  syncedMs: number;
}

interface Cut {
  invokedMs: number;
  endedMs: number;
}

/** What writers of the same files did, as each of them knows it, and what the bytes of such a file may be therefore (P4). */
export class SharedHistory {
  readonly #attempts: WriteAttempt[] = [];
  readonly #cuts: Cut[] = [];

  begin(attempt: Pick<WriteAttempt, 'writer' | 'path' | 'recordCount' | 'invokedMs' | 'isCalm'>): WriteAttempt {
    const begun = { ...attempt, id: this.#attempts.length, syncedCount: 0, syncedMs: Infinity };
    this.#attempts.push(begun);
    return begun;
  }

  /** A truncation; over once it is answered, or once nothing of it can be on its way any more. */
  beginCut(invokedMs: number): Cut {
    const cut = { invokedMs, endedMs: Infinity };
    this.#cuts.push(cut);
    return cut;
  }

  /** Nothing that was asked for before can happen any more. */
  settle(nowMs: number): void {
    for (const cut of this.#cuts) cut.endedMs = Math.min(cut.endedMs, nowMs);
  }

  /** The file is complete with all records of the attempt: no other writer that was acknowledged may have had it open meanwhile. */
  acknowledge(attempt: WriteAttempt, nowMs: number): void {
    attempt.acknowledgedMs = nowMs;
    for (const other of this.#attempts) {
      if (other === attempt || other.inodeId !== attempt.inodeId || other.acknowledgedMs === undefined) continue;
      if (other.openedMs! < attempt.closingMs! && attempt.openedMs! < other.closingMs!) {
        throw new Violation(`${attempt.path} (inode ${attempt.inodeId}) had two writers at once, both acknowledged: ${show(attempt)}, and ${show(other)}`);
      }
    }
  }

  /** Checks the bytes of a file that were read between two times. */
  check(file: { path: string; inodeId: number; bytes: Buffer }, read: { beganMs: number; endedMs: number }): void {
    // Bytes of before and of behind a cut make no sense together.
    if (this.#isCut(read.beganMs, read.endedMs)) return;
    const counts = this.#countRecords(file, read);
    for (const attempt of this.#attempts) {
      if (attempt.inodeId !== file.inodeId || this.#isCut(attempt.invokedMs, read.endedMs)) continue;
      const found = counts.get(attempt.id) ?? 0;
      const isWhole = attempt.acknowledgedMs !== undefined && attempt.acknowledgedMs <= read.beganMs;
      const wanted = isWhole ? attempt.recordCount : attempt.syncedMs <= read.beganMs ? attempt.syncedCount : 0;
      if (found < wanted) throw this.#violation(file, `has ${found} of ${wanted} records that were promised of ${show(attempt)}`);
    }
  }

  /** What was acknowledged when nobody deleted or replaced files any more must be in the file at its path. */
  checkCalm(inodes: ReadonlyMap<string, number>): number {
    let count = 0;
    for (const attempt of this.#attempts) {
      if (!attempt.isCalm || attempt.acknowledgedMs === undefined) continue;
      if (inodes.get(attempt.path) !== attempt.inodeId) throw new Violation(`${attempt.path} is inode ${inodes.get(attempt.path)}, and not the one of ${show(attempt)}, which nobody deleted`);
      count += attempt.recordCount;
    }
    return count;
  }

  #isCut(fromMs: number, toMs: number): boolean {
    return this.#cuts.some(({ invokedMs, endedMs }) => invokedMs <= toMs && endedMs >= fromMs);
  }

  /** Whole records by attempt. Each once, those of an attempt together and in order, attempts in an order that their times allow. */
  #countRecords(file: { path: string; inodeId: number; bytes: Buffer }, { beganMs, endedMs }: { beganMs: number; endedMs: number }): Map<number, number> {
    const counts = new Map<number, number>();
    let last: WriteAttempt | undefined;
    /** The latest begin of an attempt so far. */
    let latest: WriteAttempt | undefined;
    for (const { bytes, atBytes } of pieces(file.bytes)) {
      const attempt = bytes.length < 16 ? undefined : this.#attempts[bytes.readUInt32BE(8)];
      if (bytes.length < 16) {
        if (!magic.subarray(0, bytes.length).equals(bytes.subarray(0, 8))) throw this.#violation(file, `bytes of no record at ${atBytes}`);
        continue;
      }
      const number = bytes.readUInt32BE(12);
      if (!attempt || number >= attempt.recordCount || !recordOf(attempt.id, number).subarray(0, bytes.length).equals(bytes)) throw this.#violation(file, `bytes of no record at ${atBytes}, ${bytes.length} of them`);
      if (attempt.inodeId !== file.inodeId) throw this.#violation(file, `at ${atBytes} a record of ${show(attempt)}`);
      const isTorn = bytes.length < recordBytes;
      // A reader that came before the acknowledgement may see the file as long as it was then.
      const mayBeTorn = attempt.acknowledgedMs === undefined || (attempt.acknowledgedMs > beganMs && atBytes + bytes.length === file.bytes.length);
      if (isTorn && !mayBeTorn && !this.#isCut(attempt.invokedMs, endedMs)) throw this.#violation(file, `at ${atBytes} a torn record of ${show(attempt)}`);
      const count = counts.get(attempt.id) ?? 0;
      if (number !== count || (count > 0 && last !== attempt)) throw this.#violation(file, `at ${atBytes} record ${number} of ${show(attempt)}, of which ${count} came before; the record before it is of ${last ? show(last) : 'nobody'}`);
      if (latest && attempt.acknowledgedMs !== undefined && attempt.acknowledgedMs < latest.invokedMs) throw this.#violation(file, `at ${atBytes} a record of ${show(attempt)}, behind one of ${show(latest)}`);
      if (!latest || attempt.invokedMs > latest.invokedMs) latest = attempt;
      if (!isTorn) counts.set(attempt.id, count + 1);
      last = attempt;
    }
    return counts;
  }

  #violation(file: { path: string; inodeId: number; bytes: Buffer }, what: string): Violation {
    const attempts = this.#attempts.filter(({ inodeId }) => inodeId === file.inodeId).map((attempt) => `\n  ${show(attempt)}`);
    return new Violation(`${file.path} (inode ${file.inodeId}, ${file.bytes.length} bytes) ${what}; written by:${attempts.join('')}`);
  }
}

export function recordOf(attemptId: number, number: number): Buffer {
  const record = Buffer.alloc(recordBytes);
  magic.copy(record);
  record.writeUInt32BE(attemptId, 8);
  record.writeUInt32BE(number, 12);
  const begin = headerBytes + ((attemptId * 31 + number) % 997);
  record.set(contentOf(attemptId, begin, begin + recordBytes - headerBytes), headerBytes);
  record.writeUInt32BE(crc32(record), 16);
  return record;
}

/** A file's bytes, cut where records begin: a whole record is one piece; what is left of one that was cut off is one too. */
function* pieces(bytes: Buffer): Generator<{ bytes: Buffer; atBytes: number }> {
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(magic, at + 1);
    let end = next < 0 ? bytes.length : next;
    // Behind it, the first bytes of one of which there are too few to be known.
    if (end > at + recordBytes) end = at + recordBytes;
    else if (end < at + recordBytes && next >= 0) end = withoutStub(bytes, at, end);
    yield { bytes: bytes.subarray(at, end), atBytes: at };
    at = end;
  }
}

/** Where the bytes from `at` stop being those of their record, if only a stub of another is behind them; else `end`. */
function withoutStub(bytes: Buffer, at: number, end: number): number {
  if (end - at < 16) return end;
  const record = recordOf(bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12));
  for (let stub = 1; stub < magic.length && end - stub - at >= 16; stub++) {
    if (record.subarray(0, end - stub - at).equals(bytes.subarray(at, end - stub)) && !record.subarray(0, end - at).equals(bytes.subarray(at, end)) && magic.subarray(0, stub).equals(bytes.subarray(end - stub, end))) return end - stub;
  }
  return end;
}

function show({ id, writer, inodeId, recordCount, invokedMs, openedMs, closingMs, acknowledgedMs, syncedCount }: WriteAttempt): string {
  const times = [invokedMs, openedMs, closingMs, acknowledgedMs].map((timeMs) => (timeMs === undefined ? '-' : (timeMs / 1000).toFixed(3)));
  return `attempt ${id} of ${writer} on inode ${inodeId} (${recordCount} records, ${syncedCount} synced; began, opened, closing, acknowledged at ${times.join(', ')} s)`;
}
