import { Transform, useCursor, useStdout } from 'ink';
import { useSyncExternalStore } from 'react';
import { layoutFrame } from './layout/frame-layout.js';
import type { Glyphs } from './glyphs.js';
import type { Paint } from './paint.js';
import type { ShellStore } from './shell-store.js';
import type { Segment } from './styled-line.js';

export interface LiveViewProps {
  store: ShellStore;
  glyphs: Glyphs;
  paint: Paint;
  highlight: (text: string) => readonly Segment[];
  /** Gets Ink's way of writing above the region, and how many rows the region takes. */
  onFrame: (write: (data: string) => void, rowCount: number) => void;
}

/**
 * The live region, drawn from the store. The layout is pure and ours; Ink diffs, erases and places it. It gets one text node that
 * holds a blank a row, and a transform that puts the painted rows in their place: Ink keeps every text that it has measured for good
 * (measure-text.js), and rows of figures that change ten times a second would fill the memory of a shell that stays open for days.
 */
export function LiveView({ store, glyphs, paint, highlight, onFrame }: LiveViewProps) {
  const state = useSyncExternalStore(store.subscribe, store.getSnapshot);
  const { write } = useStdout();
  // In the root: a frame in which its component does not render would hide the cursor.
  const { setCursorPosition } = useCursor();
  const { lines, cursor } = layoutFrame(state, glyphs, highlight);
  setCursorPosition(cursor);
  onFrame(write, lines.length);
  if (lines.length === 0) return null;
  const rows = lines.map(paint);
  return <Transform transform={(_, index) => rows[index] ?? ''}>{blankRows(rows.length)}</Transform>;
}

const blankRows = (count: number) => Array.from({ length: count }, () => ' ').join('\n');
