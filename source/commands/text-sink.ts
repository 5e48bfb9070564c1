import { type Clock, systemClock } from '../base/clock.js';
import { CancelledError } from '../protocol/errors.js';
import type { OperationOutcome, OperationProgress, OutputSink } from './command.js';
import { progressLine, summaryLines } from './progress-text.js';

/** What a sink needs of a stream: process.stdout has it. */
export interface TextStream {
  write(chunk: string | Uint8Array, callback?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface TextSinkOptions {
  stdout: TextStream;
  stderr: TextStream;
  /** Without a terminal: a line every 10% of a transfer. */
  isProgressWanted?: boolean;
  clock?: Clock;
}

export interface TextSink extends OutputSink {
  flush(): void;
}

const gatheredCharacters = 32 * 1024;
const redrawIntervalMs = 100;

/**
 * Lines to stdout and stderr; the sink of one-shot calls and scripts. Lines are gathered and written a few thousand at a time. A
 * transfer's progress is one line on stderr, redrawn, if that is a terminal.
 */
export function createTextSink(options: TextSinkOptions): TextSink {
  return new LineSink(options);
}

class LineSink implements TextSink {
  readonly isJson = false;
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;
  readonly #isProgressWanted: boolean;
  readonly #clock: Clock;
  #gathered: string[] = [];
  #length = 0;
  #isFlushDue = false;
  /** The progress line that stands on the terminal. */
  #isLineDrawn = false;
  #drawnMs = -Infinity;
  readonly #tenths = new Map<string, number>();

  constructor({ stdout, stderr, isProgressWanted = false, clock = systemClock }: TextSinkOptions) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#isProgressWanted = isProgressWanted;
    this.#clock = clock;
  }

  get isProgressShown(): boolean {
    return this.#isProgressWanted || (this.#stderr.isTTY ?? false);
  }

  out(line: string): void {
    this.#gathered.push(line, '\n');
    this.#length += line.length + 1;
    if (this.#length >= gatheredCharacters) this.flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(() => this.flush());
    }
  }

  err(line: string): void {
    // stdout first: on a terminal, what was said earlier stands above.
    this.flush();
    this.#clearProgress();
    this.#stderr.write(`${line}\n`);
  }

  notice(line: string): void {
    this.err(line);
  }

  record(): void {}

  async write(bytes: Uint8Array): Promise<void> {
    this.flush();
    this.#clearProgress();
    await new Promise<void>((resolve, reject) => {
      this.#stdout.write(bytes, (error) => {
        if (!error) resolve();
        else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new CancelledError('nobody reads the output any more') : error);
      });
    });
  }

  progress(id: string, progress: OperationProgress): void {
    if (this.#stderr.isTTY) this.#draw(progress);
    else if (this.#isProgressWanted) this.#sayTenths(id, progress);
  }

  end(id: string, outcome: OperationOutcome | undefined): void {
    this.#tenths.delete(id);
    if (!this.#stderr.isTTY && !this.#isProgressWanted) return;
    this.flush();
    this.#clearProgress();
    this.#drawnMs = -Infinity;
    for (const line of outcome ? summaryLines(outcome) : []) this.#stderr.write(`${line}\n`);
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#length === 0) return;
    const text = this.#gathered.join('');
    this.#gathered = [];
    this.#length = 0;
    this.#clearProgress();
    this.#stdout.write(text);
  }

  #draw(progress: OperationProgress): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#drawnMs < redrawIntervalMs) return;
    this.#drawnMs = nowMs;
    this.flush();
    const line = progressLine(progress, nowMs);
    const columns = this.#stderr.columns || 80;
    this.#stderr.write(`\r\u001b[K${[...line].slice(0, columns - 1).join('')}`);
    this.#isLineDrawn = true;
  }

  #clearProgress(): void {
    if (!this.#isLineDrawn) return;
    this.#isLineDrawn = false;
    this.#stderr.write('\r\u001b[K');
  }

  #sayTenths(id: string, progress: OperationProgress): void {
    const [done, total] = progress.steps ? [progress.steps.done, progress.steps.total] : [progress.doneBytes, progress.totalBytes];
    if (!total) return;
    const tenth = Math.floor((done * 10) / total);
    if (tenth <= (this.#tenths.get(id) ?? 0)) return;
    this.#tenths.set(id, tenth);
    this.flush();
    this.#stderr.write(`${progressLine(progress, this.#clock.monotonicMs())}\n`);
  }
}
