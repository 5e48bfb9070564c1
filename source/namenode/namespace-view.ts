import type { FileStatus } from '../protocol/file-status.js';
import type { KeyValueReader } from '../storage/key-value-store.js';
import { type Counters, decodeCounters } from './counters.js';
import { missingRecord } from './damaged-records.js';
import { decodeFileBlock, type FileBlock } from './file-block.js';
import { decodeEntry, decodeInode, type EntryTarget, type Inode } from './inode.js';
import { blockKey, countersKey, entryKey, inodeKey, leaseKey, restorationKey } from './keys.js';
import { decodeLease, type LeaseRecord } from './lease-record.js';
import { decodeRestoration, type Restoration } from './restoration.js';

/** The namespace as a reader of the store sees it: typed records. Inside a transaction, what the transaction sees. */
export class NamespaceView {
  readonly store: KeyValueReader;

  constructor(store: KeyValueReader) {
    this.store = store;
  }

  /** As they are now: callers may change the copy. */
  readCounters(): Counters {
    const record = this.store.get(countersKey);
    if (!record) throw missingRecord(countersKey);
    return decodeCounters(record);
  }

  readRestoration(): Restoration | undefined {
    const record = this.store.get(restorationKey);
    return record && decodeRestoration(record);
  }

  readInode(inodeId: number): Inode | undefined {
    const record = this.store.get(inodeKey(inodeId));
    return record && decodeInode(inodeId, record);
  }

  readEntry(directoryId: number, name: string): EntryTarget | undefined {
    const record = this.store.get(entryKey(directoryId, name));
    return record && decodeEntry(record);
  }

  /** The inode that an entry names. Every entry has its inode: DamagedRecordError where that is not so. */
  readTarget(inodeId: number): Inode {
    const inode = this.readInode(inodeId);
    if (!inode) throw missingRecord(inodeKey(inodeId));
    return inode;
  }

  readBlock(inodeId: number, blockIndex: number): FileBlock | undefined {
    const record = this.store.get(blockKey(inodeId, blockIndex));
    return record && decodeFileBlock(record);
  }

  readLease(inodeId: number): LeaseRecord | undefined {
    const record = this.store.get(leaseKey(inodeId));
    return record && decodeLease(record);
  }

  /** Bytes of a file: while it is under construction those of its complete blocks, and what of its last one was complete before. */
  readLength(inode: Inode): number {
    if (inode.type === 'directory') return 0;
    if (!inode.isUnderConstruction) return inode.lengthBytes;
    const blockCount = this.readLease(inode.id)?.blockCount ?? 0;
    const last = blockCount > 0 ? this.readBlock(inode.id, blockCount - 1) : undefined;
    return last ? last.offsetBytes + last.committedBytes : 0;
  }

  readStatus(inode: Inode, name = inode.name): FileStatus {
    return toStatus(inode, this.readLength(inode), name);
  }

  /** Where an inode is, names from the root on; undefined if it was unlinked, or lies below something that was. */
  readNames(inode: Inode): string[] | undefined {
    const names: string[] = [];
    let at: Inode | undefined = inode;
    while (at.parentId !== 0) {
      names.push(at.name);
      at = this.readInode(at.parentId);
      if (!at) return undefined;
    }
    return at.name === '' ? names.reverse() : undefined;
  }

  readPath(inode: Inode): string | undefined {
    const names = this.readNames(inode);
    return names && `/${names.join('/')}`;
  }
}

/**
 * The view of one transaction: what planning has read, applying need not read again. Whoever writes an inode or a lease says so here.
 */
export class TransactionView extends NamespaceView {
  readonly #inodes = new Map<number, Inode | undefined>();
  readonly #leases = new Map<number, LeaseRecord | undefined>();

  override readInode(inodeId: number): Inode | undefined {
    const known = this.#inodes.get(inodeId);
    if (known !== undefined || this.#inodes.has(inodeId)) return known;
    const inode = super.readInode(inodeId);
    this.#inodes.set(inodeId, inode);
    return inode;
  }

  override readLease(inodeId: number): LeaseRecord | undefined {
    const known = this.#leases.get(inodeId);
    if (known !== undefined || this.#leases.has(inodeId)) return known;
    const lease = super.readLease(inodeId);
    this.#leases.set(inodeId, lease);
    return lease;
  }

  noteInode(inodeId: number, inode: Inode | undefined): void {
    this.#inodes.set(inodeId, inode);
  }

  noteLease(inodeId: number, lease: LeaseRecord | undefined): void {
    this.#leases.set(inodeId, lease);
  }
}

export function toStatus(inode: Inode, lengthBytes: number, name = inode.name): FileStatus {
  const isFile = inode.type === 'file';
  return {
    name,
    inodeId: inode.id,
    type: inode.type,
    lengthBytes,
    replication: isFile ? inode.replication : 0,
    blockSizeBytes: isFile ? inode.blockSizeBytes : 0,
    modificationTimeMs: inode.modificationTimeMs,
    accessTimeMs: inode.accessTimeMs,
    permission: inode.permission,
    owner: inode.owner,
    group: inode.group,
    isUnderConstruction: isFile && inode.isUnderConstruction,
  };
}
