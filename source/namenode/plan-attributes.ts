import { FileNotFoundError, PermissionDeniedError } from '../protocol/errors.js';
import { nullAnswer } from './answer.js';
import type { Inode } from './inode.js';
import { actions, checkOwner, checkPathAccess, checkTraverse } from './permission-checker.js';
import { type AnswerOf, type Plan, type PlanScope, resolve } from './plan.js';
import type { ResolvedPath } from './resolve-path.js';

/** HDFS: FSDirAttrOp.setPermission. */
export function planSetPermission(scope: PlanScope, params: { path: string; permission: number }): Plan<AnswerOf<'null'>> {
  const { inode } = resolveExisting(scope, params.path);
  checkOwner(scope.requester.caller, inode, params.path);
  if (inode.permission === params.permission) return { op: undefined, answer: nullAnswer };
  return { op: { kind: 'setPermission', inodeId: inode.id, permission: params.permission }, answer: nullAnswer };
}

/** HDFS: FSDirAttrOp.setOwner. Only the superuser gives files away; an owner may choose among his own groups. */
export function planSetOwner(scope: PlanScope, params: { path: string; owner?: string | undefined; group?: string | undefined }): Plan<AnswerOf<'null'>> {
  const { caller } = scope.requester;
  const { path } = params;
  const { inode } = resolveExisting(scope, path);
  checkOwner(caller, inode, path);
  const { owner = inode.owner, group = inode.group } = params;
  if (!caller.isSuperuser) {
    if (params.owner !== undefined && params.owner !== caller.user) {
      throw new PermissionDeniedError(`User ${caller.user} is not a super user (non-super user cannot change owner).`, { path });
    }
    if (params.group !== undefined && !caller.groups.includes(params.group)) {
      throw new PermissionDeniedError(`User ${caller.user} does not belong to ${params.group}`, { path });
    }
  }
  if (owner === inode.owner && group === inode.group) return { op: undefined, answer: nullAnswer };
  return { op: { kind: 'setOwner', inodeId: inode.id, owner, group }, answer: nullAnswer };
}

/** HDFS: FSDirAttrOp.setTimes. */
export function planSetTimes(
  scope: PlanScope,
  params: { path: string; modificationTimeMs?: number | undefined; accessTimeMs?: number | undefined },
): Plan<AnswerOf<'null'>> {
  const { inode, resolved } = resolveExisting(scope, params.path);
  checkPathAccess(scope.requester.caller, resolved, actions.write);
  const { modificationTimeMs = inode.modificationTimeMs, accessTimeMs = inode.accessTimeMs } = params;
  if (modificationTimeMs === inode.modificationTimeMs && accessTimeMs === inode.accessTimeMs) return { op: undefined, answer: nullAnswer };
  return { op: { kind: 'setTimes', inodeId: inode.id, modificationTimeMs, accessTimeMs }, answer: nullAnswer };
}

/** HDFS: FSDirAttrOp.setReplication. `onChanged` gets the file's id once the change is on disk. */
export function planSetReplication(scope: PlanScope, params: { path: string; replication: number }, onChanged: (inodeId: number) => void): Plan<AnswerOf<'boolean'>> {
  const { inode, resolved } = resolveExisting(scope, params.path);
  checkPathAccess(scope.requester.caller, resolved, actions.write);
  if (inode.type === 'directory') return { op: undefined, answer: { kind: 'boolean', value: false } };
  const answer: AnswerOf<'boolean'> = { kind: 'boolean', value: true };
  if (inode.replication === params.replication) return { op: undefined, answer };
  return { op: { kind: 'setReplication', inodeId: inode.id, replication: params.replication }, answer, effects: () => onChanged(inode.id) };
}

/** What the path names, reached with the right to. FileNotFoundError if there is nothing. */
export function resolveExisting(scope: Pick<PlanScope, 'view' | 'cache' | 'requester'>, path: string): { resolved: ResolvedPath; inode: Inode } {
  const resolved = resolve(scope, path);
  checkTraverse(scope.requester.caller, resolved);
  if (!resolved.last) throw new FileNotFoundError(`File does not exist: ${path}`, { path });
  return { resolved, inode: resolved.last };
}
