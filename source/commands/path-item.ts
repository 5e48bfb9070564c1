import { homedir } from 'node:os';
import { resolve as resolveLocal } from 'node:path';
import { isWithin, pathNames, resolvePath } from '../base/path.js';
import type { FileSystem } from '../filesystem/file-system.js';
import { expandGlob, findUnlessBelowFile } from '../filesystem/glob.js';
import { escapeGlob, hasGlob, unescapeGlob } from '../filesystem/glob-pattern.js';
import { InvalidPathError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { CommandContext } from './command.js';
import { type NamedPath, noSuchFile, tooManyMatches, UsageError } from './command-errors.js';

/** A path of a command: as typed, what it stands for, and what is there (Hadoop: PathData). */
export interface PathItem extends NamedPath {
  fileSystem: FileSystem;
  /** Null if nothing is there. */
  status: FileStatus | null;
  /** It was typed with a slash, a dot or two at its end: it means a directory. */
  isDirectoryMeant: boolean;
}

/** One that is there. */
export interface ExistingItem extends PathItem {
  status: FileStatus;
}

/** A word read as a path: where it leads, and how what is found there is to be shown. */
interface Reference {
  fileSystem: FileSystem;
  /** Absolute, and a glob: what is no part of it is escaped. */
  pattern: string;
  show(path: string): string;
}

/** Of an operand: a path of the distributed file system (or a URI), or one of this machine. */
export type Side = 'remote' | 'local';

/**
 * The paths that an operand names, as Hadoop's PathData.expandAsGlob. A glob that matches nothing is an error; another path that
 * does not exist is one item with a null status.
 */
export async function* expandOperand(word: string, context: CommandContext, side: Side = 'remote'): AsyncIterable<PathItem> {
  const reference = await readReference(word, context, side);
  const { fileSystem, pattern, show } = reference;
  const isDirectoryMeant = /(?:^|\/)\.{0,2}$/.test(word);
  if (!hasGlob(word)) {
    const path = unescapeGlob(pattern);
    const status = await findUnlessBelowFile(fileSystem, path);
    yield { fileSystem, path, status, isDirectoryMeant, shown: status ? show(path) : unescapeGlob(word) };
    return;
  }
  let isEmpty = true;
  for await (const { path, status } of expandGlob(fileSystem, pattern, { signal: context.signal })) {
    isEmpty = false;
    yield { fileSystem, path, status, isDirectoryMeant: false, shown: show(path) };
  }
  if (isEmpty) throw noSuchFile({ shown: word, path: pattern });
}

/** The one path that a destination names: a glob must match exactly one. */
export async function expandDestination(word: string, context: CommandContext, side: Side = 'remote'): Promise<PathItem> {
  let found: PathItem | undefined;
  for await (const item of expandOperand(word, context, side)) {
    if (found) throw tooManyMatches({ shown: word, path: item.path });
    found = item;
  }
  return found!;
}

/** What a word names if nothing in it is a glob: a local destination, as HDFS takes it. */
export async function literalItem(word: string, context: CommandContext, side: Side): Promise<PathItem> {
  const { fileSystem, pattern } = await readReference(escapeGlob(word), context, side);
  const path = unescapeGlob(pattern);
  return { fileSystem, path, shown: word, status: await fileSystem.find(path), isDirectoryMeant: /(?:^|\/)\.{0,2}$/.test(word) };
}

export function isExisting(item: PathItem): item is ExistingItem {
  return item.status !== null;
}

/** The entry of a directory. */
export function childItem(directory: PathItem, status: FileStatus): ExistingItem {
  return { ...childPath(directory, status.name), status };
}

/** A name in a directory, of which nothing is known yet. */
export function childPath(directory: PathItem, name: string): PathItem {
  const { shown, path } = directory;
  return {
    fileSystem: directory.fileSystem,
    path: path === '/' ? `/${name}` : `${path}/${name}`,
    shown: shown === '.' ? name : shown.endsWith('/') ? shown + name : `${shown}/${name}`,
    status: null,
    isDirectoryMeant: false,
  };
}

/** `dfs://host:port/a/b`, `file:///a/b` */
export function addressOf(item: { fileSystem: FileSystem; path: string }): string {
  return item.fileSystem.uri + item.path;
}

async function readReference(word: string, context: CommandContext, side: Side): Promise<Reference> {
  // A variable that was never set is not the working directory: `rm -r "$X"`.
  if (word === '') throw new UsageError('Can not create a Path from an empty string');
  if (side === 'local' || /^file:/i.test(word)) return localReference(word, context);
  const fileSystem = await context.remote();
  const uri = /^(dfs|hdfs):(?:\/\/([^/]*))?(\/.*)?$/i.exec(word);
  if (!uri) {
    return {
      fileSystem,
      pattern: resolvePath(word, escapeGlob(context.session.workingDirectory)),
      show: word.startsWith('/') ? (path) => path : (path) => relativePath(context.session.workingDirectory, path),
    };
  }
  const [, scheme, authority = '', rest = '/'] = uri;
  const own = fileSystem.uri.replace(/^\w+:\/\//, '');
  if (authority !== '' && authority.toLowerCase() !== own.toLowerCase()) {
    throw new InvalidPathError(`${word} is on another file system than ${fileSystem.uri}; name it with --name-node ${authority}`, { path: word });
  }
  return { fileSystem, pattern: resolvePath(rest), show: (path) => `${scheme}://${authority}${path}` };
}

function localReference(word: string, context: CommandContext): Reference {
  const uri = /^file:(?:\/\/(?:localhost)?)?(\/.*)$/i.exec(word);
  const fileSystem = context.local;
  if (uri) return { fileSystem, pattern: resolvePath(uri[1]!), show: (path) => `file://${path}` };
  const { localDirectory } = context.session;
  // What an operating system's shell would have done outside of this one.
  const typed = word === '~' || word.startsWith('~/') ? escapeGlob(homedir()) + word.slice(1) : word;
  const pattern = resolvePath(typed, escapeGlob(resolveLocal(localDirectory)));
  // A path that is no glob is shown as it was typed, as HDFS shows local ones.
  const show = hasGlob(word) ? (path: string) => (typed.startsWith('/') ? path : relativePath(localDirectory, path)) : () => unescapeGlob(word);
  return { fileSystem, pattern, show };
}

/** `path` as seen from `directory`: `.`, `a/b`, `../c`. Both absolute and clean. */
export function relativePath(directory: string, path: string): string {
  if (path === directory) return '.';
  if (isWithin(path, directory)) return path.slice(directory === '/' ? 1 : directory.length + 1);
  const from = pathNames(directory);
  const to = pathNames(path);
  let common = 0;
  while (common < from.length && common < to.length && from[common] === to[common]) common++;
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/');
}
