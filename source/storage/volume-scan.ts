import { basename, join } from 'node:path';
import type { Logger } from '../base/log.js';
import { type Block, blockName } from '../protocol/block.js';
import { diskErrorCode, isAbsent } from './disk.js';
import { ReplicaBeingWritten } from './replica-being-written.js';
import { type MetaHeader, metaHeaderBytes } from './replica-meta.js';
import { type VerifiedPrefix, verifyPrefix } from './replica-recovery.js';
import type { Volume } from './volume.js';
import { dataName, metaName, parseReplicaFileName } from './volume-layout.js';

export interface ScanResult {
  onFinalized(block: Block): void;
  onBeingWritten(replica: ReplicaBeingWritten): void;
  onQuarantined(block: Block): void;
}

/** Files of one block in one directory. */
interface Found {
  hasData: boolean;
  generationStamps: number[];
}

const parallelScans = 8;

/**
 * What a start does with a volume, whatever moment the last process ended at. Finalized pairs are taken as they are (their bytes are checked
 * whenever they are read). A finalize that was cut short goes back to being written. Replicas being written are kept as far as their
 * checksums vouch for them. Temporary files go. What fits nothing is quarantined, not deleted.
 */
export async function scanVolume(volume: Volume, result: ScanResult, logger: Logger): Promise<void> {
  await discardAll(volume, volume.folder('tmp'));
  const rbw = await readPairs(volume, volume.folder('rbw'));
  const finalized = new Map<number, number>();
  await forEachSubdirectory(volume, async (directory) => {
    // The last process may have been killed between a rename and its sync: what is told of from here on is to outlive a power cut.
    await volume.syncDirectory(directory).catch((error: unknown) => volume.noteFailure(error));
    const pairs = await readPairs(volume, directory);
    await forEachLimited([...pairs], async ([blockId, found]) => {
      const block = await unlessUnreadable(volume, blockId, logger, () => scanFinalized(volume, directory, blockId, found, rbw, logger));
      if (!block) return;
      if (rbw.has(blockId)) finalized.set(blockId, block.generationStamp);
      result.onFinalized(block);
    });
  });
  for (const [blockId, found] of rbw)
    await unlessUnreadable(volume, blockId, logger, () => scanBeingWritten(volume, blockId, found, finalized.get(blockId) ?? 0, result, logger));
  await scanQuarantine(volume, result);
  volume.emptyTrash();
}

/** A bad sector costs its replica, which stays where it is and is not told of, and not the volume. */
async function unlessUnreadable<T>(volume: Volume, blockId: number, logger: Logger, scan: () => Promise<T>): Promise<T | undefined> {
  try {
    return await scan();
  } catch (error) {
    if (diskErrorCode(error) !== 'EIO') throw error;
    await volume.noteFailure(error);
    if (volume.failure !== undefined) throw error;
    logger.error(`${blockName({ blockId })} in ${volume.directory} cannot be read; it is left out`, error);
    return undefined;
  }
}

async function scanFinalized(
  volume: Volume,
  directory: string,
  blockId: number,
  found: Found,
  rbw: Map<number, Found>,
  logger: Logger,
): Promise<Block | undefined> {
  const dataPath = join(directory, dataName(blockId));
  const metaPaths = found.generationStamps.map((generationStamp) => join(directory, metaName(blockId, generationStamp)));
  if (directory !== volume.finalizedDirectory(blockId)) {
    logger.warn(`${dataPath} is not where it belongs: quarantined`);
    await quarantineFiles(volume, found.hasData ? [dataPath, ...metaPaths] : metaPaths);
    return undefined;
  }
  if (!found.hasData) {
    // The data comes last in a finalize: it is still among those being written, or the replica was being taken back there.
    const open = rbw.get(blockId);
    for (const [index, path] of metaPaths.entries()) {
      const generationStamp = found.generationStamps[index]!;
      if (!open?.hasData || open.generationStamps.includes(generationStamp)) {
        await volume.discard(path);
        continue;
      }
      await moveBack(volume, path);
      open.generationStamps.push(generationStamp);
    }
    return undefined;
  }
  const open = rbw.get(blockId);
  if (found.generationStamps.length === 0 && open && !open.hasData) {
    // The data's move is on disk, that of the checksums, which came before it, is not.
    await moveBack(volume, dataPath);
    open.hasData = true;
    return undefined;
  }
  const lengthBytes = await volume.disk.readSize(dataPath);
  const generationStamp =
    found.generationStamps.length === 1
      ? found.generationStamps[0]!
      : await chooseGeneration(volume, directory, blockId, found.generationStamps, lengthBytes);
  if (generationStamp === undefined) {
    logger.warn(`${dataPath} has no checksum file of its own: quarantined`);
    await quarantineFiles(volume, [dataPath, ...metaPaths]);
    return undefined;
  }
  for (const stamp of found.generationStamps)
    if (stamp !== generationStamp) await volume.discard(join(directory, metaName(blockId, stamp)));
  return { blockId, generationStamp, lengthBytes };
}

