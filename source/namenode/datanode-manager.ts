import { formatAddress } from '../base/address.js';
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { counted } from '../base/text.js';
import type { DatanodeReport, SlowVerdict } from '../protocol/cluster-events.js';
import type { DatanodeProtocol, FailedVolume } from '../protocol/datanode-protocol.js';
import { ClusterMismatchError, OverloadedError, RegistrationRefusedError, UnregisteredNodeError } from '../protocol/errors.js';
import type { ParamsOf } from '../protocol/method.js';
import type { KeyValueStore } from '../storage/key-value-store.js';
import type { DamagedRecordError } from '../storage/record.js';
import { maxStoragesPerNode } from './block-map.js';
import { DatanodeDescriptor, type DatanodeStorage } from './datanode-descriptor.js';
import { canonicalAddress, DatanodeRegistry } from './datanode-registry.js';
import type { EventSink } from './feed.js';
import { defaultRack, type RackMapping } from './rack-mapping.js';
import { findSlowNodes } from './slow-nodes.js';

export interface DatanodeManagerOptions {
  store: KeyValueStore;
  clock: Clock;
  random: Random;
  events: EventSink;
  clusterId: string;
  /** host:port each, in the order of config.json. */
  configuredAddresses: readonly string[];
  staleNodeTimeoutMs: number;
  deadNodeTimeoutMs: number;
  racks: RackMapping;
  /** Told of records of data nodes that cannot be read. */
  onDamage: (error: DamagedRecordError) => void;
}

export interface NodeReturn {
  readonly isNewProcess: boolean;
  readonly wasDead: boolean;
  /** In this life of the name node. */
  readonly isFirst: boolean;
  /** It stands on another rack than before. */
  readonly isMoved: boolean;
}

/** What block management does when a node comes or goes. Called synchronously, when the descriptor has its new state. */
export interface DatanodeListener {
  /** `isNewProcess`: what the old process had been told is lost. */
  nodeRegistered(node: DatanodeDescriptor, change: NodeReturn): void;
  nodeDied(node: DatanodeDescriptor): void;
  /** Another node has its address and its name: it will not come back. Its state is dead. */
  nodeRetired(node: DatanodeDescriptor): void;
  storageFailed(node: DatanodeDescriptor, storage: DatanodeStorage): void;
}

type Registration = ParamsOf<DatanodeProtocol, 'datanode.register'>;
type Heartbeat = ParamsOf<DatanodeProtocol, 'datanode.sendHeartbeat'>;

/** Old processes of a node that are remembered, to be refused. */
const maxReplacedNonces = 16;
/** Who is slow is found out anew after so long: data nodes do not tell more often. */
const slowIntervalMs = 10_000;

/**
 * Who belongs to the cluster and who is there (Hadoop: DatanodeManager, HeartbeatManager).
 *
 *   live --no heartbeat for staleNodeTimeoutMs--> stale --for deadNodeTimeoutMs--> dead
 *     ^------------------a heartbeat-----------------'                              |
 *     '---------------------------------a registration------------------------------'
 *
 * Silence is measured on observed time: the monotonic clock, of which a gap between two looks counts at most `maxGapMs`. When this
 * process was stopped, or the machine asleep, heartbeats could not be heard, and nobody is blamed for that.
 */
export class DatanodeManager {
  readonly #options: DatanodeManagerOptions;
  readonly #clock: Clock;
  readonly #registry: DatanodeRegistry;
  readonly #maxGapMs: number;
  readonly #nodes: DatanodeDescriptor[] = [];
  readonly #byUuid = new Map<string, DatanodeDescriptor>();
  #listener: DatanodeListener | undefined;
  /** Identities and addresses of which a registration is being stored. */
  readonly #registering = new Set<string>();
  #slow: { atMs: number; nodes: ReadonlyMap<string, SlowVerdict> } | undefined;
  readonly #rackNumbers = new Map<string, number>([[defaultRack, 0]]);
  #rackCount = 0;
  #observedMs = 0;
  #lastLookMs: number;

  constructor(options: DatanodeManagerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#registry = new DatanodeRegistry(options);
    this.#maxGapMs = options.staleNodeTimeoutMs / 2;
    this.#lastLookMs = options.clock.monotonicMs();
  }

