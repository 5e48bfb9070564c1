import type { Clock } from '../base/clock.js';
import type { OperationOutcome, OperationProgress, OutputSink } from '../commands/command.js';
import { summaryLines } from '../commands/progress-text.js';
import type { Glyphs } from './glyphs.js';
import type { Paint } from './paint.js';
import type { Scrollback } from './scrollback.js';
import type { ShellStore } from './shell-store.js';
import { segment, type StyleName } from './styled-line.js';

/** The sink of the live shell: lines go above the live region, progress into it, and one summary line a transfer stays. */
export class InkSink implements OutputSink {
  readonly isJson = false;
  readonly isProgressShown = true;
  readonly #scrollback: Scrollback;
  readonly #store: ShellStore;
  readonly #clock: Clock;
  readonly #paint: Paint;
  readonly #glyphs: Glyphs;
  #screenLines: readonly string[] = [];

  constructor(options: { scrollback: Scrollback; store: ShellStore; clock: Clock; paint: Paint; glyphs: Glyphs }) {
    this.#scrollback = options.scrollback;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#paint = options.paint;
    this.#glyphs = options.glyphs;
  }

  out(line: string): void {
    this.#scrollback.line(line);
  }

  err(line: string): void {
    this.#scrollback.line(this.#paint([segment(line, 'bad')]));
  }

  record(): void {}

  write(bytes: Uint8Array): Promise<void> {
    return this.#scrollback.raw(bytes);
  }

  progress(id: string, progress: OperationProgress): void {
    this.#store.dispatch({ type: 'transfer-progressed', id, progress, nowMs: this.#clock.monotonicMs() });
  }

  /** The text is the one-shot sink's; only colours, and glyphs that the terminal can show, are ours. */
  end(id: string, outcome: OperationOutcome | undefined): void {
    this.#store.dispatch({ type: 'transfer-ended', id });
    if (!outcome) return;
    const [summary = '', ...notes] = summaryLines(outcome).map((line) => this.#glyphs.inText(line));
    const signLength = summary.indexOf(' ');
    this.#scrollback.line(this.#paint([segment(summary.slice(0, signLength), resultStyles[outcome.result]), segment(summary.slice(signLength))]));
    for (const note of notes) this.#scrollback.line(this.#paint([segment(note, 'warning')]));
  }

  /** `watch` shows its newest round in place; the last one stays, in the scrollback. */
  readonly screen = {
    show: (lines: readonly string[]): void => {
      this.#screenLines = lines;
      this.#store.dispatch({ type: 'screen-changed', lines });
    },
    keep: (): void => {
      for (const line of this.#screenLines) this.#scrollback.line(line);
      this.screen.show([]);
    },
  };
}

const resultStyles: Record<OperationOutcome['result'], StyleName> = { done: 'good', failed: 'bad', cancelled: 'warning' };

/** For completion: a command's context needs a sink, and nothing is to be shown. */
export const silentSink: OutputSink = {
  isJson: false,
  out() {},
  err() {},
  record() {},
  async write() {},
  progress() {},
  end() {},
};
