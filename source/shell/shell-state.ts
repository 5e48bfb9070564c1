import type { OperationProgress } from '../commands/command.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import type { MenuState } from './completion-menu.js';
import type { HistorySearch } from './history-search.js';
import { emptyLine, type LineEditorState } from './line-editor.js';

/**
 * Everything that the live region shows, as one immutable value, and the events that change it. Times are the clock's monotonic
 * milliseconds. Knows nothing of React, nor of a terminal.
 */
export interface ShellState {
  readonly size: { columns: number; rows: number };
  readonly nowMs: number;
  /** `dfs:/user/me` */
  readonly promptLabel: string;
  readonly editor: LineEditorState;
  /** Grey text behind the cursor. */
  readonly suggestion: string;
  readonly menu: MenuState | undefined;
  readonly search: HistorySearch | undefined;
  readonly isHelpOpen: boolean;
  readonly hasHistory: boolean;
  /** One line that answers the last key: `Ctrl-D leaves`. */
  readonly hint: string | undefined;
  /** The command that runs. `isReading`: it asked for input, which the prompt then takes. */
  readonly running: { line: string; startedMs: number; isReading: boolean } | undefined;
  /** Lines that a running command shows in place (`watch`). */
  readonly screen: readonly string[];
  readonly transfers: readonly Transfer[];
  readonly nameNodeAddress: string;
  /** The user wants to see the cluster's state. */
  readonly hasPanel: boolean;
  readonly feed: { state: 'connecting' | 'live' | 'lost'; wasLive: boolean };
  readonly health: ClusterHealth | undefined;
  readonly usage: ReadonlyMap<string, UsageTrend>;
  readonly repairSamples: readonly Sample[];
}

export interface Transfer {
  readonly id: string;
  readonly progress: OperationProgress;
  readonly startedMs: number;
  readonly samples: readonly Sample[];
}

/** A count at a time: rates are taken over a few seconds of them. */
export interface Sample {
  readonly timeMs: number;
  readonly count: number;
}

/** How full a node is, and whether that changed of late. */
export interface UsageTrend {
  readonly percent: number;
  readonly direction: 'up' | 'down' | 'same';
  readonly changedMs: number;
}

export type ShellEvent =
  | { type: 'resized'; columns: number; rows: number }
  | { type: 'tick'; nowMs: number }
  | { type: 'prompt-changed'; label: string; hasHistory: boolean }
  /** The line, and what hangs on it. What is left out closes. */
  | { type: 'edited'; editor: LineEditorState; suggestion?: string; menu?: MenuState; hint?: string }
  | { type: 'search-changed'; search: HistorySearch | undefined }
  | { type: 'help-toggled'; isOpen: boolean }
  | { type: 'hinted'; hint: string }
  | { type: 'command-started'; line: string; nowMs: number }
  | { type: 'command-reads'; isReading: boolean }
  | { type: 'command-ended' }
  | { type: 'screen-changed'; lines: readonly string[] }
  | { type: 'transfer-progressed'; id: string; progress: OperationProgress; nowMs: number }
  | { type: 'transfer-ended'; id: string }
  | { type: 'health-came'; health: ClusterHealth; nowMs: number }
  | { type: 'feed-lost' };

/** How long a change may wait for others before it is drawn, ms: keys at once, transfers 9 a second, health 2. */
export function drawDelayMs(event: ShellEvent): number {
  if (event.type === 'transfer-progressed') return 110;
  if (event.type === 'health-came') return 500;
  return 0;
}

export function initialState(options: { columns: number; rows: number; promptLabel: string; nameNodeAddress: string; hasPanel: boolean; nowMs: number }): ShellState {
  return {
    size: { columns: options.columns, rows: options.rows },
    nowMs: options.nowMs,
    promptLabel: options.promptLabel,
    editor: emptyLine,
    suggestion: '',
    menu: undefined,
    search: undefined,
    isHelpOpen: false,
    hasHistory: false,
    hint: undefined,
    running: undefined,
    screen: [],
    transfers: [],
    nameNodeAddress: options.nameNodeAddress,
    hasPanel: options.hasPanel,
    feed: { state: 'connecting', wasLive: false },
    health: undefined,
    usage: new Map(),
    repairSamples: [],
  };
}

