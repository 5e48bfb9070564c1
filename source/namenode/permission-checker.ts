import { NotADirectoryError, PermissionDeniedError } from '../protocol/errors.js';
import { type ResolvedPath, pathOfNames } from './resolve-path.js';

/** Bits of rwx, and how HDFS calls their combinations (FsAction). */
export const actions = { execute: 1, write: 2, read: 4, readExecute: 5, all: 7 } as const;
const actionNames = ['NONE', 'EXECUTE', 'WRITE', 'WRITE_EXECUTE', 'READ', 'READ_EXECUTE', 'READ_WRITE', 'ALL'];
const stickyBit = 0o1000;

/** Who calls, with what the rules ask of him. */
export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
  /** The user who runs the name node, or a member of the supergroup: nothing is refused to him. */
  readonly isSuperuser: boolean;
}

/** The fields of an inode that decide. */
interface Owned {
  readonly owner: string;
  readonly group: string;
  readonly permission: number;
}

export function isPermitted(caller: Caller, inode: Owned, action: number): boolean {
  if (caller.isSuperuser) return true;
  // The first class that fits decides: an owner without the bit is refused even if others have it (FSPermissionChecker.hasPermission).
  if (inode.owner === caller.user) return ((inode.permission >> 6) & action) === action;
  if (caller.groups.includes(inode.group)) return ((inode.permission >> 3) & action) === action;
  return (inode.permission & action) === action;
}

/** `Permission denied: user=bob, access=WRITE, inode="/tmp":hdfs:supergroup:drwxr-xr-x` unless the caller may. */
export function checkAccess(caller: Caller, inode: Owned, isDirectory: boolean, path: string, action: number): void {
  if (isPermitted(caller, inode, action)) return;
  throw new PermissionDeniedError(`Permission denied: user=${caller.user}, access=${actionNames[action]}, inode="${path}":${describe(inode, isDirectory)}`, { path });
}

/**
 * Each directory on the way may be entered. A file on the way is NotADirectoryError, `/a/f (is not a directory)`, where
 * something is to be created, and for all others the same as nothing (FSDirectory.resolvePath).
 */
export function checkTraverse(caller: Caller, resolved: ResolvedPath, forCreation = false): void {
  const { directories, names, fileOnTheWay } = resolved;
  if (!caller.isSuperuser) {
    directories.forEach((directory, index) => checkAccess(caller, directory, true, pathOfNames(names, index), actions.execute));
  }
  if (fileOnTheWay && forCreation) {
    const path = pathOfNames(names, directories.length);
    throw new NotADirectoryError(`${path} (is not a directory)`, { path });
  }
}

/** The deepest directory that exists on the way: where the first missing name would be created. */
export function checkAncestorAccess(caller: Caller, resolved: ResolvedPath, action: number): void {
  const index = resolved.directories.length - 1;
  if (index >= 0) checkAccess(caller, resolved.directories[index]!, true, pathOfNames(resolved.names, index), action);
}

/** The directory of an entry that is to be removed may be written, and its sticky bit does not protect the entry. */
export function checkRemoval(caller: Caller, resolved: ResolvedPath): void {
  const { directories, names, last, path } = resolved;
  const parent = directories.at(-1);
  if (caller.isSuperuser || !parent || directories.length < names.length) return;
  const parentPath = pathOfNames(names, names.length - 1);
  if (last && parent.permission & stickyBit && parent.owner !== caller.user && last.owner !== caller.user) {
    const entry = `path="${path}":${describe(last, last.type === 'directory')}`;
    throw new PermissionDeniedError(`Permission denied by sticky bit: user=${caller.user}, ${entry}, parent="${parentPath}":${describe(parent, true)}`, { path });
  }
  checkAccess(caller, parent, true, parentPath, actions.write);
}

/** What the path names, if it is there. */
export function checkPathAccess(caller: Caller, resolved: ResolvedPath, action: number): void {
  if (resolved.last) checkAccess(caller, resolved.last, resolved.last.type === 'directory', resolved.path, action);
}

export function checkOwner(caller: Caller, inode: Owned, path: string): void {
  if (caller.isSuperuser || inode.owner === caller.user) return;
  throw new PermissionDeniedError(`Permission denied. user=${caller.user} is not the owner of inode=${path}`, { path });
}

export function checkSuperuser(caller: Caller, operation: string): void {
  if (caller.isSuperuser) return;
  throw new PermissionDeniedError(`Access denied for user ${caller.user}. Superuser privilege is required for operation ${operation}`);
}

/** `alice:eng:drwxr-xr-t` */
function describe(inode: Owned, isDirectory: boolean): string {
  return `${inode.owner}:${inode.group}:${isDirectory ? 'd' : '-'}${symbolicMode(inode.permission)}`;
}

function symbolicMode(permission: number): string {
  let text = '';
  for (const shift of [6, 3, 0]) {
    const bits = permission >> shift;
    text += (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + (bits & 1 ? 'x' : '-');
  }
  if (permission & stickyBit) text = text.slice(0, -1) + (permission & 1 ? 't' : 'T');
  return text;
}
