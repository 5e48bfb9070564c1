import { Fzf } from 'fzf';
import { emptyLine, type LineEditorState } from './line-editor.js';

/** Ctrl-R: a list of past lines that match what is typed, best first, with the letters that matched. */
export interface HistorySearch {
  readonly query: LineEditorState;
  readonly matches: readonly HistoryMatch[];
  readonly selectedIndex: number;
}

export interface HistoryMatch {
  readonly line: string;
  /** Indices of the matched code points of `line`. */
  readonly positions: ReadonlySet<number>;
}

const maxMatches = 50;

/** Searches `entries` (newest last), each line once. Equally good matches: the newer first. An empty query gives all, newest first. */
export class HistorySearcher {
  readonly #lines: string[];
  readonly #fzf: Fzf<string[]>;

  constructor(entries: readonly string[]) {
    this.#lines = [...new Set([...entries].reverse())];
    this.#fzf = new Fzf(this.#lines, { limit: maxMatches });
  }

  find(query: string): HistoryMatch[] {
    if (query === '') return this.#lines.slice(0, maxMatches).map((line) => ({ line, positions: new Set<number>() }));
    // Its type files name each other without extensions, so that TypeScript cannot follow them.
    const found = this.#fzf.find(query) as { item: string; positions: Set<number> }[];
    return found.map(({ item, positions }) => ({ line: item, positions }));
  }
}

export function openSearch(searcher: HistorySearcher, text: string): HistorySearch {
  const query = { ...emptyLine, text, cursor: text.length };
  return { query, matches: searcher.find(text), selectedIndex: 0 };
}
