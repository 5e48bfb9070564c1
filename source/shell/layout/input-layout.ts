import { escapeControls } from '../../base/text.js';
import { graphemes } from '../graphemes.js';
import { lineWidth, type Segment, segment, type StyledLine, type StyleName, textWidth, truncateMiddle } from '../styled-line.js';

export interface InputLayout {
  readonly lines: StyledLine[];
  /** Where the cursor stands: column and row, from 0, in `lines`. */
  readonly cursor: { x: number; y: number };
}

/**
 * The prompt and the line being typed, wrapped at `columns`; of more than `maxRows` rows those around the cursor. `styledText` is the
 * line cut into styled pieces; `cursor` an offset into it (UTF-16 units). The suggestion stands behind the text, and only as far as the row goes.
 */
export function layoutInput(options: {
  prompt: readonly Segment[];
  styledText: readonly Segment[];
  cursor: number;
  suggestion: string;
  columns: number;
  maxRows: number;
  continuation: string;
}): InputLayout {
  const { styledText, cursor, columns, maxRows } = options;
  // A terminal too narrow for the prompt shows the text alone.
  const prompt = lineWidth(options.prompt) < columns ? options.prompt : [];
  const continuation = textWidth(options.continuation) < columns ? options.continuation : '';
  const rows: Segment[][] = [[]];
  let x = 0;
  let cursorAt: { x: number; y: number } | undefined;
  const put = (text: string, width: number, style: StyleName) => {
    const row = rows.at(-1)!;
    const last = row.at(-1);
    // Pieces of one style are one segment: fewer escape sequences a frame.
    if (last && last.style === style) row[row.length - 1] = segment(last.text + text, style);
    else row.push(segment(text, style));
    x += width;
  };
  const wrap = () => {
    rows.push([]);
    x = 0;
  };
  for (const piece of prompt) put(piece.text, textWidth(piece.text), piece.style);
  let offset = 0;
  for (const { text, style } of styledText) {
    for (const grapheme of graphemes(text)) {
      if (grapheme === '\n') {
        if (offset === cursor) cursorAt = { x, y: rows.length - 1 };
        offset += 1;
        wrap();
        put(continuation, textWidth(continuation), 'dim');
        continue;
      }
      let shown = escapeControls(grapheme);
      if (textWidth(shown) > columns) shown = '?';
      const width = textWidth(shown);
      if (x + width > columns && x > 0) wrap();
      if (offset === cursor) cursorAt = { x, y: rows.length - 1 };
      put(shown, width, style);
      offset += grapheme.length;
    }
  }
  // A full row: the cursor behind it stands at the begin of the next.
  if (!cursorAt && x >= columns) wrap();
  cursorAt ??= { x, y: rows.length - 1 };
  if (options.suggestion !== '') {
    for (const grapheme of graphemes(escapeControls(options.suggestion))) {
      const width = textWidth(grapheme);
      if (x + width > columns) break;
      put(grapheme, width, 'suggestion');
    }
  }
  const first = Math.max(0, Math.min(rows.length - maxRows, cursorAt.y - Math.floor(maxRows / 2)));
  return { lines: rows.slice(first, first + maxRows), cursor: { x: cursorAt.x, y: cursorAt.y - first } };
}

/** `dfs:/user/me> `, its path cut in the middle where it would take more than half of the row. */
export function layoutPrompt(label: string, columns: number, ellipsis: string): Segment[] {
  return [segment(truncateMiddle(escapeControls(label), Math.max(4, Math.floor(columns / 2) - 2), ellipsis), 'accent'), segment('> ')];
}
