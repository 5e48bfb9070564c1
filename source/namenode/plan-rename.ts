import { isWithin } from '../base/path.js';
import { DirectoryNotEmptyError, FileAlreadyExistsError, FileNotFoundError, InputOutputError, IsADirectoryError, NotADirectoryError, RenameIntoItselfError } from '../protocol/errors.js';
import { nullAnswer } from './answer.js';
import type { Inode } from './inode.js';
import { entriesOf } from './keys.js';
import type { NamespaceView } from './namespace-view.js';
import { actions, checkAncestorAccess, checkRemoval, checkTraverse } from './permission-checker.js';
import { type AnswerOf, type Plan, type PlanScope, resolve } from './plan.js';
import { checkTargetParent } from './plan-mkdirs.js';
import type { ResolvedPath } from './resolve-path.js';

/** HDFS: FSDirRenameOp.renameTo with Options.Rename. */
export function planRename(scope: PlanScope, params: { source: string; target: string; overwrite?: boolean | undefined }): Plan<AnswerOf<'null'>> {
  const { source, target, overwrite = false } = params;
  const from = resolve(scope, source);
  checkTraverse(scope.requester.caller, from);
  const place = resolveTarget(scope, target);
  if (from.names.length === 0) throw new InputOutputError('rename source cannot be the root', { path: source });
  checkRemoval(scope.requester.caller, from);
  const inode = from.last;
  if (!inode) throw new FileNotFoundError(`rename source ${source} is not found.`, { path: source });
  const overwrittenId = checkTarget(scope, { inode, source, target: place, overwrite });
  return {
    op: { kind: 'rename', inodeId: inode.id, targetParentId: place.directories.at(-1)!.id, targetName: place.names.at(-1)!, overwrittenId },
    answer: nullAnswer,
  };
}

/** Where a rename leads to, with the checks that depend on the caller alone. */
export function resolveTarget(scope: PlanScope, target: string): ResolvedPath {
  const place = resolve(scope, target);
  checkTraverse(scope.requester.caller, place, true);
  if (place.names.length === 0) throw new FileAlreadyExistsError('rename destination cannot be the root', { path: target });
  checkAncestorAccess(scope.requester.caller, place, actions.write);
  return place;
}

/** Answers the inode that is overwritten, if one is (FSDirRenameOp.validateDestination, validateOverwrite). */
export function checkTarget(scope: PlanScope, rename: { inode: Inode; source: string; target: ResolvedPath; overwrite: boolean }): number | undefined {
  const { inode, source, target, overwrite } = rename;
  const { path, last: existing } = target;
  if (path === source) throw new FileAlreadyExistsError(`The source ${source} and destination ${path} are the same`, { path });
  if (isWithin(path, source)) throw new RenameIntoItselfError(`Rename destination ${path} is a directory or file under source ${source}`, { path });
  checkTargetParent(target, 'rename destination');
  if (!existing) return undefined;
  if (!overwrite) throw new FileAlreadyExistsError(`rename destination ${path} already exists`, { path });
  if (existing.type !== inode.type) {
    if (existing.type === 'directory') throw new IsADirectoryError(`Source ${source} is a file and destination ${path} a directory: both must be of one kind`, { path });
    throw new NotADirectoryError(`Source ${source} is a directory and destination ${path} a file: both must be of one kind`, { path });
  }
  if (existing.type === 'directory' && !isEmptyDirectory(scope.view, existing.id)) {
    throw new DirectoryNotEmptyError(`rename destination directory is not empty: ${path}`, { path });
  }
  checkRemoval(scope.requester.caller, target);
  return existing.id;
}

export function isEmptyDirectory(view: NamespaceView, directoryId: number): boolean {
  for (const _ of view.store.range({ ...entriesOf(directoryId), limit: 1 })) return false;
  return true;
}
