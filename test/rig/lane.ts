import type { Random } from '../../source/base/random.js';
import { bytesOf, type Content, sha256 } from './content.js';
import { Violation } from './violation.js';
import type { Outcome } from './writer-pool.js';
import type { Operation } from './writer-process.js';

/**
 * What must stand under a path. `partial`: a file that was written into its place by a writer that came to grief; then a prefix of
 * its content may be there, or, where the writer could clean up, now or later, nothing.
 */
export type Expected = { kind: 'directory' } | { kind: 'file'; content: Content } | { kind: 'partial'; content: Content };
/** By absolute path; the lane's own directory is not in it. */
export type World = ReadonlyMap<string, Expected>;

/** What was found under a path. */
export type Found = { kind: 'directory' } | { kind: 'file'; bytes: Buffer };

const fileNames = 6;
/** Of a call that was to succeed, as far as the lane knows: with the retry cache, not even a repetition may be answered so. */
const impossible = new Set(['FileNotFoundError', 'FileAlreadyExistsError', 'NotADirectoryError', 'IsADirectoryError', 'DirectoryNotEmptyError', 'Error']);

export interface LaneCounters {
  puts: number;
  creates: number;
  overwrites: number;
  renames: number;
  deletes: number;
  mkdirs: number;
  reads: number;
  /** Neither acknowledged nor known not to have happened. */
  unknown: number;
  unavailableReads: number;
}

export const noCounts = (): LaneCounters => ({ puts: 0, creates: 0, overwrites: 0, renames: 0, deletes: 0, mkdirs: 0, reads: 0, unknown: 0, unavailableReads: 0 });

const countedAs = { put: 'puts', create: 'creates', rename: 'renames', delete: 'deletes', mkdirs: 'mkdirs', read: 'reads' } as const satisfies Record<Operation['kind'], keyof LaneCounters>;

/**
 * A directory that one writer alone changes, one call at a time: so what was acknowledged is known exactly. After a call whose outcome
 * is unknown there are two worlds, and the lane rests until somebody has looked which one it is.
 */
export class Lane {
  readonly directory: string;
  readonly counters: LaneCounters;
  /** The last ones, for the evidence. */
  readonly history: string[] = [];
  readonly #random: Random;
  readonly #maxFileBytes: number;
  readonly #createShare: number;
  #worlds: World[] = [new Map()];
  #nextId = 1;

  /** `createShare`: which part of the calls writes files into their place. */
  constructor(directory: string, random: Random, counters: LaneCounters, { maxFileBytes, createShare }: { maxFileBytes: number; createShare: number }) {
    this.directory = directory;
    this.counters = counters;
    this.#random = random;
    this.#maxFileBytes = maxFileBytes;
    this.#createShare = createShare;
  }

  get isInDoubt(): boolean {
    return this.#worlds.length > 1;
  }

