import { decodeFileBlock } from './file-block.js';
import { decodeEntry, decodeId, type DirectoryInode, encodeId, type FileInode, type Inode } from './inode.js';
import { allDeletions, blocksOf, deletionKey, entriesOf, idOf, nameOfEntry } from './keys.js';
import type { NamespaceWriter } from './namespace-writer.js';

/** A file of at most so many blocks is removed at once; a larger one, like a directory that holds something, in slices later. */
const maxBlocksRemovedAtOnce = 16;

/** An inode whose entry is gone: removed at once where that is cheap, else queued for reclamation. Answers the records written. */
export function dispose(writer: NamespaceWriter, inode: Inode): number {
  if (inode.type === 'file') {
    const blockCount = inode.isUnderConstruction ? writer.endLease(inode.id) : inode.blockCount;
    if (blockCount <= maxBlocksRemovedAtOnce) {
      for (let index = 0; index < blockCount; index++) writer.removeBlock(inode.id, index, writer.requireBlock(inode.id, index));
      writer.change({ kind: 'inode', before: inode, after: undefined });
      return blockCount + 1;
    }
  } else if (isEmptyDirectory(writer, inode.id)) {
    writer.change({ kind: 'inode', before: inode, after: undefined });
    return 1;
  }
  writer.counters.lastDeletionId++;
  writer.counters.pendingDeletionCount++;
  writer.transaction.put(deletionKey(writer.counters.lastDeletionId), encodeId(inode.id));
  writer.change({ kind: 'inode', before: inode, after: { ...inode, parentId: 0 } });
  return 2;
}

/** Removes what was unlinked and not removed at once, the oldest first, until about `limit` records are written. */
export function reclaim(writer: NamespaceWriter, limit: number): void {
  let left = limit;
  while (left > 0) {
    const [first] = writer.transaction.range({ ...allDeletions, limit: 1 });
    if (!first) return;
    const inode = writer.requireInode(decodeId(first[1]));
    left -= inode.type === 'file' ? reclaimBlocks(writer, inode, left) : reclaimEntries(writer, inode, left);
    if (left <= 0) return;
    writer.change({ kind: 'inode', before: inode, after: undefined });
    writer.transaction.delete(deletionKey(idOf(first[0])));
    writer.counters.pendingDeletionCount--;
    left--;
  }
}

/** At most `limit` blocks of a file; answers how many: fewer than `limit` when none is left. */
function reclaimBlocks(writer: NamespaceWriter, inode: FileInode, limit: number): number {
  const found = [...writer.transaction.range({ ...blocksOf(inode.id), limit })];
  for (const [key, value] of found) {
    writer.transaction.delete(key);
    writer.removedBlockIds.push(decodeFileBlock(value).blockId);
  }
  return found.length;
}

/** Entries of a directory until about `limit` records are written: less than `limit` when none is left. */
function reclaimEntries(writer: NamespaceWriter, inode: DirectoryInode, limit: number): number {
  let written = 0;
  for (const [key, value] of [...writer.transaction.range({ ...entriesOf(inode.id), limit })]) {
    const target = decodeEntry(value);
    writer.change({ kind: 'entry', directoryId: inode.id, name: nameOfEntry(key), before: target, after: undefined });
    written += 1 + dispose(writer, writer.requireInode(target.inodeId));
    if (written >= limit) break;
  }
  return written;
}

function isEmptyDirectory(writer: NamespaceWriter, directoryId: number): boolean {
  for (const _ of writer.transaction.range({ ...entriesOf(directoryId), limit: 1 })) return false;
  return true;
}
