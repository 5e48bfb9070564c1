import { blockName, type ReplicaLocation } from '../protocol/block.js';
import type { DatanodeCommand, DatanodeServiceProtocol } from '../protocol/datanode-protocol.js';
import { InputOutputError } from '../protocol/errors.js';
import type { RpcCaller } from '../protocol/method.js';
import type { BlockStore } from '../storage/block-store.js';
import type { NodeContext } from './node-context.js';
import { decideRecovery, type RecoveryReply } from './recovery-decision.js';

export type RecoveryOrder = Extract<DatanodeCommand, { kind: 'recover' }>;

/** What the name node is told at the end: `datanode.commitBlockSynchronization` without its sender. */
export interface RecoveredBlock {
  block: RecoveryOrder['block'];
  recoveryGeneration: number;
  newLengthBytes: number;
  replicas: { datanodeUuid: string; storageId: string }[];
}

export interface BlockRecoveriesOptions {
  /** A connection to another data node's service. The caller keeps and closes it. */
  openPeer: (address: string) => RpcCaller<DatanodeServiceProtocol>;
  /** Tells the name node, through its restarts, until the signal aborts. */
  commit: (recovered: RecoveredBlock, signal: AbortSignal) => Promise<void>;
}

/** Recoveries at a time; what is ordered beyond the queue is dropped: the name node orders it again. */
const maxRunning = 4;
const maxQueued = 1000;
/** A replica is read wholly, or synced to the disk. */
const replicaLimitMs = 120_000;

/**
 * The work of a primary (BlockRecoveryWorker): asks the nodes of a block what they have, decides, has them cut and finalize their replicas under
 * the recovery generation, and tells the name node. Whatever fails ends the try; the name node begins another one, with a newer generation.
 * A newer order of a block takes the place of the older one.
 */
export class BlockRecoveries {
  readonly #node: NodeContext;
  readonly #options: BlockRecoveriesOptions;
  readonly #peers = new Map<string, RpcCaller<DatanodeServiceProtocol>>();
  readonly #queued = new Map<number, RecoveryOrder>();
  readonly #running = new Map<number, { order: RecoveryOrder; stop: AbortController; ended: Promise<void> }>();
  #isClosed = false;

  constructor(node: NodeContext, options: BlockRecoveriesOptions) {
    this.#node = node;
    this.#options = options;
  }

