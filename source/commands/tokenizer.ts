/**
 * One reading of a line for execution, completion and highlighting: words with their places, quotes and operators. The rules are a
 * small part of a shell's: blanks separate words; 'x' is x; in "x" a backslash keeps \ " $ ` ! from meaning anything; elsewhere a
 * backslash takes the next character as it is; `;` and `&&` end a command; `#` at the begin of a word starts a comment. Globs are
 * not the tokenizer's: they are in the words, quoted or not, as HDFS gets them.
 */
export interface Word {
  /** Quotes and backslashes removed. */
  text: string;
  /** Where it stands in the line, in UTF-16 units; `end` is behind it. */
  start: number;
  end: number;
  /** Some of it was quoted: `""` is a word too. */
  isQuoted: boolean;
}

export interface Segment {
  words: Word[];
  /** What follows: `;` runs the next one whatever happened, `&&` only after success. */
  operator: ';' | '&&' | null;
}

export interface TokenizedLine {
  segments: Segment[];
  /** The quote that nothing closes: `'`, `"`, or a backslash at the very end. The word it is in goes to the end of the line. */
  unterminated: "'" | '"' | '\\' | null;
  /** Where a comment starts; the length of the line if there is none. */
  commentStart: number;
  operators: { text: ';' | '&&'; start: number; end: number }[];
}

const blanks = new Set([' ', '\t', '\n', '\r']);

export function tokenize(line: string): TokenizedLine {
  const segments: Segment[] = [{ words: [], operator: null }];
  const operators: TokenizedLine['operators'] = [];
  let unterminated: TokenizedLine['unterminated'] = null;
  let commentStart = line.length;
  let position = 0;
  while (position < line.length) {
    const character = line[position]!;
    const operator = character === ';' ? ';' : line.startsWith('&&', position) ? '&&' : null;
    if (blanks.has(character)) {
      position++;
    } else if (character === '#') {
      commentStart = position;
      break;
    } else if (operator) {
      operators.push({ text: operator, start: position, end: position + operator.length });
      segments.at(-1)!.operator = operator;
      segments.push({ words: [], operator: null });
      position += operator.length;
    } else {
      const read = readWord(line, position);
      segments.at(-1)!.words.push(read.word);
      unterminated = read.unterminated;
      position = read.word.end;
    }
  }
  return { segments, unterminated, commentStart, operators };
}

function readWord(line: string, start: number): { word: Word; unterminated: TokenizedLine['unterminated'] } {
  let text = '';
  let isQuoted = false;
  let position = start;
  const done = (unterminated: TokenizedLine['unterminated']) => ({ word: { text, start, end: position, isQuoted }, unterminated });
  while (position < line.length) {
    const character = line[position]!;
    if (blanks.has(character) || character === ';' || line.startsWith('&&', position)) break;
    position++;
    if (character === '\\') {
      isQuoted = true;
      if (position === line.length) return done('\\');
      text += line[position++];
    } else if (character === "'") {
      isQuoted = true;
      const end = line.indexOf("'", position);
      text += line.slice(position, end === -1 ? undefined : end);
      position = end === -1 ? line.length : end + 1;
      if (end === -1) return done("'");
    } else if (character === '"') {
      isQuoted = true;
      const quoted = readDoubleQuoted(line, position);
      text += quoted.text;
      position = quoted.end;
      if (!quoted.isClosed) return done('"');
    } else {
      text += character;
    }
  }
  return done(null);
}

function readDoubleQuoted(line: string, start: number): { text: string; end: number; isClosed: boolean } {
  let text = '';
  for (let position = start; position < line.length; position++) {
    const character = line[position]!;
    if (character === '"') return { text, end: position + 1, isClosed: true };
    const next = line[position + 1];
    if (character === '\\' && next !== undefined && '\\"$`!'.includes(next)) {
      text += next;
      position++;
    } else {
      text += character;
    }
  }
  return { text, end: line.length, isClosed: false };
}

/** The text that `tokenize` reads as the one word `word`: bare where that is safe, else in the quotes that look best. */
export function quoteWord(word: string): string {
  if (/^[^\s'"\\;&#]+$/.test(word)) return word;
  if (/^[^\s'"\\;&]+$/.test(word) && !word.startsWith('#')) return word;
  if (!word.includes("'")) return `'${word}'`;
  return `"${word.replace(/[\\"$`!]/g, '\\$&')}"`;
}
