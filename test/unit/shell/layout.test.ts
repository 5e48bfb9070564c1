import test from 'ava';
import fc from 'fast-check';
import type { OperationProgress } from '../../../source/commands/command.js';
import { openMenu, selectInMenu } from '../../../source/shell/completion-menu.js';
import { asciiGlyphs, type Glyphs, unicodeGlyphs } from '../../../source/shell/glyphs.js';
import { HistorySearcher, openSearch } from '../../../source/shell/history-search.js';
import { layoutFrame } from '../../../source/shell/layout/frame-layout.js';
import { layoutInput } from '../../../source/shell/layout/input-layout.js';
import { editLine, emptyLine } from '../../../source/shell/line-editor.js';
import { createPaint } from '../../../source/shell/paint.js';
import { initialState, reduceShell, type ShellEvent, type ShellState } from '../../../source/shell/shell-state.js';
import { lineText, lineWidth, segment, textWidth } from '../../../source/shell/styled-line.js';
import { fixtureDegradedHealth, fixtureHealth, fixtureNode } from '../../helpers/fixture-cluster.js';

const plain = (text: string) => [segment(text)];

function stateAfter(events: ShellEvent[], size = { columns: 100, rows: 30 }): ShellState {
  return events.reduce(reduceShell, initialState({ ...size, promptLabel: 'dfs:/user/me', nameNodeAddress: '127.0.0.1:9870', hasPanel: true, nowMs: 0 }));
}

const rows = (state: ShellState, glyphs: Glyphs = unicodeGlyphs) => layoutFrame(state, glyphs, plain).lines.map((line) => lineText(line).trimEnd());
const typed = (text: string): ShellEvent => ({ type: 'edited', editor: editLine(emptyLine, { type: 'insert', text }) });
const healthy: ShellEvent = { type: 'health-came', health: fixtureHealth(), nowMs: 0 };
const degraded: ShellEvent = { type: 'health-came', health: fixtureDegradedHealth(), nowMs: 1000 };

const mebibyte = 1024 ** 2;
const putProgress: OperationProgress = {
  operation: 'put',
  source: 'events.csv',
  target: '/user/me/events.csv',
  startedMs: 0,
  doneBytes: 612 * mebibyte,
  totalBytes: 1024 * mebibyte,
  durableReplicaBytes: 0.46 * 3 * 1024 * mebibyte,
  replication: 3,
  blockIndex: 4,
  blockCount: 8,
  durableReplicaCounts: [3, 3, 3, 2, 0],
  nodes: ['dn1', 'dn3', 'dn4'],
};
const putting = (progress: Partial<OperationProgress> = {}, id = 'put-1'): ShellEvent[] => {
  const at = (doneBytes: number, nowMs: number): ShellEvent => ({ type: 'transfer-progressed', id, progress: { ...putProgress, ...progress, doneBytes }, nowMs });
  return [{ type: 'command-started', line: 'put events.csv', nowMs: 0 }, at(443.6 * mebibyte, 0), at(612 * mebibyte, 2000)];
};

test('idle, with a menu, looks as drawn in screen (a)', (t) => {
  const menu = openMenu([{ insert: '/user/me/', label: '/user/me/', isPartial: true }, { insert: '/user/me/logs/', label: '/user/me/logs/', isPartial: true }], { start: 15, end: 15, original: '' });
  const state = stateAfter([healthy, { type: 'edited', editor: typedLine('put events.csv '), menu }]);
  t.deepEqual(rows(state), [
    'HEALTHY  4/4 live · 38% of 2.0 TiB · 0 under-replicated · 0 missing · heartbeat 0.6 s',
    ' ● dn1 ███▎░░░░ 41%  in 12 MB/s      ● dn2 ██▉░░░░░ 37%  idle',
    ' ● dn3 ██▋░░░░░ 33%  idle            ● dn4 ███▏░░░░ 40%  out 3 MB/s',
    'dfs:/user/me> put events.csv',
    ' /user/me/        /user/me/logs/     Tab next · Shift-Tab back · Enter take · Esc close',
  ]);
  t.deepEqual(layoutFrame(state, unicodeGlyphs, plain).cursor, { x: 29, y: 3 });
});