/** Of several checksum files (the end of a replacement was lost) the newest that fits the data. */
async function chooseGeneration(
  volume: Volume,
  directory: string,
  blockId: number,
  generationStamps: number[],
  lengthBytes: number,
): Promise<number | undefined> {
  for (const generationStamp of [...generationStamps].sort((a, b) => b - a)) {
    const paths = { data: join(directory, dataName(blockId)), meta: join(directory, metaName(blockId, generationStamp)) };
    const verified = await verifyPrefix(volume.disk, paths, { blockId, generationStamp });
    if (
      verified?.header.state === 'finalized' &&
      verified.prefix.lengthBytes === lengthBytes &&
      verified.header.lengthBytes === lengthBytes
    )
      return generationStamp;
  }
  return undefined;
}

/**
 * Of several checksum files (a takeover was not over) the newest that vouches for all that its replica began with: one that a power cut has
 * torn, before it was on disk for good, does not, and then the one before counts still. Where none does, the newest that can be believed at all.
 */
async function chooseBeingWritten(
  volume: Volume,
  replica: { blockId: number; stamps: readonly number[]; dataPath: string; metaPathOf: (generationStamp: number) => string },
): Promise<{ generationStamp: number; header: MetaHeader; prefix: VerifiedPrefix } | undefined> {
  const { blockId, stamps, dataPath, metaPathOf } = replica;
  let torn: { generationStamp: number; header: MetaHeader; prefix: VerifiedPrefix } | undefined;
  for (const generationStamp of stamps) {
    const verified = await verifyPrefix(volume.disk, { data: dataPath, meta: metaPathOf(generationStamp) }, { blockId, generationStamp });
    if (!verified) continue;
    const { header, prefix } = verified;
    // One that was to be finalized was on disk long before: only what came last is torn.
    if (header.state === 'finalized' || prefix.lengthBytes >= header.lengthBytes) return { generationStamp, header, prefix };
    torn ??= { generationStamp, header, prefix };
  }
  return torn;
}

async function moveBack(volume: Volume, path: string): Promise<void> {
  await volume.disk.rename({ source: path, target: join(volume.folder('rbw'), basename(path)) });
}

async function scanBeingWritten(
  volume: Volume,
  blockId: number,
  found: Found,
  finalizedStamp: number,
  result: ScanResult,
  logger: Logger,
): Promise<void> {
  const directory = volume.folder('rbw');
  const dataPath = join(directory, dataName(blockId));
  const stamps = [...found.generationStamps].sort((a, b) => b - a);
  const metaPathOf = (generationStamp: number) => join(directory, metaName(blockId, generationStamp));
  const discard = async () => {
    if (found.hasData) await volume.discard(dataPath);
    for (const stamp of stamps) await volume.discard(metaPathOf(stamp));
  };
  // A finalized one of this generation is the same one: the power was cut in the middle of its move.
  if (!found.hasData || stamps.every((stamp) => stamp <= finalizedStamp)) return discard();
  const chosen = await chooseBeingWritten(volume, { blockId, stamps, dataPath, metaPathOf });
  if (chosen) {
    const { generationStamp, header, prefix } = chosen;
    for (const other of stamps) if (other !== generationStamp) await volume.discard(metaPathOf(other));
    const sizeBytes = await volume.disk.readSize(dataPath);
    if (sizeBytes > prefix.lengthBytes) {
      logger.info(
        `${blockName({ blockId, generationStamp })} was being written: ${prefix.lengthBytes} of ${sizeBytes} bytes are verified and kept`,
      );
      await truncate(volume, dataPath, prefix.lengthBytes);
    }
    const replica = new ReplicaBeingWritten({ blockId, generationStamp, volume, isTemporary: false, chunkBytes: header.chunkBytes });
    replica.lengthBytes = replica.visibleLengthBytes = replica.usedBytes = prefix.lengthBytes;
    replica.tailCrc = replica.visibleTailCrc = prefix.tailCrc;
    replica.isPromised = replica.isFromBefore = true;
    result.onBeingWritten(replica);
    return;
  }
  if ((await volume.disk.readSize(dataPath)) === 0) return discard();
  const metaSizes = await Promise.all(stamps.map((stamp) => volume.disk.readSize(metaPathOf(stamp))));
  if (stamps.length > 0 && metaSizes.every((sizeBytes) => sizeBytes < metaHeaderBytes)) {
    // A byte is acknowledged when the header of its checksum file is written, and promised when that is on disk too.
    logger.info(`${dataPath} was begun, and nothing of it was ever acknowledged: discarded`);
    return discard();
  }
  logger.warn(`${dataPath} was being written, and no checksum file vouches for it: quarantined`);
  await quarantineFiles(volume, [dataPath, ...stamps.map(metaPathOf)]);
}

