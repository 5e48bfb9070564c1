import test from 'ava';
import { formatMode, formatOctal, formatPermission } from '../../../source/commands/format-mode.js';
import { listingTime, parseTouchTime, reportTime, statTime } from '../../../source/commands/format-time.js';
import { javaFloat } from '../../../source/commands/java-float.js';
import { firstWidths, growWidths, listingLine } from '../../../source/commands/listing.js';
import { parseModeChange } from '../../../source/commands/mode-change.js';
import { relativePath } from '../../../source/commands/path-item.js';
import { formatStat } from '../../../source/commands/stat.js';
import { formatTable } from '../../../source/commands/table.js';
import { EntryRows } from '../../../source/filesystem/entry-rows.js';
import { toJsonLine } from '../../../source/commands/json-line.js';
import { UsageError } from '../../../source/commands/command-errors.js';
import type { FileStatus } from '../../../source/protocol/file-status.js';

const status = (changes: Partial<FileStatus> = {}): FileStatus => ({
  name: 'f',
  inodeId: 7,
  type: 'file',
  lengthBytes: 8289,
  replication: 3,
  blockSizeBytes: 67_108_864,
  modificationTimeMs: 981_173_106_000,
  accessTimeMs: 1_012_709_106_000,
  permission: 0o644,
  owner: 'root',
  group: 'supergroup',
  isUnderConstruction: false,
  ...changes,
});

test('modes as letters, with the sticky bit', (t) => {
  t.is(formatPermission(0o644), 'rw-r--r--');
  t.is(formatPermission(0o1777), 'rwxrwxrwt');
  t.is(formatPermission(0o1770), 'rwxrwx--T');
  t.is(formatMode({ type: 'directory', permission: 0o755 }), 'drwxr-xr-x');
  t.is(formatOctal(0o1777), '1777');
  t.is(formatOctal(0), '0');
});

test('a line of ls, in HDFS\'s columns', (t) => {
  const plain = { isHuman: false, isAccessTime: false, isPolicyShown: false };
  const widths = firstWidths();
  growWidths(widths, status(), false);
  const time = listingTime(981_173_106_000);
  t.is(listingLine(status(), '/r.txt', widths, plain), `-rw-r--r--   3 root supergroup       8289 ${time} /r.txt`);
  t.is(listingLine(status({ type: 'directory', permission: 0o755, replication: 0, lengthBytes: 0 }), '/d', widths, plain), `drwxr-xr-x   - root supergroup          0 ${time} /d`);
  t.is(listingLine(status({ lengthBytes: 1_288_490_189 }), '/h', widths, { ...plain, isHuman: true }), `-rw-r--r--   3 root supergroup      1.2 G ${time} /h`);
  t.is(listingLine(status(), '/u', widths, { ...plain, isAccessTime: true }).slice(-19), `${listingTime(1_012_709_106_000)} /u`);
});

test('columns grow with the longest, and do not shrink again', (t) => {
  const widths = firstWidths();
  growWidths(widths, status({ owner: 'alexandrina', group: 'g', replication: 1234, lengthBytes: 123_456_789_012 }), false);
  growWidths(widths, status(), false);
  const line = listingLine(status(), 'x', widths, { isHuman: false, isAccessTime: false, isPolicyShown: false });
  t.is(line.slice(0, -19), '-rw-r--r--    3 root        supergroup         8289');
});

test('an escape sequence in an owner does not reach the terminal (fault 64)', (t) => {
  const line = listingLine(status({ owner: '\u001b[31mroot' }), 'x', { ...firstWidths(), owner: 4 }, { isHuman: false, isAccessTime: false, isPolicyShown: false });
  t.false(line.includes('\u001b'));
});

test('times of reports, of stat, and of touch', (t) => {
  t.is(statTime(981_173_106_000), '2001-02-03 04:05:06');
  t.regex(reportTime(1_795_371_911_000), /^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \S+ 2026$/);
  t.is(parseTouchTime('20010203:040506'), new Date(2001, 1, 3, 4, 5, 6).getTime());
  for (const wrong of ['2001-02-03', '20011303:000000', '20010230:000000', '20010203:250000', '20010203:006000', '20010203', '', '19500101:000000']) t.is(parseTouchTime(wrong), undefined, wrong);
});

test('numbers as Java prints single-precision ones', (t) => {
  t.deepEqual([0, 3, 100, 50, 53.846153846, 33.333333333, 66.666666, 2.5, 0.1, 1.1].map(javaFloat), ['0.0', '3.0', '100.0', '50.0', '53.846153', '33.333332', '66.666664', '2.5', '0.1', '1.1']);
});

