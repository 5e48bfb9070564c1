import { assert } from '../base/assert.js';
import type { ByteReader, ByteWriter } from './byte-codec.js';

/**
 * Every change of the namespace is one EditOp. It carries its own ids, generation stamps and names, decided before it: applying it
 * reads neither clock nor randomness, so that the same edits make the same namespace wherever they are applied (HDFS: FSEditLogOp).
 * This table is the one definition: the types and the record format come from it. Numbers of kinds and the order of fields are on
 * disk: append only.
 */
const number = 'number';
const optional = 'optional';
const text = 'text';
const texts = 'texts';
const numbers = 'numbers';
const boolean = 'boolean';

const kinds = {
  /** Changes nothing: a refusal, or an answer that needed no change, is kept for the call's retries. */
  answer: [1, {}],
  /** The first edit of a namespace: its root. */
  format: [2, { clusterId: text, owner: text, group: text, permission: number }],
  /** `names` below `parentId`, each in the one before; ids rise from `firstInodeId`; the last gets `permission`. */
  mkdirs: [3, { parentId: number, names: texts, firstInodeId: number, owner: text, group: text, ancestorPermission: number, permission: number }],
  /** A file under construction, after the missing `ancestors` (ids from `firstInodeId`); perhaps with its first block; perhaps over another file. */
  createFile: [
    4,
    {
      parentId: number,
      ancestors: texts,
      firstInodeId: number,
      ancestorPermission: number,
      name: text,
      inodeId: number,
      owner: text,
      group: text,
      permission: number,
      replication: number,
      blockSizeBytes: number,
      isTemporary: boolean,
      clientId: text,
      clientAddress: text,
      overwrittenId: optional,
      blockId: optional,
      generationStamp: optional,
    },
  ],
  /** Completes the block before `blockIndex` at `previousLengthBytes`, if there is one, and adds the next. */
  addBlock: [5, { inodeId: number, blockIndex: number, blockId: number, generationStamp: number, previousLengthBytes: optional }],
  abandonBlock: [6, { inodeId: number, blockIndex: number }],
  /** A generation stamp was given out for a block: never again for another pipeline. */
  allocateGeneration: [7, { generationStamp: number }],
  updatePipeline: [8, { inodeId: number, blockIndex: number, generationStamp: number, lengthBytes: number }],
  /** Without `lastLengthBytes` a last block under construction is dropped. With `targetParentId` it is renamed too. */
  completeFile: [
    9,
    {
      inodeId: number,
      lastLengthBytes: optional,
      modificationTimeMs: number,
      accessTimeMs: optional,
      targetParentId: optional,
      targetName: text,
      overwrittenId: optional,
    },
  ],
  rename: [10, { inodeId: number, targetParentId: number, targetName: text, overwrittenId: optional }],
  delete: [11, { inodeId: number }],
  /** Removes at most about `limit` records of what was unlinked, the oldest first. */
  reclaim: [12, { limit: number }],
  setPermission: [13, { inodeId: number, permission: number }],
  setOwner: [14, { inodeId: number, owner: text, group: text }],
  setTimes: [15, { inodeId: number, modificationTimeMs: number, accessTimeMs: number }],
  setReplication: [16, { inodeId: number, replication: number }],
  /** The file's holder may not write on: the name node takes it over, and closes it when its last block is recovered. */
  expireLease: [17, { inodeId: number }],
  /** What is wanted of a data node: `normal`, `decommissioned` or `in-maintenance`; the last for so long from the edit's time on. */
  setNodeState: [18, { datanodeUuid: text, state: text, durationMs: optional }],
  /** A complete file is under construction again, with `clientId` as its holder; `isLastReopened`: its last block is too, from its end on. */
  openForAppend: [19, { inodeId: number, clientId: text, clientAddress: text, isLastReopened: boolean }],
  /** The first `blockCount` blocks stay. With `cutLengthBytes` the last of them is under construction until a recovery has cut it to that. */
  truncate: [20, { inodeId: number, blockCount: number, cutLengthBytes: optional, modificationTimeMs: number }],
  /** The sources' blocks follow the target's, in the order of the sources, which are gone. */
  concat: [21, { targetId: number, sourceIds: numbers, modificationTimeMs: number }],
  /** A recovery has given the last block this generation and length; the file is closed. */
  recoverBlock: [22, { inodeId: number, blockIndex: number, generationStamp: number, lengthBytes: number, modificationTimeMs: number }],
} as const;

type Kinds = typeof kinds;
export type EditKind = keyof Kinds;
interface FieldValues {
  number: number;
  optional: number | undefined;
  text: string;
  texts: readonly string[];
  numbers: readonly number[];
  boolean: boolean;
}
type FieldValue<T> = T extends keyof FieldValues ? FieldValues[T] : never;
type Fields<K extends EditKind> = { readonly [F in keyof Kinds[K][1]]: FieldValue<Kinds[K][1][F]> };
export type EditOpOf<K extends EditKind> = { readonly kind: K } & Fields<K>;
export type EditOp = { [K in EditKind]: EditOpOf<K> }[EditKind];

type FieldType = keyof FieldValues;
interface Layout {
  readonly kind: EditKind;
  readonly code: number;
  readonly fields: readonly (readonly [name: string, type: FieldType])[];
}

const layouts = new Map<EditKind, Layout>();
const layoutsByCode = new Map<number, Layout>();
for (const [kind, [code, fields]] of Object.entries(kinds)) {
  const layout: Layout = { kind: kind as EditKind, code, fields: Object.entries(fields) as [string, FieldType][] };
  assert(!layoutsByCode.has(code), 'each kind of edit has a number of its own');
  layouts.set(layout.kind, layout);
  layoutsByCode.set(code, layout);
}

/** u8 kind, then its fields in the table's order */
export function encodeEditOp(writer: ByteWriter, op: EditOp): void {
  const layout = layouts.get(op.kind)!;
  writer.byte(layout.code);
  const values = op as unknown as Record<string, unknown>;
  for (const [name, type] of layout.fields) {
    const value = values[name];
    switch (type) {
      case 'number':
        writer.number(value as number);
        break;
      case 'optional':
        writer.optional(value as number | undefined);
        break;
      case 'text':
        writer.text(value as string);
        break;
      case 'texts':
        writer.number((value as readonly string[]).length);
        for (const item of value as readonly string[]) writer.text(item);
        break;
      case 'numbers':
        writer.number((value as readonly number[]).length);
        for (const item of value as readonly number[]) writer.number(item);
        break;
      case 'boolean':
        writer.boolean(value as boolean);
        break;
    }
  }
}

export function decodeEditOp(reader: ByteReader): EditOp {
  const code = reader.byte();
  const layout = layoutsByCode.get(code);
  assert(layout, `an edit has a known kind, not ${code}`);
  const op: Record<string, unknown> = { kind: layout.kind };
  for (const [name, type] of layout.fields) {
    if (type === 'texts') op[name] = Array.from({ length: reader.number() }, () => reader.text());
    else if (type === 'numbers') op[name] = Array.from({ length: reader.number() }, () => reader.number());
    else op[name] = reader[type]();
  }
  return op as unknown as EditOp;
}
