import type { Clock } from '../base/clock.js';
import { commonPrefix, type MenuCandidate, openMenu, selectInMenu, shownInLine } from './completion-menu.js';
import { silentSink } from './ink-sink.js';
import { editLine, type LineEdit } from './line-editor.js';
import { emptyInput } from './line-input.js';
import type { ShellOptions } from './shell-options.js';
import type { ShellStore } from './shell-store.js';

/** Completion that takes longer is given up, ms: the name node is away. */
const timeoutMs = 3000;
/** Keys typed behind a Tab wait so long for its answer, ms; then they are taken as they are, and the answer counts only if the line is still the same. */
const holdMs = 500;

/** Tab: asks what could stand at the cursor, puts it in, or opens the menu and moves in it. */
export class CompletionSession {
  readonly #options: Pick<ShellOptions, 'completer' | 'createContext'>;
  readonly #store: ShellStore;
  readonly #clock: Clock;
  readonly #edit: (edit: LineEdit) => void;
  readonly #onReleased: () => void;
  #asked: { abort: AbortController; heldUntilMs: number } | undefined;

  /** `edit` changes the line as a key would; `onReleased` is called when keys need to wait no longer. */
  constructor(parts: { options: ShellOptions; store: ShellStore; edit: (edit: LineEdit) => void; onReleased: () => void }) {
    this.#options = parts.options;
    this.#store = parts.store;
    this.#clock = parts.options.clock;
    this.#edit = parts.edit;
    this.#onReleased = parts.onReleased;
  }

  /** True while an answer has just been asked for: keys wait for it, but only for as long as nobody notices. */
  get isHolding(): boolean {
    return this.#asked !== undefined && this.#clock.monotonicMs() < this.#asked.heldUntilMs;
  }

  /** The line changes, or runs: what was asked for it is not wanted any more. */
  cancel(): void {
    this.#asked?.abort.abort();
    this.#asked = undefined;
  }

  /** Tab (1) or Shift-Tab (-1). */
  next(direction: 1 | -1): void {
    const { menu, running, editor } = this.#store.current;
    if (running) return;
    if (!menu) return void this.#ask(editor.text, editor.cursor);
    const selected = selectInMenu(menu, direction);
    const { insert } = selected.candidates[selected.selectedIndex]!;
    const shown = editLine(editor, { type: 'replace', start: menu.start, end: menu.end, text: insert });
    this.#store.dispatch({ type: 'edited', editor: shown, menu: shownInLine(selected, insert) });
  }

  /** Keeps the chosen candidate; false if none is chosen. */
  take(): boolean {
    const menu = this.#store.current.menu!;
    const chosen = menu.candidates[menu.selectedIndex];
    if (!chosen) return false;
    this.#edit({ type: 'replace', start: menu.start, end: menu.end, text: chosen.insert + (chosen.isPartial ? '' : ' ') });
    return true;
  }

  /** Gives back what was typed. */
  close(): void {
    const menu = this.#store.current.menu!;
    this.#edit({ type: 'replace', start: menu.start, end: menu.end, text: menu.original });
  }

  async #ask(text: string, cursor: number): Promise<void> {
    this.cancel();
    const abort = new AbortController();
    const mine = { abort, heldUntilMs: this.#clock.monotonicMs() + holdMs };
    this.#asked = mine;
    const timer = this.#clock.setTimer(() => abort.abort(), timeoutMs);
    const hold = this.#clock.setTimer(this.#onReleased, holdMs);
    const gaveUp = new Promise<undefined>((resolve) => abort.signal.addEventListener('abort', () => resolve(undefined), { once: true }));
    const ask = async () => this.#options.completer(text, cursor, await this.#options.createContext({ sink: silentSink, signal: abort.signal, input: emptyInput() }));
    const completion = await Promise.race([ask().catch(() => undefined), gaveUp]);
    timer.cancel();
    hold.cancel();
    if (this.#asked !== mine) return;
    this.#asked = undefined;
    const { editor, running } = this.#store.current;
    // Else it is the answer to a line that is no longer there.
    if (!running && editor.text === text && editor.cursor === cursor) {
      if (completion) this.#apply(completion.candidates, completion.start, completion.end);
      else this.#store.dispatch({ type: 'hinted', hint: 'no completion: the name node does not answer' });
    }
    this.#onReleased();
  }

  #apply(candidates: readonly MenuCandidate[], start: number, end: number): void {
    const { editor } = this.#store.current;
    const [only] = candidates;
    if (!only) return this.#store.dispatch({ type: 'hinted', hint: 'nothing to complete' });
    if (candidates.length === 1) {
      const isFollowedByBlank = /^\s/.test(editor.text.slice(end));
      return this.#edit({ type: 'replace', start, end, text: only.insert + (only.isPartial || isFollowedByBlank ? '' : ' ') });
    }
    const original = editor.text.slice(start, end);
    const prefix = commonPrefix(candidates.map(({ insert }) => insert));
    // Only what lengthens the word as typed goes in: a prefix in other quotes would change what the person wrote.
    const grown = prefix.length > original.length && prefix.startsWith(original) ? prefix : original;
    const shown = grown === original ? editor : editLine(editor, { type: 'replace', start, end, text: grown });
    this.#store.dispatch({ type: 'edited', editor: shown, menu: openMenu(candidates, { start, end: start + grown.length, original: grown }) });
  }
}
