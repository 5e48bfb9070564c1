import type { PathRun } from './failure.js';
import { childItem, type ExistingItem } from './path-item.js';

/**
 * Runs `work` on a path and, if `isRecursive`, on everything below it, each directory before what is in it. What fails for one
 * is said, and the others go on.
 */
export async function walk(item: ExistingItem, run: PathRun, isRecursive: boolean, work: (item: ExistingItem) => Promise<void>): Promise<void> {
  run.context.signal.throwIfAborted();
  await run.attempt(item, () => work(item));
  if (!isRecursive || item.status.type !== 'directory') return;
  await run.attempt(item, async () => {
    for await (const status of item.fileSystem.list(item.path, { signal: run.context.signal })) await walk(childItem(item, status), run, true, work);
  });
}
