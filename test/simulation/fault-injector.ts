import type { Random } from '../../source/base/random.js';
import { parseReplicaFileName } from '../../source/storage/volume-layout.js';
import { type Block } from '../../source/protocol/block.js';
import { blocksIn, durableReplicas, isDurable, placeOf, type ReplicaPlace, type StoredBlock } from './replica-files.js';
import { MachineDisk } from './process-disk.js';
import type { DataNodeMachine, Machine, SimulatedCluster } from './simulated-cluster.js';
import { noMessageFaults } from './simulated-network.js';
import type { FaultKind } from './simulation-config.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/** How long a fault that has a duration lasts, ms. */
const longestMs = 30_000;

/** By then the name node knows of a replica that is gone. */
const forgottenAfterMs = 60_000;

/**
 * Breaks things, as the seed will, and mends them after a while. It keeps to what is promised against (P2): at
 * any time a block has fewer replicas that are lost, or rotten and not known to be, than it is to have.
 */
export class FaultInjector {
  readonly #cluster: SimulatedCluster;
  readonly #stats: SimulationStats;
  readonly #random: Random;
  /** What undoes the faults that last. */
  readonly #mending = new Set<() => void>();
  /** When replicas of a block were destroyed. */
  readonly #lossesMs = new Map<number, number[]>();
  #isOver = false;

  constructor(cluster: SimulatedCluster, stats: SimulationStats) {
    this.#cluster = cluster;
    this.#stats = stats;
    this.#random = cluster.simulator.fork();
    cluster.onFault = (kind) => this.#count(kind);
    cluster.mayReplace = (node, copy) => this.#mayReplace(node, copy);
  }

