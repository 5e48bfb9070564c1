import type { LocatedBlock } from '../protocol/block.js';
import { blockName } from '../protocol/block.js';
import { FileAlreadyExistsError, FileNotFoundError, NotReplicatedYetError } from '../protocol/errors.js';
import { missingRecord } from './damaged-records.js';
import type { FileInode } from './inode.js';
import { blockKey } from './keys.js';
import { actions, checkPathAccess, checkTraverse } from './permission-checker.js';
import { type AnswerOf, hostOf, type Plan, type PlanScope, resolve } from './plan.js';
import { neededReplicas } from './plan-add-block.js';
import { planTakeOver, type TakeOver } from './plan-recover-lease.js';
import { toStatus } from './namespace-view.js';

/** HDFS: FSDirAppendOp.appendFile. */
export function planAppend(scope: PlanScope, params: { path: string }): Plan<AnswerOf<'appended'>> | TakeOver {
  const { view, requester, leases, blocks } = scope;
  const { caller, clientId, address } = requester;
  const { path } = params;
  const resolved = resolve(scope, path);
  checkTraverse(caller, resolved);
  const inode = resolved.last;
  if (inode?.type === 'directory') throw new FileAlreadyExistsError(`Cannot append to directory ${path}; already exists as a directory.`, { path });
  checkPathAccess(caller, resolved, actions.write);
  if (!inode) throw new FileNotFoundError(`Failed to append to non-existent file ${path} for client ${hostOf(address)}`, { path });
  const lease = inode.isUnderConstruction ? view.readLease(inode.id) : undefined;
  if (lease) return planTakeOver(scope, { inode, lease, path, operation: 'APPEND_FILE' });

  const last = locatePartialBlock(scope, inode, path);
  const file = toStatus({ ...inode, isUnderConstruction: true }, inode.lengthBytes);
  return {
    op: { kind: 'openForAppend', inodeId: inode.id, clientId, clientAddress: address, isLastReopened: last !== null },
    answer: { kind: 'appended', value: { file, last } },
    effects: () => {
      leases.add(inode.id, clientId, false);
      if (last) blocks.reopen(last.block.blockId, inode.blockSizeBytes);
    },
  };
}

/** The last block, where it has room left and so must go on. */
function locatePartialBlock(scope: PlanScope, inode: FileInode, path: string): LocatedBlock | null {
  const { view, requester, blocks } = scope;
  const blockIndex = inode.blockCount - 1;
  if (blockIndex < 0) return null;
  const last = view.readBlock(inode.id, blockIndex);
  if (!last) throw missingRecord(blockKey(inode.id, blockIndex));
  const { blockId, generationStamp, lengthBytes, offsetBytes } = last;
  const block = { blockId, generationStamp, lengthBytes };
  const locations = blocks.locate(blockId, { readerAddress: requester.address });
  if (locations.length < neededReplicas(scope, inode)) {
    throw new NotReplicatedYetError(`append: lastBlock=${blockName(block)} of src=${path} is not sufficiently replicated yet.`, { path, blockId });
  }
  if (lengthBytes >= inode.blockSizeBytes) return null;
  return { block, blockIndex, offsetBytes, locations, token: blocks.token(block) };
}
