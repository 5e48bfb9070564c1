import { assert, unreachable } from '../base/assert.js';
import type { KeyValueTransaction } from '../storage/key-value-store.js';
import { concat, openForAppend, recoverBlock, truncate } from './apply-reopen.js';
import { type Counters, encodeCounters, initialCounters } from './counters.js';
import type { EditOp, EditOpOf } from './edit-op.js';
import { type EditRecord, encodeEdit } from './edit-record.js';
import { encodeFormat, formatVersion } from './format.js';
import { type DirectoryInode, encodeId, type EntryTarget, type FileInode, type Inode, rootInodeId } from './inode.js';
import { blockKey, callKey, countersKey, editKey, formatKey, nodeWishKey } from './keys.js';
import { encodeNodeWish, isWishedState } from './node-wish.js';
import type { AppliedEdit, ChangeListener } from './namespace-change.js';
import { TransactionView } from './namespace-view.js';
import { NamespaceWriter } from './namespace-writer.js';
import { dispose, reclaim } from './reclamation.js';

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
  const view = options.view ?? new TransactionView(transaction);
  const counters = record.op.kind === 'format' ? { ...initialCounters } : { ...(options.counters ?? view.readCounters()) };
  const writer = new NamespaceWriter({ transaction, view, counters, timeMs: record.timeMs, listener: options.listener });
  const { editId, call, op } = record;
  assert(editId === counters.lastEditId + 1, `edit ${editId} follows edit ${counters.lastEditId}`);
  new EditApplication(writer).apply(op);
  counters.lastEditId = editId;
  transaction.put(editKey(editId), encodeEdit(record));
  if (call) transaction.put(callKey(call.clientId, call.callId), encodeId(editId));
  transaction.put(countersKey, encodeCounters(counters));
  // Not the writer itself: what outlives the transaction must not keep its view and its changes in memory.
  const { removedBlockIds, endedLeaseIds, recoveringIds } = writer;
  return { counters, removedBlockIds, endedLeaseIds, recoveringIds };
}

/** The effect of each kind of edit. */
class EditApplication {
  readonly #writer: NamespaceWriter;

  constructor(writer: NamespaceWriter) {
    this.#writer = writer;
  }

