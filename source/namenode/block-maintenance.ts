import type { Clock } from '../base/clock.js';
import { counted } from '../base/text.js';
import { blockName } from '../protocol/block.js';
import { adminWords } from './admin-words.js';
import type { Balancer } from './balancer.js';
import type { BlockCatalog } from './block-management.js';
import type { BlockManager } from './block-manager.js';
import { blockStates, replicaFlags, replicaHas, replicaStorage, withoutFlags } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import { type BlockScan, BlockScans } from './block-scans.js';
import type { DatanodeDescriptor, DatanodeStorage } from './datanode-descriptor.js';
import type { DatanodeAdministration } from './datanode-administration.js';
import type { DatanodeListener, DatanodeManager, NodeReturn } from './datanode-manager.js';
import type { EventSink } from './feed.js';
import type { FutureReplicas } from './future-replicas.js';
import type { RepairPlanner } from './repair-planner.js';
import type { RepairProgress } from './repair-progress.js';
import type { ReplicaTrimmer } from './replica-trimmer.js';
import type { SafeMode } from './safe-mode.js';
import type { StrangeReplicas } from './strange-replicas.js';

export interface MaintenanceParts {
  clock: Clock;
  events: EventSink;
  datanodes: DatanodeManager;
  redundancy: BlockRedundancy;
  blocks: BlockManager;
  planner: RepairPlanner;
  trimmer: ReplicaTrimmer;
  strangers: StrangeReplicas;
  safeMode: SafeMode;
  progress: RepairProgress;
  future: FutureReplicas;
  balancer: Balancer;
  /** Made after this, which it calls. */
  administration: () => DatanodeAdministration;
  reportRaceMs: number;
  /** Between two ticks, when nothing is left over from the last one. */
  tickIntervalMs: number;
  /** After the start, nodes that are known and not dead may take so long to report before repair begins without them. */
  settleMs: number;
}

const entriesPerPiece = 2048;
const piecesPerTick = 8;
const blocksTrimmedPerTick = 2000;
const strangersPerTick = 2000;
const shownReplaced = 3;

/**
 * What block management does by itself as time goes by, and when nodes come and go. `tick` is to be called a few times a second; it
 * does a bounded amount of work, in memory only.
 */
