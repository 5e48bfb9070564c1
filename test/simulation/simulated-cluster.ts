import type { Logger } from '../../source/base/log.js';
import type { Random } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import { createDfsClient } from '../../source/client/dfs-client.js';
import { DataNode } from '../../source/datanode/data-node.js';
import { NameNode } from '../../source/namenode/name-node.js';
import { ConfiguredRacks } from '../../source/namenode/rack-mapping.js';
import { NamespaceView } from '../../source/namenode/namespace-view.js';
import { type ClientProtocol, clientProtocol } from '../../source/protocol/client-protocol.js';
import type { ClusterHealth } from '../../source/protocol/cluster-events.js';
import { type DatanodeProtocol, datanodeProtocol, type DatanodeServiceProtocol, datanodeServiceProtocol } from '../../source/protocol/datanode-protocol.js';
import { type DfsError, InputOutputError, NoSpaceError, StorageDamagedError } from '../../source/protocol/errors.js';
import type { Identity } from '../../source/protocol/hello.js';
import { LocalBlockStore } from '../../source/storage/local-block-store.js';
import { type MemoryStore, type MemoryStoreImage, openMemoryStore } from '../../source/storage/memory-store.js';
import { type DiskCallKind, type DiskFateOf, MachineDisk, ProcessDisk } from './process-disk.js';
import { acceptSimulatedChannel, createFramePool, createSimulatedConnector } from './simulated-block-channel.js';
import { SimulatedNetwork } from './simulated-network.js';
import { never, SimulatedProcess } from './simulated-process.js';
import { SharedRpcServer, SimulatedRpcCaller } from './simulated-rpc.js';
import type { SimulationConfig } from './simulation-config.js';
import { type Simulator, Violation } from './simulator.js';
import type { Troubles } from './troubles.js';

export const superuser = 'tester';
export const nameNodePort = 9870;
export const dataNodePort = 9864;
const nameNodeHost = '10.0.0.1';

const nameNodeServer = new SharedRpcServer([
  { protocol: clientProtocol, allowedRoles: ['client', 'datanode'] },
  { protocol: datanodeProtocol, allowedRoles: ['datanode'] },
]);
const dataNodeServer = new SharedRpcServer([{ protocol: datanodeServiceProtocol, allowedRoles: ['client', 'datanode'] }]);

/** A machine: what stays when its programs do not. */
export class Machine {
  readonly name: string;
  readonly host: string;
  wallOffsetMs = 0;

  constructor(name: string, host: string) {
    this.name = name;
    this.host = host;
  }
}

/** The name node's machine: its store is what a crash has left, and what it has become since. */
export class NameNodeMachine extends Machine {
  process: SimulatedProcess | undefined;
  nameNode: NameNode | undefined;
  store: MemoryStore | undefined;
  image: MemoryStoreImage | undefined;
  /** What a commit takes, ms. */
  commitMs = 0.8;
  isFull = false;
  failsNextCommit = false;

  /** The store has a damaged record, which is found by whoever looks at it. */
  isDamaged = false;

  /** The durable name space, whatever its store has lost; as the last crash left it while nothing runs. */
  view(): NamespaceView {
    if (this.store && this.isDamaged) return new NamespaceView(openMemoryStore({ image: this.store.crashImage() }));
    return new NamespaceView(this.store ?? openMemoryStore(this.image ? { image: this.image } : {}));
  }
}

export class DataNodeMachine extends Machine {
  readonly disks: MachineDisk[];
  process: SimulatedProcess | undefined;
  node: DataNode | undefined;
  store: LocalBlockStore | undefined;
  /** The power was cut, and the disks have not settled yet. */
  isPowerCut = false;
  /** Never started again. */
  isGone = false;

  constructor(name: string, host: string, diskCount: number) {
    super(name, host);
    this.disks = Array.from({ length: diskCount }, () => new MachineDisk());
  }

  get address(): string {
    return `${this.host}:${dataNodePort}`;
  }
}

export class ClientMachine extends Machine {
  process: SimulatedProcess | undefined;
  client: DfsClient | undefined;
}

