import { type Clock, systemClock } from './clock.js';
import { escapeControls } from './text.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line an event: `2026-11-22T16:52:07.123Z WARN  dn3 no heartbeat for 3 s`. What users or peers sent is escaped. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

const order: LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Writes lines of `level` and above through `write` (each with its newline). */
export function createLogger(write: (line: string) => void, options: { level?: LogLevel; clock?: Clock } = {}): Logger {
  const { level = 'info', clock = systemClock } = options;
  const least = order.indexOf(level);
  const log = (at: LogLevel, message: string) => {
    if (order.indexOf(at) < least) return;
    write(`${new Date(clock.nowMs()).toISOString()} ${at.toUpperCase().padEnd(5)} ${escapeControls(message)}\n`);
  };
  return {
    debug: (message) => log('debug', message),
    info: (message) => log('info', message),
    warn: (message) => log('warn', message),
    error: (message, cause) => log('error', cause === undefined ? message : `${message}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`),
  };
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
