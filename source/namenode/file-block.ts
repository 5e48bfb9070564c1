import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from './byte-codec.js';

/**
 * A block in its file. UNDER_CONSTRUCTION -> COMPLETE, never back: a complete block has its final generation and length. Only the
 * last block of a file may be under construction, and its length is then what its last pipeline said, or 0.
 */
export interface FileBlock {
  readonly blockId: number;
  readonly generationStamp: number;
  readonly lengthBytes: number;
  /** Where it begins in its file: the sum of the lengths before it. Blocks may be shorter than the file's block size. */
  readonly offsetBytes: number;
  readonly isComplete: boolean;
}

const formatVersion = 1;
const writer = new ByteWriter();

/** u8 version, u8 1 if complete; varints: block id, generation stamp, length, offset */
export function encodeFileBlock(block: FileBlock): Uint8Array {
  writer.begin().byte(formatVersion).boolean(block.isComplete).number(block.blockId).number(block.generationStamp);
  return writer.number(block.lengthBytes).number(block.offsetBytes).finish();
}

export function decodeFileBlock(bytes: Uint8Array): FileBlock {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'a block record has the known version');
  const isComplete = reader.boolean();
  return { blockId: reader.number(), generationStamp: reader.number(), lengthBytes: reader.number(), offsetBytes: reader.number(), isComplete };
}