  /** Knows again the nodes of the lives before: stale until they register, dead if they do not in time. */
  load(listener: DatanodeListener): void {
    assert(this.#nodes.length === 0, 'data nodes are loaded once');
    this.#listener = listener;
    for (const record of this.#registry.load()) {
      const node = this.#add(record.uuid, record.number, record.address);
      node.lastHeartbeatMs = this.#clock.monotonicMs();
    }
  }

  /** Every node of the cluster, dn1 first; retired ones are not among them. */
  get nodes(): Iterable<DatanodeDescriptor> {
    return this.#byUuid.values();
  }

  get nodeCount(): number {
    return this.#byUuid.size;
  }

  countWith(state: DatanodeDescriptor['state']): number {
    let count = 0;
    for (const node of this.#byUuid.values()) if (node.state === state) count++;
    return count;
  }

  /** Nodes that may hold replicas that count: live ones in service. */
  countInService(): number {
    let count = 0;
    for (const node of this.#byUuid.values()) if (node.state === 'live' && node.isInService) count++;
    return count;
  }

  /** Racks with a node that is registered, not dead and in service. */
  get rackCount(): number {
    return this.#rackCount;
  }

  /** To be called when a node came, went, moved or changed its service. True if there is now more than one rack where there was one, or the reverse. */
  recountRacks(): boolean {
    const racks = new Set<number>();
    for (const node of this.#byUuid.values()) if (node.isAlive && node.epoch > 0 && node.isInService) racks.add(node.rackNumber);
    const wasMany = this.#rackCount > 1;
    this.#rackCount = racks.size;
    return wasMany !== racks.size > 1;
  }

  /** True if it was on another rack before. */
  setRack(node: DatanodeDescriptor, rack: string): boolean {
    if (node.rack === rack) return false;
    let number = this.#rackNumbers.get(rack);
    if (number === undefined) this.#rackNumbers.set(rack, (number = this.#rackNumbers.size));
    node.rack = rack;
    node.rackNumber = number;
    return true;
  }

  /** By what people call it: dn2, or host:port. */
  findByName(name: string): DatanodeDescriptor | undefined {
    const address = canonicalAddress(name);
    for (const node of this.#byUuid.values()) if (node.name === name || canonicalAddress(node.address) === address) return node;
    return undefined;
  }

  find(uuid: string): DatanodeDescriptor | undefined {
    return this.#byUuid.get(uuid);
  }

  /** By its number in replicas; retired ones too. */
  byNumber(number: number): DatanodeDescriptor {
    return this.#nodes[number]!;
  }

  reports(): DatanodeReport[] {
    const nowMs = this.#clock.monotonicMs();
    const slow = this.#findSlow(nowMs);
    return [...this.#byUuid.values()].sort((a, b) => numberOfName(a) - numberOfName(b)).map((node) => node.report(nowMs, node.isAlive ? slow.get(node.uuid) : undefined));
  }

  /** Of thousands of nodes, with all that each says of its peers, this takes a tenth of a second: not for each report. */
  #findSlow(nowMs: number): ReadonlyMap<string, SlowVerdict> {
    if (!this.#slow || nowMs - this.#slow.atMs >= slowIntervalMs) this.#slow = { atMs: nowMs, nodes: findSlowNodes(this.#byUuid.values()) };
    return this.#slow.nodes;
  }

  /**
   * Takes a data node in, or back. Its old epoch ends here. ClusterMismatchError: it belongs to another cluster.
   * RegistrationRefusedError: another live process is this node, or has replaced this process. OverloadedError (again a little
   * later, please): its address is still held by another live node.
   */
  async register(params: Registration): Promise<DatanodeDescriptor> {
    const address = formatAddress({ host: params.host, port: params.port });
    if (params.clusterId !== null && params.clusterId !== this.#options.clusterId) {
      throw new ClusterMismatchError(`the data node at ${address} belongs to cluster ${params.clusterId}, this is cluster ${this.#options.clusterId}; give it an empty data directory, or its own name node`);
    }
    this.#refuseSecondProcess(params, address);
    this.#refuseTooManyStorages(params, address);
    const rack = await this.#options.racks.resolve(address);
    const claims = [params.datanodeUuid, canonicalAddress(address)];
    if (claims.some((claim) => this.#registering.has(claim))) throw new OverloadedError(`another registration of ${address}, or with the identity ${params.datanodeUuid}, is being stored; try again in a moment`);
    for (const claim of claims) this.#registering.add(claim);
    try {
      return await this.#admit(params, address, rack);
    } finally {
      for (const claim of claims) this.#registering.delete(claim);
    }
  }

  /** What is stored and what is in memory change together: nobody else claims the identity or the address meanwhile, and what is stored is not refused any more. */
  async #admit(params: Registration, address: string, rack: string): Promise<DatanodeDescriptor> {
    const { record, epoch, isNew, replacedUuid } = await this.#registry.bind(params.datanodeUuid, address, () => this.#refuseSecondProcess(params, address));
    const replaced = replacedUuid === undefined ? undefined : this.#byUuid.get(replacedUuid);
    if (replaced) this.#retire(replaced, address);
    const node = this.#byUuid.get(record.uuid) ?? this.#add(record.uuid, record.number, record.address);
    const before = { state: node.state, epoch: node.epoch, isNewProcess: node.bootNonce !== params.bootNonce };
    if (before.isNewProcess && node.bootNonce !== '') {
      node.replacedNonces.push(node.bootNonce);
      if (node.replacedNonces.length > maxReplacedNonces) node.replacedNonces.shift();
    }
    if (before.isNewProcess) node.peerWaits = [];
    node.epoch = epoch;
    node.lastNotice = 0;
    node.bootNonce = params.bootNonce;
    node.host = params.host;
    const isMoved = this.setRack(node, rack) && before.epoch > 0;
    node.address = address;
    node.softwareVersion = params.softwareVersion;
    node.state = 'live';
    this.#hear(node);
    const failedDirectories = this.#noteFailedVolumes(node, params.failedVolumes);
    for (const storage of node.storages) {
      storage.isReported = false;
      storage.lastReportId = 0;
      storage.wasReportedEmpty = false;
    }
    const failed = node.updateStorages(params.storages, maxStoragesPerNode);
    for (const storage of node.storages) {
      if (storage.isFailed || params.storages.some((report) => report.storageId === storage.storageId)) continue;
      node.updateStorages([{ storageId: storage.storageId, capacityBytes: 0, usedBytes: 0, remainingBytes: 0, blockCount: 0, isFailed: true }], maxStoragesPerNode);
      failed.push(storage);
    }
    this.#listener?.nodeRegistered(node, { isNewProcess: before.isNewProcess, wasDead: before.state === 'dead', isFirst: before.epoch === 0, isMoved });
    for (const storage of failed) this.#listener?.storageFailed(node, storage);
    this.#tellUnknownStorages(node, failedDirectories);

    if (isNew) this.#options.events.publish({ kind: 'node-registered', level: 'info', node: node.name, message: `${node.name} joined the cluster at ${address}` });
    else if (before.epoch === 0) this.#options.events.publish({ kind: 'node-registered', level: 'info', node: node.name, message: `${node.name} registered from ${address}` });
    else if (before.state !== 'live') this.#options.events.publish({ kind: 'node-live', level: 'info', node: node.name, message: `${node.name} is back: live` });
    return node;
  }

  /** The node that sends this message. UnregisteredNodeError unless it is of its current registration. */
  sender(message: { datanodeUuid: string; epoch: number }): DatanodeDescriptor {
    const node = this.#byUuid.get(message.datanodeUuid);
    if (!node) throw new UnregisteredNodeError(`data node ${message.datanodeUuid} is not known here; register first`);
    if (node.epoch !== message.epoch) throw new UnregisteredNodeError(`${node.name} sent a message of registration ${message.epoch}, which is over (now ${node.epoch}); register again`);
    return node;
  }

  /** As `sender`, of a node that is not dead: a dead one has to register and report first. */
  aliveSender(message: { datanodeUuid: string; epoch: number }): DatanodeDescriptor {
    const node = this.sender(message);
    if (!node.isAlive) throw new UnregisteredNodeError(`${node.name} was declared dead; register again`);
    return node;
  }

  /** A node that is dead stays so until it registers. */
  heartbeat(node: DatanodeDescriptor, message: Heartbeat): void {
    node.transferCount = message.transferCount;
    node.receivedBytesPerSecond = message.receivedBytesPerSecond;
    node.sentBytesPerSecond = message.sentBytesPerSecond;
    if (message.peerWaits) node.peerWaits = message.peerWaits;
    const failedDirectories = this.#noteFailedVolumes(node, message.failedVolumes);
    const failed = node.updateStorages(message.storages, maxStoragesPerNode);
    const silenceMs = this.#clock.monotonicMs() - node.lastHeartbeatMs;
    this.#hear(node);
    if (!node.isAlive) return;
    if (node.state === 'stale') {
      node.state = 'live';
      this.#options.events.publish({ kind: 'node-live', level: 'info', node: node.name, message: `${node.name} is live again after ${counted(Math.round(silenceMs / 1000), 'second')}` });
    }
    for (const storage of failed) this.#listener?.storageFailed(node, storage);
    this.#tellUnknownStorages(node, failedDirectories);
  }

  /** Answers those that are new. */
  #noteFailedVolumes(node: DatanodeDescriptor, failedVolumes: readonly FailedVolume[] = []): FailedVolume[] {
    if (failedVolumes.length === 0 && node.failedVolumes.length === 0) return [];
    const known = new Set(node.failedVolumes.map(({ directory }) => directory));
    node.failedVolumes = failedVolumes;
    return failedVolumes.filter(({ directory }) => !known.has(directory));
  }

  /** Of directories that say themselves whose they are, the listener tells, with what was in them. */
  #tellUnknownStorages(node: DatanodeDescriptor, failedVolumes: readonly FailedVolume[]): void {
    for (const { directory, storageId, reason } of failedVolumes) {
      if (storageId !== null && node.storageIndex(storageId) >= 0) continue;
      this.#options.events.publish({ kind: 'storage-failed', level: 'error', node: node.name, message: `${node.name} cannot use ${directory}: ${reason}` });
    }
  }

  /** Observed time since the node was last heard, or, if it never was, since the start. */
  silenceMs(node: DatanodeDescriptor): number {
    return this.#observe() - node.lastHeardMs;
  }

  /** Looks for nodes that have been silent for too long. */
  tick(): void {
    this.#observe();
    for (const node of this.#byUuid.values()) {
      const silenceMs = this.#observedMs - node.lastHeardMs;
      if (node.isAlive && silenceMs >= this.#options.deadNodeTimeoutMs) {
        node.state = 'dead';
        this.#listener?.nodeDied(node);
      } else if (node.state === 'live' && silenceMs >= this.#options.staleNodeTimeoutMs) {
        node.state = 'stale';
        this.#options.events.publish({ kind: 'node-stale', level: 'warn', node: node.name, message: `${node.name} no heartbeat for ${Math.round(silenceMs / 1000)} s: STALE` });
      }
    }
  }

  #refuseSecondProcess(params: Registration, address: string): void {
    const node = this.#byUuid.get(params.datanodeUuid);
    if (node?.replacedNonces.includes(params.bootNonce)) {
      throw new RegistrationRefusedError(`another process has taken the place of this one as ${node.name} (${node.address}); stop one of the two, and never copy a data directory`);
    }
    // At the same address the old process is certainly gone, since the new one has its port: a quick restart.
    if (node && node.state === 'live' && node.bootNonce !== params.bootNonce && canonicalAddress(node.address) !== canonicalAddress(address)) {
      throw new RegistrationRefusedError(`${node.name} is alive at ${node.address} with the same identity (${node.uuid}) as the data node at ${address}: its data directory was copied; empty it to make a new node of it`);
    }
    for (const other of this.#byUuid.values()) {
      if (canonicalAddress(other.address) === canonicalAddress(address) && other.uuid !== params.datanodeUuid && other.state === 'live') {
        throw new OverloadedError(`${address} is held by ${other.name}, which was alive a moment ago; once it has been silent for ${this.#options.staleNodeTimeoutMs} ms, a new node may take its place`);
      }
    }
  }

  /** Those of the past count, since replicas are known by their places among them. */
  #refuseTooManyStorages(params: Registration, address: string): void {
    const before = this.#byUuid.get(params.datanodeUuid)?.storages ?? [];
    const ids = new Set([...before, ...params.storages].map(({ storageId }) => storageId));
    if (ids.size <= maxStoragesPerNode) return;
    const past = ids.size - params.storages.length;
    throw new RegistrationRefusedError(
      `the data node at ${address} has ${params.storages.length} storage directories${past > 0 ? `, and had ${past} others since the name node started` : ''}; more than ${maxStoragesPerNode} cannot be told apart: ${past > 0 ? 'restart the name node, then the data node' : 'give it fewer, or run another data node for the rest'}`,
    );
  }

  #retire(node: DatanodeDescriptor, address: string): void {
    this.#byUuid.delete(node.uuid);
    node.state = 'dead';
    this.#listener?.nodeRetired(node);
    this.#options.events.publish({ kind: 'node-dead', level: 'warn', node: node.name, message: `${node.name} was replaced by a new data node at ${address}; its old replicas are gone` });
  }

  #add(uuid: string, number: number, address: string): DatanodeDescriptor {
    assert(this.#nodes.length < 2 ** 22, 'there are fewer than 2^22 data nodes');
    const host = address.slice(0, address.lastIndexOf(':'));
    const node = new DatanodeDescriptor({ number: this.#nodes.length, uuid, name: `dn${number}`, host, address }, this.#observe());
    this.#nodes.push(node);
    this.#byUuid.set(uuid, node);
    return node;
  }

  #hear(node: DatanodeDescriptor): void {
    node.lastHeardMs = this.#observe();
    node.lastHeartbeatMs = this.#clock.monotonicMs();
    node.lastHeartbeatTimeMs = this.#clock.nowMs();
  }

  #observe(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#observedMs += Math.min(Math.max(0, nowMs - this.#lastLookMs), this.#maxGapMs);
    this.#lastLookMs = nowMs;
    return this.#observedMs;
  }
}

function numberOfName(node: DatanodeDescriptor): number {
  return Number(node.name.slice(2));
}
