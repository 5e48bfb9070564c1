import type { Clock } from '../base/clock.js';
import type { DfsClient } from '../client/client-api.js';
import type { FileSystem, TransferProgress } from '../filesystem/file-system.js';
import type { LocalCluster } from '../cluster/local-cluster.js';

/** How an argument completes: `node` is one of this machine's, `datanode` one of the cluster that the shell is connected to. A `text` whose name is `up | down | status` is one of these words. */
export type ArgumentKind = 'remote-path' | 'local-path' | 'text' | 'number' | 'node' | 'datanode' | 'command';

export interface FlagSpec {
  /** Without dashes: `R`, `skipTrash`, `progress`. One dash (HDFS's) unless `isLong`. */
  name: string;
  isLong?: boolean;
  /** Takes the next word as its value, named so in the usage. */
  value?: string;
  /** Takes letters joined to it (cp -p[topax]). */
  letters?: string;
  summary: string;
}

export interface CommandSpec {
  name: string;
  aliases?: string[];
  /** One line for help and for the completion menu. */
  summary: string;
  /** Groups the commands in `help`: Files, Space, Cluster, Shell. */
  group: 'Files' | 'Space' | 'Cluster' | 'Shell';
  /** After the flags, as in HDFS's usage: `[-f] [-p] <localsrc> ... <dst>`. Flags are put in front from `flags` unless given here. */
  usage: string;
  flags: FlagSpec[];
  /** In order; the last one repeats if `...`. */
  arguments: {
    name: string;
    kind: ArgumentKind;
    isOptional?: boolean;
    isRepeated?: boolean;
    /** Of a path: only directories complete. */
    isDirectory?: boolean;
  }[];
  /** Longer help: a paragraph, and examples. */
  description?: string;
  examples?: string[];
  /** The command changes or reads only this machine or this shell: no name node is needed. */
  needsNameNode?: false;
  /**
   * Where flags stand. `before`: one-dash flags before the operands (HDFS's file commands, the default). `anywhere`: after operands too
   * (fsck, report). `lenient`: like `before`, but a word that is no flag of the command is an operand (chmod -w). `own`: the command
   * gets every word as an operand (find). Flags with two dashes stand anywhere in all but the last.
   */
  flagParsing?: 'before' | 'anywhere' | 'lenient' | 'own';
  /** One of HDFS's administration tools: every failure is 255, and its usage begins with `hdfs dfsadmin`. */
  isAdmin?: true;
}

/** A command is one object. `run` resolves to the exit code; an error that it throws is printed and mapped by the dispatcher. */
export interface Command extends CommandSpec {
  run(invocation: Invocation, context: CommandContext): Promise<number>;
}

/** What is known of a command before its code is loaded: enough to find it and to list it. */
export interface CommandEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly group: CommandSpec['group'];
  load(): Promise<Command>;
}

/** All commands, each loaded on its first use, so that a one-shot call pays for its own command only. */
export interface CommandRegistry {
  readonly entries: readonly CommandEntry[];
  /** By name or alias, without a dash. */
  find(name: string): CommandEntry | undefined;
  /** Every command, in the order of `entries`: for completion and for the usage of all. */
  loadAll(): Promise<readonly Command[]>;
}

export interface Invocation {
  /** As typed, with its dash if it had one: error lines begin with it. */
  typedName: string;
  flags: ReadonlyMap<string, string | true>;
  operands: string[];
}

/** What a command may touch. Knows nothing of React. */
export interface CommandContext {
  readonly sink: OutputSink;
  readonly signal: AbortSignal;
  readonly session: Session;
  /** Connects on first use. UnavailableError when no name node answers. */
  client(): Promise<DfsClient>;
  remote(): Promise<FileSystem>;
  readonly local: FileSystem;
  readonly localCluster: () => Promise<LocalCluster>;
  /** stdin, where a command reads it (`put - /f`). */
  readonly input: AsyncIterable<Uint8Array>;
  /** For `help`, `watch` and others that run or list commands. */
  readonly commands: CommandRegistry;
  readonly clock: Clock;
}

/** What a shell keeps between commands. */
export interface Session {
  user: string;
  /** Remote working directory: /user/NAME at first, whether it exists or not. */
  workingDirectory: string;
  localDirectory: string;
  isJson: boolean;
  /** Set in the interactive shell: commands that would end ask for it (`exit`). */
  exit?: () => void;
  /** Newest last; the shell fills it. */
  history: () => string[];
}

/**
 * Where a command's output goes. Text, JSON and the Ink shell implement it; tests record. Lines are without their newline and
 * already escaped where they hold a user's or a server's text.
 */
export interface OutputSink {
  out(line: string): void;
  err(line: string): void;
  /** On stderr too, but nothing failed: `Moved: '/x' to trash at: ...`. Where there is none, `err` takes it. */
  notice?(line: string): void;
  /** One object a line with --json; nothing otherwise. A command calls this for each thing it also says with `out`. */
  record(record: object): void;
  readonly isJson: boolean;
  /** Somebody watches `progress`: then it pays to find out how much there is in all. */
  readonly isProgressShown?: boolean | undefined;
  /** Raw bytes of `cat`, with back-pressure. Not escaped. */
  write(bytes: Uint8Array): Promise<void>;
  /** A transfer (or a wait) goes on: `id` names it, `progress` is the newest state. Never on stdout. */
  progress(id: string, progress: OperationProgress): void;
  /** Hands over lines that are still gathered; the dispatcher asks for it at the end of a line. They go by themselves, too, soon after. */
  flush?(): void;
  /** It ended: one summary line where a person watches (`✓ put my data.csv → ...`); without an outcome, none. */
  end(id: string, outcome: OperationOutcome | undefined): void;
  /**
   * Only where a person watches a screen that redraws itself, and that shows cluster events by itself (the Ink shell): `show` puts lines
   * in place of those shown before, `keep` prints the last ones for good. Elsewhere a command prints each time (`watch`).
   */
  readonly screen?: { show(lines: readonly string[]): void; keep(): void } | undefined;
}

export interface OperationProgress extends TransferProgress {
  /** `put`, `get`, `setrep` */
  operation: string;
  source: string;
  target: string;
  startedMs: number;
  /** Of a tree: files done, and how many there are, as far as known. */
  doneFiles?: number | undefined;
  totalFiles?: number | undefined;
  /** Where no bytes of ours are moved, what counts in place of them: `3 / 74 blocks`; null: nothing does, or not yet. */
  steps?: { done: number; total: number; unit: string } | null;
}

export interface OperationOutcome {
  result: 'done' | 'failed' | 'cancelled';
  operation: string;
  source: string;
  target: string;
  /** Undefined where no bytes of ours were moved. */
  bytes: number | undefined;
  durationMs: number;
  blockCount?: number;
  replication?: number;
  /** Nodes that were dropped, blocks that are degraded: words for people. */
  notes: string[];
}