async function truncate(volume: Volume, path: string, lengthBytes: number): Promise<void> {
  const file = await volume.disk.open(path, 'write');
  try {
    await file.truncate(lengthBytes);
  } finally {
    await file.close();
  }
}

/**
 * What may be said of them: names and lengths. Data without a checksum file is of a generation that nobody knows any more: the lowest, so
 * that any that the name node has outlives it. Checksums without data are of no use to anybody.
 */
async function scanQuarantine(volume: Volume, result: ScanResult): Promise<void> {
  for (const [blockId, { hasData, generationStamps }] of await readPairs(volume, volume.folder('quarantine'))) {
    const generationStamp = Math.max(1, ...generationStamps);
    for (const stamp of generationStamps)
      if (!hasData || stamp !== generationStamp) await volume.discard(join(volume.folder('quarantine'), metaName(blockId, stamp)));
    if (!hasData) continue;
    result.onQuarantined({
      blockId,
      generationStamp,
      lengthBytes: await volume.disk.readSize(join(volume.folder('quarantine'), dataName(blockId))),
    });
  }
}

/** Moves files to the quarantine under their own names, replacing what was there of the same block. */
export async function quarantineFiles(volume: Volume, paths: string[]): Promise<void> {
  for (const path of paths) {
    await volume.disk.rename({ source: path, target: join(volume.folder('quarantine'), basename(path)) }).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  }
}

async function discardAll(volume: Volume, directory: string): Promise<void> {
  for (const { name, isDirectory } of await volume.disk.readDirectory(directory))
    if (!isDirectory) await volume.discard(join(directory, name));
}

async function readPairs(volume: Volume, directory: string): Promise<Map<number, Found>> {
  const pairs = new Map<number, Found>();
  for (const { name, isDirectory } of await volume.disk.readDirectory(directory)) {
    const file = isDirectory ? undefined : parseReplicaFileName(name);
    if (!file) continue;
    let found = pairs.get(file.blockId);
    if (!found) pairs.set(file.blockId, (found = { hasData: false, generationStamps: [] }));
    if (file.kind === 'data') found.hasData = true;
    else found.generationStamps.push(file.generationStamp);
  }
  return pairs;
}

async function forEachSubdirectory(volume: Volume, visit: (directory: string) => Promise<void>): Promise<void> {
  for (const outer of await subdirectories(volume, volume.folder('current'))) {
    for (const inner of await subdirectories(volume, outer)) await visit(inner);
  }
}

async function subdirectories(volume: Volume, directory: string): Promise<string[]> {
  const entries = await volume.disk.readDirectory(directory);
  return entries.filter(({ name, isDirectory }) => isDirectory && name.startsWith('subdir')).map(({ name }) => join(directory, name));
}

async function forEachLimited<T>(items: T[], visit: (item: T) => Promise<void>): Promise<void> {
  const iterator = items.values();
  const worker = async () => {
    for (const item of iterator) await visit(item);
  };
  await Promise.all(Array.from({ length: parallelScans }, worker));
}
