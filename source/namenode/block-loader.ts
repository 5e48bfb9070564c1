import type { BlockCatalog } from './block-management.js';
import { blockStates } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { BlocksBeingWritten } from './blocks-being-written.js';

const blocksPerPage = 4096;

/**
 * Takes the blocks of the namespace into the map; yields how many pages it has done, after each but the last. Each complete block is
 * missing until a data node reports it.
 */
export function* loadBlocks(catalog: BlockCatalog, redundancy: BlockRedundancy, writing: BlocksBeingWritten): Generator<number> {
  const { map } = redundancy;
  let [afterInodeId, afterIndex]: [number | undefined, number | undefined] = [undefined, undefined];
  for (let page = 0; ; page++) {
    // A page may be short before the end, where blocks of deleted files are passed over: only an empty one is behind the last.
    const blocks = catalog.scanBlocks(afterInodeId, afterIndex, blocksPerPage);
    const last = blocks[blocks.length - 1];
    if (!last) return;
    if (page > 0) yield page;
    for (const block of blocks) {
      if (map.find(block.blockId) >= 0) continue;
      const entry = map.add(block, block.isComplete ? blockStates.complete : blockStates.underConstruction);
      if (block.isComplete) redundancy.recheck(entry);
      else writing.begin({ blockId: block.blockId, generationStamp: block.generationStamp, blockSizeBytes: 0 }, [], false);
    }
    [afterInodeId, afterIndex] = [last.inodeId, last.blockIndex];
  }
}
