import type { Block } from '../protocol/block.js';
import type { DatanodeCommand } from '../protocol/datanode-protocol.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { RepairPlanner } from './repair-planner.js';
import type { ReplicaTrimmer } from './replica-trimmer.js';
import type { SafeMode } from './safe-mode.js';
import type { StrangeReplicas } from './strange-replicas.js';

export interface CommandLimits {
  /** Replicas to delete, a heartbeat. */
  invalidationsPerHeartbeat: number;
  /** What the node does not confirm is ordered again after this. */
  invalidationRetryMs: number;
  verificationsPerHeartbeat: number;
  verificationRetryMs: number;
  reportRetryMs: number;
}

export const defaultCommandLimits: CommandLimits = {
  invalidationsPerHeartbeat: 4000,
  invalidationRetryMs: 30_000,
  verificationsPerHeartbeat: 100,
  verificationRetryMs: 60_000,
  reportRetryMs: 10_000,
};

/** What a data node is told in the answer to its heartbeat (Hadoop: DatanodeManager.handleHeartbeat). */
export class DatanodeCommands {
  readonly #parts: { planner: RepairPlanner; trimmer: ReplicaTrimmer; strangers: StrangeReplicas; safeMode: SafeMode; limits: CommandLimits };

  constructor(parts: { planner: RepairPlanner; trimmer: ReplicaTrimmer; strangers: StrangeReplicas; safeMode: SafeMode; limits: CommandLimits }) {
    this.#parts = parts;
  }

  /** Takes the node's orders out of its queues. A dead node is only told to register. */
  take(node: DatanodeDescriptor, nowMs: number): DatanodeCommand[] {
    if (!node.isAlive) return [{ kind: 'register' }];
    const commands: DatanodeCommand[] = [];
    const { limits, safeMode } = this.#parts;
    if (node.isReportWanted && nowMs - node.reportOrderedMs >= limits.reportRetryMs) {
      node.isReportWanted = false;
      node.reportOrderedMs = nowMs;
      commands.push({ kind: 'blockReport' });
    }
    const doubted = this.#verifications(node, nowMs);
    if (doubted.length > 0) commands.push({ kind: 'verify', blocks: doubted });
    if (safeMode.isOn) return commands;
    commands.push(...node.recoveryOrders);
    node.recoveryOrders = [];
    commands.push(...this.#parts.planner.takeOrders(node));
    const doomed = this.#invalidations(node, nowMs);
    if (doomed.length > 0) commands.push({ kind: 'invalidate', blocks: doomed });
    return commands;
  }

  #verifications(node: DatanodeDescriptor, nowMs: number): Block[] {
    const blocks: Block[] = [];
    for (const [blockId, order] of node.verifications) {
      if (blocks.length >= this.#parts.limits.verificationsPerHeartbeat || order.orderedMs + this.#parts.limits.verificationRetryMs > nowMs) break;
      // Behind those that are not ordered yet, so that the oldest order is always the first.
      node.verifications.delete(blockId);
      node.verifications.set(blockId, { block: order.block, orderedMs: nowMs });
      blocks.push(order.block);
    }
    return blocks;
  }

  #invalidations(node: DatanodeDescriptor, nowMs: number): Block[] {
    const { planner, trimmer, strangers, limits } = this.#parts;
    return node.invalidations.take({
      limit: limits.invalidationsPerHeartbeat,
      nowMs,
      retryMs: limits.invalidationRetryMs,
      isStillRight: (block, isRepeated) => {
        // A copy of this generation is on its way to this very node: what it holds now is judged once that has come or failed.
        if (!planner.isTarget(block, node) && trimmer.isStillRight(node, block, isRepeated)) return true;
        // What is not counted there, nobody else knows of: a rotten replica that was put aside, say, while its block is being truncated.
        strangers.note(node, block, 'leftover', nowMs);
        return false;
      },
      onGivenUp: () => {
        node.isReportWanted = true;
      },
    });
  }
}
