import { EventEmitter } from 'node:events';
import { type Instance, render } from 'ink';
import { LiveView, type LiveViewProps } from './live-view.js';

const beginSync = '\u001b[?2026h';
const endSync = '\u001b[?2026l';

/**
 * Ink's rows at the bottom of the screen, and the way to write above them. Ink writes through a stream of ours: it sees a terminal so
 * tall that it never takes the path that wipes the scrollback (a frame as tall as the terminal emits CSI 3J), it hears of no resize
 * (a listener of ours repaints instead), and it can be muted while the region is taken away.
 */
export class LiveRegion {
  readonly #stdout: NodeJS.WriteStream;
  readonly #stdin: NodeJS.ReadStream;
  readonly #props: Omit<LiveViewProps, 'onFrame'>;
  #mounted: { instance: Instance; stream: InkStream } | undefined;
  #writeAbove: ((data: string) => void) | undefined;

  constructor(options: { stdout: NodeJS.WriteStream; stdin: NodeJS.ReadStream; view: Omit<LiveViewProps, 'onFrame'> }) {
    this.#stdout = options.stdout;
    this.#stdin = options.stdin;
    this.#props = options.view;
  }

  get isMounted(): boolean {
    return this.#mounted !== undefined;
  }

  /** Draws the region at the cursor, which stands at the begin of a row. */
  mount(): void {
    if (this.#mounted) return;
    const stream = new InkStream(this.#stdout, this.#props.store.current.size.columns);
    this.#props.store.announce();
    const instance = render(<LiveView {...this.#props} onFrame={(write) => (this.#writeAbove = write)} />, {
      stdout: stream as unknown as NodeJS.WriteStream,
      stdin: this.#stdin,
      exitOnCtrlC: false,
      patchConsole: true,
      maxFps: 60,
      isScreenReaderEnabled: false,
    });
    this.#mounted = { instance, stream };
  }

  /** Writes whole lines above the region, which is redrawn below them in the same synchronized update. */
  writeAbove(text: string): void {
    if (this.#mounted && this.#writeAbove) this.#writeAbove(text);
    else this.#stdout.write(text);
  }

  /** Takes the region from the screen; the cursor then stands, shown, where the region began. */
  unmount(): void {
    const mounted = this.#mounted;
    if (!mounted) return;
    // Writing above erases the rows first and draws them again after: muted in between, only the erasing happens.
    mounted.stream.muteAfterNextText();
    this.#writeAbove?.(eraseOnly);
    this.#drop(mounted);
  }

  /** Nothing is drawn until the next repaint: the terminal's size and ours differ. */
  mute(): void {
    if (this.#mounted) this.#mounted.stream.isMuted = true;
  }

  /**
   * After a resize the terminal has wrapped the rows anew, and Ink no longer knows where its own are. So: home, clear row by row,
   * the last lines of the scrollback that fit, and the region anew.
   */
  repaint(lastLines: (rowCount: number) => string): void {
    const mounted = this.#mounted;
    if (mounted) {
      mounted.stream.isMuted = true;
      this.#drop(mounted);
    }
    const rows = this.#stdout.rows || 24;
    this.#stdout.write(`${beginSync}\u001b[?25l\u001b[H${Array.from({ length: rows }, () => '\u001b[2K').join('\u001b[B')}\u001b[H${lastLines(rows)}`);
    this.mount();
    this.#stdout.write(endSync);
  }

  #drop(mounted: { instance: Instance; stream: InkStream }): void {
    this.#mounted = undefined;
    this.#writeAbove = undefined;
    mounted.instance.unmount();
    mounted.instance.cleanup();
    if (!this.#stdout.destroyed) this.#stdout.write(`\u001b[?25h${endSync}`);
  }
}

/** Changes nothing on a screen, and is like no text of ours. */
const eraseOnly = '\u001b[m\u001b[m';

/** What Ink takes for the terminal. */
class InkStream extends EventEmitter {
  readonly isTTY = true;
  readonly columns: number;
  /** Taller than any frame. */
  readonly rows = 10_000;
  isMuted = false;
  #mutesAfterText = false;
  readonly #stdout: NodeJS.WriteStream;

  constructor(stdout: NodeJS.WriteStream, columns: number) {
    super();
    this.#stdout = stdout;
    this.columns = columns;
  }

  get destroyed(): boolean {
    return this.#stdout.destroyed;
  }

  get writableEnded(): boolean {
    return this.#stdout.writableEnded;
  }

  muteAfterNextText(): void {
    this.#mutesAfterText = true;
  }

  write(data: string, callback?: () => void): boolean {
    if (!this.isMuted && !this.#stdout.destroyed) this.#stdout.write(data);
    if (this.#mutesAfterText && data === eraseOnly) this.isMuted = true;
    if (callback) setImmediate(callback);
    return true;
  }
}
