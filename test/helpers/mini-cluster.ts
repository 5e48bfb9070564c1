import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../source/base/clock.js';
import { createLogger, type Logger, silentLogger } from '../../source/base/log.js';
import { systemRandom } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import { createDfsClient } from '../../source/client/dfs-client.js';
import { DataNode, type DataNodeSettings } from '../../source/datanode/data-node.js';
import { NameNode } from '../../source/namenode/name-node.js';
import { CancelledError } from '../../source/protocol/errors.js';
import type { Protocol, RpcCaller } from '../../source/protocol/method.js';
import { clientProtocol } from '../../source/protocol/client-protocol.js';
import type { ClusterEvent, ClusterHealth } from '../../source/protocol/cluster-events.js';
import { datanodeProtocol, datanodeServiceProtocol } from '../../source/protocol/datanode-protocol.js';
import type { Identity } from '../../source/protocol/hello.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { LocalBlockStore } from '../../source/storage/local-block-store.js';
import { openMemoryStore } from '../../source/storage/memory-store.js';
import { nodeDisk } from '../../source/storage/node-disk.js';
import { createBlockChannelConnector } from '../../source/transport/block-channel-connector.js';
import { openFeed } from '../../source/transport/feed-client.js';
import { listen, type NodeListener } from '../../source/transport/listen.js';
import { createRpcCaller } from '../../source/transport/rpc-client.js';
import { DiskFaults, faultyDisk } from './disk-faults.js';
import { freePorts } from './free-ports.js';

export interface MiniClusterOptions {
  dataNodeCount?: number;
  blockSizeBytes?: number;
  replication?: number;
  minReplication?: number;
  isDurableClose?: boolean;
  /** The real store on disk; in memory if not said. */
  isLmdb?: boolean;
  softLeaseLimitMs?: number;
  hardLeaseLimitMs?: number;
  /** 2,000 if not said. */
  deadNodeTimeoutMs?: number;
  /** Of each data node. */
  dataNode?: MiniDataNodeOptions;
}

export interface MiniDataNodeOptions {
  /** Storage directories; 1 if not said. */
  volumeCount?: number;
  settings?: Partial<DataNodeSettings>;
}

const superuser = 'tester';
const host = '127.0.0.1';

/** A whole cluster in this process: the real name node, data nodes with real disks, TCP between them. Quick verdicts: a node is dead after 2 s. */
export class MiniCluster {
  readonly directory: string;
  readonly nodes: MiniDataNode[] = [];
  /** What the name node told in its feed, over its restarts. */
  readonly events: ClusterEvent[] = [];
  readonly #options: MiniClusterOptions;
  readonly #logger: Logger;
  readonly #clients: DfsClient[] = [];
  #store!: KeyValueStore;
  #nameNode!: NameNode;
  #unsubscribe: () => void = () => {};
  #listener!: NodeListener;

  private constructor(directory: string, options: MiniClusterOptions) {
    this.directory = directory;
    this.#options = options;
    this.#logger = loggerOf('nn');
  }

  /** `t.teardown` ends it and removes its files. */
  static async start(t: { teardown(end: () => Promise<void>): void }, options: MiniClusterOptions = {}): Promise<MiniCluster> {
    const cluster = new MiniCluster(await mkdtemp(join(tmpdir(), 'dfsh-mini-')), options);
    t.teardown(() => cluster.close());
    cluster.#store = options.isLmdb ? await openLmdbStore({ directory: join(cluster.directory, 'namenode'), logger: silentLogger }) : openMemoryStore();
    await cluster.#startNameNode((await freePorts(1))[0]!);
    const { dataNodeCount = 3 } = options;
    for (let index = 0; index < dataNodeCount; index++) await cluster.addNode();
    await cluster.waitFor((health) => !health.safeMode.isOn && health.datanodes.filter((node) => node.state === 'live').length === dataNodeCount);
    return cluster;
  }

  get nameNodeAddress(): string {
    return this.#listener.address;
  }

  health(): ClusterHealth {
    return this.#nameNode.health();
  }

