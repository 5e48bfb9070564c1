import type { Static } from '@sinclair/typebox';
import type { blockSchema, locatedBlockSchema, replicaLocationSchema } from './schemas.js';

export type Block = Static<typeof blockSchema>;
export type ReplicaLocation = Static<typeof replicaLocationSchema>;
export type LocatedBlock = Static<typeof locatedBlockSchema>;

/** `blk_1073741825_1001`, as HDFS writes it. */
export function blockName(block: { blockId: number; generationStamp?: number }): string {
  return block.generationStamp === undefined ? `blk_${block.blockId}` : `blk_${block.blockId}_${block.generationStamp}`;
}