/** The real name node, data nodes and clients on simulated machines. */
export class SimulatedCluster {
  readonly simulator: Simulator;
  readonly network: SimulatedNetwork;
  readonly config: SimulationConfig;
  readonly random: Random;
  readonly nameNode: NameNodeMachine;
  readonly dataNodes: DataNodeMachine[];
  readonly clients: ClientMachine[];
  /** Told of each fault that has happened. */
  onFault: (kind: string) => void = () => {};
  /** Decides the fate of each call of a data node's disk; undefined: as the others. */
  onDiskCall: ((machine: DataNodeMachine, kind: DiskCallKind, path: string) => ReturnType<DiskFateOf>) | undefined;
  /** Copies of data nodes' directories on other machines, by the place in `dataNodes` of the node that they were made of. */
  readonly copies = new Map<number, DataNodeMachine>();
  /** A copy was taken for the node: whether it may become it, with all that only the other one has lost. */
  mayReplace: (node: DataNodeMachine, copy: DataNodeMachine) => boolean = () => false;
  /** `uuid host:port` of every data node that has asked to be taken in, where machines may go for good. */
  readonly #registrations = new Set<string>();
  /** How many durable replicas of a block the simulation itself has destroyed. */
  readonly destroyedReplicas = new Map<number, number>();
  /** Rises whenever what a data node has in memory only, or has not synced, may be lost. */
  memoryLosses = 0;
  #lives = 0;

  constructor(simulator: Simulator, config: SimulationConfig) {
    this.simulator = simulator;
    this.config = config;
    this.network = new SimulatedNetwork(simulator);
    this.network.onFault = (kind) => this.onFault(kind);
    this.random = simulator.fork();
    this.nameNode = new NameNodeMachine('nn', nameNodeHost);
    this.dataNodes = Array.from({ length: config.dataNodeCount }, (_, index) => new DataNodeMachine(`dn${index + 1}`, dataNodeHost(index), config.disksPerNode));
    // The first client is on a data node's machine, as jobs often are.
    this.clients = Array.from({ length: config.clientCount }, (_, index) => new ClientMachine(`c${index + 1}`, index === 0 ? '10.0.1.1' : `10.0.2.${index + 1}`));
    const onInternalError = (message: string, cause: unknown) => simulator.fail(new Violation(`a server could not explain: ${message}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`));
    nameNodeServer.onInternalError = onInternalError;
    dataNodeServer.onInternalError = onInternalError;
  }

  /** No disk here forgets what was written to it, or refuses more, while its node lives. */
  get keepsMemories(): boolean {
    return (['disk-errors', 'lying-sync', 'read-only-disk', 'full-disk', 'lost-disk'] as const).every((kind) => !this.config.faultKinds.has(kind));
  }

  get nameNodeAddress(): string {
    return `${nameNodeHost}:${nameNodePort}`;
  }

  get troubles(): Troubles {
    return this.network.troubles;
  }

  machines(): Machine[] {
    return [this.nameNode, ...this.dataNodes, ...this.clients];
  }

  // The name node

  startNameNode(): void {
    const machine = this.nameNode;
    if (machine.process?.isAlive) return;
    const process = this.#newProcess(machine);
    machine.process = process;
    this.network.host(machine.host).isUp = true;
    const store = openMemoryStore({
      ...(machine.image && { image: machine.image }),
      commitDelay: () => this.#commit(machine, process),
      refusal: (): DfsError | undefined => (machine.isFull ? new NoSpaceError('the disk of the name node is full') : undefined),
    });
    machine.store = store;
    this.#guard(process, this.#openNameNode(machine, process, store));
  }

