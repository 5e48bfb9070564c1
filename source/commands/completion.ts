import { resolve as resolveLocal } from 'node:path';
import { homedir } from 'node:os';
import { resolvePath } from '../base/path.js';
import { escapeGlob, hasGlob, unescapeGlob } from '../filesystem/glob-pattern.js';
import type { Command, CommandContext, CommandRegistry, CommandSpec } from './command.js';
import { flagText } from './command-errors.js';
import { formatBytes } from './progress-text.js';
import { quoteWord, tokenize } from './tokenizer.js';

/** One thing that could stand in the place of what is typed. */
export interface Candidate {
  /** Quoted, ready for the line. */
  insert: string;
  label: string;
  description?: string | undefined;
  /** More of the same word may follow: no blank behind it. */
  isPartial: boolean;
}

/** What could stand instead of [start, end) of the line; offsets in UTF-16 units. */
export interface Completion {
  start: number;
  end: number;
  candidates: Candidate[];
}

/** An entry of a directory, as far as completion shows it. */
export interface ListedName {
  name: string;
  isDirectory: boolean;
  lengthBytes: number;
}

/** Where names come from. A lister may throw, or list more than asked for: then nothing, or less, is offered. */
export interface CompletionSources {
  commands: CommandRegistry;
  /** Entries of a directory that begin with `prefix`, or more. */
  listRemote(directory: string, prefix: string): AsyncIterable<ListedName>;
  listLocal(directory: string, prefix: string): AsyncIterable<ListedName>;
  nodeNames(): Promise<string[]>;
  datanodeNames(): Promise<string[]>;
}

const maxCandidates = 200;

/** Completes for a shell: with the context's file systems and its working directories. */
export function complete(line: string, cursor: number, context: CommandContext): Promise<Completion> {
  const { session, signal } = context;
  return completeLine(line, cursor, {
    commands: context.commands,
    async *listRemote(directory, prefix) {
      const client = await context.client();
      // Near the prefix at once, where a directory is large: its entries come in the order of their names.
      for await (const { name, type, lengthBytes } of client.list(resolvePath(directory, session.workingDirectory), {
        startAfter: [...prefix].slice(0, -1).join(''),
        signal,
      })) {
        yield { name, isDirectory: type === 'directory', lengthBytes };
        if (prefix !== '' && !name.startsWith(prefix) && Buffer.compare(Buffer.from(name), Buffer.from(prefix)) > 0) return;
      }
    },
    async *listLocal(directory) {
      const path = directory === '~' || directory.startsWith('~/') ? homedir() + directory.slice(1) : resolveLocal(session.localDirectory, directory);
      for await (const { name, type, lengthBytes } of context.local.list(path, { signal }))
        yield { name, isDirectory: type === 'directory', lengthBytes };
    },
    async datanodeNames() {
      return (await (await context.client()).getDatanodes()).map(({ name }) => name);
    },
    async nodeNames() {
      return (await (await context.localCluster()).status()).map(({ name }) => name);
    },
  });
}

/** What could stand at `cursor` of `line`. Looks at nothing but what `sources` give. */
export async function completeLine(line: string, cursor: number, sources: CompletionSources): Promise<Completion> {
  const { segments, commentStart } = tokenize(line.slice(0, cursor));
  const none = { start: cursor, end: cursor, candidates: [] };
  if (commentStart < cursor) return none;
  const words = segments.at(-1)!.words;
  const last = words.at(-1);
  const isInWord = last !== undefined && last.end === cursor;
  const start = isInWord ? last.start : cursor;
  const before = (isInWord ? words.slice(0, -1) : words).map(({ text }) => text);
  const typed = isInWord ? last.text : '';
  const candidates = await completeWord(withoutPrefix(before), typed, sources);
  return { start, end: cursor, candidates: candidates.slice(0, maxCandidates) };
}

function withoutPrefix(words: string[]): string[] {
  if (words[0] !== 'hdfs' && words[0] !== 'hadoop') return words;
  return words.slice(['dfs', 'fs', 'dfsadmin'].includes(words[1] ?? '') ? 2 : 1);
}

async function completeWord(before: readonly string[], typed: string, sources: CompletionSources): Promise<Candidate[]> {
  const [name, ...words] = before;
  if (name === undefined) return commandNames(typed, sources.commands);
  const command = await sources.commands.find(name.replace(/^-/, ''))?.load();
  if (!command) return [];
  const { operands, isFlagAllowed, isValueExpected } = readWords(command, words);
  // A command that takes another one's line: `watch du -s /`.
  if (command.arguments[0]?.kind === 'command' && command.arguments[0].isRepeated && command.name === 'watch' && operands.length > 0)
    return completeWord(operands, typed, sources);
  if (isValueExpected) return [];
  if (typed.startsWith('-')) return flagNames(command, words, typed, isFlagAllowed);
  const kinds = argumentsAt(command, operands.length);
  const found = await Promise.all(kinds.map((argument) => completeArgument(argument, typed, sources)));
  return found.flat();
}

