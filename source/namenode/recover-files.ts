import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { blockName } from '../protocol/block.js';
import { FileNotFoundError, InvalidArgumentError, StaleGenerationError } from '../protocol/errors.js';
import type { BlockManagement, RecoveredBlock, RecoveryOrder } from './block-management.js';
import type { EditOp } from './edit-op.js';
import type { FileBlock } from './file-block.js';
import type { FileInode } from './inode.js';
import type { LeaseRecoveries, RecoveryAttempt } from './lease-recoveries.js';
import type { LeaseRecord } from './lease-record.js';
import type { Namespace } from './namespace.js';
import type { NamespaceView } from './namespace-view.js';
import { closeEdit, closeWithoutRecovery } from './plan-recover-lease.js';

export interface FileRecoveryParts {
  readonly namespace: Namespace;
  readonly blocks: BlockManagement;
  readonly recoveries: LeaseRecoveries;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** With the pauses between them, a few minutes. */
const patientAttempts = 4;

/**
 * Goes on with the files that the name node has taken over: closes those that need no recovery, and has the last blocks of the others
 * recovered, each try under a fresh generation stamp that is on disk before anybody hears of it (FSNamesystem.internalReleaseLease).
 */
export async function recoverFiles(parts: FileRecoveryParts): Promise<void> {
  const results = await Promise.allSettled(parts.recoveries.tick(parts.clock.monotonicMs()).map((inodeId) => recoverFile(parts, inodeId)));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function recoverFile({ namespace, blocks, recoveries, clock, logger }: FileRecoveryParts, inodeId: number): Promise<void> {
  let begin: { attempt: RecoveryAttempt; order: RecoveryOrder } | undefined;
  const plan = (view: NamespaceView): EditOp | undefined => {
    const file = readTakenOver(view, inodeId);
    if (!file) {
      recoveries.remove(inodeId);
      return undefined;
    }
    const { inode, lease, last, path } = file;
    const close = closeWithoutRecovery(view, inode, lease, clock.nowMs());
    if (close) {
      logger.info(`${path} is ${close.kind === 'delete' ? 'deleted' : 'closed'}: its writer is gone`);
      return close;
    }
    const { places, areAll } = blocks.recoveryPlaces(last!.blockId);
    if (places.length === 0 && areAll && last!.committedBytes === 0) {
      logger.warn(`${path} is closed without ${blockName(last!)}: all data nodes that had it are gone for good${lossOf(last!)}`);
      return closeEdit(inodeId, clock.nowMs());
    }
    if (places.length === 0) {
      recoveries.postpone(inodeId, clock.monotonicMs());
      return undefined;
    }
    recoveries.endAttempt(inodeId);
    const { blockId, generationStamp } = last!;
    const recoveryGeneration = view.readCounters().lastGenerationStamp + 1;
    const block = { blockId, generationStamp, lengthBytes: promisedBytes(last!, recoveries.attemptCount(inodeId)) };
    begin = {
      attempt: { blockId, recoveryGeneration, areAllAsked: areAll },
      order: { kind: 'recover', block, recoveryGeneration, newLengthBytes: last!.isBeingCut ? last!.committedBytes : null, replicas: places, token: blocks.token(block) },
    };
    return { kind: 'allocateGeneration', generationStamp: recoveryGeneration };
  };
  const effects = () => {
    if (!begin) return;
    const { attempt, order } = begin;
    const attemptCount = recoveries.attemptCount(inodeId);
    recoveries.begin(inodeId, attempt, clock.monotonicMs());
    blocks.orderRecovery(order, attemptCount);
    logger.info(`${blockName(order.block)} is to be recovered as generation ${attempt.recoveryGeneration}${attemptCount > 0 ? `, try ${attemptCount + 1}` : ''}`);
  };
  try {
    await namespace.edit(plan, effects);
  } catch (error) {
    // Of a damaged record, say: the others go on, and this one is not tried without a pause.
    recoveries.postpone(inodeId, clock.monotonicMs());
    throw error;
  }
}

/**
 * The least that a recovery may end with. What a pipeline had acknowledged counts at first: a node that has it may be slow to come back.
 * But a flush does not outlive a power cut, and a file is not to stay open for ever: later only what was complete before does.
 */
function promisedBytes(block: FileBlock, attemptCount: number): number {
  return attemptCount < patientAttempts ? Math.max(block.committedBytes, block.isBeingCut ? 0 : block.lengthBytes) : block.committedBytes;
}

/**
 * The end of a recovery, as its primary tells it: the block is complete, and its file closed, in one transaction (FSNamesystem's
 * commitBlockSynchronization). StaleGenerationError for any try but the latest, FileNotFoundError when the file is gone. A repeat is fine.
 */
export async function commitRecoveredBlock({ namespace, blocks, recoveries, clock, logger }: FileRecoveryParts, recovered: RecoveredBlock): Promise<void> {
  const { block, recoveryGeneration, newLengthBytes, replicas } = recovered;
  const { blockId } = block;
  const complete = { blockId, generationStamp: recoveryGeneration, lengthBytes: newLengthBytes };
  const inodeId = blocks.inodeOf(blockId);
  if (inodeId === undefined) throw new FileNotFoundError(`${blockName(block)} belongs to no file any more`, { blockId });
  let isKept = false;
  const plan = (view: NamespaceView): EditOp | undefined => {
    if (isCompleteAs(view, inodeId, complete)) return undefined;
    const file = readTakenOver(view, inodeId);
    const attempt = recoveries.attempt(inodeId);
    if (!file?.last || file.last.isComplete || file.last.blockId !== blockId || attempt?.blockId !== blockId || attempt.recoveryGeneration !== recoveryGeneration) {
      throw new StaleGenerationError(
        `the recovery of ${blockName(block)} as generation ${recoveryGeneration} does not count: ${attempt ? `generation ${attempt.recoveryGeneration} was given to a later one` : 'none is under way'}`,
        { blockId },
      );
    }
    const { inode, lease, last, path } = file;
    checkRecovered(recovered, { block: last, blockSizeBytes: inode.blockSizeBytes, path });
    if (replicas.some(({ datanodeUuid }) => !blocks.isRegistered(datanodeUuid))) {
      throw new InvalidArgumentError(`the recovery of ${blockName(block)} of ${path} names a data node that is none of this cluster`, { blockId });
    }
    if (newLengthBytes > 0) {
      isKept = true;
      logger.info(`${path} is closed: ${blockName(complete)} was recovered with ${newLengthBytes} bytes on ${replicas.length} data nodes`);
      return { kind: 'recoverBlock', inodeId, blockIndex: lease.blockCount - 1, generationStamp: recoveryGeneration, lengthBytes: newLengthBytes, modificationTimeMs: clock.nowMs() };
    }
    if (replicas.length === 0 && !attempt.areAllAsked) {
      throw new InvalidArgumentError(`${blockName(block)} of ${path} is not given up: not every data node that may have it was asked; bring back those that are dead, or decommission those that will not come`, { blockId });
    }
    logger[last.lengthBytes > 0 ? 'warn' : 'info'](`${path} is closed without ${blockName(block)}, of which nobody has a byte${lossOf(last)}`);
    return closeEdit(inodeId, clock.nowMs());
  };
  await namespace.edit(plan, () => {
    if (isKept) blocks.commit(complete, replicas, true);
  });
}

/** Of what its writer was told to be there. */
function lossOf({ lengthBytes }: FileBlock): string {
  return lengthBytes > 0 ? `; its ${lengthBytes} bytes are lost` : '';
}

function checkRecovered({ block, newLengthBytes, replicas }: RecoveredBlock, known: { block: FileBlock; blockSizeBytes: number; path: string }): void {
  const { committedBytes, isBeingCut, generationStamp } = known.block;
  const what = `the recovery of ${blockName(block)} of ${known.path}`;
  const wrong =
    block.generationStamp !== generationStamp
      ? `began with another generation than ${generationStamp}`
      : isBeingCut && newLengthBytes !== committedBytes
        ? `was to cut it to ${committedBytes} bytes, not to ${newLengthBytes}`
        : newLengthBytes < committedBytes
          ? `found ${newLengthBytes} bytes of ${committedBytes} that were complete before`
          : newLengthBytes > known.blockSizeBytes
            ? `found ${newLengthBytes} bytes, more than the file's block size ${known.blockSizeBytes}`
            : newLengthBytes > 0 && replicas.length === 0
              ? 'names no replica'
              : undefined;
  if (wrong !== undefined) throw new InvalidArgumentError(`${what} ${wrong}`, { blockId: block.blockId });
}

/** A file that is the name node's own, its last block and its path; undefined if it is closed by now, or gone. */
function readTakenOver(view: NamespaceView, inodeId: number): { inode: FileInode; lease: LeaseRecord; last: FileBlock | undefined; path: string } | undefined {
  const inode = view.readInode(inodeId);
  const lease = inode?.type === 'file' && inode.isUnderConstruction ? view.readLease(inodeId) : undefined;
  if (inode?.type !== 'file' || lease?.clientId !== '') return undefined;
  const path = view.readPath(inode);
  if (path === undefined) return undefined;
  return { inode, lease, path, last: lease.blockCount > 0 ? view.readBlock(inodeId, lease.blockCount - 1) : undefined };
}

/** This very recovery was committed before. */
function isCompleteAs(view: NamespaceView, inodeId: number, block: { blockId: number; generationStamp: number; lengthBytes: number }): boolean {
  const inode = view.readInode(inodeId);
  if (inode?.type !== 'file' || inode.isUnderConstruction || inode.blockCount === 0) return false;
  const last = view.readBlock(inodeId, inode.blockCount - 1);
  return last?.blockId === block.blockId && last.generationStamp === block.generationStamp && last.lengthBytes === block.lengthBytes;
}
