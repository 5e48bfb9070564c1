import { ByteReader, ByteWriter } from './byte-codec.js';

/** What makes a store a name space: read before anything else of it. */
export interface Format {
  /** Of all records in the store. */
  readonly version: number;
  readonly clusterId: string;
}

export const formatVersion = 1;
const magic = 'dfsh name space';
const writer = new ByteWriter();

/** text magic, varint version, text cluster id: the first two will never change */
export function encodeFormat(format: Format): Uint8Array {
  return writer.begin().text(magic).number(format.version).text(format.clusterId).finish();
}

/** Undefined if it is none of ours. Of another version only `version` is known. */
export function decodeFormat(bytes: Uint8Array): Format | undefined {
  try {
    const reader = new ByteReader(bytes);
    if (reader.text() !== magic) return undefined;
    const version = reader.number();
    return { version, clusterId: version === formatVersion ? reader.text() : '' };
  } catch {
    return undefined;
  }
}