test('a put looks as drawn in screen (b)', (t) => {
  const state = stateAfter([healthy, ...putting()]);
  t.deepEqual(rows(state), [
    'PUT events.csv → /user/me/events.csv                                     block 5/8 · dn1 → dn3 → dn4',
    ' sent  ████████████████▋░░░░░░░░░░░ 60%   612 MiB / 1.0 GiB   84.2 MiB/s   eta 0:05',
    ' repl  ████████████▉░░░░░░░░░░░░░░░ 46%   11/24 replicas      blocks 3 3 3 2 0 · · ·',
    ' [Ctrl-C] cancel',
    'HEALTHY  4/4 live · 0 in flight · heartbeat 0.6 s',
  ]);
  t.is(layoutFrame(state, unicodeGlyphs, plain).cursor, undefined);
});

test('a tree of files has the same bars, over all of its bytes, and says which file it is at', (t) => {
  const tree = { source: 'site', target: '/site', blockIndex: undefined, blockCount: undefined, durableReplicaCounts: undefined, nodes: undefined };
  t.deepEqual(rows(stateAfter([healthy, ...putting({ ...tree, doneFiles: 12, totalFiles: 340 })])).slice(0, 3), [
    'PUT site → /site                                                                         file 13/340',
    ' sent  ████████████████▋░░░░░░░░░░░ 60%   612 MiB / 1.0 GiB   84.2 MiB/s   eta 0:05',
    ' repl  ████████████▉░░░░░░░░░░░░░░░ 46%',
  ]);
  const unknown = rows(stateAfter([healthy, ...putting({ ...tree, totalBytes: undefined, doneFiles: 12 })]));
  t.true(unknown[0]!.endsWith(' 12 files'));
});

test('a transfer of unknown length has figures instead of bars', (t) => {
  const state = stateAfter([healthy, ...putting({ source: '-', totalBytes: undefined, blockIndex: undefined, blockCount: undefined, durableReplicaCounts: undefined, nodes: undefined })]);
  t.deepEqual(rows(state).slice(0, 3), ['PUT - → /user/me/events.csv', ' sent  612 MiB   84.2 MiB/s', ' repl  1.4 GiB durable of 1.8 GiB sent']);
});

test('what moves no bytes of ours counts its own steps, or only says how long it waits; without a target there is no arrow', (t) => {
  const decommission: OperationProgress = { operation: 'decommission', source: 'dn2', target: '', startedMs: 0, doneBytes: 0, steps: { done: 37, total: 74, unit: 'blocks' } };
  const at = (progress: OperationProgress): ShellEvent[] => [{ type: 'command-started', line: 'decommission dn2', nowMs: 0 }, ...[0, 12_000].map((nowMs): ShellEvent => ({ type: 'transfer-progressed', id: 'decommission-dn2', progress, nowMs }))];
  t.deepEqual(rows(stateAfter([healthy, ...at(decommission)])).slice(0, 2), ['DECOMMISSION dn2', ' done  ██████████████░░░░░░░░░░░░░░ 50%   37 / 74 blocks']);
  t.deepEqual(rows(stateAfter([healthy, ...at({ ...decommission, steps: null })])).slice(0, 2), ['DECOMMISSION dn2', ' waits 0:12']);
});

test('a dead node and its repair look as drawn in screen (c)', (t) => {
  const half: ShellEvent = { type: 'health-came', health: { ...fixtureDegradedHealth(), repair: { ...fixtureDegradedHealth().repair, doneBlocks: 163 } }, nowMs: -1000 };
  t.deepEqual(rows(stateAfter([healthy, half, degraded])), [
    'DEGRADED 3/4 live · 43 under-replicated · 0 missing',
    ' heal  ██████████████████████▎░░░░░ 80%   171/214 blocks   96.0 MiB/s   eta 0:11',
    '       blk_1073 dn1→dn2 74%   blk_1088 dn4→dn1 31%   +41 queued',
    ' ● dn1 ███▋░░░░ 46%↑ out 48 MB/s     ● dn2 ███▍░░░░ 43%↑ in 51 MB/s',
    ' ✗ dn3 DEAD 0:42                     ● dn4 ███▌░░░░ 44%↑ out 47 MB/s',
    'dfs:/user/me>',
    ' Tab complete · Ctrl-D leave · ? keys',
  ]);
});