for (const [mode, from, to, type] of [
  ['600', 0o1777, 0o1600, 'file'],
  ['0600', 0o1777, 0o600, 'file'],
  ['1777', 0o755, 0o1777, 'directory'],
  ['u=rwx,g=rx,o=r', 0, 0o754, 'file'],
  ['a-x', 0o777, 0o666, 'file'],
  ['+x', 0o600, 0o711, 'file'],
  ['ug+w,o-r', 0o444, 0o660, 'file'],
  ['a+X', 0o600, 0o600, 'file'],
  ['a+X', 0o610, 0o711, 'file'],
  ['a+X', 0o600, 0o711, 'directory'],
  ['+t', 0o755, 0o1755, 'directory'],
  ['u+t', 0o755, 0o755, 'directory'],
  ['-w', 0o666, 0o444, 'file'],
  ['u=r,u+w', 0, 0o600, 'file'],
  ['o=r', 0o1777, 0o774, 'file'],
  ['u+r,,g+w', 0, 0o420, 'file'],
] as const) {
  test(`chmod ${mode} makes ${from.toString(8)} of a ${type} ${to.toString(8)}`, (t) => {
    t.is(parseModeChange(mode)({ type, permission: from }).toString(8), to.toString(8));
  });
}

test('what is no mode is refused in HDFS\'s words', (t) => {
  for (const mode of ['888', 'abc', '7', '64', '2777', '07777', 'g=', '+rw-x', 'u', '', ',', 'u+s', 'rwx']) {
    t.is(t.throws(() => parseModeChange(mode), { instanceOf: UsageError })?.message, `chmod : mode '${mode}' does not match the expected pattern.`);
  }
});

test('a table aligns its columns and leaves no blanks at the end', (t) => {
  t.deepEqual(formatTable([['0', '0', '/d/empty'], ['10', '30', '/d/f'], ['6000', '18000', '/d/s1']]), ['0     0      /d/empty', '10    30     /d/f', '6000  18000  /d/s1']);
  t.deepEqual(formatTable([['Filesystem', 'Size', 'Use%'], ['dfs://h:1', '123456', '0%']], { rightAligned: [1, 2] }), ['Filesystem    Size  Use%', 'dfs://h:1   123456    0%']);
});

test('a format of stat', (t) => {
  const file = status({ lengthBytes: 5, permission: 0o640, owner: 'alice', group: 'eng' });
  t.is(formatStat('%a|%A|%b|%F|%g|%n|%o|%r|%u|%x|%X|%y|%Y', file, 'f'), '640|rw-r-----|5|regular file|eng|f|67108864|3|alice|2002-02-03 04:05:06|1012709106000|2001-02-03 04:05:06|981173106000');
  t.is(formatStat('%z %% %', file, 'f'), 'z % %');
  t.is(formatStat('%F %b', status({ type: 'directory', lengthBytes: 0 }), 'd'), 'directory 0');
});

test('a path as seen from a directory', (t) => {
  t.deepEqual(
    [['/u/me', '/u/me'], ['/u/me', '/u/me/a/b'], ['/u/me', '/u'], ['/u/me', '/'], ['/u/me', '/u/you'], ['/u/me', '/cmx'], ['/', '/a'], ['/', '/'], ['/u/me', '/u/mexico']].map(([from, to]) => relativePath(from!, to!)),
    ['.', 'a/b', '..', '../..', '../you', '../../cmx', 'a', '.', '../mexico'],
  );
});

test('rows hold what was added, and come out in any order', (t) => {
  const rows = new EntryRows();
  const all = Array.from({ length: 5000 }, (_, i) => status({ name: `n${i}`, inodeId: 2 ** 40 + i, lengthBytes: (i * 7919) % 5000, owner: `o${i % 3}`, type: i % 2 ? 'file' : 'directory', isUnderConstruction: i % 5 === 0, replication: i % 512, permission: i % 0o2000 }));
  for (const one of all) rows.add(one);
  t.is(rows.count, 5000);
  t.deepEqual(rows.get(0), all[0]);
  t.deepEqual(rows.get(4999), all[4999]);
  const bySize = [...rows.sorted((a, b) => rows.lengthBytes(b) - rows.lengthBytes(a))];
  t.deepEqual(bySize.slice(0, 2).map((row) => rows.get(row).lengthBytes), [4999, 4998]);
  t.deepEqual([...rows.sorted(() => 0)], all.map((_, i) => i));
});

test('a JSON line drives no terminal and says the same (fault 64)', (t) => {
  const record = { path: '/a\u001b]0;x\u0007\u009b31m\u202e\n' };
  const line = toJsonLine(record);
  // eslint-disable-next-line no-control-regex
  t.regex(line, /^[ -~]*$/);
  t.deepEqual(JSON.parse(line), record);
});
