import test from 'ava';
import type { CommandSpec } from '../../../source/commands/command.js';
import { UsageError } from '../../../source/commands/command-errors.js';
import { numberFlag, parseFlags } from '../../../source/commands/flags.js';

const spec: CommandSpec = {
  name: 'do',
  group: 'Files',
  summary: '',
  usage: '',
  flags: [
    { name: 'f', summary: '' },
    { name: 'skipTrash', summary: '' },
    { name: 't', value: 'n', summary: '' },
    { name: 'p', letters: 'top', summary: '' },
    { name: 'long', isLong: true, summary: '' },
    { name: 'with', isLong: true, value: 'x', summary: '' },
  ],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
};
const parse = (words: string[], changes: Partial<CommandSpec> = {}) => {
  const { flags, operands } = parseFlags({ ...spec, ...changes }, '-do', words);
  return [Object.fromEntries(flags), operands];
};

test('flags with one dash stand before the operands; behind them they are operands', (t) => {
  t.deepEqual(parse(['-f', '-skipTrash', '/a', '-f']), [{ f: true, skipTrash: true }, ['/a', '-f']]);
});

test('flags with two dashes stand anywhere', (t) => {
  t.deepEqual(parse(['/a', '--long', '/b', '--with', 'v']), [{ long: true, with: 'v' }, ['/a', '/b']]);
});

test('a flag is never joined with another, and one dash is not two', (t) => {
  for (const word of ['-fskipTrash', '-rf', '-z', '-5', '--f', '-long', '-pz']) {
    const error = t.throws(() => parse([word, '/a']), { instanceOf: UsageError });
    t.is(error.message, `Illegal option ${word}`);
  }
});

test('a dash alone is an operand, and two end the flags', (t) => {
  t.deepEqual(parse(['-', '/a']), [{}, ['-', '/a']]);
  t.deepEqual(parse(['-f', '--', '-f', '--long']), [{ f: true }, ['-f', '--long']]);
});

test('a flag with a value takes the next word', (t) => {
  t.deepEqual(parse(['-t', '4', '/a']), [{ t: '4' }, ['/a']]);
  t.throws(() => parse(['-t']), { instanceOf: UsageError });
});

test('letters may be joined to a flag that takes them', (t) => {
  t.deepEqual(parse(['-ptp', '/a']), [{ p: 'tp' }, ['/a']]);
  t.deepEqual(parse(['-p', '/a']), [{ p: true }, ['/a']]);
});

test('lenient: the first word that is no flag is the first operand', (t) => {
  t.deepEqual(parse(['-f', '-w', '/a'], { flagParsing: 'lenient' }), [{ f: true }, ['-w', '/a']]);
});

test('anywhere: HDFS\'s flags behind operands too', (t) => {
  t.deepEqual(parse(['/a', '-f'], { flagParsing: 'anywhere' }), [{ f: true }, ['/a']]);
});

test('own: every word is an operand', (t) => {
  t.deepEqual(parse(['/a', '-f', '--long', '--'], { flagParsing: 'own' }), [{}, ['/a', '-f', '--long', '--']]);
});

test('too few and too many operands are refused with the numbers', (t) => {
  t.is(t.throws(() => parse([]))?.message, 'Not enough arguments: expected 1 but got 0');
  const one = { arguments: [{ name: 'file', kind: 'remote-path' as const }] };
  t.is(t.throws(() => parse(['a', 'b'], one))?.message, 'Too many arguments: expected 1 but got 2');
  t.deepEqual(parse(['a'], { arguments: [...one.arguments, { name: 'x', kind: 'text', isOptional: true }] }), [{}, ['a']]);
});

test('a number is whole and at least what is asked', (t) => {
  const invocation = (value: string) => ({ typedName: 'do', flags: new Map([['t', value]]), operands: [] });
  t.is(numberFlag(invocation('4'), 't', 1), 4);
  t.is(numberFlag({ typedName: 'do', flags: new Map(), operands: [] }, 't', 7), 7);
  for (const value of ['0', '-1', 'x', '1.5', '', '1e3', '99999999999']) t.throws(() => numberFlag(invocation(value), 't', 1), { instanceOf: UsageError }, value);
});
