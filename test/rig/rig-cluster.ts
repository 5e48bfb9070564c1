import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DfsClient } from '../../source/client/client-api.js';
import { connect } from '../../source/compose.js';
import type { ClusterHealth } from '../../source/protocol/cluster-events.js';
import { freePorts } from '../helpers/free-ports.js';
import { program } from '../helpers/real-cluster.js';
import { Violation } from './violation.js';

/** Every verdict within a second or two, so that a cycle of faults is over soon. */
export const rigSettings = {
  block_size: 64 * 1024,
  replication_factor: 3,
  heartbeat_interval_ms: 100,
  stale_node_timeout_ms: 500,
  dead_node_timeout_ms: 1500,
  soft_lease_limit_ms: 1000,
  hard_lease_limit_ms: 2000,
  unknown_replica_grace_ms: 2000,
  max_replication_streams: 16,
  reserved_space: '1m',
};

export interface RigOptions {
  /** Must exist. Logs, config.json and, unless said otherwise, the nodes' data are below it. */
  folder: string;
  dataNodes: number;
  settings?: Record<string, unknown>;
  /** Where a node keeps its data. */
  directoryOf?: (name: string) => string;
  /** What a node's environment has besides this process's own. */
  environmentOf?: (name: string) => NodeJS.ProcessEnv;
}

const logTailLines = 12;
const everyProcess = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of everyProcess) child.kill('SIGKILL');
});

/** Remembers `child`, so that it ends with this process however that comes about. */
export function tie<T extends ChildProcess>(child: T): T {
  everyProcess.add(child);
  child.once('exit', () => everyProcess.delete(child));
  return child;
}

interface RigNode {
  name: string;
  address: string;
  args: string[];
  dataDirectory: string;
  child: ChildProcess | undefined;
  isStopped: boolean;
  startedMs: number;
}

/**
 * Nodes of the real program as children of this process, started and ended as quickly as the system does it: nothing waits for a node
 * to be ready unless `settled` is asked to. A node that ends by itself is a violation.
 */
export class RigCluster {
  readonly folder: string;
  readonly nameNodeAddress: string;
  readonly client: DfsClient;
  readonly dataNodeNames: readonly string[];
  readonly #nodes: Map<string, RigNode>;
  readonly #environmentOf: (name: string) => NodeJS.ProcessEnv;
  readonly #unexpected: string[] = [];

  private constructor(folder: string, nameNodeAddress: string, client: DfsClient, nodes: RigNode[], environmentOf: (name: string) => NodeJS.ProcessEnv) {
    this.folder = folder;
    this.nameNodeAddress = nameNodeAddress;
    this.client = client;
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    this.dataNodeNames = nodes.slice(1).map(({ name }) => name);
    this.#environmentOf = environmentOf;
  }

  /** Described, not started. */
  static async create(options: RigOptions): Promise<RigCluster> {
    const { folder, dataNodes, settings = {}, directoryOf = (name) => join(folder, 'data', name), environmentOf = () => ({}) } = options;
    const [nameNodePort, ...ports] = await freePorts(1 + dataNodes, 2);
    const nameNode = `127.0.0.1:${nameNodePort}`;
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const configFile = join(folder, 'config.json');
    writeFileSync(configFile, JSON.stringify({ ...rigSettings, data_nodes: addresses, name_node: nameNode, ...settings }, null, 2));
    mkdirSync(join(folder, 'log'), { recursive: true });
    const node = (name: string, address: string, args: string[]): RigNode => {
      const directory = directoryOf(name);
      mkdirSync(directory, { recursive: true });
      return { name, address, args: [...args, '--config', configFile, '--data-dir', directory], dataDirectory: directory, child: undefined, isStopped: false, startedMs: 0 };
    };
    const nodes = [node('nn', nameNode, ['namenode', '--format']), ...ports.map((port, i) => node(`dn${i + 1}`, `127.0.0.1:${port}`, ['datanode', String(port)]))];
    const client = await connect({ nameNode, retryTimeoutMs: 20_000 });
    return new RigCluster(folder, nameNode, client, nodes, environmentOf);
  }

