import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { counted } from '../base/text.js';
import { type Block, blockName } from '../protocol/block.js';
import type { BlockStore } from '../storage/block-store.js';
import type { ScanCursor } from '../storage/scan-cursor.js';
import type { NodeCounters } from './node-counters.js';
import type { ReplicaCheck } from './replica-check.js';

export interface VolumeScannerOptions {
  store: BlockStore;
  storageId: string;
  clock: Clock;
  logger: Logger;
  counters: NodeCounters;
  check: ReplicaCheck;
  /** From the begin of one pass to that of the next. */
  periodMs: number;
  bytesPerSecond: number;
}

/** How often it is written down where a pass is. */
const saveIntervalMs = 60_000;
/** What looking at a replica costs a disk besides its bytes: the way to two files. */
const costPerReplicaBytes = 4096;
/** After something that is not the replica's fault: too many open files, say. */
const retryPauseMs = 1000;
const maxTries = 5;
/** A timer holds no more, and a clock that was set is noticed. */
const maxSleepMs = 3_600_000;
const hourMs = 3_600_000;

/**
 * Reads every finalized replica of a storage and compares it with its checksums, pass after pass, at a limited rate (Hadoop:
 * VolumeScanner); and goes on after a restart where it was. What somebody complained of does not wait for it: see ReplicaCheck.
 */
export class VolumeScanner {
  readonly #options: VolumeScannerOptions;
  readonly #closed = new AbortController();
  #cursor: ScanCursor | undefined;
  #savedMs = 0;
  /** When the bytes read so far are paid for. */
  #paidMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: VolumeScannerOptions) {
    this.#options = options;
  }

  /** Undefined before it has begun. */
  get progress(): (ScanCursor & { storageId: string }) | undefined {
    return this.#cursor && { storageId: this.#options.storageId, ...this.#cursor };
  }

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => {
      if (!this.#closed.signal.aborted) this.#options.logger.error(`the scan of storage ${this.#options.storageId} ended`, error);
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, periodMs } = this.#options;
    this.#cursor = (await this.#readCursor()) ?? this.#newPass();
    try {
      while (!this.#isOver) {
        if (!this.#cursor.isFinished) await this.#pass(this.#cursor);
        // A begin in the future: the clock was set back, and how old that pass is, nobody knows.
        while (!this.#isOver && clock.nowMs() >= this.#cursor.startedMs && clock.nowMs() < this.#cursor.startedMs + periodMs)
          await this.#sleep(Math.min(maxSleepMs, this.#cursor.startedMs + periodMs - clock.nowMs()));
        if (!this.#isOver) this.#cursor = this.#newPass();
      }
    } finally {
      if (!this.#cursor.isFinished) await this.#save();
    }
  }

  async #readCursor(): Promise<ScanCursor | undefined> {
    const { store, storageId, logger } = this.#options;
    for (let tries = 1; !this.#isOver; tries++) {
      try {
        return await store.readScanCursor(storageId);
      } catch (error) {
        if (tries === maxTries) logger.warn(`where the scan of storage ${storageId} was cannot be read, it starts over: ${messageOf(error)}`);
        if (tries === maxTries) return undefined;
        await this.#sleep(retryPauseMs);
      }
    }
    return undefined;
  }

  get #isOver(): boolean {
    const { store, storageId } = this.#options;
    return this.#closed.signal.aborted || store.failedVolumes.some((failed) => failed.storageId === storageId);
  }

  #newPass(): ScanCursor {
    return { startedMs: this.#options.clock.nowMs(), lastBlockId: 0, isFinished: false, checkedCount: 0, checkedBytes: 0, rottenCount: 0 };
  }

  async #pass(cursor: ScanCursor): Promise<void> {
    const { store, storageId, clock, counters, logger, periodMs } = this.#options;
    this.#savedMs = clock.monotonicMs();
    for (const block of store.finalizedReplicas(storageId, cursor.lastBlockId)) {
      if (this.#isOver) return;
      await this.#check(cursor, block);
      if (this.#isOver) return;
      cursor.lastBlockId = block.blockId;
      if (clock.monotonicMs() - this.#savedMs >= saveIntervalMs) await this.#save();
    }
    if (this.#isOver) return;
    cursor.isFinished = true;
    counters.scanPasses++;
    await this.#save();
    const hours = (clock.nowMs() - cursor.startedMs) / hourMs;
    const line = `scan of storage ${storageId}: ${counted(cursor.checkedCount, 'replica')}, ${cursor.checkedBytes} bytes in ${hours.toFixed(2)} h, ${cursor.rottenCount} rotten`;
    if (cursor.checkedCount === 0) logger.debug(line);
    else if (hours * hourMs <= periodMs) logger.info(line);
    else logger.warn(`${line}; that is longer than its period of ${(periodMs / hourMs).toFixed(2)} h: raise "scan_rate"`);
  }

  async #check(cursor: ScanCursor, block: Block): Promise<void> {
    const { storageId, counters, check, logger } = this.#options;
    const { signal } = this.#closed;
    for (let tries = 1; !this.#isOver; tries++) {
      try {
        await this.#pace(costPerReplicaBytes);
        const verdict = await check.verify(block, signal, (bytes) => this.#pace(bytes));
        // Of one that was broken off nothing is known.
        if (verdict.outcome === 'absent' || signal.aborted) return;
        cursor.checkedCount++;
        cursor.checkedBytes += block.lengthBytes;
        counters.replicasScanned++;
        counters.scannedBytes += block.lengthBytes;
        if (verdict.outcome === 'rotten' && (await check.putAside(block, storageId, verdict.reason))) {
          cursor.rottenCount++;
          counters.scanFindings++;
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (tries === maxTries) return logger.warn(`${blockName(block)} cannot be scanned in this pass: ${messageOf(error)}`);
        await this.#sleep(retryPauseMs);
      }
    }
  }

  /** Waits until the rate allows for more. */
  async #pace(bytes: number): Promise<void> {
    const { clock, bytesPerSecond } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs) + (bytes * 1000) / bytesPerSecond;
    if (this.#paidMs - nowMs >= 1) await this.#sleep(this.#paidMs - nowMs);
  }

  async #sleep(delayMs: number): Promise<void> {
    await sleep(this.#options.clock, delayMs, this.#closed.signal).catch(() => {});
  }

  /** A place that was not written down is scanned twice. */
  async #save(): Promise<void> {
    const { store, storageId, clock, logger } = this.#options;
    this.#savedMs = clock.monotonicMs();
    try {
      await store.writeScanCursor(storageId, this.#cursor!);
    } catch (error) {
      logger.warn(`where the scan is cannot be written down: ${messageOf(error)}`);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
