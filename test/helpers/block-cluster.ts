import { ManualClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { type Random, seededRandom } from '../../source/base/random.js';
import type { BlockCatalog, CatalogBlock } from '../../source/namenode/block-management.js';
import { type BlockServices, type BlockServicesOptions, createBlockServices } from '../../source/namenode/block-services.js';
import type { Block, ReplicaLocation } from '../../source/protocol/block.js';
import { encodeReplicas } from '../../source/protocol/block-report.js';
import type { ClusterEvent } from '../../source/protocol/cluster-events.js';
import type { DatanodeCommand } from '../../source/protocol/datanode-protocol.js';
import { UnregisteredNodeError } from '../../source/protocol/errors.js';
import type { CallContext } from '../../source/protocol/method.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { openMemoryStore } from '../../source/storage/memory-store.js';

export const mebibyte = 1024 * 1024;
const datanodeContext: CallContext = { user: 'dfs', clientId: 'node', role: 'datanode', remoteAddress: '127.0.0.1:1' };

/** Block management under a manual clock, with data nodes that do in memory what they are told: no sockets, no disks. */
export class BlockCluster {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly store: KeyValueStore;
  /** What the namespace would have on disk. */
  readonly catalogBlocks: CatalogBlock[] = [];
  readonly nodes: SimulatedDatanode[] = [];
  services: BlockServices;
  readonly deletionsOfLastCopies: string[] = [];
  readonly #options: Partial<BlockServicesOptions>;
  #nextBlockId = 1_073_741_825;

  constructor(options: Partial<BlockServicesOptions> & { seed?: number } = {}) {
    this.random = seededRandom(options.seed ?? 1);
    this.store = options.store ?? openMemoryStore();
    this.#options = options;
    this.services = this.#createServices();
  }

  get catalog(): BlockCatalog {
    const blocks = this.catalogBlocks;
    return {
      scanBlocks: (afterInodeId = 0, afterIndex = -1, limit = 1000) =>
        blocks.filter((block) => block.inodeId > afterInodeId || (block.inodeId === afterInodeId && block.blockIndex > afterIndex)).slice(0, limit),
      pathOfInode: (inodeId) => `/file-${inodeId}`,
    };
  }

  /** A name node that has started, with `count` registered, reported and live data nodes. */
  static async started(count: number, options: Partial<BlockServicesOptions> & { seed?: number } = {}): Promise<BlockCluster> {
    const cluster = new BlockCluster(options);
    await cluster.services.load(cluster.catalog);
    for (let i = 0; i < count; i++) await cluster.addNode();
    await cluster.run(1000);
    return cluster;
  }

  async addNode(options: Partial<SimulatedDatanodeOptions> = {}): Promise<SimulatedDatanode> {
    const node = new SimulatedDatanode(this, { uuid: `uuid-${this.nodes.length + 1}`, port: 9864 + this.nodes.length, ...options });
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** The name node ends and starts again; data nodes notice at their next heartbeat. */
  async restartNameNode(): Promise<void> {
    this.services = this.#createServices();
    await this.services.load(this.catalog);
  }

  /** Time goes by: ticks four times a second, heartbeats of running nodes once a second. */
  async run(durationMs: number, whileTrue: () => boolean = () => true): Promise<void> {
    for (let elapsedMs = 0; elapsedMs < durationMs && whileTrue(); elapsedMs += 250) {
      this.clock.advance(250);
      await settle();
      this.services.tick();
      for (const node of this.nodes) await node.beat(this.clock.monotonicMs());
    }
  }

  /** Runs until `condition` holds; throws after a simulated `limitMs`. Answers how long it took. */
  async runUntil(condition: () => boolean, limitMs = 120_000): Promise<number> {
    const beginMs = this.clock.monotonicMs();
    await this.run(limitMs, () => !condition());
    if (!condition()) throw new Error(`not reached within ${limitMs} ms: ${condition.toString()}`);
    return this.clock.monotonicMs() - beginMs;
  }

  /** A file of one block, written by a client: allocated, stored by the targets and committed. */
  write(options: { replication?: number; lengthBytes?: number; areConfirmed?: boolean } = {}): Block {
    const { replication = 3, lengthBytes = mebibyte, areConfirmed = true } = options;
    const block = this.begin({ replication });
    const targets = this.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
    const whole = { ...block, lengthBytes };
    for (const target of targets) this.node(target).store(whole, { isReported: areConfirmed });
    this.commit(whole, targets);
    return whole;
  }

  /** A block under construction. */
  begin(options: { replication?: number } = {}): Block {
    const { replication = 3 } = options;
    const blockId = this.#nextBlockId++;
    const block: Block = { blockId, generationStamp: 1001, lengthBytes: 0 };
    const targets = this.services.blocks.chooseTargets({ count: replication, blockSizeBytes: 128 * mebibyte, writerAddress: '127.0.0.1:1', excluded: [], existing: [] });
    this.catalogBlocks.push({ ...block, inodeId: blockId, blockIndex: 0, replication, isComplete: false });
    this.services.blocks.addUnderConstruction({ blockId, generationStamp: 1001, inodeId: blockId, replication, blockSizeBytes: 128 * mebibyte }, targets);
    return block;
  }

  commit(block: Block, targets: readonly ReplicaLocation[]): void {
    const known = this.catalogBlocks.find(({ blockId }) => blockId === block.blockId)!;
    Object.assign(known, block, { isComplete: true });
    this.services.blocks.commit(block, targets, true);
  }

  delete(block: Block): void {
    this.catalogBlocks.splice(this.catalogBlocks.findIndex(({ blockId }) => blockId === block.blockId), 1);
    this.services.blocks.remove(block.blockId);
  }

  node(location: { datanodeUuid: string }): SimulatedDatanode {
    return this.nodes.find((node) => node.uuid === location.datanodeUuid)!;
  }

  /** Names of the nodes that a reader is sent to. */
  locations(block: Block): string[] {
    return this.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' }).map(({ name }) => name).sort();
  }

  /** Nodes that really hold exactly this block. */
  holders(block: Block): SimulatedDatanode[] {
    return this.nodes.filter((node) => {
      const replica = node.replicas.get(block.blockId);
      return replica?.generationStamp === block.generationStamp && replica.lengthBytes === block.lengthBytes && !node.rotten.has(block.blockId);
    });
  }

  /** A node is about to delete a replica by order: of a block that a file has, another good one must be somewhere. */
  noteDeletion(node: SimulatedDatanode, replica: Block): void {
    const block = this.catalogBlocks.find(({ blockId, isComplete }) => isComplete && blockId === replica.blockId);
    if (block && !this.holders(block).some((holder) => holder !== node)) this.deletionsOfLastCopies.push(`blk_${block.blockId} on ${node.name} at ${this.clock.monotonicMs()} ms`);
  }

  get messages(): string[] {
    return this.services.feed.events.map(({ message }) => message);
  }

  events(kind: ClusterEvent['kind']): ClusterEvent[] {
    return this.services.feed.events.filter((event) => event.kind === kind);
  }

  #createServices(): BlockServices {
    return createBlockServices({
      store: this.store,
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      clusterId: 'cluster-1',
      nameNode: '127.0.0.1:9870',
      dataNodes: ['127.0.0.1:9864', '127.0.0.1:9865', '127.0.0.1:9866'],
      minReplication: 2,
      heartbeatIntervalMs: 1000,
      staleNodeTimeoutMs: 3000,
      deadNodeTimeoutMs: 10_000,
      blockReportIntervalMs: 3_600_000,
      maxReplicationStreams: 4,
      countInodes: () => ({ fileCount: this.catalogBlocks.length, directoryCount: 1 }),
      commitRecoveredBlock: () => Promise.reject(new Error('no namespace here')),
      ...this.#options,
    });
  }
}

export interface SimulatedDatanodeOptions {
  uuid: string;
  port: number;
  host: string;
  clusterId: string | null;
  capacityBytes: number;
  /** Beside its replicas. */
  otherUsedBytes: number;
}

/** A data node of a BlockCluster. What is public may be changed to break it. */
export class SimulatedDatanode {
  readonly uuid: string;
  readonly storageId: string;
  host: string;
  port: number;
  name = '';
  epoch = 0;
  bootNonce = '';
  /** What is on its disk, and which of it is rotten. */
  readonly replicas = new Map<number, Block>();
  readonly rotten = new Set<number>();
  /** Rotten ones that it has put aside. */
  readonly quarantined = new Map<number, Block>();
  isRunning = false;
  /** Running, but its messages do not arrive. */
  isCutOff = false;
  /** Takes orders, and does nothing. */
  ignores = new Set<DatanodeCommand['kind']>();
  readonly commands: DatanodeCommand[] = [];
  /** What it says of copies that it makes. */
  replications: { blockId: number; doneBytes: number; totalBytes: number }[] = [];
  readonly #cluster: BlockCluster;
  readonly #options: Partial<SimulatedDatanodeOptions>;
  #bootCount = 0;
  #lastNotice = 0;
  #reportId = 0;
  #lastBeatMs = Number.NEGATIVE_INFINITY;

  constructor(cluster: BlockCluster, options: Partial<SimulatedDatanodeOptions> & { uuid: string; port: number }) {
    this.#cluster = cluster;
    this.#options = options;
    this.uuid = options.uuid;
    this.host = options.host ?? '127.0.0.1';
    this.port = options.port;
    this.storageId = `storage-of-${options.uuid}-${options.port}`;
  }

  /** A new process: registers and reports. */
  async start(): Promise<void> {
    this.bootNonce = `${this.uuid}-${this.port}-boot-${++this.#bootCount}`;
    this.#reportId = 0;
    this.isRunning = true;
    await this.register();
    await this.report();
    await this.tellQuarantined();
  }

  kill(): void {
    this.isRunning = false;
  }

  async register(): Promise<void> {
    const answer = await this.#service['datanode.register'](
      { datanodeUuid: this.uuid, clusterId: this.#options.clusterId ?? null, bootNonce: this.bootNonce, host: this.host, port: this.port, softwareVersion: '0.1.0', storages: [this.storage()] },
      datanodeContext,
    );
    this.name = answer.name;
    this.epoch = answer.epoch;
  }

  async tellQuarantined(): Promise<void> {
    const replicas = [...this.quarantined.values()].map((block) => ({ storageId: this.storageId, block, isQuarantined: true, reason: 'checksum of chunk 3' }));
    if (replicas.length > 0) await this.#service['datanode.reportCorrupt']({ ...this.sender(replicas.length), replicas }, datanodeContext);
  }

  async reportAbandoned(replicas: Block[]): Promise<void> {
    await this.#service['datanode.reportAbandoned']({ datanodeUuid: this.uuid, epoch: this.epoch, replicas }, datanodeContext);
  }

  async report(replicas: Iterable<Block> = this.replicas.values()): Promise<void> {
    const sorted = [...replicas].sort((a, b) => a.blockId - b.blockId);
    await this.reportSlice({ reportId: ++this.#reportId, sliceIndex: 0, isLast: true, replicas: sorted });
  }

  /** Of the next so many notices. */
  sender(noticeCount = 1): { datanodeUuid: string; epoch: number; firstNotice: number } {
    const firstNotice = this.#lastNotice + 1;
    this.#lastNotice += noticeCount;
    return { datanodeUuid: this.uuid, epoch: this.epoch, firstNotice };
  }

  nextReportId(): number {
    return ++this.#reportId;
  }

  reportSlice(slice: { reportId: number; sliceIndex: number; isLast: boolean; replicas: readonly Block[]; epoch?: number }): Promise<null> {
    const { reportId, sliceIndex, isLast, replicas, epoch = this.epoch } = slice;
    return Promise.resolve(
      this.#service['datanode.blockReport']({ datanodeUuid: this.uuid, epoch, storageId: this.storageId, reportId, sliceIndex, isLast, replicas: encodeReplicas(replicas) }, datanodeContext),
    );
  }

  tell(kind: 'received' | 'deleted', block: Block): void {
    if (!this.isRunning || this.isCutOff) return;
    void this.#service['datanode.blockReceivedAndDeleted']({ ...this.sender(), events: [{ storageId: this.storageId, kind, block }] }, datanodeContext);
  }

  /** Has it on disk from now on. */
  store(block: Block, options: { isReported?: boolean } = {}): void {
    this.replicas.set(block.blockId, block);
    this.rotten.delete(block.blockId);
    this.quarantined.delete(block.blockId);
    if (options.isReported ?? true) this.tell('received', block);
  }

  async beat(nowMs: number): Promise<void> {
    if (!this.isRunning || this.isCutOff || nowMs - this.#lastBeatMs < 1000) return;
    this.#lastBeatMs = nowMs;
    try {
      const { commands } = await this.#service['datanode.sendHeartbeat'](
        { datanodeUuid: this.uuid, epoch: this.epoch, storages: [this.storage()], transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: this.replications },
        datanodeContext,
      );
      for (const command of commands) await this.#obey(command);
    } catch (error) {
      if (!(error instanceof UnregisteredNodeError)) throw error;
      await this.register();
      await this.report();
      await this.tellQuarantined();
    }
  }

  storage(): { storageId: string; capacityBytes: number; usedBytes: number; remainingBytes: number; blockCount: number; isFailed: boolean } {
    const capacityBytes = this.#options.capacityBytes ?? 1024 * 1024 * mebibyte;
    let usedBytes = 0;
    for (const { lengthBytes } of this.replicas.values()) usedBytes += lengthBytes;
    const remainingBytes = Math.max(0, capacityBytes - usedBytes - (this.#options.otherUsedBytes ?? 0));
    return { storageId: this.storageId, capacityBytes, usedBytes, remainingBytes, blockCount: this.replicas.size, isFailed: false };
  }

  get #service() {
    return this.#cluster.services.service;
  }

  async #obey(command: DatanodeCommand): Promise<void> {
    this.commands.push(command);
    if (this.ignores.has(command.kind)) return;
    if (command.kind === 'register') {
      await this.register();
      await this.report();
      await this.tellQuarantined();
    } else if (command.kind === 'blockReport') {
      await this.report();
    } else if (command.kind === 'replicate') {
      const replica = this.replicas.get(command.block.blockId);
      if (replica?.generationStamp !== command.block.generationStamp || this.rotten.has(replica.blockId)) return;
      for (const target of command.targets) {
        const node = this.#cluster.node(target);
        // A node refuses a copy of what it has in the same generation.
        if (node.isRunning && node.replicas.get(replica.blockId)?.generationStamp !== replica.generationStamp) node.store(replica);
      }
    } else if (command.kind === 'invalidate') {
      for (const block of command.blocks) {
        const replica = this.replicas.get(block.blockId);
        const aside = this.quarantined.get(block.blockId);
        if (aside && aside.generationStamp <= block.generationStamp) this.quarantined.delete(block.blockId);
        if (!replica) this.tell('deleted', block);
        if (replica && replica.generationStamp > block.generationStamp) this.tell('received', replica);
        if (!replica || replica.generationStamp > block.generationStamp) continue;
        this.#cluster.noteDeletion(this, replica);
        this.replicas.delete(block.blockId);
        this.rotten.delete(block.blockId);
        this.tell('deleted', replica);
      }
    } else if (command.kind === 'verify') {
      for (const block of command.blocks) await this.#verify(block);
    }
  }

  /** Rotten ones are put aside: they are not among its replicas any more. */
  async #verify(block: Block): Promise<void> {
    if (!this.rotten.has(block.blockId)) {
      await this.#service['datanode.reportIntact']({ ...this.sender(), replicas: [{ storageId: this.storageId, block }] }, datanodeContext);
      return;
    }
    this.replicas.delete(block.blockId);
    this.rotten.delete(block.blockId);
    this.quarantined.set(block.blockId, block);
    await this.tellQuarantined();
  }
}

/** Lets what was resolved go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