  get nodeNames(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  isRunning(name: string): boolean {
    return this.#node(name).child !== undefined;
  }

  /** Of a running node. */
  pidOf(name: string): number {
    return this.#node(name).child!.pid!;
  }

  addressOf(name: string): string {
    return this.#node(name).address;
  }

  /** A data node's own storage directory. */
  storageOf(name: string): string {
    const { address, dataDirectory } = this.#node(name);
    return join(dataDirectory, `datanode-${address.split(':')[1]}`);
  }

  start(name: string): void {
    const node = this.#node(name);
    if (node.child) return;
    const log = openSync(join(this.folder, 'log', `${name}.log`), 'a');
    const environment = { UV_THREADPOOL_SIZE: '16', ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...this.#environmentOf(name) };
    const child = tie(spawn(process.execPath, [program, ...node.args], { cwd: this.folder, env: environment, stdio: ['ignore', log, log] }));
    closeSync(log);
    child.once('exit', (code, signal) => {
      if (node.child !== child) return;
      node.child = undefined;
      this.#unexpected.push(`${name} ended by itself (${signal ?? `code ${code}`}):\n${this.logTail(name)}`);
    });
    node.child = child;
    node.isStopped = false;
    node.startedMs = performance.now();
  }

  startAll(): void {
    for (const name of this.nodeNames) this.start(name);
  }

  /** SIGKILL to all of them at once; resolves when they are gone. */
  async kill(...names: readonly string[]): Promise<void> {
    const ended = names.map(async (name) => {
      const node = this.#node(name);
      const { child } = node;
      if (!child) return;
      node.child = undefined;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    });
    await Promise.all(ended);
  }

  /** SIGSTOP: the process is there, its connections too, and nothing moves. */
  suspend(name: string): void {
    const node = this.#node(name);
    node.isStopped = node.child?.kill('SIGSTOP') ?? false;
  }

  resume(name: string): void {
    const node = this.#node(name);
    if (node.isStopped) node.child?.kill('SIGCONT');
    node.isStopped = false;
  }

  /** Violation if a node has ended that nobody killed. */
  throwIfEnded(): void {
    if (this.#unexpected.length > 0) throw new Violation(this.#unexpected.join('\n'));
  }

  /** Waits until the name node answers with a health that satisfies; Violation with the last one seen after `limitMs`. */
  async until(what: string, isSatisfied: (health: ClusterHealth) => boolean, limitMs = 60_000): Promise<ClusterHealth> {
    const endMs = performance.now() + limitMs;
    for (let last: unknown; ; ) {
      this.throwIfEnded();
      try {
        const health = await this.client.getHealth();
        if (isSatisfied(health)) return health;
        last = health;
      } catch (error) {
        last = error;
      }
      if (performance.now() > endMs) {
        throw new Violation(`not within ${limitMs} ms: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last, null, 1)}\n${this.nodeNames.map((name) => `${name}: ${this.logTail(name)}`).join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }

  /** Every node runs and is live, and changes are taken. */
  settled(limitMs?: number): Promise<ClusterHealth> {
    // A heartbeat from before the start is one of the node's former life.
    const isOfThisLife = ({ address, sinceHeartbeatMs }: ClusterHealth['datanodes'][number]) => {
      const node = [...this.#nodes.values()].find((each) => each.address === address);
      return node !== undefined && sinceHeartbeatMs < performance.now() - node.startedMs;
    };
    const isFresh = ({ datanodes }: ClusterHealth) => datanodes.length === this.dataNodeNames.length && datanodes.every((each) => each.state === 'live' && isOfThisLife(each));
    return this.until('every data node live, safe mode off', (health) => isFresh(health) && !health.safeMode.isOn, limitMs);
  }

  logTail(name: string): string {
    const text = readFileSync(join(this.folder, 'log', `${name}.log`), 'utf8');
    return text.trimEnd().split('\n').slice(-logTailLines).join('\n');
  }

  /** Of each data node: its files below current, rbw, tmp and so on, relative to its storage. */
  filesOf(name: string): string[] {
    const entries = readdirSync(this.storageOf(name), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  async destroy(): Promise<void> {
    await this.client.close();
    await this.kill(...this.nodeNames);
  }

  #node(name: string): RigNode {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }
}
