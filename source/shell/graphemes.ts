/** Text as people see it: user-perceived characters (extended grapheme clusters), never UTF-16 units. */
const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
// One pass over text without combining marks, surrogates or joiners is a plain walk; nearly every command line is that.
const isSimple = (text: string) => /^[\u0020-\u02ff\n]*$/.test(text);

/** The graphemes of `text`, in order; their concatenation is `text`. */
export function graphemes(text: string): string[] {
  if (isSimple(text)) return [...text];
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Where graphemes begin, as UTF-16 offsets, and the length of the text at the end: [0, ..., text.length]. */
export function graphemeBoundaries(text: string): number[] {
  const result: number[] = [0];
  let offset = 0;
  for (const grapheme of graphemes(text)) result.push((offset += grapheme.length));
  return result;
}

/** The last boundary before `offset`; 0 at the start. */
export function previousBoundary(text: string, offset: number): number {
  let result = 0;
  for (const boundary of graphemeBoundaries(text)) {
    if (boundary >= offset) break;
    result = boundary;
  }
  return result;
}

/** The first boundary after `offset`; the length of the text at the end. */
export function nextBoundary(text: string, offset: number): number {
  for (const boundary of graphemeBoundaries(text)) if (boundary > offset) return boundary;
  return text.length;
}

/** `offset` itself if a grapheme begins there, else the end of the grapheme that it cuts. */
export function snapToBoundary(text: string, offset: number): number {
  for (const boundary of graphemeBoundaries(text)) if (boundary >= offset) return boundary;
  return text.length;
}

const isWordCharacter = (grapheme: string) => /^[\p{L}\p{N}_]/u.test(grapheme);
const isBlank = (grapheme: string) => /^\s/u.test(grapheme);

/** Where the word before `offset` begins. `kind` 'word': letters and digits, as Alt-B; 'blank': up to a blank, as Ctrl-W, so that a path goes whole. */
export function previousWord(text: string, offset: number, kind: 'word' | 'blank'): number {
  const belongs = kind === 'word' ? isWordCharacter : (grapheme: string) => !isBlank(grapheme);
  const before = graphemes(text.slice(0, offset));
  let index = before.length;
  while (index > 0 && !belongs(before[index - 1]!)) index--;
  while (index > 0 && belongs(before[index - 1]!)) index--;
  return before.slice(0, index).join('').length;
}

/** Where the word after `offset` ends. */
export function nextWord(text: string, offset: number, kind: 'word' | 'blank'): number {
  const belongs = kind === 'word' ? isWordCharacter : (grapheme: string) => !isBlank(grapheme);
  const after = graphemes(text.slice(offset));
  let index = 0;
  while (index < after.length && !belongs(after[index]!)) index++;
  while (index < after.length && belongs(after[index]!)) index++;
  return offset + after.slice(0, index).join('').length;
}
