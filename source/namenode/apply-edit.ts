import { assert, unreachable } from '../base/assert.js';
import type { KeyValueTransaction } from '../storage/key-value-store.js';
import { type Counters, encodeCounters, initialCounters } from './counters.js';
import type { EditOp, EditOpOf } from './edit-op.js';
import { type EditRecord, encodeEdit } from './edit-record.js';
import { decodeFileBlock, encodeFileBlock, type FileBlock } from './file-block.js';
import { encodeFormat, formatVersion } from './format.js';
import { decodeEntry, decodeId, type DirectoryInode, encodeEntry, encodeId, encodeInode, type EntryTarget, type FileInode, type Inode, rootInodeId } from './inode.js';
import { allDeletions, blockKey, blocksOf, callKey, countersKey, deletionKey, editKey, entriesOf, entryKey, formatKey, idOf, inodeKey, leaseKey, nameOfEntry } from './keys.js';
import { encodeLease, type LeaseRecord } from './lease-record.js';
import type { AppliedEdit, ChangeListener, NamespaceChange } from './namespace-change.js';
import { TransactionView } from './namespace-view.js';

/** A file of at most so many blocks is removed at once; a larger one, like a directory that holds something, in slices later. */
const maxBlocksRemovedAtOnce = 16;

export interface ApplyOptions {
  readonly listener?: ChangeListener;
  /** A view of `transaction` that the caller has read with. */
  readonly view?: TransactionView;
  /** As `transaction` has them, where the caller has read them already. Not changed. */
  readonly counters?: Readonly<Counters>;
}

/**
 * Applies one edit, appends it to the log, and keeps its answer for retries: all in `transaction`. The result depends on nothing
 * but the store and the record. What the edit needs was checked by who made it: a record that does not fit is a broken invariant.
 */
export function applyEdit(transaction: KeyValueTransaction, record: EditRecord, options: ApplyOptions = {}): AppliedEdit {
  const application = new EditApplication(transaction, record, options);
  application.run();
  // Not the application itself: what outlives the transaction must not keep its view and its changes in memory.
  const { removedBlockIds, endedLeaseIds } = application;
  return { removedBlockIds, endedLeaseIds };
}

class EditApplication {
  readonly removedBlockIds: number[] = [];
  readonly endedLeaseIds: number[] = [];
  readonly #transaction: KeyValueTransaction;
  readonly #view: TransactionView;
  readonly #record: EditRecord;
  readonly #timeMs: number;
  readonly #listener: ChangeListener | undefined;
  readonly #counters: Counters;

  constructor(transaction: KeyValueTransaction, record: EditRecord, { listener, view, counters }: ApplyOptions) {
    this.#transaction = transaction;
    this.#view = view ?? new TransactionView(transaction);
    this.#record = record;
    this.#timeMs = record.timeMs;
    this.#listener = listener;
    this.#counters = record.op.kind === 'format' ? { ...initialCounters } : counters ? { ...counters } : this.#view.readCounters();
  }

