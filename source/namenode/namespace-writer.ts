import { assert } from '../base/assert.js';
import type { KeyValueTransaction } from '../storage/key-value-store.js';
import type { Counters } from './counters.js';
import { missingRecord } from './damaged-records.js';
import { encodeFileBlock, type FileBlock } from './file-block.js';
import { encodeEntry, encodeInode, type EntryTarget, type FileInode, type Inode } from './inode.js';
import { blockKey, entryKey, inodeKey, leaseKey } from './keys.js';
import { encodeLease, type LeaseRecord } from './lease-record.js';
import type { AppliedEdit, ChangeListener, NamespaceChange } from './namespace-change.js';
import type { TransactionView } from './namespace-view.js';

export interface NamespaceWriterParts {
  readonly transaction: KeyValueTransaction;
  readonly view: TransactionView;
  /** The writer's own, which it changes; who applies the edit stores them. */
  readonly counters: Counters;
  /** Of the edit: the times that it sets. */
  readonly timeMs: number;
  readonly listener: ChangeListener | undefined;
}

/** Writes the records of one edit: what the kinds of edits are made of. What it looks up must be there. */
export class NamespaceWriter implements AppliedEdit {
  readonly removedBlockIds: number[] = [];
  readonly endedLeaseIds: number[] = [];
  readonly recoveringIds: number[] = [];
  readonly transaction: KeyValueTransaction;
  readonly view: TransactionView;
  readonly counters: Counters;
  readonly timeMs: number;
  readonly #listener: ChangeListener | undefined;

  constructor(parts: NamespaceWriterParts) {
    this.transaction = parts.transaction;
    this.view = parts.view;
    this.counters = parts.counters;
    this.timeMs = parts.timeMs;
    this.#listener = parts.listener;
  }

  /** The one place through which inodes and entries change: quotas, snapshots and the feed hang here. */
  change(change: NamespaceChange): void {
    const { before, after } = change;
    if (change.kind === 'entry') {
      const key = entryKey(change.directoryId, change.name);
      if (change.after) this.transaction.put(key, encodeEntry(change.after));
      else this.transaction.delete(key);
    } else {
      const inode = (after ?? before) as Inode;
      assert(!before || !after || ((before as Inode).id === inode.id && (before as Inode).type === inode.type), 'an inode keeps its id and its kind');
      if (after) this.transaction.put(inodeKey(inode.id), encodeInode(inode));
      else this.transaction.delete(inodeKey(inode.id));
      this.view.noteInode(inode.id, after as Inode | undefined);
      const difference = (after ? 1 : 0) - (before ? 1 : 0);
      if (inode.type === 'file') this.counters.fileCount += difference;
      else this.counters.directoryCount += difference;
    }
    this.#listener?.(change);
  }

  link(inode: Inode, existing?: EntryTarget): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    this.change({ kind: 'inode', before: undefined, after: inode });
    this.change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: existing, after: target });
  }

  /** A directory's entries have changed. */
  touch(directoryId: number): void {
    const directory = this.requireInode(directoryId);
    if (directory.modificationTimeMs === this.timeMs) return;
    this.change({ kind: 'inode', before: directory, after: { ...directory, modificationTimeMs: this.timeMs } });
  }

  /** Answers how many blocks the file has. */
  endLease(inodeId: number): number {
    const lease = this.view.readLease(inodeId);
    if (!lease) throw missingRecord(leaseKey(inodeId));
    this.transaction.delete(leaseKey(inodeId));
    this.view.noteLease(inodeId, undefined);
    this.endedLeaseIds.push(inodeId);
    return lease.blockCount;
  }

  /** The file is the name node's own from here on, until it has closed it: see LeaseRecord. */
  takeOver(inodeId: number, lease: LeaseRecord): void {
    this.putLease(inodeId, { ...lease, clientId: '' });
    this.endedLeaseIds.push(inodeId);
    this.recoveringIds.push(inodeId);
  }

  putLease(inodeId: number, lease: LeaseRecord): void {
    this.transaction.put(leaseKey(inodeId), encodeLease(lease));
    this.view.noteLease(inodeId, lease);
  }

  /** Answers where the next block begins. A block that is complete already stays as it is. */
  completeBlock(inodeId: number, blockIndex: number, lengthBytes: number): number {
    const block = this.requireBlock(inodeId, blockIndex);
    assert(!block.isComplete || block.lengthBytes === lengthBytes, 'a complete block keeps its length');
    assert(lengthBytes >= block.committedBytes && !block.isBeingCut, 'a block keeps what was complete before');
    if (!block.isComplete) this.putBlock(inodeId, blockIndex, { ...block, lengthBytes, isComplete: true, committedBytes: lengthBytes });
    return block.offsetBytes + lengthBytes;
  }

  putNewBlock(inodeId: number, blockIndex: number, blockId: number, generationStamp: number, offsetBytes: number): void {
    assert(blockId > this.counters.lastBlockId && generationStamp > this.counters.lastGenerationStamp, 'ids and generation stamps only rise');
    this.counters.lastBlockId = blockId;
    this.counters.lastGenerationStamp = generationStamp;
    this.putBlock(inodeId, blockIndex, { blockId, generationStamp, lengthBytes: 0, offsetBytes, isComplete: false, committedBytes: 0, isBeingCut: false });
  }

  putBlock(inodeId: number, blockIndex: number, block: FileBlock): void {
    this.transaction.put(blockKey(inodeId, blockIndex), encodeFileBlock(block));
  }

  removeBlock(inodeId: number, blockIndex: number, block: FileBlock): void {
    this.transaction.delete(blockKey(inodeId, blockIndex));
    this.removedBlockIds.push(block.blockId);
  }

  takeInodeId(inodeId: number): number {
    assert(inodeId > this.counters.lastInodeId, 'inode ids only rise');
    this.counters.lastInodeId = inodeId;
    return inodeId;
  }

  requireInode(inodeId: number): Inode {
    const inode = this.view.readInode(inodeId);
    if (!inode) throw missingRecord(inodeKey(inodeId));
    return inode;
  }

  requireFile(inodeId: number): FileInode {
    const inode = this.requireInode(inodeId);
    assert(inode.type === 'file', `inode ${inodeId} of the edit is a file`);
    return inode;
  }

  requireBlock(inodeId: number, blockIndex: number): FileBlock {
    const block = this.view.readBlock(inodeId, blockIndex);
    if (!block) throw missingRecord(blockKey(inodeId, blockIndex));
    return block;
  }
}
