import type { Block, LocatedBlock, ReplicaLocation } from '../protocol/block.js';
import { blockName } from '../protocol/block.js';
import { InvalidArgumentError, LeaseExpiredError, NotReplicatedYetError, StaleGenerationError } from '../protocol/errors.js';
import type { ReplicaPlace } from './block-management.js';
import type { FileBlock } from './file-block.js';
import type { FileInode } from './inode.js';
import type { LeaseRecord } from './lease-record.js';
import type { AnswerOf, Plan, PlanScope } from './plan.js';
import type { NamespaceView } from './namespace-view.js';

export interface WrittenBlock {
  block: Block;
  replicas: ReplicaPlace[];
}

/** A file under construction that the caller may go on with. */
export interface OpenFile {
  readonly inode: FileInode;
  readonly lease: LeaseRecord;
}

/** HDFS: FSDirWriteFileOp.validateAddBlock and storeAllocatedBlock. */
export function planAddBlock(
  scope: PlanScope,
  params: { inodeId: number; previous: WrittenBlock | null; blockIndex: number; excluded: string[] },
): Plan<AnswerOf<'block'>> {
  const { view, blocks } = scope;
  const { inodeId, previous, blockIndex } = params;
  const file = checkLease(scope, inodeId);
  const { inode, lease } = file;
  if (blockIndex !== lease.blockCount) {
    throw new InvalidArgumentError(`${describe(view, inode)} has ${lease.blockCount} blocks: the next one has index ${lease.blockCount}, not ${blockIndex}`);
  }
  // After append, whoever opened the file anew has not written its last block.
  const end = !previous && lease.blockCount > 0 ? view.readBlock(inodeId, lease.blockCount - 1) : undefined;
  if (previous ? lease.blockCount === 0 : end && !end.isComplete) {
    throw new InvalidArgumentError(`block ${blockIndex} of ${describe(view, inode)} is asked for ${previous ? 'with' : 'without'} a previous one`);
  }
  const before = previous ? checkWritten(scope, file, previous) : end;
  const previousLengthBytes = previous?.block.lengthBytes ?? end?.lengthBytes;
  const offsetBytes = before ? before.offsetBytes + previousLengthBytes! : 0;
  const { replication, blockSizeBytes } = inode;
  const located = locateNewBlock(scope, { blockIndex, offsetBytes, replication, blockSizeBytes, excluded: params.excluded, describePath: () => describe(view, inode) });
  const { blockId, generationStamp } = located.block;
  return {
    op: { kind: 'addBlock', inodeId, blockIndex, blockId, generationStamp, previousLengthBytes },
    answer: { kind: 'block', value: located },
    effects: () => {
      if (previous) blocks.commit(previous.block, previous.replicas, false);
      blocks.addUnderConstruction({ blockId, generationStamp, inodeId, replication, blockSizeBytes }, located.locations);
    },
  };
}

/** Ids, targets and token of a block to be. NotEnoughReplicasError with a line per node. */
export function locateNewBlock(
  scope: PlanScope,
  request: { blockIndex: number; offsetBytes: number; replication: number; blockSizeBytes: number; excluded: string[]; describePath: () => string },
): LocatedBlock {
  const { blocks, counters, requester } = scope;
  const { blockIndex, offsetBytes } = request;
  const locations: ReplicaLocation[] = blocks.chooseTargets({
    count: request.replication,
    blockSizeBytes: request.blockSizeBytes,
    writerAddress: requester.address,
    excluded: request.excluded,
    existing: [],
    get path() {
      return request.describePath();
    },
  });
  const block = { blockId: counters.lastBlockId + 1, generationStamp: counters.lastGenerationStamp + 1, lengthBytes: 0 };
  return { block, blockIndex, offsetBytes, locations, token: blocks.token(block) };
}

/**
 * The file, if the caller holds its lease and it was not deleted (FSNamesystem.checkLease). LeaseExpiredError otherwise: what it wrote
 * is lost, and it must stop.
 */
