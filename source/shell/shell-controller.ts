import type { Clock, Timer } from '../base/clock.js';
import type { OutputSink } from '../commands/command.js';
import { CompletionSession } from './completion-session.js';
import { DetachableSink } from './detachable-sink.js';
import type { Glyphs } from './glyphs.js';
import { type History, type HistoryWalk, suggestFromHistory, walkHistory } from './history.js';
import { HistorySearcher, openSearch } from './history-search.js';
import { LineInput } from './line-input.js';
import { findBinding, type Key, menuKeys, promptKeys, runningKeys, searchKeys, type ShellAction } from './keys.js';
import { editLine, type LineEdit } from './line-editor.js';
import { nextWord } from './graphemes.js';
import { layoutPrompt } from './layout/input-layout.js';
import { spinnerIntervalMs } from './layout/frame-layout.js';
import type { Paint } from './paint.js';
import type { Scrollback } from './scrollback.js';
import type { Highlight, ShellOptions } from './shell-options.js';
import type { ShellStore } from './shell-store.js';
import { scriptLines } from './script-lines.js';
import { segment } from './styled-line.js';
import { TypeAhead, type Typed } from './type-ahead.js';

/** What the controller asks of the screen and the process, beyond writing lines. */
export interface ShellHost {
  clearScreen(): void;
  suspend(): void;
}

/** A command that has not ended so long after Ctrl-C, ms, is left behind by the next one. */
const patienceMs = 3000;
/** At the end a command that is cancelled may clean up so long, ms. */
const farewellMs = 5000;

/** What keys do: edits, history, and running lines. All that it shows goes through the store and the scrollback. */
export class ShellController {
  /** Resolves to the shell's exit code when it is left. */
  readonly finished: Promise<number>;
  readonly #options: ShellOptions;
  readonly #store: ShellStore;
  readonly #scrollback: Scrollback;
  readonly #history: History;
  readonly #clock: Clock;
  readonly #glyphs: Glyphs;
  readonly #paint: Paint;
  readonly #highlight: Highlight;
  readonly #host: ShellHost;
  readonly #createSink: () => OutputSink;
  readonly #typeAhead = new TypeAhead();
  readonly #completion: CompletionSession;
  #finish!: (code: number) => void;
  #walk: HistoryWalk | undefined;
  #searcher: HistorySearcher | undefined;
  #run: { abort: AbortController; input: LineInput; abandon: () => void; cancelledMs: number | undefined; ended: Promise<void> } | undefined;
  #isLeaving = false;
  #exitCode = 0;
  #tickTimer: Timer | undefined;

