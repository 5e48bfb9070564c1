import { FileAlreadyExistsError, FileNotFoundError, NotADirectoryError } from '../protocol/errors.js';
import { parentPath } from '../base/path.js';
import { actions, checkAncestorAccess, checkTraverse } from './permission-checker.js';
import { type AnswerOf, type Plan, type PlanScope, resolve } from './plan.js';
import type { ResolvedPath } from './resolve-path.js';

const ownerWriteExecute = 0o300;

/** HDFS: FSDirMkdirOp.mkdirs. Missing parents get the new directory's mode, and at least u+wx. */
export function planMkdirs(scope: PlanScope, params: { path: string; permission: number; createParents: boolean }): Plan<AnswerOf<'boolean'>> {
  const { caller } = scope.requester;
  const { path, permission, createParents } = params;
  const resolved = resolve(scope, path);
  checkTraverse(caller, resolved, true);
  if (resolved.last) {
    if (resolved.last.type === 'file') throw new FileAlreadyExistsError(`Path is not a directory: ${path}`, { path });
    if (!createParents) throw new FileAlreadyExistsError(`${path} already exists as a directory`, { path });
    return { op: undefined, answer: { kind: 'boolean', value: false } };
  }
  checkAncestorAccess(caller, resolved, actions.write);
  if (!createParents) checkParentExists(resolved);
  const parent = resolved.directories.at(-1)!;
  return {
    op: {
      kind: 'mkdirs',
      parentId: parent.id,
      names: resolved.names.slice(resolved.directories.length - 1),
      firstInodeId: scope.counters.lastInodeId + 1,
      owner: caller.user,
      group: parent.group,
      ancestorPermission: permission | ownerWriteExecute,
      permission,
    },
    answer: { kind: 'boolean', value: true },
  };
}

/** FSDirectory.verifyParentDir */
export function checkParentExists(resolved: ResolvedPath): void {
  const { directories, names, path } = resolved;
  if (directories.length >= names.length) return;
  throw new FileNotFoundError(`Parent directory doesn't exist: ${parentPath(path)}`, { path: parentPath(path) });
}

/** The parents that a creation has to make: their names, and their mode (the deepest existing one's, and at least u+wx). */
export function missingParents(resolved: ResolvedPath): { names: string[]; permission: number } {
  const { directories, names } = resolved;
  return { names: names.slice(directories.length - 1, -1), permission: directories.at(-1)!.permission | ownerWriteExecute };
}

/** The directory that is to hold the last name, where nothing may be made on the way. */
export function checkTargetParent(resolved: ResolvedPath, what: string): void {
  const { directories, names, path, fileOnTheWay } = resolved;
  if (fileOnTheWay) throw new NotADirectoryError(`${what} parent ${parentPath(path)} is a file.`, { path: parentPath(path) });
  if (directories.length < names.length) throw new FileNotFoundError(`${what} parent ${parentPath(path)} not found.`, { path: parentPath(path) });
}