  apply(op: EditOp): void {
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
        this.#writer.counters.lastGenerationStamp = op.generationStamp;
        return;
      case 'updatePipeline': {
        const block = this.#writer.requireBlock(op.inodeId, op.blockIndex);
        assert(!block.isComplete && op.generationStamp > block.generationStamp, 'a pipeline is updated upwards, under construction');
        return this.#writer.putBlock(op.inodeId, op.blockIndex, { ...block, generationStamp: op.generationStamp, lengthBytes: op.lengthBytes });
      }
      case 'completeFile':
        return this.#completeFile(op);
      case 'rename':
        this.#rename(this.#writer.requireInode(op.inodeId), op.targetParentId, op.targetName, op.overwrittenId);
        return;
      case 'delete':
        return this.#delete(this.#writer.requireInode(op.inodeId));
      case 'reclaim':
        return reclaim(this.#writer, op.limit);
      case 'setPermission': {
        const inode = this.#writer.requireInode(op.inodeId);
        return this.#writer.change({ kind: 'inode', before: inode, after: { ...inode, permission: op.permission } });
      }
      case 'setOwner': {
        const inode = this.#writer.requireInode(op.inodeId);
        return this.#writer.change({ kind: 'inode', before: inode, after: { ...inode, owner: op.owner, group: op.group } });
      }
      case 'setTimes': {
        const inode = this.#writer.requireInode(op.inodeId);
        return this.#writer.change({ kind: 'inode', before: inode, after: { ...inode, modificationTimeMs: op.modificationTimeMs, accessTimeMs: op.accessTimeMs } });
      }
      case 'setReplication': {
        const inode = this.#writer.requireFile(op.inodeId);
        return this.#writer.change({ kind: 'inode', before: inode, after: { ...inode, replication: op.replication } });
      }
      case 'expireLease': {
        const lease = this.#writer.view.readLease(op.inodeId);
        assert(lease, 'a lease that expires is there');
        return this.#writer.takeOver(op.inodeId, lease);
      }
      case 'setNodeState': {
        const { datanodeUuid, state, durationMs } = op;
        assert(isWishedState(state), `a data node is wished into a known state, not ${state}`);
        if (state === 'normal') this.#writer.transaction.delete(nodeWishKey(datanodeUuid));
        else this.#writer.transaction.put(nodeWishKey(datanodeUuid), encodeNodeWish({ state, setTimeMs: this.#writer.timeMs, durationMs }));
        return;
      }
      case 'openForAppend':
        return openForAppend(this.#writer, op);
      case 'truncate':
        return truncate(this.#writer, op);
      case 'concat':
        return concat(this.#writer, op);
      case 'recoverBlock':
        return recoverBlock(this.#writer, op);
      default:
        return unreachable(op);
    }
  }

  #format(op: EditOpOf<'format'>): void {
    this.#writer.transaction.put(formatKey, encodeFormat({ version: formatVersion, clusterId: op.clusterId }));
    const { owner, group, permission } = op;
    const root: DirectoryInode = { type: 'directory', id: rootInodeId, parentId: 0, name: '', owner, group, permission, modificationTimeMs: this.#writer.timeMs, accessTimeMs: 0 };
    this.#writer.change({ kind: 'inode', before: undefined, after: root });
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
      const id = this.#writer.takeInodeId(firstInodeId + index);
      if (index === 0) this.#writer.touch(parentId);
      const isLast = index === names.length - 1;
      this.#writer.link({
        type: 'directory',
        id,
        parentId: directoryId,
        name,
        owner,
        group,
        permission: isLast ? permission : ancestorPermission,
        modificationTimeMs: this.#writer.timeMs,
        accessTimeMs: 0,
      });
      directoryId = id;
    });
    return directoryId;
  }

  #createFile(op: EditOpOf<'createFile'>): void {
    const { owner, group, ancestorPermission } = op;
    const parentId = this.#makeDirectories(op.parentId, op.ancestors, op.firstInodeId, { owner, group, ancestorPermission });
    const overwritten = op.overwrittenId === undefined ? undefined : this.#writer.requireInode(op.overwrittenId);
    if (overwritten) dispose(this.#writer, overwritten);
    this.#writer.takeInodeId(op.inodeId);
    const file: FileInode = {
      type: 'file',
      id: op.inodeId,
      parentId,
      name: op.name,
      owner,
      group,
      permission: op.permission,
      modificationTimeMs: this.#writer.timeMs,
      accessTimeMs: this.#writer.timeMs,
      replication: op.replication,
      blockSizeBytes: op.blockSizeBytes,
      lengthBytes: 0,
      blockCount: 0,
      isUnderConstruction: true,
      isTemporary: op.isTemporary,
    };
    this.#writer.link(file, overwritten && { inodeId: overwritten.id, isDirectory: false });
    if (op.ancestors.length === 0) this.#writer.touch(parentId);
    let blockCount = 0;
    if (op.blockId !== undefined && op.generationStamp !== undefined) {
      this.#writer.putNewBlock(op.inodeId, 0, op.blockId, op.generationStamp, 0);
      blockCount = 1;
    }
    const { clientId, clientAddress, isTemporary } = op;
    this.#writer.putLease(op.inodeId, { clientId, clientAddress, isTemporary, blockCount });
  }

