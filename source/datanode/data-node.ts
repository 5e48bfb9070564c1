import type { Clock } from '../base/clock.js';
import { repeat } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { Block } from '../protocol/block.js';
import { type BlockChannel, type BlockChannelConnector, type Frame, frameTypes, signOfLifeMs } from '../protocol/block-stream.js';
import type { DatanodeProtocol, DatanodeServiceProtocol } from '../protocol/datanode-protocol.js';
import { ChecksumError, InputOutputError, OverloadedError, PermissionDeniedError } from '../protocol/errors.js';
import type { Identity } from '../protocol/hello.js';
import type { CallContext, Handlers, RpcCaller } from '../protocol/method.js';
import type { BlockStore } from '../storage/block-store.js';
import { Permits } from '../storage/permits.js';
import type { MetricSample } from '../transport/metrics.js';
import { BlockRecoveries } from './block-recovery.js';
import { BlockReceiver } from './block-receiver.js';
import { parseRead, parseTransfer, parseWrite } from './block-requests.js';
import { BlockScanner } from './block-scanner.js';
import { BlockSender } from './block-sender.js';
import { drain, refusal } from './channel-operation.js';
import { CommandExecutor } from './command-executor.js';
import { nodeMetrics } from './data-node-metrics.js';
import { NameNodeLink } from './name-node-link.js';
import { NodeCounters, RateMeter } from './node-counters.js';
import type { NodeContext } from './node-context.js';
import { PacketBudget } from './packet-budget.js';
import { OrderedDeletions } from './ordered-deletions.js';
import { PacketBuffers } from './packet-buffers.js';
import { PeerAddresses } from './peer-addresses.js';
import { PeerWaits } from './peer-waits.js';
import { ReplicaCheck } from './replica-check.js';
import { readReplicaChecksum } from './replica-checksum.js';
import { TransferServer } from './transfer-server.js';

export interface DataNodeSettings {
  softwareVersion: string;
  /** Copies by order of the name node at a time. */
  maxReplicationStreams: number;
  /** Block operations at a time; more are refused. */
  maxOperations: number;
  /** Bytes of packets in memory, of all operations together. */
  packetMemoryBytes: number;
  /** How long the name node may take for an answer. */
  callTimeoutMs: number;
  /** How long the next node of a pipeline may take, and how much longer for each one behind it. */
  downstreamTimeoutMs: number;
  hopTimeoutMs: number;
  /** Much less than what its peers take for silence (protocol/block-stream.ts). */
  signOfLifeMs: number;
  /** How long the own disk may take for a packet: less than `downstreamTimeoutMs`, and than a client's patience. */
  diskTimeoutMs: number;
  /** After so long without a writer, counting only time in which the name node was there, it is asked whether a replica being written may go. */
  abandonedReplicaLifetimeMs: number;
  /** In which every replica is read and checked once; 0: never. */
  scanPeriodMs: number;
  /** Of each disk. */
  scanBytesPerSecond: number;
}

const defaults: DataNodeSettings = {
  softwareVersion: '0.1.0',
  maxReplicationStreams: 4,
  maxOperations: 1024,
  packetMemoryBytes: 48 * 1024 * 1024,
  callTimeoutMs: 10_000,
  downstreamTimeoutMs: 30_000,
  hopTimeoutMs: 5000,
  signOfLifeMs,
  diskTimeoutMs: 20_000,
  abandonedReplicaLifetimeMs: 24 * 3600 * 1000,
  scanPeriodMs: 0,
  scanBytesPerSecond: 1024 * 1024,
};

export interface DataNodeOptions {
  /** Opened, and later closed, by the caller; like the caller and the connector. */
  store: BlockStore;
  nameNode: RpcCaller<DatanodeProtocol>;
  connector: BlockChannelConnector;
  /** A connection to another data node's service: the node closes it. */
  openPeer: (address: string) => RpcCaller<DatanodeServiceProtocol>;
  /** The addresses of all data nodes of the cluster; without it, a client may make this node dial any address. */
  fetchPeerAddresses?: (() => Promise<string[]>) | undefined;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Its clusterId is filled in by the first registration. */
  identity: Identity;
  /** Where others reach this node; `start` may say it later, when the port is known. */
  host: string;
  port: number;
  options?: Partial<DataNodeSettings>;
}

