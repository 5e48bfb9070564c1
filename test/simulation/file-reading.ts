import type { DfsClient } from '../../source/client/client-api.js';
import { contentOf, versionOf } from './content.js';
import { Violation } from './simulator.js';

export interface ReadResult {
  version: number | undefined;
  lengthBytes: number;
  isUnderConstruction: boolean;
}

/** How long each version that was ever begun is, or is to be. */
export type VersionLengths = ReadonlyMap<number, number>;

/**
 * Reads a file, whole or a range of it, and checks each byte against the version that it says it is: a violation where that differs. What
 * the client throws is thrown.
 */
export async function readAndCheck(client: DfsClient, path: string, versions: VersionLengths, range?: { startBytes: number; lengthBytes: number; version: number }): Promise<ReadResult> {
  const reader = await client.openReader(path, range);
  const { status } = reader;
  const startBytes = range?.startBytes ?? 0;
  const endBytes = range ? Math.min(status.lengthBytes, startBytes + range.lengthBytes) : status.lengthBytes;
  let positionBytes = startBytes;
  let version = range?.version;
  try {
    for (let piece = await reader.read(); piece; piece = await reader.read()) {
      const { bytes } = piece;
      if (positionBytes === 0) version = versionOf(bytes) ?? version;
      if (version === undefined || !versions.has(version)) throw new Violation(`${path}: bytes at ${positionBytes} belong to no version of any file`);
      if (!contentOf(version, positionBytes, positionBytes + bytes.length).equals(bytes)) throw new Violation(`${path}: other bytes than those written of version ${version}, from ${positionBytes} to ${positionBytes + bytes.length}`);
      positionBytes += bytes.length;
      piece.release();
    }
  } finally {
    reader.close();
  }
  if (positionBytes < endBytes) throw new Violation(`${path}: ended at ${positionBytes}, ${endBytes} were promised`);
  return { version, lengthBytes: status.lengthBytes, isUnderConstruction: status.isUnderConstruction };
}
