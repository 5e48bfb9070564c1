import type { LocatedBlock } from '../protocol/block.js';
import type { FileStatus } from '../protocol/file-status.js';
import { FileNotFoundError, IsADirectoryError } from '../protocol/errors.js';
import { DamagedRecordError } from '../storage/record.js';
import type { BlockCatalog, BlockManagement, CatalogBlock } from './block-management.js';
import { decodeFileBlock } from './file-block.js';
import { findBlockIndex } from './find-block.js';
import type { FileInode, Inode } from './inode.js';
import { missingRecord, readableEntries } from './damaged-records.js';
import { allBlocks, blockKey, blocksAfter, blocksOf, placeOfBlock } from './keys.js';
import type { NamespaceView } from './namespace-view.js';
import { actions, checkPathAccess } from './permission-checker.js';
import { resolveExisting } from './plan-attributes.js';
import type { ReadScope } from './read-status.js';

const blocksPerPage = 1000;

export interface BlockRange {
  path: string;
  offsetBytes: number;
  lengthBytes: number;
  allReplicas?: boolean | undefined;
}

/**
 * The blocks that hold a part of the range, in order (FSDirStatAndListingOp.getBlockLocations), and the file's inode. Of the last block of a
 * file under construction nobody knows here how much there is: it is among them if the range reaches behind its begin.
 */
export function getBlockLocations(
  scope: ReadScope & { blocks: BlockManagement },
  params: BlockRange,
): { inode: FileInode; result: { file: FileStatus; blocks: LocatedBlock[]; hasMore: boolean } } {
  const { view, requester, blocks } = scope;
  const { path, offsetBytes, lengthBytes } = params;
  const { inode, resolved } = resolveExisting(scope, path);
  if (inode.type === 'directory') throw new IsADirectoryError(`Path is not a file: ${path}`, { path });
  checkPathAccess(requester.caller, resolved, actions.read);
  const file = view.readStatus(inode);
  const end = inode.isUnderConstruction && !isBeingCut(view, inode) ? offsetBytes + lengthBytes : Math.min(file.lengthBytes, offsetBytes + lengthBytes);
  const located: LocatedBlock[] = [];
  let hasMore = false;
  if (offsetBytes < end) {
    let nextIndex = findBlockIndex(view, inode, offsetBytes);
    let nextOffsetBytes = 0;
    for (const [key, value] of view.store.range({ ...blocksOf(inode.id, nextIndex), limit: blocksPerPage + 1 })) {
      const block = decodeFileBlock(value);
      const { blockIndex } = placeOfBlock(key);
      // A record whose key is damaged is not where it should be: the file must not seem to end, or to go on, without its block.
      if (blockIndex !== nextIndex) throw missingRecord(blockKey(inode.id, nextIndex));
      nextIndex++;
      nextOffsetBytes = block.offsetBytes + block.lengthBytes;
      if (block.offsetBytes >= end) break;
      if (located.length === blocksPerPage) {
        hasMore = true;
        break;
      }
      const { blockId, generationStamp } = block;
      const known = { blockId, generationStamp, lengthBytes: block.isBeingCut ? block.committedBytes : block.lengthBytes };
      const place: LocatedBlock = {
        block: known,
        blockIndex,
        offsetBytes: block.offsetBytes,
        locations: blocks.locate(blockId, { readerAddress: requester.address, allReplicas: params.allReplicas }),
        token: blocks.token(known),
      };
      if (!block.isComplete && !block.isBeingCut) {
        place.isUnderConstruction = true;
        if (blocks.mayBeElsewhere(blockId)) place.mayBeElsewhere = true;
      }
      located.push(place);
    }
    if (!inode.isUnderConstruction && !hasMore && nextOffsetBytes < end) throw missingRecord(blockKey(inode.id, nextIndex));
  }
  return { inode, result: { file, blocks: located, hasMore } };
}

/** A file that is being cut has its new length already: nothing behind it is to be read any more. */
function isBeingCut(view: NamespaceView, inode: FileInode): boolean {
  const blockCount = view.readLease(inode.id)?.blockCount ?? 0;
  return blockCount > 0 && view.readBlock(inode.id, blockCount - 1)?.isBeingCut === true;
}

/** All blocks of the namespace, for block management: in pages, of what is durable. */
export class NamespaceCatalog implements BlockCatalog {
  readonly #view: NamespaceView;
  readonly #onDamage: (error: DamagedRecordError) => void;

  /** `onDamage` is told of each record that fails its checksum, and whose blocks are left out; if not said, it is thrown. */
  constructor(
    view: NamespaceView,
    onDamage = (error: DamagedRecordError): void => {
      throw error;
    },
  ) {
    this.#view = view;
    this.#onDamage = onDamage;
  }

  /** Blocks of files that were deleted and wait for their reclamation are passed over: nobody wants their replicas. */
  scanBlocks(afterInodeId?: number, afterBlockIndex?: number, limit = blocksPerPage): CatalogBlock[] {
    const found: CatalogBlock[] = [];
    const hasDeletions = this.#view.readCounters().pendingDeletionCount > 0;
    const reachable = new Map<number, boolean>();
    const range = afterInodeId === undefined ? { ...allBlocks } : blocksAfter(afterInodeId, afterBlockIndex ?? 0);
    let file: FileInode | undefined;
    while (found.length === 0) {
      let scanned = 0;
      for (const [key, value] of readableEntries(this.#view.store, { ...range, limit }, this.#onDamage)) {
        scanned++;
        range.start = `${key}\0`;
        const { inodeId, blockIndex } = placeOfBlock(key);
        if (file?.id !== inodeId) file = this.#readLiveFile(inodeId, hasDeletions ? reachable : undefined);
        if (!file) continue;
        const { blockId, generationStamp, lengthBytes, isComplete } = decodeFileBlock(value);
        found.push({ blockId, inodeId, blockIndex, generationStamp, lengthBytes, replication: file.replication, isComplete });
      }
      if (scanned < limit) break;
    }
    return found;
  }

  pathOfInode(inodeId: number): string | undefined {
    try {
      const inode = this.#view.readInode(inodeId);
      return inode && this.#view.readPath(inode);
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error;
      this.#onDamage(error);
      return undefined;
    }
  }

  #readLiveFile(inodeId: number, reachable: Map<number, boolean> | undefined): FileInode | undefined {
    try {
      const inode = this.#view.readInode(inodeId);
      if (!inode || inode.type === 'directory') return undefined;
      return !reachable || this.#isReachable(inode, reachable) ? inode : undefined;
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error;
      this.#onDamage(error);
      return undefined;
    }
  }

  /** Whether the root is above it; remembers the answer for each directory of the page. */
  #isReachable(inode: Inode, reachable: Map<number, boolean>): boolean {
    // No recursion: renames can nest directories deeper than any path may name.
    const passed: number[] = [];
    let at: Inode | undefined = inode;
    let known: boolean | undefined;
    while (at && at.parentId !== 0 && (known = reachable.get(at.parentId)) === undefined) {
      passed.push(at.parentId);
      at = this.#view.readInode(at.parentId);
    }
    const isReachable: boolean = known ?? at?.name === '';
    for (const directoryId of passed) reachable.set(directoryId, isReachable);
    return isReachable;
  }
}
