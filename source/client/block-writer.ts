import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { type Block, blockName, type LocatedBlock, type ReplicaLocation } from '../protocol/block.js';
import { type AckEntry, type BlockChannelConnector, frameTypes, silenceLimitMs } from '../protocol/block-stream.js';
import { InputOutputError, NotEnoughReplicasError, NotReplicatedYetError } from '../protocol/errors.js';
import { openOperation, RefusedError } from '../transport/block-operation.js';
import { cancelledError } from './cancellation.js';
import type { FailedNodes } from './failed-nodes.js';
import type { PacketQueue } from './packet-queue.js';
import { messageOf, Pipeline, type PipelineContext, PipelineFailure, type PipelineListener } from './pipeline.js';
import { backoffMs, type RetryingCaller } from './retrying-caller.js';
import type { SuspectFinder } from './silence-watch.js';

export interface WrittenBlock {
  block: Block;
  replicas: { datanodeUuid: string; storageId: string }[];
}

/** What all blocks of a file's writer share. */
export interface FileContext {
  nameNode: RetryingCaller;
  connector: BlockChannelConnector;
  clock: Clock;
  random: Random;
  /** Aborts when the writer is aborted. */
  signal: AbortSignal;
  findSuspect: SuspectFinder;
  path: string;
  inodeId: number;
  replication: number;
  minReplication: number;
  chunkBytes: number;
  isDurable: boolean;
  retryTimeoutMs: number;
  failed: FailedNodes;
  log: Logger;
}

export interface BlockListener extends PipelineListener {
  /** The pipeline of now: after each change of it. */
  onPipeline(targets: readonly ReplicaLocation[]): void;
}

/** Failures one after the other, with nothing acknowledged in between, after which a block is given up. */
const maxFailuresInRow = 12;
/** As which try of a call it waits before nodes are taken back: 160 to 320 ms. */
const takeBackAttempt = 4;
/** What a node must manage at least when it copies a replica to a replacement. */
const slowestTransferBytesPerMs = 1000;
const transferSetupMs = 20_000;

/**
 * Writes one block, whatever happens to its pipeline (DFSOutputStream's DataStreamer, the append design of HDFS-265):
 * - while nothing is acknowledged, a failure means another block on other nodes;
 * - later, and of a block that goes on after append, the survivors get a new generation stamp, are cut to what all of them acknowledged, and the
 *   rest is sent again. In the place of each that was lost a free node first copies what there is from a survivor. Where that leaves too few,
 *   nodes whose connection broke, or whose bytes changed on their way, are taken back, a few times.
 * The generation stamp keeps replicas that were left behind from ever passing for the block (P4, P9).
 */
export class BlockWriter {
  readonly #file: FileContext;
  readonly #listener: BlockListener;
  readonly #queue: PacketQueue;
  /** Needed until something of this block is acknowledged. */
  #previous: BlockWriter | null;
  #block: Block;
  #token: string;
  #targets: ReplicaLocation[];
  /** Dropped since the block got its generation: what all have acknowledged is on them too. */
  #dropped: ReplicaLocation[] = [];

  /** Each replica has all of it (durably, if so asked); empty until it is written. */
  #confirmed: ReplicaLocation[] = [];

  private constructor(file: FileContext, listener: BlockListener, queue: PacketQueue, previous: BlockWriter | null, located: LocatedBlock) {
    this.#file = file;
    this.#listener = listener;
    this.#queue = queue;
    this.#previous = previous;
    this.#block = { ...located.block, lengthBytes: 0 };
    this.#token = located.token;
    this.#targets = [...located.locations];
  }

  /**
   * Resolves after the last acknowledgement. `located` is the block that fs.create brought along, else one is added after `previous`.
   * Rejects with the name node's errors, CancelledError, or, when no replica is left, InputOutputError or NotEnoughReplicasError with
   * a line a node.
   */
  static async write(file: FileContext, listener: BlockListener, queue: PacketQueue, previous: BlockWriter | null, located: LocatedBlock | undefined): Promise<BlockWriter> {
    const writer = new BlockWriter(file, listener, queue, previous, located ?? (await addBlock(file, previous, queue.blockIndex)));
    await writer.#write();
    // Else each block's writer would keep all before it.
    writer.#previous = null;
    return writer;
  }

