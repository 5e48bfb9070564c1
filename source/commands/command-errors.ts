import { isWithin } from '../base/path.js';
import { escapeControls } from '../base/text.js';
import {
  BlockMissingError,
  CancelledError,
  DfsError,
  DirectoryNotEmptyError,
  type ErrorEntry,
  FileAlreadyExistsError,
  FileNotFoundError,
  InputOutputError,
  InvalidArgumentError,
  InvalidPathError,
  IsADirectoryError,
  NotADirectoryError,
  NotEnoughReplicasError,
  NotReplicatedYetError,
  RenameIntoItselfError,
  UnavailableError,
} from '../protocol/errors.js';
import type { CommandSpec } from './command.js';
import type { ErrorRecord } from './records.js';

/** A command was used wrongly: the message, then the command's `Usage:` line, and 255. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly entry: ErrorEntry = InvalidArgumentError.entry;
}

/** A path as a person typed it, or as it follows from that, with what it stands for. */
export interface NamedPath {
  shown: string;
  /** Absolute. */
  path: string;
}

/**
 * A failure of one path in HDFS's words (org.apache.hadoop.fs.PathIOException): `` `path': text``, `` `path' to `target': text``,
 * and perhaps the whole address behind it.
 */
export class PathError extends Error {
  override readonly name = 'PathError';
  readonly entry: ErrorEntry;
  readonly path: string;

  constructor(entry: ErrorEntry, named: NamedPath, text: string, more: { target?: string; address?: string | undefined } = {}) {
    const target = more.target === undefined ? '' : ` to \`${more.target}'`;
    const address = more.address === undefined || more.address === named.shown ? '' : `: \`${more.address}'`;
    super(`\`${named.shown}'${target}: ${text}${address}`);
    this.entry = entry;
    this.path = named.path;
  }
}

/** `address`: the whole URI, where HDFS repeats it (a missing parent). */
export function noSuchFile(named: NamedPath, address?: string): PathError {
  return new PathError(FileNotFoundError.entry, named, 'No such file or directory', { address });
}

export function fileExists(named: NamedPath): PathError {
  return new PathError(FileAlreadyExistsError.entry, named, 'File exists');
}

export function isADirectory(named: NamedPath): PathError {
  return new PathError(IsADirectoryError.entry, named, 'Is a directory');
}

export function isNotADirectory(named: NamedPath): PathError {
  return new PathError(NotADirectoryError.entry, named, 'Is not a directory');
}

export function directoryNotEmpty(named: NamedPath): PathError {
  return new PathError(DirectoryNotEmptyError.entry, named, 'Directory is not empty');
}

export function tooManyMatches(named: NamedPath): PathError {
  return new PathError(InvalidPathError.entry, named, 'Too many matches');
}

export function inputOutputError(named: NamedPath): PathError {
  return new PathError(InputOutputError.entry, named, 'Input/output error');
}

export function subdirectoryOfItself(named: NamedPath, target: string): PathError {
  return new PathError(RenameIntoItselfError.entry, named, 'is a subdirectory of itself', { target });
}

/** Words of the namespace's own errors, which HDFS says of the path as it was typed. */
const namespaceWords = new Map<number, string>([
  [FileNotFoundError.entry.code, 'No such file or directory'],
  [FileAlreadyExistsError.entry.code, 'File exists'],
  [IsADirectoryError.entry.code, 'Is a directory'],
  [DirectoryNotEmptyError.entry.code, 'Directory is not empty'],
  [NotADirectoryError.entry.code, 'Is not a directory'],
]);

/**
 * What follows `command: ` in the line that a person reads, unescaped. An error of the namespace about `about`, or about a path below
 * it, is said in HDFS's words with the path as typed; everything else in its own.
 */
export function describeError(error: unknown, about?: NamedPath): string {
  if (error instanceof PathError || error instanceof UsageError) return error.message;
  if (error instanceof DfsError) {
    const words = namespaceWords.get(error.code);
    // `/a/f (is not a directory)`: the name node names the file in the way.
    if (words !== undefined && about && !error.message.endsWith('(is not a directory)')) return `\`${shownPath(error.path, about)}': ${words}`;
    return localWords(error, about);
  }
  if (error instanceof Error) return error.message;
  return String(error);
}

// Errors of the local file system begin with its absolute path; a person typed another one.
function localWords(error: DfsError, about: NamedPath | undefined): string {
  const start = error.path === undefined ? undefined : `${error.path}: `;
  if (about && start && error.message.startsWith(start)) return `\`${shownPath(error.path, about)}': ${error.message.slice(start.length)}`;
  return error.message;
}

/** How `path`, which is `about` or below it, is shown; `about` itself if it is neither. */
export function shownPath(path: string | undefined, about: NamedPath): string {
  if (path === undefined || path === about.path || !isWithin(path, about.path)) return about.shown;
  const rest = path.slice(about.path === '/' ? 1 : about.path.length + 1);
  return about.shown === '.' ? rest : about.shown.endsWith('/') ? about.shown + rest : `${about.shown}/${rest}`;
}

export function isCancellation(error: unknown, signal: AbortSignal): boolean {
  return error instanceof CancelledError || (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError')));
}

/** No other path of the command can do better. */
export function isFatal(error: unknown, signal: AbortSignal): boolean {
  return error instanceof UnavailableError || error instanceof UsageError || isCancellation(error, signal);
}

const errorsWithLines = [NotEnoughReplicasError, NotReplicatedYetError, BlockMissingError, InputOutputError];

/** The lines on stderr: HDFS prints the first line of a message; why no node was chosen or could be read, or why one did not start, is worth the others. */
export function errorLines(name: string, text: string, error: unknown): string[] {
  const [first = '', ...others] = text.split('\n');
  const details = error instanceof DfsError && errorsWithLines.some((kind) => error instanceof kind) ? [...others, ...error.details] : [];
  return [`${name}: ${first}`, ...details.map((line) => `  ${line}`)].map((line) => escapeControls(line));
}

/** With --json: what a program reads of an error. */
export function errorRecord(
  command: string,
  error: unknown,
  text: string,
  path: string | undefined,
): ErrorRecord {
  const entry = (error as { entry?: ErrorEntry }).entry;
  const where = path ?? (error as { path?: string }).path;
  return { error: { command, name: entry?.name ?? 'InternalError', code: entry?.code ?? -32603, message: text, ...(where !== undefined && { path: where }) } };
}

/** `Usage: ls [-C] [-d] ... [<path> ...]` */
export function usageLine(spec: CommandSpec, name = spec.name): string {
  const flags = /(?:^|[\s[])-/.test(spec.usage) ? [] : spec.flags.map((flag) => `[${flagText(flag)}]`);
  return ['Usage:', name, ...flags, ...(spec.usage === '' ? [] : [spec.usage])].join(' ');
}

export function flagText(flag: CommandSpec['flags'][number]): string {
  return `${flag.isLong ? '--' : '-'}${flag.name}${flag.value === undefined ? '' : ` <${flag.value}>`}`;
}