  /** How many files must be there, whole. */
  get acknowledgedFiles(): number {
    return [...this.#worlds[0]!.values()].filter(({ kind }) => kind === 'file').length;
  }

  /** Something that can be done in the world as it is. Only while the lane is not in doubt. */
  next(): Operation {
    const world = this.#worlds[0]!;
    const files = [...world].filter(([, { kind }]) => kind === 'file').map(([path]) => path);
    const directories = [...world].filter(([, { kind }]) => kind === 'directory').map(([path]) => path);
    const parent = this.#random.next() < 0.5 ? this.directory : (this.#any(directories) ?? this.directory);
    const path = `${parent}/f${this.#random.integer(fileNames)}`;
    const dice = this.#random.next();
    if (dice < 0.25 && files.length > 0) return { kind: 'read', path: this.#any(files)! };
    if (dice < 0.32 && files.length > 0) {
      const source = this.#any(files)!;
      if (source !== path) return { kind: 'rename', source, target: path };
    }
    if (dice < 0.35 && directories.length > 0) return { kind: 'rename', source: this.#any(directories)!, target: `${this.directory}/d${this.#freshId()}` };
    if (dice < 0.40 && files.length > 0) return { kind: 'delete', path: this.#any(files)! };
    if (dice < 0.43 && directories.length > 2) return { kind: 'delete', path: this.#any(directories)! };
    if (dice < 0.47 && directories.length < 4) return { kind: 'mkdirs', path: `${this.directory}/d${this.#freshId()}` };
    const content = { seed: this.#random.integer(2 ** 40), sizeBytes: this.#size() };
    if (this.#random.next() < this.#createShare) return { kind: 'create', path, content };
    return { kind: 'put', path, temporary: `${path}.${this.#freshId()}._COPYING_`, content };
  }

  /** Takes what came of the call. Violation if an answer contradicts what was acknowledged before. */
  record(operation: Operation, outcome: Outcome): void {
    this.history.push(`${JSON.stringify(operation)} -> ${JSON.stringify(outcome)}`);
    if (this.history.length > 200) this.history.shift();
    const [world] = this.#worlds as [World];
    if (outcome.kind === 'failed' && operation.kind !== 'put' && operation.kind !== 'create' && impossible.has(outcome.name)) {
      throw new Violation(`${JSON.stringify(operation)} was refused though all that it needs was acknowledged: ${outcome.name}: ${outcome.message}\n${this.evidence()}`);
    }
    if (operation.kind === 'read') return this.#recordRead(operation.path, outcome);
    if (outcome.kind === 'acknowledged') {
      this.counters[countedAs[operation.kind]]++;
      if ((operation.kind === 'put' || operation.kind === 'create') && world.has(operation.path)) this.counters.overwrites++;
      this.#worlds = [applied(world, operation)];
      return;
    }
    this.counters.unknown++;
    this.#worlds = operation.kind === 'create' ? [applied(world, operation, 'partial'), world] : [applied(world, operation), world];
  }

  #recordRead(path: string, outcome: Outcome): void {
    if (outcome.kind !== 'acknowledged') return void this.counters.unavailableReads++;
    this.counters.reads++;
    const expected = this.#worlds[0]!.get(path);
    if (expected?.kind === 'file' && outcome.sha === sha256(bytesOf(expected.content))) return;
    throw new Violation(`${path}: ${outcome.bytes} bytes with SHA-256 ${outcome.sha} were read; ${describe(expected)} was acknowledged\n${this.evidence()}`);
  }

  /** Finds which world it is, and takes that one. The reason if it is none of them; then nothing changes. */
  settle(found: ReadonlyMap<string, Found>): string | undefined {
    const reasons: string[] = [];
    for (const world of this.#worlds) {
      const reason = difference(world, found);
      if (reason === undefined) {
        this.#worlds = [world];
        return undefined;
      }
      reasons.push(reason);
    }
    return reasons.join(' -- nor the other world: ');
  }

  evidence(): string {
    return [`the last calls in ${this.directory}:`, ...this.history.slice(-40)].join('\n');
  }

  #any<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#random.integer(items.length)];
  }

  #freshId(): number {
    return this.#nextId++;
  }

  /** Most files are small, some have many blocks, a few are empty. */
  #size(): number {
    const dice = this.#random.next();
    if (dice < 0.05) return 0;
    return 1 + this.#random.integer(dice < 0.85 ? Math.ceil(this.#maxFileBytes / 16) : this.#maxFileBytes);
  }
}

function applied(world: World, operation: Operation, kind: 'file' | 'partial' = 'file'): World {
  const result = new Map(world);
  const within = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);
  switch (operation.kind) {
    case 'put':
    case 'create':
      return result.set(operation.path, { kind, content: operation.content });
    case 'mkdirs':
      return result.set(operation.path, { kind: 'directory' });
    case 'delete':
      for (const path of world.keys()) if (within(path, operation.path)) result.delete(path);
      return result;
    case 'rename':
      for (const [path, expected] of world) {
        if (!within(path, operation.source)) continue;
        result.delete(path);
        result.set(operation.target + path.slice(operation.source.length), expected);
      }
      return result;
    case 'read':
      return result;
  }
}

/** Undefined if `found` is what `world` allows. */
function difference(world: World, found: ReadonlyMap<string, Found>): string | undefined {
  for (const [path, expected] of world) {
    const item = found.get(path);
    if (expected.kind === 'partial' && !item) continue;
    if (!item) return `${path} is not there; ${describe(expected)} was acknowledged`;
    if (expected.kind === 'directory' || item.kind === 'directory') {
      if (item.kind !== expected.kind) return `${path} is a ${item.kind}; ${describe(expected)} was acknowledged`;
      continue;
    }
    const { bytes } = item;
    const content = bytesOf(expected.content);
    const isRight = expected.kind === 'file' ? bytes.equals(content) : bytes.equals(content.subarray(0, bytes.length));
    if (!isRight) return `${path} has ${bytes.length} bytes with SHA-256 ${sha256(bytes)}; ${describe(expected)} was acknowledged${firstDifference(bytes, content)}`;
  }
  for (const path of found.keys()) if (!world.has(path)) return `${path} is there, and was never acknowledged, or its deletion was`;
  return undefined;
}

function describe(expected: Expected | undefined): string {
  if (!expected || expected.kind === 'directory') return expected ? 'a directory' : 'nothing';
  const { sizeBytes } = expected.content;
  return `${expected.kind === 'partial' ? 'a prefix of ' : ''}${sizeBytes} bytes with SHA-256 ${sha256(bytesOf(expected.content))}`;
}

function firstDifference(bytes: Buffer, content: Buffer): string {
  const at = bytes.findIndex((byte, i) => byte !== content[i]);
  return at < 0 ? '' : ` (they differ from byte ${at} on)`;
}
