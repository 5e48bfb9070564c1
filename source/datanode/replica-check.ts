import { type Clock, sleep } from '../base/clock.js';
import { type Block, blockName } from '../protocol/block.js';
import type { BlockStore, VerifyOutcome } from '../storage/block-store.js';
import type { Logger } from '../base/log.js';
import type { NodeCounters } from './node-counters.js';
import type { ReportOutbox } from './report-outbox.js';

type Generation = Pick<Block, 'blockId' | 'generationStamp'>;

const maxQueued = 10_000;
/** A disk may fail to read once: what it cannot read so often, some seconds apart, is as good as rotten. */
const readTries = 4;
const firstPauseMs = 500;

/**
 * Checks replicas that something speaks against, one at a time: a reader's word, a failed read, a rotten source of a copy. What is rotten is
 * quarantined and reported, so that a good copy may take its place; what passes is reported only where the name node asked.
 */
export class ReplicaCheck {
  readonly #store: BlockStore;
  readonly #clock: Clock;
  readonly #outbox: ReportOutbox;
  readonly #counters: NodeCounters;
  readonly #logger: Logger;
  readonly #onAbsent: (block: Block) => void;
  readonly #queue = new Map<number, { block: Generation; isOrdered: boolean }>();
  readonly #closed = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: {
    store: BlockStore;
    clock: Clock;
    outbox: ReportOutbox;
    counters: NodeCounters;
    logger: Logger;
    onAbsent: (block: Block) => void;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#outbox = options.outbox;
    this.#counters = options.counters;
    this.#logger = options.logger;
    this.#onAbsent = options.onAbsent;
  }

  /** `isOrdered`: the name node waits for the verdict. A full queue drops the request: rot is found again. */
  request(block: Generation, options: { isOrdered: boolean }): void {
    if (this.#closed.signal.aborted || (this.#queue.size >= maxQueued && !this.#queue.has(block.blockId))) return;
    const queued = this.#queue.get(block.blockId);
    this.#queue.set(block.blockId, { block, isOrdered: options.isOrdered || (queued?.isOrdered ?? false) });
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#queue.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.values().next().value; next; next = this.#queue.values().next().value) {
      this.#queue.delete(next.block.blockId);
      try {
        await this.#check(next.block, next.isOrdered);
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        this.#logger.warn(`${blockName(next.block)} cannot be checked: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #check(asked: Generation, isOrdered: boolean): Promise<void> {
    const replica = this.#store.getReplica(asked.blockId);
    if (!replica || replica.state === 'quarantined') {
      if (isOrdered) this.#onAbsent({ ...asked, lengthBytes: 0 });
      return;
    }
    // Its writer will find out about one that is being written; of another generation nobody spoke.
    if (replica.state !== 'finalized' || replica.block.generationStamp !== asked.generationStamp) return;
    const { block, storageId } = replica;
    const verdict = await this.verify(block, this.#closed.signal);
    if (verdict.outcome === 'intact') {
      this.#logger.info(`${blockName(block)} was called in question and passes its checksums`);
      if (isOrdered) this.#outbox.add({ kind: 'intact', storageId, block });
    } else if (verdict.outcome === 'rotten') {
      await this.putAside(block, storageId, verdict.reason);
    }
  }

  /** As the store's, but with patience: a good replica, perhaps the last one, is not given up because its disk hesitates. */
  async verify(block: Generation, signal: AbortSignal, pace?: Parameters<BlockStore['verify']>[2]): Promise<VerifyOutcome> {
    for (let tries = 1; ; tries++) {
      const verdict = await this.#store.verify(block, signal, pace);
      if (verdict.outcome !== 'rotten' || !verdict.isUnreadable || tries === readTries) return verdict;
      this.#logger.warn(`${blockName(block)} cannot be read (${verdict.reason}); it is tried again`);
      await sleep(this.#clock, firstPauseMs * 2 ** tries, signal);
    }
  }

  /** Quarantines what was found rotten, and reports it. False if it is not there any more. */
  async putAside(block: Block, storageId: string, reason: string): Promise<boolean> {
    this.#counters.checksumFailures++;
    if (!(await this.#store.quarantine(block, reason))) return false;
    this.#counters.replicasQuarantined++;
    this.#outbox.add({ kind: 'corrupt', storageId, block, isQuarantined: true, reason });
    return true;
  }
}
