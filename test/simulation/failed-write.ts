import { isBelow, lengthOf, type ModelFile, type ModelTree } from './file-model.js';

/** A write of which nobody knows how it ended. */
export interface FailedWrite {
  /** As it was before. */
  tree: ModelTree;
  /** The name under which it was written, and the one that its close was to give it; one and the same but for a temporary file. */
  path: string;
  finalPath: string;
  /** As it would have become. */
  file: ModelFile;
  /** An append, to a file of so many bytes; undefined: a new file. */
  oldBytes: number | undefined;
  /** It was told that the file is open. */
  isOpen: boolean;
  /** From the file's begin, what a sync or a flush has promised; 0 for nothing. */
  promisedBytes: number;
}

/**
 * What may have become of it. An append leaves what was there, and what it promised, or more. A new file that was opened is no more what was at its path
 * before; once something of it was promised it stays, and it goes only if it is temporary or nothing was. The first world has a file at `path`, or could have.
 */
export function worldsOfFailedWrite(write: FailedWrite): ModelTree[] {
  const { tree, path, finalPath, file, oldBytes, isOpen, promisedBytes } = write;
  const after: ModelTree = new Map([...tree, [finalPath, file]]);
  const closed: ModelTree = new Map([...tree, [path, { ...file, leastBytes: Math.max(oldBytes ?? 0, promisedBytes) }]]);
  if (oldBytes !== undefined) return [closed, after];
  if (path !== finalPath) return [closed, after, tree];
  const gone: ModelTree = new Map([...tree].filter(([each]) => !isBelow(each, path)));
  if (!isOpen) return [closed, after, gone, tree];
  return promisedBytes > 0 ? [closed, after] : [closed, after, gone];
}
