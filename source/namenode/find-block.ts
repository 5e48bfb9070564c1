import type { FileInode } from './inode.js';
import type { NamespaceView } from './namespace-view.js';

/**
 * The index of the block that holds a byte of the file. Blocks are at most the file's block size long, so none before
 * offset / block size can; in a file of whole blocks it is that one, and one read tells. Otherwise by halves, on the offsets.
 */
export function findBlockIndex(view: NamespaceView, inode: FileInode, offsetBytes: number): number {
  const blockCount = inode.isUnderConstruction ? (view.readLease(inode.id)?.blockCount ?? 0) : inode.blockCount;
  let low = Math.floor(offsetBytes / inode.blockSizeBytes);
  let high = blockCount - 1;
  let middle = low;
  while (low < high) {
    const block = view.readBlock(inode.id, middle);
    if (!block || block.offsetBytes > offsetBytes) high = middle - 1;
    else if (block.isComplete && block.offsetBytes + block.lengthBytes <= offsetBytes) low = middle + 1;
    else return middle;
    middle = Math.floor((low + high) / 2);
  }
  return Math.max(0, Math.min(low, blockCount - 1));
}
