import type { Static } from '@sinclair/typebox';
import type { fileStatusSchema, fileStatusTupleSchema } from './schemas.js';

export type FileStatus = Static<typeof fileStatusSchema>;
export type FileStatusTuple = Static<typeof fileStatusTupleSchema>;

export function toTuple(status: FileStatus): FileStatusTuple {
  const kind = status.type === 'directory' ? 1 : status.isUnderConstruction ? 2 : 0;
  return [status.name, status.inodeId, kind, status.lengthBytes, status.replication, status.blockSizeBytes, status.modificationTimeMs, status.accessTimeMs, status.permission, status.owner, status.group];
}

export function fromTuple(tuple: FileStatusTuple): FileStatus {
  const [name, inodeId, kind, lengthBytes, replication, blockSizeBytes, modificationTimeMs, accessTimeMs, permission, owner, group] = tuple;
  return {
    name,
    inodeId,
    type: kind === 1 ? 'directory' : 'file',
    lengthBytes,
    replication,
    blockSizeBytes,
    modificationTimeMs,
    accessTimeMs,
    permission,
    owner,
    group,
    isUnderConstruction: kind === 2,
  };
}
