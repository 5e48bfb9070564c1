import type { Clock } from '../base/clock.js';

/** What a data node counts, since its start. */
export class NodeCounters {
  receivedBytes = 0;
  sentBytes = 0;
  blocksWritten = 0;
  blocksRead = 0;
  replicasCopied = 0;
  replicationFailures = 0;
  pipelineFailures = 0;
  checksumFailures = 0;
  replicasQuarantined = 0;
  replicasDeleted = 0;
  replicasScanned = 0;
  scannedBytes = 0;
  scanFindings = 0;
  scanPasses = 0;
  /** Block operations in progress. */
  activeWrites = 0;
  activeReads = 0;
  activeCopies = 0;

  get transferCount(): number {
    return this.activeWrites + this.activeReads + this.activeCopies;
  }
}

/** Bytes a second between one look and the next. */
export class RateMeter {
  readonly #clock: Clock;
  readonly #counters: NodeCounters;
  #atMs: number;
  #receivedBytes = 0;
  #sentBytes = 0;
  #rates = { receivedBytesPerSecond: 0, sentBytesPerSecond: 0 };

  constructor(clock: Clock, counters: NodeCounters) {
    this.#clock = clock;
    this.#counters = counters;
    this.#atMs = clock.monotonicMs();
  }

  read(): { receivedBytesPerSecond: number; sentBytesPerSecond: number } {
    const nowMs = this.#clock.monotonicMs();
    const seconds = (nowMs - this.#atMs) / 1000;
    if (seconds <= 0) return this.#rates;
    const { receivedBytes, sentBytes } = this.#counters;
    this.#rates = {
      receivedBytesPerSecond: (receivedBytes - this.#receivedBytes) / seconds,
      sentBytesPerSecond: (sentBytes - this.#sentBytes) / seconds,
    };
    this.#atMs = nowMs;
    this.#receivedBytes = receivedBytes;
    this.#sentBytes = sentBytes;
    return this.#rates;
  }
}
