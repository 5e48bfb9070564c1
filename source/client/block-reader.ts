import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { Patience } from '../base/patience.js';
import type { Random } from '../base/random.js';
import { blockName, type LocatedBlock, type ReplicaLocation } from '../protocol/block.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';
import { BlockMissingError, ChecksumError, InputOutputError, UnavailableError } from '../protocol/errors.js';
import { RefusedError } from '../transport/block-operation.js';
import { cancelledError } from './cancellation.js';
import type { FileBlocks } from './file-blocks.js';
import type { StreamHedge } from './hedged-reads.js';
import { messageOf } from './pipeline.js';
import { ReplicaPace } from './replica-pace.js';
import { type Piece, ReplicaReader } from './replica-reader.js';
import type { ReadFailures } from './read-failures.js';
import type { RetryingCaller } from './retrying-caller.js';

/** What all blocks of a file's reader share. */
export interface ReadFileContext {
  nameNode: RetryingCaller;
  connector: BlockChannelConnector;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Aborts when the reader is closed, or its user cancels. */
  signal: AbortSignal;
  path: string;
  blocks: FileBlocks;
  /** Uuids of data nodes that could not be reached: tried last from then on. */
  unreachable: Set<string>;
  hedge: StreamHedge;
  failures: ReadFailures;
}

/** How long a replica may send nothing before the next one is tried; doubled in each round. */
const firstLimitMs = 5000;
const maxRounds = 4;
const firstRoundDelayMs = 400;

type Answer = { isGood: true; asked: AskedReplica; piece: Piece | null } | { isGood: false; asked: AskedReplica; error: unknown };

/** A replica that is asked for bytes, and its answer while one is due. */
class AskedReplica {
  readonly reader: ReplicaReader;
  readonly askedMs: number;
  readonly pace = new ReplicaPace();
  hasDelivered = false;
  #answer: Promise<Answer> | undefined;

  constructor(reader: ReplicaReader, askedMs: number) {
    this.reader = reader;
    this.askedMs = askedMs;
  }

  get replica(): ReplicaLocation {
    return this.reader.replica;
  }

  /** The next piece or why there is none; the same answer until it is taken. Never rejects. */
  answer(): Promise<Answer> {
    this.#answer ??= this.reader.next().then(
      (piece) => ({ isGood: true, asked: this, piece }),
      (error: unknown) => ({ isGood: false, asked: this, error }),
    );
    return this.#answer;
  }

  taken(): void {
    this.#answer = undefined;
  }

  /** Nobody wants its answer any more. */
  drop(): void {
    this.reader.close();
    void this.#answer?.then((answer) => answer.isGood && answer.piece?.release());
    this.#answer = undefined;
  }
}

/**
 * Reads a range of one block, from one replica after the other, going on at the exact byte. When one keeps its reader waiting, a second
 * one is asked for the same bytes, and whoever delivers first goes on (a hedged read). When all have failed the name node is asked again
 * where replicas are, a few times, since a restarted node or a repair may have brought one.
 */
export class BlockReader {
  readonly #file: ReadFileContext;
  readonly #endInBlock: number;
  #located: LocatedBlock;
  #positionInBlock: number;
  #first: AskedReplica | undefined;
  /** The hedge: begins where `#first` is now, and one of the two is dropped with the first piece that comes. */
  #second: AskedReplica | undefined;
  #untried: ReplicaLocation[];
  #round = 0;
  readonly #reasons = new Set<string>();
  readonly #patience: Patience;

  /** Sends the request for the first bytes at once. */
  constructor(file: ReadFileContext, located: LocatedBlock, range: { offsetInBlock: number; endInBlock: number }) {
    this.#file = file;
    this.#patience = new Patience(file.clock);
    this.#located = located;
    this.#positionInBlock = range.offsetInBlock;
    this.#endInBlock = range.endInBlock;
    this.#untried = this.#inOrder(located.locations);
    this.#askNext();
  }

  get bytesLeft(): number {
    return this.#endInBlock - this.#positionInBlock;
  }

  /** Whom the bytes come from now. */
  get datanode(): string | undefined {
    return this.#first?.replica.name;
  }

