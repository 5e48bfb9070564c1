import type { Block } from '../protocol/block.js';
import { StaleGenerationError } from '../protocol/errors.js';
import type { BlockStore, ReplicaReader } from '../storage/block-store.js';

/**
 * A reader of the replica of the generation that is asked for, or of a newer one (HDFS: BlockSender): what the older one had is in it, unless it
 * was cut. So a reader who opened a file before an append or a new pipeline goes on.
 */
export async function openNewest(store: BlockStore, block: Pick<Block, 'blockId' | 'generationStamp'>): Promise<ReplicaReader> {
  for (let asked = block; ; ) {
    try {
      return await store.openReader(asked);
    } catch (error) {
      const newest = store.getReplica(block.blockId);
      if (!(error instanceof StaleGenerationError) || !newest || newest.state === 'quarantined') throw error;
      if (newest.block.generationStamp <= asked.generationStamp) throw error;
      asked = newest.block;
    }
  }
}
