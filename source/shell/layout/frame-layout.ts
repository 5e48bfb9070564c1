import { footerKeys, menuKeys, promptKeys, runningKeys, searchKeys } from '../keys.js';
import type { Glyphs } from '../glyphs.js';
import type { ShellState } from '../shell-state.js';
import { lineWidth, type Segment, segment, type StyledLine, truncateLine } from '../styled-line.js';
import { type InputLayout, layoutInput, layoutPrompt } from './input-layout.js';
import { asciiKeys, helpLines, menuLines, searchLines } from './overlay-layout.js';
import { healLines, nodeLines, statusLine } from './panel-layout.js';
import { shortTransferLine, transferLines } from './transfer-layout.js';

export interface Frame {
  readonly lines: readonly StyledLine[];
  /** Column and row, from 0; undefined hides the cursor. */
  readonly cursor: { x: number; y: number } | undefined;
}

/** The live region is inline: at most so many rows, and one fewer than the terminal, so that scrollback stays native. */
export const maxLiveRows = 12;

/** Below these only the prompt is shown, and one row for what runs. */
const leastColumns = 50;
const leastRows = 10;

/** How long a command runs before the screen says so, ms: quick ones would only flicker. */
const quickCommandMs = 150;

/**
 * The whole live region for `state`: at most min(12, rows - 1) rows of at most `columns` columns. `highlight` cuts the line being
 * typed into styled pieces; they must add up to it.
 */
export function layoutFrame(state: ShellState, glyphs: Glyphs, highlight: (text: string) => readonly Segment[]): Frame {
  const { columns, rows } = state.size;
  const maxRows = Math.max(1, Math.min(maxLiveRows, rows - 1));
  const isSmall = columns < leastColumns || rows < leastRows;
  if (state.running && !state.running.isReading) return layoutRunning(state, maxRows, isSmall, glyphs);
  return layoutPrompting(state, maxRows, isSmall, glyphs, highlight);
}

function layoutRunning(state: ShellState, maxRows: number, isSmall: boolean, glyphs: Glyphs): Frame {
  const { columns } = state.size;
  const running = state.running!;
  if (isSmall) {
    const transfer = state.transfers[0];
    return { lines: [transfer ? shortTransferLine(transfer, columns, glyphs) : busyLine(state, columns, glyphs)].slice(0, maxRows), cursor: undefined };
  }
  // A quick command leaves the panel where it is: only the prompt's row is empty meanwhile.
  if (state.transfers.length === 0 && state.screen.length === 0 && state.nowMs - running.startedMs < quickCommandMs) {
    const panel = panelLines(state, maxRows - 2, glyphs);
    return { lines: [...panel, [], []], cursor: undefined };
  }
  const work: StyledLine[] = [];
  const heal = healLines(state, columns, glyphs);
  const isTroubled = heal.length > 0 || (state.health?.datanodes.some(({ state: nodeState }) => nodeState !== 'live') ?? false);
  // The footer and the status line come before a second transfer's bars; a repair and nodes in trouble too.
  const panelRows = 2 + (isTroubled ? heal.length + 2 : 0);
  const workRows = Math.max(3, maxRows - panelRows);
  for (const line of state.screen.slice(0, workRows)) work.push(truncateLine([segment(line)], columns, glyphs.ellipsis));
  if (state.screen.length > workRows) work.splice(workRows - 1, 1, [segment(`${glyphs.ellipsis} ${state.screen.length - workRows + 1} more lines, printed in full at the end`, 'dim')]);
  state.transfers.forEach((transfer, index) => {
    const long = transferLines(transfer, state.nowMs, columns, glyphs);
    const rest = state.transfers.length - index - 1;
    if (work.length + long.length + (rest > 0 ? 1 : 0) <= workRows) work.push(...long);
    else if (work.length + (rest > 0 ? 1 : 0) < workRows) work.push(shortTransferLine(transfer, columns, glyphs));
    else if (work.length < workRows) work.push([segment(`+${rest + 1} more`, 'dim')]);
  });
  if (work.length === 0) work.push(busyLine(state, columns, glyphs));
  const keys = footerKeys(runningKeys, { isLineEmpty: true, hasSuggestion: false, hasHistory: false });
  const footer: StyledLine = [segment(' '), ...keys.flatMap(({ label, text }) => [segment(`[${label}]`, 'accent'), segment(` ${text}   `, 'dim')])];
  const lines = [...work, footer];
  if (state.hasPanel) lines.push(statusLine(state, columns, glyphs), ...heal);
  if (state.hasPanel && isTroubled) lines.push(...nodeLines(state, columns, maxRows - lines.length, glyphs));
  return { lines: lines.slice(0, maxRows), cursor: undefined };
}

