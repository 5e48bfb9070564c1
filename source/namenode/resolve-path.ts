import { pathNames, pathProblem } from '../base/path.js';
import { InvalidPathError } from '../protocol/errors.js';
import type { CachedDirectory, DirectoryCache } from './directory-cache.js';
import { type Inode, rootInodeId } from './inode.js';
import type { NamespaceView } from './namespace-view.js';

/** A path as far as it exists (HDFS: INodesInPath). */
export interface ResolvedPath {
  readonly path: string;
  readonly names: readonly string[];
  /**
   * The directories on the way to the last name, from the root on, as far as they exist: `directories[i]` holds `names[i]`. All
   * of them exist if there are as many as names. Empty for the root itself.
   */
  readonly directories: readonly CachedDirectory[];
  /** A file where a directory should be: it stands at `names[directories.length - 1]`. */
  readonly fileOnTheWay: Inode | undefined;
  /** What the whole path names. */
  readonly last: Inode | undefined;
}

/** InvalidPathError for a path that nothing may have (base/path.ts). */
export function validatePath(path: string): void {
  const problem = pathProblem(path);
  if (problem !== undefined) throw new InvalidPathError(problem.endsWith('is a reserved name.') ? problem : `${path}: ${problem}`, { path });
}

export function resolvePath(view: NamespaceView, cache: DirectoryCache, path: string): ResolvedPath {
  validatePath(path);
  const names = pathNames(path);
  const root = getRoot(view, cache);
  if (names.length === 0) return { path, names, directories: [], fileOnTheWay: undefined, last: view.readTarget(rootInodeId) };
  const directories = [root];
  let fileOnTheWay: Inode | undefined;
  for (let i = 0; i < names.length - 1; i++) {
    const found = getDirectory(view, cache, directories[i]!.id, names[i]!);
    if (!found) break;
    if ('type' in found) {
      fileOnTheWay = found;
      break;
    }
    directories.push(found);
  }
  const target = directories.length === names.length ? view.readEntry(directories.at(-1)!.id, names.at(-1)!) : undefined;
  return { path, names, directories, fileOnTheWay, last: target && view.readTarget(target.inodeId) };
}

/** The path of the first `count` names. */
export function pathOfNames(names: readonly string[], count: number): string {
  return `/${names.slice(0, count).join('/')}`;
}

/** The directory of that name; the inode itself where it is a file. */
function getDirectory(view: NamespaceView, cache: DirectoryCache, parentId: number, name: string): CachedDirectory | (Inode & { type: 'file' }) | undefined {
  const cached = cache.get(parentId, name);
  if (cached) return cached;
  const target = view.readEntry(parentId, name);
  if (!target) return undefined;
  const inode = view.readTarget(target.inodeId);
  if (inode.type === 'file') return inode;
  const directory = { id: inode.id, owner: inode.owner, group: inode.group, permission: inode.permission };
  cache.put(parentId, name, directory);
  return directory;
}

function getRoot(view: NamespaceView, cache: DirectoryCache): CachedDirectory {
  const cached = cache.get(0, '');
  if (cached) return cached;
  const { id, owner, group, permission } = view.readTarget(rootInodeId);
  const root = { id, owner, group, permission };
  cache.put(0, '', root);
  return root;
}
