import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAddress } from '../base/address.js';
import { assert } from '../base/assert.js';
import { type Clock, sleep } from '../base/clock.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import { CancelledError, type DfsError, InputOutputError, InvalidArgumentError, StorageLockedError, UnavailableError } from '../protocol/errors.js';
import { storageError } from '../storage/storage-error.js';
import { lockDirectory } from '../storage/store-lock.js';
import { isInUse } from './cluster-in-use.js';
import { type ClusterState, readState, stateFilePath, writeState } from './cluster-state.js';
import { errorIfEnded, inOneLine } from './ended-node.js';
import { type HealthProbe, probeHealth } from './health-probe.js';
import { type LaunchedNode, launchNode, type NodeLaunch } from './launch-node.js';
import type { ClusterProgress, LocalCluster, LocalNode } from './local-cluster.js';
import { nextFreeAddress } from './next-free-address.js';
import { followLines, lastLines } from './node-log.js';
import { type ClusterConfig, dataNodeAddresses, describeNode, nodeName } from './node-names.js';
import { describePortOwner, isPortFree } from './port-owner.js';
import { isRunning, killProcess, type ProcessIdentity, stopProcesses } from './process-identity.js';
import { SafeModeWatch } from './safe-mode-watch.js';
import { whatIsMissing } from './what-is-missing.js';

export interface LocalClusterOptions {
  config: ClusterConfig;
  launch: NodeLaunch;
  clock: Clock;
  probe?: HealthProbe;
  /** How long nodes may take from their start until they are live. */
  startLimitMs?: number;
  /** How long a node may take to end after SIGTERM. */
  stopLimitMs?: number;
}

export function createLocalCluster(options: LocalClusterOptions): LocalCluster {
  return new ProcessCluster(options);
}

const pollMs = 50;
const lockPollMs = 100;
const maxNodeCount = 512;

type CallOptions = { signal?: AbortSignal | undefined; onProgress?: ClusterProgress | undefined };

type StartOptions = CallOptions & {
  isNameNodeWanted: boolean;
  /** What `added` is to be again if the start fails. */
  addedBefore?: string[];
};

/** What a call has started and must see through, or stop again. */
interface Start {
  node: LocalNode;
  launched: LaunchedNode;
  startedMs: number;
}

/**
 * Processes on this machine. Whoever changes something holds the lock of the data folder, reads the state file, and writes it again
 * after each step: two calls at once, in one process or two, do not start anything twice.
 */
class ProcessCluster implements LocalCluster {
  readonly #config: ClusterConfig;
  readonly #launch: NodeLaunch;
  readonly #clock: Clock;
  readonly #probe: HealthProbe;
  readonly #startLimitMs: number;
  readonly #stopLimitMs: number;
  readonly #stateFile: string;

  constructor(options: LocalClusterOptions) {
    this.#config = options.config;
    this.#launch = options.launch;
    this.#clock = options.clock;
    this.#probe = options.probe ?? probeHealth;
    this.#startLimitMs = options.startLimitMs ?? 60_000;
    this.#stopLimitMs = options.stopLimitMs ?? 10_000;
    this.#stateFile = stateFilePath(options.config.dataDirectory, options.config.nameNode);
  }

