import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from './byte-codec.js';

/** Who writes a file under construction. How long ago the holder was heard of is soft state: LeaseManager. */
export interface LeaseRecord {
  /** '': the name node's own. No client may write, until it has recovered the last block and closed the file. */
  readonly clientId: string;
  /** host:port of the holder, for messages. */
  readonly clientAddress: string;
  readonly isTemporary: boolean;
  /** Blocks of the file so far, the one under construction among them. */
  readonly blockCount: number;
}

const formatVersion = 1;
const writer = new ByteWriter();

/** u8 version, u8 1 if temporary, text client id, text address, varint block count */
export function encodeLease(lease: LeaseRecord): Uint8Array {
  return writer.begin().byte(formatVersion).boolean(lease.isTemporary).text(lease.clientId).text(lease.clientAddress).number(lease.blockCount).finish();
}

export function decodeLease(bytes: Uint8Array): LeaseRecord {
  const reader = new ByteReader(bytes);
  assert(reader.byte() === formatVersion, 'a lease record has the known version');
  const isTemporary = reader.boolean();
  return { isTemporary, clientId: reader.text(), clientAddress: reader.text(), blockCount: reader.number() };
}
