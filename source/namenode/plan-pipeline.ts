import type { Block, ReplicaLocation } from '../protocol/block.js';
import { blockName } from '../protocol/block.js';
import { InvalidArgumentError, StaleGenerationError } from '../protocol/errors.js';
import { nullAnswer } from './answer.js';
import type { AnswerOf, Plan, PlanScope } from './plan.js';
import { checkLastBlock, checkLease, describe, type OpenFile, type WrittenBlock } from './plan-add-block.js';

/** A fresh generation stamp. It is the block's only when updatePipeline says so (FSNamesystem.bumpBlockGenerationStamp). */
export function planUpdateBlockForPipeline(scope: PlanScope, params: { inodeId: number; block: Block }): Plan<AnswerOf<'generation'>> {
  const file = checkLease(scope, params.inodeId);
  checkUnderConstruction(scope, file, params.block);
  const generationStamp = scope.counters.lastGenerationStamp + 1;
  const token = scope.blocks.token({ ...params.block, generationStamp });
  return { op: { kind: 'allocateGeneration', generationStamp }, answer: { kind: 'generation', value: { generationStamp, token } } };
}

/** FSNamesystem.updatePipelineInternal: the check and the change are one transaction, so generations never go back (HDFS-7065). */
export function planUpdatePipeline(scope: PlanScope, params: { inodeId: number; previous: Block; written: WrittenBlock }): Plan<AnswerOf<'null'>> {
  const { view, counters, blocks } = scope;
  const { inodeId, previous, written } = params;
  const { block, replicas } = written;
  const file = checkLease(scope, inodeId);
  const last = checkUnderConstruction(scope, file, previous);
  const where = `${blockName(previous)} of ${describe(view, file.inode)}`;
  if (block.blockId !== previous.blockId) throw new InvalidArgumentError(`${blockName(block)} cannot take the place of ${where}: it is another block`, { blockId: previous.blockId });
  if (block.generationStamp <= last.generationStamp || block.generationStamp > counters.lastGenerationStamp) {
    throw new StaleGenerationError(`generation ${block.generationStamp} cannot follow that of ${where}: it was not given out for this`, { blockId: previous.blockId });
  }
  if (block.lengthBytes < last.lengthBytes) {
    throw new InvalidArgumentError(`${where} has ${last.lengthBytes} bytes: its next pipeline cannot begin with ${block.lengthBytes}`, { blockId: previous.blockId });
  }
  const { blockSizeBytes } = file.inode;
  if (block.lengthBytes > blockSizeBytes) {
    throw new InvalidArgumentError(`the next pipeline of ${where} cannot begin with ${block.lengthBytes} bytes: the file's block size is ${blockSizeBytes}`, { blockId: previous.blockId });
  }
  if (replicas.length === 0) throw new InvalidArgumentError(`the next pipeline of ${where} has no data node`, { blockId: previous.blockId });
  return {
    op: { kind: 'updatePipeline', inodeId, blockIndex: file.lease.blockCount - 1, generationStamp: block.generationStamp, lengthBytes: block.lengthBytes },
    answer: nullAnswer,
    effects: () => blocks.updatePipeline(block, replicas),
  };
}

/** Gives the last block back. One that the file does not have (any more) is fine, as in HDFS: the aim is reached. */
export function planAbandonBlock(scope: PlanScope, params: { inodeId: number; block: Block }): Plan<AnswerOf<'null'>> {
  const { inodeId, block } = params;
  const { lease } = checkLease(scope, inodeId);
  const last = lease.blockCount > 0 ? scope.view.readBlock(inodeId, lease.blockCount - 1) : undefined;
  if (last?.blockId !== block.blockId || last.isComplete) return { op: undefined, answer: nullAnswer };
  if (last.committedBytes > 0) {
    throw new InvalidArgumentError(`${blockName(block)} had ${last.committedBytes} bytes when its file was opened again: it cannot be given back`, { blockId: block.blockId });
  }
  return { op: { kind: 'abandonBlock', inodeId, blockIndex: lease.blockCount - 1 }, answer: nullAnswer };
}

/** More targets for a block under construction: changes nothing (FSNamesystem.getAdditionalDatanode). */
export function chooseAdditionalDatanodes(
  scope: Pick<PlanScope, 'view' | 'counters' | 'requester' | 'blocks'>,
  params: { inodeId: number; block: Block; existing: string[]; excluded: string[]; count: number },
): ReplicaLocation[] {
  const { view, blocks, requester } = scope;
  const file = checkLease(scope, params.inodeId);
  checkUnderConstruction(scope, file, params.block);
  return blocks.chooseTargets({
    count: params.count,
    blockSizeBytes: file.inode.blockSizeBytes,
    writerAddress: requester.address,
    excluded: params.excluded,
    existing: params.existing,
    get path() {
      return describe(view, file.inode);
    },
  });
}

function checkUnderConstruction(scope: Pick<PlanScope, 'view'>, file: OpenFile, block: Block) {
  const last = checkLastBlock(scope.view, file, block);
  if (last.isComplete) throw new InvalidArgumentError(`${blockName(block)} of ${describe(scope.view, file.inode)} is complete`, { blockId: block.blockId });
  return last;
}
