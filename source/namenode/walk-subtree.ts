import { joinPath } from '../base/path.js';
import type { DirectoryInode, Inode } from './inode.js';
import { decodeEntry } from './inode.js';
import { entriesOf, nameOfEntry } from './keys.js';
import type { NamespaceView } from './namespace-view.js';
import { actions, type Caller, checkAccess } from './permission-checker.js';
import type { ReadScope } from './read-status.js';
import { resolveExisting } from './plan-attributes.js';

const entriesPerPage = 500;
const entriesPerTurn = 2000;

interface Level {
  readonly directory: DirectoryInode;
  readonly path: string;
  startAfter: string | undefined;
}

/**
 * Visits every inode below `top`, each directory before what it holds, in slices between which others get their turn. Memory grows with
 * the depth alone. What changes meanwhile may be seen or not; what is gone is passed over. `enter` may refuse a directory by throwing.
 */
async function walkSubtree(
  view: NamespaceView,
  top: { directory: DirectoryInode; path: string },
  visitor: { enter(directory: DirectoryInode, path: string): void; visit?(inode: Inode, lengthBytes: number): void },
  yieldTurn: () => Promise<void>,
): Promise<void> {
  visitor.enter(top.directory, top.path);
  const levels: Level[] = [{ ...top, startAfter: undefined }];
  let left = entriesPerTurn;
  while (levels.length > 0) {
    const level = levels.at(-1)!;
    let next: Level | undefined;
    let found = 0;
    for (const [key, value] of view.store.range({ ...entriesOf(level.directory.id, level.startAfter), limit: entriesPerPage })) {
      found++;
      left--;
      const name = nameOfEntry(key);
      level.startAfter = name;
      const target = decodeEntry(value);
      if (!target.isDirectory && !visitor.visit) continue;
      const inode = view.readTarget(target.inodeId);
      visitor.visit?.(inode, view.readLength(inode));
      if (inode.type === 'directory') {
        next = { directory: inode, path: joinPath(level.path, name), startAfter: undefined };
        break;
      }
    }
    if (next) {
      visitor.enter(next.directory, next.path);
      levels.push(next);
    } else if (found < entriesPerPage) {
      levels.pop();
    }
    if (left <= 0) {
      await yieldTurn();
      left = entriesPerTurn;
    }
  }
}

export interface ContentSummary {
  directoryCount: number;
  fileCount: number;
  lengthBytes: number;
  spaceConsumedBytes: number;
}

/** HDFS: FSDirStatAndListingOp.getContentSummary: every directory below must be readable to the caller. */
export async function getContentSummary(scope: ReadScope, path: string, yieldTurn: () => Promise<void>): Promise<ContentSummary> {
  const { view, requester } = scope;
  const { inode } = resolveExisting(scope, path);
  const summary: ContentSummary = { directoryCount: 0, fileCount: 0, lengthBytes: 0, spaceConsumedBytes: 0 };
  const count = (found: Inode, lengthBytes: number) => {
    if (found.type === 'directory') {
      summary.directoryCount++;
      return;
    }
    summary.fileCount++;
    summary.lengthBytes += lengthBytes;
    summary.spaceConsumedBytes += lengthBytes * found.replication;
  };
  count(inode, view.readLength(inode));
  if (inode.type === 'file') return summary;
  const enter = (directory: DirectoryInode, at: string) => checkAccess(requester.caller, directory, true, at, actions.readExecute);
  await walkSubtree(view, { directory: inode, path }, { enter, visit: count }, yieldTurn);
  return summary;
}

/**
 * Whether the caller may delete all below a directory: it needs all rights on each directory that holds something
 * (FSPermissionChecker.checkSubAccess). Not part of the transaction that deletes, since it may take long: a directory that comes or
 * changes behind it is deleted as if it had done so before the check.
 */
export async function checkSubtreeAccess(view: NamespaceView, caller: Caller, top: { directory: DirectoryInode; path: string }, yieldTurn: () => Promise<void>): Promise<void> {
  const enter = (directory: DirectoryInode, path: string) => {
    for (const _ of view.store.range({ ...entriesOf(directory.id), limit: 1 })) checkAccess(caller, directory, true, path, actions.all);
  };
  await walkSubtree(view, top, { enter }, yieldTurn);
}
