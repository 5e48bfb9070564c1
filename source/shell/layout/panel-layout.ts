import { escapeControls } from '../../base/text.js';
import type { ClusterHealth, DatanodeReport } from '../../protocol/cluster-events.js';
import { formatBar, formatBytes, formatClock, formatPercent, formatRate, formatShortRate, formatUsage } from '../figures.js';
import type { Glyphs } from '../glyphs.js';
import { sampledRate, type ShellState } from '../shell-state.js';
import { type Segment, segment, type StyledLine, type StyleName, textWidth, truncateLine, truncateText } from '../styled-line.js';

/** The cluster in a few rows: a status line, the repair that runs, and the data nodes (terminal.md, screens a and c). */

/** Below this many columns health is one short line. */
export const narrowColumns = 80;

const statusStyles: Record<ClusterHealth['status'], StyleName> = { HEALTHY: 'good', DEGRADED: 'bad', 'SAFE MODE': 'warning' };

/** `HEALTHY  4/4 live · 38% of 2.0 TiB · 0 under-replicated · 0 missing · heartbeat 0.6 s`, or why there is nothing to say. */
export function statusLine(state: ShellState, columns: number, glyphs: Glyphs): StyledLine {
  const { health, feed } = state;
  if (feed.state === 'lost') return lostLine(state, columns, glyphs);
  if (!health) return [segment(`${glyphs.stale} connecting to the name node ${state.nameNodeAddress}`, 'dim')];
  const nodes = health.datanodes;
  const live = nodes.filter(({ state: nodeState }) => nodeState !== 'dead').length;
  const word = segment(health.status, statusStyles[health.status]);
  if (columns < narrowColumns) {
    const notWell = nodes.filter(({ state: nodeState }) => nodeState !== 'live').map((node) => segment(` ${nodeGlyph(node, glyphs)}${node.name}`, nodeStyle(node)));
    return truncateLine([word, segment(` ${live}/${nodes.length}`), ...notWell], columns, glyphs.ellipsis);
  }
  const facts: Segment[] = [segment(`${live}/${nodes.length} live`, live < nodes.length ? 'bad' : 'plain')];
  const { blocks, safeMode } = health;
  const isRepairing = health.repair.totalBlocks > 0;
  const heartbeatMs = Math.max(0, ...nodes.filter(({ state: nodeState }) => nodeState === 'live').map(({ sinceHeartbeatMs }) => sinceHeartbeatMs));
  const heartbeat = segment(`heartbeat ${(heartbeatMs / 1000).toFixed(1)} s`);
  if (safeMode.isOn) facts.push(segment(safeMode.totalBlocks > 0 ? `${safeMode.reportedBlocks}/${safeMode.totalBlocks} blocks reported` : escapeControls(safeMode.reason)));
  if (health.readOnlyReason !== undefined) facts.push(segment('read-only: no space on the name node', 'bad'));
  const isWell = health.status === 'HEALTHY' && !isRepairing;
  if (state.running && state.transfers.length > 0 && isWell) {
    facts.push(segment(`${nodes.reduce((sum, node) => sum + node.transferCount, 0)} in flight`), heartbeat);
  } else {
    if (isWell) facts.push(segment(`${formatUsage(health.capacityBytes === 0 ? 0 : health.usedBytes / health.capacityBytes)} of ${formatBytes(health.capacityBytes)}`));
    facts.push(segment(`${blocks.underReplicated} under-replicated`, blocks.underReplicated > 0 ? 'warning' : 'plain'));
    facts.push(segment(`${blocks.missing} missing`, blocks.missing > 0 ? 'bad' : 'plain'));
    if (blocks.corrupt > 0) facts.push(segment(`${blocks.corrupt} corrupt`, 'bad'));
    if (isWell) facts.push(heartbeat);
  }
  const separator = segment(` ${glyphs.separator} `, 'dim');
  const line = [word, segment(' '.repeat(Math.max(1, 9 - health.status.length))), ...facts.flatMap((fact, index) => (index === 0 ? [fact] : [separator, fact]))];
  return truncateLine(line, columns, glyphs.ellipsis);
}

function lostLine(state: ShellState, columns: number, glyphs: Glyphs): StyledLine {
  if (columns < narrowColumns) return truncateLine([segment(`${glyphs.dead} no name node`, 'bad'), segment('; retrying', 'dim')], columns, glyphs.ellipsis);
  const line = [segment(`${glyphs.dead} name node ${state.nameNodeAddress} does not answer`, 'bad'), segment('; retrying', 'dim')];
  if (!state.feed.wasLive) line.push(segment(` ${glyphs.separator} to start a local cluster type: cluster up`, 'dim'));
  return truncateLine(line, columns, glyphs.ellipsis);
}

/** ` heal  ███▍░░ 80%   171/214 blocks   96 MiB/s   eta 0:11` and the copies on their way; nothing where nothing is repaired. */
export function healLines(state: ShellState, columns: number, glyphs: Glyphs): StyledLine[] {
  const { health } = state;
  if (!health || state.feed.state === 'lost' || columns < narrowColumns || health.repair.totalBlocks === 0) return [];
  const { doneBlocks, totalBlocks, bytesPerSecond, transfers } = health.repair;
  const bar = formatBar(doneBlocks / totalBlocks, barColumns(columns), glyphs);
  const parts = [` ${formatPercent(doneBlocks / totalBlocks)}`, `   ${doneBlocks}/${totalBlocks} blocks`, `   ${formatRate(bytesPerSecond)}`];
  const blocksPerSecond = sampledRate(state.repairSamples, { timeMs: state.nowMs, count: doneBlocks });
  if (blocksPerSecond > 0) parts.push(`   eta ${formatClock((1000 * (totalBlocks - doneBlocks)) / blocksPerSecond)}`);
  const lines: StyledLine[] = [truncateLine([segment(' heal  '), segment(bar.full, 'warning'), segment(bar.empty, 'dim'), ...parts.map((part) => segment(part))], columns, glyphs.ellipsis)];
  if (transfers.length > 0) {
    const shown = transfers.slice(0, 2).map(({ blockId, source, target, doneBytes, totalBytes }) => {
      const done = totalBytes > 0 ? ` ${formatPercent(doneBytes / totalBytes)}` : '';
      return `blk_${blockId} ${source}${glyphs.thinArrow}${target}${done}`;
    });
    const queued = totalBlocks - doneBlocks - shown.length;
    if (queued > 0) shown.push(`+${queued} queued`);
    lines.push(truncateLine([segment(`       ${shown.join('   ')}`, 'dim')], columns, glyphs.ellipsis));
  }
  return lines;
}

