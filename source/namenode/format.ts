import { ByteReader, ByteWriter } from './byte-codec.js';

/** What makes a store a name space: read before anything else of it. */
export interface Format {
  /** Of all records in the store. */
  readonly version: number;
  readonly clusterId: string;
}

/**
 * 1: the first. 2: the edit log may hold kinds of edits that a program of version 1 does not know; and the last block of a file may
 * be under construction again (file-block.ts). All other records are as they were.
 * Every version from the oldest on is upgraded at start (upgradeNameSpace).
 */
export const formatVersion = 2;
export const oldestFormatVersion = 1;
const magic = 'dfsh name space';
const writer = new ByteWriter();

/** text magic, varint version, text cluster id: the first two will never change */
export function encodeFormat(format: Format): Uint8Array {
  return writer.begin().text(magic).number(format.version).text(format.clusterId).finish();
}

/** Undefined if it is none of ours. Of a version that is not known only `version` is. */
export function decodeFormat(bytes: Uint8Array): Format | undefined {
  try {
    const reader = new ByteReader(bytes);
    if (reader.text() !== magic) return undefined;
    const version = reader.number();
    return { version, clusterId: isKnownVersion(version) ? reader.text() : '' };
  } catch {
    return undefined;
  }
}

export function isKnownVersion(version: number): boolean {
  return version >= oldestFormatVersion && version <= formatVersion;
}
