import { dirname, resolve } from 'node:path';

/** A new directory is durable when its parents' entries are. Parents that may not be opened were there before. */
export async function syncAncestors(syncDirectory: (path: string) => Promise<void>, directory: string): Promise<void> {
  for (let path = resolve(directory); dirname(path) !== path; path = dirname(path)) await syncDirectory(dirname(path)).catch(() => {});
}