/** What stands before the cursor: how many operands, and whether a flag may follow. */
function readWords(command: Command, words: readonly string[]): { operands: string[]; isFlagAllowed: boolean; isValueExpected: boolean } {
  const operands: string[] = [];
  const isAnywhere = command.flagParsing === 'anywhere' || command.flagParsing === 'own';
  let isOver = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const flag = command.flags.find((one) => word === `${one.isLong ? '--' : '-'}${one.name}`);
    if (word === '--') isOver = true;
    else if (flag && !isOver && (operands.length === 0 || isAnywhere || flag.isLong)) {
      if (flag.value !== undefined && i === words.length - 1) return { operands, isFlagAllowed: false, isValueExpected: true };
      if (flag.value !== undefined) i++;
    } else operands.push(word);
    // The words of the command that watch repeats are its own.
    if (operands.length > 0 && command.name === 'watch')
      return { operands: [...operands, ...words.slice(i + 1)], isFlagAllowed: false, isValueExpected: false };
  }
  return { operands, isFlagAllowed: !isOver && (operands.length === 0 || isAnywhere), isValueExpected: false };
}

function commandNames(typed: string, commands: CommandRegistry): Candidate[] {
  const dash = typed.startsWith('-') ? '-' : '';
  const prefix = typed.slice(dash.length);
  return commands.entries.flatMap((entry) =>
    [entry.name, ...entry.aliases]
      .filter((name) => name.startsWith(prefix))
      .map((name) => ({ insert: dash + name, label: dash + name, description: entry.summary, isPartial: false })),
  );
}

function flagNames(command: CommandSpec, words: readonly string[], typed: string, isShortAllowed: boolean): Candidate[] {
  const all = [
    ...command.flags.map((flag) => ({
      text: `${flag.isLong ? '--' : '-'}${flag.name}`,
      label: flagText(flag),
      summary: flag.summary,
      isLong: flag.isLong ?? false,
    })),
    ...(command.flagParsing === 'own' ? [] : [{ text: '--json', label: '--json', summary: 'Print an object a line', isLong: true }]),
    { text: '--help', label: '--help', summary: `Explain ${command.name}`, isLong: true },
  ];
  return all
    .filter(({ text, isLong }) => text.startsWith(typed) && !words.includes(text) && (isLong || isShortAllowed))
    .map(({ text, label, summary }) => ({ insert: text, label, description: summary, isPartial: false }));
}

/** The arguments that may stand at a place: behind one that repeats, what follows it first. */
function argumentsAt(command: CommandSpec, index: number): CommandSpec['arguments'] {
  const repeated = command.arguments.findIndex(({ isRepeated }) => isRepeated);
  if (repeated === -1 || index < repeated) return command.arguments.slice(index, index + 1);
  if (index === repeated) return [command.arguments[repeated]!];
  return [...command.arguments.slice(repeated + 1), command.arguments[repeated]!];
}

async function completeArgument(argument: CommandSpec['arguments'][number], typed: string, sources: CompletionSources): Promise<Candidate[]> {
  switch (argument.kind) {
    case 'remote-path':
      return /^file:/i.test(typed) ? [] : pathNames(typed, sources.listRemote, argument.isDirectory ?? false);
    case 'local-path':
      return pathNames(typed, sources.listLocal, argument.isDirectory ?? false);
    case 'node':
      return words(await sources.nodeNames().catch(() => []), typed);
    case 'datanode':
      return words(await sources.datanodeNames().catch(() => []), typed);
    case 'command':
      return commandNames(typed, sources.commands);
    case 'text':
      return argument.name.includes(' | ') ? words(argument.name.split(' | '), typed) : [];
    case 'number':
      return [];
  }
}

function words(all: readonly string[], typed: string): Candidate[] {
  return all.filter((word) => word.startsWith(typed)).map((word) => ({ insert: word, label: word, isPartial: false }));
}

/** What is typed up to its last slash stays as it is; the name behind it is completed. */
async function pathNames(typed: string, list: CompletionSources['listRemote'], isDirectoryOnly: boolean): Promise<Candidate[]> {
  const slash = typed.lastIndexOf('/');
  const head = typed.slice(0, slash + 1);
  if (hasGlob(head)) return [];
  const prefix = unescapeGlob(typed.slice(slash + 1));
  const directory = unescapeGlob(head).replace(/^(?:dfs|hdfs):(?:\/\/[^/]*)?/i, '');
  const found: Candidate[] = [];
  try {
    for await (const entry of list(directory === '' ? '.' : directory, prefix)) {
      if (!entry.name.startsWith(prefix) || (isDirectoryOnly && !entry.isDirectory) || !isTypeable(entry.name)) continue;
      found.push(pathCandidate(head, entry));
      if (found.length === maxCandidates) break;
    }
  } catch {
    // Not there, not a directory, not allowed, nobody answers: there is nothing to offer.
  }
  return found;
}

function pathCandidate(head: string, { name, isDirectory, lengthBytes }: ListedName): Candidate {
  // A name that looks like a flag is none behind a dot and a slash.
  const isFlagLike = head === '' && name.startsWith('-');
  const word = `${isFlagLike ? './' : head}${escapeGlob(name)}${isDirectory ? '/' : ''}`;
  return {
    insert: quoteWord(word),
    label: isDirectory ? `${name}/` : name,
    description: isDirectory ? 'directory' : formatBytes(lengthBytes),
    isPartial: isDirectory,
  };
}

/** Names with what no keyboard types would garble the line. */
function isTypeable(name: string): boolean {
  return !/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(name);
}
