import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from './byte-codec.js';

/**
 * A block in its file.
 *
 *   UNDER_CONSTRUCTION --complete, or recovered--> COMPLETE
 *            ^----------append, truncate---------------'
 *
 * A complete block has its generation and length for as long as it is complete. Only the last block of a file may be under construction:
 * its length is then what it had when it was complete last, or what its last pipeline began with, or 0.
 */
export interface FileBlock {
  readonly blockId: number;
  readonly generationStamp: number;
  readonly lengthBytes: number;
  /** Where it begins in its file: the sum of the lengths before it. Blocks may be shorter than the file's block size. */
  readonly offsetBytes: number;
  readonly isComplete: boolean;
  /** Under construction: bytes that are its file's for good, whatever becomes of the writer. 0 for a new block; the whole of a complete one. */
  readonly committedBytes: number;
  /** Truncate: under construction until a recovery has cut it to exactly `committedBytes`. */
  readonly isBeingCut: boolean;
}

const formatVersion = 1;
const flags = { complete: 1, reopened: 2, beingCut: 4 } as const;
const writer = new ByteWriter();

/** u8 version, u8 flags; varints: block id, generation stamp, length, offset; of one that is reopened or being cut: committed bytes */
export function encodeFileBlock(block: FileBlock): Uint8Array {
  const isReopened = !block.isComplete && (block.committedBytes > 0 || block.isBeingCut);
  const bits = (block.isComplete ? flags.complete : 0) | (isReopened ? flags.reopened : 0) | (block.isBeingCut ? flags.beingCut : 0);
  writer.begin().byte(formatVersion).byte(bits).number(block.blockId).number(block.generationStamp).number(block.lengthBytes).number(block.offsetBytes);
  if (isReopened) writer.number(block.committedBytes);
  return writer.finish();
}

export function decodeFileBlock(bytes: Uint8Array): FileBlock {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'a block record has the known version');
  const bits = reader.byte();
  const isComplete = (bits & flags.complete) !== 0;
  const [blockId, generationStamp, lengthBytes, offsetBytes] = [reader.number(), reader.number(), reader.number(), reader.number()];
  const committedBytes = isComplete ? lengthBytes : bits & flags.reopened ? reader.number() : 0;
  return { blockId, generationStamp, lengthBytes, offsetBytes, isComplete, committedBytes, isBeingCut: (bits & flags.beingCut) !== 0 };
}
