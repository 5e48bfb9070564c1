import type { FileStatus, FileStatusTuple } from '../protocol/file-status.js';
import { toTuple } from '../protocol/file-status.js';
import { FileNotFoundError } from '../protocol/errors.js';
import { decodeEntry } from './inode.js';
import { entriesOf, nameOfEntry } from './keys.js';
import { actions, checkAccess, checkPathAccess, checkTraverse } from './permission-checker.js';
import { type PlanScope, resolve } from './plan.js';
import { resolveExisting } from './plan-attributes.js';

/** What a reading call sees: what is durable, and who asks. */
export type ReadScope = Pick<PlanScope, 'view' | 'cache' | 'requester'>;

/** HDFS: FSDirStatAndListingOp.getFileInfo. Below a file there is nothing. */
export function getFileInfo(scope: ReadScope, path: string): FileStatus | null {
  const resolved = resolve(scope, path);
  checkTraverse(scope.requester.caller, resolved);
  return resolved.last ? scope.view.readStatus(resolved.last) : null;
}

/** Entries read before others get their turn. */
const entriesPerTurn = 1000;

/** HDFS: FSDirStatAndListingOp.getListing. Between turns the directory may change: names come in order, each at most once, as with several pages. */
export async function getListing(
  scope: ReadScope,
  params: { path: string; startAfter?: string | undefined; limit?: number | undefined },
  yieldTurn: () => Promise<void>,
): Promise<{ entries: FileStatusTuple[]; hasMore: boolean }> {
  const { view, requester } = scope;
  const { path, limit = entriesPerTurn } = params;
  const resolved = resolve(scope, path);
  checkTraverse(requester.caller, resolved);
  const inode = resolved.last;
  if (!inode) throw new FileNotFoundError(`File ${path} does not exist.`, { path });
  if (inode.type === 'file') return { entries: params.startAfter === undefined ? [toTuple(view.readStatus(inode, ''))] : [], hasMore: false };
  checkPathAccess(requester.caller, resolved, actions.readExecute);
  const entries: FileStatusTuple[] = [];
  let { startAfter } = params;
  for (;;) {
    const wanted = Math.min(limit - entries.length, entriesPerTurn);
    let found = 0;
    for (const [key, value] of view.store.range({ ...entriesOf(inode.id, startAfter), limit: wanted + 1 })) {
      if (++found > wanted) break;
      startAfter = nameOfEntry(key);
      entries.push(toTuple(view.readStatus(view.readTarget(decodeEntry(value).inodeId), startAfter)));
    }
    if (found <= wanted) return { entries, hasMore: false };
    if (entries.length === limit) return { entries, hasMore: true };
    await yieldTurn();
  }
}

const actionOfLetter: Record<string, number> = { r: actions.read, w: actions.write, x: actions.execute };

/** HDFS: FSNamesystem.checkAccess. */
export function checkActions(scope: ReadScope, params: { path: string; actions: string }): null {
  const { path } = params;
  const { inode } = resolveExisting(scope, path);
  let action = 0;
  for (const letter of params.actions) action |= actionOfLetter[letter]!;
  checkAccess(scope.requester.caller, inode, inode.type === 'directory', path, action);
  return null;
}