  constructor(parts: {
    options: ShellOptions;
    store: ShellStore;
    scrollback: Scrollback;
    history: History;
    glyphs: Glyphs;
    paint: Paint;
    highlight: Highlight;
    host: ShellHost;
    createSink: () => OutputSink;
  }) {
    this.#options = parts.options;
    this.#store = parts.store;
    this.#scrollback = parts.scrollback;
    this.#history = parts.history;
    this.#clock = parts.options.clock;
    this.#glyphs = parts.glyphs;
    this.#paint = parts.paint;
    this.#highlight = parts.highlight;
    this.#host = parts.host;
    this.#createSink = parts.createSink;
    this.#completion = new CompletionSession({ options: parts.options, store: parts.store, edit: (edit) => this.#edit(edit), onReleased: () => this.#replayTypeAhead() });
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    const { session } = this.#options;
    session.history = () => [...this.#history.entries()];
    session.exit = () => (this.#isLeaving = true);
    this.#refreshPrompt();
  }

  key(key: Key): void {
    const { running } = this.#store.current;
    if (this.#completion.isHolding) {
      // Tab and Enter typed in one go: Enter is for the completed line.
      if (findBinding(runningKeys, key)?.action !== 'interrupt') return this.#typeAhead.add({ type: 'key', key });
      this.#typeAhead.clear();
      this.#completion.cancel();
    }
    if (running && !running.isReading) {
      const action = findBinding(runningKeys, key)?.action;
      if (action === 'interrupt') this.#interruptCommand();
      else if (action === 'suspend') this.#host.suspend();
      else this.#typeAhead.add({ type: 'key', key });
      return;
    }
    this.#type({ type: 'key', key });
  }

  paste(text: string): void {
    const { running } = this.#store.current;
    if (this.#completion.isHolding || (running && !running.isReading)) this.#typeAhead.add({ type: 'paste', text });
    else this.#type({ type: 'paste', text });
  }

  /** Cancels what runs, gives it time to clean up, and ends with `code`. */
  async leave(code: number): Promise<void> {
    this.#isLeaving = true;
    this.#exitCode = code;
    this.#completion.cancel();
    const run = this.#run;
    if (run) {
      run.abort.abort();
      run.input.end();
      const patience = this.#clock.setTimer(run.abandon, farewellMs);
      await run.ended;
      patience.cancel();
    }
    this.#end();
  }

  #end(): void {
    this.#tickTimer?.cancel();
    this.#finish(this.#exitCode);
  }

  #type(typed: Typed): void {
    if (this.#isLeaving && !this.#run) return;
    const state = this.#store.current;
    if (state.isHelpOpen) {
      this.#store.dispatch({ type: 'help-toggled', isOpen: false });
      if (typed.type === 'key' && (findBinding(promptKeys, typed.key)?.action === 'help' || typed.key.name === 'escape' || typed.key.text === '?')) return;
    }
    if (typed.type === 'paste') return this.#insert(typed.text);
    const { key } = typed;
    if (state.search) return this.#searchKey(key);
    if (state.menu) {
      const binding = findBinding(menuKeys, key);
      if (binding) return this.#act(binding.action);
    }
    const binding = findBinding(promptKeys, key);
    if (binding) return this.#act(binding.action);
    if (key.text === undefined || key.ctrl || key.meta) return;
    if (key.text === '?' && state.editor.text === '' && !state.running) return this.#act('help');
    this.#insert(key.text);
  }

  #insert(text: string): void {
    if (this.#store.current.search) return this.#editSearch({ type: 'insert', text });
    this.#edit({ type: 'insert', text });
  }

  /** Edits the line: menus close, walks through the history end, the suggestion follows. */
  #edit(edit: LineEdit): void {
    this.#completion.cancel();
    this.#walk = undefined;
    const editor = editLine(this.#store.current.editor, edit);
    this.#store.dispatch({ type: 'edited', editor, suggestion: this.#suggestion(editor.text) });
  }

  #suggestion(text: string): string {
    return this.#store.current.running ? '' : suggestFromHistory(this.#history.entries(), text);
  }

  #act(action: ShellAction): void {
    const { editor, suggestion, running, isHelpOpen } = this.#store.current;
    const isAtEnd = editor.cursor === editor.text.length;
    switch (action) {
      case 'submit':
        return running ? this.#sendInput() : this.#submit();
      case 'newline':
        return this.#edit({ type: 'insert', text: '\n' });
      case 'complete':
        return this.#completion.next(1);
      case 'complete-back':
        return this.#completion.next(-1);
      case 'menu-take':
        if (this.#completion.take()) return;
        // Nothing chosen: Enter runs the line as it stands.
        this.#edit({ type: 'end' });
        return this.#submit();
      case 'menu-close':
        return this.#completion.close();
      case 'older':
        return this.#walkHistory(-1);
      case 'newer':
        return this.#walkHistory(1);
      case 'search':
        return this.#openSearch();
      case 'suggestion-or-right':
        return this.#edit(isAtEnd && suggestion !== '' ? { type: 'insert', text: suggestion } : { type: 'right' });
      case 'suggestion-or-end':
        return this.#edit(isAtEnd && suggestion !== '' ? { type: 'insert', text: suggestion } : { type: 'end' });
      case 'suggestion-word-or-right':
        return this.#edit(isAtEnd && suggestion !== '' ? { type: 'insert', text: suggestion.slice(0, nextWord(suggestion, 0, 'word')) } : { type: 'word-right' });
      case 'interrupt':
        return this.#interruptLine();
      case 'leave-or-delete':
        if (editor.text !== '') return this.#edit({ type: 'delete' });
        if (running) return this.#run?.input.end();
        return void this.leave(0);
      case 'clear-screen':
        return this.#host.clearScreen();
      case 'suspend':
        return this.#host.suspend();
      case 'help':
        return this.#store.dispatch({ type: 'help-toggled', isOpen: !isHelpOpen });
      case 'help-close':
        return this.#store.dispatch({ type: 'help-toggled', isOpen: false });
      case 'search-take':
      case 'search-close':
        return;
      default:
        return this.#edit({ type: action });
    }
  }

  // Running

  #submit(): void {
    const line = this.#store.current.editor.text;
    this.#completion.cancel();
    this.#walk = undefined;
    this.#echo(line);
    if (line.trim() === '') return this.#edit({ type: 'clear' });
    this.#history.add(line, this.#clock.nowMs());
    this.#searcher = undefined;
    void this.#runLine(line);
  }

