import { joinPath } from '../base/path.js';
import type { FileSystem } from '../filesystem/file-system.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { CommandContext } from './command.js';
import { isExisting, type PathItem } from './path-item.js';

/**
 * Bytes and files of all `sources` with what is below them, for a progress bar: found out while the copy is under way already.
 * Undefined if a part cannot be looked at; the copy itself says why.
 */
export async function measureTrees(sources: readonly PathItem[], context: CommandContext): Promise<{ bytes: number; files: number } | undefined> {
  const totals = { bytes: 0, files: 0 };
  try {
    for (const source of sources) {
      if (!isExisting(source)) continue;
      const { fileSystem, path, status } = source;
      if (status.type === 'directory' && fileSystem.capabilities.hasReplication) {
        const { lengthBytes, fileCount } = await (await context.client()).getContentSummary(path);
        totals.bytes += lengthBytes;
        totals.files += fileCount;
      } else {
        await add(fileSystem, path, status, new Set(), context.signal, totals);
      }
    }
  } catch {
    return undefined;
  }
  return totals;
}

async function add(fileSystem: FileSystem, path: string, status: FileStatus, ancestors: Set<number>, signal: AbortSignal, totals: { bytes: number; files: number }): Promise<void> {
  if (status.type === 'file') {
    totals.bytes += status.lengthBytes;
    totals.files++;
    return;
  }
  // As the copy does: a link to a directory above it is left out.
  if (ancestors.has(status.inodeId)) return;
  const below = new Set(ancestors).add(status.inodeId);
  for await (const entry of fileSystem.list(path, { signal })) await add(fileSystem, joinPath(path, entry.name), entry, below, signal, totals);
}
