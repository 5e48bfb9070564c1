import { parentPath } from '../base/path.js';
import { counted } from '../base/text.js';
import { InvalidArgumentError, IsADirectoryError } from '../protocol/errors.js';
import { nullAnswer } from './answer.js';
import type { FileInode } from './inode.js';
import { actions, checkPathAccess, checkRemoval } from './permission-checker.js';
import type { AnswerOf, Plan, PlanScope } from './plan.js';
import { resolveExisting } from './plan-attributes.js';
import { maxBlocksPerEdit } from './plan-truncate.js';

/**
 * HDFS: FSDirConcatOp.concat, with its conditions and its words. `onMoved` gets the target's id once all is on disk: blocks of
 * it have another file than before, and perhaps another wanted number of copies.
 */
export function planConcat(scope: PlanScope, params: { target: string; sources: readonly string[] }, onMoved: (targetId: number) => void): Plan<AnswerOf<'null'>> {
  const { requester, timeMs } = scope;
  const { target: targetPath, sources } = params;
  const { inode: target, resolved } = resolveExisting(scope, targetPath);
  if (target.type === 'directory') throw new IsADirectoryError(`Path is not a file: ${targetPath}`, { path: targetPath });
  checkPathAccess(requester.caller, resolved, actions.write);
  if (target.isUnderConstruction) throw refusal(`target file ${targetPath} is under construction`, targetPath);

  const found: FileInode[] = [];
  for (const path of sources) found.push(checkSource(scope, path, { inode: target, path: targetPath }));
  const sourceIds = found.map((source) => source.id);
  if (new Set(sourceIds).size < sourceIds.length) throw refusal('at least two of the source files are the same', targetPath);
  const blockCount = found.reduce((sum, source) => sum + source.blockCount, 0);
  if (blockCount > maxBlocksPerEdit) {
    throw refusal(`the sources have ${counted(blockCount, 'block')}; join files of at most ${maxBlocksPerEdit} blocks at a time`, targetPath);
  }
  return {
    op: { kind: 'concat', targetId: target.id, sourceIds, modificationTimeMs: timeMs },
    answer: nullAnswer,
    effects: () => onMoved(target.id),
  };
}

function checkSource(scope: PlanScope, path: string, target: { inode: FileInode; path: string }): FileInode {
  const { caller } = scope.requester;
  const { inode: source, resolved } = resolveExisting(scope, path);
  checkPathAccess(caller, resolved, actions.read);
  checkRemoval(caller, resolved);
  if (source.type === 'directory') throw new IsADirectoryError(`Path is not a file: ${path}`, { path });
  if (source.parentId !== target.inode.parentId) {
    throw new InvalidArgumentError(`Source file ${path} is not in the same directory with the target ${target.path}; move it to ${parentPath(target.path)} first`, { path });
  }
  if (source.id === target.inode.id) throw refusal(`the src file ${path} is the same with the target file ${target.path}`, path);
  if (source.isUnderConstruction || source.blockCount === 0) throw refusal(`source file ${path} is invalid or empty or underConstruction`, path);
  if (source.blockSizeBytes > target.inode.blockSizeBytes) {
    throw refusal(
      `source file ${path} has preferred block size ${source.blockSizeBytes} which is greater than the target file's preferred block size ${target.inode.blockSizeBytes}`,
      path,
    );
  }
  return source;
}

function refusal(text: string, path: string): Error {
  return new InvalidArgumentError(`concat: ${text}`, { path });
}