  async up({ count, signal, onProgress }: { count?: number } & CallOptions): Promise<LocalNode[]> {
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= maxNodeCount)) {
      throw new InvalidArgumentError(`a cluster has 1 to ${maxNodeCount} data nodes, not ${count}`);
    }
    return this.#exclusively({ signal, onProgress }, async (state) => {
      const addedBefore = state.added;
      while (this.#config.dataNodes.length + state.added.length < (count ?? 0)) state.added = [...state.added, await nextFreeAddress(this.#config, state)];
      const wanted = [...this.#config.dataNodes, ...state.added].slice(0, count);
      return this.#startAndWait(state, wanted, { isNameNodeWanted: true, addedBefore, signal, onProgress });
    });
  }

  async down({ onProgress }: { onProgress?: ClusterProgress }): Promise<LocalNode[]> {
    return this.#exclusively({ onProgress }, async (state) => {
      const running = [];
      for (const node of await this.#list(state)) {
        const identity = state.processes.get(node.address);
        if (identity && (await isRunning(identity))) running.push({ node: { ...node, state: 'stopped' as const }, identity });
      }
      // The name node last, so that the data nodes' last words still reach it.
      for (const role of ['datanode', 'namenode']) {
        const group = running.filter(({ node }) => node.role === role);
        for (const { node } of group) onProgress?.(`stopping ${node.name} on ${node.address}`);
        const killed = await stopProcesses(group.map(({ identity }) => identity), { clock: this.#clock, limitMs: this.#stopLimitMs });
        for (const { node } of group.filter(({ identity }) => killed.includes(identity))) onProgress?.(`${node.name} did not end within ${this.#stopLimitMs / 1000} s and was killed`);
      }
      if (state.processes.size > 0) {
        state.processes.clear();
        await this.#writeEnded(state);
      }
      return running.map(({ node }) => node);
    });
  }

  async status(): Promise<LocalNode[]> {
    return this.#list(await this.#read());
  }

  async add({ signal, onProgress }: CallOptions): Promise<LocalNode> {
    return this.#exclusively({ signal, onProgress }, async (state) => {
      await this.#requireNameNode('a data node is added to a running cluster');
      const address = await nextFreeAddress(this.#config, state);
      const addedBefore = state.added;
      state.added = [...state.added, address];
      const [node] = await this.#startAndWait(state, [address], { isNameNodeWanted: false, addedBefore, signal, onProgress });
      return node!;
    });
  }

  async start(name: string, { signal, onProgress }: CallOptions = {}): Promise<LocalNode> {
    return this.#exclusively({ signal, onProgress }, async (state) => {
      const node = await this.#find(state, name);
      if (node.role === 'datanode') await this.#requireNameNode(`${name} needs its name node`);
      const addresses = node.role === 'datanode' ? [node.address] : [];
      const nodes = await this.#startAndWait(state, addresses, { isNameNodeWanted: node.role === 'namenode', signal, onProgress });
      return nodes[0]!;
    });
  }

  async stop(name: string): Promise<LocalNode> {
    return this.#end(name, async (identity) => void (await stopProcesses([identity], { clock: this.#clock, limitMs: this.#stopLimitMs })));
  }

  async kill(name: string): Promise<LocalNode> {
    return this.#end(name, (identity) => killProcess(identity, this.#clock));
  }

  async log(name: string, { lineCount }: { lineCount: number }): Promise<string[]> {
    const { logFile } = await this.#find(await this.#read(), name);
    return lastLines(logFile, lineCount);
  }

  async *followLog(name: string, { signal }: { signal: AbortSignal }): AsyncGenerator<string> {
    const { logFile } = await this.#find(await this.#read(), name);
    yield* followLines(logFile, { clock: this.#clock, signal });
  }

  async #end(name: string, end: (identity: ProcessIdentity) => Promise<void>): Promise<LocalNode> {
    return this.#exclusively({}, async (state) => {
      const node = await this.#find(state, name);
      const identity = state.processes.get(node.address);
      if (!identity || !(await isRunning(identity))) {
        if (node.state === 'running') throw new InvalidArgumentError(`${name} on ${node.address} was not started from here; stop it where it was`);
        throw new InvalidArgumentError(`${name} is not running`);
      }
      await end(identity);
      state.processes.delete(node.address);
      await this.#writeEnded(state);
      return { ...node, pid: identity.pid, state: 'stopped' };
    });
  }

  /** Waits for its turn, and gives the state as it is then. */
  async #exclusively<T>({ signal, onProgress }: CallOptions, work: (state: ClusterState) => Promise<T>): Promise<T> {
    const { dataDirectory } = this.#config;
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw storageError(error, `the first "data_dir", ${dataDirectory}, must be a directory that can be written to`);
    });
    let isTold = false;
    for (;;) {
      throwIfCancelled(signal);
      try {
        const lock = await lockDirectory(dataDirectory);
        try {
          return await work(await this.#read());
        } finally {
          await lock.release();
        }
      } catch (error) {
        if (!(error instanceof StorageLockedError) || error.path !== dataDirectory) throw error;
        if (!isTold) onProgress?.(`waiting: ${error.message.replace(/;.*/, '')}`);
        isTold = true;
      }
      await this.#pause(lockPollMs, signal);
    }
  }

  /**
   * Starts what does not run of the name node, if wanted, and of the data nodes at `addresses`; resolves to these nodes once the name
   * node is out of safe mode and counts every one of them as live. On failure what was started is stopped again; but a whole cluster does
   * without a data node that ends.
   */
  async #startAndWait(state: ClusterState, addresses: string[], options: StartOptions): Promise<LocalNode[]> {
    const { isNameNodeWanted, signal, onProgress } = options;
    const starts: Start[] = [];
    const nodes: LocalNode[] = [];
    /** Data nodes that ended while they started, and why. */
    const ended = new Map<LocalNode, DfsError>();
    const start = async (node: LocalNode) => {
      nodes.push(node);
      const begun = await this.#startUnlessRunning(state, node, onProgress);
      if (begun) starts.push(begun);
    };
    const endMs = this.#clock.monotonicMs() + this.#startLimitMs;
    try {
      if (isNameNodeWanted) {
        await start(describeNode(this.#config, state, this.#config.nameNode));
        await this.#waitUntil(starts, endMs, signal, (health) => (health ? undefined : 'the name node does not answer'));
      }
      for (const address of addresses) await start(describeNode(this.#config, state, address));
      const isWholeCluster = isNameNodeWanted && addresses.length > 0;
      const safeModeWatch = new SafeModeWatch(this.#clock);
      const onEnded = (begun: Start, error: DfsError) => {
        if (!isWholeCluster || begun.node.role === 'namenode' || ended.size + 1 === addresses.length) throw error;
        state.processes.delete(begun.node.address);
        starts.splice(starts.indexOf(begun), 1);
        ended.set(begun.node, error);
      };
      const missing = (seen: ClusterHealth | undefined) => {
        const awaited = addresses.filter((address) => ![...ended.keys()].some((node) => node.address === address));
        return whatIsMissing(seen, { addresses: awaited, starts, nowMs: this.#clock.monotonicMs(), safeModeWatch: isWholeCluster ? safeModeWatch : undefined });
      };
      const health = await this.#waitUntil(starts, endMs, signal, missing, onEnded);
      if (ended.size > 0) await this.#forget(state, [...ended.keys()], options);
      // Reading goes on in safe mode, and only a person can decide about blocks that nobody has.
      if (isWholeCluster && safeModeWatch.isSettled && health?.safeMode.isOn) onProgress?.(`the name node stays in safe mode: ${health.safeMode.reason}`);
      await this.#rememberNames(state, health);
    } catch (error) {
      await this.#undo(state, starts, options);
      throw error;
    }
    return nodes.map((node) => {
      const failure = ended.get(node);
      if (failure) return { ...node, state: 'stopped', failure: inOneLine(failure, node) };
      const own = starts.find((each) => each.node === node);
      const process = own?.launched.identity ?? state.processes.get(node.address);
      return { ...node, name: nodeName(this.#config, state, node.address), pid: process?.pid, state: 'running', ...(own ? { wasStarted: true as const } : {}) };
    });
  }

  /** Writes down that nodes have ended; those that were to be added are not. */
  async #forget(state: ClusterState, nodes: readonly LocalNode[], { addedBefore = state.added }: StartOptions): Promise<void> {
    const addresses = new Set(nodes.map(({ address }) => address));
    state.added = state.added.filter((address) => addedBefore.includes(address) || !addresses.has(address));
    await this.#writeEnded(state);
  }

  async #undo(state: ClusterState, starts: Start[], { addedBefore = state.added, onProgress }: StartOptions): Promise<void> {
    state.added = addedBefore;
    if (starts.length === 0) return;
    onProgress?.(`stopping again what was started: ${starts.map(({ node }) => node.name).join(', ')}`);
    await stopProcesses(starts.map(({ launched }) => launched.identity), { clock: this.#clock, limitMs: this.#stopLimitMs });
    for (const { node } of starts) state.processes.delete(node.address);
    await this.#writeEnded(state);
  }

  /** On a full disk nodes can be stopped all the same: a process that has ended may still be listed, and is seen through. */
  async #writeEnded(state: ClusterState): Promise<void> {
    await writeState(this.#stateFile, state).catch(() => {});
  }

  /** Undefined if it runs already, be it from here or from elsewhere. */
  async #startUnlessRunning(state: ClusterState, node: LocalNode, onProgress: ClusterProgress | undefined): Promise<Start | undefined> {
    const known = state.processes.get(node.address);
    if (known && (await isRunning(known))) return undefined;
    state.processes.delete(node.address);
    const address = parseAddress(node.address);
    assert(address, 'the nodes of a configuration have addresses');
    if (!(await isPortFree(address))) {
      if (await this.#isServedElsewhere(node)) return undefined;
      const owner = (await describePortOwner(address.port)) ?? 'another process';
      const file = this.#config.file ?? 'config.json';
      throw new InputOutputError(`port ${address.port}, for ${node.name} (${node.address}), is taken by ${owner}; stop that, or give ${node.name} another port in ${file}`);
    }
    onProgress?.(`starting ${node.name} on ${node.address}`);
    const { file, nameNode, dataDirectory, dataDirectories } = this.#config;
    const role = node.role === 'datanode' ? ['datanode', String(address.port)] : ['namenode', ...((await isInUse(this.#config, state)) ? [] : ['--format'])];
    const args = [...role, ...(file === undefined ? [] : ['--config', file]), ...dataDirectories.flatMap((directory) => ['--data-dir', directory]), '--name-node', nameNode];
    const launched = await launchNode({ launch: this.#launch, args, directory: dataDirectory, logFile: node.logFile });
    state.processes.set(node.address, launched.identity);
    try {
      await writeState(this.#stateFile, state);
    } catch (error) {
      // Nobody would ever find it to stop it.
      await stopProcesses([launched.identity], { clock: this.#clock, limitMs: this.#stopLimitMs });
      throw error;
    }
    return { node, launched, startedMs: this.#clock.monotonicMs() };
  }

  /** A node that somebody runs in the foreground, say. */
  async #isServedElsewhere({ role, address }: LocalNode): Promise<boolean> {
    const health = await this.#probe(this.#config.nameNode);
    if (!health) return false;
    return role === 'namenode' || health.datanodes.some((each) => each.address === address && each.state === 'live');
  }

  /** Asks until nothing is missing. A node of `starts` that ends, if `onEnded` does not do without it, or the time limit, is an error that says all there is to say. */
  async #waitUntil(
    starts: Start[],
    endMs: number,
    signal: AbortSignal | undefined,
    missingIn: (health: ClusterHealth | undefined) => string | undefined,
    onEnded = (_start: Start, error: DfsError): void => {
      throw error;
    },
  ): Promise<ClusterHealth | undefined> {
    for (;;) {
      throwIfCancelled(signal);
      const health = await this.#probe(this.#config.nameNode);
      for (const start of [...starts]) {
        const error = await errorIfEnded(start);
        if (error) onEnded(start, error);
      }
      const missing = missingIn(health);
      if (missing === undefined) return health;
      if (this.#clock.monotonicMs() >= endMs) {
        throw new InputOutputError(`not ready after ${this.#startLimitMs / 1000} s: ${missing}; see the logs in ${join(this.#config.dataDirectory, 'log')}`);
      }
      await this.#pause(pollMs, signal);
    }
  }

  async #read(): Promise<ClusterState> {
    const state = await readState(this.#stateFile);
    // One that was added, and has since been written into config.json, counts once.
    state.added = state.added.filter((address) => !this.#config.dataNodes.includes(address));
    return state;
  }

  async #requireNameNode(why: string): Promise<void> {
    if (await this.#probe(this.#config.nameNode)) return;
    throw new UnavailableError(`${why}, and none answers at ${this.#config.nameNode}`);
  }

  async #find(state: ClusterState, name: string): Promise<LocalNode> {
    const nodes = await this.#list(state);
    const node = nodes.find((each) => each.name === name);
    if (node) return node;
    throw new InvalidArgumentError(`there is no node ${JSON.stringify(name)}; there are ${nodes.map((each) => each.name).join(', ')}`);
  }

  /** The name node, then data nodes: of config.json, added, and others that run. */
  async #list(state: ClusterState): Promise<LocalNode[]> {
    const { nameNode } = this.#config;
    const health = await this.#probe(nameNode);
    for (const { address, name } of health?.datanodes ?? []) state.names.set(address, name);
    return Promise.all([nameNode, ...dataNodeAddresses(this.#config, state)].map((address) => this.#observe(state, address, health)));
  }

  async #observe(state: ClusterState, address: string, health: ClusterHealth | undefined): Promise<LocalNode> {
    const node = describeNode(this.#config, state, address);
    const identity = state.processes.get(address);
    const isLive = health !== undefined && (node.role === 'namenode' || health.datanodes.some((each) => each.address === address && each.state === 'live'));
    if (identity && (await isRunning(identity))) {
      // Without a name node nobody can say of a data node more than that it runs.
      const isFine = isLive || (node.role === 'datanode' && !health);
      return { ...node, pid: identity.pid, state: isFine ? 'running' : 'unreachable' };
    }
    // Live without a process of ours: somebody else's, or dead so lately that the name node does not know it yet.
    const isElsewhere = isLive && !(await isPortFree(parseAddress(address)!));
    return { ...node, state: isElsewhere ? 'running' : 'stopped' };
  }

  async #rememberNames(state: ClusterState, health: ClusterHealth | undefined): Promise<void> {
    let isChanged = false;
    for (const { address, name } of health?.datanodes ?? []) {
      if (state.names.get(address) === name) continue;
      state.names.set(address, name);
      isChanged = true;
    }
    // The name node tells them again.
    if (isChanged) await writeState(this.#stateFile, state).catch(() => {});
  }

  async #pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
    await sleep(this.#clock, durationMs, signal).catch(() => {});
    throwIfCancelled(signal);
  }
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw signal.reason instanceof CancelledError ? signal.reason : new CancelledError('interrupted', { cause: signal.reason });
}
