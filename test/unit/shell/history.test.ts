import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { History, suggestFromHistory, walkHistory } from '../../../source/shell/history.js';
import { HistorySearcher } from '../../../source/shell/history-search.js';

function temporaryFile(t: { teardown(clean: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-history-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'deep', 'history');
}

test('lines come back in another session, in a file that only its owner can read', (t) => {
  const file = temporaryFile(t);
  const history = new History(file);
  history.add('put a /b', 1000);
  history.add('echo "two\nlines" \\n', 2000);
  t.deepEqual(new History(file).entries(), ['put a /b', 'echo "two\nlines" \\n']);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.regex(readFileSync(file, 'utf8'), /^#dfsh history 1\n1000 put a \/b\n/);
});

test('any line comes back as it was typed', (t) => {
  const file = temporaryFile(t);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (typed) => {
      const line = typed.toWellFormed().replaceAll('\r', '');
      rmSync(file, { force: true });
      const history = new History(file);
      history.add(line, 1);
      const isKept = line.trim() !== '' && !/^\s/.test(line);
      const entries = new History(file).entries();
      return isKept ? entries.length === 1 && entries[0] === line : entries.length === 0;
    }),
    { numRuns: 100, examples: [['ls\u2028 /a'], ['ls\u2029/a\u0085']] },
  );
  t.pass();
});

test('blank lines, lines with a leading blank and repetitions are not saved', (t) => {
  const file = temporaryFile(t);
  const history = new History(file);
  for (const line of ['ls', 'ls', ' secret', '', '   ', 'pwd', 'ls']) history.add(line, 1);
  t.deepEqual(new History(file).entries(), ['ls', 'pwd', 'ls']);
  t.notRegex(readFileSync(file, 'utf8'), /secret/);
});

test('two shells share the file: each sees what the other typed, and nothing is lost', (t) => {
  const file = temporaryFile(t);
  const [one, two] = [new History(file), new History(file)];
  one.add('from one', 1);
  two.add('from two', 2);
  one.refresh();
  t.deepEqual(one.entries(), ['from one', 'from two']);
  t.deepEqual(two.entries(), ['from one', 'from two']);
  t.is(readFileSync(file, 'utf8').split('#dfsh').length, 2, 'one header');
});

test('half a line that another shell is writing is taken when it is whole', (t) => {
  const file = temporaryFile(t);
  const history = new History(file);
  history.add('ls', 1);
  appendFileSync(file, '17 ec');
  history.refresh();
  t.deepEqual(history.entries(), ['ls']);
  appendFileSync(file, 'ho é\n');
  history.refresh();
  t.deepEqual(history.entries(), ['ls', 'echo é']);
});

test('only so many lines are kept in memory, and a file of many megabytes is read from near its end', (t) => {
  const file = temporaryFile(t);
  new History(file).add('first', 1);
  appendFileSync(file, `${'2 a line of some length that fills the file\n'.repeat(60_000)}3 last\n`);
  const history = new History(file, 100);
  t.is(history.entries().length, 100);
  t.is(history.entries().at(-1), 'last');
});

test('a file that cannot be written costs nothing but the past', (t) => {
  const file = temporaryFile(t);
  new History(file).add('kept', 1);
  chmodSync(file, 0o400);
  const folder = join(file, '..');
  writeFileSync(join(folder, 'plain'), '');
  // Below a plain file nothing can be made, whoever we are.
  const history = new History(join(folder, 'plain', 'history'));
  history.add('typed', 1);
  t.deepEqual(history.entries(), ['typed']);
  t.truthy(history.problem);
});

test('the arrows walk through the lines that begin with what was typed, none of them twice in a row', (t) => {
  const entries = ['put a', 'ls /', 'put b', 'put b', 'pwd'];
  const first = walkHistory(entries, { prefix: 'pu', index: entries.length }, -1, 'pu');
  t.is(first?.line, 'put b');
  const second = walkHistory(entries, first!.walk, -1, first!.line);
  t.is(second?.line, 'put a');
  t.is(walkHistory(entries, second!.walk, -1, second!.line), undefined);
  const back = walkHistory(entries, second!.walk, 1, second!.line);
  t.is(back?.line, 'put b');
  t.is(walkHistory(entries, { prefix: 'pu', index: 3 }, 1, 'put b')?.line, 'pu', 'newer than the newest is what was typed');
});

test('the suggestion is the rest of the newest line that begins so', (t) => {
  const entries = ['put old /a', 'put new /b', 'echo "x\ny"'];
  t.is(suggestFromHistory(entries, 'put '), 'new /b');
  t.is(suggestFromHistory(entries, 'put o'), 'ld /a');
  t.is(suggestFromHistory(entries, 'put new /b'), '');
  t.is(suggestFromHistory(entries, 'echo'), '', 'never a line of several rows');
  t.is(suggestFromHistory(entries, ''), '');
});

test('the search is fuzzy, gives each line once, the newer first, and says which letters matched', (t) => {
  const searcher = new HistorySearcher(['put events.csv /data', 'ls', 'put other.csv /x', 'ls', 'mkdir /data/events']);
  t.deepEqual(searcher.find('').map(({ line }) => line), ['mkdir /data/events', 'ls', 'put other.csv /x', 'put events.csv /data']);
  const [best] = searcher.find('pevcsv');
  t.is(best?.line, 'put events.csv /data');
  t.is([...best!.positions].sort((a, b) => a - b).map((index) => best!.line[index]).join(''), 'pevcsv');
  t.deepEqual(searcher.find('zzz'), []);
});