  run(): void {
    const { editId, call, op } = this.#record;
    assert(editId === this.#counters.lastEditId + 1, `edit ${editId} follows edit ${this.#counters.lastEditId}`);
    this.#apply(op);
    this.#counters.lastEditId = editId;
    this.#transaction.put(editKey(editId), encodeEdit(this.#record));
    if (call) this.#transaction.put(callKey(call.clientId, call.callId), encodeId(editId));
    this.#transaction.put(countersKey, encodeCounters(this.#counters));
  }

  #apply(op: EditOp): void {
    switch (op.kind) {
      case 'answer':
        return;
      case 'format':
        return this.#format(op);
      case 'mkdirs':
        this.#makeDirectories(op.parentId, op.names, op.firstInodeId, op);
        return;
      case 'createFile':
        return this.#createFile(op);
      case 'addBlock':
        return this.#addBlock(op);
      case 'abandonBlock':
        return this.#abandonBlock(op.inodeId, op.blockIndex);
      case 'allocateGeneration':
        this.#counters.lastGenerationStamp = op.generationStamp;
        return;
      case 'updatePipeline': {
        const block = this.#block(op.inodeId, op.blockIndex);
        assert(!block.isComplete && op.generationStamp > block.generationStamp, 'a pipeline is updated upwards, under construction');
        return this.#putBlock(op.inodeId, op.blockIndex, { ...block, generationStamp: op.generationStamp, lengthBytes: op.lengthBytes });
      }
      case 'completeFile':
        return this.#completeFile(op);
      case 'rename':
        this.#rename(this.#inode(op.inodeId), op.targetParentId, op.targetName, op.overwrittenId);
        return;
      case 'delete':
        return this.#delete(this.#inode(op.inodeId));
      case 'reclaim':
        return this.#reclaim(op.limit);
      case 'setPermission': {
        const inode = this.#inode(op.inodeId);
        return this.#change({ kind: 'inode', before: inode, after: { ...inode, permission: op.permission } });
      }
      case 'setOwner': {
        const inode = this.#inode(op.inodeId);
        return this.#change({ kind: 'inode', before: inode, after: { ...inode, owner: op.owner, group: op.group } });
      }
      case 'setTimes': {
        const inode = this.#inode(op.inodeId);
        return this.#change({ kind: 'inode', before: inode, after: { ...inode, modificationTimeMs: op.modificationTimeMs, accessTimeMs: op.accessTimeMs } });
      }
      case 'setReplication': {
        const inode = this.#file(op.inodeId);
        return this.#change({ kind: 'inode', before: inode, after: { ...inode, replication: op.replication } });
      }
      case 'expireLease': {
        const lease = this.#view.readLease(op.inodeId);
        assert(lease, 'a lease that expires is there');
        this.#putLease(op.inodeId, { ...lease, clientId: '' });
        this.endedLeaseIds.push(op.inodeId);
        return;
      }
      default:
        return unreachable(op);
    }
  }