  /** In joining order, so that the first is dn1. */
  async addNode(options: MiniDataNodeOptions = this.#options.dataNode ?? {}): Promise<MiniDataNode> {
    const node = new MiniDataNode(join(this.directory, `datanode-${this.nodes.length + 1}`), () => this.nameNodeAddress, options);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  client(options: { user?: string; retryTimeoutMs?: number; isDurableClose?: boolean } = {}): DfsClient {
    const identity: Identity = { clusterId: null, role: 'client', user: options.user ?? superuser, clientId: systemRandom.id() };
    const address = this.nameNodeAddress;
    const client = createDfsClient({
      nameNode: createRpcCaller({ address, identity, clock: systemClock }),
      nameNodeAddress: address,
      dataNode: (dataNodeAddress) => createRpcCaller({ address: dataNodeAddress, identity, clock: systemClock }),
      connector: createBlockChannelConnector({ identity, clock: systemClock }),
      openFeed: (feedOptions) => openFeed({ address, identity, clock: systemClock, ...feedOptions }),
      identity,
      clock: systemClock,
      random: systemRandom,
      options: { retryTimeoutMs: options.retryTimeoutMs ?? 30_000, isDurableClose: options.isDurableClose, log: loggerOf('client') },
    });
    this.#clients.push(client);
    return client;
  }

  /** A client whose process can die: `die` breaks all its connections, and nothing of it goes on or is cleaned up, its leases neither. */
  mortalClient(options: { retryTimeoutMs?: number } = {}): { client: DfsClient; die: () => void } {
    const identity: Identity = { clusterId: null, role: 'client', user: superuser, clientId: systemRandom.id() };
    const address = this.nameNodeAddress;
    const living: { close(): void }[] = [];
    let isDead = false;
    const mortal = <P extends Protocol>(caller: RpcCaller<P>): RpcCaller<P> => {
      living.push(caller);
      return {
        call: async (...call) => {
          if (isDead) throw new CancelledError('the process is dead');
          return caller.call(...call);
        },
        close: () => caller.close(),
      };
    };
    const connector = createBlockChannelConnector({ identity, clock: systemClock });
    const client = createDfsClient({
      nameNode: mortal(createRpcCaller<typeof clientProtocol>({ address, identity, clock: systemClock })),
      nameNodeAddress: address,
      dataNode: (dataNodeAddress) => mortal(createRpcCaller<typeof datanodeServiceProtocol>({ address: dataNodeAddress, identity, clock: systemClock })),
      connector: {
        connect: async (...call) => {
          if (isDead) throw new CancelledError('the process is dead');
          const channel = await connector.connect(...call);
          living.push({ close: () => channel.destroy() });
          return channel;
        },
        release: (channel) => connector.release(channel),
        close: () => connector.close(),
      },
      openFeed: (feedOptions) => openFeed({ address, identity, clock: systemClock, ...feedOptions }),
      identity,
      clock: systemClock,
      random: systemRandom,
      options: { retryTimeoutMs: options.retryTimeoutMs ?? 30_000, log: loggerOf('mortal') },
    });
    this.#clients.push(client);
    const die = () => {
      isDead = true;
      for (const each of living) each.close();
    };
    return { client, die };
  }

  /** Until the name node's health is as asked. */
  async waitFor(isReached: (health: ClusterHealth) => boolean, limitMs = 30_000): Promise<void> {
    await waitUntil(() => isReached(this.health()), limitMs, () => JSON.stringify(this.health()));
  }

  /** Ends the name node, and starts it again from its store, on the same port. */
  async restartNameNode(): Promise<void> {
    const { port } = this.#listener;
    await this.#stopNameNode();
    await this.#startNameNode(port);
  }

  node(name: string): MiniDataNode {
    return this.nodes[Number(name.slice(2)) - 1]!;
  }

  /** The files of a block's finalized replicas, by the names of the nodes: what is really on the disks. */
  async replicaFiles(blockId: number): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const [index, node] of this.nodes.entries()) {
      const file = await node.replicaFile(blockId);
      if (file) found.set(`dn${index + 1}`, file);
    }
    return found;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close();
    for (const node of this.nodes) await node.kill();
    await this.#stopNameNode();
    await this.#store.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #startNameNode(port: number): Promise<void> {
    const options = this.#options;
    const identity: Identity = { clusterId: null, role: 'namenode', user: superuser, clientId: 'nn' };
    this.#nameNode = await NameNode.open({
      store: this.#store,
      clock: systemClock,
      random: systemRandom,
      logger: this.#logger,
      options: {
        address: `${host}:${port}`,
        superuser,
        isFormatWanted: true,
        dataNodes: [],
        blockSizeBytes: options.blockSizeBytes ?? 1 << 20,
        replication: options.replication ?? 3,
        minReplication: options.minReplication ?? 2,
        heartbeatIntervalMs: 200,
        staleNodeTimeoutMs: 1000,
        deadNodeTimeoutMs: options.deadNodeTimeoutMs ?? 2000,
        blockReportIntervalMs: 60_000,
        maxReplicationStreams: 4,
        trashIntervalMinutes: 0,
        isDurableClose: options.isDurableClose ?? true,
        softLeaseLimitMs: options.softLeaseLimitMs ?? 60_000,
        hardLeaseLimitMs: options.hardLeaseLimitMs ?? 1_200_000,
      },
    });
    identity.clusterId = this.#nameNode.clusterId;
    this.#listener = await listen({
      host,
      port,
      identity,
      services: [
        { protocol: clientProtocol, handlers: this.#nameNode.clientHandlers, allowedRoles: ['client', 'datanode'] },
        { protocol: datanodeProtocol, handlers: this.#nameNode.datanodeHandlers, allowedRoles: ['datanode'] },
      ],
      feed: this.#nameNode.feed,
      title: 'name node',
      clock: systemClock,
      logger: this.#logger,
      limits: { closeTimeoutMs: 0 },
    });
    this.#unsubscribe = this.#nameNode.feed.subscribe((item) => {
      if (item.type === 'cluster') this.events.push(item.event);
    });
    this.#nameNode.start();
  }

  async #stopNameNode(): Promise<void> {
    this.#unsubscribe();
    await this.#listener.close();
    await this.#nameNode.close();
  }
}

