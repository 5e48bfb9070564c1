import type { DfsClient } from '../../source/client/client-api.js';
import { contentOf, versionOf } from './content.js';
import { Violation } from './simulator.js';

/** Bytes of a file up to `endBytes`, from where the segment before ends: those of a version, `shiftBytes` further on in the file. */
export interface Segment {
  version: number;
  shiftBytes: number;
  endBytes: number;
}

export interface ModelFile {
  segments: readonly Segment[];
  replication: number;
  /** In a world that is possible only: any length from here on to all of it. */
  leastBytes?: number;
}

/** By path; null is a directory. What is not there does not exist. */
export type ModelTree = Map<string, ModelFile | null>;

export interface FoundFile {
  bytes: Buffer;
  replication: number;
}

export type FoundTree = Map<string, FoundFile | null>;

/** What each file has been, or was about to become, by the version of its first byte: for readers who come in between. */
export class Histories {
  readonly #states = new Map<number, (readonly Segment[])[]>();
  #versions = 0;

  newVersion(): number {
    return ++this.#versions;
  }

  note(segments: readonly Segment[]): void {
    const root = segments[0]?.version;
    if (root === undefined) return;
    const states = this.#states.get(root);
    if (states) states.push(segments);
    else this.#states.set(root, [segments]);
  }

  /** Bytes from a file's begin: were they ever a file's, or its first part? */
  explains(bytes: Buffer): boolean {
    if (bytes.length < 8) return true;
    const states = this.#states.get(versionOf(bytes) ?? -1) ?? [];
    return states.some((segments) => lengthOf(segments) >= bytes.length && isContent(segments, 0, bytes));
  }
}

export function lengthOf(segments: readonly Segment[]): number {
  return segments.at(-1)?.endBytes ?? 0;
}

/** Whether `bytes` are those of the file from `startBytes` on. */
export function isContent(segments: readonly Segment[], startBytes: number, bytes: Buffer): boolean {
  let at = 0;
  for (const { version, shiftBytes, endBytes } of segments) {
    const begin = startBytes + at;
    if (at === bytes.length || endBytes <= begin) continue;
    const end = Math.min(endBytes, startBytes + bytes.length);
    if (!contentOf(version, begin - shiftBytes, end - shiftBytes).equals(bytes.subarray(at, at + end - begin))) return false;
    at += end - begin;
  }
  return at === bytes.length;
}

export function cut(segments: readonly Segment[], lengthBytes: number): Segment[] {
  const kept: Segment[] = [];
  for (const segment of segments) {
    if (lengthOf(kept) >= lengthBytes) break;
    kept.push({ ...segment, endBytes: Math.min(segment.endBytes, lengthBytes) });
  }
  return kept;
}

export function extended(segments: readonly Segment[], version: number, bytes: number): Segment[] {
  return bytes === 0 ? [...segments] : [...segments, { version, shiftBytes: 0, endBytes: lengthOf(segments) + bytes }];
}

export function joined(target: readonly Segment[], source: readonly Segment[]): Segment[] {
  const offset = lengthOf(target);
  return [...target, ...source.map(({ version, shiftBytes, endBytes }) => ({ version, shiftBytes: shiftBytes + offset, endBytes: endBytes + offset }))];
}

/** The bytes of a file, or of a range of it. A violation if it ends before it should; what the client throws is thrown. */
export async function readFile(client: DfsClient, path: string, range?: { startBytes: number; lengthBytes: number }): Promise<{ inodeId: number; bytes: Buffer; isUnderConstruction: boolean; lengthBytes: number }> {
  const reader = await client.openReader(path, range);
  const { status } = reader;
  const pieces: Buffer[] = [];
  let readBytes = 0;
  try {
    for (let piece = await reader.read(); piece; piece = await reader.read()) {
      pieces.push(Buffer.from(piece.bytes));
      readBytes += piece.bytes.length;
      piece.release();
    }
  } finally {
    reader.close();
  }
  const startBytes = range?.startBytes ?? 0;
  const wantedBytes = Math.max(0, Math.min(status.lengthBytes - startBytes, range?.lengthBytes ?? Infinity));
  if (readBytes < wantedBytes && !status.isUnderConstruction) throw new Violation(`${path}: ended after ${readBytes} bytes, ${wantedBytes} were promised`);
  return { inodeId: status.inodeId, bytes: Buffer.concat(pieces), isUnderConstruction: status.isUnderConstruction, lengthBytes: status.lengthBytes };
}

/** The model of what was found, if it is this world. */
export function matchWorld(world: ModelTree, found: FoundTree): ModelTree | undefined {
  if (world.size !== found.size) return undefined;
  const tree: ModelTree = new Map();
  for (const [path, file] of world) {
    const there = found.get(path);
    if (there === undefined || (there === null) !== (file === null)) return undefined;
    if (!file || !there) {
      tree.set(path, null);
      continue;
    }
    const longestBytes = lengthOf(file.segments);
    const { length } = there.bytes;
    if (length > longestBytes || length < (file.leastBytes ?? longestBytes)) return undefined;
    if (there.replication !== file.replication || !isContent(file.segments, 0, there.bytes)) return undefined;
    tree.set(path, { segments: cut(file.segments, length), replication: file.replication });
  }
  return tree;
}

export function isBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}

export function showWorld(tree: ModelTree): string {
  const lines = [...tree].map(([path, file]) => {
    if (!file) return `${path}/`;
    const least = file.leastBytes === undefined ? '' : `${file.leastBytes} to `;
    return `${path}: ${least}${lengthOf(file.segments)} bytes of v${file.segments.map(({ version }) => version).join('+')} x${file.replication}`;
  });
  return lines.sort().join(', ');
}

export function showFound(tree: FoundTree): string {
  return [...tree].map(([path, file]) => (file ? `${path}: ${file.bytes.length} bytes of v${versionOf(file.bytes)} x${file.replication}` : `${path}/`)).sort().join(', ');
}