  async #openNameNode(machine: NameNodeMachine, process: SimulatedProcess, store: MemoryStore): Promise<void> {
    const { config } = this;
    const logger = this.logger(process);
    const nameNode = await NameNode.open({
      store,
      clock: process.clock,
      random: process.random,
      logger,
      groups: { groupsOf: () => [] },
      options: {
        address: this.nameNodeAddress,
        superuser,
        isFormatWanted: true,
        dataNodes: this.dataNodes.map((_, index) => `${dataNodeHost(index)}:${dataNodePort}`),
        blockSizeBytes: config.blockSizeBytes,
        replication: config.replication,
        minReplication: config.minReplication,
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        staleNodeTimeoutMs: config.staleNodeTimeoutMs,
        deadNodeTimeoutMs: config.deadNodeTimeoutMs,
        blockReportIntervalMs: config.blockReportIntervalMs,
        maxReplicationStreams: 4,
        trashIntervalMinutes: 0,
        isDurableClose: true,
        softLeaseLimitMs: config.softLeaseLimitMs,
        hardLeaseLimitMs: config.hardLeaseLimitMs,
        unknownReplicaGraceMs: config.unknownReplicaGraceMs,
        racks: new ConfiguredRacks(
          Object.fromEntries(this.dataNodes.flatMap((_, index) => [dataNodeHost(index), copyHost(index)].map((host) => [host, `/rack${index % config.rackCount}`]))),
        ),
      },
    });
    if (!process.isAlive) return;
    machine.nameNode = nameNode;
    void nameNode.failed.then((error) => {
      if (error.name === 'AssertionError') this.simulator.fail(new Violation(`the name node: ${error.stack}`));
      logger.error(`ends: ${error.message}`);
      // As its process would: it ends, and is started again.
      if (process.isAlive) this.killNameNode({ restartAfterMs: 500 });
    });
    const identity: Identity = { clusterId: nameNode.clusterId, role: 'namenode', user: superuser, clientId: process.random.id() };
    const { datanodeHandlers } = nameNode;
    const handlers = { ...nameNode.clientHandlers, ...(config.faultKinds.has('cloned-node') ? this.#watched(datanodeHandlers) : datanodeHandlers) };
    this.network.listen(process, nameNodePort, (pipe) => nameNodeServer.serve(pipe, { process, identity, handlers }));
    nameNode.start();
  }

  async #commit(machine: NameNodeMachine, process: SimulatedProcess): Promise<void> {
    if (!process.enterSeam()) return never();
    const isFailing = machine.failsNextCommit;
    machine.failsNextCommit = false;
    this.simulator.note('commit', process.name);
    await new Promise<void>((resolve) => process.after(machine.commitMs * (0.3 + process.random.next()), resolve));
    if (!isFailing) return;
    this.onFault('failed-commit');
    this.troubles.note(machine.host);
    throw Object.assign(new Error('EIO: the commit failed'), { code: 'EIO' });
  }

  /** `restartAfterMs`: started again then. A commit in flight is on disk afterwards, or is not. */
  killNameNode(options: { restartAfterMs?: number } = {}): void {
    const machine = this.nameNode;
    if (!machine.process?.isAlive) return;
    this.simulator.note('kill', machine.name);
    this.troubles.note(machine.host);
    machine.image = machine.store!.crashImage(this.random.next() < 0.5 ? 'durable' : 'inFlight');
    machine.process.kill();
    machine.isDamaged = false;
    machine.nameNode = undefined;
    machine.store = undefined;
    if (options.restartAfterMs !== undefined) this.simulator.schedule(options.restartAfterMs, () => this.startNameNode());
  }

  // Data nodes

  startDataNode(machine: DataNodeMachine): void {
    if (machine.process?.isAlive || machine.isGone) return;
    if (machine.isPowerCut) {
      machine.isPowerCut = false;
      for (const { disk } of machine.disks) disk.powerCut((['lost', 'kept', 'torn'] as const)[this.random.integer(3)]!, this.random);
    } else {
      for (const { disk } of machine.disks) disk.restart();
    }
    this.network.host(machine.host).isUp = true;
    const process = this.#newProcess(machine);
    machine.process = process;
    this.#guard(process, this.#openDataNode(machine, process), () => this.killDataNode(machine, { restartAfterMs: 2000 }));
  }

