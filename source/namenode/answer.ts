import { assert } from '../base/assert.js';
import type { LocatedBlock, ReplicaLocation } from '../protocol/block.js';
import { toTuple, type FileStatus, type FileStatusTuple, fromTuple } from '../protocol/file-status.js';
import { DfsError, fromWireError, toWireError } from '../protocol/errors.js';
import type { ByteReader, ByteWriter } from './byte-codec.js';

/**
 * What a mutating call answered. It is kept with the call's edit, in the same transaction, so that a retry gets the same answer,
 * after a restart too (P11). A refusal is an answer as well: else a copy of the call that is late could still take effect.
 */
export type Answer =
  | { kind: 'null'; value: null }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'status'; value: FileStatus }
  | { kind: 'created'; value: { file: FileStatus; block: LocatedBlock | null } }
  | { kind: 'block'; value: LocatedBlock }
  | { kind: 'appended'; value: { file: FileStatus; last: LocatedBlock | null } }
  | { kind: 'generation'; value: { generationStamp: number; token: string } }
  | { kind: 'refusal'; error: DfsError };

const codes = { null: 0, false: 1, true: 2, status: 3, created: 4, createdWithBlock: 5, block: 6, generation: 7, refusal: 8, appended: 9, appendedWithBlock: 10 } as const;
const states = ['live', 'stale', 'dead'] as const;

export const nullAnswer: Answer & { kind: 'null' } = { kind: 'null', value: null };

/** u8 kind, then its fields. A status is its tuple; a block its ids, length, index, offset, token and places. */
export function encodeAnswer(writer: ByteWriter, answer: Answer): void {
  switch (answer.kind) {
    case 'null':
      writer.byte(codes.null);
      return;
    case 'boolean':
      writer.byte(answer.value ? codes.true : codes.false);
      return;
    case 'status':
      encodeStatus(writer.byte(codes.status), answer.value);
      return;
    case 'created':
      encodeStatus(writer.byte(answer.value.block ? codes.createdWithBlock : codes.created), answer.value.file);
      if (answer.value.block) encodeLocated(writer, answer.value.block);
      return;
    case 'appended':
      encodeStatus(writer.byte(answer.value.last ? codes.appendedWithBlock : codes.appended), answer.value.file);
      if (answer.value.last) encodeLocated(writer, answer.value.last);
      return;
    case 'block':
      encodeLocated(writer.byte(codes.block), answer.value);
      return;
    case 'generation':
      writer.byte(codes.generation).number(answer.value.generationStamp).text(answer.value.token);
      return;
    case 'refusal': {
      const { code, message, data } = toWireError(answer.error);
      writer.byte(codes.refusal).number(code).text(message).text(data?.path ?? '').optional(data?.blockId);
      writer.number(data?.details?.length ?? 0);
      for (const line of data?.details ?? []) writer.text(line);
      return;
    }
  }
}

export function decodeAnswer(reader: ByteReader): Answer {
  const code = reader.byte();
  switch (code) {
    case codes.null:
      return nullAnswer;
    case codes.false:
    case codes.true:
      return { kind: 'boolean', value: code === codes.true };
    case codes.status:
      return { kind: 'status', value: decodeStatus(reader) };
    case codes.created:
      return { kind: 'created', value: { file: decodeStatus(reader), block: null } };
    case codes.createdWithBlock:
      return { kind: 'created', value: { file: decodeStatus(reader), block: decodeLocated(reader) } };
    case codes.appended:
      return { kind: 'appended', value: { file: decodeStatus(reader), last: null } };
    case codes.appendedWithBlock:
      return { kind: 'appended', value: { file: decodeStatus(reader), last: decodeLocated(reader) } };
    case codes.block:
      return { kind: 'block', value: decodeLocated(reader) };
    case codes.generation:
      return { kind: 'generation', value: { generationStamp: reader.number(), token: reader.text() } };
    default: {
      assert(code === codes.refusal, `a stored answer has a known kind, not ${code}`);
      const errorCode = reader.number();
      const message = reader.text();
      const path = reader.text() || undefined;
      const blockId = reader.optional();
      const details = Array.from({ length: reader.number() }, () => reader.text());
      const error = fromWireError({ code: errorCode, message, data: { name: '', ...(path !== undefined && { path }), ...(blockId !== undefined && { blockId }), details } });
      assert(error instanceof DfsError, 'a stored refusal is an error of the table');
      return { kind: 'refusal', error };
    }
  }
}

function encodeStatus(writer: ByteWriter, status: FileStatus): void {
  for (const field of toTuple(status)) {
    if (typeof field === 'number') writer.number(field);
    else writer.text(field);
  }
}

function decodeStatus(reader: ByteReader): FileStatus {
  const name = reader.text();
  const numbers = Array.from({ length: 8 }, () => reader.number());
  return fromTuple([name, ...numbers, reader.text(), reader.text()] as unknown as FileStatusTuple);
}

function encodeLocated(writer: ByteWriter, located: LocatedBlock): void {
  const { block, locations } = located;
  writer.number(block.blockId).number(block.generationStamp).number(block.lengthBytes);
  writer.number(located.blockIndex).number(located.offsetBytes).text(located.token).number(locations.length);
  for (const place of locations) {
    writer.text(place.datanodeUuid).text(place.storageId).text(place.name).text(place.address).text(place.rack).byte(states.indexOf(place.state));
  }
}

function decodeLocated(reader: ByteReader): LocatedBlock {
  const block = { blockId: reader.number(), generationStamp: reader.number(), lengthBytes: reader.number() };
  const blockIndex = reader.number();
  const offsetBytes = reader.number();
  const token = reader.text();
  const locations = Array.from({ length: reader.number() }, (): ReplicaLocation => {
    const [datanodeUuid, storageId, name, address, rack] = [reader.text(), reader.text(), reader.text(), reader.text(), reader.text()];
    return { datanodeUuid, storageId, name, address, rack, state: states[reader.byte()]! };
  });
  return { block, blockIndex, offsetBytes, token, locations };
}
