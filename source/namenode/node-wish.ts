import { assert } from '../base/assert.js';
import type { KeyValueReader } from '../storage/key-value-store.js';
import type { DamagedRecordError } from '../storage/record.js';
import { ByteReader, ByteWriter } from './byte-codec.js';
import { readableEntries } from './damaged-records.js';
import { allNodeWishes, textOf } from './keys.js';

const states = ['normal', 'decommissioned', 'in-maintenance'] as const;
export type WishedState = (typeof states)[number];

/** What is wanted of a data node. One of `normal` is not stored. */
export interface NodeWish {
  readonly state: Exclude<WishedState, 'normal'>;
  /** Wall clock of the wish. */
  readonly setTimeMs: number;
  /** Undefined: until another wish. */
  readonly durationMs: number | undefined;
}

export function isWishedState(state: string): state is WishedState {
  return (states as readonly string[]).includes(state);
}

const formatVersion = 1;
const writer = new ByteWriter();

/** u8 version, u8 state (1 decommissioned, 2 in maintenance), varint time of the wish, varint duration + 1 or 0 */
export function encodeNodeWish({ state, setTimeMs, durationMs }: NodeWish): Uint8Array {
  return writer.begin().byte(formatVersion).byte(states.indexOf(state)).number(setTimeMs).optional(durationMs).finish();
}

export function decodeNodeWish(bytes: Uint8Array): NodeWish {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'the wish for a data node has the known version');
  const state = states[reader.byte()];
  assert(state !== undefined && state !== 'normal', 'the wish for a data node is one of two');
  return { state, setTimeMs: reader.number(), durationMs: reader.optional() };
}

/** All that are stored, by the uuid of the data node. `onDamage` is told of records that cannot be read. */
export function* readNodeWishes(store: KeyValueReader, onDamage: (error: DamagedRecordError) => void): Iterable<[datanodeUuid: string, wish: NodeWish]> {
  for (const [key, value] of readableEntries(store, allNodeWishes, onDamage)) yield [textOf(key), decodeNodeWish(value)];
}
