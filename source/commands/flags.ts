import type { CommandSpec, FlagSpec, Invocation } from './command.js';
import { UsageError } from './command-errors.js';

/**
 * Sorts the words after a command's name into flags and operands (Hadoop: CommandFormat). HDFS's flags have one dash, are never
 * joined, and stand before the operands unless the command says otherwise; ours have two dashes and stand anywhere. `-` alone is an
 * operand; `--` ends the flags. UsageError in HDFS's words for what the command does not know, and for too few or too many operands.
 */
export function parseFlags(spec: CommandSpec, typedName: string, words: readonly string[]): Invocation {
  const style = spec.flagParsing ?? 'before';
  const flags = new Map<string, string | true>();
  const operands: string[] = [];
  let areShortOver = style === 'own';
  let areAllOver = style === 'own';
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--' && !areAllOver) {
      areAllOver = true;
      continue;
    }
    const isLong = word.startsWith('--');
    const isFlag = !areAllOver && word.length > 1 && word.startsWith('-') && (isLong || !areShortOver);
    if (!isFlag) {
      operands.push(word);
      if (style !== 'anywhere') areShortOver = true;
      continue;
    }
    const flag = findFlag(spec, word);
    if (!flag) {
      if (style !== 'lenient' || isLong) throw new UsageError(`Illegal option ${word}`);
      operands.push(word);
      areShortOver = true;
    } else if (flag.value === undefined) {
      flags.set(flag.name, word.slice(flag.name.length + (isLong ? 2 : 1)) || true);
    } else {
      const value = words[++i];
      if (value === undefined) throw new UsageError(`Option ${word} needs a value: ${word} <${flag.value}>`);
      flags.set(flag.name, value);
    }
  }
  checkCount(spec, operands.length);
  return { typedName, flags, operands };
}

function findFlag(spec: CommandSpec, word: string): FlagSpec | undefined {
  const isLong = word.startsWith('--');
  const name = word.slice(isLong ? 2 : 1);
  return spec.flags.find((flag) => (flag.isLong ?? false) === isLong && (flag.name === name || hasLetters(flag, name)));
}

function hasLetters({ name, letters }: FlagSpec, typed: string): boolean {
  return letters !== undefined && typed.startsWith(name) && [...typed.slice(name.length)].every((letter) => letters.includes(letter));
}

function checkCount(spec: CommandSpec, count: number): void {
  const least = spec.arguments.filter((argument) => !argument.isOptional).length;
  const most = spec.arguments.some((argument) => argument.isRepeated) ? Infinity : spec.arguments.length;
  if (count < least) throw new UsageError(`Not enough arguments: expected ${least} but got ${count}`);
  if (count > most) throw new UsageError(`Too many arguments: expected ${most} but got ${count}`);
}

/** A flag's value as a whole number of at least `least`; UsageError otherwise. `fallback` if the flag was not given. */
export function numberFlag(invocation: Invocation, name: string, fallback: number, least = 1): number {
  const value = invocation.flags.get(name);
  if (value === undefined) return fallback;
  if (typeof value !== 'string' || !/^\d{1,9}$/.test(value) || Number(value) < least)
    throw new UsageError(`Option -${name}: a whole number of at least ${least} expected, not '${value}'`);
  return Number(value);
}
