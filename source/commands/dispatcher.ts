import { setMaxListeners } from 'node:events';
import type { CommandContext, Invocation } from './command.js';
import { isCancellation, UsageError, usageLine } from './command-errors.js';
import { printFailure } from './failure.js';
import { parseFlags } from './flags.js';
import { asJson } from './json-sink.js';
import { tokenize } from './tokenizer.js';
import { escapeControls } from '../base/text.js';
import { DfsError, UnavailableError } from '../protocol/errors.js';

export const exitCodes = { fine: 0, failed: 1, unavailable: 2, cancelled: 130, usage: 255 } as const;

/**
 * Runs a line: its commands in turn, as `;` and `&&` say. Resolves to the exit code of the last command that ran (0 for an empty
 * line); never rejects for what a command throws: that is said on the sink's `err`.
 */
export async function runLine(line: string, context: CommandContext): Promise<number> {
  try {
    return await runSegments(line, context);
  } finally {
    context.sink.flush?.();
  }
}

async function runSegments(line: string, context: CommandContext): Promise<number> {
  const { segments, unterminated } = tokenize(line);
  if (unterminated) {
    const what = unterminated === '\\' ? 'nothing follows the backslash at the end' : `the quote ${unterminated} is never closed`;
    printFailure(context, { name: 'dfsh', error: new UsageError(`${what} of: ${line}`) });
    return exitCodes.usage;
  }
  // Files and calls side by side all listen to the one signal.
  setMaxListeners(0, context.signal);
  let code = 0;
  let isSkipped = false;
  for (const { words, operator } of segments) {
    if (words.length > 0 && !isSkipped)
      code = await runWords(
        words.map(({ text }) => text),
        context,
      );
    if (context.signal.aborted) return exitCodes.cancelled;
    // A skipped command leaves the code of what failed before it.
    isSkipped = operator === '&&' && code !== 0;
  }
  return code;
}

/** Runs one command, whose name is the first word. */
export async function runWords(words: readonly string[], context: CommandContext): Promise<number> {
  const [typedName = '', ...rest] = withoutPrefix(words);
  const entry = context.commands.find(typedName.replace(/^-/, ''));
  if (!entry) return refuseUnknown(typedName, context);
  const command = await entry.load();
  const asked = readCommonFlags(
    rest,
    command.flags.some(({ name }) => name === 'json'),
  );
  const inner = asked.isJson && !context.sink.isJson ? { ...context, sink: asJson(context.sink) } : context;
  try {
    if (asked.isHelp) return await runWords(['help', command.name], inner);
    const invocation: Invocation = parseFlags(command, typedName, asked.words);
    const code = await command.run(invocation, inner);
    return command.isAdmin && code === exitCodes.failed ? exitCodes.usage : code;
  } catch (error) {
    printFailure(inner, { name: error instanceof UsageError ? escapeControls(typedName) : escapeControls(typedName.replace(/^-/, '')), error });
    if (error instanceof UsageError && !inner.sink.isJson) inner.sink.err(usageLine(command));
    return exitCodeOf(error, inner, command.isAdmin ?? false);
  }
}

function exitCodeOf(error: unknown, context: CommandContext, isAdmin: boolean): number {
  if (isCancellation(error, context.signal)) return exitCodes.cancelled;
  if (error instanceof UnavailableError) return exitCodes.unavailable;
  if (error instanceof UsageError || isAdmin) return exitCodes.usage;
  // A refused argument is HDFS's 1 when the name node refuses it: usage is what is wrong before anything is asked.
  if (error instanceof DfsError && error.entry.exitCode !== exitCodes.usage) return error.entry.exitCode;
  return exitCodes.failed;
}

/** A line of a runbook may come with its program: `hdfs dfs -ls /`, `hadoop fs -ls /`, `hdfs dfsadmin -report`, `hdfs fsck /`. */
function withoutPrefix(words: readonly string[]): readonly string[] {
  if (words[0] !== 'hdfs' && words[0] !== 'hadoop') return words;
  const isTool = words[1] === 'dfs' || words[1] === 'fs' || words[1] === 'dfsadmin';
  return words.length > (isTool ? 2 : 1) ? words.slice(isTool ? 2 : 1) : ['help'];
}

/** `--json` and `--help` may stand in any command, before a `--`. */
function readCommonFlags(words: readonly string[], hasOwnJson: boolean): { words: string[]; isJson: boolean; isHelp: boolean } {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const flags = words.slice(0, end);
  return {
    words: [...flags.filter((word) => word !== '--help' && (word !== '--json' || hasOwnJson)), ...words.slice(end)],
    isJson: flags.includes('--json') && !hasOwnJson,
    isHelp: flags.includes('--help'),
  };
}

async function refuseUnknown(typedName: string, context: CommandContext): Promise<number> {
  printFailure(context, { name: escapeControls(typedName), error: new UsageError('Unknown command') });
  if (!context.sink.isJson) {
    context.sink.err('Usage: COMMAND [flags] [operands]; help lists the commands');
    const near = await nearestName(typedName.replace(/^-+/, ''), context);
    if (near !== undefined) context.sink.err(`Did you mean ${near}?`);
  }
  return exitCodes.usage;
}

async function nearestName(name: string, context: CommandContext): Promise<string | undefined> {
  // By its default: a bundle gives a CommonJS module no other name.
  const { closest, distance } = await import('fastest-levenshtein');
  const names = context.commands.entries.flatMap((entry) => [entry.name, ...entry.aliases]);
  const near = names.find((known) => known.toLowerCase() === name.toLowerCase()) ?? closest(name, names);
  // Two letters that changed places count as two.
  return distance(near.toLowerCase(), name.toLowerCase()) <= (name.length < 4 ? 1 : 2) ? near : undefined;
}
