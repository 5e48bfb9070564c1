import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { NoSpaceError } from '../protocol/errors.js';
import type { BlockManagement } from './block-management.js';
import { decodeFileBlock, type FileBlock } from './file-block.js';
import type { FileInode } from './inode.js';
import { blocksOf, placeOfBlock } from './keys.js';
import type { LeaseManager } from './lease-manager.js';
import type { Namespace } from './namespace.js';
import type { NamespaceView } from './namespace-view.js';

/** What the name node does to the namespace of its own accord, after or beside calls. */

const blocksPerTurn = 1000;

/**
 * Tells block management whose a file's blocks are and how many copies of them are wanted, in slices. Each slice reads the number again, so that of two changes
 * at once the later one stays. After a restart the blocks are loaded with it.
 */
export async function spreadReplication(view: NamespaceView, blocks: BlockManagement, inodeId: number, yieldTurn: () => Promise<void>): Promise<void> {
  for (let next = 0; ; ) {
    const inode = view.readInode(inodeId);
    if (inode?.type !== 'file') return;
    let found = 0;
    for (const [key, value] of view.store.range({ ...blocksOf(inodeId, next), limit: blocksPerTurn })) {
      found++;
      next = placeOfBlock(key).blockIndex + 1;
      const block: FileBlock = decodeFileBlock(value);
      blocks.moveTo(block.blockId, inodeId, inode.replication);
    }
    if (found < blocksPerTurn) return;
    await yieldTurn();
  }
}

/**
 * A file was read: its access time follows, to the precision, as an edit that nobody waits for. One at a time for each file,
 * however many read it.
 */
export function createAccessTimeKeeper(parts: { namespace: Namespace; clock: Clock; logger: Logger; precisionMs: number }): (inode: FileInode) => void {
  const { namespace, clock, logger, precisionMs } = parts;
  const underWay = new Set<number>();
  return (inode) => {
    const nowMs = clock.nowMs();
    const isDue = (file: FileInode) => precisionMs > 0 && nowMs - file.accessTimeMs > precisionMs;
    if (!isDue(inode) || underWay.has(inode.id)) return;
    underWay.add(inode.id);
    namespace
      .edit(
        (view) => {
          const now = view.readInode(inode.id);
          if (now?.type !== 'file' || !isDue(now)) return undefined;
          return { kind: 'setTimes', inodeId: now.id, modificationTimeMs: now.modificationTimeMs, accessTimeMs: nowMs };
        },
        undefined,
        { mayUseReserve: false },
      )
      // That there is no space is told once, and not with every read.
      .catch((error: unknown) => error instanceof NoSpaceError || logger.warn(`the access time of inode ${inode.id} could not be set: ${String(error)}`))
      .finally(() => underWay.delete(inode.id));
  };
}

/** Ends what the tick of the leases found: temporary files go, the others are taken over from their writers (recoverFiles closes them). */
export async function endExpiredLeases(namespace: Namespace, leases: LeaseManager, logger: Logger): Promise<void> {
  const { temporaryIds, expiredIds } = leases.tick();
  await Promise.all([
    ...temporaryIds.map((inodeId) =>
      namespace.edit((view) => {
        const inode = view.readInode(inodeId);
        const lease = inode?.type === 'file' && inode.isUnderConstruction ? view.readLease(inodeId) : undefined;
        if (!inode || !lease?.isTemporary || !leases.isSoftLimitPassed(lease.clientId)) return undefined;
        const path = view.readPath(inode);
        if (path === undefined) return undefined;
        logger.info(`${path} is deleted: its writer ${lease.clientId} on ${lease.clientAddress} is gone`);
        return { kind: 'delete', inodeId };
      }),
    ),
    ...expiredIds.map((inodeId) =>
      namespace.edit((view) => {
        const inode = view.readInode(inodeId);
        const lease = inode?.type === 'file' && inode.isUnderConstruction ? view.readLease(inodeId) : undefined;
        if (!inode || !lease || !leases.isSoftLimitPassed(lease.clientId)) return undefined;
        logger.warn(`the lease of ${view.readPath(inode) ?? `inode ${inodeId}`} has expired: its writer ${lease.clientId} on ${lease.clientAddress} is gone`);
        return { kind: 'expireLease', inodeId };
      }),
    ),
  ]);
}

const recordsPerReclaim = 500;
/** With so many replicas waiting to be deleted, reclaiming more files only lets that queue grow. */
const maxPendingInvalidations = 100_000;

/** One slice of what deleted directories and large files leave behind. False when nothing is left, or block management is behind. */
export function reclaimSlice(namespace: Namespace, blocks: BlockManagement): Promise<boolean> {
  if (namespace.view.readCounters().pendingDeletionCount === 0 || blocks.pendingDeletionCount() > maxPendingInvalidations) return Promise.resolve(false);
  return namespace.edit((view) => (view.readCounters().pendingDeletionCount > 0 ? { kind: 'reclaim', limit: recordsPerReclaim } : undefined));
}