  async #openDataNode(machine: DataNodeMachine, process: SimulatedProcess): Promise<void> {
    const { network, config } = this;
    const { clock, random } = process;
    const logger = this.logger(process);
    const store = await LocalBlockStore.open({
      disk: new ProcessDisk(process, machine.disks, (kind) => this.#diskFailed(machine, kind), (kind, path) => this.onDiskCall?.(machine, kind, path)),
      directories: machine.disks.map((_, index) => `/${index}/data`),
      clock,
      random,
      logger,
    });
    const pool = createFramePool();
    const identity: Identity = { clusterId: store.clusterId, role: 'datanode', user: superuser, clientId: random.id() };
    const node = await DataNode.open({
      store,
      nameNode: new SimulatedRpcCaller<DatanodeProtocol>(network, process, { identity, address: this.nameNodeAddress }),
      connector: createSimulatedConnector(network, process, identity, pool),
      openPeer: (address) => new SimulatedRpcCaller<DatanodeServiceProtocol>(network, process, { identity, address }),
      clock,
      random,
      logger,
      identity,
      host: machine.host,
      port: dataNodePort,
      options: { abandonedReplicaLifetimeMs: config.abandonedReplicaLifetimeMs, scanPeriodMs: config.scanPeriodMs },
    });
    if (!process.isAlive) return;
    machine.node = node;
    machine.store = store;
    const { handlers } = node;
    network.listen(process, dataNodePort, (pipe, kind) => {
      if (kind === 'rpc') dataNodeServer.serve(pipe, { process, identity, handlers });
      else acceptSimulatedChannel(network, pipe, { process, identity, logger, pool, serve: (channel, context) => node.handleChannel(channel, context) });
    });
    void node.ended.then((error) => {
      if (!process.isAlive || !error) return;
      logger.error(`ends: ${error.message}`);
      this.killDataNode(machine, { restartAfterMs: 2000 });
    });
    node.start();
  }

