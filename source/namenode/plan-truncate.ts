import { counted } from '../base/text.js';
import { blockName } from '../protocol/block.js';
import { InvalidArgumentError, IsADirectoryError, NotReplicatedYetError } from '../protocol/errors.js';
import { missingRecord } from './damaged-records.js';
import { findBlockIndex } from './find-block.js';
import { blockKey } from './keys.js';
import { actions, checkPathAccess } from './permission-checker.js';
import type { AnswerOf, Plan, PlanScope } from './plan.js';
import { resolveExisting } from './plan-attributes.js';
import { planTakeOver, type TakeOver } from './plan-recover-lease.js';

/** What one transaction moves or removes: ten times what HDFS lets a file have (dfs.namenode.fs-limits.max-blocks-per-file). */
export const maxBlocksPerEdit = 100_000;

/**
 * HDFS: FSDirTruncateOp.truncate. At a block's boundary the file is cut at once (true); inside a block it is under construction, as the name
 * node's own, until a recovery has cut the block (false).
 */
export function planTruncate(scope: PlanScope, params: { path: string; newLengthBytes: number }): Plan<AnswerOf<'boolean'>> | TakeOver {
  const { view, requester, blocks, timeMs } = scope;
  const { path, newLengthBytes } = params;
  const { inode, resolved } = resolveExisting(scope, path);
  if (inode.type === 'directory') throw new IsADirectoryError(`Path is not a file: ${path}`, { path });
  checkPathAccess(requester.caller, resolved, actions.write);
  const lease = inode.isUnderConstruction ? view.readLease(inode.id) : undefined;
  if (lease) return planTakeOver(scope, { inode, lease, path, operation: 'TRUNCATE_FILE' });
  const { lengthBytes, blockCount } = inode;
  if (newLengthBytes > lengthBytes) {
    throw new InvalidArgumentError(`Cannot truncate to a larger file size. Current size: ${lengthBytes}, truncate size: ${newLengthBytes}.`, { path });
  }
  if (newLengthBytes === lengthBytes) return { op: undefined, answer: { kind: 'boolean', value: true } };

  const blockIndex = findBlockIndex(view, inode, newLengthBytes);
  const block = view.readBlock(inode.id, blockIndex);
  if (!block) throw missingRecord(blockKey(inode.id, blockIndex));
  if (newLengthBytes > block.offsetBytes + block.lengthBytes) throw missingRecord(blockKey(inode.id, blockIndex + 1));
  const cutLengthBytes = newLengthBytes > block.offsetBytes ? newLengthBytes - block.offsetBytes : undefined;
  const kept = cutLengthBytes === undefined ? blockIndex : blockIndex + 1;
  if (blockCount - kept > maxBlocksPerEdit) {
    throw new InvalidArgumentError(`${path} has ${counted(blockCount - kept, 'block')} behind that length; truncate it by at most ${maxBlocksPerEdit} blocks at a time`, { path });
  }
  // The recovery would wait for one, and meanwhile nobody could read or change the file.
  if (cutLengthBytes !== undefined && blocks.locate(block.blockId, { readerAddress: requester.address }).length === 0) {
    throw new NotReplicatedYetError(`Cannot truncate ${path} inside ${blockName(block)}: no data node has a good replica of it; fsck tells more`, { path, blockId: block.blockId });
  }
  return {
    op: { kind: 'truncate', inodeId: inode.id, blockCount: kept, cutLengthBytes, modificationTimeMs: timeMs },
    answer: { kind: 'boolean', value: cutLengthBytes === undefined },
    effects: cutLengthBytes === undefined ? undefined : () => blocks.reopen(block.blockId, 0),
  };
}
