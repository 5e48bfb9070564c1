import type { EditName } from './line-editor.js';

/** A key as `readline.emitKeypressEvents` gives it. `text` is what it types, undefined for keys that type nothing. */
export interface Key {
  text: string | undefined;
  /** `a`, `return`, `f1`, `paste-start`; undefined where readline knows no name. */
  name: string | undefined;
  sequence: string;
  ctrl: boolean;
  meta: boolean;
  shift: boolean;
}

export type ShellAction =
  | EditName
  | 'submit' | 'newline'
  | 'complete' | 'complete-back' | 'menu-take' | 'menu-close'
  | 'older' | 'newer' | 'search' | 'search-take' | 'search-close'
  | 'suggestion-or-right' | 'suggestion-or-end' | 'suggestion-word-or-right'
  | 'interrupt' | 'leave-or-delete' | 'clear-screen' | 'suspend' | 'help' | 'help-close';

/** What the footer asks before it shows a key: it names only those that do something now. */
export interface Situation {
  isLineEmpty: boolean;
  hasSuggestion: boolean;
  hasHistory: boolean;
}

export interface KeyBinding {
  /** As `keyName` spells them. */
  readonly keys: readonly string[];
  readonly action: ShellAction;
  /** What people call the key; several bindings that are explained together have one with a label. */
  readonly label?: string;
  readonly summary?: string;
  /** In the footer, in few words, when `isUseful`. */
  readonly footer?: { text: string; isUseful?: (situation: Situation) => boolean };
}

/** The one table of keys: the shell acts by it, `?` prints it, the footer picks from it. */
export const promptKeys: readonly KeyBinding[] = [
  { keys: ['return', 'enter'], action: 'submit', label: 'Enter', summary: 'run the line' },
  { keys: ['alt-return', 'alt-enter'], action: 'newline', label: 'Alt-Enter', summary: 'add a line' },
  { keys: ['tab'], action: 'complete', label: 'Tab', summary: 'complete, next', footer: { text: 'complete' } },
  { keys: ['shift-tab'], action: 'complete-back', label: 'Shift-Tab', summary: 'previous in the menu' },
  { keys: ['right', 'ctrl-f'], action: 'suggestion-or-right', label: '→', summary: 'right, accept the grey', footer: { text: 'accept', isUseful: (now) => now.hasSuggestion } },
  { keys: ['alt-right', 'alt-f', 'ctrl-right'], action: 'suggestion-word-or-right', label: 'Alt-→', summary: 'one word of it' },
  { keys: ['up', 'ctrl-p'], action: 'older', label: '↑ ↓', summary: 'history, by what is typed', footer: { text: 'history', isUseful: (now) => now.hasHistory && !now.hasSuggestion } },
  { keys: ['down', 'ctrl-n'], action: 'newer' },
  { keys: ['ctrl-r'], action: 'search', label: 'Ctrl-R', summary: 'search the history', footer: { text: 'search', isUseful: (now) => now.hasHistory } },
  { keys: ['left', 'ctrl-b'], action: 'left' },
  { keys: ['alt-left', 'alt-b', 'ctrl-left'], action: 'word-left', label: 'Alt-B Alt-F', summary: 'a word left, right' },
  { keys: ['home', 'ctrl-a'], action: 'home', label: 'Ctrl-A Ctrl-E', summary: 'start, end of the line' },
  { keys: ['end', 'ctrl-e'], action: 'suggestion-or-end' },
  { keys: ['backspace', 'ctrl-h'], action: 'backspace' },
  { keys: ['delete'], action: 'delete' },
  { keys: ['ctrl-k'], action: 'kill-to-end', label: 'Ctrl-K Ctrl-U', summary: 'cut to the end, to the start' },
  { keys: ['ctrl-u'], action: 'kill-to-start' },
  { keys: ['ctrl-w'], action: 'kill-blank-word-left', label: 'Ctrl-W Alt-D', summary: 'cut a word left, right' },
  { keys: ['alt-backspace', 'ctrl-backspace'], action: 'kill-word-left' },
  { keys: ['alt-d', 'alt-delete'], action: 'kill-word-right' },
  { keys: ['ctrl-y'], action: 'yank', label: 'Ctrl-Y Alt-Y', summary: 'paste the cut, an older one' },
  { keys: ['alt-y'], action: 'yank-older' },
  { keys: ['ctrl-t'], action: 'transpose', label: 'Ctrl-T', summary: 'swap two letters' },
  { keys: ['ctrl-_'], action: 'undo', label: 'Ctrl-_', summary: 'undo' },
  { keys: ['ctrl-l'], action: 'clear-screen', label: 'Ctrl-L', summary: 'clear the screen' },
  { keys: ['ctrl-c'], action: 'interrupt', label: 'Ctrl-C', summary: 'cancel, or clear the line' },
  { keys: ['ctrl-z'], action: 'suspend', label: 'Ctrl-Z', summary: 'suspend the shell' },
  { keys: ['ctrl-d'], action: 'leave-or-delete', label: 'Ctrl-D', summary: 'leave', footer: { text: 'leave', isUseful: (now) => now.isLineEmpty } },
  { keys: ['f1'], action: 'help', label: '? F1', summary: 'these keys', footer: { text: 'keys', isUseful: (now) => now.isLineEmpty } },
];

