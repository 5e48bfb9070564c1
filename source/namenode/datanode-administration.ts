import type { Clock } from '../base/clock.js';
import { counted } from '../base/text.js';
import type { AdminState } from '../protocol/cluster-events.js';
import { blockStates } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { BlocksBeingWritten } from './blocks-being-written.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import type { EventSink } from './feed.js';
import type { NodeWish, WishedState } from './node-wish.js';

export interface DatanodeAdministrationParts {
  clock: Clock;
  events: EventSink;
  redundancy: BlockRedundancy;
  writing: BlocksBeingWritten;
  /** A file may want more copies than there are nodes left: so many are enough to let a node go (Hadoop: DatanodeAdminManager.isSufficient). */
  defaultReplication: number;
  /** A node that is to go, and has been silent for so long, is waited for by no file that is still open. */
  lostNodeTimeoutMs: number;
  /** Has every block of the node judged anew: it counts for more, or for less, than before. */
  recheckBlocksOf(node: DatanodeDescriptor): void;
  recheckAllBlocks(): void;
}

/** One walk over the blocks of a node that is to go. */
interface Pass {
  readonly steps: Iterator<void, void>;
  pendingBlocks: number;
  /** The most replicas that one of them still needs. */
  mostNeeded: number;
  /** At its begin. What was closed since may not have been among the blocks that were looked at. */
  readonly endedCount: number;
  readonly unplacedCount: number;
}

const entriesPerStep = 2048;
const stepsPerTick = 2;

/**
 * What administrators want of data nodes, and how it comes true (Hadoop: DatanodeAdminManager):
 *
 *   normal --decommission--> decommissioning --nothing needs it any more--> decommissioned
 *   normal --maintenance---> entering-maintenance --its blocks are safe without it, or it is dead--> in-maintenance
 *   any of them --recommission, or the end of the maintenance--> normal
 *
 * The wish is durable, and given to `setWish` once it is on disk. How far it has come is not: after a restart a node is found to be
 * done as soon as it, and the others, have reported. Times are monotonic; a maintenance never lasts longer for a restart than it was wished to.
 */
export class DatanodeAdministration {
  readonly #parts: DatanodeAdministrationParts;
  readonly #passes = new Map<DatanodeDescriptor, Pass>();

  constructor(parts: DatanodeAdministrationParts) {
    this.#parts = parts;
  }

  /** Takes up the wishes of earlier lives. The nodes must be loaded. A wish for one that was replaced is of no use any more. */
  load(wishes: Iterable<[datanodeUuid: string, wish: NodeWish]>): void {
    for (const [uuid, { state, setTimeMs, durationMs }] of wishes) {
      const node = this.#datanodes.find(uuid);
      if (!node) continue;
      const elapsedMs = Math.max(0, this.#parts.clock.nowMs() - setTimeMs);
      this.#begin(node, state, durationMs === undefined ? undefined : Math.max(0, durationMs - elapsedMs));
    }
    this.#countUnheard();
  }

  /** What is wanted from now on. The same again changes only when a maintenance ends. */
  setWish(node: DatanodeDescriptor, wished: WishedState, durationMs?: number): void {
    const isSame = wished === 'decommissioned' ? node.isDecommission : wished === 'in-maintenance' ? node.isMaintenance : node.isInService;
    if (isSame) {
      node.maintenanceEndsMs = wished === 'in-maintenance' && durationMs !== undefined ? this.#parts.clock.monotonicMs() + durationMs : undefined;
      return;
    }
    this.#begin(node, wished, durationMs);
    const what = { normal: `is in service again`, decommissioned: 'is being decommissioned: its blocks are copied elsewhere', 'in-maintenance': `enters maintenance${durationMs === undefined ? '' : ` for ${durationText(durationMs)}`}` }[wished];
    this.#tell(node, what);
    this.#serviceChanged(node);
  }

  /** Looks whether nodes may go, and whether maintenances are over. */
  tick(nowMs: number): void {
    for (const node of this.#datanodes.nodes) {
      if (node.isInService) continue;
      if (node.maintenanceEndsMs !== undefined && nowMs >= node.maintenanceEndsMs) {
        this.#begin(node, 'normal', undefined);
        this.#tell(node, `: its maintenance is over${node.isAlive ? '' : ', and it is dead'}`);
        this.#serviceChanged(node);
      } else if (node.adminState === 'entering-maintenance' && !node.isAlive) {
        // It is away already: what is left to copy is copied from others.
        this.#reach(node, 'in-maintenance');
      } else if (node.isBeingEmptied) {
        this.#advance(node);
      }
    }
  }

  /** It has registered, for the first time in this life. */
  nodeHeard(node: DatanodeDescriptor): void {
    if (node.isMaintenance) this.#countUnheard();
  }

  nodeRetired(node: DatanodeDescriptor): void {
    this.#passes.delete(node);
    node.maintenanceEndsMs = undefined;
    node.setAdminState('normal');
    this.#countUnheard();
  }

  get #datanodes() {
    return this.#parts.redundancy.datanodes;
  }

