import { emitKeypressEvents } from 'node:readline';
import type { Clock, Timer } from '../base/clock.js';
import type { Key } from './keys.js';

const bracketedPasteOn = '\u001b[?2004h';
const bracketedPasteOff = '\u001b[?2004l';
const showCursor = '\u001b[?25h';
/** Resizing by hand gives many events: the screen is repainted when they have paused so long, ms. */
const resizePauseMs = 60;
/** How long after an escape character readline waits for the rest of a key's sequence, ms. */
const escapeCodeTimeout = 50;

export interface TerminalEvents {
  onKey(key: Key): void;
  /** A paste as one piece, newlines as `\n`. */
  onPaste(text: string): void;
  /** At once, for each event of a resize. */
  onResizeBegin(size: { columns: number; rows: number }): void;
  /** When events have paused. */
  onResizeEnd(size: { columns: number; rows: number }): void;
  /** After a stop (Ctrl-Z) the process goes on: raw mode is back, the screen is anybody's. */
  onContinue(): void;
  /** The terminal is about to be put back, whatever the reason: the shell's rows are to be taken from it, at once. */
  onRestore(): void;
  /** The terminal hung up, or a signal asks the process to end: 'SIGTERM', 'SIGHUP'; undefined where stdin ended or stdout broke. */
  onEnd(signal: NodeJS.Signals | undefined): void;
}

/**
 * The keyboard and the modes of the terminal. Keys come through readline's decoder, one event each, never batched: Ink's own
 * `useInput` merges what is typed fast. Whatever ends the process, the modes are put back.
 */
export class Terminal {
  readonly #stdin: NodeJS.ReadStream;
  readonly #stdout: NodeJS.WriteStream;
  readonly #clock: Clock;
  readonly #events: TerminalEvents;
  #isRaw = false;
  #paste: string[] | undefined;
  #resizeTimer: Timer | undefined;
  #continueTimer: Timer | undefined;

  constructor(options: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream; clock: Clock; events: TerminalEvents }) {
    this.#stdin = options.stdin;
    this.#stdout = options.stdout;
    this.#clock = options.clock;
    this.#events = options.events;
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#stdout.columns || 80, rows: this.#stdout.rows || 24 };
  }

  open(): void {
    emitKeypressEvents(this.#stdin, { escapeCodeTimeout } as unknown as Parameters<typeof emitKeypressEvents>[1]);
    this.#stdin.on('keypress', this.#onKeypress);
    this.#stdin.on('end', this.#onHangup);
    this.#stdin.on('error', this.#onHangup);
    this.#stdout.on('resize', this.#onResize);
    this.#stdout.on('error', this.#onHangup);
    for (const signal of endSignals) process.on(signal, this.#onEndSignal);
    process.on('SIGINT', this.#onInterruptSignal);
    process.on('SIGCONT', this.#onContinueSignal);
    process.on('exit', this.restore);
    process.on('uncaughtExceptionMonitor', this.restore);
    this.#begin();
  }

  close(): void {
    this.restore();
    this.#resizeTimer?.cancel();
    this.#continueTimer?.cancel();
    this.#stdin.off('keypress', this.#onKeypress);
    this.#stdin.off('end', this.#onHangup);
    this.#stdout.off('resize', this.#onResize);
    for (const signal of endSignals) process.off(signal, this.#onEndSignal);
    process.off('SIGINT', this.#onInterruptSignal);
    process.off('SIGCONT', this.#onContinueSignal);
    process.off('exit', this.restore);
    process.off('uncaughtExceptionMonitor', this.restore);
    // The error listeners stay: what comes late of a broken terminal is nobody's error.
    this.#stdin.pause();
    this.#stdin.unref();
  }

  /** Cursor, raw mode and bracketed paste as they were. Synchronous, and harmless when repeated. */
  restore = (): void => {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      this.#events.onRestore();
      if (!this.#stdout.destroyed) this.#stdout.write(bracketedPasteOff + showCursor);
      this.#stdin.setRawMode(false);
    } catch {
      // The terminal is gone: there is nothing left to put back.
    }
  };

  /**
   * Stops the process group, as the terminal's own Ctrl-Z would: npm or a script that started us stops with us. The caller has taken
   * its rows from the screen. `onContinue` comes when the shell brings us back, or soon if nobody could stop us (no job control).
   */
  stop(): void {
    this.restore();
    process.kill(0, 'SIGTSTP');
    this.#continueTimer = this.#clock.setTimer(this.#onContinueSignal, 200);
  }

  #begin(): void {
    this.#isRaw = true;
    this.#stdin.setRawMode(true);
    this.#stdin.resume();
    this.#stdin.ref();
    this.#stdout.write(bracketedPasteOn);
  }

  #onKeypress = (text: string | undefined, key: Omit<Key, 'text'>): void => {
    if (key.name === 'paste-start') {
      this.#paste = [];
      return;
    }
    if (!this.#paste) return this.#events.onKey({ ...key, text: isTyped(text) ? text : undefined });
    const isAbandoned = key.ctrl && key.name === 'c';
    if (key.name !== 'paste-end' && !isAbandoned) {
      if (key.name === 'return' || key.name === 'enter') this.#paste.push('\n');
      else if (text !== undefined) this.#paste.push(text);
      return;
    }
    const pasted = this.#paste.join('');
    this.#paste = undefined;
    this.#events.onPaste(pasted);
    if (isAbandoned) this.#events.onKey({ ...key, text: undefined });
  };

  #onResize = (): void => {
    this.#resizeTimer?.cancel();
    this.#events.onResizeBegin(this.size);
    this.#resizeTimer = this.#clock.setTimer(() => this.#events.onResizeEnd(this.size), resizePauseMs);
  };

  #onInterruptSignal = (): void => this.#events.onKey({ text: undefined, name: 'c', sequence: '\u0003', ctrl: true, meta: false, shift: false });

  #onEndSignal = (signal: NodeJS.Signals): void => this.#events.onEnd(signal);

  #onHangup = (): void => this.#events.onEnd(undefined);

  #onContinueSignal = (): void => {
    this.#continueTimer?.cancel();
    this.#continueTimer = undefined;
    // A stop from outside (kill -STOP) leaves our modes to whoever took the terminal since: they are set again in any case.
    this.#begin();
    this.#events.onContinue();
  };
}

const endSignals: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGQUIT'];

// eslint-disable-next-line no-control-regex
const isTyped = (text: string | undefined) => text !== undefined && text !== '' && !/^[\u0000-\u001f\u007f-\u009f]/.test(text);
