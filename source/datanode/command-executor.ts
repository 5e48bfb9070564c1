import { type Block, blockName } from '../protocol/block.js';
import type { DatanodeCommand } from '../protocol/datanode-protocol.js';
import { ChecksumError, InputOutputError, ReplicaNotFoundError, StaleGenerationError } from '../protocol/errors.js';
import type { BlockRecoveries } from './block-recovery.js';
import type { NodeContext } from './node-context.js';
import { copyReplica } from './replica-copier.js';
import type { ReplicaCheck } from './replica-check.js';

type Replicate = Extract<DatanodeCommand, { kind: 'replicate' }>;

/** What is ordered and not begun. More is dropped: the name node orders it again when it sees that nothing came of it. */
const maxQueuedCopies = 1000;
const maxQueuedDeletions = 1_000_000;

/** Carries out what the name node orders, beside the heartbeats that brought it. */
export class CommandExecutor {
  readonly #node: NodeContext;
  readonly #check: ReplicaCheck;
  readonly #maxCopies: number;
  readonly #recoveries: BlockRecoveries;
  readonly #onDeleted: (block: Block, storageId: string | undefined) => void;
  readonly #closed = new AbortController();
  readonly #copies = new Map<number, { command: Replicate; doneBytes: number; isRunning: boolean }>();
  readonly #deletions: Block[] = [];
  #deleting: Promise<void> | undefined;
  readonly #running = new Set<Promise<void>>();

  constructor(
    node: NodeContext,
    options: { check: ReplicaCheck; recoveries: BlockRecoveries; maxCopies: number; onDeleted: (block: Block, storageId: string | undefined) => void },
  ) {
    this.#node = node;
    this.#check = options.check;
    this.#recoveries = options.recoveries;
    this.#maxCopies = options.maxCopies;
    this.#onDeleted = options.onDeleted;
  }

  /** How far the copies are, for the heartbeat. */
  get progress(): { blockId: number; doneBytes: number; totalBytes: number }[] {
    const running = [...this.#copies.values()].filter((copy) => copy.isRunning);
    return running
      .slice(0, 64)
      .map(({ command, doneBytes }) => ({ blockId: command.block.blockId, doneBytes, totalBytes: command.block.lengthBytes }));
  }

  execute(commands: readonly DatanodeCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case 'replicate':
          this.#queueCopy(command);
          break;
        case 'invalidate':
          this.#queueDeletions(command.blocks);
          break;
        case 'verify':
          for (const block of command.blocks) this.#check.request(block, { isOrdered: true });
          break;
        case 'recover':
          this.#recoveries.execute(command);
          break;
        case 'register':
        case 'blockReport':
          // The link's own affair.
          break;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#copies.clear();
    this.#deletions.length = 0;
    await Promise.allSettled([...this.#running, this.#deleting, this.#recoveries.close()]);
  }

  #queueCopy(command: Replicate): void {
    const { blockId } = command.block;
    if (this.#copies.has(blockId) || command.targets.length === 0 || this.#closed.signal.aborted) return;
    if (this.#copies.size >= maxQueuedCopies) {
      this.#node.logger.warn(`${blockName(command.block)} is not replicated: ${maxQueuedCopies} copies are ordered already`);
      return;
    }
    this.#copies.set(blockId, { command, doneBytes: 0, isRunning: false });
    this.#startCopies();
  }

  #startCopies(): void {
    for (const copy of this.#copies.values()) {
      if (this.#running.size >= this.#maxCopies) return;
      if (copy.isRunning) continue;
      copy.isRunning = true;
      const running = this.#copy(copy).finally(() => {
        this.#running.delete(running);
        this.#copies.delete(copy.command.block.blockId);
        if (!this.#closed.signal.aborted) this.#startCopies();
      });
      this.#running.add(running);
    }
  }

  async #copy(copy: { command: Replicate; doneBytes: number }): Promise<void> {
    const { block, targets, token } = copy.command;
    const { counters, logger } = this.#node;
    const names = targets.map((target) => target.name).join(', ');
    counters.activeCopies++;
    try {
      await copyReplica(this.#node, {
        block,
        token,
        targets,
        isFinal: true,
        signal: this.#closed.signal,
        onProgress: (doneBytes) => (copy.doneBytes = doneBytes),
      });
      counters.replicasCopied++;
      logger.info(`copied ${blockName(block)} (${block.lengthBytes} bytes) to ${names}`);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      counters.replicationFailures++;
      logger.warn(`copying ${blockName(block)} to ${names} failed: ${error instanceof Error ? error.message : String(error)}`);
      if (error instanceof ReplicaNotFoundError) this.#onDeleted(block, undefined);
      else if (error instanceof ChecksumError || error instanceof InputOutputError || error instanceof StaleGenerationError)
        this.#node.onSuspect(block, error);
    } finally {
      counters.activeCopies--;
    }
  }

  #queueDeletions(blocks: readonly Block[]): void {
    if (this.#deletions.length + blocks.length > maxQueuedDeletions || this.#closed.signal.aborted) return;
    for (const block of blocks) this.#node.deletions.note(block);
    this.#deletions.push(...blocks);
    this.#deleting ??= this.#delete().finally(() => (this.#deleting = undefined));
  }

  async #delete(): Promise<void> {
    for (let block = this.#deletions.pop(); block; block = this.#deletions.pop()) {
      try {
        const result = await this.#node.store.invalidate(block);
        if (result.outcome === 'newer') {
          this.#node.logger.info(`${blockName(block)} is not deleted: there is a newer generation`);
          // The name node would go on ordering it, and does not know what is here: it decides anew.
          const replica = this.#node.store.getReplica(block.blockId);
          if (replica?.state === 'finalized') this.#node.onReceived(replica.block, replica.storageId);
          continue;
        }
        if (result.outcome === 'removed') this.#node.counters.replicasDeleted++;
        this.#onDeleted(block, result.outcome === 'removed' ? result.storageId : undefined);
      } catch (error) {
        this.#node.logger.warn(`${blockName(block)} cannot be deleted: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}
