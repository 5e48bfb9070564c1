import type { Clock } from '../base/clock.js';
import { type Random, shuffled } from '../base/random.js';
import { parseAddress } from '../base/address.js';
import type { Block, ReplicaLocation } from '../protocol/block.js';
import type { AdminState } from '../protocol/cluster-events.js';
import { NotEnoughReplicasError, OverloadedError } from '../protocol/errors.js';
import { adminWords } from './admin-words.js';
import type { BlockManagement, LocateOptions, RecoveryOrder, ReplicaPlace, TargetRequest } from './block-management.js';
import { blockStates, packReplica, replicaFlags, replicaHas, replicaNode, replicaStorage, withFlags } from './block-map.js';
import type { BlockRedundancy } from './block-redundancy.js';
import type { BlocksBeingWritten, PipelineReplica } from './blocks-being-written.js';
import type { DatanodeDescriptor } from './datanode-descriptor.js';
import { NumberQueue } from './number-queue.js';
import { type NodePlace, OpenBlockPlaces } from './open-block-places.js';
import { chooseTargets, whyNot } from './placement.js';
import { distanceBetween, type RackMapping } from './rack-mapping.js';
import { locationOf, type RepairPlanner } from './repair-planner.js';
import type { StrangeReplicas } from './strange-replicas.js';

export interface BlockManagerParts {
  clock: Clock;
  random: Random;
  redundancy: BlockRedundancy;
  writing: BlocksBeingWritten;
  planner: RepairPlanner;
  strangers: StrangeReplicas;
  racks: RackMapping;
  /** Of config.json: P1. */
  minReplication: number;
  /** A replica that a client confirmed and its node did not report within this is not believed any more. */
  unconfirmedGraceMs: number;
  /** A node that was replaced, and has been silent for so long, will not come back somewhere else. */
  lostNodeTimeoutMs: number;
}

/** Verifications that wait at a node; further claims of readers are ignored until these are done. */
const maxVerificationsPerNode = 10_000;
const numbersPerUnconfirmed = 4;

/** Readers are sent to a node that is about to go, or may be away, only when there is no other (Hadoop: DFSUtilClient's comparators). */
const serviceRanks: Record<AdminState, number> = { normal: 0, decommissioning: 0, 'entering-maintenance': 0, decommissioned: 1, 'in-maintenance': 2 };

/** What the namespace asks of block management: see BlockManagement. Reports of data nodes come in through DatanodeReports. */
export class BlockManager implements BlockManagement {
  readonly #parts: BlockManagerParts;
  readonly #redundancy: BlockRedundancy;
  readonly #openPlaces: OpenBlockPlaces;
  /** Replicas that only a client has confirmed, in the order of their deadlines: block id, node number, deadline, 1 on the second deadline. */
  readonly #unconfirmed = new NumberQueue('float64');

  constructor(parts: BlockManagerParts) {
    this.#parts = parts;
    this.#redundancy = parts.redundancy;
    this.#openPlaces = new OpenBlockPlaces({ writing: parts.writing, datanodes: parts.redundancy.datanodes, lostNodeTimeoutMs: parts.lostNodeTimeoutMs });
  }

