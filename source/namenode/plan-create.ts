import { FileAlreadyExistsError } from '../protocol/errors.js';
import type { LocatedBlock } from '../protocol/block.js';
import type { EditOpOf } from './edit-op.js';
import type { FileInode } from './inode.js';
import { actions, checkAncestorAccess, checkPathAccess, checkTraverse } from './permission-checker.js';
import { type AnswerOf, hostOf, type Plan, type PlanScope, resolve } from './plan.js';
import { locateNewBlock } from './plan-add-block.js';
import { checkParentExists, missingParents } from './plan-mkdirs.js';
import { planTakeOver, type TakeOver } from './plan-recover-lease.js';

export interface CreateParams {
  path: string;
  permission: number;
  overwrite: boolean;
  createParents: boolean;
  replication?: number | undefined;
  blockSizeBytes?: number | undefined;
  temporary?: boolean | undefined;
  withBlock?: boolean | undefined;
  excluded?: string[] | undefined;
}

/** HDFS: FSDirWriteFileOp.startFile, and the first getAdditionalBlock with it where the caller asks. */
export function planCreate(scope: PlanScope, params: CreateParams): Plan<AnswerOf<'created'>> | TakeOver {
  const { requester, counters, defaults, blocks, leases, timeMs } = scope;
  const { caller, clientId } = requester;
  const { path, permission, overwrite, createParents } = params;
  const resolved = resolve(scope, path);
  checkTraverse(caller, resolved, true);
  if (resolved.last?.type === 'directory') throw new FileAlreadyExistsError(`${path} already exists as a directory`, { path });
  checkAncestorAccess(caller, resolved, actions.write);
  if (!createParents) checkParentExists(resolved);
  const existing = resolved.last;
  if (existing) {
    if (overwrite) checkPathAccess(caller, resolved, actions.write);
    const takeOver = checkReplaceable(scope, existing, path, overwrite);
    if (takeOver) return takeOver;
  }

  const replication = params.replication ?? defaults.replication;
  const blockSizeBytes = params.blockSizeBytes ?? defaults.blockSizeBytes;
  const isTemporary = params.temporary ?? false;
  const parent = resolved.directories.at(-1)!;
  const ancestors = missingParents(resolved);
  const firstInodeId = counters.lastInodeId + 1;
  const inodeId = firstInodeId + ancestors.names.length;
  const name = resolved.names.at(-1)!;
  const located = params.withBlock
    ? locateNewBlock(scope, { blockIndex: 0, offsetBytes: 0, replication, blockSizeBytes, excluded: params.excluded ?? [], describePath: () => path })
    : undefined;
  const op: EditOpOf<'createFile'> = {
    kind: 'createFile',
    parentId: parent.id,
    ancestors: ancestors.names,
    firstInodeId,
    ancestorPermission: ancestors.permission,
    name,
    inodeId,
    owner: caller.user,
    group: parent.group,
    permission,
    replication,
    blockSizeBytes,
    isTemporary,
    clientId,
    clientAddress: requester.address,
    overwrittenId: existing?.id,
    blockId: located?.block.blockId,
    generationStamp: located?.block.generationStamp,
  };
  const block: LocatedBlock | null = located ?? null;
  return {
    op,
    answer: {
      kind: 'created',
      value: {
        file: {
          name,
          inodeId,
          type: 'file',
          lengthBytes: 0,
          replication,
          blockSizeBytes,
          modificationTimeMs: timeMs,
          accessTimeMs: timeMs,
          permission,
          owner: caller.user,
          group: parent.group,
          isUnderConstruction: true,
        },
        block,
      },
    },
    effects: () => {
      leases.add(inodeId, clientId, isTemporary);
      if (block) blocks.addUnderConstruction({ ...block.block, inodeId, replication, blockSizeBytes }, block.locations);
    },
  };
}

/**
 * An existing file gives way to `overwrite`, unless somebody writes to it: then only if its writer was not heard of for the soft
 * limit. Temporary files give way at once, as all files do in HDFS: the next try of a broken `put` must not wait a minute.
 */
function checkReplaceable(scope: PlanScope, existing: FileInode, path: string, overwrite: boolean): TakeOver | undefined {
  const { requester, leases, view } = scope;
  const lease = existing.isUnderConstruction ? view.readLease(existing.id) : undefined;
  if (!lease) {
    if (overwrite) return undefined;
    throw new FileAlreadyExistsError(`${path} for client ${hostOf(requester.address)} already exists`, { path });
  }
  if (overwrite && (lease.isTemporary || lease.clientId === '' || leases.isSoftLimitPassed(lease.clientId))) return undefined;
  return planTakeOver(scope, { inode: existing, lease, path, operation: 'CREATE_FILE' });
}
