import type { SmallFault } from './small-faults.js';

interface Counts {
  readonly callCount: number;
  readonly diskCallCount: number;
}

const callFates = ['request-lost', 'answer-lost', 'repeated'] as const;
const diskFates = ['EIO', 'ENOSPC', 'crash'] as const;

export function callFaults({ callCount }: Counts): SmallFault[] {
  return range(callCount).flatMap((at) => callFates.map((fate): SmallFault => ({ kind: 'call', at, fate })));
}

export function nameNodeDeaths({ callCount }: Counts): SmallFault[] {
  return range(callCount).map((at) => ({ kind: 'name-node-death', at }));
}

export function diskFaults({ diskCallCount }: Counts): SmallFault[] {
  return range(diskCallCount).flatMap((at) => diskFates.map((fate): SmallFault => ({ kind: 'disk', at, fate })));
}

export function allSingles(counts: Counts): SmallFault[] {
  return [...callFaults(counts), ...nameNodeDeaths(counts), ...diskFaults(counts)];
}

/** Two calls lost, each on its way or on its way back. */
export function allPairs({ callCount }: Counts): SmallFault[][] {
  const fates = ['request-lost', 'answer-lost'] as const;
  const pairs: SmallFault[][] = [];
  for (const first of range(callCount)) {
    for (const second of range(callCount)) {
      if (second <= first) continue;
      for (const a of fates) for (const b of fates) pairs.push([{ kind: 'call', at: first, fate: a }, { kind: 'call', at: second, fate: b }]);
    }
  }
  return pairs;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
