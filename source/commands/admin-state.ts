import type { AdminState } from '../protocol/cluster-events.js';

/** As HDFS's report prints them (Hadoop: DatanodeInfo.getDatanodeReport). */
export const adminStateText: Record<AdminState, string> = {
  normal: 'Normal',
  decommissioning: 'Decommission in progress',
  decommissioned: 'Decommissioned',
  'entering-maintenance': 'Entering Maintenance',
  'in-maintenance': 'In Maintenance',
};

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `2h`, `30m`, `90s`, `1.5d`; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)([smhd])$/.exec(text);
  if (!match) return undefined;
  const durationMs = Math.round(Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs]);
  return durationMs >= 1 && durationMs <= 10 * 365 * unitsMs.d ? durationMs : undefined;
}

/** `1h 59m`, `29m 30s`, `12s`: the two largest units. */
export function formatDuration(durationMs: number): string {
  let seconds = Math.ceil(durationMs / 1000);
  const parts: string[] = [];
  for (const [unit, size] of [['d', 86_400], ['h', 3600], ['m', 60], ['s', 1]] as const) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0 || (unit === 's' && parts.length === 0)) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}