  execute(order: RecoveryOrder): void {
    const { blockId } = order.block;
    const running = this.#running.get(blockId);
    const known = this.#queued.get(blockId) ?? running?.order;
    if (this.#isClosed || (known && known.recoveryGeneration >= order.recoveryGeneration)) return;
    if (!known && this.#queued.size >= maxQueued) {
      this.#node.logger.warn(`${blockName(order.block)} is not recovered: ${maxQueued} recoveries are ordered already`);
      return;
    }
    this.#queued.set(blockId, order);
    running?.stop.abort();
    this.#startNext();
  }

  /** Ends the recovery of the replica here, and tells the name node of it: the primary may not come to that. */
  async update(request: Parameters<BlockStore['updateRecovery']>[0]): Promise<{ storageId: string }> {
    const { blockId, recoveryGeneration, newLengthBytes } = request;
    const { storageId } = await this.#node.store.updateRecovery(request);
    this.#node.onReceived({ blockId, generationStamp: recoveryGeneration, lengthBytes: newLengthBytes }, storageId);
    return { storageId };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queued.clear();
    for (const { stop } of this.#running.values()) stop.abort();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #startNext(): void {
    for (const [blockId, order] of this.#queued) {
      if (this.#running.size >= maxRunning) return;
      if (this.#running.has(blockId)) continue;
      this.#queued.delete(blockId);
      const stop = new AbortController();
      const ended = this.#recover(order, stop.signal).then(
        () => {},
        (error: unknown) => {
          if (!stop.signal.aborted) this.#node.logger.warn(`recovering ${nameOf(order)} failed: ${messageOf(error)}`);
        },
      );
      this.#running.set(blockId, { order, stop, ended });
      void ended.then(() => {
        this.#running.delete(blockId);
        this.#startNext();
      });
    }
  }

  async #recover(order: RecoveryOrder, signal: AbortSignal): Promise<void> {
    const { block, recoveryGeneration, newLengthBytes } = order;
    const { replies, unanswered } = await this.#initAll(order, signal);
    const decision = decideRecovery({ newLengthBytes, promisedBytes: block.lengthBytes }, replies, unanswered);
    if (decision.kind === 'impossible') throw new InputOutputError(decision.reason, { blockId: block.blockId });
    const recovered: RecoveredBlock =
      decision.kind === 'drop'
        ? { block, recoveryGeneration, newLengthBytes: 0, replicas: [] }
        : { block, recoveryGeneration, newLengthBytes: decision.newLengthBytes, replicas: await this.#updateAll(order, decision, signal) };
    await this.#options.commit(recovered, signal);
    this.#node.logger.info(`recovered ${nameOf(order)}: ${recovered.newLengthBytes} bytes on ${recovered.replicas.length} data nodes`);
  }

  async #initAll(order: RecoveryOrder, signal: AbortSignal): Promise<{ replies: RecoveryReply[]; unanswered: string[] }> {
    const results = await Promise.allSettled(order.replicas.map((location) => this.#init(order, location, signal)));
    signal.throwIfAborted();
    const replies: RecoveryReply[] = [];
    const unanswered: string[] = [];
    for (const [index, result] of results.entries()) {
      const location = order.replicas[index]!;
      if (result.status === 'fulfilled') {
        replies.push({ location, replica: result.value });
      } else {
        unanswered.push(location.name);
        this.#node.logger.warn(`${location.name} takes no part in the recovery of ${nameOf(order)}: ${messageOf(result.reason)}`);
      }
    }
    return { replies, unanswered };
  }

  #init({ block, recoveryGeneration, token }: RecoveryOrder, location: ReplicaLocation, signal: AbortSignal): Promise<RecoveryReply['replica']> {
    const { blockId, generationStamp } = block;
    if (this.#isOwn(location)) return this.#node.store.initRecovery({ blockId, generationStamp, recoveryGeneration });
    return this.#peer(location.address).call('replica.initRecovery', { block, recoveryGeneration, token }, { signal, timeoutMs: replicaLimitMs });
  }

  async #updateAll(
    order: RecoveryOrder,
    { newLengthBytes, participants }: { newLengthBytes: number; participants: ReplicaLocation[] },
    signal: AbortSignal,
  ): Promise<RecoveredBlock['replicas']> {
    const results = await Promise.allSettled(participants.map((location) => this.#update(order, location, newLengthBytes, signal)));
    signal.throwIfAborted();
    const replicas: RecoveredBlock['replicas'] = [];
    const reasons: string[] = [];
    for (const [index, result] of results.entries()) {
      const { datanodeUuid, name } = participants[index]!;
      if (result.status === 'fulfilled') replicas.push({ datanodeUuid, storageId: result.value.storageId });
      else reasons.push(`${name}: ${messageOf(result.reason)}`);
    }
    if (reasons.length > 0) this.#node.logger.warn(`the recovery of ${nameOf(order)} leaves out ${reasons.join('; ')}`);
    if (replicas.length === 0) throw new InputOutputError(`no data node could cut its replica to ${newLengthBytes} bytes`, { blockId: order.block.blockId });
    return replicas;
  }

  #update(
    { block, recoveryGeneration, token }: RecoveryOrder,
    location: ReplicaLocation,
    newLengthBytes: number,
    signal: AbortSignal,
  ): Promise<{ storageId: string }> {
    if (this.#isOwn(location)) return this.update({ blockId: block.blockId, recoveryGeneration, newLengthBytes });
    const params = { block, recoveryGeneration, newLengthBytes, token };
    return this.#peer(location.address).call('replica.updateRecovery', params, { signal, timeoutMs: replicaLimitMs });
  }

  #isOwn({ datanodeUuid }: ReplicaLocation): boolean {
    return datanodeUuid === this.#node.store.datanodeUuid;
  }

  #peer(address: string): RpcCaller<DatanodeServiceProtocol> {
    let peer = this.#peers.get(address);
    if (!peer) this.#peers.set(address, (peer = this.#options.openPeer(address)));
    return peer;
  }
}

function nameOf({ block, recoveryGeneration }: RecoveryOrder): string {
  return `${blockName(block)} as generation ${recoveryGeneration}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
