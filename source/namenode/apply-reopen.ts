import { assert } from '../base/assert.js';
import { missingRecord } from './damaged-records.js';
import type { EditOpOf } from './edit-op.js';
import { decodeFileBlock, type FileBlock } from './file-block.js';
import type { FileInode } from './inode.js';
import { blockKey, blocksOf, placeOfBlock } from './keys.js';
import type { NamespaceWriter } from './namespace-writer.js';

/** The effects of the edits that change files which were complete before, or close those whose writers are gone: see applyEdit. */

export function openForAppend(writer: NamespaceWriter, op: EditOpOf<'openForAppend'>): void {
  const before = requireComplete(writer, op.inodeId);
  if (op.isLastReopened) reopenLast(writer, before, undefined);
  const { clientId, clientAddress } = op;
  writer.putLease(op.inodeId, { clientId, clientAddress, isTemporary: false, blockCount: before.blockCount });
  writer.change({ kind: 'inode', before, after: { ...before, isUnderConstruction: true } });
}

export function truncate(writer: NamespaceWriter, op: EditOpOf<'truncate'>): void {
  const { inodeId, blockCount, cutLengthBytes, modificationTimeMs } = op;
  const before = requireComplete(writer, inodeId);
  assert(blockCount <= before.blockCount, 'a file is cut, not made longer');
  for (const [key, value] of [...writer.transaction.range(blocksOf(inodeId, blockCount))]) {
    writer.removeBlock(inodeId, placeOfBlock(key).blockIndex, decodeFileBlock(value));
  }
  const after: FileInode = { ...before, blockCount, modificationTimeMs };
  if (cutLengthBytes === undefined) {
    const last = blockCount > 0 ? writer.requireBlock(inodeId, blockCount - 1) : undefined;
    writer.change({ kind: 'inode', before, after: { ...after, lengthBytes: last ? last.offsetBytes + last.lengthBytes : 0 } });
    return;
  }
  reopenLast(writer, after, cutLengthBytes);
  writer.takeOver(inodeId, { clientId: '', clientAddress: '', isTemporary: false, blockCount });
  writer.change({ kind: 'inode', before, after: { ...after, isUnderConstruction: true } });
}

export function concat(writer: NamespaceWriter, op: EditOpOf<'concat'>): void {
  const { targetId, sourceIds, modificationTimeMs } = op;
  const before = requireComplete(writer, targetId);
  let { blockCount, lengthBytes } = before;
  for (const sourceId of sourceIds) {
    const source = requireComplete(writer, sourceId);
    let index = 0;
    for (const [key, value] of [...writer.transaction.range(blocksOf(sourceId))]) {
      // A hole must not be closed by moving what is behind it.
      if (placeOfBlock(key).blockIndex !== index) break;
      index++;
      const block = decodeFileBlock(value);
      writer.transaction.delete(key);
      writer.putBlock(targetId, blockCount++, { ...block, offsetBytes: lengthBytes });
      lengthBytes += block.lengthBytes;
    }
    if (index !== source.blockCount) throw missingRecord(blockKey(sourceId, index));
    writer.change({ kind: 'entry', directoryId: source.parentId, name: source.name, before: { inodeId: sourceId, isDirectory: false }, after: undefined });
    writer.change({ kind: 'inode', before: source, after: undefined });
    writer.touch(source.parentId);
  }
  writer.change({ kind: 'inode', before, after: { ...before, blockCount, lengthBytes, modificationTimeMs } });
}

export function recoverBlock(writer: NamespaceWriter, op: EditOpOf<'recoverBlock'>): void {
  const { inodeId, blockIndex, generationStamp, lengthBytes, modificationTimeMs } = op;
  const before = writer.requireFile(inodeId);
  const block = writer.requireBlock(inodeId, blockIndex);
  assert(before.isUnderConstruction && !block.isComplete, 'a block under construction is recovered');
  assert(generationStamp > block.generationStamp, 'a recovered block has a newer generation');
  assert(block.isBeingCut ? lengthBytes === block.committedBytes : lengthBytes >= block.committedBytes, 'a recovered block keeps what was complete before');
  const blockCount = writer.endLease(inodeId);
  assert(blockCount === blockIndex + 1, 'the last block is recovered');
  writer.putBlock(inodeId, blockIndex, { ...block, generationStamp, lengthBytes, isComplete: true, committedBytes: lengthBytes, isBeingCut: false });
  writer.change({
    kind: 'inode',
    before,
    after: { ...before, blockCount, lengthBytes: block.offsetBytes + lengthBytes, isUnderConstruction: false, isTemporary: false, modificationTimeMs },
  });
}

/** To go on from its end, or to be cut to `cutLengthBytes`. */
function reopenLast(writer: NamespaceWriter, file: FileInode, cutLengthBytes: number | undefined): void {
  const block: FileBlock = writer.requireBlock(file.id, file.blockCount - 1);
  assert(block.isComplete && (cutLengthBytes ?? 0) <= block.lengthBytes, 'a complete block is opened again');
  writer.putBlock(file.id, file.blockCount - 1, { ...block, isComplete: false, committedBytes: cutLengthBytes ?? block.lengthBytes, isBeingCut: cutLengthBytes !== undefined });
}

function requireComplete(writer: NamespaceWriter, inodeId: number): FileInode {
  const inode = writer.requireFile(inodeId);
  assert(!inode.isUnderConstruction, 'only a complete file is opened again');
  return inode;
}
