import { stripVTControlCharacters } from 'node:util';
import type { Clock, Timer } from '../base/clock.js';
import type { LiveRegion } from './live-region.js';
import { textWidth } from './styled-line.js';

/** What the scrollback needs of the live region. */
type Region = Pick<LiveRegion, 'mount' | 'unmount' | 'writeAbove'>;

/** Lines wait this long for others, ms: each write above the live region erases and redraws it. */
const batchMs = 20;
/** A batch this large (UTF-16 units) is written at once, so that the queue stays small. */
const maxBatchLength = 64 * 1024;
/** Lines kept to redraw the screen after a resize. */
const maxKeptLines = 300;
const maxKeptLineLength = 4000;

/**
 * What stays: lines above the live region, in order, in batches, and raw bytes. A terminal's stdout is written synchronously, so a slow
 * terminal slows the writer.
 */
export class Scrollback {
  readonly #region: Region;
  readonly #stdout: Pick<NodeJS.WriteStream, 'write'>;
  readonly #clock: Clock;
  /** Set after raw bytes that did not end a line: shown so that nobody takes it for a newline of the file. */
  readonly #noNewlineSign: string;
  #pending: string[] = [];
  #pendingLength = 0;
  #timer: Timer | undefined;
  #kept: string[] = [];
  #raw: { endsLine: boolean; needsReset: boolean } | undefined;
  #isHeld = false;

  constructor(options: { region: Region; stdout: Pick<NodeJS.WriteStream, 'write'>; clock: Clock; noNewlineSign: string }) {
    this.#region = options.region;
    this.#stdout = options.stdout;
    this.#clock = options.clock;
    this.#noNewlineSign = options.noNewlineSign;
  }

  /** One line, without its newline; it may hold colours. */
  line(text: string): void {
    this.#pending.push(text);
    this.#pendingLength += text.length + 1;
    if (this.#pendingLength > maxBatchLength) return this.flush();
    this.#timer ??= this.#clock.setTimer(() => this.flush(), batchMs);
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pending.length === 0 || this.#isHeld) return;
    this.endRaw();
    const lines = this.#pending;
    this.#pending = [];
    this.#pendingLength = 0;
    this.#keep(lines);
    this.#region.writeAbove(`${lines.join('\n')}\n`);
  }

  /** Bytes as they are. The live region goes away until `endRaw`, since they may end in the middle of a line. Resolves when the terminal has taken them. */
  async raw(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.flush();
    this.#raw ??= { endsLine: true, needsReset: false };
    this.#region.unmount();
    this.#raw.endsLine = bytes[bytes.length - 1] === 0x0a;
    // Colours and character sets that a file switches on must not stay on.
    this.#raw.needsReset ||= bytes.includes(0x1b) || bytes.includes(0x0e);
    this.#keep(Buffer.from(bytes.subarray(-maxKeptLineLength)).toString('utf8').split('\n').slice(-maxKeptLines));
    // The callback comes when the bytes are out, or the terminal is gone: then the caller may use its buffer again.
    await new Promise<void>((resolve) => this.#stdout.write(bytes, () => resolve()));
  }

  /** After raw bytes: ends their last line, and brings the live region back. */
  endRaw(): void {
    if (!this.#raw) return;
    const { endsLine, needsReset } = this.#raw;
    this.#raw = undefined;
    this.#stdout.write(`${needsReset ? '\u000f\u001b[0m' : ''}${endsLine ? '' : `${this.#noNewlineSign}\n`}`);
    this.#region.mount();
  }

  /** Nothing is written until `release`: the terminal is being resized. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Forgets what was written: a cleared screen stays clear at the next resize. */
  forget(): void {
    this.#kept = [];
  }

  /** The last lines, with their newlines, that together take at most `rowCount` rows of `columns`. */
  lastLines(rowCount: number, columns: number): string {
    let room = rowCount;
    let first = this.#kept.length;
    while (first > 0) {
      const width = textWidth(stripVTControlCharacters(this.#kept[first - 1]!));
      room -= Math.max(1, Math.ceil(width / Math.max(1, columns)));
      if (room < 0) break;
      first--;
    }
    return this.#kept.slice(first).map((line) => `${line}\n`).join('');
  }

  #keep(lines: string[]): void {
    for (const line of lines.slice(-maxKeptLines)) this.#kept.push(line.length > maxKeptLineLength ? line.slice(0, maxKeptLineLength) : line);
    if (this.#kept.length > 2 * maxKeptLines) this.#kept = this.#kept.slice(-maxKeptLines);
  }
}