export function reduceShell(state: ShellState, event: ShellEvent): ShellState {
  switch (event.type) {
    case 'resized':
      return { ...state, size: { columns: event.columns, rows: event.rows } };
    case 'tick':
      return { ...state, nowMs: event.nowMs };
    case 'prompt-changed':
      return { ...state, promptLabel: event.label, hasHistory: event.hasHistory };
    case 'edited':
      return { ...state, editor: event.editor, suggestion: event.suggestion ?? '', menu: event.menu, hint: event.hint };
    case 'search-changed':
      return { ...state, search: event.search, menu: undefined, suggestion: '', hint: undefined };
    case 'help-toggled':
      return { ...state, isHelpOpen: event.isOpen };
    case 'hinted':
      return { ...state, hint: event.hint };
    case 'command-started':
      return { ...state, nowMs: event.nowMs, running: { line: event.line, startedMs: event.nowMs, isReading: false }, editor: { ...emptyLine, kills: state.editor.kills }, suggestion: '', menu: undefined, hint: undefined, isHelpOpen: false };
    case 'command-reads':
      return state.running ? { ...state, running: { ...state.running, isReading: event.isReading } } : state;
    case 'command-ended':
      return { ...state, running: undefined, transfers: [], screen: [], editor: { ...emptyLine, kills: state.editor.kills } };
    case 'screen-changed':
      return { ...state, screen: event.lines };
    case 'transfer-progressed':
      return { ...state, nowMs: event.nowMs, transfers: withProgress(state.transfers, event.id, event.progress, event.nowMs) };
    case 'transfer-ended':
      return { ...state, transfers: state.transfers.filter(({ id }) => id !== event.id) };
    case 'health-came':
      return {
        ...state,
        nowMs: event.nowMs,
        health: event.health,
        feed: { state: 'live', wasLive: true },
        usage: withUsage(state.usage, event.health, event.nowMs),
        repairSamples: withRepair(state.repairSamples, event.health, event.nowMs),
      };
    case 'feed-lost':
      return { ...state, feed: { state: 'lost', wasLive: state.feed.wasLive } };
  }
}

function withProgress(transfers: readonly Transfer[], id: string, progress: OperationProgress, nowMs: number): readonly Transfer[] {
  const sample = { timeMs: nowMs, count: progress.doneBytes };
  const existing = transfers.find((transfer) => transfer.id === id);
  if (!existing) return [...transfers, { id, progress, startedMs: nowMs, samples: [sample] }];
  const samples = withSample(existing.samples, sample);
  return transfers.map((transfer) => (transfer === existing ? { ...existing, progress, samples } : transfer));
}

/** Rates are those of the last seconds: a sample at most every 200 ms, kept for 4 s. */
const sampleIntervalMs = 200;
const sampleWindowMs = 4000;

function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  // A count that went down began anew.
  if (!last || sample.count < last.count) return [sample];
  if (sample.timeMs - last.timeMs < sampleIntervalMs) return samples;
  return [...samples.filter(({ timeMs }) => sample.timeMs - timeMs <= sampleWindowMs), sample];
}

/** Units a second over `samples` and up to `current`; 0 where there is too little to say. */
export function sampledRate(samples: readonly Sample[], current: Sample): number {
  const first = samples[0];
  if (!first || current.timeMs - first.timeMs < sampleIntervalMs) return 0;
  return Math.max(0, ((current.count - first.count) * 1000) / (current.timeMs - first.timeMs));
}

/** An arrow stays this long after a node's percentage changed, ms. */
const trendShownMs = 10_000;

function withUsage(usage: ReadonlyMap<string, UsageTrend>, health: ClusterHealth, nowMs: number): ReadonlyMap<string, UsageTrend> {
  const result = new Map<string, UsageTrend>();
  for (const { name, usedBytes, capacityBytes } of health.datanodes) {
    const percent = capacityBytes === 0 ? 0 : Math.round((100 * usedBytes) / capacityBytes);
    const before = usage.get(name);
    if (!before) result.set(name, { percent, direction: 'same', changedMs: nowMs });
    else if (percent !== before.percent) result.set(name, { percent, direction: percent > before.percent ? 'up' : 'down', changedMs: nowMs });
    else result.set(name, nowMs - before.changedMs > trendShownMs && before.direction !== 'same' ? { ...before, direction: 'same' } : before);
  }
  return result;
}

function withRepair(samples: readonly Sample[], health: ClusterHealth, nowMs: number): readonly Sample[] {
  if (health.repair.totalBlocks === 0) return [];
  return withSample(samples, { timeMs: nowMs, count: health.repair.doneBlocks });
}
