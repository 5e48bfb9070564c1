import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { formatReport } from '../base/size.js';
import { counted } from '../base/text.js';
import type { BalancerStatus } from '../protocol/cluster-events.js';
import { blockStates, noBucket, replicaNode } from './block-map.js';
import { type BlockRedundancy, isSolid } from './block-redundancy.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { EventSink } from './feed.js';
import { type Arrival, MoveLedger } from './move-ledger.js';
import type { PendingCopy, RepairPlanner } from './repair-planner.js';
import type { ReplicaTrimmer } from './replica-trimmer.js';

export interface BalancerLimits {
  /** Copies that a node sends, and receives, at a time, those of repair counted in: fewer than repair may use. */
  streamsPerNode: number;
  /** Small ones beyond that, up to so many bytes and so many copies together (Hadoop: dfs.datanode.balance.max.concurrent.moves). */
  bytesPerNode: number;
  copiesPerNode: number;
  movesInTotal: number;
  /** From a node, and to a node. */
  bytesPerSecond: number;
  /** Blocks of a source that are looked at in a tick. */
  blocksPerTick: number;
  /** With no block moved, and every block of every source looked at, for so long, there is none to move. */
  idleMs: number;
  /** At the most, until heartbeats tell what a move has changed. */
  settleMs: number;
}

export const defaultBalancerLimits: BalancerLimits = {
  streamsPerNode: 2,
  bytesPerNode: 64 * 1024 * 1024,
  copiesPerNode: 100,
  movesInTotal: 1000,
  bytesPerSecond: 100 * 1024 * 1024,
  blocksPerTick: 4096,
  idleMs: 10_000,
  settleMs: 3000,
};

/** A node with what it will hold when all that is under way has come. Fractions of its capacity. */
interface Load {
  readonly node: DatanodeDescriptor;
  readonly capacityBytes: number;
  usedBytes: number;
}

/** Where a source's blocks were looked at last. */
interface Cursor {
  container: number;
  offset: number;
  /** Times that it has come round since a block was moved. */
  laps: number;
}

const idle: BalancerStatus = { isRunning: false, run: 0, thresholdPercent: 10, outcome: 'none', startedTimeMs: 0, durationMs: 0, movedBlocks: 0, movedBytes: 0, movingBytes: 0, leftBytes: 0 };

/**
 * Evens out how full data nodes are (Hadoop: Balancer, Dispatcher), until each is within a threshold of the mean. A move copies a block
 * from a fuller node to an emptier one; only when the copy is confirmed does the block have a replica too many, and the source's goes by the
 * same rules as any excess: so no block ever has fewer replicas, or fewer racks, than before. A block is moved only if it is whole, and
 * only to where the source stays at least as full as the target: so it ends.
 */
