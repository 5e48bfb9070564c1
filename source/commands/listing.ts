import { sleep } from '../base/clock.js';
import { formatHuman } from '../base/size.js';
import { escapeControls } from '../base/text.js';
import { EntryRows } from '../filesystem/entry-rows.js';
import { comparePrinted } from '../filesystem/names.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { FlagSpec, Invocation } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { formatMode, formatOctal } from './format-mode.js';
import { listingTime } from './format-time.js';
import { childItem, type ExistingItem, isExisting, type PathItem, type Side } from './path-item.js';
import type { EntryRecord } from './records.js';

export const listingFlags: FlagSpec[] = [
  { name: 'C', summary: 'Print paths only' },
  { name: 'd', summary: 'List a directory as itself, not what is in it' },
  { name: 'h', summary: 'Print sizes for people: 1.2 K, 64 M' },
  { name: 'q', summary: 'Print ? for what cannot be printed' },
  { name: 'R', summary: 'List what is below directories, too' },
  { name: 't', summary: 'Sort by time, the newest first' },
  { name: 'S', summary: 'Sort by size, the largest first' },
  { name: 'r', summary: 'Sort the other way round' },
  { name: 'u', summary: 'Show, and sort by, the time of the last access' },
  { name: 'e', summary: 'Print how files are stored' },
];

/** Widths of the columns. They grow with what is listed, and never shrink within one command (Ls.adjustColumnWidths). */
export interface ListingWidths {
  replication: number;
  lengthBytes: number;
  owner: number;
  group: number;
  policy: number;
}

export interface ListingFormat {
  isHuman: boolean;
  isAccessTime: boolean;
  isPolicyShown: boolean;
}

export function firstWidths(): ListingWidths {
  return { replication: 3, lengthBytes: 10, owner: 0, group: 0, policy: 0 };
}

export function growWidths(widths: ListingWidths, status: FileStatus, isPolicyShown: boolean): void {
  widths.replication = Math.max(widths.replication, digits(status.replication));
  widths.lengthBytes = Math.max(widths.lengthBytes, digits(status.lengthBytes));
  widths.owner = Math.max(widths.owner, status.owner.length);
  widths.group = Math.max(widths.group, status.group.length);
  if (isPolicyShown) widths.policy = Math.max(widths.policy, policyOf(status).length);
}

/** `-rw-r--r--   3 root supergroup       8289 2021-10-01 18:03 /r.txt`; `shown` is printed as it is. */
export function listingLine(status: FileStatus, shown: string, widths: ListingWidths, format: ListingFormat): string {
  const isDirectory = status.type === 'directory';
  const length = format.isHuman ? formatHuman(status.lengthBytes) : `${status.lengthBytes}`;
  // The blank behind the mode is where a `+` tells of an ACL.
  let line = `${formatMode(status)} ${(isDirectory ? '-' : `${status.replication}`).padStart(widths.replication)} `;
  if (widths.owner > 0) line += `${escapeControls(status.owner).padEnd(widths.owner)} `;
  if (widths.group > 0) line += `${escapeControls(status.group).padEnd(widths.group)} `;
  if (format.isPolicyShown && widths.policy > 0) line += `${policyOf(status).padEnd(widths.policy)} `;
  return `${line}${length.padStart(widths.lengthBytes)} ${listingTime(format.isAccessTime ? status.accessTimeMs : status.modificationTimeMs)} ${shown}`;
}

function policyOf(status: FileStatus): string {
  return status.type === 'directory' ? '' : 'Replicated';
}

function digits(number: number): number {
  return number < 10 ? 1 : `${number}`.length;
}

export function toEntryRecord(status: FileStatus, path: string): EntryRecord {
  const { type, lengthBytes, replication, blockSizeBytes, modificationTimeMs, accessTimeMs, permission, owner, group } = status;
  return {
    path,
    type,
    lengthBytes,
    replication,
    blockSizeBytes,
    modificationTimeMs,
    accessTimeMs,
    permission: formatOctal(permission),
    owner,
    group,
  };
}

/** Lines printed before others get a turn: a Ctrl-C, for one. */
const linesPerTurn = 4096;

/** `ls` of paths of either side. */
export class Listing {
  readonly #run: PathRun;
  readonly #side: Side;
  readonly #flags: Invocation['flags'];
  readonly #format: ListingFormat;
  readonly #widths = firstWidths();
  #lines = 0;

  constructor(invocation: Invocation, run: PathRun, side: Side) {
    this.#run = run;
    this.#side = side;
    this.#flags = invocation.flags;
    this.#format = { isHuman: this.#flags.has('h'), isAccessTime: this.#flags.has('u'), isPolicyShown: this.#flags.has('e') };
  }

  async list(words: readonly string[]): Promise<void> {
    await this.#run.eachPath(words, (item) => this.#operand(item), this.#side);
  }

  async #operand(item: PathItem): Promise<void> {
    if (!isExisting(item)) throw noSuchFile(item);
    if (item.status.type === 'directory' && !this.#flags.has('d')) return this.#directory(item);
    growWidths(this.#widths, item.status, this.#format.isPolicyShown);
    this.#print(item);
  }

  async #directory(directory: ExistingItem): Promise<void> {
    const rows = new EntryRows();
    for await (const status of this.#entries(directory)) {
      rows.add(status);
      growWidths(this.#widths, status, this.#format.isPolicyShown);
    }
    if (rows.count > 0 && !this.#flags.has('R') && !this.#flags.has('C')) this.#run.context.sink.out(`Found ${rows.count} items`);
    for (const row of this.#order(rows)) {
      const item = childItem(directory, rows.get(row));
      // Nothing is awaited for most lines: a million of them would be a million turns.
      if (this.#print(item)) await sleep(this.#run.context.clock, 0, this.#run.context.signal);
      if (this.#flags.has('R') && item.status.type === 'directory') await this.#run.attempt(item, () => this.#directory(item));
    }
  }

  #entries(directory: ExistingItem): AsyncIterable<FileStatus> {
    return directory.fileSystem.list(directory.path, { signal: this.#run.context.signal });
  }

  #order(rows: EntryRows): Uint32Array {
    const time = (row: number) => (this.#format.isAccessTime ? rows.accessTimeMs(row) : rows.modificationTimeMs(row));
    let compare = (a: number, b: number) => comparePrinted(rows.name(a), rows.name(b));
    if (this.#flags.has('S')) compare = (a, b) => rows.lengthBytes(b) - rows.lengthBytes(a);
    if (this.#flags.has('t')) compare = (a, b) => time(b) - time(a);
    return rows.sorted(this.#flags.has('r') ? (a, b) => compare(b, a) : compare);
  }

  /** True if it is time to let others have a turn. */
  #print(item: ExistingItem): boolean {
    const { sink } = this.#run.context;
    if (sink.isJson) sink.record(toEntryRecord(item.status, item.path));
    else sink.out(this.#line(item));
    return ++this.#lines % linesPerTurn === 0;
  }

  #line(item: ExistingItem): string {
    // HDFS's ? for what is no printable character, with -q; escapes otherwise, so that a name cannot drive the terminal.
    const shown = this.#flags.has('q') && !this.#flags.has('C') ? item.shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?') : escapeControls(item.shown);
    return this.#flags.has('C') ? shown : listingLine(item.status, shown, this.#widths, this.#format);
  }
}
