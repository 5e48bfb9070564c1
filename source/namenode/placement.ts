import type { Random } from '../base/random.js';

/** A data node as placement sees it. */
export interface PlacementCandidate {
  readonly uuid: string;
  readonly host: string;
  readonly rack: string;
  readonly capacityBytes: number;
  /** On its roomiest storage, what is scheduled taken off. */
  readonly remainingBytes: number;
  /** What is used of all storages, what is scheduled counted in: 0 to 1. */
  readonly usedFraction: number;
  /** Block operations in progress, and such as are on their way. */
  readonly load: number;
  /** Its heartbeats are late: taken only if there are not enough others. */
  readonly isStale: boolean;
}

export interface PlacementOptions {
  count: number;
  blockSizeBytes: number;
  /** Of who writes; undefined where that is no machine of the cluster (repair). */
  writerHost?: string | undefined;
  /** Uuids not to be chosen: excluded by the writer, or holding a replica. */
  excluded: ReadonlySet<string>;
}

/** So much does one operation in progress weigh against fullness: 20 of them as much as a full disk. */
const loadWeight = 0.05;
/** How often the better of two is taken: the other must get its part too, or the fullest node of a small cluster would get nothing. */
const preference = 0.8;

/**
 * Up to `count` nodes for replicas of one block, none twice, in pipeline order (Hadoop: BlockPlacementPolicyDefault,
 * AvailableSpaceBlockPlacementPolicy). First a node on the writer's machine, where machines differ: on one machine all are equally
 * near, and a preference would only fill one of them. Each other is mostly the better of two drawn at random (the power of
 * two choices: Mitzenmacher 2001): spread evenly, an empty newcomer filled first but never by everybody at once.
 */
export function chooseTargets<C extends PlacementCandidate>(candidates: readonly C[], options: PlacementOptions, random: Random): C[] {
  const chosen: C[] = [];
  const isUsable = (candidate: C) => !chosen.includes(candidate) && whyNot(candidate, options) === undefined;
  if (options.writerHost !== undefined && isManyMachines(candidates)) {
    const local = candidates.filter((candidate) => candidate.host === options.writerHost && !candidate.isStale);
    const first = betterOfTwo(local, isUsable, random);
    if (first) chosen.push(first);
  }
  while (chosen.length < options.count) {
    const next = betterOfTwo(candidates, (candidate) => !candidate.isStale && isUsable(candidate), random) ?? betterOfTwo(candidates, isUsable, random);
    if (!next) break;
    chosen.push(next);
  }
  return chosen;
}

/** Why a node cannot take a replica, in words for a person; undefined if it can. */
export function whyNot(candidate: PlacementCandidate, options: PlacementOptions): string | undefined {
  if (options.excluded.has(candidate.uuid)) return 'excluded';
  if (candidate.remainingBytes < options.blockSizeBytes) return `${candidate.remainingBytes} bytes left for new blocks, ${options.blockSizeBytes} needed`;
  return undefined;
}

function isManyMachines(candidates: readonly PlacementCandidate[]): boolean {
  return candidates.some((candidate) => candidate.host !== candidates[0]!.host);
}

function betterOfTwo<C extends PlacementCandidate>(candidates: readonly C[], isUsable: (candidate: C) => boolean, random: Random): C | undefined {
  const first = draw(candidates, isUsable, random);
  if (!first) return undefined;
  const second = draw(candidates, (candidate) => candidate !== first && isUsable(candidate), random);
  if (!second || cost(second) === cost(first)) return first;
  const [better, worse] = cost(second) < cost(first) ? [second, first] : [first, second];
  return random.next() < preference ? better : worse;
}

/** A usable one at random. In a large cluster a few tries find one; only if they do not are all looked at. */
function draw<C>(candidates: readonly C[], isUsable: (candidate: C) => boolean, random: Random): C | undefined {
  if (candidates.length === 0) return undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    const candidate = candidates[random.integer(candidates.length)]!;
    if (isUsable(candidate)) return candidate;
  }
  const usable = candidates.filter(isUsable);
  return usable.length === 0 ? undefined : usable[random.integer(usable.length)]!;
}

function cost(candidate: PlacementCandidate): number {
  return candidate.usedFraction + loadWeight * candidate.load;
}
