import type { ReplicaLocation } from '../protocol/block.js';
import type { BlockBeingWritten, BlocksBeingWritten } from './blocks-being-written.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { DatanodeManager } from './datanode-manager.js';
import { locationOf } from './repair-planner.js';

/** `storageIndex` -1: which of its disks is not known. */
export interface NodePlace {
  node: DatanodeDescriptor;
  storageIndex: number;
}

/** Where the replicas of blocks under construction are, as far as this name node knows: after a start, and when nodes move, it knows little. */
export class OpenBlockPlaces {
  readonly #writing: BlocksBeingWritten;
  readonly #datanodes: DatanodeManager;
  readonly #lostNodeTimeoutMs: number;

  constructor(options: { writing: BlocksBeingWritten; datanodes: DatanodeManager; lostNodeTimeoutMs: number }) {
    this.#writing = options.writing;
    this.#datanodes = options.datanodes;
    this.#lostNodeTimeoutMs = options.lostNodeTimeoutMs;
  }

  /** One that was replaced at its address, and is back at another, as who it is now. */
  now(node: DatanodeDescriptor): DatanodeDescriptor {
    return this.#datanodes.find(node.uuid) ?? node;
  }

  /** Who has replicas of the block, as who they are now. */
  of({ replicas }: BlockBeingWritten): NodePlace[] {
    return replicas.flatMap(({ node, storageIndex }) => {
      const now = this.now(node);
      if (now === node) return [{ node, storageIndex }];
      return replicas.some((other) => other.node === now) ? [] : [{ node: now, storageIndex: -1 }];
    });
  }

  /** For the block's recovery: see BlockManagement.recoveryPlaces. */
  forRecovery(blockId: number): { places: ReplicaLocation[]; areAll: boolean } {
    const written = this.#writing.get(blockId);
    if (!written) return { places: [], areAll: false };
    const known = this.of(written).filter(({ node }) => !this.#isGone(node));
    const others = written.isPipelineKnown ? [] : [...this.#datanodes.nodes].filter((node) => !this.#isGone(node) && !known.some((other) => other.node === node));
    const all = [...known, ...others.map((node) => ({ node, storageIndex: -1 }))];
    const places = all
      .filter(({ node }) => node.isAlive && node.epoch > 0)
      .sort((a, b) => Number(a.node.isStale) - Number(b.node.isStale))
      .map(({ node, storageIndex }) => ({ ...locationOf(node), storageId: node.storages[storageIndex]?.storageId ?? '' }));
    // No node at all is known to a name node whose first one has not come yet. And one that was replaced may have a wrong address, or its replacement a wrong disk.
    const isOver = all.length > 0 || (written.isPipelineKnown && written.replicas.every(({ node }) => this.#datanodes.silenceMs(node) >= this.#lostNodeTimeoutMs));
    return { places, areAll: places.length === all.length && isOver };
  }

  /** A node that cannot be asked now may have more of the block than those that can: see BlockManagement.mayBeElsewhere. */
  mayBeElsewhere(blockId: number): boolean {
    const written = this.#writing.get(blockId);
    if (!written) return false;
    // One that was replaced for good is as good as asked.
    if (this.of(written).some(({ node }) => !node.isAlive && this.#datanodes.find(node.uuid) === node)) return true;
    return !written.isPipelineKnown && this.#datanodes.countWith('dead') > 0;
  }

  /** It was replaced, or let go dead: it can answer no more, and nobody is to wait for it. */
  #isGone(node: DatanodeDescriptor): boolean {
    return this.#datanodes.find(node.uuid) !== node || (!node.isAlive && node.adminState === 'decommissioned');
  }
}
