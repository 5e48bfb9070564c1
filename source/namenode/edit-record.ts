import { assert } from '../base/assert.js';
import { type Answer, decodeAnswer, encodeAnswer } from './answer.js';
import { ByteReader, ByteWriter } from './byte-codec.js';
import { decodeEditOp, type EditOp, encodeEditOp } from './edit-op.js';

/** The call that an edit answered. */
export interface EditCall {
  readonly clientId: string;
  readonly callId: number;
  /** Two numbers of 32 bits: the same call, or another one under a used id? */
  readonly digest: readonly [number, number];
  readonly answer: Answer;
}

/** One line of the edit log. */
export interface EditRecord {
  readonly editId: number;
  /** Wall clock of the decision: the times that the edit sets. */
  readonly timeMs: number;
  /** Undefined where nobody asked to be told again: calls without an id, and our own edits. */
  readonly call: EditCall | undefined;
  readonly op: EditOp;
}

const formatVersion = 1;
const writer = new ByteWriter();

/** u8 version, varint time, u8 1 if for a call: text client id, varint call id, two varints digest, answer; then the op */
export function encodeEdit(record: EditRecord): Uint8Array {
  const { call } = record;
  writer.begin().byte(formatVersion).number(record.timeMs).boolean(call !== undefined);
  if (call) {
    writer.text(call.clientId).number(call.callId).number(call.digest[0]).number(call.digest[1]);
    encodeAnswer(writer, call.answer);
  }
  encodeEditOp(writer, record.op);
  return writer.finish();
}

export function decodeEdit(editId: number, bytes: Uint8Array): EditRecord {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'an edit record has the known version');
  const timeMs = reader.number();
  let call: EditCall | undefined;
  if (reader.boolean()) {
    call = { clientId: reader.text(), callId: reader.number(), digest: [reader.number(), reader.number()], answer: decodeAnswer(reader) };
  }
  return { editId, timeMs, call, op: decodeEditOp(reader) };
}
