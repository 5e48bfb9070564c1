import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { blockName, type LocatedBlock, type ReplicaLocation } from '../protocol/block.js';
import { BlockMissingError, ChecksumError, UnavailableError } from '../protocol/errors.js';
import { RefusedError } from '../transport/block-operation.js';
import { cancelledError } from './cancellation.js';
import type { FileBlocks } from './file-blocks.js';
import { messageOf } from './pipeline.js';
import { type Piece, ReplicaReader } from './replica-reader.js';
import type { RetryingCaller } from './retrying-caller.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';

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
}

/** How long a replica may send nothing before the next one is tried; doubled in each round. */
const firstLimitMs = 5000;
const maxRounds = 4;
const firstRoundDelayMs = 400;

/**
 * Reads a range of one block, from one replica after the other, going on at the exact byte. When all have failed it asks the name node
 * again where replicas are, a few times, since a restarted node or a repair may have brought one.
 */
export class BlockReader {
  readonly #file: ReadFileContext;
  readonly #endInBlock: number;
  #located: LocatedBlock;
  #positionInBlock: number;
  #reader: ReplicaReader | undefined;
  #untried: ReplicaLocation[];
  #round = 0;
  #hasDelivered = false;
  readonly #reasons: string[] = [];

  /** Sends the request for the first bytes at once. */
  constructor(file: ReadFileContext, located: LocatedBlock, range: { offsetInBlock: number; endInBlock: number }) {
    this.#file = file;
    this.#located = located;
    this.#positionInBlock = range.offsetInBlock;
    this.#endInBlock = range.endInBlock;
    this.#untried = this.#inOrder(located.locations);
    this.#tryNext();
  }

  get bytesLeft(): number {
    return this.#endInBlock - this.#positionInBlock;
  }

  /** Whom the bytes come from now. */
  get datanode(): string | undefined {
    return this.#reader?.replica.name;
  }

  /** The next bytes, never empty; null after the last. BlockMissingError, with a line a node, when no replica can be read. */
  async next(): Promise<Piece | null> {
    for (;;) {
      const reader = this.#reader;
      if (!reader) {
        await this.#nextRound();
        continue;
      }
      try {
        const piece = await reader.next();
        if (piece) {
          this.#positionInBlock += piece.bytes.length;
          this.#hasDelivered = true;
          this.#file.unreachable.delete(reader.replica.datanodeUuid);
        }
        return piece;
      } catch (error) {
        reader.close();
        if (this.#file.signal.aborted) throw cancelledError(this.#file.signal, `reading ${this.#file.path}`);
        this.#noteFailure(reader.replica, error);
        if (this.bytesLeft === 0) return null;
        // It was good up to here: a consumer that paused for minutes has lost its connection, not its replica.
        if (this.#hasDelivered && !(error instanceof ChecksumError)) {
          this.#untried.push(reader.replica);
          this.#round = 0;
        }
        this.#tryNext();
      }
    }
  }

  close(): void {
    this.#reader?.close();
  }

  #tryNext(): void {
    this.#hasDelivered = false;
    const replica = this.#untried.shift();
    this.#reader = replica && new ReplicaReader(this.#file, this.#located, replica, { offsetInBlock: this.#positionInBlock, endInBlock: this.#endInBlock, limitMs: firstLimitMs * 2 ** this.#round });
  }

  #noteFailure(replica: ReplicaLocation, error: unknown): void {
    const { log, nameNode, path, unreachable } = this.#file;
    log.warn(`${path}: ${replica.name} failed at byte ${this.#positionInBlock} of ${blockName(this.#located.block)}: ${messageOf(error)}`);
    this.#reasons.push(`${replica.name}: ${messageOf(error)}`);
    if (error instanceof ChecksumError) {
      const bad = { block: this.#located.block, datanodeUuid: replica.datanodeUuid, storageId: replica.storageId };
      nameNode.call('block.reportBadReplicas', { replicas: [bad] }).catch((failure: unknown) => log.warn(`could not report a bad replica of ${blockName(bad.block)}: ${messageOf(failure)}`));
    } else if (error instanceof UnavailableError || !(error instanceof RefusedError)) {
      unreachable.add(replica.datanodeUuid);
    }
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
    this.#untried = this.#inOrder(this.#located.locations);
    this.#tryNext();
  }

  #inOrder(locations: readonly ReplicaLocation[]): ReplicaLocation[] {
    const { unreachable } = this.#file;
    const rank = (replica: ReplicaLocation) => (replica.isCorrupt ? 2 : unreachable.has(replica.datanodeUuid) ? 1 : 0);
    return [...locations].sort((a, b) => rank(a) - rank(b));
  }

  #missing(): Error {
    const { path } = this.#file;
    const name = blockName(this.#located.block);
    const details = this.#reasons.length > 0 ? [...new Set(this.#reasons)] : ['no data node has reported a replica'];
    return new BlockMissingError(`${path}: no replica of ${name} (block ${this.#located.blockIndex} of the file) can be read`, { path, blockId: this.#located.block.blockId, details });
  }
}
