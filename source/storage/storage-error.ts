import { DfsError, InputOutputError, NoSpaceError, OverloadedError } from '../protocol/errors.js';
import { diskErrorCode } from './disk.js';

/** The typed error for a failure of a disk: `what` says what failed and on what ("writing blk_1_1 in /data"). Typed ones pass. */
export function storageError(error: unknown, what: string, blockId?: number): DfsError {
  if (error instanceof DfsError) return error;
  const details = { cause: error, blockId };
  switch (diskErrorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new NoSpaceError(`${what}: no space left on the disk; free some${blockId === undefined ? '' : ', or add a data node'}`, details);
    case 'EMFILE':
    case 'ENFILE':
      return new OverloadedError(`${what}: too many open files; raise the limit (ulimit -n), or try again later`, details);
    default:
      return new InputOutputError(`${what}: ${error instanceof Error ? error.message : String(error)}`, details);
  }
}
