import stringWidth from 'string-width';
import { graphemes } from './graphemes.js';

/** What a piece of text means; how that looks is paint.ts's. */
export type StyleName = 'plain' | 'dim' | 'bold' | 'good' | 'warning' | 'bad' | 'accent' | 'match' | 'selected' | 'suggestion' | 'unknown' | 'quoted';

export interface Segment {
  readonly text: string;
  readonly style: StyleName;
}

/** One row of the live region. Layout makes these as pure data; the terminal sees them only after paint. */
export type StyledLine = readonly Segment[];

export function segment(text: string, style: StyleName = 'plain'): Segment {
  return { text, style };
}

/** Latin letters, punctuation, arrows, boxes, blocks and the signs of glyphs.ts: all one column wide, and nearly all that is ever measured. */
const isPlain = (text: string) => /^[ -~\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f\u25b2\u25cf\u25d0\u2713\u2717\u2800-\u28ff]*$/.test(text);

/** Columns that `text` takes. */
export function textWidth(text: string): number {
  return isPlain(text) ? text.length : stringWidth(text);
}

export function lineWidth(line: StyledLine): number {
  let width = 0;
  for (const { text } of line) width += textWidth(text);
  return width;
}

export function lineText(line: StyledLine): string {
  return line.map(({ text }) => text).join('');
}

/** Cuts to at most `columns`, the last of them then being `ellipsis`. */
export function truncateText(text: string, columns: number, ellipsis: string): string {
  if (textWidth(text) <= columns) return text;
  if (columns <= textWidth(ellipsis)) return ellipsis.slice(0, Math.max(0, columns));
  const room = columns - textWidth(ellipsis);
  let result = '';
  let width = 0;
  for (const grapheme of graphemes(text)) {
    width += textWidth(grapheme);
    if (width > room) break;
    result += grapheme;
  }
  return result + ellipsis;
}

/** Cuts the middle, so that a path keeps its begin and its name. */
export function truncateMiddle(text: string, columns: number, ellipsis: string): string {
  if (textWidth(text) <= columns) return text;
  const room = columns - textWidth(ellipsis);
  if (room < 2) return truncateText(text, columns, ellipsis);
  const all = graphemes(text);
  let tail = '';
  let tailWidth = 0;
  const tailRoom = Math.ceil(room * 0.6);
  for (let index = all.length - 1; index >= 0; index--) {
    const width = textWidth(all[index]!);
    if (tailWidth + width > tailRoom) break;
    tail = all[index]! + tail;
    tailWidth += width;
  }
  let head = '';
  let headWidth = 0;
  for (const grapheme of all) {
    const width = textWidth(grapheme);
    if (headWidth + width > room - tailWidth) break;
    head += grapheme;
    headWidth += width;
  }
  return head + ellipsis + tail;
}

export function truncateLine(line: StyledLine, columns: number, ellipsis: string): StyledLine {
  if (lineWidth(line) <= columns) return line;
  const result: Segment[] = [];
  let room = columns;
  for (const { text, style } of line) {
    const width = textWidth(text);
    // A piece that fits exactly is cut too when more follows: the ellipsis needs its column.
    if (width < room) {
      result.push({ text, style });
      room -= width;
      continue;
    }
    result.push({ text: width === room ? truncateText(`${text} `, room, ellipsis) : truncateText(text, room, ellipsis), style });
    return result;
  }
  return result;
}

/** `text` and blanks up to `columns`; longer text is cut. */
export function padText(text: string, columns: number, ellipsis: string): string {
  const cut = truncateText(text, columns, ellipsis);
  return cut + ' '.repeat(Math.max(0, columns - textWidth(cut)));
}

/** `left`, blanks, `right` at the right edge of `columns`. Where both do not fit, `right` goes. */
export function justify(left: StyledLine, right: StyledLine, columns: number, ellipsis: string): StyledLine {
  const gap = columns - lineWidth(left) - lineWidth(right);
  if (gap < 1) return truncateLine(left, columns, ellipsis);
  return [...left, segment(' '.repeat(gap)), ...right];
}
