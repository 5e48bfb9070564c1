import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from './byte-codec.js';

/** That the name space came from a backup: what was done to it since then is lost, but data nodes hold the blocks of it. */
export interface Restoration {
  /** Wall clock, for people. */
  readonly timeMs: number;
  /** The last edit in the backup. */
  readonly backupEditId: number;
  /** Blocks behind this one and before `firstNewBlockId` may have been created after the backup. */
  readonly lastKnownBlockId: number;
  readonly firstNewBlockId: number;
}

const formatVersion = 1;
const writer = new ByteWriter();

/** u8 version; varints: time, edit id, last known block id, first new block id */
export function encodeRestoration(restoration: Restoration): Uint8Array {
  const { timeMs, backupEditId, lastKnownBlockId, firstNewBlockId } = restoration;
  return writer.begin().byte(formatVersion).number(timeMs).number(backupEditId).number(lastKnownBlockId).number(firstNewBlockId).finish();
}

export function decodeRestoration(bytes: Uint8Array): Restoration {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'the restoration has the known version');
  return { timeMs: reader.number(), backupEditId: reader.number(), lastKnownBlockId: reader.number(), firstNewBlockId: reader.number() };
}

/** How long replicas of blocks that the backup did not know are kept from the name node's start on: time to find out that it was the wrong backup. */
export const restoredGraceMs = 24 * 3_600_000;

/** Whether a replica of an unknown block is one that the restoration made unknown, and still to be kept. */
export function isSpared(restoration: Restoration, blockId: number, upTimeMs: number): boolean {
  return upTimeMs < restoredGraceMs && blockId > restoration.lastKnownBlockId && blockId < restoration.firstNewBlockId;
}

export function describeRestoration({ timeMs, backupEditId }: Restoration): string {
  const hours = restoredGraceMs / 3_600_000;
  return `the name space was restored on ${new Date(timeMs).toISOString()} from a backup of edit ${backupEditId}: replicas that it does not know are kept for ${hours} h from now on; fsck tells which files have lost their blocks`;
}
