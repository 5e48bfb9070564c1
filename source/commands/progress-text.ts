import { escapeControls } from '../base/text.js';
import type { OperationOutcome, OperationProgress } from './command.js';

/** `put a.txt → /a  59%  612 MiB / 1.0 GiB  84.2 MiB/s  eta 0:05`: one line of a transfer that goes on. */
export function progressLine(progress: OperationProgress, nowMs: number): string {
  const { operation, source, target, doneBytes, totalBytes, durableReplicaBytes, replication, startedMs, doneFiles, totalFiles, steps } = progress;
  const seconds = Math.max(0.001, (nowMs - startedMs) / 1000);
  const parts = [`${operation} ${names(source, target)}`];
  if (steps) return [...parts, `${Math.floor((steps.done * 100) / Math.max(1, steps.total))}%`, `${steps.done} / ${steps.total} ${steps.unit}`].join('  ');
  if (steps === null) return [...parts, formatClock(seconds)].join('  ');
  if (totalBytes) parts.push(`${Math.floor((doneBytes * 100) / totalBytes)}%`, `${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}`);
  else parts.push(formatBytes(doneBytes));
  if (doneFiles !== undefined) parts.push(`${doneFiles}${totalFiles === undefined ? '' : ` / ${totalFiles}`} files`);
  if (doneBytes > 0 && seconds >= 0.1) parts.push(`${formatBytes(doneBytes / seconds)}/s`);
  if (durableReplicaBytes !== undefined && replication && totalBytes)
    parts.push(`durable ${Math.floor((durableReplicaBytes * 100) / (totalBytes * replication))}%`);
  if (totalBytes && doneBytes > 0 && doneBytes < totalBytes && seconds >= 0.5)
    parts.push(`eta ${formatClock(((totalBytes - doneBytes) * seconds) / doneBytes)}`);
  return parts.join('  ');
}

/** `✓ put a.txt → /a   1.0 GiB  12.4 s  82.6 MiB/s  8 blocks ×3`, and a line a note. */
export function summaryLines(outcome: OperationOutcome): string[] {
  const { result, operation, source, target, bytes, durationMs, blockCount, replication, notes } = outcome;
  const seconds = durationMs / 1000;
  const figures = [...(bytes === undefined ? [] : [formatBytes(bytes)]), `${seconds.toFixed(1)} s`];
  if (result === 'done' && bytes && bytes > 0 && durationMs >= 10) figures.push(`${formatBytes(bytes / seconds)}/s`);
  if (blockCount) figures.push(`${blockCount} ${blockCount === 1 ? 'block' : 'blocks'}${replication ? ` ×${replication}` : ''}`);
  const sign = { done: '✓', failed: '✗', cancelled: '-' }[result];
  const words = result === 'done' ? operation : `${operation} ${result}`;
  return [`${sign} ${words} ${names(source, target)}   ${figures.join('  ')}`, ...notes.map((note) => `  ! ${escapeControls(note)}`)];
}

function names(source: string, target: string): string {
  return escapeControls(target === '' ? source : `${source} → ${target}`);
}

/** `612 MiB`, `1.0 GiB`, `0 B` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let scaled = Math.max(0, bytes);
  let power = 0;
  while (scaled >= 1024 && power < units.length - 1) {
    scaled /= 1024;
    power++;
  }
  return `${power > 0 && scaled < 99.95 ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}

function formatClock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  return whole < 3600
    ? `${Math.floor(whole / 60)}:${two(whole % 60)}`
    : `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
