import { AlreadyBeingCreatedError, IsADirectoryError, RecoveryInProgressError } from '../protocol/errors.js';
import type { EditOp } from './edit-op.js';
import type { FileInode } from './inode.js';
import type { LeaseRecord } from './lease-record.js';
import type { NamespaceView } from './namespace-view.js';
import { actions, checkPathAccess } from './permission-checker.js';
import { type AnswerOf, hostOf, type Plan, type PlanScope } from './plan.js';
import { resolveExisting } from './plan-attributes.js';

/** The caller must come again: meanwhile the name node closes the file of a writer that is gone. */
export type TakeOver = Plan<AnswerOf<'refusal'>>;

/**
 * What becomes of a call for a file that is under construction (FSNamesystem.recoverLeaseInternal). A writer that was not heard of for
 * the soft limit loses it to the name node, and the caller is told to try again, by RecoveryInProgressError. AlreadyBeingCreatedError
 * while somebody, or the caller himself, writes it.
 */
export function planTakeOver(
  scope: Pick<PlanScope, 'requester' | 'leases'>,
  file: { inode: FileInode; lease: LeaseRecord; path: string; operation: 'CREATE_FILE' | 'APPEND_FILE' | 'TRUNCATE_FILE' },
): TakeOver {
  const { requester, leases } = scope;
  const { inode, lease, path, operation } = file;
  const message = (reason: string) => `Failed to ${operation} ${path} for ${requester.clientId} on ${hostOf(requester.address)} because ${reason}`;
  const isTakenOver = lease.clientId === '';
  if (!isTakenOver && lease.clientId === requester.clientId) throw new AlreadyBeingCreatedError(message(`${lease.clientId} is already the current lease holder.`), { path });
  if (!isTakenOver && !leases.isSoftLimitPassed(lease.clientId)) {
    throw new AlreadyBeingCreatedError(message(`this file lease is currently owned by ${lease.clientId} on ${hostOf(lease.clientAddress)}`), { path });
  }
  return {
    op: isTakenOver ? undefined : { kind: 'expireLease', inodeId: inode.id },
    answer: { kind: 'refusal', error: new RecoveryInProgressError(message('lease recovery is in progress. Try again later.'), { path }) },
  };
}

/** Closes a file whoever holds its lease: at once where no block is open, else its last block is recovered first (FSNamesystem.recoverLease). */
export function planRecoverLease(scope: PlanScope, params: { path: string }): Plan<AnswerOf<'boolean'>> {
  const { path } = params;
  const { inode, resolved } = resolveExisting(scope, path);
  if (inode.type === 'directory') throw new IsADirectoryError(`Path is not a file: ${path}`, { path });
  checkPathAccess(scope.requester.caller, resolved, actions.write);
  const answer = (value: boolean): AnswerOf<'boolean'> => ({ kind: 'boolean', value });
  const lease = inode.isUnderConstruction ? scope.view.readLease(inode.id) : undefined;
  if (!lease) return { op: undefined, answer: answer(true) };
  if (lease.clientId === '') return { op: undefined, answer: answer(false) };
  const close = closeWithoutRecovery(scope.view, inode, lease, scope.timeMs);
  if (close) return { op: close, answer: answer(true) };
  return { op: { kind: 'expireLease', inodeId: inode.id }, answer: answer(false) };
}

/** The edit that ends a file of a writer that is gone, where its last block needs no recovery; undefined if it does. A temporary file is deleted. */
export function closeWithoutRecovery(view: NamespaceView, inode: FileInode, lease: LeaseRecord, timeMs: number): EditOp | undefined {
  if (lease.isTemporary) return { kind: 'delete', inodeId: inode.id };
  const last = lease.blockCount > 0 ? view.readBlock(inode.id, lease.blockCount - 1) : undefined;
  if (last && !last.isComplete) return undefined;
  return closeEdit(inode.id, timeMs);
}

/** Closes a file as it is; a last block that is open, and never was complete, is given back. */
export function closeEdit(inodeId: number, modificationTimeMs: number): EditOp {
  return { kind: 'completeFile', inodeId, lastLengthBytes: undefined, modificationTimeMs, accessTimeMs: undefined, targetParentId: undefined, targetName: '', overwrittenId: undefined };
}
