import type { Random } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import { ClientMachine, isBroken, type SimulatedCluster } from './simulated-cluster.js';
import type { OperationKind } from './simulation-config.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/** Between two operations, on average. */
const intervalMs = 6000;
/** How long safe mode is on, and a maintenance lasts, at most. */
const longestMs = 20_000;

/**
 * An administrator: takes data nodes out and back, balances, turns safe mode on and off, has files kept more often and less often. None of
 * that is a fault, and whatever of it nobody answers is of no consequence; in the end all nodes are to be as any other.
 */
export class Operator {
  readonly #cluster: SimulatedCluster;
  readonly #stats: SimulationStats;
  readonly #random: Random;
  readonly #machine = new ClientMachine('admin', '10.0.3.1');
  /** Files whose replication it may change. */
  readonly #files: readonly string[];
  #isOver = false;

  constructor(cluster: SimulatedCluster, stats: SimulationStats, files: readonly string[]) {
    this.#cluster = cluster;
    this.#stats = stats;
    this.#files = files;
    this.#random = cluster.simulator.forkApart(2);
  }

  /** Works until `stop`, and then until everything is back to normal. */
  async run(): Promise<void> {
    const { simulator, config } = this.#cluster;
    const kinds = [...config.operationKinds];
    if (kinds.length === 0) return;
    while (!this.#isOver) {
      await simulator.sleep(-Math.log(1 - this.#random.next()) * intervalMs);
      if (!this.#isOver) await this.#operate(kinds[this.#random.integer(kinds.length)]!);
    }
    await this.#surely((client) => client.setSafeMode('leave'));
    await this.#surely((client) => client.balance('stop'));
    for (const { datanodeUuid, name } of await this.#surely((client) => client.getDatanodes())) {
      if (datanodeUuid !== '') await this.#surely((client) => client.setNodeState(name, 'normal'));
    }
    simulator.note('operator', 'is done');
  }

  /** Lets data nodes go that are dead, and will not come back: nothing is to want them any more. To be called again for those that are not dead yet. */
  async letGoneNodesGo(): Promise<void> {
    for (const node of this.#cluster.health()?.datanodes ?? []) {
      if (node.state !== 'dead' || node.adminState !== 'normal' || !this.#cluster.isGoneForGood(node)) continue;
      this.#cluster.simulator.note('let-go', node.name, node.address);
      await this.#surely((client) => client.setNodeState(node.address, 'decommissioned'));
      this.#stats.operation('let-go');
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  async #operate(kind: OperationKind): Promise<void> {
    const random = this.#random;
    const node = `dn${1 + random.integer(this.#cluster.config.dataNodeCount)}`;
    const durationMs = 1000 + random.integer(longestMs);
    switch (kind) {
      case 'decommission':
        return this.#try(kind, (client) => client.setNodeState(node, 'decommissioned'));
      case 'maintenance':
        return this.#try(kind, (client) => client.setNodeState(node, 'in-maintenance', random.next() < 0.7 ? { durationMs } : {}));
      case 'recommission':
        return this.#try(kind, (client) => client.setNodeState(node, 'normal'));
      case 'balance':
        return this.#try(kind, (client) => (random.next() < 0.7 ? client.balance('start', { thresholdPercent: 0.1 }) : client.balance('stop')));
      case 'safe-mode':
        await this.#try(kind, (client) => client.setSafeMode('enter'));
        await this.#cluster.simulator.sleep(durationMs / 2);
        return this.#try('safe-mode-leave', (client) => client.setSafeMode('leave'));
      case 'replication-storm':
        return this.#storm();
    }
  }

  /** All files at once, each several times. Where replicas rot unseen only upwards: of fewer copies all might be rotten. */
  async #storm(): Promise<void> {
    const { config } = this.#cluster;
    const isRaising = config.faultKinds.has('bit-rot') || config.faultKinds.has('cut-file') || config.faultKinds.has('lost-disk');
    const least = isRaising ? config.dataNodeCount : 1;
    const calls = this.#files.flatMap((file) => Array.from({ length: 3 }, () => ({ file, replication: least + this.#random.integer(config.dataNodeCount - least + 1) })));
    await Promise.all(calls.map(({ file, replication }) => this.#try('replication-storm', (client) => client.setReplication(file, replication))));
  }

  async #try(what: string, call: (client: DfsClient) => Promise<unknown>): Promise<void> {
    const { simulator } = this.#cluster;
    simulator.note('operation', what);
    try {
      await call(this.#client());
      this.#stats.operation(what);
    } catch (error) {
      this.#requireWorldly(error);
      simulator.note('failed', 'admin', what, String(error));
    }
  }

  async #surely<T>(call: (client: DfsClient) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call(this.#client());
      } catch (error) {
        this.#requireWorldly(error);
        await this.#cluster.simulator.sleep(2000);
      }
    }
  }

  #client(): DfsClient {
    return this.#cluster.startClient(this.#machine);
  }

  #requireWorldly(error: unknown): void {
    if (error instanceof Violation) throw error;
    if (isBroken(error)) throw new Violation(`an administrator's client: ${(error as Error).stack}`);
  }
}