  chooseTargets(request: TargetRequest): ReplicaLocation[] {
    const { datanodes } = this.#redundancy;
    const nodes = [...datanodes.nodes].filter((node) => node.isAlive && node.epoch > 0);
    const writerHost = parseAddress(request.writerAddress)?.host;
    const options = {
      count: request.count,
      blockSizeBytes: request.blockSizeBytes,
      writerHost,
      writerRack: datanodes.rackCount > 1 && writerHost !== undefined && !nodes.some(({ host }) => host === writerHost) ? this.#parts.racks.known(writerHost) : undefined,
      excluded: new Set([...request.excluded, ...request.existing]),
      existing: request.existing.flatMap((uuid) => datanodes.find(uuid) ?? []),
    };
    const targets = chooseTargets(nodes.filter((node) => node.isInService), options, this.#parts.random);
    const isNew = request.existing.length === 0;
    const least = isNew && datanodes.nodeCount > 1 ? Math.min(this.#parts.minReplication, request.count) : 1;
    if (targets.length >= least) return targets.map(locationOf);
    this.#checkAwaited(targets.length, least, options.excluded);
    const excludedCount = nodes.filter((node) => request.excluded.includes(node.uuid)).length;
    const subject = request.path === undefined ? 'The block' : `File ${request.path}`;
    throw new NotEnoughReplicasError(
      `${subject} could only be written to ${targets.length} of the ${least} minReplication nodes. There are ${nodes.length} datanode(s) running and ${excludedCount === 0 ? 'no' : excludedCount} node(s) are excluded in this operation.`,
      {
        path: request.path,
        details: [...datanodes.nodes].filter((node) => !targets.includes(node)).map((node) => `${node.name} (${node.address}): ${this.#refusal(node, request)}`),
      },
    );
  }

  /** Too few nodes, because some have not come back yet after our start: nobody's write is to fail by that. OverloadedError says to ask again. */
  #checkAwaited(targetCount: number, least: number, excluded: ReadonlySet<string>): void {
    const awaited = [...this.#redundancy.datanodes.nodes].filter((node) => node.isAlive && node.isInService && node.epoch === 0 && !excluded.has(node.uuid));
    if (awaited.length === 0 || targetCount + awaited.length < least) return;
    throw new OverloadedError(`the name node has just started, and waits for ${awaited.map((node) => node.name).join(', ')}; try again`);
  }

  addUnderConstruction(block: { blockId: number; generationStamp: number; inodeId: number; replication: number; blockSizeBytes?: number }, targets: readonly ReplicaLocation[]): void {
    const { map } = this.#redundancy;
    if (map.find(block.blockId) >= 0) return;
    map.add({ ...block, lengthBytes: 0 }, blockStates.underConstruction);
    this.#parts.writing.begin({ blockId: block.blockId, generationStamp: block.generationStamp, blockSizeBytes: block.blockSizeBytes ?? 0 }, this.#places(targets));
  }

  commit(block: Block, replicas: readonly ReplicaPlace[], _isFileComplete: boolean): void {
    const { map } = this.#redundancy;
    const { writing, strangers, clock } = this.#parts;
    const entry = map.find(block.blockId);
    if (entry < 0 || map.state(entry) !== blockStates.underConstruction) return;
    const written = writing.end(block.blockId);
    const nowMs = clock.monotonicMs();
    map.setGenerationStamp(entry, block.generationStamp);
    map.setLengthBytes(entry, block.lengthBytes);
    map.setState(entry, blockStates.complete);

    const isThis = (replica: PipelineReplica) => replica.generationStamp === block.generationStamp && replica.finalizedLengthBytes === block.lengthBytes;
    const finalized = (written?.replicas ?? []).filter((replica) => replica.node.isAlive && isThis(replica));
    for (const { node, storageIndex } of finalized) this.#redundancy.putReplica(entry, node, packReplica(node.number, storageIndex));
    for (const { node, storageIndex } of this.#places(replicas)) {
      if (finalized.some((replica) => replica.node === node) || !node.isAlive) continue;
      this.#redundancy.putReplica(entry, node, packReplica(node.number, storageIndex, replicaFlags.unconfirmed));
      this.#awaitConfirmation(block.blockId, node, nowMs, false);
    }
    const noteLeftover = (node: DatanodeDescriptor, generationStamp: number, lengthBytes: number) => {
      if (map.indexOfNode(entry, node.number) >= 0) return;
      // Whatever older generation it has by now: a pipeline that failed may have raised it.
      strangers.note(node, { blockId: block.blockId, generationStamp: Math.max(generationStamp, block.generationStamp - 1), lengthBytes }, 'leftover', nowMs);
    };
    for (const old of [...(written?.replicas ?? []), ...(written?.leftovers ?? [])]) noteLeftover(this.#openPlaces.now(old.node), old.generationStamp, old.finalizedLengthBytes ?? 0);
    // Written since before our start: other nodes may have been in its pipeline, and nobody tells of a replica that is not finalized.
    if (written && !written.isPipelineKnown) for (const node of this.#redundancy.datanodes.nodes) noteLeftover(node, block.generationStamp - 1, 0);
    this.#redundancy.recheck(entry);
  }

  updatePipeline(block: Block, replicas: readonly ReplicaPlace[]): void {
    const { map } = this.#redundancy;
    const entry = map.find(block.blockId);
    const written = this.#parts.writing.get(block.blockId);
    if (entry < 0 || !written) return;
    map.setGenerationStamp(entry, block.generationStamp);
    this.#parts.writing.renew(written, block.generationStamp, this.#places(replicas));
  }

  reopen(blockId: number, blockSizeBytes: number): void {
    const { map, datanodes, queue } = this.#redundancy;
    const entry = map.find(blockId);
    if (entry < 0 || map.state(entry) !== blockStates.complete) return;
    const { generationStamp, lengthBytes } = map.block(entry);
    queue.forget(entry);
    this.#parts.planner.forget(blockId);
    map.setState(entry, blockStates.underConstruction);
    const replicas: PipelineReplica[] = [];
    const leftovers: PipelineReplica[] = [];
    for (let index = map.replicaCount(entry) - 1; index >= 0; index--) {
      const replica = map.replica(entry, index);
      const node = datanodes.byNumber(replicaNode(replica));
      const isConfirmed = !replicaHas(replica, replicaFlags.unconfirmed);
      // What is rotten, or may be deleted already, the block does not go on with.
      const isUsable = !replicaHas(replica, replicaFlags.corrupt | replicaFlags.deleting);
      const place = { node, storageIndex: replicaStorage(replica), generationStamp, finalizedLengthBytes: isConfirmed ? lengthBytes : undefined };
      (isUsable ? replicas : leftovers).push(place);
      this.#redundancy.removeReplica(entry, node);
    }
    this.#parts.writing.reopen({ blockId, generationStamp, blockSizeBytes }, replicas, leftovers);
  }

  recoveryPlaces(blockId: number): { places: ReplicaLocation[]; areAll: boolean } {
    return this.#openPlaces.forRecovery(blockId);
  }

  orderRecovery(order: RecoveryOrder, attempt: number): void {
    const { datanodes } = this.#redundancy;
    const { blockId } = order.block;
    // An order of an earlier try that its primary has not taken yet is of no use any more.
    for (const node of datanodes.nodes) if (node.recoveryOrders.length > 0) node.recoveryOrders = node.recoveryOrders.filter((earlier) => earlier.block.blockId !== blockId);
    const primary = datanodes.find(order.replicas[attempt % order.replicas.length]!.datanodeUuid);
    primary?.recoveryOrders.push(order);
  }

  inodeOf(blockId: number): number | undefined {
    const { map } = this.#redundancy;
    const entry = map.find(blockId);
    return entry < 0 ? undefined : map.inodeId(entry);
  }

  moveTo(blockId: number, inodeId: number, replication: number): void {
    const { map } = this.#redundancy;
    const entry = map.find(blockId);
    if (entry < 0) return;
    map.setInodeId(entry, inodeId);
    if (map.replication(entry) !== replication) this.setReplication(blockId, replication);
  }

  setReplication(blockId: number, replication: number): void {
    const { map, queue } = this.#redundancy;
    const entry = map.find(blockId);
    if (entry < 0) return;
    queue.forget(entry);
    map.setReplication(entry, replication);
    this.#redundancy.recheck(entry);
  }

  remove(blockId: number): void {
    const { map, datanodes } = this.#redundancy;
    const { writing, planner } = this.#parts;
    const entry = map.find(blockId);
    if (entry < 0) return;
    const block = map.block(entry);
    for (let index = map.replicaCount(entry) - 1; index >= 0; index--) {
      const replica = map.replica(entry, index);
      const node = datanodes.byNumber(replicaNode(replica));
      node.entries.delete(entry);
      node.verifications.delete(blockId);
      // What is ordered to be deleted already is; what waits to be is judged again when its turn comes, and is unknown then.
      if (node.isAlive && !replicaHas(replica, replicaFlags.deleting)) node.invalidations.add(block);
    }
    const written = writing.end(blockId);
    for (const { node, generationStamp } of [...(written?.replicas ?? []), ...(written?.leftovers ?? [])]) {
      const now = this.#openPlaces.now(node);
      if (now.isAlive) now.invalidations.add({ ...block, generationStamp });
    }
    // Whoever wrote it before our restart: nobody else would ever tell that node.
    if (written && !written.isPipelineKnown) for (const node of datanodes.nodes) if (node.isAlive && !written.replicas.some((replica) => replica.node === node)) node.invalidations.add(block);
    planner.forget(blockId);
    this.#redundancy.forget(entry);
    map.remove(entry);
  }

  locate(blockId: number, options: LocateOptions): ReplicaLocation[] {
    const { map, datanodes } = this.#redundancy;
    const entry = map.find(blockId);
    if (entry < 0) return [];
    const written = this.#parts.writing.get(blockId);
    const found: { node: DatanodeDescriptor; storageIndex: number; isCorrupt: boolean; rank: number }[] = [];
    const distanceOf = this.#distancesFrom(options.readerAddress);
    const rankOf = (node: DatanodeDescriptor, isSuspect: boolean) => (node.isAlive ? 0 : 64_000) + (isSuspect ? 32_000 : 0) + 4000 * serviceRanks[node.adminState] + (node.isStale ? 2000 : 0) + distanceOf(node);
    if (written) {
      for (const { node, storageIndex } of this.#openPlaces.of(written)) if (node.isAlive || options.allReplicas) found.push({ node, storageIndex, isCorrupt: false, rank: rankOf(node, false) });
      // After our restart whoever writes it has not told yet where: its reader asks them all.
      if (!written.isPipelineKnown && !options.allReplicas) {
        for (const node of datanodes.nodes) {
          if (node.isAlive && !found.some((known) => known.node === node)) found.push({ node, storageIndex: -1, isCorrupt: false, rank: 1000 + rankOf(node, false) });
        }
      }
    }
    for (let index = 0; index < map.replicaCount(entry); index++) {
      const replica = map.replica(entry, index);
      const node = datanodes.byNumber(replicaNode(replica));
      const isCorrupt = replicaHas(replica, replicaFlags.corrupt);
      const isUsable = node.isAlive && !isCorrupt && !replicaHas(replica, replicaFlags.deleting);
      if (!isUsable && !options.allReplicas) continue;
      found.push({ node, storageIndex: replicaStorage(replica), isCorrupt, rank: rankOf(node, replicaHas(replica, replicaFlags.suspect)) + (isUsable ? 0 : 128_000) });
    }
    if (options.allReplicas) for (const node of this.#redundancy.rottenNodes(entry)) found.push({ node, storageIndex: -1, isCorrupt: true, rank: rankOf(node, false) + 128_000 });
    return shuffled(found, this.#parts.random)
      .sort((a, b) => a.rank - b.rank)
      .map(({ node, storageIndex, isCorrupt }) => {
        const location: ReplicaLocation = { ...locationOf(node), storageId: node.storages[storageIndex]?.storageId ?? '' };
        if (node.adminState !== 'normal') location.adminState = node.adminState;
        if (isCorrupt) location.isCorrupt = true;
        return location;
      });
  }

  mayBeElsewhere(blockId: number): boolean {
    return this.#openPlaces.mayBeElsewhere(blockId);
  }

  #distancesFrom(readerAddress: string): (node: DatanodeDescriptor) => number {
    const host = parseAddress(readerAddress)?.host;
    if (host === undefined) return () => 0;
    const { datanodes } = this.#redundancy;
    if (datanodes.rackCount <= 1) return (node) => (node.host === host ? 0 : 2);
    let rack: string | undefined;
    for (const node of datanodes.nodes) if (node.host === host) rack ??= node.rack;
    const reader = { host, rack: rack ?? this.#parts.racks.known(host) };
    return (node) => distanceBetween(reader, node);
  }

  token(): string {
    return '';
  }

  registeredDatanodeCount(): number {
    return this.#redundancy.datanodes.nodeCount;
  }

  isRegistered(datanodeUuid: string): boolean {
    return this.#redundancy.datanodes.find(datanodeUuid) !== undefined;
  }

  spaceStatus(): { capacityBytes: number; usedBytes: number; remainingBytes: number } {
    const status = { capacityBytes: 0, usedBytes: 0, remainingBytes: 0 };
    for (const node of this.#redundancy.datanodes.nodes) {
      if (!node.isAlive) continue;
      status.capacityBytes += node.capacityBytes;
      status.usedBytes += node.usedBytes;
      status.remainingBytes += node.totalRemainingBytes;
    }
    return status;
  }

  reportBadReplicas(replicas: readonly { block: Block; datanodeUuid: string; storageId: string }[]): void {
    const { map, datanodes } = this.#redundancy;
    for (const { block, datanodeUuid } of replicas) {
      const entry = map.find(block.blockId);
      const node = datanodes.find(datanodeUuid);
      if (entry < 0 || !node || map.generationStamp(entry) !== block.generationStamp) continue;
      const index = map.indexOfNode(entry, node.number);
      // Of a node that is still to report (it, or we, have been away) the doubt is remembered until it has.
      if ((index < 0 && node.isAlive && node.isReported) || node.verifications.size >= maxVerificationsPerNode) continue;
      const replica = index < 0 ? 0 : map.replica(entry, index);
      if (replicaHas(replica, replicaFlags.corrupt)) continue;
      if (index >= 0) map.setReplica(entry, index, withFlags(replica, replicaFlags.suspect));
      if (!node.verifications.has(block.blockId)) node.verifications.set(block.blockId, { block: map.block(entry), orderedMs: Number.NEGATIVE_INFINITY });
    }
  }

  pendingDeletionCount(): number {
    let count = 0;
    for (const node of this.#redundancy.datanodes.nodes) if (node.isAlive) count += node.invalidations.size;
    return count;
  }

  /**
   * Looks after replicas that a client confirmed and whose node has not: when half of their time is over, the node is asked for all that it
   * has; when all of it is, they are dropped.
   */
  expireUnconfirmed(nowMs: number): void {
    const { map, datanodes } = this.#redundancy;
    const queue = this.#unconfirmed;
    for (let blockId = queue.peek(); blockId !== undefined; blockId = queue.peek()) {
      const [node, deadlineMs, isSecond] = [datanodes.byNumber(queue.peek(1)!), queue.peek(2)!, queue.peek(3) === 1];
      const entry = map.find(blockId);
      const index = entry < 0 ? -1 : map.indexOfNode(entry, node.number);
      const isWaiting = index >= 0 && replicaHas(map.replica(entry, index), replicaFlags.unconfirmed);
      if (isWaiting && deadlineMs > nowMs) return;
      for (let i = 0; i < numbersPerUnconfirmed; i++) queue.shift();
      if (!isWaiting) continue;
      if (!isSecond) {
        node.isReportWanted = true;
        this.#awaitConfirmation(blockId, node, nowMs, true);
        continue;
      }
      const block = map.block(entry);
      this.#redundancy.removeReplica(entry, node);
      // It may yet be there, unfinished.
      this.#parts.strangers.note(node, block, 'leftover', nowMs);
    }
  }

  #awaitConfirmation(blockId: number, node: DatanodeDescriptor, nowMs: number, isSecond: boolean): void {
    this.#unconfirmed.push(blockId);
    this.#unconfirmed.push(node.number);
    this.#unconfirmed.push(nowMs + this.#parts.unconfirmedGraceMs / 2);
    this.#unconfirmed.push(isSecond ? 1 : 0);
  }

  #places(places: readonly { datanodeUuid: string; storageId: string }[]): NodePlace[] {
    const found: NodePlace[] = [];
    for (const { datanodeUuid, storageId } of places) {
      const node = this.#redundancy.datanodes.find(datanodeUuid);
      // A storage that is not known yet: its node will say where the replica really is.
      if (node && !found.some((other) => other.node === node)) found.push({ node, storageIndex: Math.max(0, node.storageIndex(storageId)) });
    }
    return found;
  }

  #refusal(node: DatanodeDescriptor, request: TargetRequest): string {
    const silentS = Math.round((this.#parts.clock.monotonicMs() - node.lastHeartbeatMs) / 1000);
    if (!node.isAlive) return `dead: no heartbeat for ${silentS} s`;
    if (!node.isInService) return adminWords[node.adminState];
    if (node.epoch === 0) return 'not registered since the start of the name node';
    if (request.existing.includes(node.uuid)) return 'holds a replica already';
    if (request.excluded.includes(node.uuid)) return 'excluded by the writer, which could not use it';
    return whyNot(node, { count: request.count, blockSizeBytes: request.blockSizeBytes, excluded: new Set() }) ?? `not chosen${node.isStale ? `: stale, no heartbeat for ${silentS} s` : ''}`;
  }
}
