import test from 'ava';
import { compileGlob, escapeGlob, expandBraces, hasGlob, unescapeGlob } from '../../../source/filesystem/glob-pattern.js';
import { InvalidPathError } from '../../../source/protocol/errors.js';

const cases: [pattern: string, name: string, isMatch: boolean][] = [
  ['*', '', true],
  ['*', 'anything.txt', true],
  ['*.txt', 'a.txt', true],
  ['*.txt', 'a.txt.gz', false],
  ['a*b*c', 'a123b456c', true],
  ['a*b*c', 'acb', false],
  ['**', '.hidden', true],
  ['?', 'a', true],
  ['?', '😀', true],
  ['?', '', false],
  ['??', '日本', true],
  ['[abc]', 'b', true],
  ['[abc]', 'd', false],
  ['[a-cx]', 'x', true],
  ['[^a-c]', 'b', false],
  ['[!a-c]', 'd', true],
  ['[]a]', ']', true],
  ['[a-]', '-', true],
  ['[\\]]', ']', true],
  ['[a\\-c]', 'b', false],
  ['[а-я]', 'ж', true],
  ['f[1-2]', 'f2', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['a\\\\b', 'a\\b', true],
  ['{a,b}', 'b', true],
  ['{a,b}', '{a,b}', false],
  ['x{a,{b,c}d}y', 'xcdy', true],
  ['x{,z}', 'x', true],
  ['{a\\,b,c}', 'a,b', true],
  ['\\{a\\}', '{a}', true],
  ['a,b', 'a,b', true],
  ['a}', 'a}', true],
  ['a]', 'a]', true],
  ['a.c', 'abc', false],
  ['(a|b)$', '(a|b)$', true],
];
for (const [pattern, name, isMatch] of cases) {
  test(`${pattern} ${isMatch ? 'matches' : 'does not match'} ${JSON.stringify(name)}`, (t) => {
    t.is(compileGlob(pattern)(name), isMatch);
  });
}

test('a pattern of many stars takes no exponential time (fault 69)', (t) => {
  const matches = compileGlob(`${'*a'.repeat(60)}*b`);
  t.false(matches('a'.repeat(255)));
  t.true(matches(`${'a'.repeat(254)}b`));
});

test('braces stand for their alternatives in order, across slashes too', (t) => {
  t.deepEqual(expandBraces('/{a,b/c}/{1,2}'), ['/a/1', '/a/2', '/b/c/1', '/b/c/2']);
  t.deepEqual(expandBraces('[{,}]x'), ['[{,}]x']);
  t.deepEqual(expandBraces('\\{a,b\\}'), ['\\{a,b\\}']);
});

test('braces that stand for too much are refused, not expanded (fault 69)', (t) => {
  t.is(expandBraces('{a,b}'.repeat(9)).length, 512);
  t.throws(() => expandBraces('{a,b}'.repeat(10)), { instanceOf: InvalidPathError, message: /more than 1000 paths/ });
  t.throws(() => expandBraces('{a,b}'.repeat(9) + 'x'.repeat(5000)), { instanceOf: InvalidPathError });
  t.throws(() => expandBraces('{a,b}'.repeat(40)), { instanceOf: InvalidPathError });
});

test('what is not closed is refused with a hint', (t) => {
  t.throws(() => compileGlob('{a'), { instanceOf: InvalidPathError, message: /Unclosed group/ });
  t.throws(() => compileGlob('[a'), { instanceOf: InvalidPathError, message: /Unclosed character class/ });
  t.throws(() => compileGlob('['), { instanceOf: InvalidPathError });
});

test('a backslash takes the meaning from what follows', (t) => {
  t.true(hasGlob('a*'));
  t.false(hasGlob('a\\*'));
  t.true(hasGlob('a\\\\*'));
  t.false(hasGlob('a\\\\\\*'));
  t.false(hasGlob('a,b}]'));
  t.is(unescapeGlob('a\\*\\\\'), 'a*\\');
});

test('an escaped name is no glob and matches itself alone', (t) => {
  for (const name of ['a*b', '{x,y}', '[z]', 'a\\b', '?', 'plain', "it's", '*\\*']) {
    t.false(hasGlob(escapeGlob(name)), name);
    t.is(unescapeGlob(escapeGlob(name)), name);
    t.true(compileGlob(escapeGlob(name))(name));
  }
  t.false(compileGlob(escapeGlob('a*b'))('axb'));
});
