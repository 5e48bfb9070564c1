import { InvalidPathError } from '../protocol/errors.js';

/**
 * HDFS's globs (org.apache.hadoop.fs.GlobPattern): `*` any characters of a name, `?` one, `[abc] [a-z] [^a] [!a]` one of a class,
 * `{a,b}` alternatives, `\x` the character itself. A leading dot is nothing special, and `**` is `*`.
 */
type Token =
  | { kind: 'literal'; character: string }
  | { kind: 'any' }
  | { kind: 'star' }
  | { kind: 'class'; isNegated: boolean; ranges: { from: number; to: number }[] };

/** Alternatives that braces may stand for in one pattern: more is a mistake, or an attack on memory. */
const maxAlternatives = 1000;
const maxAlternativeCharacters = 1_000_000;

/** True if an unescaped `* ? [ {` makes `pattern` a glob. */
export function hasGlob(pattern: string): boolean {
  return /(?<!\\)(?:\\\\)*[*?[{]/.test(pattern);
}

/** What a pattern without a glob names: its backslashes dropped. */
export function unescapeGlob(pattern: string): string {
  return pattern.replace(/\\([^])/g, '$1');
}

/** The pattern that names just `name`. */
export function escapeGlob(name: string): string {
  return name.replace(/[*?[{\\]/g, '\\$&');
}

/** Tells whether a name matches `pattern`, braces included. InvalidPathError for a class or an alternative that is not closed. */
export function compileGlob(pattern: string): (name: string) => boolean {
  const alternatives = expandBraces(pattern).map(compileName);
  return (name) => alternatives.some((matches) => matches(name));
}

/**
 * The patterns without braces that `pattern` stands for, in order: `{a,b}/c` is `a/c`, `b/c`; nested ones too.
 * InvalidPathError if a brace is not closed, or there are too many.
 */
export function expandBraces(pattern: string): string[] {
  let alternatives = [''];
  let position = 0;
  const append = (text: string) => {
    alternatives = alternatives.map((head) => head + text);
  };
  while (position < pattern.length) {
    const character = pattern[position]!;
    if (character === '\\') {
      append(pattern.slice(position, position + 2));
      position += 2;
    } else if (character === '[') {
      const end = classEnd(pattern, position);
      append(pattern.slice(position, end));
      position = end;
    } else if (character === '{') {
      const { options, end } = braceOptions(pattern, position);
      const tails = options.flatMap(expandBraces);
      const total = alternatives.length * tails.length;
      if (total > maxAlternatives || total * pattern.length > maxAlternativeCharacters) {
        throw new InvalidPathError(`the braces of ${pattern.slice(0, 100)} stand for more than ${maxAlternatives} paths; name fewer at a time`);
      }
      alternatives = alternatives.flatMap((head) => tails.map((tail) => head + tail));
      position = end;
    } else {
      append(character);
      position++;
    }
  }
  return alternatives;
}

/** The comma-separated texts of the brace that opens at `begin`, and where the text after it begins. */
function braceOptions(pattern: string, begin: number): { options: string[]; end: number } {
  const options: string[] = [];
  let depth = 0;
  let start = begin + 1;
  for (let i = begin; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '\\') i++;
    else if (character === '[') i = classEnd(pattern, i) - 1;
    else if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      options.push(pattern.slice(start, i));
      start = i + 1;
    } else if (character === '}' && --depth === 0) {
      return { options: [...options, pattern.slice(start, i)], end: i + 1 };
    }
  }
  throw new InvalidPathError(`Illegal file pattern: Unclosed group near ${pattern}; write \\{ for a brace itself`);
}

/** Where the text after the class that opens at `begin` begins. */
function classEnd(pattern: string, begin: number): number {
  let i = begin + 1;
  if (pattern[i] === '^' || pattern[i] === '!') i++;
  // A bracket that comes first is one of the class.
  if (pattern[i] === ']') i++;
  for (; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === ']') return i + 1;
  }
  throw new InvalidPathError(`Illegal file pattern: Unclosed character class near ${pattern}; write \\[ for a bracket itself`);
}

function compileName(pattern: string): (name: string) => boolean {
  const tokens = tokenize(pattern);
  return (name) => matches(tokens, [...name]);
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  while (position < pattern.length) {
    const character = String.fromCodePoint(pattern.codePointAt(position)!);
    if (character === '\\' && position + 1 < pattern.length) {
      const escaped = String.fromCodePoint(pattern.codePointAt(position + 1)!);
      tokens.push({ kind: 'literal', character: escaped });
      position += 1 + escaped.length;
    } else if (character === '[') {
      const end = classEnd(pattern, position);
      tokens.push(parseClass(pattern.slice(position + 1, end - 1)));
      position = end;
    } else {
      if (character === '*') {
        if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
      } else if (character === '?') tokens.push({ kind: 'any' });
      else tokens.push({ kind: 'literal', character });
      position += character.length;
    }
  }
  return tokens;
}

function parseClass(text: string): Token {
  const isNegated = text.startsWith('^') || text.startsWith('!');
  const characters: { code: number; isEscaped: boolean }[] = [];
  let isEscaped = false;
  for (const character of isNegated ? text.slice(1) : text) {
    if (character === '\\' && !isEscaped) {
      isEscaped = true;
      continue;
    }
    characters.push({ code: character.codePointAt(0)!, isEscaped });
    isEscaped = false;
  }
  const ranges: { from: number; to: number }[] = [];
  for (let i = 0; i < characters.length; i++) {
    const [first, dash, last] = [characters[i]!, characters[i + 1], characters[i + 2]];
    const isRange = dash && last && dash.code === 0x2d && !dash.isEscaped;
    ranges.push({ from: first.code, to: isRange ? last.code : first.code });
    if (isRange) i += 2;
  }
  return { kind: 'class', isNegated, ranges };
}

/**
 * Two positions and the last star: on a mismatch the star takes one character more. At most tokens x characters steps, whatever
 * the pattern, where a backtracking expression takes exponentially many.
 */
function matches(tokens: Token[], name: string[]): boolean {
  let token = 0;
  let character = 0;
  let starToken = -1;
  let starCharacter = 0;
  while (character < name.length) {
    const current = tokens[token];
    if (current?.kind === 'star') {
      starToken = token++;
      starCharacter = character;
    } else if (current && accepts(current, name[character]!)) {
      token++;
      character++;
    } else if (starToken >= 0) {
      token = starToken + 1;
      character = ++starCharacter;
    } else {
      return false;
    }
  }
  while (tokens[token]?.kind === 'star') token++;
  return token === tokens.length;
}

function accepts(token: Token, character: string): boolean {
  switch (token.kind) {
    case 'literal':
      return token.character === character;
    case 'any':
      return true;
    case 'class': {
      const code = character.codePointAt(0)!;
      return token.isNegated !== token.ranges.some(({ from, to }) => code >= from && code <= to);
    }
    case 'star':
      return false;
  }
}