  #diskFailed(machine: DataNodeMachine, kind: string): void {
    this.troubles.note(machine.host);
    this.onFault(kind);
  }

  killDataNode(machine: DataNodeMachine, options: { restartAfterMs?: number; isPowerCut?: boolean } = {}): void {
    if (!machine.process?.isAlive) return;
    const { isPowerCut = false, restartAfterMs } = options;
    this.simulator.note(isPowerCut ? 'power-cut' : 'kill', machine.name);
    this.memoryLosses++;
    this.troubles.note(machine.host);
    if (isPowerCut) {
      machine.isPowerCut = true;
      this.network.host(machine.host).isUp = false;
    }
    machine.process.kill();
    machine.node = undefined;
    machine.store = undefined;
    if (restartAfterMs !== undefined) this.simulator.schedule(restartAfterMs, () => this.startDataNode(machine));
  }

  /** A copy of the node's directory is started on another machine, beside it or while it is down. False: there is one already, or nothing to copy. */
  copyDataNode(index: number): boolean {
    const machine = this.dataNodes[index]!;
    // What is left of the disks is decided at the next start.
    if (this.copies.has(index) || machine.isPowerCut || !machine.disks.every(({ disk }) => disk.has('/data/VERSION'))) return false;
    const copy = new DataNodeMachine(machine.name, machine.host === copyHost(index) ? dataNodeHost(index) : copyHost(index), machine.disks.length);
    for (const [at, { disk }] of machine.disks.entries()) disk.copyTo(copy.disks[at]!.disk);
    this.copies.set(index, copy);
    this.startDataNode(copy);
    return true;
  }

  endCopy(index: number): void {
    const copy = this.copies.get(index);
    if (!copy) return;
    this.copies.delete(index);
    copy.isGone = true;
    this.killDataNode(copy);
  }

  /** Sees which of a node and its copy the name node takes for it: from there on what that one has is what counts, or it has to go at once. */
  #watched(handlers: NameNode['datanodeHandlers']): NameNode['datanodeHandlers'] {
    return {
      ...handlers,
      'datanode.register': async (params, context) => {
        this.#registrations.add(`${params.datanodeUuid} ${params.host}:${params.port}`);
        const answer = await handlers['datanode.register'](params, context);
        for (const [index, copy] of this.copies) {
          if (copy.host !== params.host || !copy.process?.isAlive) continue;
          const node = this.dataNodes[index]!;
          if (!this.mayReplace(node, copy)) {
            this.endCopy(index);
            continue;
          }
          this.simulator.note('replaced', node.name, node.host, copy.host);
          this.onFault('copy-becomes-node');
          this.dataNodes[index] = copy;
          this.copies.set(index, node);
          this.killDataNode(node, { restartAfterMs: 2000 });
        }
        return answer;
      },
    };
  }

  /**
   * Whether a data node that the name node knows was there once and will not come back: its machine is gone, or has another identity and
   * another address. It cannot be told from one that is only away, so it is known until an administrator lets it go. Nobody can say so
   * while a machine has not started: it may be this one, under a new address.
   */
  isGoneForGood({ datanodeUuid, address }: { datanodeUuid: string; address: string }): boolean {
    const isThere = this.dataNodes.some(({ address: place, store }) => place === address || !store || store.datanodeUuid === datanodeUuid);
    return !isThere && this.#registrations.has(`${datanodeUuid} ${address}`);
  }

  /** As whoever looks after the cluster would: a node that goes on without one of its disks is started again once that works. */
  restartNodesWithFailedDisks(): void {
    for (const machine of this.dataNodes) {
      const isFailed = (machine.store?.failedVolumes.length ?? 0) > 0;
      if (isFailed && machine.disks.every((disk) => disk.writeFailure === undefined)) this.killDataNode(machine, { restartAfterMs: 500 });
    }
  }

  // Clients

  startClient(machine: ClientMachine): DfsClient {
    if (machine.client && machine.process?.isAlive) return machine.client;
    const { network, config } = this;
    const process = this.#newProcess(machine);
    machine.process = process;
    const identity: Identity = { clusterId: null, role: 'client', user: superuser, clientId: process.random.id() };
    machine.client = createDfsClient({
      nameNode: new SimulatedRpcCaller<ClientProtocol>(network, process, { identity, address: this.nameNodeAddress }),
      nameNodeAddress: this.nameNodeAddress,
      dataNode: (address) => new SimulatedRpcCaller<DatanodeServiceProtocol>(network, process, { identity, address }),
      connector: createSimulatedConnector(network, process, identity, createFramePool()),
      openFeed: () => {
        throw new Error('no feed in a simulation');
      },
      identity,
      clock: process.clock,
      random: process.random,
      options: { retryTimeoutMs: config.retryTimeoutMs, log: this.logger(process) },
    });
    return machine.client;
  }

  killClient(machine: ClientMachine): void {
    if (!machine.process?.isAlive) return;
    this.simulator.note('kill', machine.name);
    machine.process.kill();
    machine.client = undefined;
  }

  health(): ClusterHealth | undefined {
    return this.nameNode.process?.isAlive ? this.nameNode.nameNode?.health() : undefined;
  }

  logger(process: SimulatedProcess): Logger {
    const { simulator } = this;
    const write = (level: string, message: string) => {
      if (!process.isAlive) return;
      simulator.note('log', process.name, level, message);
    };
    return {
      debug: () => {},
      info: (message) => write('INFO', message),
      warn: (message) => write('WARN', message),
      error: (message, cause) => {
        const reason = cause instanceof Error ? `: ${cause.message}` : cause === undefined ? '' : `: ${String(cause)}`;
        write('ERROR', message + reason);
        if (cause instanceof Error && isBroken(cause)) simulator.fail(new Violation(`${process.name}: ${message}: ${cause.stack}`));
      },
    };
  }

  #newProcess(machine: Machine): SimulatedProcess {
    this.simulator.note('start', machine.name);
    this.troubles.note(machine.host);
    return new SimulatedProcess(this.simulator, { name: `${machine.name}#${++this.#lives}`, host: machine.host, wallOffsetMs: () => machine.wallOffsetMs });
  }

  /** A start that fails is tried again where that can help, and else is a violation: nothing here may keep a node from starting. */
  #guard(process: SimulatedProcess, opening: Promise<void>, retry?: () => void): void {
    opening.catch((error: unknown) => {
      if (!process.isAlive) return;
      const isOfDisk = error instanceof InputOutputError || error instanceof NoSpaceError || (error instanceof StorageDamagedError && error.message.includes('EIO'));
      if (retry && isOfDisk) return retry();
      this.simulator.fail(new Violation(`${process.name} does not start: ${error instanceof Error ? error.stack : String(error)}`));
    });
  }
}

function dataNodeHost(index: number): string {
  return `10.0.1.${index + 1}`;
}

function copyHost(index: number): string {
  return `10.0.4.${index + 1}`;
}

/** No failure of the world explains these. */
export function isBroken(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError || (error instanceof Error && error.name === 'AssertionError') || (error instanceof Error && error.name === 'RpcError');
}