/** The status line, the repair and the nodes, in at most `maxRows` rows. */
function panelLines(state: ShellState, maxRows: number, glyphs: Glyphs): StyledLine[] {
  if (maxRows < 1 || !state.hasPanel) return [];
  const { columns } = state.size;
  const lines = [statusLine(state, columns, glyphs), ...healLines(state, columns, glyphs)].slice(0, maxRows);
  return [...lines, ...nodeLines(state, columns, maxRows - lines.length, glyphs)];
}

/** What runs, with a sign of life. */
function busyLine(state: ShellState, columns: number, glyphs: Glyphs): StyledLine {
  const { line, startedMs } = state.running!;
  const elapsedMs = state.nowMs - startedMs;
  const sign = glyphs.spinner[Math.floor(elapsedMs / spinnerIntervalMs) % glyphs.spinner.length]!;
  return truncateLine([segment(`${sign} `, 'accent'), segment(line.replaceAll('\n', ' ')), segment(`  ${Math.floor(elapsedMs / 1000)} s`, 'dim')], columns, glyphs.ellipsis);
}

export const spinnerIntervalMs = 120;

function layoutPrompting(state: ShellState, maxRows: number, isSmall: boolean, glyphs: Glyphs, highlight: (text: string) => readonly Segment[]): Frame {
  const { columns } = state.size;
  const input = layoutLine(state, Math.max(1, Math.min(isSmall ? 3 : 5, maxRows)), glyphs, highlight);
  let room = maxRows - input.lines.length;
  const below: StyledLine[] = [];
  const overlay = layoutOverlay(state, Math.max(0, state.isHelpOpen ? room : Math.min(room - 1, 7)), glyphs);
  const footer = state.isHelpOpen || (isSmall && overlay.length === 0) ? [] : footerLine(state, glyphs);
  // A menu of one row shares it with the footer, as long as both fit.
  const isShared = overlay.length === 1 && footer.length > 0 && lineWidth(overlay[0]!) + lineWidth(footer) + 4 <= columns;
  if (isShared) below.push([...overlay[0]!, segment(' '.repeat(Math.max(4, Math.min(34, columns - lineWidth(footer)) - lineWidth(overlay[0]!)))), ...footer]);
  else {
    below.push(...overlay);
    if (footer.length > 0 && below.length < room) below.push(truncateLine(footer, columns, glyphs.ellipsis));
  }
  room -= below.length;
  const above = isSmall || state.isHelpOpen ? [] : panelLines(state, room, glyphs);
  const lines = [...above, ...input.lines, ...below].slice(0, maxRows);
  return { lines, cursor: { x: input.cursor.x, y: Math.min(above.length + input.cursor.y, maxRows - 1) } };
}

function layoutLine(state: ShellState, maxRows: number, glyphs: Glyphs, highlight: (text: string) => readonly Segment[]): InputLayout {
  const { columns } = state.size;
  const common = { columns, maxRows, continuation: glyphs.continuation };
  if (state.search) {
    const { query } = state.search;
    return layoutInput({ ...common, prompt: [segment('history search', 'accent'), segment('> ')], styledText: [segment(query.text)], cursor: query.cursor, suggestion: '' });
  }
  const { text, cursor } = state.editor;
  if (state.running) return layoutInput({ ...common, prompt: [segment('input', 'accent'), segment('> ')], styledText: [segment(text)], cursor, suggestion: '' });
  const suggestion = cursor === text.length ? state.suggestion : '';
  return layoutInput({ ...common, prompt: layoutPrompt(state.promptLabel, columns, glyphs.ellipsis), styledText: highlight(text), cursor, suggestion });
}

function layoutOverlay(state: ShellState, maxRows: number, glyphs: Glyphs): StyledLine[] {
  if (maxRows < 1) return [];
  const { columns } = state.size;
  if (state.isHelpOpen) return helpLines(columns, maxRows, glyphs);
  if (state.search) return searchLines(state.search, columns, maxRows, glyphs);
  if (state.menu) return menuLines(state.menu, columns, maxRows, glyphs);
  return [];
}

function footerLine(state: ShellState, glyphs: Glyphs): Segment[] {
  if (state.hint !== undefined) return [segment(` ${state.hint}`, 'warning')];
  if (state.running) return [segment(' input of the command: Enter sends a line, Ctrl-D ends, Ctrl-C cancels', 'dim')];
  const table = state.search ? searchKeys : state.menu ? menuKeys : promptKeys;
  const situation = { isLineEmpty: state.editor.text === '', hasSuggestion: state.suggestion !== '' && state.editor.cursor === state.editor.text.length, hasHistory: state.hasHistory };
  const count = state.menu && state.menu.candidates.length > 7 ? [`${Math.max(0, state.menu.selectedIndex) + 1}/${state.menu.candidates.length}`] : [];
  const keys = footerKeys(table, situation).map(({ label, text }) => `${asciiKeys(label, glyphs)} ${text}`);
  return [segment(` ${[...count, ...keys].join(` ${glyphs.separator} `)}`, 'dim')];
}
