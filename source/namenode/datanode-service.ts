import type { Clock } from '../base/clock.js';
import { counted } from '../base/text.js';
import { blockName } from '../protocol/block.js';
import { decodeReplicas } from '../protocol/block-report.js';
import type { DatanodeProtocol } from '../protocol/datanode-protocol.js';
import { InvalidArgumentError, PermissionDeniedError, UnregisteredNodeError } from '../protocol/errors.js';
import type { CallContext, Handlers, ParamsOf } from '../protocol/method.js';
import type { RecoveredBlock } from './block-management.js';
import { maxStoragesPerNode, replicaFlags, withFlags, withoutFlags } from './block-map.js';
import { BlockReportMerge, type ReportParts, takeReplica } from './block-report-merge.js';
import type { BlockReportQueue, ReportWork } from './block-report-queue.js';
import type { DatanodeCommands } from './datanode-commands.js';
import type { DatanodeDescriptor, DatanodeStorage } from './datanode-descriptor.js';
import type { DatanodeManager } from './datanode-manager.js';
import type { EventSink } from './feed.js';

export interface DatanodeServiceParts extends ReportParts {
  clock: Clock;
  events: EventSink;
  datanodes: DatanodeManager;
  commands: DatanodeCommands;
  reports: BlockReportQueue;
  clusterId: string;
  heartbeatIntervalMs: number;
  blockReportIntervalMs: number;
  /** How long a message about one replica outweighs a full report that may have been made before. */
  reportRaceMs: number;
  /** Takes the end of a recovery into the namespace: resolves when it is on disk. */
  commitRecoveredBlock: (recovered: RecoveredBlock) => Promise<void>;
}

type ReportSlice = ParamsOf<DatanodeProtocol, 'datanode.blockReport'>;
type ReplicaEvents = ParamsOf<DatanodeProtocol, 'datanode.blockReceivedAndDeleted'>;
type CorruptReplicas = ParamsOf<DatanodeProtocol, 'datanode.reportCorrupt'>;
type IntactReplicas = ParamsOf<DatanodeProtocol, 'datanode.reportIntact'>;

/** Replicas of a report taken in at a stretch. */
const replicasPerPiece = 4096;
/** Rotten replicas of one message that get an event each; more get one together. */
const maxSingleEvents = 3;

/** What data nodes say (Hadoop: NameNodeRpcServer, BlockManager.processReport and processIncrementalBlockReport). */
export class DatanodeService implements Handlers<DatanodeProtocol> {
  readonly #parts: DatanodeServiceParts;
  /** Reports that have begun, a storage each. */
  readonly #merges = new Map<DatanodeStorage, BlockReportMerge>();

  constructor(parts: DatanodeServiceParts) {
    this.#parts = parts;
  }

  readonly 'datanode.register': Handlers<DatanodeProtocol>['datanode.register'] = async (params, context) => {
    this.#requireRole(context);
    const { clusterId, heartbeatIntervalMs, blockReportIntervalMs } = this.#parts;
    const node = await this.#parts.datanodes.register(params);
    for (const storage of node.storages) this.#merges.delete(storage);
    return { clusterId, name: node.name, epoch: node.epoch, heartbeatIntervalMs, blockReportIntervalMs };
  };

  readonly 'datanode.sendHeartbeat': Handlers<DatanodeProtocol>['datanode.sendHeartbeat'] = (params, context) => {
    this.#requireRole(context);
    const nowMs = this.#parts.clock.monotonicMs();
    const node = this.#parts.datanodes.sender(params);
    this.#parts.datanodes.heartbeat(node, params);
    this.#parts.planner.noteProgress(node, params.replications, nowMs);
    return { commands: this.#parts.commands.take(node, nowMs) };
  };

  readonly 'datanode.blockReport': Handlers<DatanodeProtocol>['datanode.blockReport'] = async (params, context) => {
    this.#requireRole(context);
    this.#parts.datanodes.aliveSender(params);
    await this.#parts.reports.add(params.replicas.length, () => this.#takeSlice(params));
    return null;
  };

  readonly 'datanode.blockReceivedAndDeleted': Handlers<DatanodeProtocol>['datanode.blockReceivedAndDeleted'] = async (params, context) => {
    this.#requireRole(context);
    this.#parts.datanodes.aliveSender(params);
    if (this.#parts.reports.isOpen) this.#takeEvents(params);
    else await this.#parts.reports.add(100 * params.events.length, () => once(() => this.#takeEvents(params)));
    return null;
  };

  readonly 'datanode.reportCorrupt': Handlers<DatanodeProtocol>['datanode.reportCorrupt'] = async (params, context) => {
    this.#requireRole(context);
    this.#parts.datanodes.aliveSender(params);
    if (this.#parts.reports.isOpen) this.#takeCorrupt(params);
    else await this.#parts.reports.add(600 * params.replicas.length, () => once(() => this.#takeCorrupt(params)));
    return null;
  };

  readonly 'datanode.reportIntact': Handlers<DatanodeProtocol>['datanode.reportIntact'] = (params, context) => {
    this.#requireRole(context);
    this.#takeIntact(params);
    return null;
  };

  /** What its block does not need is strange, and is judged as such: when its grace is over, and only by what is known then. */
  readonly 'datanode.reportAbandoned': Handlers<DatanodeProtocol>['datanode.reportAbandoned'] = async (params, context) => {
    this.#requireRole(context);
    this.#parts.datanodes.aliveSender(params);
    await this.#parts.reports.add(100 * params.replicas.length, () => once(() => {
      const node = this.#parts.datanodes.aliveSender(params);
      const { future, redundancy, strangers } = this.#parts;
      const nowMs = this.#parts.clock.monotonicMs();
      for (const block of params.replicas) {
        if (redundancy.map.find(block.blockId) < 0) future.note(block);
        strangers.note(node, block, 'stranger', nowMs);
      }
    }));
    return null;
  };