test('below 80 columns health is one line, below 50 columns or 10 rows only the prompt is left', (t) => {
  t.deepEqual(rows(stateAfter([degraded], { columns: 79, rows: 30 })), ['DEGRADED 3/4 ✗dn3', 'dfs:/user/me>', ' Tab complete · Ctrl-D leave · ? keys']);
  t.deepEqual(rows(stateAfter([degraded], { columns: 49, rows: 30 })), ['dfs:/user/me>']);
  t.deepEqual(rows(stateAfter([degraded], { columns: 100, rows: 9 })), ['dfs:/user/me>']);
  t.deepEqual(rows(stateAfter([degraded, ...putting()], { columns: 40, rows: 30 })), ['put events.csv →…user/me/events.csv 60%']);
});

test('without a name node the panel says so, with a glyph and in words, and what to type', (t) => {
  t.is(rows(stateAfter([]))[0], '◐ connecting to the name node 127.0.0.1:9870');
  t.is(rows(stateAfter([{ type: 'feed-lost' }]))[0], '✗ name node 127.0.0.1:9870 does not answer; retrying · to start a local cluster type: cluster up');
  const lost = rows(stateAfter([healthy, { type: 'feed-lost' }]));
  t.is(lost[0], '✗ name node 127.0.0.1:9870 does not answer; retrying');
  t.false(lost.some((row) => row.includes('dn1')), 'no figures that nobody vouches for');
  t.true(rows(stateAfter([{ type: 'feed-lost' }, healthy]))[0]!.startsWith('HEALTHY'));
});

test('safe mode says how many blocks are reported', (t) => {
  const health = fixtureHealth({ status: 'SAFE MODE', safeMode: { isOn: true, reason: 'starting', reportedBlocks: 12, totalBlocks: 40 } });
  t.is(rows(stateAfter([{ type: 'health-came', health, nowMs: 0 }]))[0], 'SAFE MODE 4/4 live · 12/40 blocks reported · 0 under-replicated · 0 missing');
});

test('a name node that takes no changes for want of space says so', (t) => {
  const health = fixtureHealth({ status: 'DEGRADED', readOnlyReason: 'no space for /data/namenode: 12.0 M free' });
  t.true(rows(stateAfter([{ type: 'health-came', health, nowMs: 0 }]))[0]!.startsWith('DEGRADED 4/4 live · read-only: no space on the name node · 0 under-replicated'));
});

test('a node that is to go says so where its traffic stands', (t) => {
  const datanodes = [
    fixtureNode('dn1', { adminState: 'decommissioning', adminPendingBlocks: 12 }),
    fixtureNode('dn2', { adminState: 'decommissioned' }),
    fixtureNode('dn3', { adminState: 'in-maintenance', state: 'dead', sinceHeartbeatMs: 65_000 }),
    fixtureNode('dn4', { adminState: 'entering-maintenance' }),
  ];
  const shown = rows(stateAfter([{ type: 'health-came', health: fixtureHealth({ datanodes }), nowMs: 0 }])).join('\n');
  t.regex(shown, /dn1 \S+ 41% {2}emptying 12/);
  t.regex(shown, /dn2 \S+ 41% {2}decommissioned/);
  t.regex(shown, /✗ dn3 maintenance, 1:05/);
  t.regex(shown, /dn4 \S+ 41% {2}maintenance/);
});

test('of many nodes those in trouble are shown first, and the rest are counted', (t) => {
  const datanodes = Array.from({ length: 40 }, (_, index) => fixtureNode(`dn${index + 1}`, index === 30 ? { state: 'dead', sinceHeartbeatMs: 5000 } : index === 35 ? { state: 'stale', sinceHeartbeatMs: 4000 } : {}));
  const shown = rows(stateAfter([{ type: 'health-came', health: fixtureHealth({ datanodes }), nowMs: 0 }]));
  t.is(shown.length, 12);
  t.true(shown[1]!.startsWith(' ✗ dn31 DEAD 0:05'));
  t.true(shown[1]!.includes('◐ dn36 STALE 0:04'));
  t.true(shown.some((row) => row.endsWith('+23 more')));
});

