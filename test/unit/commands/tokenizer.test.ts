import test from 'ava';
import fc from 'fast-check';
import { quote } from 'shell-quote';
import { quoteWord, tokenize } from '../../../source/commands/tokenizer.js';

const texts = (line: string) => tokenize(line).segments.map(({ words }) => words.map(({ text }) => text));

test('blanks separate words, quotes keep them together', (t) => {
  t.deepEqual(texts(`put  'my file'\t"a \\"b\\" c" x\\ y ""`), [['put', 'my file', 'a "b" c', 'x y', '']]);
});

test('quotes may stand inside a word', (t) => {
  t.deepEqual(texts(`a'b c'd"e f"g`), [['ab cde fg']]);
});

test('in single quotes nothing means anything; in double quotes a backslash before a letter stays', (t) => {
  t.deepEqual(texts(`'a\\b"c' "a\\nb\\\\c"`), [['a\\b"c', 'a\\nb\\c']]);
});

test('a semicolon and two ampersands end a command, not within quotes', (t) => {
  const { segments, operators } = tokenize(`ls /a;ls /b && rm 'x;y' "a&&b" p\\;q`);
  t.deepEqual(
    segments.map(({ words, operator }) => [words.map(({ text }) => text), operator]),
    [
      [['ls', '/a'], ';'],
      [['ls', '/b'], '&&'],
      [['rm', 'x;y', 'a&&b', 'p;q'], null],
    ],
  );
  t.deepEqual(operators, [
    { text: ';', start: 5, end: 6 },
    { text: '&&', start: 12, end: 14 },
  ]);
});

test('a comment begins where a word could', (t) => {
  t.deepEqual(texts('ls /a#b # the rest; of it'), [['ls', '/a#b']]);
  t.is(tokenize('ls # x').commentStart, 3);
  t.deepEqual(texts('# all of it'), [[]]);
  t.deepEqual(texts(`ls '#x'`), [['ls', '#x']]);
});

test('words know where they stand', (t) => {
  const line = `  put 'a b'/c  "x"`;
  const { words } = tokenize(line).segments[0]!;
  t.deepEqual(
    words.map(({ start, end, isQuoted }) => [line.slice(start, end), isQuoted]),
    [
      ['put', false],
      [`'a b'/c`, true],
      ['"x"', true],
    ],
  );
});

test('what is not closed is told, and its word is what is there so far', (t) => {
  for (const [line, unterminated, word] of [
    [`cat 'a b`, "'", 'a b'],
    [`cat "a b`, '"', 'a b'],
    [`cat "a \\"`, '"', 'a "'],
    ['cat a\\', '\\', 'a'],
  ] as const) {
    const tokens = tokenize(line);
    t.is(tokens.unterminated, unterminated, line);
    t.is(tokens.segments[0]!.words.at(-1)!.text, word, line);
    t.is(tokens.segments[0]!.words.at(-1)!.end, line.length, line);
  }
  t.is(tokenize(`cat 'a'`).unterminated, null);
});

const words = fc.array(fc.string({ unit: fc.oneof(fc.constantFrom(..." '\"\\;&#$`!*?[]{}()<>|~a/-"), fc.constantFrom('ü', '日', '😀', 'b')), minLength: 0, maxLength: 12 }), { minLength: 1, maxLength: 5 });

test('what quoteWord quotes is read as the same words', (t) => {
  fc.assert(
    fc.property(words, (all) => {
      const tokens = tokenize(all.map(quoteWord).join(' '));
      t.is(tokens.unterminated, null);
      t.deepEqual(tokens.segments.map((segment) => segment.words.map(({ text }) => text)), [all]);
    }),
    { numRuns: 1000 },
  );
});

test('what shell-quote quotes is read as the same words', (t) => {
  fc.assert(
    fc.property(words, (all) => {
      t.deepEqual(texts(quote(all)), [all]);
    }),
    { numRuns: 1000 },
  );
});

test('no line makes it throw, and the words cover no character twice', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..." '\"\\;&#ab") }), (line) => {
      let position = 0;
      for (const { words: found } of tokenize(line).segments) {
        for (const { start, end } of found) {
          t.true(start >= position && end > start && end <= line.length);
          position = end;
        }
      }
    }),
    { numRuns: 1000 },
  );
});
