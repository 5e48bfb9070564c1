import { join } from 'node:path';
import type { Logger } from '../base/log.js';
import type { Disk } from './disk.js';
import { readSmallFile, replaceSmallFile } from './small-file.js';

/** How far the reading of all replicas of a storage has come (Hadoop: VolumeScanner, FsVolumeImpl.BlockIteratorState). */
export interface ScanCursor {
  /** When this pass began, ms since 1970. */
  startedMs: number;
  /** All up to this id were read; 0: none yet. */
  lastBlockId: number;
  isFinished: boolean;
  checkedCount: number;
  checkedBytes: number;
  rottenCount: number;
}

/**
 * `scan-cursor`, beside VERSION:
 *
 *     dfsh-scan 1
 *     startedMs=1700000000000
 *     lastBlockId=1073741830
 *     isFinished=0
 *     checkedCount=6
 *     checkedBytes=402653184
 *     rottenCount=0
 *     checksum=...
 */
const format = { magic: 'dfsh-scan', version: 1 };
const name = 'scan-cursor';
const keys = ['startedMs', 'lastBlockId', 'isFinished', 'checkedCount', 'checkedBytes', 'rottenCount'] as const;

/** Undefined if there is none that can be believed: the scan starts over. */
export async function readScanCursor(disk: Disk, directory: string, logger: Logger): Promise<ScanCursor | undefined> {
  const path = join(directory, name);
  const found = await readSmallFile(disk, path, format);
  if (found === undefined) return undefined;
  if ('kind' in found) {
    const reason = found.kind === 'version' ? `it has format version ${found.version}, this program reads ${format.version}` : found.reason;
    logger.warn(`${path} is of no use: ${reason}; the scan starts over`);
    return undefined;
  }
  const [startedMs, lastBlockId, isFinished, checkedCount, checkedBytes, rottenCount] = keys.map((key) => Number(found.get(key) ?? Number.NaN)) as [number, number, number, number, number, number];
  const isWhole = [startedMs, lastBlockId, isFinished, checkedCount, checkedBytes, rottenCount].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (isWhole) return { startedMs, lastBlockId, isFinished: isFinished === 1, checkedCount, checkedBytes, rottenCount };
  logger.warn(`${path} is of no use: a line is missing; the scan starts over`);
  return undefined;
}

export function writeScanCursor(disk: Disk, directory: string, cursor: ScanCursor): Promise<void> {
  return replaceSmallFile(disk, { directory, name }, format, { ...cursor, isFinished: cursor.isFinished ? 1 : 0 });
}
