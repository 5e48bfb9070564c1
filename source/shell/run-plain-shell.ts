import { createInterface, type Interface } from 'node:readline';
import { asJson } from '../commands/json-sink.js';
import { createTextSink } from '../commands/text-sink.js';
import { History } from './history.js';
import { silentSink } from './ink-sink.js';
import { emptyInput, LineInput } from './line-input.js';
import type { ShellOptions } from './shell-options.js';

/** Lines that wait while a command runs, at most: more are refused by not reading on. */
const maxWaitingLines = 1000;

/**
 * The shell without a live screen, for --plain, TERM=dumb and screen readers: a line in, lines out, progress as a line every 10%.
 * The same commands, completion and history. Ctrl-C cancels the command, else clears the line; Ctrl-D leaves. Resolves to the exit code.
 */
export async function runPlainShell(options: ShellOptions): Promise<number> {
  const shell = new PlainShell(options);
  return shell.run();
}

class PlainShell {
  readonly #options: ShellOptions;
  readonly #history: History;
  readonly #readline: Interface;
  readonly #waiting: string[] = [];
  #running: { abort: AbortController; input: LineInput; isReading: boolean } | undefined;
  #isLeaving = false;
  #isInputOver = false;
  #wake: (() => void) | undefined;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#history = new History(options.historyFile, options.settings?.historySize);
    this.#readline = createInterface({
      input: options.stdin,
      output: options.stdout,
      terminal: Boolean(options.stdin.isTTY && options.stdout.isTTY),
      history: [...this.#history.entries()].reverse(),
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (line: string, callback: (error: null, result: [string[], string]) => void) => {
        this.#complete(line).then((result) => callback(null, result), () => callback(null, [[], line]));
      },
    });
    options.session.history = () => [...this.#history.entries()];
    options.session.exit = () => (this.#isLeaving = true);
  }

  async run(): Promise<number> {
    const { stdout } = this.#options;
    let endSignal: NodeJS.Signals | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      endSignal = signal;
      this.#isLeaving = true;
      this.#running?.abort.abort();
      this.#running?.input.end();
      this.#wakeUp();
    };
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    this.#readline.on('line', (line) => this.#onLine(line));
    this.#readline.on('SIGINT', () => this.#onInterrupt());
    this.#readline.on('close', () => {
      this.#isInputOver = true;
      this.#running?.input.end();
      this.#wakeUp();
    });
    stdout.on('error', () => onSignal('SIGHUP'));
    try {
      while (!this.#isLeaving) {
        const line = await this.#nextLine();
        if (line === undefined) break;
        await this.#runLine(line);
      }
    } finally {
      for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
      this.#readline.close();
    }
    return endSignal === 'SIGTERM' ? 143 : endSignal === 'SIGHUP' ? 129 : 0;
  }

  #onLine(line: string): void {
    if (this.#running?.isReading) return this.#running.input.push(line);
    this.#waiting.push(line);
    if (this.#waiting.length >= maxWaitingLines) this.#readline.pause();
    this.#wakeUp();
  }

  #onInterrupt(): void {
    if (this.#running) {
      this.#waiting.length = 0;
      this.#running.abort.abort();
      this.#running.input.end();
      return;
    }
    // Ctrl-U and Ctrl-E of readline's own: the line goes, and a new prompt comes on the next row.
    this.#readline.write(null, { ctrl: true, name: 'e' });
    this.#readline.write(null, { ctrl: true, name: 'u' });
    this.#options.stdout.write('^C\n');
    this.#readline.prompt();
  }

  async #nextLine(): Promise<string | undefined> {
    if (this.#waiting.length === 0 && !this.#isInputOver) {
      this.#readline.setPrompt(`dfs:${this.#options.session.workingDirectory}> `);
      if (this.#options.stdin.isTTY) this.#readline.prompt();
    }
    while (this.#waiting.length === 0) {
      if (this.#isInputOver || this.#isLeaving) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const line = this.#waiting.shift()!;
    if (this.#waiting.length === 0 && !this.#isInputOver) this.#readline.resume();
    return line;
  }

  async #runLine(line: string): Promise<void> {
    if (line.trim() === '') return;
    const { stdout, stderr, session, clock } = this.#options;
    this.#history.add(line, clock.nowMs());
    const abort = new AbortController();
    const running = { abort, isReading: false, input: new LineInput((isReading) => (running.isReading = isReading)) };
    this.#running = running;
    // Without isTTY the sink does not redraw a line, which a screen reader would read again and again; it says every tenth.
    const text = createTextSink({ stdout, stderr: { write: (chunk, callback) => stderr.write(chunk, callback) }, isProgressWanted: true, clock });
    try {
      const context = await this.#options.createContext({ sink: session.isJson ? asJson(text) : text, signal: abort.signal, input: running.input });
      await this.#options.runLine(line, context);
    } catch (error) {
      stderr.write(`dfsh: ${error instanceof Error ? error.message : String(error)}\n`);
    } finally {
      text.flush();
      this.#running = undefined;
    }
  }

  async #complete(line: string): Promise<[string[], string]> {
    const abort = new AbortController();
    const context = await this.#options.createContext({ sink: silentSink, signal: abort.signal, input: emptyInput() });
    const timer = this.#options.clock.setTimer(() => abort.abort(), 3000);
    try {
      const gaveUp = new Promise<never>((_, reject) => abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error), { once: true }));
      const { start, end, candidates } = await Promise.race([this.#options.completer(line, line.length, context), gaveUp]);
      const isOne = candidates.length === 1;
      return [candidates.map(({ insert, isPartial }) => (isOne && !isPartial ? `${insert} ` : insert)), line.slice(start, end)];
    } finally {
      timer.cancel();
    }
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