const sweepIntervalMs = 60_000;

interface Operation {
  run(): Promise<boolean>;
  destroy(): void;
}

/**
 * A data node: serves block operations on the channels that its listener accepts, keeps the name node informed, and obeys it.
 */
export class DataNode {
  readonly handlers: Handlers<DatanodeServiceProtocol>;
  readonly #options: DataNodeOptions;
  readonly #settings: DataNodeSettings;
  readonly #startedMs: number;
  readonly #counters = new NodeCounters();
  readonly #node: NodeContext;
  readonly #link: NameNodeLink;
  readonly #check: ReplicaCheck;
  readonly #recoveries: BlockRecoveries;
  readonly #executor: CommandExecutor;
  readonly #checksums = new Permits({ limit: 2, queueLimit: 256, what: 'checksums of blocks are being computed' });
  readonly #channels = new Set<BlockChannel>();
  readonly #operations = new Map<Operation, Promise<boolean>>();
  /** How long replicas have had no writer, while the name node was there. */
  readonly #abandonedMs = new Map<number, number>();
  #stopSweep: (() => void) | undefined;
  #address: { host: string; port: number };
  #isClosing = false;

  private constructor(options: DataNodeOptions) {
    this.#options = options;
    this.#settings = { ...defaults, ...options.options };
    this.#address = { host: options.host, port: options.port };
    const { store, connector, clock, random, logger, nameNode, identity } = options;
    this.#startedMs = clock.monotonicMs();
    identity.clusterId ??= store.clusterId;
    const rates = new RateMeter(clock, this.#counters);
    this.#link = new NameNodeLink({
      nameNode,
      store,
      clock,
      random,
      logger,
      identity,
      softwareVersion: this.#settings.softwareVersion,
      callTimeoutMs: this.#settings.callTimeoutMs,
      address: () => this.#address,
      statistics: () => ({ transferCount: this.#counters.transferCount, ...rates.read(), replications: this.#executor.progress, ...this.#node.peerWaits.forHeartbeat() }),
      onCommands: (commands) => this.#executor.execute(commands),
    });
    const { outbox } = this.#link;
    this.#check = new ReplicaCheck({
      store,
      clock,
      outbox,
      counters: this.#counters,
      logger,
      onAbsent: (block) => this.#noteDeleted(block, undefined),
    });
    this.#node = {
      store,
      connector,
      clock,
      logger,
      counters: this.#counters,
      budget: new PacketBudget(this.#settings.packetMemoryBytes),
      buffers: new PacketBuffers(),
      downstreamTimeoutMs: this.#settings.downstreamTimeoutMs,
      hopTimeoutMs: this.#settings.hopTimeoutMs,
      diskTimeoutMs: this.#settings.diskTimeoutMs,
      signOfLifeMs: this.#settings.signOfLifeMs,
      peers: new PeerAddresses(options.fetchPeerAddresses),
      peerWaits: new PeerWaits(clock),
      deletions: new OrderedDeletions(),
      onReceived: (block, storageId) => outbox.add({ kind: 'received', storageId, block }),
      // What is being written is checked by the recovery that ends it, if its writer does not.
      onSuspect: (block) => {
        if (store.getReplica(block.blockId)?.state !== 'being-written') this.#check.request(block, { isOrdered: false });
      },
    };
    this.#recoveries = new BlockRecoveries(this.#node, {
      openPeer: options.openPeer,
      commit: (recovered, signal) => this.#link.commitRecovery(recovered, signal),
    });
    this.#executor = new CommandExecutor(this.#node, {
      check: this.#check,
      recoveries: this.#recoveries,
      maxCopies: this.#settings.maxReplicationStreams,
      onDeleted: (block, storageId) => this.#noteDeleted(block, storageId),
    });
    this.handlers = this.#createHandlers();
  }

  static async open(options: DataNodeOptions): Promise<DataNode> {
    const node = new DataNode(options);
    node.#storageIds = (await options.store.readStorages()).map((storage) => storage.storageId);
    const { store, clock, logger } = options;
    const { scanPeriodMs: periodMs, scanBytesPerSecond: bytesPerSecond } = node.#settings;
    node.#scanner = new BlockScanner(node.#storageIds, { store, clock, logger, counters: node.#counters, check: node.#check, periodMs, bytesPerSecond });
    return node;
  }

  #storageIds: string[] = [];
  #scanner!: BlockScanner;

  /** Resolves when the node can serve no more: to the refusal by the name node that says why; after `close` to nothing. */
  get ended(): Promise<Error | undefined> {
    return this.#link.ended;
  }

  get isRegistered(): boolean {
    return this.#link.isRegistered;
  }

  /** Begins to register, and to keep registered, for ever. `address`: where others reach this node, if `open` could not know. */
  start(address?: { host: string; port: number }): void {
    if (address) this.#address = address;
    this.#link.start();
    this.#scanner.start();
    this.#stopSweep ??= repeat(
      this.#options.clock,
      () => sweepIntervalMs,
      () => this.#sweepAbandoned(),
      (error) => this.#options.logger.error('abandoned replicas cannot be looked for', error),
    );
  }

  waitUntilRegistered(): Promise<void> {
    return this.#link.waitUntilRegistered();
  }

  /** Serves the operations of one channel, one after the other, until it ends. Never rejects. */
  async handleChannel(channel: BlockChannel, _context: CallContext): Promise<void> {
    this.#channels.add(channel);
    try {
      for (let isUsable = !this.#isClosing; isUsable && !this.#isClosing;) {
        const frame = await channel.read();
        if (!frame) break;
        isUsable = await this.#handle(channel, frame);
      }
    } catch (error) {
      if (!channel.isDestroyed) this.#options.logger.debug(`block stream of ${channel.remoteAddress}: ${String(error)}`);
    } finally {
      this.#channels.delete(channel);
      channel.destroy();
    }
  }

  async #handle(channel: BlockChannel, frame: Frame): Promise<boolean> {
    let operation: Operation;
    try {
      if (this.#operations.size >= this.#settings.maxOperations)
        throw new OverloadedError(`this data node serves ${this.#settings.maxOperations} block operations already; try again later`);
      operation = this.#createOperation(channel, frame);
    } catch (error) {
      await channel.write([refusal(error, this.#options.store.datanodeUuid)]);
      // What follows may be packets of the operation that we refused.
      await drain(channel, this.#node.clock);
      return false;
    } finally {
      frame.release();
    }
    const running = operation.run();
    this.#operations.set(operation, running);
    try {
      return await running;
    } finally {
      this.#operations.delete(operation);
    }
  }

  #createOperation(channel: BlockChannel, frame: Frame): Operation {
    switch (frame.type) {
      case frameTypes.write:
        return counted(this.#counters, 'activeWrites', new BlockReceiver(this.#node, channel, parseWrite(frame)));
      case frameTypes.read:
        return counted(this.#counters, 'activeReads', new BlockSender(this.#node, channel, parseRead(frame)));
      case frameTypes.transfer:
        return counted(this.#counters, 'activeCopies', new TransferServer(this.#node, channel, parseTransfer(frame)));
      default:
        throw new InputOutputError(`a block operation begins with WRITE, READ or TRANSFER, not with a frame of type ${frame.type}`);
    }
  }

  metrics(): MetricSample[] {
    return nodeMetrics(this.#counters, {
      packetMemoryBytes: this.#node.budget.usedBytes,
      pendingNotices: this.#link.outbox.size,
      isRegistered: this.isRegistered,
      failedVolumeCount: this.#options.store.failedVolumes.length,
      scans: this.#scanner.progress,
    });
  }

  /**
   * Ends in good order: no more operations; those that run are broken off, their replicas staying as being written, for their writers to go on
   * with elsewhere. The store, the connector and the connection to the name node stay open: they are the caller's.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#stopSweep?.();
    for (const operation of this.#operations.keys()) operation.destroy();
    for (const channel of this.#channels) channel.destroy();
    await this.#executor.close();
    await this.#scanner.close();
    await this.#check.close();
    await Promise.allSettled(this.#operations.values());
    await this.#link.close();
  }

  #createHandlers(): Handlers<DatanodeServiceProtocol> {
    const { store, identity, clock } = this.#options;
    return {
      'node.getInfo': async () => ({
        role: 'datanode',
        datanodeUuid: store.datanodeUuid,
        name: this.#link.name,
        clusterId: identity.clusterId,
        address: this.#address.host.includes(':')
          ? `[${this.#address.host}]:${this.#address.port}`
          : `${this.#address.host}:${this.#address.port}`,
        softwareVersion: this.#settings.softwareVersion,
        upTimeMs: Math.floor(clock.monotonicMs() - this.#startedMs),
        isRegistered: this.isRegistered,
        storages: await store.readStorages(),
        failedVolumes: store.failedVolumes,
        scans: this.#scanner.progress,
      }),
      'replica.initRecovery': ({ block, recoveryGeneration }, context) => {
        checkPeer(context);
        return store.initRecovery({ blockId: block.blockId, generationStamp: block.generationStamp, recoveryGeneration });
      },
      'replica.updateRecovery': async ({ block, recoveryGeneration, newLengthBytes }, context) => {
        checkPeer(context);
        return this.#recoveries.update({ blockId: block.blockId, recoveryGeneration, newLengthBytes });
      },
      'replica.getInfo': ({ blockId }) => {
        const replica = store.getReplica(blockId);
        const [failed] = store.failedVolumes;
        // "None" would be believed: a reader of a file that is being written would end before it.
        if (!replica && failed) throw new InputOutputError(`block ${blockId} is not on the disks that work here; it may be on ${failed.directory}, which is out of use (${failed.reason})`, { blockId });
        return replica ?? null;
      },
      'replica.getChecksum': async ({ block, bytesPerCrc }) => {
        const release = await this.#checksums.acquire();
        try {
          return { md5: await readReplicaChecksum(store, block, bytesPerCrc), generationStamp: block.generationStamp };
        } catch (error) {
          if (error instanceof ChecksumError || error instanceof InputOutputError) this.#node.onSuspect(block, error);
          throw error;
        } finally {
          release();
        }
      },
    };
  }

  /** Where nobody knows which storage had it, none has it any more. */
  #noteDeleted(block: Block, storageId: string | undefined): void {
    for (const each of storageId === undefined ? this.#storageIds : [storageId])
      this.#link.outbox.add({ kind: 'deleted', storageId: each, block });
  }

  /**
   * Tells the name node of replicas that have had no writer for long, at each sweep until it has them deleted. Never deletes one by itself:
   * their bytes may be acknowledged, and their recovery still wait for a node that is away.
   */
  async #sweepAbandoned(): Promise<void> {
    if (!this.isRegistered) return;
    const found = new Map<number, Block>();
    for (const block of this.#options.store.abandonedReplicas()) found.set(block.blockId, block);
    for (const blockId of this.#abandonedMs.keys()) if (!found.has(blockId)) this.#abandonedMs.delete(blockId);
    const overdue: Block[] = [];
    for (const [blockId, block] of found) {
      const abandonedMs = (this.#abandonedMs.get(blockId) ?? -sweepIntervalMs) + sweepIntervalMs;
      this.#abandonedMs.set(blockId, abandonedMs);
      if (abandonedMs >= this.#settings.abandonedReplicaLifetimeMs) overdue.push(block);
    }
    await this.#link.reportAbandoned(overdue);
  }
}

/** Recoveries are the nodes' own affair: a client that could begin one could stop anybody's writer. */
function checkPeer({ role, user }: CallContext): void {
  if (role !== 'datanode') throw new PermissionDeniedError(`${user} is no data node: only they recover replicas`);
}

function counted(counters: NodeCounters, name: 'activeWrites' | 'activeReads' | 'activeCopies', operation: Operation): Operation {
  return {
    destroy: () => operation.destroy(),
    run: async () => {
      counters[name]++;
      try {
        return await operation.run();
      } finally {
        counters[name]--;
      }
    },
  };
}