  readonly 'datanode.commitBlockSynchronization': Handlers<DatanodeProtocol>['datanode.commitBlockSynchronization'] = async (params, context) => {
    this.#requireRole(context);
    this.#parts.datanodes.aliveSender(params);
    const { block, recoveryGeneration, newLengthBytes, replicas } = params;
    await this.#parts.commitRecoveredBlock({ block, recoveryGeneration, newLengthBytes, replicas });
    return null;
  };

  #requireRole(context: CallContext): void {
    if (context.role !== 'datanode') throw new PermissionDeniedError(`only a data node may call this; user=${context.user} at ${context.remoteAddress} said to be a ${context.role}`);
  }

  *#takeSlice(slice: ReportSlice): ReportWork {
    const node = this.#parts.datanodes.aliveSender(slice);
    const storage = this.#storage(node, slice.storageId);
    // Made before the disk failed: what was on it counts no more.
    if (storage.isFailed) return void this.#merges.delete(storage);
    let merge = this.#merges.get(storage);
    if (slice.reportId <= storage.lastReportId || (merge && slice.reportId < merge.reportId)) return;
    if (!merge || slice.reportId > merge.reportId) {
      if (slice.sliceIndex !== 0) return this.#askAgain(node);
      merge = new BlockReportMerge(this.#parts, node, node.storages.indexOf(storage), slice.reportId);
      this.#merges.set(storage, merge);
    }
    // One that came twice was taken in; one that is missing makes the rest useless.
    if (slice.sliceIndex < merge.sliceIndex) return;
    if (slice.sliceIndex > merge.sliceIndex) {
      this.#merges.delete(storage);
      return this.#askAgain(node);
    }
    merge.sliceIndex++;
    const replicas = decodeReplicas(slice.replicas);
    if (!replicas) throw new InvalidArgumentError(`slice ${slice.sliceIndex} of block report ${slice.reportId} of ${node.name} is not made of triples of whole numbers`);
    const { epoch } = node;
    const isOver = () => node.epoch !== epoch || !node.isAlive || storage.isFailed || this.#merges.get(storage) !== merge;
    const count = replicas.length / 3;
    for (let begin = 0; begin < count; begin += replicasPerPiece) {
      if (isOver()) return;
      const end = Math.min(begin + replicasPerPiece, count);
      merge.merge(replicas, begin, end, this.#parts.clock.monotonicMs());
      yield end - begin;
    }
    if (!slice.isLast || isOver()) return;
    if (this.#isDoubtful(node, storage, merge)) {
      storage.wasReportedEmpty = true;
      storage.lastReportId = merge.reportId;
      this.#merges.delete(storage);
      return this.#askAgain(node);
    }
    for (;;) {
      if (!merge.canFinish(this.#parts.clock.monotonicMs())) {
        storage.lastReportId = merge.reportId;
        this.#merges.delete(storage);
        return this.#askAgain(node);
      }
      if (merge.finish()) break;
      yield replicasPerPiece;
      if (isOver()) return;
    }
    this.#merges.delete(storage);
    storage.lastReportId = merge.reportId;
    storage.isReported = true;
    node.lastBlockReportTimeMs = this.#parts.clock.nowMs();
  }

  /** The first report says that nothing is there, where there was something: a disk that is not mounted looks the same (promises.md, fault 43). */
  #isDoubtful(node: DatanodeDescriptor, storage: DatanodeStorage, merge: BlockReportMerge): boolean {
    return merge.reportedCount === 0 && node.entries.size > 0 && !storage.isReported && !storage.wasReportedEmpty;
  }

  #askAgain(node: DatanodeDescriptor): void {
    node.isReportWanted = true;
  }

  #takeEvents(message: ReplicaEvents): void {
    const node = this.#parts.datanodes.aliveSender(message);
    const { redundancy, strangers, reportRaceMs } = this.#parts;
    const nowMs = this.#parts.clock.monotonicMs();
    for (const { storageId, kind, block } of newOnes(node, message.firstNotice, message.events)) {
      if (kind === 'received') {
        const storage = this.#storage(node, storageId);
        if (storage.isFailed) continue;
        node.recentEvents.note(block.blockId, true, nowMs, reportRaceMs);
        node.invalidations.outrun(block);
        takeReplica(this.#parts, { node, storageIndex: node.storages.indexOf(storage) }, block, -1, true, nowMs);
        continue;
      }
      node.invalidations.confirm(block.blockId);
      strangers.forget(node, block.blockId);
      const entry = redundancy.map.find(block.blockId);
      // One of an older generation: the replica that counts, if there is one, is still there.
      if (entry >= 0 && block.generationStamp < redundancy.map.generationStamp(entry)) continue;
      node.recentEvents.note(block.blockId, false, nowMs, reportRaceMs);
      node.verifications.delete(block.blockId);
      if (entry >= 0) redundancy.removeReplica(entry, node);
    }
  }

  #takeCorrupt(message: CorruptReplicas): void {
    const node = this.#parts.datanodes.aliveSender(message);
    const { redundancy, strangers, events } = this.#parts;
    const { map } = redundancy;
    const lines: string[] = [];
    for (const { block, isQuarantined, reason } of newOnes(node, message.firstNotice, message.replicas)) {
      node.verifications.delete(block.blockId);
      const entry = map.find(block.blockId);
      if (entry < 0 || map.generationStamp(entry) !== block.generationStamp) {
        // Its file is gone, or a newer generation took its place: its bytes are of no use to anybody any more.
        if (isQuarantined) strangers.note(node, block, 'stranger', this.#parts.clock.monotonicMs());
        continue;
      }
      const index = map.indexOfNode(entry, node.number);
      if (index < 0 && !isQuarantined) continue;
      redundancy.noteRotten(entry, node);
      if (index < 0) {
        // Put aside earlier: a node tells again when it registers.
        redundancy.recheck(entry);
        continue;
      }
      if (isQuarantined) {
        node.recentEvents.note(block.blockId, false, this.#parts.clock.monotonicMs(), this.#parts.reportRaceMs);
        redundancy.removeReplica(entry, node);
      } else {
        redundancy.putReplica(entry, node, withFlags(withoutFlags(map.replica(entry, index), replicaFlags.suspect), replicaFlags.corrupt));
      }
      const goodCount = redundancy.count(entry).good;
      lines.push(`${blockName(block)} on ${node.name} is rotten (${reason}); ${goodCount === 0 ? 'no good copy is left' : `${counted(goodCount, 'good copy', 'good copies')} left`}`);
    }
    const publish = (text: string) => events.publish({ kind: 'replica-corrupt', level: 'warn', node: node.name, message: text });
    if (lines.length <= maxSingleEvents) lines.forEach(publish);
    else publish(`${lines[0]}; and ${counted(lines.length - 1, 'more rotten replica')} on ${node.name}`);
  }

  #takeIntact(message: IntactReplicas): void {
    const node = this.#parts.datanodes.aliveSender(message);
    const { redundancy } = this.#parts;
    const { map } = redundancy;
    for (const { block } of newOnes(node, message.firstNotice, message.replicas)) {
      node.verifications.delete(block.blockId);
      const entry = map.find(block.blockId);
      const index = entry < 0 ? -1 : map.indexOfNode(entry, node.number);
      if (index < 0 || map.generationStamp(entry) !== block.generationStamp) continue;
      // Bytes that fit their checksums may still be too few: only the length tells.
      const isWhole = map.lengthBytes(entry) === block.lengthBytes;
      redundancy.putReplica(entry, node, withoutFlags(map.replica(entry, index), isWhole ? replicaFlags.suspect | replicaFlags.corrupt : replicaFlags.suspect));
    }
  }

  /** One that the node's registration did not name is taken up when it is first heard of. */
  #storage(node: DatanodeDescriptor, storageId: string): DatanodeStorage {
    const index = node.storageIndex(storageId);
    if (index >= 0) return node.storages[index]!;
    node.updateStorages([{ storageId, capacityBytes: 0, usedBytes: 0, remainingBytes: 0, blockCount: 0, isFailed: false }], maxStoragesPerNode);
    const added = node.storages[node.storages.length - 1]!;
    // Its registration should have named it, and is refused if it does: said again and again, this message would never be taken.
    if (added.storageId !== storageId) throw new UnregisteredNodeError(`${node.name} has more than ${maxStoragesPerNode} storages; register again`);
    return added;
  }
}

function* once(work: () => void): ReportWork {
  work();
}

/**
 * The notices of a message that were not taken in before. It is sent again until it is answered, with more of them then; and a copy of it that
 * was held up on its way must not bring back what has gone since.
 */
function* newOnes<T>(node: DatanodeDescriptor, firstNotice: number, notices: readonly T[]): Iterable<T> {
  for (const [index, notice] of notices.entries()) {
    if (firstNotice + index <= node.lastNotice) continue;
    yield notice;
    node.lastNotice = firstNotice + index;
  }
}