  /** The next bytes, never empty; null after the last. BlockMissingError, with a line a node, when no replica can be read. */
  async next(): Promise<Piece | null> {
    const beganMs = this.#file.clock.monotonicMs();
    let isFirstWait = true;
    for (;;) {
      if (!this.#first) {
        await this.#nextRound();
        continue;
      }
      const answer = await this.#firstAnswer(this.#first, isFirstWait);
      isFirstWait = false;
      if (this.#file.signal.aborted) {
        if (answer?.isGood) answer.piece?.release();
        throw cancelledError(this.#file.signal, `reading ${this.#file.path}`);
      }
      if (answer?.isGood) {
        this.#settle(answer.asked);
        this.#noteDelivery(answer.asked, answer.piece?.bytes.length ?? 0, beganMs);
        if (!answer.piece) this.#patience.stop();
        return answer.piece;
      }
      if (answer) this.#fail(answer.asked, answer.error);
      else if (this.bytesLeft > 0) this.#hedge(this.#first);
      // All bytes are here; what is missing is only the end of the operation.
      if (this.bytesLeft === 0) {
        this.close();
        return null;
      }
    }
  }

  close(): void {
    this.#patience.stop();
    this.#first?.drop();
    this.#dropSecond('failed');
  }

  /** The answer of whoever is first; undefined if that takes so long that somebody else should be asked as well. */
  #firstAnswer(first: AskedReplica, isFirstWait: boolean): Promise<Answer | undefined> {
    const { hedge } = this.#file;
    const second = this.#second;
    if (second) return Promise.race([first.answer(), second.answer()]);
    if (hedge.delayMs === 0) return first.answer();
    // Of a replica that was slow a moment ago nobody waits for the proof again.
    const isKnownSlow = isFirstWait && (first.pace.isSlow || hedge.client.isBehind(first.replica.datanodeUuid));
    return new Promise((resolve) => {
      const wait = this.#patience.begin(isKnownSlow ? 0 : hedge.delayMs, () => resolve(undefined));
      void first.answer().then((answer) => {
        this.#patience.end(wait);
        resolve(answer);
      });
    });
  }

  /** Asks a second replica, if there is a good one that was not tried yet, and the client may. */
  #hedge(first: AskedReplica): void {
    const index = this.#untried.findIndex((replica) => this.#rank(replica) === 0);
    if (index < 0 || !this.#file.hedge.tryBegin()) return;
    const [replica] = this.#untried.splice(index, 1);
    this.#file.log.info(`${this.#file.path}: ${first.replica.name} is slow at byte ${this.#positionInBlock} of ${blockName(this.#located.block)}, ${replica!.name} is asked as well`);
    this.#second = this.#ask(replica!);
  }

  /** One has delivered: the other is dropped, and may be tried again later. */
  #settle(winner: AskedReplica): void {
    const first = this.#first!;
    winner.taken();
    if (winner === first) {
      if (!this.#second) return;
      this.#untried.unshift(this.#second.replica);
      this.#file.hedge.client.noteQuick(first.replica.datanodeUuid);
      this.#dropSecond('lost');
      return;
    }
    this.#file.hedge.client.noteSlow(first.replica.datanodeUuid);
    this.#noteReason(first.replica, 'too slow');
    this.#untried.push(first.replica);
    first.drop();
    this.#first = winner;
    this.#second = undefined;
    this.#file.hedge.end('won');
  }

  #noteDelivery(asked: AskedReplica, bytes: number, waitingSinceMs: number): void {
    this.#positionInBlock += bytes;
    asked.pace.add(bytes, this.#file.clock.monotonicMs() - Math.max(waitingSinceMs, asked.askedMs));
    asked.hasDelivered = true;
    this.#file.unreachable.delete(asked.replica.datanodeUuid);
  }