export function checkLease(scope: Pick<PlanScope, 'view' | 'counters' | 'requester'>, inodeId: number): OpenFile {
  const { view, requester } = scope;
  const inode = view.readInode(inodeId);
  if (!inode) throw new LeaseExpiredError(`File does not exist: (inode ${inodeId}) Holder ${requester.clientId} does not have any open files.`);
  if (inode.type === 'directory') throw new LeaseExpiredError(`INode is not a regular file: ${describe(view, inode)} (inode ${inodeId})`);
  const lease = inode.isUnderConstruction ? view.readLease(inodeId) : undefined;
  if (!lease) throw new LeaseExpiredError(`File is not open for writing: ${describe(view, inode)} (inode ${inodeId}) Holder ${requester.clientId} does not have any open files.`);
  if (lease.clientId !== requester.clientId) {
    const owner = lease.clientId === '' ? 'nobody any more: it was not renewed in time' : lease.clientId;
    throw new LeaseExpiredError(`Client (=${requester.clientId}) is not the lease owner (=${owner}): ${describe(view, inode)} (inode ${inodeId})`);
  }
  if (scope.counters.pendingDeletionCount > 0 && !view.readNames(inode)) {
    throw new LeaseExpiredError(`File is deleted: (inode ${inodeId}) Holder ${requester.clientId} does not have any open files.`);
  }
  return { inode, lease };
}

/** The last block of an open file, as `block` names it: StaleGenerationError if another pipeline has taken it over. */
export function checkLastBlock(view: NamespaceView, { inode, lease }: OpenFile, block: Block): FileBlock {
  const last = lease.blockCount > 0 ? view.readBlock(inode.id, lease.blockCount - 1) : undefined;
  if (last?.blockId !== block.blockId) {
    throw new InvalidArgumentError(`${blockName(block)} is not the last block of ${describe(view, inode)}`, { blockId: block.blockId });
  }
  if (last.generationStamp !== block.generationStamp) {
    throw new StaleGenerationError(
      `${blockName(block)} of ${describe(view, inode)} is not the current generation, which is ${last.generationStamp}: another pipeline writes it`,
      { blockId: block.blockId },
    );
  }
  return last;
}

/** The last block, whole as its writer says, and on enough data nodes (P1). Answers it as it was. */
export function checkWritten(scope: PlanScope, file: OpenFile, written: WrittenBlock): FileBlock {
  const { view, blocks } = scope;
  const { inode } = file;
  const { block, replicas } = written;
  const last = checkLastBlock(view, file, block);
  if (block.lengthBytes > inode.blockSizeBytes) {
    throw new InvalidArgumentError(`${blockName(block)} of ${describe(view, inode)} has ${block.lengthBytes} bytes, more than the file's block size ${inode.blockSizeBytes}`, {
      blockId: block.blockId,
    });
  }
  if (last.isComplete && last.lengthBytes !== block.lengthBytes) {
    throw new InvalidArgumentError(`${blockName(block)} of ${describe(view, inode)} is complete with ${last.lengthBytes} bytes, not ${block.lengthBytes}`, { blockId: block.blockId });
  }
  if (block.lengthBytes < last.committedBytes) {
    throw new InvalidArgumentError(`${blockName(block)} of ${describe(view, inode)} had ${last.committedBytes} bytes when it was opened again: it cannot end with ${block.lengthBytes}`, {
      blockId: block.blockId,
    });
  }
  // Accepted before, by what was promised then: its writer can add no replica any more, repair does.
  if (last.isComplete) return last;
  const needed = neededReplicas(scope, inode);
  const found = new Set(replicas.map((replica) => replica.datanodeUuid).filter((uuid) => blocks.isRegistered(uuid))).size;
  if (found < needed) {
    throw new NotReplicatedYetError(
      `Not replicated yet: ${blockName(block)} of ${describe(view, inode)} is on ${found} of the ${needed} data nodes that it must be on before the file goes on`,
      { blockId: block.blockId },
    );
  }
  return last;
}

/** Data nodes that a block must be on before its file goes on (P1). */
export function neededReplicas({ blocks, defaults }: Pick<PlanScope, 'blocks' | 'defaults'>, inode: FileInode): number {
  return blocks.registeredDatanodeCount() === 1 ? 1 : Math.min(defaults.minReplication, inode.replication);
}

/** The path of an inode, for messages; its id where it has none any more. */
export function describe(view: NamespaceView, inode: FileInode | Parameters<NamespaceView['readPath']>[0]): string {
  return view.readPath(inode) ?? `inode ${inode.id}`;
}
