import { escapeControls } from '../../base/text.js';
import type { MenuState } from '../completion-menu.js';
import { keyHelp } from '../keys.js';
import type { Glyphs } from '../glyphs.js';
import type { HistorySearch } from '../history-search.js';
import { padText, type Segment, segment, type StyledLine, textWidth, truncateLine, truncateText } from '../styled-line.js';

/** What stands under the prompt for a while: the completion menu, the list of Ctrl-R, the help. */

const gap = 3;

/** Candidates with descriptions: one a row. Without: as many beside each other as fit. Of more rows than `maxRows` those around the chosen one. */
export function menuLines(menu: MenuState, columns: number, maxRows: number, glyphs: Glyphs): StyledLine[] {
  const labels = menu.candidates.map(({ label }) => escapeControls(label));
  const widest = Math.max(...labels.map(textWidth));
  const isDescribed = menu.candidates.some(({ description }) => description);
  const labelColumns = Math.min(widest, Math.max(8, columns - gap), isDescribed ? 40 : columns - 2);
  const perRow = isDescribed ? 1 : Math.max(1, Math.floor((columns - 1) / (labelColumns + gap)));
  const rowCount = Math.ceil(labels.length / perRow);
  const selectedRow = Math.floor(Math.max(0, menu.selectedIndex) / perRow);
  const first = windowStart(rowCount, maxRows, selectedRow);
  const lines: StyledLine[] = [];
  for (let row = first; row < Math.min(rowCount, first + maxRows); row++) {
    const line: Segment[] = [];
    for (let index = row * perRow; index < Math.min(labels.length, (row + 1) * perRow); index++) {
      const isSelected = index === menu.selectedIndex;
      const label = truncateText(labels[index]!, labelColumns, glyphs.ellipsis);
      line.push(segment(isSelected ? glyphs.pointer : ' ', 'accent'), segment(label, isSelected ? 'selected' : 'plain'));
      const description = menu.candidates[index]!.description;
      const isLast = index === Math.min(labels.length, (row + 1) * perRow) - 1;
      if (!isLast || description) line.push(segment(' '.repeat(labelColumns - textWidth(label) + gap - 1)));
      if (description) line.push(segment(escapeControls(description), 'dim'));
    }
    lines.push(truncateLine(line, columns, glyphs.ellipsis));
  }
  return lines;
}

/** Past lines that match, the letters that matched set off. */
export function searchLines(search: HistorySearch, columns: number, maxRows: number, glyphs: Glyphs): StyledLine[] {
  if (search.matches.length === 0) return [[segment('  nothing like it in the history', 'dim')]];
  const first = windowStart(search.matches.length, maxRows, search.selectedIndex);
  return search.matches.slice(first, first + maxRows).map(({ line, positions }, row) => {
    const isSelected = first + row === search.selectedIndex;
    const pieces: Segment[] = [];
    [...line].forEach((character, index) => {
      const style = positions.has(index) ? 'match' : isSelected ? 'bold' : 'plain';
      const last = pieces.at(-1);
      const shown = character === '\n' ? ' ' : escapeControls(character);
      if (last && last.style === style) pieces[pieces.length - 1] = segment(last.text + shown, style);
      else pieces.push(segment(shown, style));
    });
    return truncateLine([segment(isSelected ? `${glyphs.pointer} ` : '  ', 'accent'), ...pieces], columns, glyphs.ellipsis);
  });
}

/** Every key of the table with its meaning, in columns read downwards. */
export function helpLines(columns: number, maxRows: number, glyphs: Glyphs): StyledLine[] {
  const entries = keyHelp().map(({ label, summary }) => ({ label: asciiKeys(label, glyphs), summary }));
  const labelColumns = Math.max(...entries.map(({ label }) => textWidth(label)));
  const cellColumns = labelColumns + 2 + Math.max(...entries.map(({ summary }) => textWidth(summary))) + 2;
  const perRow = Math.max(1, Math.floor(columns / cellColumns));
  const rowCount = Math.ceil(entries.length / perRow);
  const lines: StyledLine[] = [];
  for (let row = 0; row < Math.min(rowCount, maxRows); row++) {
    const line: Segment[] = [];
    for (let index = row; index < entries.length; index += rowCount) {
      const { label, summary } = entries[index]!;
      line.push(segment(` ${padText(label, labelColumns, glyphs.ellipsis)} `, 'accent'), segment(padText(summary, cellColumns - labelColumns - 2, glyphs.ellipsis)));
    }
    lines.push(truncateLine(line, columns, glyphs.ellipsis));
  }
  return lines;
}

/** The arrows of key names in words, where the terminal cannot show them. */
export function asciiKeys(label: string, glyphs: Glyphs): string {
  return glyphs.arrow === '→' ? label : label.replaceAll('→', 'Right').replaceAll('↑', 'Up').replaceAll('↓', 'Down');
}

function windowStart(count: number, size: number, selected: number): number {
  return Math.max(0, Math.min(count - size, selected - Math.floor(size / 2)));
}
