import { formatBytes } from '../commands/progress-text.js';
import type { Glyphs } from './glyphs.js';

/** Figures for people, short and of a steady width, so that a line does not jump while it counts. Sizes are the one-shot sink's. */
export { formatBytes };

/** `84.2 MiB/s` */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `12 MB/s`, whole and decimal: the panel's narrow column. */
export function formatShortRate(bytesPerSecond: number): string {
  let scaled = Math.max(0, bytesPerSecond);
  let power = 0;
  while (scaled >= 999.5 && power < decimalUnits.length - 1) {
    scaled /= 1000;
    power++;
  }
  return `${Math.round(scaled)} ${decimalUnits[power]}/s`;
}

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `0:05`, `12:40`, `1:02:03`: what is left, or how long it is so. */
export function formatClock(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** `46%`, never 100% before all is there. A fraction of 0 to 1. */
export function formatPercent(fraction: number): string {
  const percent = Math.round(bound(fraction) * 100);
  return `${percent === 100 && fraction < 1 ? 99 : percent}%`;
}

/** `41%`, and `<1%` where something is used: a few files on a large disk are not nothing. */
export function formatUsage(fraction: number): string {
  return fraction > 0 && fraction < 0.005 ? '<1%' : formatPercent(fraction);
}

/** A bar of exactly `columns` cells, `fraction` (0 to 1) of it full, to an eighth of a cell. */
export function formatBar(fraction: number, columns: number, glyphs: Glyphs): { full: string; empty: string } {
  const steps = glyphs.barParts.length + 1;
  const filled = Math.floor(bound(fraction) * columns * steps);
  const cells = Math.floor(filled / steps);
  const part = filled % steps;
  const full = glyphs.barFull.repeat(cells) + (part > 0 ? glyphs.barParts[part - 1]! : '');
  return { full, empty: glyphs.barEmpty.repeat(columns - cells - (part > 0 ? 1 : 0)) };
}

function bound(fraction: number): number {
  return Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
}
