import type { Clock } from '../base/clock.js';
import type { CommandContext, CommandRegistry, OutputSink, Session } from '../commands/command.js';
import type { FeedItem } from '../protocol/cluster-events.js';
import type { MenuCandidate } from './completion-menu.js';
import type { Segment } from './styled-line.js';

/** What both shells, the live one and the plain one, are built from. */
export interface ShellOptions {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  session: Session;
  createContext(parts: { sink: OutputSink; signal: AbortSignal; input: AsyncIterable<Uint8Array> }): CommandContext | Promise<CommandContext>;
  /** Resolves to the exit code; failures are printed, not thrown. */
  runLine(line: string, context: CommandContext): Promise<number>;
  completer(line: string, cursor: number, context: CommandContext): Promise<ShellCompletion>;
  registry: CommandRegistry;
  /** Health and events until the signal aborts. May throw or end: it is opened again. */
  feed(signal: AbortSignal): AsyncIterable<FeedItem>;
  historyFile: string;
  /** host:port, as it is shown. */
  nameNodeAddress: string;
  clock: Clock;
  environment: NodeJS.ProcessEnv;
  settings?: ShellSettings;
}

/** What the user chose for good. */
export interface ShellSettings {
  /** The cluster's state above the prompt. */
  panel: boolean;
  /** Lines of the history that are looked at, 0 and up. */
  historySize: number;
  /** ASCII signs even where the terminal could show more. */
  ascii: boolean;
}

export const defaultSettings: ShellSettings = { panel: true, historySize: 10_000, ascii: false };

/** What could stand instead of [start, end) of the line; offsets in UTF-16 units. */
export interface ShellCompletion {
  start: number;
  end: number;
  candidates: readonly MenuCandidate[];
}

/** Cuts a line into styled pieces that add up to it. */
export type Highlight = (text: string) => readonly Segment[];
