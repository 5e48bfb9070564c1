import type { Block } from '../protocol/block.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';

/** A replica of a block under construction. */
export interface PipelineReplica {
  readonly node: DatanodeDescriptor;
  storageIndex: number;
  generationStamp: number;
  /** Set once its node has reported it finalized. */
  finalizedLengthBytes: number | undefined;
}

export interface BlockBeingWritten {
  readonly blockId: number;
  readonly blockSizeBytes: number;
  generationStamp: number;
  /** The pipeline of now. */
  replicas: PipelineReplica[];
  /** False after our restart, or where none of its nodes is known to us: other nodes than `replicas` may write it. */
  isPipelineKnown: boolean;
  /** Those that earlier pipelines had and this one has not. */
  leftovers: PipelineReplica[];
}

interface NewBlock {
  blockId: number;
  generationStamp: number;
  blockSizeBytes: number;
}

/** Blocks under construction with their pipelines, and what of each target's space and time they take up. There are few, beside all others. */
export class BlocksBeingWritten {
  readonly #blocks = new Map<number, BlockBeingWritten>();

  get size(): number {
    return this.#blocks.size;
  }

  get(blockId: number): BlockBeingWritten | undefined {
    return this.#blocks.get(blockId);
  }

  /** Those that nobody knows the nodes of: the name node has started since, and no data node has told of one. */
  countUnplaced(): number {
    let count = 0;
    for (const { replicas } of this.#blocks.values()) if (replicas.length === 0) count++;
    return count;
  }

  /** Its targets count as busy from here on. An older one of the same id is given up. */
  begin(block: NewBlock, targets: readonly { node: DatanodeDescriptor; storageIndex: number }[], isPipelineKnown = true): void {
    const { generationStamp } = block;
    const written = this.#add(block, isPipelineKnown);
    this.#setReplicas(written, targets.map(({ node, storageIndex }) => ({ node, storageIndex, generationStamp, finalizedLengthBytes: undefined })));
  }

  /** A complete block goes on: `replicas` are its pipeline, `leftovers` of no more use. */
  reopen(block: NewBlock, replicas: PipelineReplica[], leftovers: PipelineReplica[]): void {
    const written = this.#add(block, true);
    written.leftovers = leftovers;
    this.#setReplicas(written, replicas);
  }

  /** The pipeline goes on with a new generation on these nodes. */
  renew(written: BlockBeingWritten, generationStamp: number, targets: readonly { node: DatanodeDescriptor; storageIndex: number }[]): void {
    const replicas = targets.map(({ node, storageIndex }) => {
      const known = written.replicas.find((replica) => replica.node === node);
      return known?.generationStamp === generationStamp ? { ...known, storageIndex } : { node, storageIndex, generationStamp, finalizedLengthBytes: undefined };
    });
    for (const old of written.replicas) if (!replicas.some(({ node }) => node === old.node)) written.leftovers.push(old);
    written.leftovers = written.leftovers.filter((old) => !replicas.some(({ node }) => node === old.node));
    written.generationStamp = generationStamp;
    // All of its nodes may have been replaced just now, and come back somewhere else.
    written.isPipelineKnown = replicas.length > 0;
    this.#setReplicas(written, replicas);
  }

  /** A node has a replica of an older generation than the block has now: to be looked at when the block is complete. */
  noteOld(written: BlockBeingWritten, node: DatanodeDescriptor, storageIndex: number, block: Block): void {
    if (written.replicas.some((replica) => replica.node === node) || written.leftovers.some((replica) => replica.node === node)) return;
    written.leftovers.push({ node, storageIndex, generationStamp: block.generationStamp, finalizedLengthBytes: block.lengthBytes });
  }

  /** A node has finalized a replica of this generation or a newer one; it may not be of a pipeline that we know (after our restart). */
  noteFinalized(written: BlockBeingWritten, node: DatanodeDescriptor, storageIndex: number, block: Block): void {
    const known = written.replicas.find((replica) => replica.node === node);
    if (!known) {
      this.#setReplicas(written, [...written.replicas, { node, storageIndex, generationStamp: block.generationStamp, finalizedLengthBytes: block.lengthBytes }]);
    } else if (block.generationStamp >= known.generationStamp) {
      known.storageIndex = storageIndex;
      known.generationStamp = block.generationStamp;
      known.finalizedLengthBytes = block.lengthBytes;
    }
  }

  /** Gives the targets free. What it was, if it was there. */
  end(blockId: number): BlockBeingWritten | undefined {
    const written = this.#blocks.get(blockId);
    if (!written) return undefined;
    const { replicas } = written;
    this.#setReplicas(written, []);
    this.#blocks.delete(blockId);
    written.replicas = replicas;
    return written;
  }

  #add(block: NewBlock, isPipelineKnown: boolean): BlockBeingWritten {
    this.end(block.blockId);
    const written: BlockBeingWritten = { ...block, replicas: [], leftovers: [], isPipelineKnown };
    this.#blocks.set(block.blockId, written);
    return written;
  }

  #setReplicas(written: BlockBeingWritten, replicas: PipelineReplica[]): void {
    for (const { node } of written.replicas) {
      node.writing.count--;
      node.writing.endedCount++;
      node.writing.bytes -= written.blockSizeBytes;
    }
    written.replicas = replicas;
    for (const { node } of replicas) {
      node.writing.count++;
      node.writing.bytes += written.blockSizeBytes;
    }
  }
}
