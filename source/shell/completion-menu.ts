/**
 * The completion menu as pure data. `start` to `end` is the piece of the line that every candidate's `insert` would replace (offsets
 * as the line editor's); `insert` is quoted as the tokenizer needs it.
 */
export interface MenuState {
  readonly start: number;
  /** End of what stands in the line now: moves as choices are shown in it. */
  readonly end: number;
  /** What stood there before the menu opened, given back by Esc. */
  readonly original: string;
  readonly candidates: readonly MenuCandidate[];
  /** -1: none chosen yet. */
  readonly selectedIndex: number;
}

export interface MenuCandidate {
  /** What goes into the line. */
  insert: string;
  /** What the menu shows. */
  label: string;
  description?: string | undefined;
  /** More can follow at once (a directory, a flag that takes a value): no blank is put behind it. */
  isPartial: boolean;
}

export function openMenu(candidates: readonly MenuCandidate[], replaced: { start: number; end: number; original: string }): MenuState {
  return { ...replaced, candidates, selectedIndex: -1 };
}

/** Chooses the next (1) or previous (-1) candidate, round and round. `end` stays as it was: the caller replaces [start, end) and tells the new end with `shown`. */
export function selectInMenu(menu: MenuState, direction: 1 | -1): MenuState {
  const count = menu.candidates.length;
  const from = menu.selectedIndex === -1 && direction === -1 ? 0 : menu.selectedIndex;
  return { ...menu, selectedIndex: (from + direction + count) % count };
}

export function shownInLine(menu: MenuState, insert: string): MenuState {
  return { ...menu, end: menu.start + insert.length };
}

/** The longest text that all begin with, cut between characters. */
export function commonPrefix(texts: readonly string[]): string {
  let prefix = texts[0] ?? '';
  for (const text of texts) {
    let length = 0;
    while (length < prefix.length && prefix[length] === text[length]) length++;
    prefix = prefix.slice(0, length);
  }
  return prefix.isWellFormed() ? prefix : prefix.slice(0, -1);
}
