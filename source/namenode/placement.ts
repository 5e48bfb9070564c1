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
  /** Of who writes, where no data node runs on that machine. */
  writerRack?: string | undefined;
  /** Uuids not to be chosen: excluded by the writer, or holding a replica. */
  excluded: ReadonlySet<string>;
  /** Where the block has replicas already: the new ones are to be on other racks than they, by the same rule. */
  existing?: readonly { readonly rack: string }[] | undefined;
}

/** So much does one operation in progress weigh against fullness: 20 of them as much as a full disk. */
const loadWeight = 0.05;
/** How often the better of two is taken: the other must get its part too, or the fullest node of a small cluster would get nothing. */
const preference = 0.8;

type Test<C> = (candidate: C) => boolean;

/**
 * Up to `count` nodes for replicas of one block, none twice, in pipeline order (Hadoop: BlockPlacementPolicyDefault,
 * AvailableSpaceBlockPlacementPolicy). The first on the writer's machine, where machines differ (on one machine all are equally near,
 * and a preference would only fill one of them), or else on its rack; the second on another rack than the first; the third on the rack
 * of the second, so that only one replica crosses between racks; the others anywhere, at most so many a rack. Where no such node is
 * left, one of any rack is better than none, and one that was late with its heartbeat too. Among equals each is mostly the better
 * of two drawn at random (the power of two choices: Mitzenmacher 2001): spread evenly, an empty newcomer filled first but never by
 * everybody at once.
 */
export function chooseTargets<C extends PlacementCandidate>(candidates: readonly C[], options: PlacementOptions, random: Random): C[] {
  const { existing = [] } = options;
  const chosen: C[] = [];
  const isUsable: Test<C> = (candidate) => !chosen.includes(candidate) && whyNot(candidate, options) === undefined;
  const rackCount = countRacks(candidates);
  const most = maxPerRack(existing.length + options.count, rackCount);
  while (chosen.length < options.count) {
    const racks = [...existing, ...chosen].map(({ rack }) => rack);
    const isFresh: Test<C> = (candidate) => !candidate.isStale && isUsable(candidate);
    const local = racks.length === 0 && options.writerHost !== undefined && isManyMachines(candidates) ? betterOfTwo(candidates.filter(({ host }) => host === options.writerHost), isFresh, random) : undefined;
    const isPlaced = rackCount > 1 ? rackRule<C>(racks, most, options.writerRack) : undefined;
    const next =
      local ??
      (isPlaced && betterOfTwo(candidates, (candidate) => isPlaced(candidate) && isFresh(candidate), random)) ??
      (isPlaced && racks.length > 1 ? betterOfTwo(candidates, (candidate) => countOf(racks, candidate.rack) < most && isFresh(candidate), random) : undefined) ??
      betterOfTwo(candidates, isFresh, random) ??
      (isPlaced && betterOfTwo(candidates, (candidate) => isPlaced(candidate) && isUsable(candidate), random)) ??
      betterOfTwo(candidates, isUsable, random);
    if (!next) break;
    chosen.push(next);
  }
  return chosen;
}

/** Why a node cannot take a replica, in words for a person; undefined if it can. */
export function whyNot(candidate: PlacementCandidate, options: PlacementOptions): string | undefined {
  if (options.excluded.has(candidate.uuid)) return 'excluded';
  if (candidate.remainingBytes < options.blockSizeBytes) return `${candidate.remainingBytes} bytes left for new blocks, ${options.blockSizeBytes} needed: free some, or add a data node`;
  return undefined;
}

/** Where the next replica should be, when there are some on `racks` and at most `most` may be on one. Undefined: anywhere. */
function rackRule<C extends PlacementCandidate>(racks: readonly string[], most: number, writerRack: string | undefined): Test<C> | undefined {
  const [first, second] = racks;
  if (first === undefined) return writerRack === undefined ? undefined : ({ rack }) => rack === writerRack;
  if (racks.every((rack) => rack === first)) return ({ rack }) => rack !== first;
  if (racks.length === 2) return ({ rack }) => rack === second;
  return ({ rack }) => countOf(racks, rack) < most;
}

/** Of so many replicas, at most these on one rack, so that two racks have one at least (BlockPlacementPolicyDefault.getMaxNodesPerRack). */
function maxPerRack(replicaCount: number, rackCount: number): number {
  if (rackCount <= 1 || replicaCount <= 1) return replicaCount;
  const most = Math.floor((replicaCount - 1) / rackCount) + 2;
  return most === replicaCount ? replicaCount - 1 : most;
}

function countOf(racks: readonly string[], rack: string): number {
  let count = 0;
  for (const one of racks) if (one === rack) count++;
  return count;
}

function countRacks(candidates: readonly PlacementCandidate[]): number {
  const first = candidates[0]?.rack;
  if (candidates.every(({ rack }) => rack === first)) return Math.min(1, candidates.length);
  return new Set(candidates.map(({ rack }) => rack)).size;
}

function isManyMachines(candidates: readonly PlacementCandidate[]): boolean {
  return candidates.some((candidate) => candidate.host !== candidates[0]!.host);
}

function betterOfTwo<C extends PlacementCandidate>(candidates: readonly C[], isUsable: Test<C>, random: Random): C | undefined {
  const first = draw(candidates, isUsable, random);
  if (!first) return undefined;
  const second = draw(candidates, (candidate) => candidate !== first && isUsable(candidate), random);
  if (!second || cost(second) === cost(first)) return first;
  const [better, worse] = cost(second) < cost(first) ? [second, first] : [first, second];
  return random.next() < preference ? better : worse;
}

/** A usable one at random. In a large cluster a few tries find one; only if they do not are all looked at. */
function draw<C>(candidates: readonly C[], isUsable: Test<C>, random: Random): C | undefined {
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