  get written(): WrittenBlock {
    return { block: { ...this.#block, lengthBytes: this.#queue.acknowledgedBytes }, replicas: this.#confirmed.map(replicaOf) };
  }

  /**
   * For a written block that the name node finds on too few data nodes: copies it to others, if there are any by now, and ends it once
   * more, with them, under a new generation.
   */
  async strengthen(): Promise<void> {
    const replicaCount = this.#targets.length;
    this.#file.failed.forgive();
    await this.#addReplacements(this.#queue.acknowledgedBytes);
    if (this.#targets.length === replicaCount) return;
    this.#queue.reopen();
    await this.#write();
  }

  async #write(): Promise<void> {
    const queue = this.#queue;
    let failuresInRow = 0;
    let acknowledgedBytes = queue.acknowledgedBytes;
    for (;;) {
      try {
        const pipeline = queue.acknowledgedBytes === 0 ? await this.#create() : await this.#recover(queue.acknowledgedBytes);
        this.#listener.onPipeline(this.#targets);
        return this.#confirm(await pipeline.run(queue, this.#listener));
      } catch (error) {
        if (this.#file.signal.aborted) throw cancelledError(this.#file.signal, `writing ${this.#file.path}`);
        if (!(error instanceof PipelineFailure)) throw error;
        this.#drop(error);
        if (queue.acknowledgedBytes > acknowledgedBytes) failuresInRow = 0;
        acknowledgedBytes = queue.acknowledgedBytes;
        if (++failuresInRow > maxFailuresInRow) throw this.#lost('its pipeline failed again and again');
        if (acknowledgedBytes === 0) await this.#replaceBlock();
        else if (this.#targets.length === 0 && !(await this.#takeBack())) throw this.#lost('every data node of its pipeline failed');
      }
    }
  }

  #create(): Promise<Pipeline> {
    const { chunkBytes, isDurable } = this.#file;
    return Pipeline.open(this.#pipelineContext(), this.#targets, { stage: 'create', block: this.#block, token: this.#token, chunkBytes, isDurable, keepBytes: 0, isFinal: true }, this.#queue);
  }

  /** A pipeline of a new generation from the survivors, each cut to the `keptBytes` that all acknowledged. */
  async #recover(keptBytes: number): Promise<Pipeline> {
    const { nameNode, inodeId, chunkBytes, isDurable, signal } = this.#file;
    await this.#addReplacements(keptBytes);
    const previous = { ...this.#block, lengthBytes: keptBytes };
    const { generationStamp, token } = await nameNode.call('fs.updateBlockForPipeline', { inodeId, block: previous }, { signal });
    const block = { ...previous, generationStamp };
    const request = { stage: 'recover', block, token, chunkBytes, isDurable, keepBytes: keptBytes, previousGenerationStamp: previous.generationStamp, isFinal: true } as const;
    const pipeline = await Pipeline.open(this.#pipelineContext(), this.#targets, request);
    try {
      await nameNode.call('fs.updatePipeline', { inodeId, previous, written: { block, replicas: this.#targets.map(replicaOf) } }, { signal });
    } catch (error) {
      pipeline.destroy();
      throw error;
    }
    this.#block = block;
    this.#token = token;
    this.#dropped = [];
    return pipeline;
  }

  /**
   * Brings the pipeline up to the replicas that are wanted, as far as data nodes are free (ReplaceDatanodeOnFailure): with fewer the write goes
   * on all the same, and the name node's repair makes the others, of those that must be durable before close succeeds.
   */
  async #addReplacements(keptBytes: number): Promise<void> {
    const { nameNode, inodeId, replication, minReplication, failed, signal } = this.#file;
    for (;;) {
      const count = replication - this.#targets.length;
      if (count <= 0) return;
      const block = { ...this.#block, lengthBytes: keptBytes };
      const existing = this.#targets.map((target) => target.datanodeUuid);
      const candidates = await nameNode.call('fs.getAdditionalDatanodes', { inodeId, block, existing, excluded: failed.excluded(), count }, { signal }).catch((error: unknown) => {
        if (error instanceof NotEnoughReplicasError) return [];
        throw error;
      });
      if (candidates.length === 0) {
        if (this.#targets.length >= minReplication || !((await this.#takeBack()) || failed.takeBackAny())) return;
        continue;
      }
      for (const target of candidates) {
        if (await this.#copyTo(target, block)) this.#targets.push(target);
        // Whoever waits for the write need not wait for more than must be.
        else if (this.#targets.length >= minReplication) return;
      }
    }
  }

  /** Has a node of the pipeline copy what there is to `target`. False, and the reason is noted, if none could. */
  async #copyTo(target: ReplicaLocation, block: Block): Promise<boolean> {
    const { connector, clock, signal, failed } = this.#file;
    const limitMs = transferSetupMs + block.lengthBytes / slowestTransferBytesPerMs;
    let reason = '';
    for (const source of this.#targets) {
      try {
        const { channel } = await openOperation(connector, source.address, { type: frameTypes.transfer, body: { block, token: this.#token, target } }, { clock, limitMs, silenceMs: silenceLimitMs, signal });
        connector.release(channel);
        return true;
      } catch (error) {
        if (signal.aborted) throw error;
        reason = `could not take a copy from ${source.name}: ${messageOf(error)}`;
        // Else it was the source, which the next pipeline finds out.
        if (error instanceof RefusedError && error.badDatanode === target.datanodeUuid) break;
      }
    }
    failed.add(target, reason);
    return false;
  }

  /** Gives the block back, of which nothing is acknowledged, and takes another one elsewhere. */
  async #replaceBlock(): Promise<void> {
    const { nameNode, inodeId, signal } = this.#file;
    await nameNode.call('fs.abandonBlock', { inodeId, block: this.#block }, { signal });
    const located = await addBlock(this.#file, this.#previous, this.#queue.blockIndex);
    this.#block = { ...located.block, lengthBytes: 0 };
    this.#token = located.token;
    this.#targets = [...located.locations];
    this.#dropped = [];
  }

  #drop({ culprit, message, isOfTheWay }: PipelineFailure): void {
    const [node] = this.#targets.splice(culprit, 1);
    if (node) {
      this.#file.failed.add(node, message, { isOfTheWay });
      this.#dropped.push(node);
    }
    this.#listener.onPipeline(this.#targets);
  }

  /** Those of this generation whose way failed, and that may be well: they need no copy. False if there is none to try again. */
  async #takeBack(): Promise<boolean> {
    const { failed, random } = this.#file;
    const back = this.#dropped.splice(0).filter(({ datanodeUuid }) => failed.takeBack(datanodeUuid));
    if (back.length === 0) return false;
    await pause(this.#file, backoffMs(takeBackAttempt, random));
    this.#targets.push(...back);
    return true;
  }

  #confirm(entries: AckEntry[]): void {
    const lengthBytes = this.#queue.acknowledgedBytes;
    this.#targets = this.#targets.filter((_, index) => {
      const entry = entries[index]!;
      return (this.#file.isDurable ? entry.durableBytes : entry.receivedBytes) >= lengthBytes;
    });
    this.#confirmed = [...this.#targets];
    if (this.#targets.length === 0) throw this.#lost('no data node confirmed that it has all of it');
  }

  #lost(reason: string): Error {
    return new InputOutputError(`${this.#file.path}: cannot write ${blockName(this.#block)}: ${reason}`, { path: this.#file.path, blockId: this.#block.blockId, details: this.#file.failed.lines() });
  }

  #pipelineContext(): PipelineContext {
    return this.#file;
  }
}

/** Commits `previous` and takes the file's next block. While the name node finds `previous` on too few data nodes, it gets more replicas. */
async function addBlock(file: FileContext, previous: BlockWriter | null, blockIndex: number): Promise<LocatedBlock> {
  const { nameNode, inodeId, failed, signal, random, path } = file;
  for (let attempt = 0; ; attempt++) {
    const excluded = failed.excluded();
    try {
      const located = await whenReplicated(file, previous, (written) => nameNode.call('fs.addBlock', { inodeId, previous: written, blockIndex, excluded }, { signal }));
      if (located.locations.length > 0) return located;
      throw new NotEnoughReplicasError(`${path}: the name node has no data node for block ${blockIndex}`, { path });
    } catch (error) {
      if (!(error instanceof NotEnoughReplicasError)) throw error;
      if (excluded.length === 0 || attempt >= 4) throw new NotEnoughReplicasError(error.message, { path, details: [...error.details, ...failed.lines()], cause: error });
      // Those that failed may have been unlucky once; without them there is no pipeline at all.
      failed.forgive();
      await pause(file, backoffMs(attempt + 3, random));
    }
  }
}

/**
 * Runs a call that commits the last block. As long as the name node finds that block on too few data nodes (P1), it is brought onto
 * more of them, and the call made again, for the retry timeout.
 */
export async function whenReplicated<T>(file: FileContext, last: BlockWriter | null, call: (written: WrittenBlock | null) => Promise<T>): Promise<T> {
  const { clock, random, failed, path } = file;
  const deadlineMs = clock.monotonicMs() + file.retryTimeoutMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(last?.written ?? null);
    } catch (error) {
      if (!(error instanceof NotReplicatedYetError)) throw error;
      if (clock.monotonicMs() >= deadlineMs) throw new NotReplicatedYetError(error.message, { path, blockId: error.blockId, details: failed.lines(), cause: error });
      await pause(file, backoffMs(attempt, random));
      await last?.strengthen();
    }
  }
}

async function pause(file: FileContext, delayMs: number): Promise<void> {
  await sleep(file.clock, delayMs, file.signal).catch(() => {
    throw cancelledError(file.signal, `writing ${file.path}`);
  });
}

function replicaOf(location: ReplicaLocation): { datanodeUuid: string; storageId: string } {
  return { datanodeUuid: location.datanodeUuid, storageId: location.storageId };
}