test('a command that has just begun leaves the panel in its place; later it is named', (t) => {
  const started: ShellEvent = { type: 'command-started', line: 'ls -R /', nowMs: 1000 };
  const before = rows(stateAfter([healthy]));
  const quick = rows(stateAfter([healthy, started]));
  t.is(quick.length, before.length);
  t.deepEqual(quick.slice(0, 3), before.slice(0, 3));
  const slow = rows(stateAfter([healthy, started, { type: 'tick', nowMs: 3500 }]));
  t.regex(slow[0]!, /^\S ls -R \/ {2}2 s$/);
  t.is(slow[1], ' [Ctrl-C] cancel');
});

test('the help is the key table', (t) => {
  const help = rows(stateAfter([healthy, { type: 'help-toggled', isOpen: true }])).join('\n');
  for (const word of ['Ctrl-R', 'search the history', 'Tab', 'complete', 'Ctrl-C', 'Alt-Enter', '? F1']) t.true(help.includes(word), word);
  t.false(/top|background/.test(help));
});

test('a watched command shows in place, and says when it has more lines than fit', (t) => {
  const lines = Array.from({ length: 30 }, (_, index) => `row ${index + 1}`);
  const shown = rows(stateAfter([healthy, { type: 'command-started', line: 'watch ls', nowMs: 0 }, { type: 'screen-changed', lines }]));
  t.is(shown.length, 12);
  t.is(shown[0], 'row 1');
  t.is(shown[9], '… 21 more lines, printed in full at the end');
});

test('ASCII terminals get ASCII only', (t) => {
  const menu = openMenu([{ insert: 'put', label: 'put', description: 'copy', isPartial: false }, { insert: 'pwd', label: 'pwd', isPartial: false }], { start: 0, end: 1, original: 'p' });
  const states = [
    stateAfter([healthy, degraded]),
    stateAfter([healthy, ...putting()]),
    stateAfter([{ type: 'feed-lost' }]),
    stateAfter([healthy, { type: 'help-toggled', isOpen: true }]),
    stateAfter([healthy, { type: 'edited', editor: typedLine('p'), menu: selectInMenu(menu, 1) }]),
    stateAfter([healthy, { type: 'edited', editor: typedLine('a\nb'), suggestion: 'c' }]),
  ];
  for (const state of states) t.regex(rows(state, asciiGlyphs).join('\n'), /^[\n -~]*$/);
});

test('colour is never the only sign: without it every state is still told apart', (t) => {
  const paint = createPaint(0);
  const text = layoutFrame(stateAfter([degraded]), unicodeGlyphs, plain).lines.map(paint).join('\n');
  t.notRegex(text, /\u001b/);
  t.regex(text, /DEGRADED/);
  t.regex(text, /✗ dn3 DEAD/);
});

test('hostile names are escaped (fault 64)', (t) => {
  const text = rows(stateAfter([healthy, ...putting({ source: 'a\u001b]52;c;x\u0007', target: '/\u202eb' })])).join('\n');
  // eslint-disable-next-line no-control-regex
  t.notRegex(text, /[\u001b\u0007\u202e]/);
  t.regex(text, /a\\x1b\]52/);
});