  /** The one place through which inodes and entries change: quotas, snapshots and the feed hang here. */
  #change(change: NamespaceChange): void {
    const { before, after } = change;
    if (change.kind === 'entry') {
      const key = entryKey(change.directoryId, change.name);
      if (change.after) this.#transaction.put(key, encodeEntry(change.after));
      else this.#transaction.delete(key);
    } else {
      const inode = (after ?? before) as Inode;
      assert(!before || !after || ((before as Inode).id === inode.id && (before as Inode).type === inode.type), 'an inode keeps its id and its kind');
      if (after) this.#transaction.put(inodeKey(inode.id), encodeInode(inode));
      else this.#transaction.delete(inodeKey(inode.id));
      this.#view.noteInode(inode.id, after as Inode | undefined);
      const difference = (after ? 1 : 0) - (before ? 1 : 0);
      if (inode.type === 'file') this.#counters.fileCount += difference;
      else this.#counters.directoryCount += difference;
    }
    this.#listener?.(change);
  }

  #format(op: EditOpOf<'format'>): void {
    this.#transaction.put(formatKey, encodeFormat({ version: formatVersion, clusterId: op.clusterId }));
    const { owner, group, permission } = op;
    const root: DirectoryInode = { type: 'directory', id: rootInodeId, parentId: 0, name: '', owner, group, permission, modificationTimeMs: this.#timeMs, accessTimeMs: 0 };
    this.#change({ kind: 'inode', before: undefined, after: root });
  }

  /** Creates `names` in one another; the last one's mode is `permission` if it is given. Answers the id of the deepest directory. */
  #makeDirectories(
    parentId: number,
    names: readonly string[],
    firstInodeId: number,
    options: { owner: string; group: string; ancestorPermission: number; permission?: number },
  ): number {
    const { owner, group, ancestorPermission, permission = ancestorPermission } = options;
    let directoryId = parentId;
    names.forEach((name, index) => {
      const id = this.#takeInodeId(firstInodeId + index);
      if (index === 0) this.#touch(parentId);
      const isLast = index === names.length - 1;
      this.#link({
        type: 'directory',
        id,
        parentId: directoryId,
        name,
        owner,
        group,
        permission: isLast ? permission : ancestorPermission,
        modificationTimeMs: this.#timeMs,
        accessTimeMs: 0,
      });
      directoryId = id;
    });
    return directoryId;
  }

  #createFile(op: EditOpOf<'createFile'>): void {
    const { owner, group, ancestorPermission } = op;
    const parentId = this.#makeDirectories(op.parentId, op.ancestors, op.firstInodeId, { owner, group, ancestorPermission });
    const overwritten = op.overwrittenId === undefined ? undefined : this.#inode(op.overwrittenId);
    if (overwritten) this.#dispose(overwritten);
    this.#takeInodeId(op.inodeId);
    const file: FileInode = {
      type: 'file',
      id: op.inodeId,
      parentId,
      name: op.name,
      owner,
      group,
      permission: op.permission,
      modificationTimeMs: this.#timeMs,
      accessTimeMs: this.#timeMs,
      replication: op.replication,
      blockSizeBytes: op.blockSizeBytes,
      lengthBytes: 0,
      blockCount: 0,
      isUnderConstruction: true,
      isTemporary: op.isTemporary,
    };
    this.#link(file, overwritten && { inodeId: overwritten.id, isDirectory: false });
    if (op.ancestors.length === 0) this.#touch(parentId);
    let blockCount = 0;
    if (op.blockId !== undefined && op.generationStamp !== undefined) {
      this.#putNewBlock(op.inodeId, 0, op.blockId, op.generationStamp, 0);
      blockCount = 1;
    }
    const { clientId, clientAddress, isTemporary } = op;
    this.#putLease(op.inodeId, { clientId, clientAddress, isTemporary, blockCount });
  }

  #addBlock(op: EditOpOf<'addBlock'>): void {
    const lease = this.#view.readLease(op.inodeId);
    assert(lease && lease.blockCount === op.blockIndex, 'a block is added behind the last one of a file under construction');
    let offsetBytes = 0;
    if (op.blockIndex > 0) {
      assert(op.previousLengthBytes !== undefined, 'the next block follows a complete one');
      offsetBytes = this.#completeBlock(op.inodeId, op.blockIndex - 1, op.previousLengthBytes);
    }
    this.#putNewBlock(op.inodeId, op.blockIndex, op.blockId, op.generationStamp, offsetBytes);
    this.#putLease(op.inodeId, { ...lease, blockCount: op.blockIndex + 1 });
  }

  #abandonBlock(inodeId: number, blockIndex: number): void {
    const lease = this.#view.readLease(inodeId);
    assert(lease && lease.blockCount === blockIndex + 1, 'only the last block of a file is given back');
    const block = this.#block(inodeId, blockIndex);
    assert(!block.isComplete, 'a complete block is not given back');
    this.#transaction.delete(blockKey(inodeId, blockIndex));
    this.removedBlockIds.push(block.blockId);
    this.#putLease(inodeId, { ...lease, blockCount: blockIndex });
  }

  #completeFile(op: EditOpOf<'completeFile'>): void {
    const before = this.#file(op.inodeId);
    let lease = this.#view.readLease(op.inodeId);
    assert(lease && before.isUnderConstruction, 'a file is completed once');
    let lengthBytes = 0;
    if (lease.blockCount > 0 && op.lastLengthBytes !== undefined) {
      lengthBytes = this.#completeBlock(op.inodeId, lease.blockCount - 1, op.lastLengthBytes);
    } else if (lease.blockCount > 0) {
      const last = this.#block(op.inodeId, lease.blockCount - 1);
      if (last.isComplete) {
        lengthBytes = last.offsetBytes + last.lengthBytes;
      } else {
        lengthBytes = last.offsetBytes;
        this.#abandonBlock(op.inodeId, lease.blockCount - 1);
        lease = { ...lease, blockCount: lease.blockCount - 1 };
      }
    }
    this.#endLease(op.inodeId);
    const after: FileInode = {
      ...before,
      lengthBytes,
      blockCount: lease.blockCount,
      isUnderConstruction: false,
      isTemporary: false,
      modificationTimeMs: op.modificationTimeMs,
      accessTimeMs: op.accessTimeMs ?? before.accessTimeMs,
    };
    if (op.targetParentId === undefined) this.#change({ kind: 'inode', before, after });
    else this.#rename(after, op.targetParentId, op.targetName, op.overwrittenId, before);
  }

  /** Moves `inode`, whose record is `before` (the same, unless it changes in the same edit), over `overwrittenId` if there is one. */
  #rename(inode: Inode, targetParentId: number, targetName: string, overwrittenId: number | undefined, before = inode): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    const overwritten = overwrittenId === undefined ? undefined : this.#inode(overwrittenId);
    if (overwritten) this.#dispose(overwritten);
    this.#change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: target, after: undefined });
    const existing = overwritten && { inodeId: overwritten.id, isDirectory: overwritten.type === 'directory' };
    this.#change({ kind: 'entry', directoryId: targetParentId, name: targetName, before: existing, after: target });
    this.#change({ kind: 'inode', before, after: { ...inode, parentId: targetParentId, name: targetName } });
    this.#touch(inode.parentId);
    if (targetParentId !== inode.parentId) this.#touch(targetParentId);
  }

  #delete(inode: Inode): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    this.#change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: target, after: undefined });
    this.#touch(inode.parentId);
    this.#dispose(inode);
  }

  /** An inode whose entry is gone: removed at once where that is cheap, else queued for reclamation. Answers the records written. */
  #dispose(inode: Inode): number {
    if (inode.type === 'file') {
      const blockCount = inode.isUnderConstruction ? this.#endLease(inode.id) : inode.blockCount;
      if (blockCount <= maxBlocksRemovedAtOnce) {
        for (let index = 0; index < blockCount; index++) this.#removeBlock(inode.id, index, this.#block(inode.id, index));
        this.#change({ kind: 'inode', before: inode, after: undefined });
        return blockCount + 1;
      }
    } else if (this.#isEmpty(inode.id)) {
      this.#change({ kind: 'inode', before: inode, after: undefined });
      return 1;
    }
    this.#counters.lastDeletionId++;
    this.#counters.pendingDeletionCount++;
    this.#transaction.put(deletionKey(this.#counters.lastDeletionId), encodeId(inode.id));
    this.#change({ kind: 'inode', before: inode, after: { ...inode, parentId: 0 } });
    return 2;
  }

  #reclaim(limit: number): void {
    let left = limit;
    while (left > 0) {
      const [first] = this.#transaction.range({ ...allDeletions, limit: 1 });
      if (!first) return;
      const inode = this.#inode(decodeId(first[1]));
      left -= inode.type === 'file' ? this.#reclaimBlocks(inode, left) : this.#reclaimEntries(inode, left);
      if (left <= 0) return;
      this.#change({ kind: 'inode', before: inode, after: undefined });
      this.#transaction.delete(deletionKey(idOf(first[0])));
      this.#counters.pendingDeletionCount--;
      left--;
    }
  }

  /** At most `limit` blocks of a file; answers how many: fewer than `limit` when none is left. */
  #reclaimBlocks(inode: FileInode, limit: number): number {
    const found = [...this.#transaction.range({ ...blocksOf(inode.id), limit })];
    for (const [key, value] of found) {
      this.#transaction.delete(key);
      this.removedBlockIds.push(decodeFileBlock(value).blockId);
    }
    return found.length;
  }

  /** Entries of a directory until about `limit` records are written: less than `limit` when none is left. */
  #reclaimEntries(inode: DirectoryInode, limit: number): number {
    let written = 0;
    for (const [key, value] of [...this.#transaction.range({ ...entriesOf(inode.id), limit })]) {
      const target = decodeEntry(value);
      this.#change({ kind: 'entry', directoryId: inode.id, name: nameOfEntry(key), before: target, after: undefined });
      written += 1 + this.#dispose(this.#inode(target.inodeId));
      if (written >= limit) break;
    }
    return written;
  }

  #isEmpty(directoryId: number): boolean {
    for (const _ of this.#transaction.range({ ...entriesOf(directoryId), limit: 1 })) return false;
    return true;
  }

  #link(inode: Inode, existing?: EntryTarget): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    this.#change({ kind: 'inode', before: undefined, after: inode });
    this.#change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: existing, after: target });
  }

  /** A directory's entries have changed. */
  #touch(directoryId: number): void {
    const directory = this.#inode(directoryId);
    if (directory.modificationTimeMs === this.#timeMs) return;
    this.#change({ kind: 'inode', before: directory, after: { ...directory, modificationTimeMs: this.#timeMs } });
  }

  /** Answers how many blocks the file has. */
  #endLease(inodeId: number): number {
    const lease = this.#view.readLease(inodeId);
    assert(lease, 'a file under construction has its lease record');
    this.#transaction.delete(leaseKey(inodeId));
    this.#view.noteLease(inodeId, undefined);
    this.endedLeaseIds.push(inodeId);
    return lease.blockCount;
  }

  #putLease(inodeId: number, lease: LeaseRecord): void {
    this.#transaction.put(leaseKey(inodeId), encodeLease(lease));
    this.#view.noteLease(inodeId, lease);
  }

  /** Answers where the next block begins. A block that is complete already stays as it is. */
  #completeBlock(inodeId: number, blockIndex: number, lengthBytes: number): number {
    const block = this.#block(inodeId, blockIndex);
    assert(!block.isComplete || block.lengthBytes === lengthBytes, 'a complete block keeps its length');
    if (!block.isComplete) this.#putBlock(inodeId, blockIndex, { ...block, lengthBytes, isComplete: true });
    return block.offsetBytes + lengthBytes;
  }

  #putNewBlock(inodeId: number, blockIndex: number, blockId: number, generationStamp: number, offsetBytes: number): void {
    assert(blockId > this.#counters.lastBlockId && generationStamp > this.#counters.lastGenerationStamp, 'ids and generation stamps only rise');
    this.#counters.lastBlockId = blockId;
    this.#counters.lastGenerationStamp = generationStamp;
    this.#putBlock(inodeId, blockIndex, { blockId, generationStamp, lengthBytes: 0, offsetBytes, isComplete: false });
  }

  #putBlock(inodeId: number, blockIndex: number, block: FileBlock): void {
    this.#transaction.put(blockKey(inodeId, blockIndex), encodeFileBlock(block));
  }

  #removeBlock(inodeId: number, blockIndex: number, block: FileBlock): void {
    this.#transaction.delete(blockKey(inodeId, blockIndex));
    this.removedBlockIds.push(block.blockId);
  }

  #takeInodeId(inodeId: number): number {
    assert(inodeId > this.#counters.lastInodeId, 'inode ids only rise');
    this.#counters.lastInodeId = inodeId;
    return inodeId;
  }

  #inode(inodeId: number): Inode {
    const inode = this.#view.readInode(inodeId);
    assert(inode, `inode ${inodeId} of the edit is there`);
    return inode;
  }

  #file(inodeId: number): FileInode {
    const inode = this.#inode(inodeId);
    assert(inode.type === 'file', `inode ${inodeId} of the edit is a file`);
    return inode;
  }

  #block(inodeId: number, blockIndex: number): FileBlock {
    const block = this.#view.readBlock(inodeId, blockIndex);
    assert(block, `block ${blockIndex} of inode ${inodeId} is there`);
    return block;
  }
}
