import { createRequire } from 'node:module';
import { spawn, type IPty } from '@lydell/node-pty';
import type { Terminal as XtermTerminal } from '@xterm/headless';

// A CommonJS bundle whose names Node cannot see from an import.
const { Terminal } = createRequire(import.meta.url)('@xterm/headless') as typeof import('@xterm/headless');

export interface TerminalOptions {
  command?: string;
  args: string[];
  columns?: number;
  rows?: number;
  cwd?: string;
  env?: Record<string, string | undefined>;
}

/**
 * A program in a real pseudo-terminal, its output read by a real terminal's parser: what a person would see. Every wait is for a
 * condition; one that does not come in time fails with the screen as it is.
 */
export class TerminalSession {
  readonly #pty: IPty;
  readonly #xterm: XtermTerminal;
  readonly #raw: string[] = [];
  readonly #listeners = new Set<() => void>();
  #pendingWrites = 0;
  exit: { exitCode: number; signal: number | undefined } | undefined;

  constructor(options: TerminalOptions) {
    const { columns = 100, rows = 30 } = options;
    const env: Record<string, string> = {};
    const wanted = { ...process.env, TERM: 'xterm-256color', CI: 'false', NO_COLOR: undefined, FORCE_COLOR: undefined, LINES: undefined, COLUMNS: undefined, ...options.env };
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;
    this.#xterm = new Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true });
    this.#pty = spawn(options.command ?? process.execPath, options.args, { name: env['TERM'], cols: columns, rows, cwd: options.cwd ?? process.cwd(), env });
    this.#pty.onData((data) => {
      this.#raw.push(data);
      this.#pendingWrites++;
      this.#xterm.write(data, () => {
        this.#pendingWrites--;
        this.#notify();
      });
    });
    // What the terminal answers to questions (cursor reports) goes back to the program.
    this.#xterm.onData((data) => this.#pty.write(data));
    this.#pty.onExit(({ exitCode, signal }) => {
      this.exit = { exitCode, signal };
      this.#notify();
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Every byte that the program wrote. */
  get raw(): string {
    return this.#raw.join('');
  }

  /** What is on the screen, a string a row, without blanks at their ends. */
  screen(): string[] {
    const buffer = this.#xterm.buffer.active;
    return Array.from({ length: this.#xterm.rows }, (_, row) => buffer.getLine(buffer.baseY + row)?.translateToString(true).trimEnd() ?? '');
  }

  /** The scrollback and the screen. */
  everything(): string[] {
    const buffer = this.#xterm.buffer.active;
    return Array.from({ length: buffer.length }, (_, row) => buffer.getLine(row)?.translateToString(true).trimEnd() ?? '');
  }

  get scrollbackLength(): number {
    return this.#xterm.buffer.active.baseY;
  }

  get isAlternateScreen(): boolean {
    return this.#xterm.buffer.active.type === 'alternate';
  }

  get isBracketedPaste(): boolean {
    return this.#xterm.modes.bracketedPasteMode;
  }

  /** Column and row on the screen, from 0. */
  get cursor(): { x: number; y: number } {
    const buffer = this.#xterm.buffer.active;
    return { x: buffer.cursorX, y: buffer.cursorY };
  }

  /** True if the last that the program said of the cursor was to show it. */
  get isCursorShown(): boolean {
    return this.raw.lastIndexOf('\u001b[?25h') >= this.raw.lastIndexOf('\u001b[?25l');
  }

  /** The cell's colour number (0 to 255), -1 for the default. */
  foregroundAt(x: number, y: number): number {
    const buffer = this.#xterm.buffer.active;
    const cell = buffer.getLine(buffer.baseY + y)?.getCell(x);
    return cell && !cell.isFgDefault() ? cell.getFgColor() : -1;
  }

  write(data: string): void {
    this.#pty.write(data);
  }

  /** Types one key after the other, as fast as the program takes them. */
  type(text: string): void {
    for (const character of text) this.#pty.write(character);
  }

  resize(columns: number, rows: number): void {
    this.#xterm.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** Waits for the condition; `what` says it in the failure. */
  async waitFor(condition: () => boolean, what: string, timeoutMs = 30_000): Promise<void> {
    if (this.#pendingWrites === 0 && condition()) return;
    await new Promise<void>((resolve, reject) => {
      const done = (end: () => void) => {
        clearTimeout(timer);
        this.#listeners.delete(check);
        end();
      };
      // Half of what has come shows nothing that anybody sees.
      const check = () => {
        if (this.#pendingWrites === 0 && condition()) done(resolve);
      };
      const timer = setTimeout(() => done(() => reject(new Error(`no ${what} within ${timeoutMs} ms${this.exit ? ` (exited with ${this.exit.exitCode})` : ''}; the screen:\n${this.dump()}`))), timeoutMs);
      this.#listeners.add(check);
      check();
    });
  }

  /** Waits until a row of the screen matches. */
  async waitForText(pattern: string | RegExp, timeoutMs?: number): Promise<void> {
    const matches = (line: string) => (typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line));
    await this.waitFor(() => this.screen().some(matches), `row with ${String(pattern)}`, timeoutMs);
  }

  /** The end of the program, when its last words have reached the screen. */
  async waitForExit(timeoutMs?: number): Promise<{ exitCode: number; signal: number | undefined }> {
    await this.waitFor(() => this.exit !== undefined && this.#pendingWrites === 0, 'end of the program', timeoutMs);
    return this.exit!;
  }

  dump(): string {
    const width = this.#xterm.cols;
    const bar = `+${'-'.repeat(width)}+`;
    return [bar, ...this.screen().map((line) => `|${line.padEnd(width)}|`), bar, `cursor ${this.cursor.x},${this.cursor.y}`].join('\n');
  }

  kill(signal = 'SIGKILL'): void {
    if (!this.exit) this.#pty.kill(signal);
  }

  /** Ends the program, if it still runs, and lets go of the terminal. */
  async close(): Promise<void> {
    if (!this.exit) {
      this.kill();
      await this.waitForExit().catch(() => {});
    }
    this.#xterm.dispose();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