  #addBlock(op: EditOpOf<'addBlock'>): void {
    const lease = this.#writer.view.readLease(op.inodeId);
    assert(lease && lease.blockCount === op.blockIndex, 'a block is added behind the last one of a file under construction');
    let offsetBytes = 0;
    if (op.blockIndex > 0) {
      assert(op.previousLengthBytes !== undefined, 'the next block follows a complete one');
      offsetBytes = this.#writer.completeBlock(op.inodeId, op.blockIndex - 1, op.previousLengthBytes);
    }
    this.#writer.putNewBlock(op.inodeId, op.blockIndex, op.blockId, op.generationStamp, offsetBytes);
    this.#writer.putLease(op.inodeId, { ...lease, blockCount: op.blockIndex + 1 });
  }

  #abandonBlock(inodeId: number, blockIndex: number): void {
    const lease = this.#writer.view.readLease(inodeId);
    assert(lease && lease.blockCount === blockIndex + 1, 'only the last block of a file is given back');
    const block = this.#writer.requireBlock(inodeId, blockIndex);
    assert(!block.isComplete && block.committedBytes === 0, 'a block that was complete is not given back');
    this.#writer.transaction.delete(blockKey(inodeId, blockIndex));
    this.#writer.removedBlockIds.push(block.blockId);
    this.#writer.putLease(inodeId, { ...lease, blockCount: blockIndex });
  }

  #completeFile(op: EditOpOf<'completeFile'>): void {
    const before = this.#writer.requireFile(op.inodeId);
    let lease = this.#writer.view.readLease(op.inodeId);
    assert(lease && before.isUnderConstruction, 'a file is completed once');
    let lengthBytes = 0;
    if (lease.blockCount > 0 && op.lastLengthBytes !== undefined) {
      lengthBytes = this.#writer.completeBlock(op.inodeId, lease.blockCount - 1, op.lastLengthBytes);
    } else if (lease.blockCount > 0) {
      const last = this.#writer.requireBlock(op.inodeId, lease.blockCount - 1);
      if (last.isComplete) {
        lengthBytes = last.offsetBytes + last.lengthBytes;
      } else {
        lengthBytes = last.offsetBytes;
        this.#abandonBlock(op.inodeId, lease.blockCount - 1);
        lease = { ...lease, blockCount: lease.blockCount - 1 };
      }
    }
    this.#writer.endLease(op.inodeId);
    const after: FileInode = {
      ...before,
      lengthBytes,
      blockCount: lease.blockCount,
      isUnderConstruction: false,
      isTemporary: false,
      modificationTimeMs: op.modificationTimeMs,
      accessTimeMs: op.accessTimeMs ?? before.accessTimeMs,
    };
    if (op.targetParentId === undefined) this.#writer.change({ kind: 'inode', before, after });
    else this.#rename(after, op.targetParentId, op.targetName, op.overwrittenId, before);
  }

  /** Moves `inode`, whose record is `before` (the same, unless it changes in the same edit), over `overwrittenId` if there is one. */
  #rename(inode: Inode, targetParentId: number, targetName: string, overwrittenId: number | undefined, before = inode): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    const overwritten = overwrittenId === undefined ? undefined : this.#writer.requireInode(overwrittenId);
    if (overwritten) dispose(this.#writer, overwritten);
    this.#writer.change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: target, after: undefined });
    const existing = overwritten && { inodeId: overwritten.id, isDirectory: overwritten.type === 'directory' };
    this.#writer.change({ kind: 'entry', directoryId: targetParentId, name: targetName, before: existing, after: target });
    this.#writer.change({ kind: 'inode', before, after: { ...inode, parentId: targetParentId, name: targetName } });
    this.#writer.touch(inode.parentId);
    if (targetParentId !== inode.parentId) this.#writer.touch(targetParentId);
  }

  #delete(inode: Inode): void {
    const target: EntryTarget = { inodeId: inode.id, isDirectory: inode.type === 'directory' };
    this.#writer.change({ kind: 'entry', directoryId: inode.parentId, name: inode.name, before: target, after: undefined });
    this.#writer.touch(inode.parentId);
    dispose(this.#writer, inode);
  }
}
