import { escapeControls } from '../base/text.js';
import type { ClusterEvent } from '../protocol/cluster-events.js';

/** `16:52:07 WARN  dn3 no heartbeat for 3 s: STALE`, in local time: how `watch` and the shell's scrollback say it. */
export function clusterEventLine(event: ClusterEvent): string {
  return `${eventHead(event.timeMs, event.level)} ${escapeControls(event.message)}`;
}

/** `16:52:07 WARN `, as wide for every level. */
export function eventHead(timeMs: number, level: ClusterEvent['level']): string {
  return `${timeOfDay(timeMs)} ${level.toUpperCase().padEnd(5)}`;
}

/** `16:52:07`, local. */
export function timeOfDay(timeMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