  /** The prompt and what was typed stay above, as in every shell. */
  #echo(line: string): void {
    const prompt = layoutPrompt(this.#store.current.promptLabel, this.#store.current.size.columns, this.#glyphs.ellipsis);
    const [first = '', ...rest] = line.split('\n');
    this.#scrollback.line(this.#paint([...prompt, ...this.#highlight(first)]));
    for (const more of rest) this.#scrollback.line(this.#paint([segment(this.#glyphs.continuation, 'dim'), segment(more)]));
  }

  async #runLine(line: string): Promise<void> {
    const abort = new AbortController();
    const input = new LineInput((isReading) => this.#store.dispatch({ type: 'command-reads', isReading }));
    let abandon!: () => void;
    const abandoned = new Promise<void>((resolve) => (abandon = resolve));
    let didEnd!: () => void;
    const ended = new Promise<void>((resolve) => (didEnd = resolve));
    this.#run = { abort, input, abandon, cancelledMs: undefined, ended };
    this.#store.dispatch({ type: 'command-started', line, nowMs: this.#clock.monotonicMs() });
    this.#tick();
    const sink = new DetachableSink(this.#createSink());
    const work = (async () => {
      const context = await this.#options.createContext({ sink, signal: abort.signal, input });
      for (const one of scriptLines(line)) {
        if ((await this.#options.runLine(one, context)) !== 0 || abort.signal.aborted) return;
      }
    })();
    try {
      await Promise.race([work, abandoned]);
    } catch (error) {
      sink.err(error instanceof Error ? error.message : String(error));
    }
    work.catch(() => {});
    sink.detach();
    this.#run = undefined;
    this.#tickTimer?.cancel();
    this.#scrollback.flush();
    this.#scrollback.endRaw();
    this.#refreshPrompt();
    this.#store.dispatch({ type: 'command-ended' });
    didEnd();
    if (this.#isLeaving) return this.#end();
    this.#replayTypeAhead();
  }

  /** Redraws what changes by itself while a command runs: the sign of life, and rates that fall. */
  #tick(): void {
    this.#tickTimer = this.#clock.setTimer(() => {
      const { running } = this.#store.current;
      if (!running) return;
      if (!running.isReading) this.#store.dispatch({ type: 'tick', nowMs: this.#clock.monotonicMs() });
      this.#tick();
    }, this.#store.current.transfers.length > 0 ? 500 : spinnerIntervalMs);
  }

  #replayTypeAhead(): void {
    while (!this.#run && !this.#completion.isHolding) {
      const typed = this.#typeAhead.next();
      if (!typed) return;
      this.#type(typed);
    }
  }

  #sendInput(): void {
    const { text } = this.#store.current.editor;
    for (const line of text.split('\n')) {
      this.#scrollback.line(line);
      this.#run?.input.push(line);
    }
    this.#edit({ type: 'clear' });
  }