  /** Injects faults until `stop`. */
  async run(): Promise<void> {
    const { simulator, config } = this.#cluster;
    const kinds = [...config.faultKinds];
    this.#startMessageFaults();
    while (!this.#isOver) {
      await simulator.sleep(-Math.log(1 - this.#random.next()) * config.faultIntervalMs);
      if (this.#isOver) return;
      this.#inject(kinds[this.#random.integer(kinds.length)]!);
    }
  }

  /** Mends everything, for good. */
  stop(): void {
    this.#isOver = true;
    const { network, nameNode, dataNodes, simulator } = this.#cluster;
    simulator.note('faults', 'end');
    network.faults = { ...noMessageFaults };
    for (const mend of [...this.#mending]) mend();
    for (const { disks } of dataNodes) {
      for (const disk of disks) {
        disk.failures = { read: 0, write: 0, dataSync: 0, rename: 0, open: 0 };
        disk.writeFailure = undefined;
        disk.isFull = false;
        disk.slowness = 1;
      }
    }
    nameNode.isFull = false;
    nameNode.failsNextCommit = false;
    this.#cluster.startNameNode();
    for (const machine of dataNodes) this.#cluster.startDataNode(machine);
  }

  #count(kind: string): void {
    this.#stats.fault(kind);
    this.#cluster.simulator.note('fault', kind);
  }

  #inject(kind: FaultKind): void {
    const cluster = this.#cluster;
    const { simulator, dataNodes, nameNode } = cluster;
    const machine = this.#pick(dataNodes);
    const disk = this.#pick(machine.disks);
    switch (kind) {
      case 'data-node-kill':
        if (!machine.process?.isAlive) return;
        this.#count(kind);
        return cluster.killDataNode(machine, { restartAfterMs: this.#duration() });
      case 'name-node-kill':
        if (!nameNode.process?.isAlive) return;
        this.#count(kind);
        return cluster.killNameNode({ restartAfterMs: this.#duration() / 3 });
      case 'client-kill':
        this.#count(kind);
        return cluster.killClient(this.#pick(cluster.clients));
      case 'crash-at-call': {
        const victim = this.#random.next() < 0.3 ? nameNode : machine;
        const restartAfterMs = this.#duration() / 3;
        const count = 1 + this.#random.integer(100);
        victim.process?.dieAtSeamCall(count, () => {
          if (this.#isOver) return;
          this.#count(kind);
          if (victim === nameNode) cluster.killNameNode({ restartAfterMs });
          else cluster.killDataNode(machine, { restartAfterMs, isPowerCut: count % 2 === 0 });
        });
        return;
      }
      case 'power-cut':
        if (!machine.process?.isAlive) return;
        this.#count(kind);
        return cluster.killDataNode(machine, { restartAfterMs: this.#duration(), isPowerCut: true });
      case 'power-cut-all':
        if (this.#random.next() > 0.2) return;
        this.#count(kind);
        for (const each of dataNodes) cluster.killDataNode(each, { restartAfterMs: 1000 + this.#duration() / 3, isPowerCut: true });
        for (const each of cluster.clients) cluster.killClient(each);
        return cluster.killNameNode({ restartAfterMs: 1000 + this.#duration() / 3 });
      case 'pause': {
        const victim = this.#pick([nameNode, ...dataNodes, ...dataNodes, ...cluster.clients]);
        if (!victim.process?.isAlive) return;
        this.#count(kind);
        simulator.note('pause', victim.name);
        const durationMs = this.#duration();
        cluster.troubles.note(victim.host, durationMs);
        return victim.process.stopFor(durationMs);
      }
      case 'clock-jump': {
        const victim = this.#pick(cluster.machines());
        this.#count(kind);
        victim.wallOffsetMs = this.#random.next() < 0.2 ? 0 : (this.#random.next() - 0.5) * 2 * 366 * 24 * 3_600_000;
        return simulator.note('clock', victim.name, victim.wallOffsetMs);
      }
      case 'messages':
      case 'streams':
        return;
      case 'partition':
        return this.#partition();
      case 'one-way-cut': {
        const [from, to] = this.#twoMachines();
        this.#count(kind);
        simulator.note('cut', from.name, to.name);
        return this.#last(cluster.network.cut(from.host, to.host), this.#duration());
      }
      case 'slow-link': {
        const [from, to] = this.#twoMachines();
        this.#count(kind);
        return this.#last(cluster.network.slowDown(from.host, to.host, 10 ** (1 + this.#random.next() * 3)), this.#duration());
      }
      case 'slow-disk':
        this.#count(kind);
        disk.slowness = 10 ** (1 + this.#random.next() * 2);
        return this.#last(() => void (disk.slowness = 1), this.#duration(), machine);
      case 'disk-hang':
        this.#count(kind);
        disk.hangsUntilMs = simulator.nowMs + this.#duration();
        return cluster.troubles.note(machine.host, disk.hangsUntilMs - simulator.nowMs);
      case 'full-disk':
        this.#count(kind);
        disk.isFull = true;
        return this.#last(() => void (disk.isFull = false), this.#duration(), machine);
      case 'read-only-disk':
        this.#count(kind);
        disk.writeFailure = this.#random.next() < 0.5 ? 'EROFS' : 'EIO';
        return this.#last(() => void (disk.writeFailure = undefined), this.#duration(), machine);
      case 'disk-errors':
        disk.failures[this.#pick(['read', 'write', 'dataSync', 'rename', 'open'] as const)] += 1 + this.#random.integer(2);
        return;
      case 'lying-sync':
        for (const each of dataNodes) for (const of of each.disks) of.doSyncFailuresLie = true;
        disk.failures.dataSync += 1 + this.#random.integer(2);
        return;
      case 'cloned-node': {
        const index = dataNodes.indexOf(machine);
        if (!cluster.copyDataNode(index)) return;
        this.#count(kind);
        simulator.note('copy', machine.name, machine.process?.isAlive ? 'lives' : 'is down');
        return this.#last(() => cluster.endCopy(index), 2000 + this.#duration());
      }
      case 'damaged-record':
        return this.#damageRecord();
      case 'lost-disk':
        return this.#loseDisk(machine);
      case 'bit-rot':
      case 'cut-file':
        return this.#rot(kind);
      case 'slow-commit':
        this.#count(kind);
        nameNode.commitMs = 100 + this.#random.next() * 1000;
        return this.#last(() => void (nameNode.commitMs = 0.8), this.#duration() / 3, nameNode);
      case 'full-store':
        this.#count(kind);
        nameNode.isFull = true;
        return this.#last(() => void (nameNode.isFull = false), this.#duration(), nameNode);
      case 'failed-commit':
        nameNode.failsNextCommit = true;
        return;
    }
  }

  /** A record of the name node's store rots. When somebody has looked at it nothing is changed any more; a restart on what was sound goes on. */
  #damageRecord(): void {
    const { nameNode, simulator } = this.#cluster;
    const { store, process } = nameNode;
    if (!store || !process?.isAlive || nameNode.isDamaged) return;
    const keys = [...nameNode.view().store.range({ start: '', end: '\xff' })].map(([key]) => key);
    const key = this.#pick(keys);
    this.#count('damaged-record');
    simulator.note('damage', JSON.stringify(key));
    store.damage(key);
    this.#cluster.troubles.note(nameNode.host);
    nameNode.isDamaged = true;
    const lastEditId = () => nameNode.view().readCounters().lastEditId;
    let readOnlySince: number | undefined;
    const look = () => {
      if (nameNode.process !== process || !process.isAlive) return;
      const isReadOnly = this.#cluster.health()?.safeMode.reason.includes('damaged') ?? false;
      // What was on its way when it was noticed ends in between.
      if (isReadOnly && readOnlySince === undefined) simulator.schedule(5000, () => nameNode.process === process && process.isAlive && (readOnlySince = lastEditId()));
      else if (readOnlySince !== undefined && lastEditId() !== readOnlySince) simulator.fail(new Violation(`the store is damaged, and was changed all the same: edit ${readOnlySince} was the last one, now ${lastEditId()}`));
      simulator.schedule(1000, look);
    };
    look();
    this.#last(() => {
      if (nameNode.process === process) this.#cluster.killNameNode({ restartAfterMs: 500 });
    }, 5000 + this.#duration());
  }

  #startMessageFaults(): void {
    const { network, config } = this.#cluster;
    const probability = () => (this.#random.next() < 0.7 ? 10 ** (-3.5 + 1.5 * this.#random.next()) : 0);
    const hasCalls = config.faultKinds.has('messages');
    const hasStreams = config.faultKinds.has('streams');
    if (!hasCalls && !hasStreams) return;
    network.faults = {
      delay: hasCalls ? probability() : 0,
      duplicate: hasCalls ? probability() : 0,
      late: hasCalls ? probability() : 0,
      reset: hasCalls ? probability() : 0,
      streamReset: hasStreams ? probability() : 0,
      flip: hasStreams ? probability() : 0,
      longestDelayMs: 1000 + this.#random.next() * 20_000,
    };
  }

  /** Machines fall into two groups that do not reach each other; clients are in either. */
  #partition(): void {
    const { network, simulator } = this.#cluster;
    const machines = this.#cluster.machines();
    const left = machines.filter(() => this.#random.next() < 0.3);
    const right = machines.filter((machine) => !left.includes(machine));
    if (left.length === 0 || right.length === 0) return;
    this.#count('partition');
    simulator.note('partition', left.map(({ name }) => name).join(','));
    const heals = left.flatMap((a) => right.flatMap((b) => (a.host === b.host ? [] : [network.cut(a.host, b.host), network.cut(b.host, a.host)])));
    this.#last(() => heals.forEach((heal) => heal()), this.#duration());
  }

  /** A disk is gone for good, and an empty one takes its place, if every block on it has a good durable copy elsewhere that is safe. */
  #loseDisk(machine: DataNodeMachine): void {
    const disk = this.#pick(machine.disks);
    for (const block of blocksIn(this.#cluster.nameNode.view())) {
      const replicas = durableReplicas(this.#cluster, block);
      const isHere = hasFiles(disk, block) || replicas.some((replica) => replica.disk === disk);
      if (isHere && !this.#canLose(block, replicas, (replica) => replica.disk === disk)) return;
    }
    this.#count('lost-disk');
    this.#cluster.simulator.note('lost-disk', machine.name, machine.disks.indexOf(disk));
    for (const block of blocksIn(this.#cluster.nameNode.view())) if (durableReplicas(this.#cluster, block).some((replica) => replica.disk === disk)) this.#noteDestroyed(block);
    this.#cluster.killDataNode(machine, { restartAfterMs: 500 + this.#duration() });
    machine.disks[machine.disks.indexOf(disk)] = new MachineDisk();
  }

  /** The name node takes a copy for the node: what only the node has is lost with that, if nothing depends on it. */
  #mayReplace(node: DataNodeMachine, copy: DataNodeMachine): boolean {
    const lost: StoredBlock[] = [];
    for (const block of blocksIn(this.#cluster.nameNode.view())) {
      if (!node.disks.some((disk) => hasFiles(disk, block))) continue;
      const replicas = durableReplicas(this.#cluster, block);
      if (copy.disks.some((disk) => isDurable(placeOf(copy, disk, block), block))) continue;
      if (!this.#canLose(block, replicas, (replica) => replica.machine === node)) return false;
      lost.push(block);
    }
    for (const block of lost) this.#noteDestroyed(block);
    return true;
  }

  #rot(kind: 'bit-rot' | 'cut-file'): void {
    const candidates: { block: StoredBlock; replicas: ReplicaPlace[] }[] = [];
    for (const block of blocksIn(this.#cluster.nameNode.view())) {
      if (!block.isComplete || this.#random.next() < 0.5) continue;
      const replicas = durableReplicas(this.#cluster, block);
      if (replicas.length > 0) candidates.push({ block, replicas });
      if (candidates.length > 5) break;
    }
    if (candidates.length === 0) return;
    const { block, replicas } = this.#pick(candidates);
    const place = this.#pick(replicas);
    if (!this.#canLose(block, replicas, (replica) => replica === place)) return;
    const path = this.#random.next() < 0.6 ? place.data : place.meta;
    this.#count(path === place.data ? kind : `${kind}-checksums`);
    this.#cluster.simulator.note(kind, place.machine.name, path);
    this.#noteDestroyed(block);
    place.disk.disk.rot(path, (bytes) => {
      if (kind === 'cut-file') return bytes.subarray(0, this.#random.integer(Math.max(1, bytes.length)));
      // The checksums behind the tail slots, or the header: what nobody reads of a meta file is no fault.
      const at = path === place.data ? this.#random.integer(bytes.length) : this.#pick([0, 8, 17, 30, 36, 42, 96 + this.#random.integer(bytes.length - 96)]);
      bytes[at]! ^= 1 << this.#random.integer(8);
      return bytes;
    });
  }

  /**
   * Whether the block survives without some of its replicas, whatever the name node does meanwhile: until it hears of rot it takes a
   * rotten replica for a good one, and where there are more than are wanted it may keep those that are rotten.
   */
  #canLose(block: StoredBlock, replicas: readonly ReplicaPlace[], isLost: (replica: ReplicaPlace) => boolean): boolean {
    const { nameNode, dataNodes, simulator } = this.#cluster;
    const inode = nameNode.view().readInode(block.inodeId);
    // Nobody was promised anything of a file that is being written.
    if (inode?.type !== 'file' || inode.isUnderConstruction) return false;
    const left = replicas.filter((replica) => !isLost(replica)).length;
    const places = dataNodes.flatMap((machine) => machine.disks.map((disk) => placeOf(machine, disk, block)));
    const unusable = places.filter(({ disk, data }) => (disk.disk.has(data) || disk.disk.durableBytes(data)) && !replicas.some((replica) => replica.disk === disk)).length;
    const lately = (this.#lossesMs.get(block.blockId) ?? []).filter((atMs) => simulator.nowMs - atMs < forgottenAfterMs).length;
    return left >= 1 && unusable + lately + (replicas.length - left) < inode.replication;
  }

  #noteDestroyed(block: Block): void {
    const { destroyedReplicas } = this.#cluster;
    destroyedReplicas.set(block.blockId, (destroyedReplicas.get(block.blockId) ?? 0) + 1);
    this.#lossesMs.set(block.blockId, [...(this.#lossesMs.get(block.blockId) ?? []), this.#cluster.simulator.nowMs]);
  }

  #twoMachines(): [Machine, Machine] {
    const machines = this.#cluster.machines();
    for (;;) {
      const [a, b] = [this.#pick(machines), this.#pick(machines)];
      if (a.host !== b.host) return [a, b];
    }
  }

  /** Mended after a while, or when all faults end. `machine`: the one that is not well meanwhile. */
  #last(mend: () => void, durationMs: number, machine?: Machine): void {
    const { troubles } = this.#cluster;
    if (machine) troubles.begin(machine.host);
    const once = () => {
      if (!this.#mending.delete(once)) return;
      if (machine) troubles.end(machine.host);
      mend();
    };
    this.#mending.add(once);
    this.#cluster.simulator.schedule(durationMs, once);
  }

  /** Short ones more often. */
  #duration(): number {
    return 50 + this.#random.next() ** 2 * longestMs;
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.integer(values.length)]!;
  }
}

/** In whatever folder: one that is being written may hold what a sync has promised. */
function hasFiles(disk: MachineDisk, block: Block): boolean {
  return disk.disk.files().some((path) => parseReplicaFileName(path.slice(path.lastIndexOf('/') + 1))?.blockId === block.blockId);
}
