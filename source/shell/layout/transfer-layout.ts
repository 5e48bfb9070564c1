import { escapeControls } from '../../base/text.js';
import { formatBar, formatBytes, formatClock, formatPercent, formatRate } from '../figures.js';
import type { Glyphs } from '../glyphs.js';
import { sampledRate, type Transfer } from '../shell-state.js';
import { justify, lineWidth, type Segment, segment, type StyledLine, textWidth, truncateLine, truncateMiddle } from '../styled-line.js';
import { barColumns } from './panel-layout.js';

/**
 * A transfer (terminal.md, screen b): what goes where, a bar of bytes sent, and, where replicas are written, a bar of what is durable,
 * from the acknowledgements. Without a known length: figures, no bar.
 */
export function transferLines(transfer: Transfer, nowMs: number, columns: number, glyphs: Glyphs): StyledLine[] {
  const { progress } = transfer;
  const lines = [titleLine(transfer, columns, glyphs), sentLine(transfer, nowMs, columns, glyphs)];
  if (progress.durableReplicaBytes !== undefined) lines.push(durableLine(transfer, columns, glyphs));
  const failure = progress.failures?.at(-1);
  if (failure) lines.push(truncateLine([segment(` ${glyphs.warning} ${failure.datanode} left the pipeline: ${escapeControls(failure.reason)}`, 'warning')], columns, glyphs.ellipsis));
  return lines;
}

/** One row for a transfer that has no room for more: `put a → /b 59%`. */
export function shortTransferLine({ progress }: Transfer, columns: number, glyphs: Glyphs): StyledLine {
  const { doneBytes, totalBytes, steps } = progress;
  const done = steps ? `${steps.done}/${steps.total}` : steps === null ? '' : totalBytes ? formatPercent(doneBytes / totalBytes) : formatBytes(doneBytes);
  const name = truncateMiddle(names(progress, glyphs), Math.max(8, columns - progress.operation.length - done.length - 3), glyphs.ellipsis);
  return truncateLine([segment(`${progress.operation} `, 'bold'), segment(name), segment(` ${done}`)], columns, glyphs.ellipsis);
}

function titleLine({ progress }: Transfer, columns: number, glyphs: Glyphs): StyledLine {
  const place: string[] = [];
  if (progress.blockIndex !== undefined && (progress.blockCount === undefined || progress.blockCount > 0)) {
    const number = progress.blockCount === undefined ? progress.blockIndex + 1 : Math.min(progress.blockIndex + 1, progress.blockCount);
    place.push(progress.blockCount === undefined ? `block ${number}` : `block ${number}/${progress.blockCount}`);
  }
  if (progress.doneFiles !== undefined) place.push(progress.totalFiles === undefined ? `${progress.doneFiles} files` : `file ${Math.min(progress.doneFiles + 1, progress.totalFiles)}/${progress.totalFiles}`);
  if (progress.nodes && progress.nodes.length > 0) place.push(progress.nodes.join(` ${glyphs.arrow} `));
  const right = place.join(` ${glyphs.separator} `);
  const operation = `${progress.operation.toUpperCase()} `;
  const room = columns - operation.length - (right === '' ? 0 : textWidth(right) + 2);
  // The place goes before the names do.
  const hasRoom = room >= 24;
  const left = [segment(operation, 'bold'), segment(truncateMiddle(names(progress, glyphs), hasRoom ? room : columns - operation.length, glyphs.ellipsis))];
  return justify(left, hasRoom && right !== '' ? [segment(right, 'dim')] : [], columns, glyphs.ellipsis);
}

function names({ source, target }: Transfer['progress'], glyphs: Glyphs): string {
  return escapeControls(target === '' ? source : `${source} ${glyphs.arrow} ${target}`);
}

const labels: Record<string, string> = { get: ' read  ', put: ' sent  ' };