/** While the completion menu is open; other keys close it and act as at the prompt. */
export const menuKeys: readonly KeyBinding[] = [
  { keys: ['tab', 'down', 'right', 'ctrl-n'], action: 'complete', label: 'Tab', footer: { text: 'next' } },
  { keys: ['shift-tab', 'up', 'left', 'ctrl-p'], action: 'complete-back', label: 'Shift-Tab', footer: { text: 'back' } },
  { keys: ['return', 'enter'], action: 'menu-take', label: 'Enter', footer: { text: 'take' } },
  { keys: ['escape', 'ctrl-g', 'ctrl-c'], action: 'menu-close', label: 'Esc', footer: { text: 'close' } },
];

/** While Ctrl-R's list is open; what is typed narrows it. */
export const searchKeys: readonly KeyBinding[] = [
  { keys: ['up', 'ctrl-r', 'ctrl-p'], action: 'older', label: '↑ ↓', footer: { text: 'choose' } },
  { keys: ['down', 'ctrl-n', 'ctrl-s'], action: 'newer' },
  { keys: ['return', 'enter', 'tab', 'right'], action: 'search-take', label: 'Enter', footer: { text: 'take' } },
  { keys: ['escape', 'ctrl-g', 'ctrl-c'], action: 'search-close', label: 'Esc', footer: { text: 'back' } },
  { keys: ['backspace', 'ctrl-h'], action: 'backspace' },
  { keys: ['ctrl-u'], action: 'kill-to-start' },
  { keys: ['ctrl-w'], action: 'kill-blank-word-left' },
  { keys: ['left', 'ctrl-b'], action: 'left' },
];

/** While a command runs: all others wait for the next prompt. */
export const runningKeys: readonly KeyBinding[] = [
  { keys: ['ctrl-c'], action: 'interrupt', label: 'Ctrl-C', footer: { text: 'cancel' } },
  { keys: ['ctrl-z'], action: 'suspend' },
];

/** `ctrl-a`, `alt-right`, `shift-tab`, `return`; '' for a key that only types. */
export function keyName(key: Key): string {
  if (key.sequence === '\u001f') return 'ctrl-_';
  if (key.name === undefined) return '';
  // A lone Esc is known by its time-out, and readline then calls it meta too.
  if (key.name === 'escape') return 'escape';
  const isTyped = key.text !== undefined && !key.ctrl && !key.meta && key.name.length === 1;
  if (isTyped) return '';
  const shift = key.shift && key.name.length > 1 ? 'shift-' : '';
  return `${key.ctrl ? 'ctrl-' : ''}${key.meta ? 'alt-' : ''}${shift}${key.name}`;
}

export function findBinding(table: readonly KeyBinding[], key: Key): KeyBinding | undefined {
  const name = keyName(key);
  return name === '' ? undefined : table.find(({ keys }) => keys.includes(name));
}

/** The keys that do something now, for the footer: `Tab complete`, `? keys`. */
export function footerKeys(table: readonly KeyBinding[], situation: Situation): { label: string; text: string }[] {
  return table
    .filter(({ footer }) => footer && (footer.isUseful?.(situation) ?? true))
    .map(({ label, footer }) => ({ label: label!.split(' ')[0]!, text: footer!.text }));
}

/** Every key with its meaning, for the help. */
export function keyHelp(): { label: string; summary: string }[] {
  return promptKeys.flatMap(({ label, summary }) => (label && summary ? [{ label, summary }] : []));
}
