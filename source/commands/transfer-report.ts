import type { CopyFileResult } from '../filesystem/copy-file.js';
import type { CopyObserver } from '../filesystem/copy.js';
import type { TransferProgress } from '../filesystem/file-system.js';
import { counted } from '../base/text.js';
import type { CommandContext, OperationProgress } from './command.js';
import type { CopyRecord } from './records.js';

let transferCount = 0;

/** More files than this in a command are summed up, not told one by one. */
const notesKept = 10;

/**
 * What a person sees of a copying command: one bar while it runs, over all of its files, and one summary line at its end. Each file
 * that was copied is a record.
 */
export class TransferReport implements CopyObserver {
  readonly #context: CommandContext;
  readonly #id: string;
  readonly #operation: string;
  readonly #source: string;
  readonly #target: string;
  /** Undefined as long as nobody knows what is in the directories among the sources. */
  #totalBytes: number | undefined;
  #totalFiles: number | undefined;
  /** The target keeps replicas: there is something to count. */
  readonly #isReplicated: boolean;
  readonly #startedMs: number;
  readonly #active = new Map<object, TransferProgress>();
  readonly #notes = new Map<string, string>();
  #doneBytes = 0;
  /** Of files that were not finished. */
  #brokenBytes = 0;
  #doneReplicaBytes = 0;
  #blockCount = 0;
  #replication = 0;
  #fileCount = 0;
  #failedCount = 0;
  #degradedFiles = 0;
  #hasBegun = false;

  constructor(
    context: CommandContext,
    operation: { name: string; source: string; target: string; totalBytes: number | undefined; isReplicated: boolean },
  ) {
    this.#context = context;
    this.#id = `${operation.name}-${++transferCount}`;
    this.#operation = operation.name;
    this.#source = operation.source;
    this.#target = operation.target;
    this.#totalBytes = operation.totalBytes;
    this.#isReplicated = operation.isReplicated;
    this.#startedMs = context.clock.monotonicMs();
  }

  /** What there is in all, once it has been found out. */
  learnTotals(totals: { bytes: number; files: number }): void {
    this.#totalBytes = totals.bytes;
    this.#totalFiles = totals.files;
  }

  begin(file: { source: string; target: string; lengthBytes: number }): ReturnType<CopyObserver['begin']> {
    this.#hasBegun = true;
    const key = {};
    this.#active.set(key, { doneBytes: 0, totalBytes: file.lengthBytes });
    this.#show();
    return {
      onProgress: (progress) => {
        this.#active.set(key, progress);
        this.#note(progress.failures ?? [], 'dropped');
        this.#show();
      },
      end: (result) => {
        const { doneBytes } = this.#active.get(key)!;
        this.#active.delete(key);
        if (result) this.#finished(file, result);
        else {
          this.#brokenBytes += doneBytes;
          this.#failedCount++;
        }
      },
    };
  }

  /** After the last file. `error`: what ended the whole command. */
  end(outcome: { isFailed: boolean; isCancelled: boolean }): void {
    if (!this.#hasBegun) return;
    const notes = [...this.#notes.values()];
    if (this.#degradedFiles > 0)
      notes.push(`${counted(this.#degradedFiles, 'file')} with fewer durable replicas than wanted so far; the name node has the others made`);
    if (this.#fileCount > 1) notes.push(`${counted(this.#fileCount, 'file')} copied`);
    if (this.#failedCount > 0 && !outcome.isCancelled) notes.push(`${counted(this.#failedCount, 'file')} failed`);
    this.#context.sink.end(this.#id, {
      result: outcome.isCancelled ? 'cancelled' : outcome.isFailed ? 'failed' : 'done',
      operation: this.#operation,
      source: this.#source,
      target: this.#target,
      bytes: this.#doneBytes + (outcome.isCancelled ? this.#brokenBytes : 0),
      durationMs: this.#context.clock.monotonicMs() - this.#startedMs,
      ...(this.#blockCount > 0 && this.#replication > 0 && { blockCount: this.#blockCount, replication: this.#replication }),
      notes,
    });
  }

  #finished(file: { source: string; target: string }, { bytes, status, degraded, readFailures }: CopyFileResult): void {
    this.#fileCount++;
    this.#note(readFailures, 'passed over');
    this.#doneBytes += bytes;
    if (this.#isReplicated) {
      this.#doneReplicaBytes += bytes * status.replication;
      this.#replication = Math.max(this.#replication, status.replication);
      this.#blockCount += status.blockSizeBytes > 0 ? Math.ceil(bytes / status.blockSizeBytes) : 0;
    }
    if (degraded.length > 0) this.#degradedFiles++;
    const record: CopyRecord = { source: file.source, target: file.target, bytes, degradedBlocks: degraded };
    this.#context.sink.record(record);
    this.#show();
  }

  #note(failures: readonly { datanode: string; reason: string }[], what: string): void {
    for (const { datanode, reason } of failures) {
      if (this.#notes.size < notesKept) this.#notes.set(`${datanode} ${reason}`, `${datanode} was ${what}: ${reason}`);
    }
  }

  #show(): void {
    const active = [...this.#active.values()];
    // One file alone is shown with its blocks and nodes.
    const only = active.length === 1 && (this.#totalFiles ?? 1) === 1 && this.#fileCount === 0 && this.#failedCount === 0 ? active[0]! : undefined;
    const progress: OperationProgress = {
      ...only,
      operation: this.#operation,
      source: this.#source,
      target: this.#target,
      startedMs: this.#startedMs,
      doneBytes: this.#doneBytes + sum(active, ({ doneBytes }) => doneBytes),
      totalBytes: this.#totalBytes,
    };
    if (!only && (this.#totalFiles ?? this.#fileCount + active.length) > 1) Object.assign(progress, { doneFiles: this.#fileCount, totalFiles: this.#totalFiles });
    const replication = Math.max(this.#replication, ...active.map((file) => file.replication ?? 0));
    if (replication > 0) {
      progress.replication = replication;
      progress.durableReplicaBytes = this.#doneReplicaBytes + sum(active, (file) => file.durableReplicaBytes ?? 0);
    }
    this.#context.sink.progress(this.#id, progress);
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
