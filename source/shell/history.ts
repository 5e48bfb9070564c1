import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/**
 * What was typed before, newest last, shared by every shell of this user: one append-only file, 0600, an entry a line.
 *
 *   #dfsh history 1                  magic and format version
 *   1795366327123 put a.txt /b       when (ms since 1970), a blank, the line with \ as \\ and a newline as \n
 *
 * An entry is appended by one write, so that concurrent shells never mix theirs; `refresh` takes in what others appended.
 * Only the last maxReadBytes are read. A file that cannot be read or written costs the memory of past sessions, nothing else:
 * `problem` then says why.
 */
export class History {
  readonly #file: string;
  readonly #maxEntries: number;
  #entries: string[] = [];
  #readOffset = 0;
  #rest = '';
  #decoder = new StringDecoder('utf8');
  #problem: string | undefined;

  constructor(file: string, maxEntries = 10_000) {
    this.#file = file;
    this.#maxEntries = maxEntries;
    this.refresh();
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** Newest last; the array is not to be changed. */
  entries(): readonly string[] {
    return this.#entries;
  }

  /**
   * Remembers `line`. Not saved: blank lines, lines that begin with a blank (for what is not to be remembered), and the
   * same line twice in a row.
   */
  add(line: string, nowMs: number): void {
    this.refresh();
    if (line.trim() === '' || /^\s/.test(line) || line === this.#entries.at(-1)) return;
    const entry = Buffer.from(`${Math.round(nowMs)} ${escapeEntry(line)}\n`);
    try {
      this.#createIfMissing();
      const descriptor = openSync(this.#file, constants.O_WRONLY | constants.O_APPEND);
      try {
        writeSync(descriptor, entry);
      } finally {
        closeSync(descriptor);
      }
      this.refresh();
    } catch (error) {
      this.#problem = (error as Error).message;
      this.#keep([line]);
    }
  }

  /** Takes in what was appended since, by this shell or others: one fstat where nothing was. */
  refresh(): void {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.#file, 'r');
      const { size } = fstatSync(descriptor);
      if (size < this.#readOffset) this.#startOver();
      if (size - this.#readOffset > maxReadBytes) {
        this.#startOver();
        this.#readOffset = size - maxReadBytes;
      }
      const added: string[] = [];
      const buffer = Buffer.alloc(Math.min(64 * 1024, Math.max(1, size - this.#readOffset)));
      for (;;) {
        const count = readSync(descriptor, buffer, 0, buffer.length, this.#readOffset);
        if (count === 0) break;
        this.#readOffset += count;
        const lines = (this.#rest + this.#decoder.write(buffer.subarray(0, count))).split('\n');
        this.#rest = lines.pop()!;
        for (const line of lines) {
          // The header, and a first line that the limit cut, have no time before them.
          const match = /^\d+ (.+)$/s.exec(line);
          if (match) added.push(unescapeEntry(match[1]!));
        }
      }
      this.#keep(added);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#problem = (error as Error).message;
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  #createIfMissing(): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    try {
      const descriptor = openSync(this.#file, 'wx', 0o600);
      writeSync(descriptor, '#dfsh history 1\n');
      closeSync(descriptor);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }

  #startOver(): void {
    this.#entries = [];
    this.#readOffset = 0;
    this.#rest = '';
    this.#decoder = new StringDecoder('utf8');
  }

  #keep(added: string[]): void {
    if (added.length === 0) return;
    this.#entries = this.#maxEntries === 0 ? [] : [...this.#entries, ...added].slice(-this.#maxEntries);
  }
}

const maxReadBytes = 1024 * 1024;

const escapeEntry = (line: string) => line.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const unescapeEntry = (text: string) => text.replace(/\\([\\n])/g, (_, character: string) => (character === 'n' ? '\n' : '\\'));

/**
 * Walking through the history with the arrows: only lines that begin with what was typed, none of them twice.
 * `index` is into the entries; entries.length is the line being typed.
 */
export interface HistoryWalk {
  readonly prefix: string;
  readonly index: number;
}

/** The next older (-1) or newer (+1) line of the walk that differs from `shown`; undefined at its end. Going newer than the newest gives back the prefix. */
export function walkHistory(entries: readonly string[], walk: HistoryWalk, direction: -1 | 1, shown: string): { walk: HistoryWalk; line: string } | undefined {
  for (let index = walk.index + direction; index >= 0 && index < entries.length; index += direction) {
    const line = entries[index]!;
    if (line.startsWith(walk.prefix) && line !== shown) return { walk: { ...walk, index }, line };
  }
  if (direction === 1 && walk.index < entries.length) return { walk: { ...walk, index: entries.length }, line: walk.prefix };
  return undefined;
}

/** What the grey text after the cursor proposes: the rest of the newest line that begins with `text`; '' if none. One line, and nothing for an empty one. */
export function suggestFromHistory(entries: readonly string[], text: string): string {
  if (text.trim() === '' || text.includes('\n')) return '';
  for (let index = entries.length - 1; index >= 0; index--) {
    const line = entries[index]!;
    if (line.length > text.length && line.startsWith(text) && !line.includes('\n')) return line.slice(text.length);
  }
  return '';
}
