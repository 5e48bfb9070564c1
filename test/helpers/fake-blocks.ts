import type { BlockManagement, CatalogBlock, LocateOptions, RecoveryOrder, ReplicaPlace, TargetRequest } from '../../source/namenode/block-management.js';
import type { Block, ReplicaLocation } from '../../source/protocol/block.js';
import { NotEnoughReplicasError } from '../../source/protocol/errors.js';

export interface KnownBlock {
  inodeId?: number;
  generationStamp: number;
  lengthBytes: number;
  replication: number;
  state: 'under construction' | 'complete';
  replicas: string[];
}

/** Remembers what the namespace tells of blocks; its data nodes are dn1..dnN and always take what they get. */
export class FakeBlocks implements BlockManagement {
  readonly known = new Map<number, KnownBlock>();
  readonly log: string[] = [];
  readonly bad: unknown[] = [];
  /** Changes as nodes join. */
  nodeCount: number;
  pending = 0;
  readonly orders: RecoveryOrder[] = [];
  /** Names of nodes that cannot be asked in a recovery. */
  readonly unreachable = new Set<string>();
  /** Replaced by others, or let go dead: nobody waits for them. */
  readonly goneForGood = new Set<string>();

  constructor(nodeCount: number) {
    this.nodeCount = nodeCount;
  }

  load(block: CatalogBlock): void {
    const { blockId, isComplete, inodeId, generationStamp, lengthBytes, replication } = block;
    const replicas = this.#nodes().map((node) => node.datanodeUuid);
    this.known.set(blockId, { inodeId, generationStamp, lengthBytes, replication, state: isComplete ? 'complete' : 'under construction', replicas });
  }

  chooseTargets(request: TargetRequest): ReplicaLocation[] {
    const barred = new Set([...request.excluded, ...request.existing]);
    const found = this.#nodes().filter((node) => !barred.has(node.datanodeUuid));
    if (found.length === 0) throw new NotEnoughReplicasError(`File ${request.path} could only be written to 0 of the 1 minReplication nodes.`, { path: request.path });
    return found.slice(0, request.count);
  }

  addUnderConstruction(block: { blockId: number; generationStamp: number; inodeId: number; replication: number }, targets: readonly ReplicaLocation[]): void {
    this.log.push(`add ${block.blockId}`);
    this.known.set(block.blockId, {
      inodeId: block.inodeId,
      generationStamp: block.generationStamp,
      lengthBytes: 0,
      replication: block.replication,
      state: 'under construction',
      replicas: targets.map((target) => target.datanodeUuid),
    });
  }

  commit(block: Block, replicas: readonly ReplicaPlace[], isFileComplete: boolean): void {
    this.log.push(`commit ${block.blockId} ${block.lengthBytes}${isFileComplete ? ' last' : ''}`);
    const known = this.known.get(block.blockId);
    this.known.set(block.blockId, {
      replication: 0,
      ...known,
      generationStamp: block.generationStamp,
      lengthBytes: block.lengthBytes,
      state: 'complete',
      replicas: replicas.map((replica) => replica.datanodeUuid),
    });
  }

  updatePipeline(block: Block, replicas: readonly ReplicaPlace[]): void {
    this.log.push(`pipeline ${block.blockId} ${block.generationStamp}`);
    const known = this.known.get(block.blockId)!;
    known.generationStamp = block.generationStamp;
    known.replicas = replicas.map((replica) => replica.datanodeUuid);
  }

  reopen(blockId: number): void {
    this.log.push(`reopen ${blockId}`);
    const known = this.known.get(blockId);
    if (known) known.state = 'under construction';
  }

  recoveryPlaces(blockId: number): { places: ReplicaLocation[]; areAll: boolean } {
    const known = this.known.get(blockId);
    // After a restart nobody knows who writes it.
    const all = this.#nodes().filter((node) => !this.goneForGood.has(node.name) && (!known || known.replicas.includes(node.datanodeUuid)));
    const places = all.filter((node) => !this.unreachable.has(node.name));
    return { places, areAll: places.length === all.length };
  }

  mayBeElsewhere(blockId: number): boolean {
    return !this.recoveryPlaces(blockId).areAll;
  }

  orderRecovery(order: RecoveryOrder): void {
    this.orders.push(order);
  }

  inodeOf(blockId: number): number | undefined {
    return this.known.get(blockId)?.inodeId;
  }

  moveTo(blockId: number, inodeId: number, replication: number): void {
    const known = this.known.get(blockId);
    if (known) Object.assign(known, { inodeId, replication });
  }

  setReplication(blockId: number, replication: number): void {
    const known = this.known.get(blockId);
    if (known) known.replication = replication;
  }

  remove(blockId: number): void {
    this.log.push(`remove ${blockId}`);
    this.known.delete(blockId);
  }

  locate(blockId: number, _options: LocateOptions): ReplicaLocation[] {
    const replicas = this.known.get(blockId)?.replicas ?? [];
    return this.#nodes().filter((node) => replicas.includes(node.datanodeUuid));
  }

  token(): string {
    return 'token';
  }

  registeredDatanodeCount(): number {
    return this.nodeCount;
  }

  isRegistered(datanodeUuid: string): boolean {
    return this.#nodes().some((node) => node.datanodeUuid === datanodeUuid);
  }

  spaceStatus() {
    return { capacityBytes: 3000, usedBytes: 1000, remainingBytes: 2000 };
  }

  reportBadReplicas(replicas: readonly unknown[]): void {
    this.bad.push(...replicas);
  }

  pendingDeletionCount(): number {
    return this.pending;
  }

  #nodes(): ReplicaLocation[] {
    return Array.from({ length: this.nodeCount }, (_, index) => ({
      datanodeUuid: `uuid-${index + 1}`,
      storageId: `storage-${index + 1}`,
      name: `dn${index + 1}`,
      address: `127.0.0.1:${9864 + index}`,
      rack: '/default-rack',
      state: 'live',
    }));
  }
}