  #begin(node: DatanodeDescriptor, wished: WishedState, durationMs: number | undefined): void {
    this.#passes.delete(node);
    node.maintenanceEndsMs = wished === 'in-maintenance' && durationMs !== undefined ? this.#parts.clock.monotonicMs() + durationMs : undefined;
    node.setAdminState(wished === 'decommissioned' ? 'decommissioning' : wished === 'in-maintenance' ? 'entering-maintenance' : 'normal');
    if (!node.isInService) node.adminNote = 'its blocks are yet to be looked at';
  }

  #serviceChanged(node: DatanodeDescriptor): void {
    this.#countUnheard();
    this.#parts.recheckBlocksOf(node);
    if (this.#datanodes.recountRacks()) this.#parts.recheckAllBlocks();
  }

  /** What nobody has heard of since the start may have a replica of every block: see BlockRedundancy. */
  #countUnheard(): void {
    const { redundancy } = this.#parts;
    let count = 0;
    for (const node of this.#datanodes.nodes) if (node.isMaintenance && node.epoch === 0) count++;
    if (count === redundancy.unheardMaintenanceCount) return;
    redundancy.unheardMaintenanceCount = count;
    this.#parts.recheckAllBlocks();
  }

  #advance(node: DatanodeDescriptor): void {
    let pass = this.#passes.get(node);
    if (!pass) {
      const begun: Pass = { pendingBlocks: 0, mostNeeded: 0, endedCount: node.writing.endedCount, unplacedCount: this.#parts.writing.countUnplaced(), steps: undefined as never };
      pass = Object.assign(begun, { steps: this.#look(node, begun) });
      this.#passes.set(node, pass);
    }
    for (let left = stepsPerTick; left > 0; left--) {
      if (!pass.steps.next().done) continue;
      this.#passes.delete(node);
      this.#conclude(node, pass);
      return;
    }
  }

  *#look(node: DatanodeDescriptor, pass: Pass): Iterator<void, void> {
    const { map } = this.#parts.redundancy;
    for (let container = 0; container < node.entries.containerCount; container++) {
      const entries = node.entries.entriesOf(container);
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i]!;
        if (node.entries.has(entry) && map.state(entry) === blockStates.complete) this.#judge(node, entry, pass);
        if (i % entriesPerStep === entriesPerStep - 1) yield;
      }
    }
  }

  /** A block stands in the way until so many replicas that are beyond doubt are on nodes that stay. */
  #judge(node: DatanodeDescriptor, entry: number, pass: Pass): void {
    const { redundancy, defaultReplication } = this.#parts;
    const counts = redundancy.count(entry);
    let needed = redundancy.neededCount(entry, counts);
    if (node.isDecommission) needed = Math.min(needed, Math.max(1, defaultReplication));
    if (counts.solid >= needed) return;
    pass.pendingBlocks++;
    pass.mostNeeded = Math.max(pass.mostNeeded, needed);
  }

  /** All its blocks were looked at. */
  #conclude(node: DatanodeDescriptor, pass: Pass): void {
    const { redundancy, writing, lostNodeTimeoutMs } = this.#parts;
    node.adminPendingBlocks = pass.pendingBlocks;
    // Else a file of which a node that will not come back may have the last bytes would stay open for ever, and keep the node.
    const isLost = !node.isAlive && this.#datanodes.silenceMs(node) >= lostNodeTimeoutMs;
    const writtenCount = isLost ? 0 : node.writing.count;
    const unplacedCount = isLost ? 0 : writing.countUnplaced();
    const inServiceCount = this.#datanodes.countInService();
    if (redundancy.isStarting) node.adminNote = 'safe mode is to end first';
    else if (node.isAlive && !node.isReported) node.adminNote = 'it has not reported its blocks yet';
    // What a dead node had is not known where the name node has started after its death: then nothing at all may be amiss.
    else if (!node.isAlive && redundancy.queue.underReplicatedCount + redundancy.queue.missingCount > 0) node.adminNote = 'it is dead, and blocks are under-replicated: they are repaired first';
    else if (pass.pendingBlocks > 0) {
      const scarcity = pass.mostNeeded > inServiceCount ? `; ${counted(pass.mostNeeded, 'replica')} ${pass.mostNeeded === 1 ? 'is' : 'are'} wanted, and only ${counted(inServiceCount, 'data node')} ${inServiceCount === 1 ? 'is' : 'are'} live and in service: add a data node, or want fewer (setrep)` : '';
      node.adminNote = `${counted(pass.pendingBlocks, 'block')} to be copied${scarcity}`;
    } else if (writtenCount > 0) node.adminNote = `${counted(writtenCount, 'block')} being written there: their files are to be closed, or go on elsewhere`;
    else if (unplacedCount > 0) node.adminNote = `${counted(unplacedCount, 'block')} being written since before the name node's start, nobody knows where: their files are to be closed`;
    else if (!isLost && (pass.endedCount !== node.writing.endedCount || pass.unplacedCount > 0)) node.adminNote = 'files were closed meanwhile: its blocks are looked at once more';
    else this.#reach(node, node.isDecommission ? 'decommissioned' : 'in-maintenance');
  }

  #reach(node: DatanodeDescriptor, state: AdminState): void {
    this.#passes.delete(node);
    node.setAdminState(state);
    this.#tell(node, state === 'decommissioned' ? 'is decommissioned: nothing needs it any more' : 'is in maintenance: it may go away for a while');
  }

  #tell(node: DatanodeDescriptor, what: string): void {
    this.#parts.events.publish({ kind: 'node-administration', level: 'info', node: node.name, message: `${node.name}${what.startsWith(':') ? '' : ' '}${what}` });
  }
}

/** `2 hours`, `90 minutes`, `30 seconds` */
export function durationText(durationMs: number): string {
  for (const [unitMs, unit] of [[86_400_000, 'day'], [3_600_000, 'hour'], [60_000, 'minute'], [1000, 'second']] as const) {
    if (durationMs >= unitMs && durationMs % unitMs === 0) return counted(durationMs / unitMs, unit);
  }
  return durationMs < 10_000 ? `${durationMs} ms` : counted(Math.round(durationMs / 1000), 'second');
}