export class MiniDataNode {
  /** The first of `directories`. */
  readonly directory: string;
  readonly directories: readonly string[];
  /** Of its disks: stay over a restart. */
  readonly faults = new DiskFaults();
  readonly #options: MiniDataNodeOptions;
  readonly #nameNodeAddress: () => string;
  readonly #logger: Logger;
  #running: { node: DataNode; store: LocalBlockStore; stop: () => Promise<void>; address: string } | undefined;
  #port = 0;

  constructor(directory: string, nameNodeAddress: () => string, options: MiniDataNodeOptions) {
    this.directory = directory;
    this.#options = options;
    this.directories = Array.from({ length: options.volumeCount ?? 1 }, (_, index) => (index === 0 ? directory : `${directory}-${index + 1}`));
    this.#nameNodeAddress = nameNodeAddress;
    this.#logger = loggerOf(directory.slice(directory.lastIndexOf('/') + 1));
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get address(): string {
    return `${host}:${this.#port}`;
  }

  get dataNode(): DataNode {
    return this.#running!.node;
  }

  get store(): LocalBlockStore {
    return this.#running!.store;
  }

  /** Resolves once it is registered. The same port each time. */
  async start(): Promise<void> {
    if (this.#port === 0) [this.#port] = (await freePorts(1)) as [number];
    const clock = systemClock;
    const logger = this.#logger;
    const store = await LocalBlockStore.open({ disk: faultyDisk(nodeDisk, this.faults), directories: this.directories, clock, random: systemRandom, logger });
    const identity: Identity = { clusterId: store.clusterId, role: 'datanode', user: superuser, clientId: store.datanodeUuid };
    const nameNode = createRpcCaller<typeof datanodeProtocol & typeof clientProtocol>({ address: this.#nameNodeAddress(), identity, clock });
    const connector = createBlockChannelConnector({ identity, clock });
    const node = await DataNode.open({ store, nameNode, connector, openPeer: (address) => createRpcCaller({ address, identity, clock }), fetchPeerAddresses: async () => (await nameNode.call('cluster.getDatanodes', {})).map((peer) => peer.address), clock, random: systemRandom, logger, identity, host, port: this.#port, options: this.#options.settings ?? {} });
    const listener = await listen({
      host,
      port: this.#port,
      identity,
      services: [{ protocol: datanodeServiceProtocol, handlers: node.handlers, allowedRoles: ['client', 'datanode'] }],
      onBlockChannel: (channel, context) => node.handleChannel(channel, context),
      title: 'data node',
      clock,
      logger,
      limits: { closeTimeoutMs: 0 },
    });
    this.#port = listener.port;
    const stop = async () => {
      connector.close();
      nameNode.close();
      await Promise.all([listener.close(), node.close()]);
      await store.close();
    };
    this.#running = { node, store, stop, address: listener.address };
    node.start({ host, port: listener.port });
    await node.waitUntilRegistered();
  }

  /** As a killed process looks from outside: all its connections break, and it says nothing more. */
  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async replicaFile(blockId: number): Promise<string | undefined> {
    for (const directory of this.directories) {
      const files = await readdir(join(directory, 'current'), { recursive: true });
      const name = files.find((file) => file.endsWith(`/blk_${blockId}`));
      if (name) return join(directory, 'current', name);
    }
    return undefined;
  }

  /** Names of the files of all finalized replicas and those being written. */
  async replicaNames(): Promise<string[]> {
    const names: string[] = [];
    for (const directory of this.directories) {
      for (const folder of ['current', 'rbw', 'tmp']) {
        for (const file of await readdir(join(directory, folder), { recursive: true })) if (/blk_\d+$/.test(file)) names.push(`${folder}/${file}`);
      }
    }
    return names;
  }
}

/** Set DFSH_TEST_LOG to see what the nodes log. */
function loggerOf(name: string): Logger {
  return process.env.DFSH_TEST_LOG ? createLogger((line) => process.stderr.write(`${name}: ${line}`), { level: 'info' }) : silentLogger;
}

export async function waitUntil(isReached: () => boolean | Promise<boolean>, limitMs = 30_000, describe: () => string = () => 'not reached'): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await isReached())) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
