import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from './byte-codec.js';

/**
 * What the name node keeps of a file or a directory. It knows its own name and its parent's id, so that its path is found from
 * its id; blocks, entries and the lease are records of their own (keys.ts).
 */
interface InodeCommon {
  readonly id: number;
  /** 0: the root, or an unlinked inode that waits for its reclamation. */
  readonly parentId: number;
  /** '' for the root. */
  readonly name: string;
  readonly owner: string;
  readonly group: string;
  /** Mode bits with the sticky bit. */
  readonly permission: number;
  readonly modificationTimeMs: number;
  readonly accessTimeMs: number;
}

export interface DirectoryInode extends InodeCommon {
  readonly type: 'directory';
}

export interface FileInode extends InodeCommon {
  readonly type: 'file';
  readonly replication: number;
  readonly blockSizeBytes: number;
  /** Complete files only: under construction, see the lease and the last block. */
  readonly lengthBytes: number;
  readonly blockCount: number;
  readonly isUnderConstruction: boolean;
  /** Deleted, not closed, when its lease ends. Only while it is under construction. */
  readonly isTemporary: boolean;
}

export type Inode = DirectoryInode | FileInode;

/** As in HDFS (INodeId.ROOT_INODE_ID). */
export const rootInodeId = 16_385;

const formatVersion = 1;
const flags = { directory: 1, underConstruction: 2, temporary: 4 } as const;
const writer = new ByteWriter();

/**
 *     +---------+-------+------------+----------+------+-------+-------+-------------------+-------------+
 *     | version | flags | permission | parentId | name | owner | group | modification time | access time |
 *     +---------+-------+------------+----------+------+-------+-------+-------------------+-------------+
 *       u8        u8      varint       varint     text   text    text    varint              varint
 *
 *     and of a file:  replication | block size | length | block count     (varints)
 */
export function encodeInode(inode: Inode): Uint8Array {
  const isFile = inode.type === 'file';
  const bits = isFile ? (inode.isUnderConstruction ? flags.underConstruction : 0) | (inode.isTemporary ? flags.temporary : 0) : flags.directory;
  writer.begin().byte(formatVersion).byte(bits).number(inode.permission).number(inode.parentId);
  writer.text(inode.name).text(inode.owner).text(inode.group).number(inode.modificationTimeMs).number(inode.accessTimeMs);
  if (isFile) writer.number(inode.replication).number(inode.blockSizeBytes).number(inode.lengthBytes).number(inode.blockCount);
  return writer.finish();
}

export function decodeInode(id: number, bytes: Uint8Array): Inode {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'an inode record has the known version');
  const bits = reader.byte();
  const permission = reader.number();
  const parentId = reader.number();
  const name = reader.text();
  const owner = reader.text();
  const group = reader.text();
  const modificationTimeMs = reader.number();
  const accessTimeMs = reader.number();
  if (bits & flags.directory) return { type: 'directory', id, parentId, name, owner, group, permission, modificationTimeMs, accessTimeMs };
  return {
    type: 'file',
    id,
    parentId,
    name,
    owner,
    group,
    permission,
    modificationTimeMs,
    accessTimeMs,
    replication: reader.number(),
    blockSizeBytes: reader.number(),
    lengthBytes: reader.number(),
    blockCount: reader.number(),
    isUnderConstruction: (bits & flags.underConstruction) !== 0,
    isTemporary: (bits & flags.temporary) !== 0,
  };
}

/** What a directory's entry says of its inode. Its kind never changes, so it may stand here too: it saves walks a read an entry. */
export interface EntryTarget {
  readonly inodeId: number;
  readonly isDirectory: boolean;
}

/** varint inode id, u8 1 for a directory */
export function encodeEntry(target: EntryTarget): Uint8Array {
  return writer.begin().number(target.inodeId).boolean(target.isDirectory).finish();
}

export function decodeEntry(bytes: Uint8Array): EntryTarget {
  const reader = new ByteReader(bytes);
  return { inodeId: reader.number(), isDirectory: reader.boolean() };
}

/** A record that is one number. */
export function encodeId(id: number): Uint8Array {
  return writer.begin().number(id).finish();
}

export function decodeId(bytes: Uint8Array): number {
  return new ByteReader(bytes).number();
}
