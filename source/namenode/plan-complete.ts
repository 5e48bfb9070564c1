import { parentPath } from '../base/path.js';
import { FileNotFoundError, InvalidArgumentError } from '../protocol/errors.js';
import type { FileInode } from './inode.js';
import { checkRemoval, checkTraverse } from './permission-checker.js';
import { type AnswerOf, type Plan, type PlanScope, resolve } from './plan.js';
import { checkLastBlock, checkLease, checkWritten, describe, type WrittenBlock } from './plan-add-block.js';
import { checkTarget, resolveTarget } from './plan-rename.js';
import { toStatus } from './namespace-view.js';

export interface CompleteParams {
  inodeId: number;
  last: WrittenBlock | null;
  renameTo?: { path: string; overwrite: boolean } | undefined;
  modificationTimeMs?: number | undefined;
  accessTimeMs?: number | undefined;
}

/** HDFS: FSDirWriteFileOp.completeFile, with the rename that `put` wants next. */
export function planComplete(scope: PlanScope, params: CompleteParams): Plan<AnswerOf<'status'>> {
  const { view, blocks, timeMs } = scope;
  const { inodeId, last, renameTo } = params;
  const already = findCompleted(scope, params);
  if (already) return { op: undefined, answer: { kind: 'status', value: view.readStatus(already) } };
  const file = checkLease(scope, inodeId);
  const { inode, lease } = file;

  let lengthBytes: number;
  let lastLengthBytes: number | undefined;
  if (last) {
    // A block that got no byte is given back: nothing is lost, and no empty block stays.
    if (last.block.lengthBytes > 0 || checkLastBlock(view, file, last.block).committedBytes > 0) {
      lengthBytes = checkWritten(scope, file, last).offsetBytes + last.block.lengthBytes;
      lastLengthBytes = last.block.lengthBytes;
    } else {
      lengthBytes = checkLastBlock(view, file, last.block).offsetBytes;
    }
  } else {
    const end = lease.blockCount > 0 ? view.readBlock(inodeId, lease.blockCount - 1) : undefined;
    if (end && !end.isComplete && (lease.blockCount > 1 || end.committedBytes > 0)) {
      throw new InvalidArgumentError(`the last block of ${describe(view, inode)} is neither told nor given back`, { blockId: end.blockId });
    }
    lengthBytes = end?.isComplete ? end.offsetBytes + end.lengthBytes : 0;
  }

  const modificationTimeMs = params.modificationTimeMs ?? timeMs;
  const rename = renameTo && planRenameOf(scope, inode, renameTo);
  const after: FileInode = {
    ...inode,
    modificationTimeMs,
    accessTimeMs: params.accessTimeMs ?? inode.accessTimeMs,
    isUnderConstruction: false,
    name: rename?.targetName ?? inode.name,
  };
  return {
    op: {
      kind: 'completeFile',
      inodeId,
      lastLengthBytes,
      modificationTimeMs,
      accessTimeMs: params.accessTimeMs,
      targetParentId: rename?.targetParentId,
      targetName: rename?.targetName ?? '',
      overwrittenId: rename?.overwrittenId,
    },
    answer: { kind: 'status', value: toStatus(after, lengthBytes) },
    effects: last && lastLengthBytes !== undefined ? () => blocks.commit(last.block, last.replicas, true) : undefined,
  };
}

function planRenameOf(scope: PlanScope, inode: FileInode, renameTo: { path: string; overwrite: boolean }) {
  const { view, requester } = scope;
  const source = view.readPath(inode);
  if (source === undefined) throw new FileNotFoundError(`inode ${inode.id} is deleted`);
  const target = resolveTarget(scope, renameTo.path);
  // `f._COPYING_` to `f`: both in one directory, as nearly always, so that its path is resolved once.
  const from = parentPath(source) === parentPath(target.path) ? { ...target, path: source, last: inode } : resolve(scope, source);
  checkTraverse(requester.caller, from);
  checkRemoval(requester.caller, from);
  if (target.last?.id === inode.id) return undefined;
  const overwrittenId = checkTarget(scope, { inode, source, target, overwrite: renameTo.overwrite });
  return { targetParentId: target.directories.at(-1)!.id, targetName: target.names.at(-1)!, overwrittenId };
}

/** The file, if this very completion was done before: a client that asks again without a call id gets its answer (FSNamesystem.completeFileInternal). */
function findCompleted({ view }: PlanScope, { inodeId, last, renameTo }: CompleteParams): FileInode | undefined {
  const inode = view.readInode(inodeId);
  if (!inode || inode.type === 'directory' || inode.isUnderConstruction || !last || inode.blockCount === 0) return undefined;
  const end = view.readBlock(inodeId, inode.blockCount - 1);
  const { block } = last;
  if (end?.blockId !== block.blockId || end.generationStamp !== block.generationStamp || end.lengthBytes !== block.lengthBytes) return undefined;
  return !renameTo || view.readPath(inode) === renameTo.path ? inode : undefined;
}