export class BlockMaintenance implements DatanodeListener {
  readonly #parts: MaintenanceParts;
  readonly #scans = new BlockScans();
  /** Nodes that died, and whose blocks have been looked through: to be told of after the next planning. */
  #deathsToTell: DatanodeDescriptor[] = [];
  #wasMissing = false;
  #isLoaded = false;
  #catalog: BlockCatalog | undefined;
  /** Until then repair waits for nodes that have not reported since the start. */
  #settleDeadlineMs: number | undefined;
  #isSettled = false;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
  }

  /** All blocks are in the map: reports count from here on. */
  blocksLoaded(catalog: BlockCatalog): void {
    this.#isLoaded = true;
    this.#catalog = catalog;
  }

  /** Does what is due. Answers in how many milliseconds it wants to be called again, at the latest. */
  tick(): number {
    const { clock, blocks, datanodes, planner, progress, redundancy, safeMode, strangers, trimmer } = this.#parts;
    const nowMs = clock.monotonicMs();
    datanodes.tick();
    this.#scans.step(piecesPerTick);
    this.#advanceSafeMode(nowMs);
    blocks.expireUnconfirmed(nowMs);
    planner.expire(nowMs);
    this.#parts.administration().tick(nowMs);
    for (const node of datanodes.nodes) {
      if (!node.isAlive) continue;
      strangers.judge(node, nowMs, strangersPerTick, (block, at) => planner.isTarget(block, at));
      node.recentEvents.expire(nowMs - this.#parts.reportRaceMs);
    }
    if (!safeMode.isOn) {
      if (this.#isSettled) {
        planner.plan(nowMs);
        this.#parts.balancer.tick(nowMs);
      }
      trimmer.trim(blocksTrimmedPerTick);
    }
    this.#tellDeaths();
    if (!redundancy.isStarting) this.#tellMissing();
    this.#tellReplaced();
    if (this.#isSettled) progress.tick(nowMs);
    return this.#scans.isIdle ? this.#parts.tickIntervalMs : 2;
  }

  nodeRegistered(node: DatanodeDescriptor, change: NodeReturn): void {
    node.strangers.clear();
    node.recentEvents.clear();
    node.reportOrderedMs = Number.NEGATIVE_INFINITY;
    for (const order of node.verifications.values()) order.orderedMs = Number.NEGATIVE_INFINITY;
    node.invalidations.orderAgain();
    if (change.isNewProcess || change.wasDead) this.#parts.planner.abandonNode(node);
    if (change.isFirst) this.#parts.administration().nodeHeard(node);
    if (change.wasDead || change.isMoved) this.recheckBlocksOf(node);
    this.#racksMayDiffer();
  }

  nodeDied(node: DatanodeDescriptor): void {
    this.#dropOrders(node);
    this.#scans.add(this.#entriesOf(node, (entry) => this.#withoutOrders(node, entry)), () => this.#deathsToTell.push(node));
    this.#racksMayDiffer();
  }

  nodeRetired(node: DatanodeDescriptor): void {
    this.#dropOrders(node);
    this.#scans.add(this.#entriesOf(node, (entry) => void this.#parts.redundancy.removeReplica(entry, node)));
    this.#parts.administration().nodeRetired(node);
    this.#racksMayDiffer();
  }

  /** Judges each block of a node anew, by and by. */
  recheckBlocksOf(node: DatanodeDescriptor): void {
    this.#scans.add(this.#entriesOf(node, (entry) => this.#parts.redundancy.recheck(entry)));
  }

  recheckAllBlocks(): void {
    if (!this.#parts.redundancy.isStarting) this.#scans.add(this.#allEntries());
  }

  #racksMayDiffer(): void {
    if (this.#parts.datanodes.recountRacks()) this.recheckAllBlocks();
  }

  storageFailed(node: DatanodeDescriptor, storage: DatanodeStorage): void {
    const storageIndex = node.storages.indexOf(storage);
    const { redundancy, events } = this.#parts;
    const { map } = redundancy;
    let lostCount = 0;
    const drop = (entry: number) => {
      const index = map.indexOfNode(entry, node.number);
      if (!storage.isFailed || index < 0 || replicaStorage(map.replica(entry, index)) !== storageIndex) return;
      redundancy.removeReplica(entry, node);
      lostCount++;
    };
    this.#scans.add(this.#entriesOf(node, drop), () => {
      const known = node.failedVolumes.find(({ storageId }) => storageId === storage.storageId);
      const which = known ? `${known.directory} (${known.reason})` : storage.storageId;
      events.publish({ kind: 'storage-failed', level: 'error', node: node.name, message: `${node.name} lost its storage ${which} with ${counted(lostCount, 'replica')}` });
    });
  }

  #dropOrders(node: DatanodeDescriptor): void {
    this.#parts.planner.abandonNode(node);
    node.invalidations.clear();
    node.strangers.clear();
    node.recoveryOrders = [];
  }

  /** What a dead node was told to delete it may have, or not: its report will say. */
  #withoutOrders(node: DatanodeDescriptor, entry: number): void {
    const { redundancy } = this.#parts;
    const { map } = redundancy;
    const index = map.indexOfNode(entry, node.number);
    if (index < 0) return;
    const replica = map.replica(entry, index);
    // One that is back meanwhile has orders of its new life, and the report that comes with it tells of the old ones.
    if (!node.isAlive && replicaHas(replica, replicaFlags.deleting)) map.setReplica(entry, index, withoutFlags(replica, replicaFlags.deleting));
    redundancy.recheck(entry);
  }

  *#entriesOf(node: DatanodeDescriptor, visit: (entry: number) => void): BlockScan {
    for (let container = 0; container < node.entries.containerCount; container++) {
      const entries = node.entries.entriesOf(container);
      for (let i = 0; i < entries.length; i++) {
        // It may have gone, and its number to another block, while this walk rested.
        if (node.entries.has(entries[i]!)) visit(entries[i]!);
        if (i % entriesPerPiece === entriesPerPiece - 1) yield;
      }
    }
  }

  *#allEntries(): BlockScan {
    const { redundancy } = this.#parts;
    for (let entry = 0; entry < redundancy.map.entryCount; entry++) {
      if (redundancy.map.state(entry) === blockStates.complete) redundancy.recheck(entry);
      if (entry % entriesPerPiece === entriesPerPiece - 1) yield;
    }
  }

  #advanceSafeMode(nowMs: number): void {
    const { safeMode, datanodes, redundancy } = this.#parts;
    const totalBlocks = redundancy.completeCount;
    const reportedBlocks = totalBlocks - redundancy.queue.missingCount;
    safeMode.advance({ futureBytes: this.#parts.future.bytes, isLoaded: this.#isLoaded, reportedBlocks, totalBlocks, liveNodes: datanodes.countWith('live'), knownNodes: datanodes.nodeCount });
    if (!safeMode.isOn) this.#parts.future.end();
    if (!redundancy.isStarting) {
      if (!this.#isSettled && this.#scans.isIdle && (nowMs >= this.#settleDeadlineMs! || this.#isEveryNodeHeard())) {
        this.#isSettled = true;
        redundancy.queue.restartProgress();
      }
    } else if (!safeMode.isStarting && this.#isLoaded) {
      redundancy.isStarting = false;
      this.#settleDeadlineMs = nowMs + this.#parts.settleMs;
      this.#scans.add(this.#allEntries());
      this.#scans.step(piecesPerTick);
    }
  }

  #isEveryNodeHeard(): boolean {
    for (const node of this.#parts.datanodes.nodes) if (node.isAlive && !node.isReported && !node.isMaintenance) return false;
    return true;
  }

  #tellDeaths(): void {
    const { events, planner, progress, redundancy, safeMode } = this.#parts;
    const { underReplicatedCount, missingCount } = redundancy.queue;
    for (const node of this.#deathsToTell) {
      let repair = '';
      if (underReplicatedCount > 0) {
        if (safeMode.isOn) repair = '; re-replication waits for the end of safe mode';
        else if (planner.pendingCount > 0 || progress.isRunning) repair = '; re-replication started';
        else repair = this.#isSettled ? '; no data node is left to copy to' : '; re-replication waits for the other data nodes to report';
      }
      events.publish({ kind: 'node-dead', level: node.isMaintenance ? 'warn' : 'error', node: node.name, message: `${node.name} DEAD${node.isInService ? '' : ` (${adminWords[node.adminState]})`}, ${counted(underReplicatedCount, 'block')} under-replicated, ${missingCount} missing${repair}` });
    }
    this.#deathsToTell = [];
  }

  #tellMissing(): void {
    const { events, redundancy } = this.#parts;
    const { missingCount } = redundancy.queue;
    const examples = redundancy.takeNewlyMissing().map((entry) => {
      const path = this.#catalog?.pathOfInode(redundancy.map.inodeId(entry));
      return `${blockName({ blockId: redundancy.map.blockId(entry) })}${path === undefined ? '' : ` of ${path}`}`;
    });
    if (examples.length > 0) {
      const more = missingCount > examples.length ? ', ...' : '';
      events.publish({ kind: 'block-missing', level: 'error', message: `${counted(missingCount, 'block')} without a good replica on any live node: ${examples.join(', ')}${more}` });
      this.#wasMissing = true;
    } else if (this.#wasMissing && missingCount === 0) {
      events.publish({ kind: 'block-missing', level: 'info', message: 'every block has a good replica again' });
      this.#wasMissing = false;
    }
  }

  #tellReplaced(): void {
    const replaced = this.#parts.redundancy.takeReplaced();
    for (const { blockId, nodes } of replaced.slice(0, shownReplaced)) {
      this.#parts.events.publish({ kind: 'replica-corrupt', level: 'info', message: `the rotten copy of ${blockName({ blockId })} on ${nodes.join(' and ')} was replaced` });
    }
    if (replaced.length > shownReplaced) this.#parts.events.publish({ kind: 'replica-corrupt', level: 'info', message: `${counted(replaced.length - shownReplaced, 'more rotten copy', 'more rotten copies')} replaced` });
  }
}
