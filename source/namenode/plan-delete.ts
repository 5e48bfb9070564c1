import { DirectoryNotEmptyError, InputOutputError } from '../protocol/errors.js';
import { checkRemoval, checkTraverse } from './permission-checker.js';
import { type AnswerOf, type Plan, type PlanScope, resolve } from './plan.js';
import { isEmptyDirectory } from './plan-rename.js';

/** The directory at the path is not the one whose subtree was checked: check that, and plan again. */
export class UncheckedSubtree extends Error {
  override readonly name = 'UncheckedSubtree';
}

export interface DeleteParams {
  path: string;
  recursive: boolean;
  inodeId?: number | undefined;
  isOwnWrite?: true | undefined;
}

/**
 * HDFS: FSDirDeleteOp.delete. Unlinks; what lies below is reclaimed later. `checkedId`: the directory of which checkSubtreeAccess
 * has found that the caller may delete all of it; the superuser needs none.
 */
export function planDelete(scope: PlanScope, params: DeleteParams, checkedId: number | undefined): Plan<AnswerOf<'boolean'>> {
  const { view, requester } = scope;
  const { path, recursive } = params;
  const resolved = resolve(scope, path);
  checkTraverse(requester.caller, resolved);
  if (resolved.names.length === 0) throw new InputOutputError('the root is not allowed to be deleted', { path });
  checkRemoval(requester.caller, resolved);
  const { last } = resolved;
  if (!last || (params.inodeId ?? last.id) !== last.id) return { op: undefined, answer: { kind: 'boolean', value: false } };
  // A writer that gives up cleans up behind itself. Its lease may have been taken meanwhile, and the file be whole, or another's.
  if (params.isOwnWrite && view.readLease(last.id)?.clientId !== requester.clientId) return { op: undefined, answer: { kind: 'boolean', value: false } };
  if (last.type === 'directory' && !isEmptyDirectory(view, last.id)) {
    if (!recursive) throw new DirectoryNotEmptyError(`${path} is non empty`, { path });
    if (!requester.caller.isSuperuser && checkedId !== last.id) throw new UncheckedSubtree();
  }
  return { op: { kind: 'delete', inodeId: last.id }, answer: { kind: 'boolean', value: true } };
}
