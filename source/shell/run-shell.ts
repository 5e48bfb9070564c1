import isUnicodeSupported from 'is-unicode-supported';
import { clusterEventLine, eventHead } from '../commands/cluster-event-line.js';
import { asJson } from '../commands/json-sink.js';
import type { ClusterEvent } from '../protocol/cluster-events.js';
import { followFeed } from './feed-follower.js';
import { asciiGlyphs, unicodeGlyphs } from './glyphs.js';
import { createHighlight } from './highlight.js';
import { History } from './history.js';
import { InkSink } from './ink-sink.js';
import { layoutFrame } from './layout/frame-layout.js';
import { colourLevel, createPaint } from './paint.js';
import { Scrollback } from './scrollback.js';
import { ShellController } from './shell-controller.js';
import { defaultSettings, type ShellOptions } from './shell-options.js';
import { initialState } from './shell-state.js';
import { ShellStore } from './shell-store.js';
import { segment, type StyleName } from './styled-line.js';
import { Terminal } from './terminal.js';

/** The feed begins with what the name node still remembers: events from before this shell, ms, are not news. */
const newsMs = 3000;

/**
 * The live shell, on a terminal (stdin and stdout are TTYs). Resolves to the exit code when it is left: 0, or 128 and the signal's
 * number. The terminal is then as it was. Ink is imported here, at run time: it and React look at the environment as they load.
 */
export async function runInteractiveShell(options: ShellOptions): Promise<number> {
  const { stdin, stdout, session, clock, environment } = options;
  // React's development build leaks; and with CI set Ink draws nothing until the end, which on a terminal is never meant.
  // (The bundle has the first one built in; assigning through a name of ours keeps its builder from taking this for a mistake.)
  const { env: processEnvironment } = process;
  processEnvironment['NODE_ENV'] ||= 'production';
  delete processEnvironment['CI'];
  delete processEnvironment['CONTINUOUS_INTEGRATION'];
  const { LiveRegion } = await import('./live-region.js');

  const { settings = defaultSettings } = options;
  const glyphs = isUnicodeSupported() && !settings.ascii ? unicodeGlyphs : asciiGlyphs;
  const paint = createPaint(colourLevel(environment));
  const highlight = createHighlight(options.registry);
  const history = new History(options.historyFile, settings.historySize);
  const startedMs = clock.nowMs();
  const size = { columns: stdout.columns || 80, rows: stdout.rows || 24 };
  const store = new ShellStore(
    initialState({ ...size, promptLabel: `dfs:${session.workingDirectory}`, nameNodeAddress: options.nameNodeAddress, hasPanel: settings.panel, nowMs: clock.monotonicMs() }),
    clock,
  );
  const region = new LiveRegion({ stdin, stdout, view: { store, glyphs, paint, highlight } });
  const scrollback = new Scrollback({ region, stdout, clock, noNewlineSign: paint([segment(glyphs.enter, 'dim')]) });
  const repaint = () =>
    region.repaint((rowCount) => {
      const { lines, cursor } = layoutFrame(store.current, glyphs, highlight);
      // A terminal that shrinks drops rows below the cursor first, so that many lines more may have been on the screen: rather twice than never.
      const rowsBelowCursor = cursor ? lines.length - cursor.y : 1;
      return scrollback.lastLines(rowCount - lines.length - 1 + rowsBelowCursor, store.current.size.columns);
    });

  const controller = new ShellController({
    options,
    store,
    scrollback,
    history,
    glyphs,
    paint,
    highlight,
    createSink: () => {
      const sink = new InkSink({ scrollback, store, clock, paint, glyphs });
      return session.isJson ? asJson(sink) : sink;
    },
    host: {
      clearScreen() {
        scrollback.flush();
        scrollback.forget();
        repaint();
      },
      suspend() {
        scrollback.flush();
        terminal.stop();
      },
    },
  });
  let isResizing = false;
  const terminal = new Terminal({
    stdin,
    stdout,
    clock,
    events: {
      onKey: (key) => controller.key(key),
      onPaste: (text) => controller.paste(text),
      onResizeBegin: ({ columns, rows }) => {
        const known = store.current.size;
        // Only taller: every row is where it was, seen from the cursor, and Ink goes on by itself.
        if (columns === known.columns && rows >= known.rows && !isResizing) return store.dispatch({ type: 'resized', columns, rows });
        isResizing = true;
        scrollback.hold();
        region.mute();
      },
      onResizeEnd: ({ columns, rows }) => {
        if (!isResizing) return;
        isResizing = false;
        store.dispatch({ type: 'resized', columns, rows });
        // While raw bytes run there is no region; it comes back in the new size.
        if (region.isMounted) repaint();
        scrollback.release();
      },
      onContinue: () => {
        store.dispatch({ type: 'resized', ...terminal.size });
        if (region.isMounted) repaint();
        else region.mount();
      },
      onRestore: () => region.unmount(),
      onEnd: (signal) => {
        void controller.leave(signal === 'SIGTERM' ? 143 : signal === 'SIGQUIT' ? 131 : 129);
      },
    },
  });

  /** Nothing important lives only in the panel: that the name node went, and came, stays readable above. */
  const say = (level: ClusterEvent['level'], message: string) => scrollback.line(paint([segment(`${eventHead(clock.nowMs(), level)} ${message}`, eventStyles[level])]));
  const feeding = new AbortController();
  terminal.open();
  try {
    region.mount();
    if (history.problem) scrollback.line(paint([segment(`history is not kept: ${history.problem}`, 'warning')]));
    const followed = followFeed({
      feed: options.feed,
      clock,
      signal: feeding.signal,
      listener: {
        onHealth: (health) => {
          if (store.current.feed.state === 'lost') say('info', `name node ${options.nameNodeAddress} answers`);
          store.dispatch({ type: 'health-came', health, nowMs: clock.monotonicMs() });
        },
        onEvent: (event) => {
          if (event.timeMs >= startedMs - newsMs) scrollback.line(paint([segment(clusterEventLine(event), eventStyles[event.level])]));
        },
        onLost: () => {
          const { wasLive } = store.current.feed;
          store.dispatch({ type: 'feed-lost' });
          if (wasLive) say('error', `name node ${options.nameNodeAddress} does not answer; retrying`);
          else scrollback.line(paint([segment(`${glyphs.warning} No name node answers at ${options.nameNodeAddress}. To start a local cluster type: cluster up`, 'warning')]));
        },
      },
    });
    const code = await controller.finished;
    feeding.abort();
    await followed;
    return code;
  } finally {
    feeding.abort();
    scrollback.release();
    terminal.close();
    await new Promise<void>((resolve) => (stdout.destroyed ? resolve() : stdout.write('', () => resolve())));
  }
}

const eventStyles: Record<ClusterEvent['level'], StyleName> = { info: 'plain', warn: 'warning', error: 'bad' };