  #interruptCommand(): void {
    const run = this.#run;
    if (!run) return;
    this.#typeAhead.clear();
    const nowMs = this.#clock.monotonicMs();
    if (run.cancelledMs === undefined) {
      run.cancelledMs = nowMs;
      run.abort.abort();
      run.input.end();
    } else if (nowMs - run.cancelledMs >= patienceMs) {
      this.#scrollback.line(this.#paint([segment('The command did not end; it is left behind.', 'warning')]));
      run.abandon();
    }
  }

  #interruptLine(): void {
    const { editor, running } = this.#store.current;
    if (running) return this.#interruptCommand();
    if (editor.text === '') return this.#store.dispatch({ type: 'hinted', hint: 'Ctrl-D or exit leaves; ? shows the keys' });
    this.#echo(`${editor.text}^C`);
    this.#edit({ type: 'clear' });
  }

  #refreshPrompt(): void {
    this.#history.refresh();
    this.#store.dispatch({ type: 'prompt-changed', label: `dfs:${this.#options.session.workingDirectory}`, hasHistory: this.#history.entries().length > 0 });
  }

  // History

  #walkHistory(direction: -1 | 1): void {
    const { editor, running } = this.#store.current;
    const moved = editLine(editor, { type: direction === -1 ? 'line-up' : 'line-down' });
    if (moved.cursor !== editor.cursor || running) return void this.#edit({ type: direction === -1 ? 'line-up' : 'line-down' });
    const entries = this.#history.entries();
    const walk = this.#walk ?? { prefix: editor.text, index: entries.length };
    const step = walkHistory(entries, walk, direction, editor.text);
    if (!step) return;
    this.#edit({ type: 'set', text: step.line });
    this.#walk = step.walk;
  }

  #openSearch(): void {
    if (this.#store.current.running) return;
    this.#history.refresh();
    this.#searcher = new HistorySearcher(this.#history.entries());
    this.#store.dispatch({ type: 'search-changed', search: openSearch(this.#searcher, this.#store.current.editor.text) });
  }

  #searchKey(key: Key): void {
    const search = this.#store.current.search!;
    const action = findBinding(searchKeys, key)?.action;
    const choose = (by: number) => {
      const count = Math.max(1, search.matches.length);
      this.#store.dispatch({ type: 'search-changed', search: { ...search, selectedIndex: (search.selectedIndex + by + count) % count } });
    };
    switch (action) {
      case 'older':
        return choose(1);
      case 'newer':
        return choose(-1);
      case 'search-take': {
        const taken = search.matches[search.selectedIndex];
        this.#store.dispatch({ type: 'search-changed', search: undefined });
        return taken ? this.#edit({ type: 'set', text: taken.line }) : undefined;
      }
      case 'search-close':
        this.#store.dispatch({ type: 'search-changed', search: undefined });
        return this.#edit({ type: 'end' });
      case 'backspace':
      case 'kill-to-start':
      case 'kill-blank-word-left':
      case 'left':
        return this.#editSearch({ type: action });
      default:
        if (key.text !== undefined && !key.ctrl && !key.meta) this.#editSearch({ type: 'insert', text: key.text });
    }
  }

  #editSearch(edit: LineEdit): void {
    const search = this.#store.current.search!;
    const query = editLine(search.query, edit);
    const isSame = query.text === search.query.text;
    this.#store.dispatch({ type: 'search-changed', search: { ...search, query, ...(isSame ? {} : { matches: this.#searcher!.find(query.text), selectedIndex: 0 }) } });
  }
}