export class Balancer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: EventSink;
  readonly #redundancy: BlockRedundancy;
  readonly #planner: RepairPlanner;
  readonly #trimmer: ReplicaTrimmer;
  readonly #limits: BalancerLimits;
  readonly #cursors = new Map<DatanodeDescriptor, Cursor>();
  readonly #ledger: MoveLedger;
  #status: BalancerStatus = idle;
  /** Of the last plan. */
  #sources: DatanodeDescriptor[] = [];
  #startedMs = 0;
  #progressMs = 0;

  constructor(parts: { clock: Clock; random: Random; events: EventSink; redundancy: BlockRedundancy; planner: RepairPlanner; trimmer: ReplicaTrimmer; limits: BalancerLimits }) {
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#events = parts.events;
    this.#redundancy = parts.redundancy;
    this.#planner = parts.planner;
    this.#trimmer = parts.trimmer;
    this.#limits = parts.limits;
    this.#ledger = new MoveLedger(parts.limits);
    parts.planner.onMoveEnded = (copy, hasArrived) => this.#moveEnded(copy, hasArrived);
  }

  status(): BalancerStatus {
    const { isRunning, durationMs } = this.#status;
    return { ...this.#status, durationMs: isRunning ? Math.round(this.#clock.monotonicMs() - this.#startedMs) : durationMs };
  }

  /** Begins, or goes on with another threshold. */
  start(thresholdPercent: number): BalancerStatus {
    if (this.#status.isRunning) {
      this.#status = { ...this.#status, thresholdPercent, leftBytes: this.#leftBytes(thresholdPercent) };
      return this.status();
    }
    this.#startedMs = this.#progressMs = this.#clock.monotonicMs();
    this.#status = { ...idle, isRunning: true, run: this.#status.run + 1, thresholdPercent, startedTimeMs: this.#clock.nowMs(), leftBytes: this.#leftBytes(thresholdPercent) };
    this.#cursors.clear();
    this.#events.publish({ kind: 'balancer', level: 'info', message: `balancing started: data nodes are to be within ${thresholdPercent}% of the mean` });
    return this.status();
  }

  /** What has begun is finished; nothing else is begun. Harmless if it does not run. */
  stop(): BalancerStatus {
    if (this.#status.isRunning) this.#finish('stopped');
    return this.status();
  }

  tick(nowMs: number): void {
    if (!this.#status.isRunning) return;
    this.#ledger.expire(nowMs, (arrival) => this.#isAtSource(arrival));
    const loads = this.#loads();
    const mean = meanOf(loads);
    const threshold = this.#status.thresholdPercent / 100;
    this.#status.leftBytes = leftBytes(loads, mean, threshold);
    if (this.#status.leftBytes === 0) {
      this.#progressMs = nowMs;
      if (this.#planner.moveCount === 0 && this.#ledger.isEmpty) this.#finish('balanced');
      return;
    }
    if (this.#plan(loads, mean, threshold, nowMs) || this.#planner.moveCount > 0) this.#progressMs = nowMs;
    else if (nowMs - this.#progressMs >= this.#limits.idleMs && this.#sources.every((node) => (this.#cursors.get(node)?.laps ?? 0) > 0)) this.#finish('no-block');
  }

  /** Nodes that take part: those that repair would use. */
  #loads(): Load[] {
    const loads: Load[] = [];
    for (const node of this.#redundancy.datanodes.nodes) {
      const { capacityBytes } = node;
      if (node.state !== 'live' || !node.isInService || !node.isReported || capacityBytes === 0) continue;
      const { receivedBytes, sentBytes } = this.#ledger.unheard(node);
      const usedBytes = Math.max(0, node.usedBytes + node.incoming.bytes + receivedBytes - Math.max(sentBytes, node.invalidations.bytes) - this.#planner.movingFrom(node));
      loads.push({ node, capacityBytes, usedBytes });
    }
    return loads;
  }

  #leftBytes(thresholdPercent: number): number {
    const loads = this.#loads();
    return leftBytes(loads, meanOf(loads), thresholdPercent / 100);
  }

  #isAtSource({ blockId, source }: Arrival): boolean {
    const { map } = this.#redundancy;
    const entry = map.find(blockId);
    return entry >= 0 && map.indexOfNode(entry, source.number) >= 0;
  }

  /** Orders what can be ordered now: true if anything was, or only has to wait for its share of the bandwidth. */
  #plan(loads: Load[], mean: number, threshold: number, nowMs: number): boolean {
    const isOver = (load: Load) => fraction(load) > mean + threshold;
    const isUnder = (load: Load) => fraction(load) < mean - threshold;
    const hasUnder = loads.some(isUnder);
    const fuller = loads.filter((load) => isOver(load) || (hasUnder && fraction(load) > mean)).sort((a, b) => fraction(b) - fraction(a));
    const emptier = loads.filter((load) => fraction(load) < mean).sort((a, b) => fraction(a) - fraction(b));
    let hasMoved = false;
    this.#sources = [];
    for (const source of fuller) {
      // From one that is not over-utilised only to one that is under-utilised.
      const targets = isOver(source) ? emptier : emptier.filter(isUnder);
      if (targets.length === 0) continue;
      this.#sources.push(source.node);
      if (this.#planFrom(source, targets, mean, nowMs)) hasMoved = true;
    }
    return hasMoved;
  }

  #planFrom(source: Load, targets: readonly Load[], mean: number, nowMs: number): boolean {
    const { movesInTotal, blocksPerTick } = this.#limits;
    const { node } = source;
    const cursor = this.#cursor(node);
    let hasMoved = false;
    for (let left = blocksPerTick; left > 0 && fraction(source) > mean; left--) {
      if (this.#planner.moveCount >= movesInTotal || !this.#hasRoom(node.outgoing, 0) || !this.#ledger.mayMove(node, nowMs)) return true;
      const free = targets.filter((target) => fraction(target) < mean && this.#hasRoom(target.node.incoming, 0) && this.#ledger.mayMove(target.node, nowMs));
      if (free.length === 0) return hasMoved || targets.some((target) => fraction(target) < mean);
      const entry = this.#next(node, cursor);
      if (entry === undefined) return hasMoved;
      const target = this.#targetOf(entry, source, free);
      if (!target || !this.#planner.move(entry, node, target.node, nowMs)) continue;
      const lengthBytes = this.#redundancy.map.lengthBytes(entry);
      source.usedBytes -= lengthBytes;
      target.usedBytes += lengthBytes;
      this.#ledger.noteOrder(node, target.node, lengthBytes, nowMs);
      this.#status.movingBytes += lengthBytes;
      cursor.laps = 0;
      hasMoved = true;
    }
    return hasMoved;
  }

  #hasRoom(running: { count: number; bytes: number }, lengthBytes: number): boolean {
    const { streamsPerNode, copiesPerNode, bytesPerNode } = this.#limits;
    return running.count < streamsPerNode || (running.count < copiesPerNode && running.bytes + lengthBytes <= bytesPerNode);
  }

  /** Where a block of the source may go; undefined if nowhere, or if it is not to be touched now. */
  #targetOf(entry: number, source: Load, targets: readonly Load[]): Load | undefined {
    const { map, datanodes } = this.#redundancy;
    if (map.state(entry) !== blockStates.complete || map.bucket(entry) !== noBucket || this.#planner.isPending(map.blockId(entry))) return undefined;
    const index = map.indexOfNode(entry, source.node.number);
    const counts = this.#redundancy.count(entry);
    if (index < 0 || !isSolid(map.replica(entry, index), source.node) || counts.solid !== map.replication(entry) || counts.good !== counts.solid) return undefined;
    const lengthBytes = map.lengthBytes(entry);
    if (lengthBytes === 0 || !this.#hasRoom(source.node.outgoing, lengthBytes)) return undefined;
    const holders: DatanodeDescriptor[] = [];
    for (let i = 0; i < map.replicaCount(entry); i++) holders.push(datanodes.byNumber(replicaNode(map.replica(entry, i))));
    const others = holders.filter((holder) => holder !== source.node && holder.isInService);
    const rackCount = countRacks([...others, source.node]);
    return targets.find(
      ({ node, usedBytes, capacityBytes }) =>
        !holders.includes(node) &&
        this.#hasRoom(node.incoming, lengthBytes) &&
        node.remainingBytes >= lengthBytes &&
        (source.usedBytes - lengthBytes) / source.capacityBytes >= (usedBytes + lengthBytes) / capacityBytes &&
        countRacks([...others, node]) >= rackCount,
    );
  }

  /** The next block of a node, round and round; undefined after each round. */
  #next(node: DatanodeDescriptor, cursor: Cursor): number | undefined {
    const { entries } = node;
    while (cursor.container < entries.containerCount) {
      const container = entries.entriesOf(cursor.container);
      if (cursor.offset < container.length) return container[cursor.offset++]!;
      cursor.container++;
      cursor.offset = 0;
    }
    cursor.container = cursor.offset = 0;
    cursor.laps++;
    return undefined;
  }

  /** Begins anywhere, so that several runs do not try the same blocks first. */
  #cursor(node: DatanodeDescriptor): Cursor {
    let cursor = this.#cursors.get(node);
    if (!cursor) this.#cursors.set(node, (cursor = { container: this.#random.integer(Math.max(1, node.entries.containerCount)), offset: 0, laps: -1 }));
    return cursor;
  }

  #moveEnded({ blockId, source, target, lengthBytes }: PendingCopy, hasArrived: boolean): void {
    const status = this.#status;
    status.movingBytes = Math.max(0, status.movingBytes - lengthBytes);
    if (!hasArrived) return;
    // From here on there is one too many.
    this.#trimmer.preferFrom(blockId, source);
    this.#ledger.noteArrival({ blockId, source, target, lengthBytes }, this.#clock.monotonicMs());
    status.movedBlocks++;
    status.movedBytes += lengthBytes;
  }

  #finish(outcome: BalancerStatus['outcome']): void {
    const durationMs = Math.round(this.#clock.monotonicMs() - this.#startedMs);
    this.#status = { ...this.#status, isRunning: false, outcome, durationMs };
    this.#planner.cancelMoves();
    this.#ledger.clear();
    const what = { none: '', balanced: 'the cluster is balanced', 'no-block': 'no block can be moved', stopped: 'stopped' }[outcome];
    const { movedBlocks, movedBytes } = this.#status;
    this.#events.publish({ kind: 'balancer', level: outcome === 'no-block' ? 'warn' : 'info', message: `balancing ended: ${what}; ${counted(movedBlocks, 'block')}, ${formatReport(movedBytes)} moved in ${(durationMs / 1000).toFixed(1)} s` });
  }
}

function fraction({ usedBytes, capacityBytes }: Load): number {
  return usedBytes / capacityBytes;
}

function meanOf(loads: readonly Load[]): number {
  const capacityBytes = loads.reduce((total, load) => total + load.capacityBytes, 0);
  return capacityBytes === 0 ? 0 : loads.reduce((total, load) => total + load.usedBytes, 0) / capacityBytes;
}

/** To be moved before each is within the threshold of the mean. */
function leftBytes(loads: readonly Load[], mean: number, threshold: number): number {
  const excessBytes = sum(loads, (load) => load.usedBytes - (mean + threshold) * load.capacityBytes);
  const lackingBytes = sum(loads, (load) => (mean - threshold) * load.capacityBytes - load.usedBytes);
  return Math.round(Math.max(excessBytes, lackingBytes));
}

/** Of what is above nothing. */
function sum(loads: readonly Load[], measure: (load: Load) => number): number {
  return loads.reduce((total, load) => total + Math.max(0, measure(load)), 0);
}

function countRacks(nodes: readonly DatanodeDescriptor[]): number {
  return new Set(nodes.map(({ rackNumber }) => rackNumber)).size;
}
