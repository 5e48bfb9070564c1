import { basename, dirname } from 'node:path';
import {
  DirectoryNotEmptyError,
  FileAlreadyExistsError,
  FileNotFoundError,
  IsADirectoryError,
  LocalFileError,
  NoSpaceError,
  NotADirectoryError,
  PermissionDeniedError,
} from '../protocol/errors.js';

const words: Record<string, string> = {
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  EMFILE: 'Too many open files',
  ENFILE: 'Too many open files in the system',
  EROFS: 'Read-only file system',
  EIO: 'Input/output error',
  EBUSY: 'Device or resource busy',
  EINVAL: 'Invalid argument',
  EXDEV: 'Not on the same disk',
  EFBIG: 'File too large',
  ETXTBSY: 'Text file busy',
  ENXIO: 'No such device or address',
};

/** What the operating system refused, as an error of the table. What is none of its errors passes unchanged. */
export function fromSystemError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (!(error instanceof Error) || typeof code !== 'string' || (error as NodeJS.ErrnoException).errno === undefined) return error;
  const details = { path, cause: error };
  switch (code) {
    case 'ENOENT':
      return new FileNotFoundError(`${path}: No such file or directory`, details);
    case 'EEXIST':
      return new FileAlreadyExistsError(`${path}: File exists`, details);
    case 'EISDIR':
      return new IsADirectoryError(`${path}: Is a directory`, details);
    case 'ENOTEMPTY':
      return new DirectoryNotEmptyError(`${path}: Directory is not empty`, details);
    case 'ENOTDIR':
      return new NotADirectoryError(`${dirname(path)} (is not a directory)`, details);
    case 'EACCES':
    case 'EPERM':
      return new PermissionDeniedError(`${path}: Permission denied`, details);
    case 'ENOSPC':
    case 'EDQUOT':
      return new NoSpaceError(`${path}: No space left on the device; free some, or choose another target`, details);
    default:
      return new LocalFileError(`${path}: ${words[code] ?? code}`, details);
  }
}

/** Runs `work`; what the operating system refuses in it is thrown as an error of the table. */
export async function systemCall<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromSystemError(error, path);
  }
}

/** A name beside `path` for a file that is not whole yet, at most 255 bytes long: `NAME.a1b2c3d4._COPYING_`. */
export function temporarySibling(path: string, distinction: string): string {
  return `${dirname(path) === '/' ? '' : dirname(path)}/${temporaryName(basename(path), `.${distinction}`)}`;
}

/** `NAME._COPYING_`, HDFS's name for a file that is being copied; the name is cut where the whole would be longer than 255 bytes. */
export function temporaryName(name: string, distinction = ''): string {
  const suffix = `${distinction}._COPYING_`;
  let kept = name;
  while (Buffer.byteLength(kept) + suffix.length > 255) kept = [...kept].slice(0, -1).join('');
  return kept + suffix;
}