test('at every size the region has at most 12 rows, fewer than the terminal, none wider than it, and the cursor in it', (t) => {
  const names = fc.string({ unit: 'grapheme', maxLength: 60 });
  const arbitraryState = fc
    .record({
      columns: fc.oneof(fc.constantFrom(40, 60, 80, 100), fc.integer({ min: 2, max: 200 })),
      rows: fc.integer({ min: 2, max: 60 }),
      text: fc.string({ unit: 'grapheme', maxLength: 300 }),
      suggestion: names,
      labels: fc.array(fc.record({ label: names, description: names }), { minLength: 1, maxLength: 40 }),
      selected: fc.nat(40),
      kind: fc.constantFrom('idle', 'menu', 'search', 'help', 'put', 'puts', 'stdin', 'busy', 'reading', 'hint'),
      cluster: fc.constantFrom('none', 'healthy', 'degraded', 'lost', 'large'),
      source: names,
    })
    .map(({ columns, rows: height, text, suggestion, labels, selected, kind, cluster, source }) => {
      const events: ShellEvent[] = [];
      if (cluster === 'healthy') events.push(healthy);
      if (cluster === 'degraded') events.push(degraded);
      if (cluster === 'lost') events.push(healthy, { type: 'feed-lost' });
      if (cluster === 'large') events.push({ type: 'health-came', health: fixtureHealth({ datanodes: Array.from({ length: 50 }, (_, index) => fixtureNode(`dn${index}`)) }), nowMs: 0 });
      const editor = typedLine(text);
      events.push({ type: 'edited', editor, suggestion });
      if (kind === 'menu') {
        const candidates = labels.map(({ label, description }) => ({ insert: label, label, description, isPartial: false }));
        events.push({ type: 'edited', editor, menu: { ...openMenu(candidates, { start: 0, end: 0, original: '' }), selectedIndex: selected % candidates.length } });
      }
      if (kind === 'search') events.push({ type: 'search-changed', search: openSearch(new HistorySearcher(labels.map(({ label }) => label)), '') });
      if (kind === 'help') events.push({ type: 'help-toggled', isOpen: true });
      if (kind === 'put') events.push(...putting({ source }));
      if (kind === 'puts') events.push(...labels.flatMap((_, index) => putting({ source }, `put-${index}`)));
      if (kind === 'stdin') events.push(...putting({ totalBytes: undefined, blockCount: undefined, failures: [{ datanode: 'dn2', reason: source }] }));
      if (kind === 'busy' || kind === 'reading') events.push({ type: 'command-started', line: text, nowMs: 0 }, { type: 'tick', nowMs: 5000 }, { type: 'command-reads', isReading: kind === 'reading' });
      if (kind === 'hint') events.push({ type: 'hinted', hint: 'no completion: the name node does not answer' });
      return stateAfter(events, { columns, rows: height });
    });
  fc.assert(
    fc.property(arbitraryState, fc.constantFrom(unicodeGlyphs, asciiGlyphs), (state, glyphs) => {
      const { columns, rows: height } = state.size;
      const { lines, cursor } = layoutFrame(state, glyphs, plain);
      if (lines.length > Math.min(12, height - 1)) throw new Error(`${lines.length} rows of ${height}`);
      for (const line of lines) if (lineWidth(line) > columns) throw new Error(`${lineWidth(line)} of ${columns} columns: ${lineText(line)}`);
      return !cursor || (cursor.y < lines.length && cursor.x <= columns);
    }),
    { numRuns: 1500 },
  );
  t.pass();
});

test('a long line wraps, and of more rows than fit those around the cursor are shown', (t) => {
  const common = { prompt: [segment('> ')], suggestion: '', columns: 10, continuation: '| ' };
  const short = layoutInput({ ...common, styledText: plain('abcdefgh'), cursor: 8, maxRows: 5 });
  t.deepEqual(short.lines.map(lineText), ['> abcdefgh', '']);
  t.deepEqual(short.cursor, { x: 0, y: 1 });
  const wide = layoutInput({ ...common, styledText: plain('1234567漢字'), cursor: 8, maxRows: 5 });
  t.deepEqual(wide.lines.map(lineText), ['> 1234567', '漢字'], 'a wide character is never cut');
  t.deepEqual(wide.cursor, { x: 2, y: 1 });
  const long = layoutInput({ ...common, styledText: plain('x'.repeat(95)), cursor: 0, maxRows: 3 });
  t.is(long.lines.length, 3);
  t.deepEqual(long.cursor, { x: 2, y: 0 });
  t.deepEqual(layoutInput({ ...common, styledText: plain('a\nb'), cursor: 3, maxRows: 3 }).lines.map(lineText), ['> a', '| b']);
});

test('widths of text are those of the terminal', (t) => {
  t.deepEqual(['abc', '漢字', 'e\u0301', '👨‍👩‍👧'].map(textWidth), [3, 4, 1, 2]);
});

function typedLine(text: string) {
  return editLine(emptyLine, { type: 'insert', text });
}
