import prettyBytes from 'pretty-bytes';
import type { Glyphs } from './glyphs.js';

/** Figures for people, short and of a steady width, so that a line does not jump while it counts. */

/** `612 MiB`, `1.0 GiB`, `82.6 MiB`, `0 B`: three digits or so, powers of 1024. */
export function formatBytes(bytes: number): string {
  return withDecimals(bytes, true);
}

/** `84.2 MiB/s` */
export function formatRate(bytesPerSecond: number): string {
  return `${withDecimals(bytesPerSecond, true)}/s`;
}

/** `12 MB/s`, whole and decimal: the panel's narrow column. */
export function formatShortRate(bytesPerSecond: number): string {
  return `${prettyBytes(Math.round(bytesPerSecond), { maximumFractionDigits: 0 })}/s`;
}

function withDecimals(bytes: number, binary: boolean): string {
  const whole = Math.max(0, Math.round(bytes));
  if (whole < 1024) return `${whole} B`;
  let scaled = whole;
  while (scaled >= 1024) scaled /= 1024;
  const digits = scaled < 99.95 ? 1 : 0;
  return prettyBytes(whole, { binary, minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `0:05`, `12:40`, `1:02:03`: what is left, or how long it is so. */
export function formatClock(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** `12.4 s`, `3 min 20 s`: how long it took. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `46%`, never 100% before all is there. A fraction of 0 to 1. */
export function formatPercent(fraction: number): string {
  const percent = Math.round(bound(fraction) * 100);
  return `${percent === 100 && fraction < 1 ? 99 : percent}%`;
}

/** `6,204` */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
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