  #fail(asked: AskedReplica, error: unknown): void {
    asked.drop();
    this.#noteFailure(asked.replica, error);
    if (asked === this.#second) {
      this.#dropSecond('failed');
      return;
    }
    // It was good up to here: a consumer that paused for minutes has lost its connection, not its replica.
    if (asked.hasDelivered && !(error instanceof ChecksumError)) {
      this.#untried.push(asked.replica);
      this.#round = 0;
    }
    if (this.#second) {
      this.#first = this.#second;
      this.#second = undefined;
      this.#file.hedge.end('won');
    } else {
      this.#askNext();
    }
  }

  #dropSecond(outcome: 'lost' | 'failed'): void {
    if (!this.#second) return;
    this.#second.drop();
    this.#second = undefined;
    this.#file.hedge.end(outcome);
  }

  #askNext(): void {
    const replica = this.#untried.shift();
    this.#first = replica && this.#ask(replica);
  }

  #ask(replica: ReplicaLocation): AskedReplica {
    const range = { offsetInBlock: this.#positionInBlock, endInBlock: this.#endInBlock, limitMs: firstLimitMs * 2 ** this.#round };
    return new AskedReplica(new ReplicaReader(this.#file, this.#located, replica, range), this.#file.clock.monotonicMs());
  }

  #noteFailure(replica: ReplicaLocation, error: unknown): void {
    const { log, nameNode, path, unreachable, hedge } = this.#file;
    log.warn(`${path}: ${replica.name} failed at byte ${this.#positionInBlock} of ${blockName(this.#located.block)}: ${messageOf(error)}`);
    this.#noteReason(replica, messageOf(error));
    hedge.client.counters.failedReplicas++;
    if (error instanceof ChecksumError) {
      hedge.client.counters.corruptReplicas++;
      // What is being written is verified by the recovery that ends it, if its writer does not.
      if (this.#located.isUnderConstruction) return;
      const bad = { block: this.#located.block, datanodeUuid: replica.datanodeUuid, storageId: replica.storageId };
      nameNode.call('block.reportBadReplicas', { replicas: [bad] }).catch((failure: unknown) => log.warn(`could not report a bad replica of ${blockName(bad.block)}: ${messageOf(failure)}`));
    } else if (error instanceof UnavailableError || !(error instanceof RefusedError)) {
      unreachable.add(replica.datanodeUuid);
    }
  }

  #noteReason(replica: ReplicaLocation, reason: string): void {
    this.#reasons.add(`${replica.name}: ${reason}`);
    this.#file.failures.add(replica.name, reason);
  }

  async #nextRound(): Promise<void> {
    const { clock, random, signal, path, blocks } = this.#file;
    if (this.#round + 1 >= maxRounds) throw this.#missing();
    const delayMs = firstRoundDelayMs * 2 ** this.#round;
    try {
      await sleep(clock, delayMs / 2 + (random.next() * delayMs) / 2, signal);
    } catch {
      throw cancelledError(signal, `reading ${path}`);
    }
    this.#round++;
    this.#located = await blocks.refetch(this.#located);
    if (this.#located.block.lengthBytes < this.#endInBlock) throw this.#cut();
    this.#untried = this.#inOrder(this.#located.locations);
    this.#askNext();
  }

  #inOrder(locations: readonly ReplicaLocation[]): ReplicaLocation[] {
    return [...locations].sort((a, b) => this.#rank(a) - this.#rank(b));
  }

  /** 0 for a replica that nothing speaks against; the higher, the later it is tried. */
  #rank(replica: ReplicaLocation): number {
    const { unreachable, hedge } = this.#file;
    if (replica.isCorrupt) return 3;
    if (unreachable.has(replica.datanodeUuid)) return 2;
    return hedge.client.isBehind(replica.datanodeUuid) ? 1 : 0;
  }

  #cut(): Error {
    const { path } = this.#file;
    const { block, offsetBytes } = this.#located;
    return new InputOutputError(`${path} was cut to ${offsetBytes + block.lengthBytes} bytes while it was being read`, { path, blockId: block.blockId });
  }

  /** In the words of HDFS's DFSInputStream. */
  #missing(): Error {
    const { path } = this.#file;
    const { block, blockIndex } = this.#located;
    const details = this.#reasons.size > 0 ? [...this.#reasons] : ['no data node has reported a good replica'];
    return new BlockMissingError(`Could not obtain block: ${blockName(block)} file=${path} (block ${blockIndex} of the file)`, { path, blockId: block.blockId, details });
  }
}
