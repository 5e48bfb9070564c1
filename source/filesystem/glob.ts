import { joinPath, pathNames } from '../base/path.js';
import { FileNotFoundError, NotADirectoryError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { FileSystem } from './file-system.js';
import { compileGlob, expandBraces, hasGlob, unescapeGlob } from './glob-pattern.js';
import { EntryRows } from './entry-rows.js';
import { comparePrinted } from './names.js';

export interface GlobMatch {
  /** Absolute and clean. */
  path: string;
  status: FileStatus;
}

/** A tree of patterns: what stands before a slash, and below it what stands after. Patterns that begin alike share listings. */
interface PatternNode {
  isEnd: boolean;
  children: Map<string, PatternNode>;
}

/**
 * The paths that match an absolute `pattern`, each once, in the order in which HDFS prints them. Only components with a glob are
 * listed; the others are followed by name. All matches are held, to be sorted; those of one directory compactly. InvalidPathError
 * for a malformed pattern; a directory that may not be listed is an error.
 */
export async function* expandGlob(
  fileSystem: FileSystem,
  pattern: string,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncIterable<GlobMatch> {
  const patterns = expandBraces(pattern).map((one) => pathNames(cleanPattern(one)));
  const [first = []] = patterns;
  const last = first.length - 1;
  if (patterns.length === 1 && last >= 0 && first.findIndex(hasGlob) === last) {
    yield* expandLast(fileSystem, `/${first.slice(0, last).map(unescapeGlob).join('/')}`, first[last]!, options.signal);
    return;
  }
  const all: GlobMatch[] = [];
  for await (const match of walk(fileSystem, '/', patternTree(patterns), options.signal)) all.push(match);
  yield* all.sort((a, b) => comparePrinted(a.path, b.path));
}

/** `/d/*`, of which there may be a million. */
async function* expandLast(fileSystem: FileSystem, directory: string, pattern: string, signal: AbortSignal | undefined): AsyncIterable<GlobMatch> {
  const rows = new EntryRows();
  const matches = compileGlob(pattern);
  for await (const status of listUnlessMissing(fileSystem, directory, signal)) if (matches(status.name)) rows.add(status);
  for (const row of rows.sorted((a, b) => comparePrinted(rows.name(a), rows.name(b)))) {
    const status = rows.get(row);
    yield { path: joinPath(directory, status.name), status };
  }
}

/** Slashes, dots and dot-dots of alternatives: `/a/{b,../c}`. Not an escape's slash, which is a slash all the same. */
function cleanPattern(pattern: string): string {
  const names: string[] = [];
  for (const name of pattern.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return `/${names.join('/')}`;
}

function patternTree(patterns: string[][]): PatternNode {
  const root: PatternNode = { isEnd: false, children: new Map() };
  for (const names of patterns) {
    let node = root;
    for (const name of names) {
      let child = node.children.get(name);
      if (!child) node.children.set(name, (child = { isEnd: false, children: new Map() }));
      node = child;
    }
    node.isEnd = true;
  }
  return root;
}

async function* walk(fileSystem: FileSystem, directory: string, node: PatternNode, signal: AbortSignal | undefined): AsyncIterable<GlobMatch> {
  if (node.isEnd) {
    const status = await findUnlessBelowFile(fileSystem, directory);
    if (status) yield { path: directory, status };
  }
  const literal: [string, PatternNode][] = [];
  const globs: { matches: (name: string) => boolean; node: PatternNode }[] = [];
  for (const [name, child] of node.children) {
    if (hasGlob(name)) globs.push({ matches: compileGlob(name), node: child });
    else literal.push([unescapeGlob(name), child]);
  }
  const isListed = globs.length > 0;
  for (const [name, child] of literal) {
    // A name that a glob beside it matches too comes with the listing, so that it comes once.
    if (!isListed || !globs.some(({ matches }) => matches(name))) yield* walk(fileSystem, joinPath(directory, name), child, signal);
    else globs.push({ matches: (entry) => entry === name, node: child });
  }
  if (!isListed) return;
  for await (const status of listUnlessMissing(fileSystem, directory, signal)) {
    const found = globs.filter(({ matches }) => matches(status.name)).map((glob) => glob.node);
    if (found.length === 0) continue;
    const path = joinPath(directory, status.name);
    if (found.some(({ isEnd }) => isEnd)) yield { path, status };
    const below = mergeChildren(found);
    if (status.type === 'directory' && below.children.size > 0) yield* walk(fileSystem, path, below, signal);
  }
}

function mergeChildren(nodes: PatternNode[]): PatternNode {
  const merged: PatternNode = { isEnd: false, children: new Map() };
  for (const node of nodes) {
    for (const [name, child] of node.children) {
      const known = merged.children.get(name);
      merged.children.set(name, known ? { isEnd: known.isEnd || child.isEnd, children: mergeChildren([known, child]).children } : child);
    }
  }
  return merged;
}

/** Null too where the path leads through a file: nothing matches there. */
export async function findUnlessBelowFile(fileSystem: FileSystem, path: string): Promise<FileStatus | null> {
  try {
    return await fileSystem.find(path);
  } catch (error) {
    if (error instanceof NotADirectoryError || error instanceof FileNotFoundError) return null;
    throw error;
  }
}

/** Nothing for a file, or where there is nothing: a pattern below it has no match. */
async function* listUnlessMissing(fileSystem: FileSystem, path: string, signal: AbortSignal | undefined): AsyncIterable<FileStatus> {
  const status = await findUnlessBelowFile(fileSystem, path);
  if (status?.type === 'directory') yield* fileSystem.list(path, { signal });
}