/** The widest that the pictures' bars are; less where the figures behind them need the room. */
export function barColumns(columns: number): number {
  return Math.min(28, Math.max(10, columns - 58));
}

const cellColumns = 36;
const nodeBarColumns = 8;

/** ` ● dn1 ███▌░░░░ 41%  in 12 MB/s`, as many beside each other as fit; with too few rows the troubled ones first. */
export function nodeLines(state: ShellState, columns: number, maxRows: number, glyphs: Glyphs): StyledLine[] {
  const { health } = state;
  if (!health || state.feed.state === 'lost' || columns < narrowColumns || maxRows < 1 || health.datanodes.length === 0) return [];
  const perRow = Math.max(1, Math.min(4, Math.floor(columns / cellColumns)));
  const capacity = perRow * maxRows;
  let nodes = health.datanodes;
  let restCount = 0;
  if (nodes.length > capacity) {
    restCount = nodes.length - (capacity - 1);
    const order = { dead: 0, stale: 1, live: 2 };
    nodes = [...nodes].sort((a, b) => order[a.state] - order[b.state]).slice(0, capacity - 1);
  }
  const nameColumns = Math.min(12, Math.max(...nodes.map(({ name }) => textWidth(name))));
  const cells: StyledLine[] = nodes.map((node) => nodeCell(node, state, nameColumns, glyphs));
  if (restCount > 0) cells.push([segment(` +${restCount} more`, 'dim')]);
  const lines: StyledLine[] = [];
  for (let index = 0; index < cells.length; index += perRow) {
    const row = cells.slice(index, index + perRow);
    lines.push(truncateLine(row.flatMap((cell, at) => (at === row.length - 1 ? cell : padCell(cell, glyphs))), columns, glyphs.ellipsis));
  }
  return lines;
}

function nodeCell(node: DatanodeReport, state: ShellState, nameColumns: number, glyphs: Glyphs): StyledLine {
  const name = escapeControls(node.name);
  const head = [segment(' '), segment(nodeGlyph(node, glyphs), nodeStyle(node)), segment(` ${truncateText(name, nameColumns, glyphs.ellipsis).padEnd(nameColumns)} `)];
  const word = adminWord(node);
  if (node.state !== 'live') return [...head, segment(`${word === '' ? node.state.toUpperCase() : `${word},`} ${formatClock(node.sinceHeartbeatMs)}`, nodeStyle(node))];
  const fraction = node.capacityBytes === 0 ? 0 : node.usedBytes / node.capacityBytes;
  const bar = formatBar(fraction, nodeBarColumns, glyphs);
  const trend = state.usage.get(node.name)?.direction ?? 'same';
  const arrow = trend === 'up' ? segment(glyphs.up, 'warning') : trend === 'down' ? segment(glyphs.down, 'good') : segment(' ');
  return [...head, segment(bar.full, 'accent'), segment(bar.empty, 'dim'), segment(` ${formatUsage(fraction).padStart(3)}`), arrow, word === '' ? activity(node) : segment(` ${word}`, 'warning')];
}

/** What its administrator wants of it, in a word; '' for nothing. */
function adminWord({ adminState, adminPendingBlocks }: DatanodeReport): string {
  if (adminState === 'decommissioning') return adminPendingBlocks > 0 ? `emptying ${adminPendingBlocks}` : 'emptying';
  if (adminState === 'decommissioned') return 'decommissioned';
  return adminState === 'normal' ? '' : 'maintenance';
}

/** Rates below this are noise of heartbeats: a node that does nothing is idle. */
const idleBytesPerSecond = 1000;

function activity({ receivedBytesPerSecond, sentBytesPerSecond }: DatanodeReport): Segment {
  if (Math.max(receivedBytesPerSecond, sentBytesPerSecond) < idleBytesPerSecond) return segment(' idle', 'dim');
  return receivedBytesPerSecond >= sentBytesPerSecond ? segment(` in ${formatShortRate(receivedBytesPerSecond)}`) : segment(` out ${formatShortRate(sentBytesPerSecond)}`);
}

function padCell(cell: StyledLine, glyphs: Glyphs): StyledLine {
  const cut = truncateLine(cell, cellColumns - 1, glyphs.ellipsis);
  const width = cut.reduce((sum, { text }) => sum + textWidth(text), 0);
  return [...cut, segment(' '.repeat(cellColumns - width))];
}

function nodeGlyph({ state }: DatanodeReport, glyphs: Glyphs): string {
  return state === 'live' ? glyphs.live : state === 'stale' ? glyphs.stale : glyphs.dead;
}

function nodeStyle({ state, adminState }: DatanodeReport): StyleName {
  if (state === 'dead' && (adminState === 'in-maintenance' || adminState === 'decommissioned')) return 'warning';
  return state === 'live' ? 'good' : state === 'stale' ? 'warning' : 'bad';
}
