import { silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import type { RecoveredBlock } from '../../source/namenode/block-management.js';
import { NameNode } from '../../source/namenode/name-node.js';
import type { NameNodeOptions } from '../../source/namenode/name-node-options.js';
import type { Block } from '../../source/protocol/block.js';
import { encodeReplicas } from '../../source/protocol/block-report.js';
import type { ClusterEvent } from '../../source/protocol/cluster-events.js';
import type { DatanodeCommand } from '../../source/protocol/datanode-protocol.js';
import type { CallContext } from '../../source/protocol/method.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { MemoryStore } from '../../source/storage/memory-store.js';
import { type Call, TurnClock, written } from './namespace-harness.js';

export const benchOptions: NameNodeOptions = {
  address: '127.0.0.1:9870',
  superuser: 'hdfs',
  isFormatWanted: true,
  dataNodes: ['127.0.0.1:9864', '127.0.0.1:9865'],
  blockSizeBytes: 1000,
  replication: 2,
  minReplication: 2,
  heartbeatIntervalMs: 1000,
  staleNodeTimeoutMs: 3000,
  deadNodeTimeoutMs: 10_000,
  blockReportIntervalMs: 3_600_000,
  maxReplicationStreams: 2,
  trashIntervalMinutes: 1440,
  isDurableClose: true,
  softLeaseLimitMs: 60_000,
  hardLeaseLimitMs: 1_200_000,
};

/** A name node with two data nodes that only exist as messages. */
export class NameNodeBench {
  readonly clock = new TurnClock();
  readonly held: Block[][] = [[], []];
  readonly options: Partial<NameNodeOptions>;
  readonly #epochs = new Map<number, number>();
  store = new MemoryStore();
  /** Taken instead, if set. */
  anyStore: KeyValueStore | undefined;
  storeRefusal: (() => Error | undefined) | undefined;
  /** What the name node has told since the bench was made. */
  readonly events: ClusterEvent[] = [];
  nameNode!: NameNode;
  #boots = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(options: Partial<NameNodeOptions> = {}) {
    this.options = options;
  }

  async start(): Promise<this> {
    this.nameNode = await NameNode.open({ store: this.anyStore ?? this.store, clock: this.clock, random: seededRandom(1), logger: silentLogger, options: { ...benchOptions, ...this.options }, groups: { groupsOf: () => [] }, storeRefusal: this.storeRefusal });
    this.#unsubscribe?.();
    this.#unsubscribe = this.nameNode.feed.subscribe((item) => {
      if (item.type === 'cluster') this.events.push(item.event);
    });
    this.nameNode.start();
    await this.turns();
    return this;
  }

  async kill(): Promise<void> {
    await this.nameNode.close();
    this.store = new MemoryStore({ image: this.store.crashImage() });
  }

  /** Time for what is done from time to time. */
  async turns(durationMs = 500): Promise<void> {
    for (let passed = 0; passed <= durationMs; passed += 100) {
      this.clock.advance(100);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Of data node `index`'s last registration. */
  epochOf(index: number): number {
    return this.#epochs.get(index)!;
  }

  async join(index: number): Promise<void> {
    const handlers = this.nameNode.datanodeHandlers;
    const { datanodeUuid, context, storages } = datanodeOf(index);
    const { epoch } = await handlers['datanode.register'](
      { datanodeUuid, clusterId: null, bootNonce: `boot-${++this.#boots}`, host: '127.0.0.1', port: 9864 + index, softwareVersion: '0', storages },
      context,
    );
    this.#epochs.set(index, epoch);
    await this.heartbeat(index);
    const report = handlers['datanode.blockReport']({ datanodeUuid, epoch, storageId: `s${index}`, reportId: 1, sliceIndex: 0, isLast: true, replicas: encodeReplicas(this.held[index]!) }, context);
    await this.turns();
    await report;
  }

  /** The orders that its answer brings. */
  async heartbeat(index: number): Promise<readonly DatanodeCommand[]> {
    const { datanodeUuid, context, storages } = datanodeOf(index);
    const epoch = this.#epochs.get(index)!;
    const { commands } = await this.nameNode.datanodeHandlers['datanode.sendHeartbeat']({ datanodeUuid, epoch, storages, transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [] }, context);
    return commands;
  }

  async commitRecovery(index: number, recovered: RecoveredBlock): Promise<void> {
    const { datanodeUuid, context } = datanodeOf(index);
    await this.nameNode.datanodeHandlers['datanode.commitBlockSynchronization']({ datanodeUuid, epoch: this.#epochs.get(index)!, ...recovered }, context);
  }

  as(user: string, clientId = `client-of-${user}`): Call {
    const context: CallContext = { user, clientId, role: 'client', remoteAddress: '127.0.0.1:5' };
    return async (method, params) => (await (this.nameNode.clientHandlers[method] as (params: unknown, context: CallContext) => unknown)(params, context)) as never;
  }

  get root(): Call {
    return this.as('hdfs');
  }

  async put(path: string): Promise<void> {
    const { file, block } = await this.root('fs.create', { path, permission: 0o644, overwrite: false, createParents: true, withBlock: true });
    const last = written(block!, 7);
    for (const { datanodeUuid } of last.replicas) this.held[Number(datanodeUuid.at(-1))]!.push(last.block);
    await this.root('fs.complete', { inodeId: file.inodeId, last });
  }
}

function datanodeOf(index: number) {
  const context: CallContext = { user: 'hdfs', clientId: `dn${index}`, role: 'datanode', remoteAddress: '127.0.0.1:1' };
  const storages = [{ storageId: `s${index}`, capacityBytes: 2 ** 40, usedBytes: 0, remainingBytes: 2 ** 40, blockCount: 0, isFailed: false }];
  return { datanodeUuid: `uuid-${index}`, context, storages };
}