function sentLine(transfer: Transfer, nowMs: number, columns: number, glyphs: Glyphs): StyledLine {
  const { progress, samples } = transfer;
  const { doneBytes, totalBytes, steps } = progress;
  if (steps) {
    const done = steps.done / Math.max(1, steps.total);
    const bar = formatBar(done, barColumns(columns), glyphs);
    return withParts([segment(' done  '), segment(bar.full, 'accent'), segment(bar.empty, 'dim')], [` ${formatPercent(done).padEnd(4)}`, `  ${steps.done} / ${steps.total} ${steps.unit}`], columns);
  }
  if (steps === null) return withParts([segment(' waits ')], [formatClock(nowMs - transfer.startedMs)], columns);
  const label = segment(labels[progress.operation] ?? (progress.durableReplicaBytes === undefined ? ' done  ' : ' sent  '));
  const bytesPerSecond = sampledRate(samples, { timeMs: nowMs, count: doneBytes });
  const rate = bytesPerSecond > 0 ? [`   ${formatRate(bytesPerSecond)}`] : [];
  if (totalBytes === undefined) return withParts([label], [formatBytes(doneBytes), ...rate], columns);
  const fraction = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const bar = formatBar(fraction, barColumns(columns), glyphs);
  const parts = [` ${formatPercent(fraction).padEnd(4)}`, `  ${`${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}`.padEnd(17)}`, ...rate];
  if (bytesPerSecond > 0 && totalBytes > doneBytes) parts.push(`   eta ${formatClock((1000 * (totalBytes - doneBytes)) / bytesPerSecond)}`);
  return withParts([label, segment(bar.full, 'accent'), segment(bar.empty, 'dim')], parts, columns);
}

function durableLine({ progress }: Transfer, columns: number, glyphs: Glyphs): StyledLine {
  const { doneBytes, durableReplicaBytes = 0, replication = 1, totalBytes, blockCount, durableReplicaCounts = [] } = progress;
  const durableReplicas = durableReplicaCounts.reduce((sum, count) => sum + count, 0);
  const replicas = blockCount !== undefined ? `${durableReplicas}/${blockCount * replication} replicas` : durableReplicas > 0 ? `${durableReplicas} replicas` : '';
  if (totalBytes === undefined) {
    const parts = [`${formatBytes(durableReplicaBytes)} durable of ${formatBytes(doneBytes * replication)} sent`];
    if (replicas !== '') parts.push(`   ${replicas}`);
    return withParts([segment(' repl  ')], parts, columns);
  }
  const fraction = totalBytes === 0 ? 1 : durableReplicaBytes / (totalBytes * replication);
  const bar = formatBar(fraction, barColumns(columns), glyphs);
  const head = [segment(' repl  '), segment(bar.full, 'good'), segment(bar.empty, 'dim')];
  const parts = [` ${formatPercent(fraction).padEnd(4)}`, `  ${replicas.padEnd(17)}`];
  const line = withParts(head, parts, columns);
  const blocks = blockCells(progress.blockIndex ?? 0, blockCount, durableReplicaCounts, columns - lineWidth(line) - '   blocks '.length, glyphs);
  return blocks === '' ? line : [...line, segment('   blocks ', 'dim'), segment(blocks)];
}

/** `3 3 3 2 0 · · ·`: how many replicas of each block are durable, around the one being written; at most 8, and none where there is no room. */
function blockCells(blockIndex: number, blockCount: number | undefined, counts: readonly number[], columns: number, glyphs: Glyphs): string {
  const capacity = Math.min(8, Math.floor((columns - 4) / 2));
  const count = blockCount ?? counts.length;
  if (capacity < 3 || count === 0) return '';
  const start = Math.max(0, Math.min(count - capacity, blockIndex - Math.floor(capacity / 2)));
  const cells: string[] = start > 0 ? [glyphs.ellipsis] : [];
  const end = Math.min(count, start + capacity);
  for (let index = start; index < end; index++) cells.push(index <= blockIndex ? String(counts[index] ?? 0) : glyphs.pendingBlock);
  if (end < count) cells.push(glyphs.ellipsis);
  return cells.join(' ');
}

/** As many of `parts` as fit behind `head`, the first ones first. */
function withParts(head: readonly Segment[], parts: readonly string[], columns: number): StyledLine {
  const line = [...head];
  let width = lineWidth(head);
  for (const part of parts) {
    width += textWidth(part.trimEnd());
    if (width > columns) break;
    width += textWidth(part) - textWidth(part.trimEnd());
    line.push(segment(part));
  }
  return line;
}
