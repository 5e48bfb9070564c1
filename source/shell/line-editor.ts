import { nextBoundary, nextWord, previousBoundary, previousWord, snapToBoundary } from './graphemes.js';

/**
 * The line being typed: a pure reducer. `cursor` is a UTF-16 offset that always stands between two graphemes,
 * 0 <= cursor <= text.length. A pasted text may hold newlines; Home, End and Ctrl-K then work on the cursor's line.
 */
export interface LineEditorState {
  readonly text: string;
  readonly cursor: number;
  /** Newest first, at most maxKills. */
  readonly kills: readonly string[];
  /** Newest last, at most maxUndo. */
  readonly undo: readonly { text: string; cursor: number }[];
  /** What the last edit was: kills in a row join, typed letters undo together, Alt-Y replaces only what was just yanked. */
  readonly last: 'none' | 'insert' | 'kill' | { yankedFrom: number; killIndex: number };
}

export type LineEdit =
  | { type: 'insert'; text: string }
  /** Replaces [start, end) and puts the cursor behind: completion. Offsets as `cursor`'s. */
  | { type: 'replace'; start: number; end: number; text: string }
  /** A whole new line, from history: the cursor goes to its end. */
  | { type: 'set'; text: string }
  | { type: 'clear' }
  | { type: EditName };

export type EditName =
  | 'left' | 'right' | 'word-left' | 'word-right' | 'home' | 'end' | 'line-up' | 'line-down'
  | 'backspace' | 'delete' | 'kill-to-end' | 'kill-to-start' | 'kill-word-left' | 'kill-blank-word-left' | 'kill-word-right'
  | 'yank' | 'yank-older' | 'transpose' | 'undo';

const maxKills = 20;
const maxUndo = 200;
/** Longer pastes are cut: a command line of a mebibyte is a mistake, and every key would cost a pass over it. */
export const maxLineLength = 65_536;

export const emptyLine: LineEditorState = { text: '', cursor: 0, kills: [], undo: [], last: 'none' };

export function editLine(state: LineEditorState, edit: LineEdit): LineEditorState {
  const { text, cursor } = state;
  switch (edit.type) {
    case 'insert': {
      const inserted = printable(edit.text).slice(0, Math.max(0, maxLineLength - text.length)).toWellFormed();
      if (inserted === '') return state;
      return change(state, text.slice(0, cursor) + inserted + text.slice(cursor), cursor + inserted.length, 'insert');
    }
    case 'replace':
      return change(state, text.slice(0, edit.start) + edit.text + text.slice(edit.end), edit.start + edit.text.length, 'none');
    case 'set':
      return change(state, edit.text, edit.text.length, 'none');
    case 'clear':
      return { ...emptyLine, kills: state.kills };
    case 'left':
      return move(state, previousBoundary(text, cursor));
    case 'right':
      return move(state, nextBoundary(text, cursor));
    case 'word-left':
      return move(state, previousWord(text, cursor, 'word'));
    case 'word-right':
      return move(state, nextWord(text, cursor, 'word'));
    case 'home':
      return move(state, lineStart(text, cursor));
    case 'end':
      return move(state, lineEnd(text, cursor));
    case 'line-up': {
      const start = lineStart(text, cursor);
      if (start === 0) return state;
      const above = lineStart(text, start - 1);
      return move(state, snapToBoundary(text, Math.min(above + cursor - start, start - 1)));
    }
    case 'line-down': {
      const end = lineEnd(text, cursor);
      if (end === text.length) return state;
      return move(state, snapToBoundary(text, Math.min(end + 1 + cursor - lineStart(text, cursor), lineEnd(text, end + 1))));
    }
    case 'backspace': {
      const start = previousBoundary(text, cursor);
      return start === cursor ? state : change(state, text.slice(0, start) + text.slice(cursor), start, 'none');
    }
    case 'delete': {
      const end = nextBoundary(text, cursor);
      return end === cursor ? state : change(state, text.slice(0, cursor) + text.slice(end), cursor, 'none');
    }
    case 'kill-to-end': {
      const end = lineEnd(text, cursor);
      // At the end of a line the newline itself goes, as in Emacs.
      return kill(state, cursor, end === cursor ? Math.min(end + 1, text.length) : end);
    }
    case 'kill-to-start':
      return kill(state, lineStart(text, cursor), cursor);
    case 'kill-word-left':
      return kill(state, previousWord(text, cursor, 'word'), cursor);
    case 'kill-blank-word-left':
      return kill(state, previousWord(text, cursor, 'blank'), cursor);
    case 'kill-word-right':
      return kill(state, cursor, nextWord(text, cursor, 'word'));
    case 'yank': {
      const yanked = state.kills[0];
      if (yanked === undefined) return state;
      return change(state, text.slice(0, cursor) + yanked + text.slice(cursor), cursor + yanked.length, { yankedFrom: cursor, killIndex: 0 });
    }
    case 'yank-older': {
      if (typeof state.last !== 'object') return state;
      const killIndex = (state.last.killIndex + 1) % state.kills.length;
      const yanked = state.kills[killIndex]!;
      const from = state.last.yankedFrom;
      return change(state, text.slice(0, from) + yanked + text.slice(cursor), from + yanked.length, { yankedFrom: from, killIndex });
    }
    case 'transpose': {
      // At the end the two before the cursor change places; else the one before with the one under it (Emacs).
      const middle = cursor === text.length ? previousBoundary(text, cursor) : cursor;
      const start = previousBoundary(text, middle);
      const end = nextBoundary(text, middle);
      if (start === middle || middle === end) return state;
      return change(state, text.slice(0, start) + text.slice(middle, end) + text.slice(start, middle) + text.slice(end), end, 'none');
    }
    case 'undo': {
      const before = state.undo.at(-1);
      if (!before) return state;
      return { ...state, ...before, undo: state.undo.slice(0, -1), last: 'none' };
    }
  }
}

function move(state: LineEditorState, cursor: number): LineEditorState {
  return cursor === state.cursor && state.last === 'none' ? state : { ...state, cursor, last: 'none' };
}

function change(state: LineEditorState, text: string, cursor: number, last: LineEditorState['last']): LineEditorState {
  // A run of typed letters is one step of undo; a blank begins the next.
  const joins = last === 'insert' && state.last === 'insert' && !/\s$/u.test(state.text.slice(0, state.cursor));
  const undo = joins ? state.undo : [...state.undo, { text: state.text, cursor: state.cursor }].slice(-maxUndo);
  // What was inserted may have joined the grapheme behind it: the cursor goes to where that one ends.
  return { ...state, text, cursor: snapToBoundary(text, cursor), undo, last };
}

function kill(state: LineEditorState, start: number, end: number): LineEditorState {
  if (start === end) return state;
  const killed = state.text.slice(start, end);
  let kills: string[];
  if (state.last === 'kill' && state.kills.length > 0) {
    const [newest, ...older] = state.kills;
    kills = [start < state.cursor ? killed + newest : newest + killed, ...older];
  } else kills = [killed, ...state.kills].slice(0, maxKills);
  return { ...change(state, state.text.slice(0, start) + state.text.slice(end), start, 'kill'), kills };
}

/** Newlines stay, tabs become blanks, other control characters go: they would drive the terminal, and no command needs them. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\r\n?/g, '\n').replaceAll('\t', ' ').replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '');
}

const lineStart = (text: string, offset: number) => text.lastIndexOf('\n', offset - 1) + 1;

function lineEnd(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  return newline === -1 ? text.length : newline;
}
