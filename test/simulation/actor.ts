import type { Random } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import { DfsError, FileNotFoundError } from '../../source/protocol/errors.js';
import type { FileStatus } from '../../source/protocol/file-status.js';
import { contentOf } from './content.js';
import { checkDurable } from './durability-check.js';
import { readAndCheck } from './file-reading.js';
import { type ClientMachine, isBroken, type SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/** A file of the model: its bytes by their version. */
export interface ModelFile {
  version: number;
  lengthBytes: number;
  replication: number;
}

/** By path; null is a directory. What is not there does not exist. */
export type ModelTree = Map<string, ModelFile | null>;

/** What all actors of a run share. */
export interface Stage {
  cluster: SimulatedCluster;
  stats: SimulationStats;
  /** Of every version that was begun. */
  versions: Map<number, number>;
  actors: Actor[];
  /** Actors stop after their operation. */
  isOver: boolean;
}

class ClientDiedError extends Error {}

/** Failures of the world: the call did not happen, and may be tried again some day. */
const refusals = new Set(['UnavailableError', 'OverloadedError', 'SafeModeError', 'NotEnoughReplicasError', 'NoSpaceError', 'NotReplicatedYetError', 'RecoveryInProgressError']);
/** Failures of reading that bytes out of reach explain. */
const readFailures = new Set(['UnavailableError', 'OverloadedError', 'BlockMissingError', 'InputOutputError', 'ChecksumError', 'OutcomeUnknownError', 'StorageDamagedError', 'RecoveryInProgressError']);

/**
 * A user with a directory of its own, in which nobody else changes anything: so what is there is known exactly, but for calls
 * whose outcome nobody knows. After such a one it waits until nothing of it can be on its way any more, looks which of the possible worlds it
 * is, and goes on from there; any other world is a violation.
 */
export class Actor {
  readonly name: string;
  readonly home: string;
  readonly tree: ModelTree = new Map();
  /** Changes at each begin and end of a change: what others read meanwhile proves nothing about which version it must be. */
  epoch = 0;
  isChanging = false;
  /** What it does now, and since when; for whoever waits for it. */
  doing = '';
  /** Why it does not get on. */
  trouble = '';
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #machine: ClientMachine;
  #fileNumber = 0;

  constructor(stage: Stage, index: number, machine: ClientMachine) {
    this.name = `a${index + 1}`;
    this.home = `/${this.name}`;
    this.#stage = stage;
    this.#machine = machine;
    this.#random = stage.cluster.simulator.fork();
  }

  /** Works until the stage is over. */
  async run(): Promise<void> {
    const { cluster } = this.#stage;
    await this.#makeHome();
    while (!this.#stage.isOver) {
      await cluster.simulator.sleep(-Math.log(1 - this.#random.next()) * cluster.config.thinkTimeMs);
      if (this.#stage.isOver) return;
      await this.#step();
    }
  }

  async #makeHome(): Promise<void> {
    for (;;) {
      try {
        await this.#with((client) => client.mkdirs(this.home));
        this.tree.set(this.home, null);
        return;
      } catch (error) {
        this.#requireWorldly(error);
        await this.#stage.cluster.simulator.sleep(1000);
      }
    }
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const files = [...this.tree].filter(([, node]) => node !== null).map(([path]) => path);
    const directories = [...this.tree].filter(([, node]) => node === null).map(([path]) => path);
    const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)]!;
    const { fileCount } = this.#stage.cluster.config;
    let draw = random.integer(100);
    const takes = (share: number) => (draw -= share) < 0;
    if (files.length === 0 || (files.length < fileCount && takes(30))) return this.#write(`${pick(directories)}/f${++this.#fileNumber}`);
    if (takes(14)) return this.#write(pick(files));
    if (takes(10)) return this.#put(random.next() < 0.5 ? pick(files) : `${pick(directories)}/p${++this.#fileNumber}`);
    if (takes(22)) return this.#read(pick(files));
    if (takes(14)) return this.#readOthers();
    if (takes(6)) return this.#delete(pick(files));
    if (takes(4) && directories.length < 4) return this.#mkdir(`${pick(directories)}/d${++this.#fileNumber}`);
    if (takes(7)) return this.#rename(pick(files), random.next() < 0.4 ? pick(files) : `${pick(directories)}/r${++this.#fileNumber}`);
    if (takes(3) && directories.length > 1) return this.#rename(pick(directories.slice(1)), `${this.home}/m${++this.#fileNumber}`);
    if (takes(2) && directories.length > 1) return this.#delete(pick(directories.slice(1)));
    if (takes(5)) return this.#setReplication(pick(files));
    return this.#list();
  }

  // Changes

  /** Runs a change of one call: the model becomes `after` when it succeeds, and `after` or as it was when nobody knows. */
  async #change(what: string, after: ModelTree, call: (client: DfsClient) => Promise<unknown>): Promise<void> {
    const { stats, cluster } = this.#stage;
    this.#begin(what);
    try {
      await this.#with(call);
      this.#become(after);
      stats.count(`acknowledged ${what.split(' ')[0]}`);
    } catch (error) {
      const isRefused = error instanceof DfsError && refusals.has(error.name);
      cluster.simulator.note('failed', this.name, what, (error as Error).message);
      if (isRefused) return void stats.count('refused calls');
      this.#requireUnknown(error, what);
      stats.count('unknown outcomes');
      await this.#settle(what, [new Map(this.tree), after]);
    } finally {
      this.#end();
    }
  }

  #mkdir(path: string): Promise<void> {
    return this.#change(`mkdirs ${path}`, new Map([...this.tree, [path, null]]), (client) => client.mkdirs(path));
  }

  #delete(path: string): Promise<void> {
    const after = new Map([...this.tree].filter(([each]) => !isBelow(each, path)));
    return this.#change(`delete ${path}`, after, (client) => client.delete(path, { recursive: this.tree.get(path) === null }));
  }

  async #rename(source: string, target: string): Promise<void> {
    if (isBelow(target, source)) return;
    const after: ModelTree = new Map([...this.tree].filter(([path]) => !isBelow(path, source) && path !== target));
    for (const [path, node] of this.tree) if (isBelow(path, source)) after.set(target + path.slice(source.length), node);
    await this.#change(`rename ${source} ${target}`, after, (client) => client.rename(source, target, { overwrite: true }));
  }

  async #setReplication(path: string): Promise<void> {
    const file = this.tree.get(path)!;
    const replication = 1 + this.#random.integer(Math.min(3, this.#stage.cluster.config.dataNodeCount));
    // Fewer copies of a file of which some are rotten, unknown to all, might be the rotten ones.
    if (replication < file.replication && this.#stage.cluster.config.faultKinds.has('bit-rot')) return;
    const after = new Map([...this.tree, [path, { ...file, replication }]]) as ModelTree;
    await this.#change(`setReplication ${path} ${replication}`, after, (client) => client.setReplication(path, replication));
  }

  #newVersion(lengthBytes: number): number {
    const version = this.#stage.versions.size + 1;
    this.#stage.versions.set(version, lengthBytes);
    return version;
  }

  #drawLength(): number {
    const random = this.#random;
    const { blockSizeBytes } = this.#stage.cluster.config;
    const draw = random.next();
    if (draw < 0.08) return 0;
    if (draw < 0.5) return 8 + random.integer(blockSizeBytes);
    if (draw < 0.65) return blockSizeBytes * (1 + random.integer(3));
    return 8 + random.integer(Math.min(4 * blockSizeBytes, 200_000));
  }

  #write(path: string): Promise<void> {
    return this.#writeFile(path, path);
  }

  /** As `put`: another name first, and the right one with the close. */
  #put(path: string): Promise<void> {
    return this.#writeFile(`${path}._COPYING_`, path);
  }

  async #writeFile(path: string, finalPath: string): Promise<void> {
    const { stats, cluster } = this.#stage;
    const { simulator } = cluster;
    const random = this.#random;
    const lengthBytes = this.#drawLength();
    const version = this.#newVersion(lengthBytes);
    const replication = random.next() < 0.7 ? cluster.config.replication : 1 + random.integer(Math.min(3, cluster.config.dataNodeCount));
    const before = new Map(this.tree);
    const after: ModelTree = new Map([...this.tree, [finalPath, { version, lengthBytes, replication }]]);
    const what = `write ${path} version ${version} ${lengthBytes} bytes`;
    this.#begin(what);
    let isCreated = false;
    try {
      const status = await this.#with(async (client) => {
        const writer = await client.openWriter(path, { overwrite: true, replication, ...(random.next() < 0.5 && { lengthHintBytes: lengthBytes }), temporary: path !== finalPath });
        isCreated = true;
        try {
          for (let at = 0; at < lengthBytes; ) {
            const end = Math.min(lengthBytes, at + 1 + random.integer(20_000));
            await writer.write(contentOf(version, at, end));
            at = end;
            if (random.next() < 0.05) await this.#pause(random.next() * 3000);
          }
          if (random.next() < 0.03) {
            await writer.abort();
            return undefined;
          }
          const closed = await writer.close(path === finalPath ? {} : { renameTo: { path: finalPath, overwrite: true } });
          return closed.status;
        } catch (error) {
          await writer.abort();
          throw error;
        }
      });
      if (!status) throw new ClientDiedError('given up');
      this.#become(after);
      stats.count('acknowledged writes');
      stats.count('acknowledged bytes', lengthBytes);
      simulator.note('acknowledged', this.name, what, status.inodeId);
      if (status.lengthBytes !== lengthBytes) throw new Violation(`${what}: acknowledged with ${status.lengthBytes} bytes`);
      checkDurable(cluster, stats, { inodeId: status.inodeId, path: finalPath, lengthBytes, replication });
    } catch (error) {
      simulator.note('failed', this.name, what, error instanceof Error ? `${error.name} ${error.message}` : String(error));
      if (error instanceof Violation) throw error;
      if (!(error instanceof ClientDiedError)) this.#requireWorldly(error);
      stats.count('writes that failed');
      // What a refusal to create left is what was there.
      if (!isCreated && error instanceof DfsError && refusals.has(error.name)) return;
      const gone = new Map([...before].filter(([each]) => each !== path));
      await this.#settle(what, [before, gone, after], { version, path, finalPath });
    } finally {
      this.#end();
    }
  }

  async #pause(durationMs: number): Promise<void> {
    await this.#stage.cluster.simulator.sleep(durationMs);
  }

  // What nobody knows

  /** Waits until nothing can happen any more, and finds out which of the worlds it is. A write that was given up is deleted. */
  async #settle(what: string, worlds: ModelTree[], written?: { version: number; path: string; finalPath: string }): Promise<void> {
    const { cluster, stats } = this.#stage;
    const { simulator, network, nameNode } = cluster;
    this.doing += `; what became of it is looked for since ${(simulator.nowMs / 1000).toFixed(3)} s`;
    await simulator.sleep(100);
    while (network.isOnItsWay(this.#machine.host) || nameNode.process?.isStopped) await simulator.sleep(500);
    await simulator.sleep(10_000 + 3 * nameNode.commitMs);
    for (;;) {
      try {
        const found = await this.#with((client) => this.#look(client));
        if (written && (await this.#removeGivenUp(found, written))) worlds.push(new Map([...worlds[0]!].filter(([path]) => path !== written.path && path !== written.finalPath)));
        const world = worlds.find((each) => isSame(each, found.tree));
        if (!world) throw new Violation(`after "${what}", of which nobody knew whether it happened, ${this.home} is none of the possible worlds:\n  found ${show(found.tree)}\n${worlds.map((each) => `  could ${show(each)}`).join('\n')}`);
        this.#become(world);
        // A version that was not acknowledged and is there is whole.
        return void stats.count('worlds found');
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (!(error instanceof ClientDiedError)) this.#requireWorldly(error);
        simulator.note('unsettled', this.name, String(error));
        this.trouble = String(error);
        await simulator.sleep(2000);
      }
    }
  }

  /** Its client may still be trying to delete it, today or later: so that it is known to be gone, it is deleted here. True if it was closed. */
  async #removeGivenUp(found: { tree: ModelTree; unfinished: string[] }, { version, path }: { version: number; path: string }): Promise<boolean> {
    const mine = [...found.tree].filter(([, file]) => file?.version === version).map(([each]) => each);
    for (const each of [...mine, ...found.unfinished]) {
      if (mine.length === 0 && each !== path) throw new Violation(`${each} is under construction, and nobody writes it`);
      await this.#with((client) => client.delete(each));
      found.tree.delete(each);
    }
    return mine.length > 0;
  }

  /** All that is in the home directory, files by what is in them. */
  async #look(client: DfsClient): Promise<{ tree: ModelTree; unfinished: string[] }> {
    const { versions } = this.#stage;
    const tree: ModelTree = new Map([[this.home, null]]);
    const unfinished: string[] = [];
    const visit = async (directory: string): Promise<void> => {
      const entries: FileStatus[] = [];
      for await (const entry of client.list(directory)) entries.push(entry);
      for (const entry of entries) {
        const path = `${directory}/${entry.name}`;
        if (entry.type === 'directory') {
          tree.set(path, null);
          await visit(path);
        } else if (entry.isUnderConstruction) {
          unfinished.push(path);
        } else {
          const known = this.tree.get(path);
          const isEmpty = entry.lengthBytes === 0;
          const read = isEmpty ? { version: known?.lengthBytes === 0 ? known.version : 0 } : await readAndCheck(client, path, versions);
          tree.set(path, { version: read.version ?? 0, lengthBytes: entry.lengthBytes, replication: entry.replication });
        }
      }
    };
    await visit(this.home);
    return { tree, unfinished };
  }

  // Looking

  async #read(path: string): Promise<void> {
    const file = this.tree.get(path)!;
    await this.#readExpecting(path, file, this);
  }

  /** What somebody else wrote; if nobody changes it meanwhile, it must be the version that was acknowledged last. */
  async #readOthers(): Promise<void> {
    const { actors } = this.#stage;
    const other = actors[this.#random.integer(actors.length)]!;
    const files = [...other.tree].filter(([, node]) => node !== null);
    if (files.length === 0) return;
    const [path, file] = files[this.#random.integer(files.length)]!;
    await this.#readExpecting(path, file!, other);
  }

  async #readExpecting(path: string, file: ModelFile, owner: Actor): Promise<void> {
    const { stats, versions } = this.#stage;
    const { epoch } = owner;
    const isQuiet = () => owner === this || (owner.epoch === epoch && !owner.isChanging);
    const wasQuiet = isQuiet();
    this.doing = `read ${path}, since ${(this.#stage.cluster.simulator.nowMs / 1000).toFixed(3)} s`;
    try {
      const isRange = file.lengthBytes > 100 && wasQuiet && this.#random.next() < 0.3;
      const startBytes = isRange ? this.#random.integer(file.lengthBytes) : 0;
      const range = isRange && owner === this ? { startBytes, lengthBytes: 1 + this.#random.integer(file.lengthBytes - startBytes), version: file.version } : undefined;
      const read = await this.#with((client) => readAndCheck(client, path, versions, range));
      stats.count('reads');
      if (!wasQuiet || !isQuiet()) return;
      if (read.isUnderConstruction) throw new Violation(`${path}: acknowledged as closed, and under construction`);
      if (read.lengthBytes !== file.lengthBytes || (file.lengthBytes > 0 && read.version !== file.version)) {
        throw new Violation(`${path}: version ${read.version} of ${read.lengthBytes} bytes was read, version ${file.version} of ${file.lengthBytes} bytes was acknowledged last`);
      }
      stats.count('reads of the last version');
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (error instanceof ClientDiedError) return;
      if (isBroken(error)) throw error;
      if (error instanceof FileNotFoundError && wasQuiet && isQuiet()) throw new Violation(`${path}: acknowledged, and not there: ${error.message}`);
      if (error instanceof DfsError && (readFailures.has(error.name) || error instanceof FileNotFoundError)) return void stats.count('reads that failed');
      if (wasQuiet && isQuiet()) throw new Violation(`${path}: ${String(error)}`);
    }
  }

  async #list(): Promise<void> {
    const { stats } = this.#stage;
    const directories = [...this.tree].filter(([, node]) => node === null).map(([path]) => path);
    const directory = directories[this.#random.integer(directories.length)]!;
    try {
      const names: string[] = [];
      await this.#with(async (client) => {
        for await (const entry of client.list(directory)) names.push(`${entry.name} ${entry.type} ${entry.lengthBytes}`);
      });
      const expected = [...this.tree]
        .filter(([path]) => path.slice(0, path.lastIndexOf('/')) === directory)
        .map(([path, node]) => `${path.slice(directory.length + 1)} ${node ? `file ${node.lengthBytes}` : 'directory 0'}`);
      if (names.sort().join('\n') !== expected.sort().join('\n')) throw new Violation(`${directory} lists\n  ${names.join(', ')}\nand should\n  ${expected.join(', ')}`);
      stats.count('lists');
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!(error instanceof ClientDiedError)) this.#requireWorldly(error);
      stats.count('reads that failed');
    }
  }

  /** At the end, when nothing fails any more: all of it, against the model. */
  async check(client: DfsClient): Promise<number> {
    const found = await this.#look(client);
    if (found.unfinished.length > 0) throw new Violation(`${found.unfinished.join(', ')}: under construction, and nobody writes there any more`);
    if (!isSame(found.tree, this.tree)) throw new Violation(`${this.home} is not what was acknowledged:\n  found  ${show(found.tree)}\n  should ${show(this.tree)}`);
    return found.tree.size;
  }

  // The client

  /** Runs `work` with the client of this actor's machine, starting one if there is none. Rejects if that dies meanwhile. */
  #with<T>(work: (client: DfsClient) => Promise<T>): Promise<T> {
    const client = this.#stage.cluster.startClient(this.#machine);
    const { process } = this.#machine;
    return new Promise<T>((resolve, reject) => {
      process!.onKilled(() => reject(new ClientDiedError('the client was killed')));
      work(client).then(resolve, reject);
    });
  }

  #begin(what: string): void {
    const { simulator } = this.#stage.cluster;
    simulator.note('begin', this.name, what);
    this.doing = `${what}, since ${(simulator.nowMs / 1000).toFixed(3)} s`;
    this.epoch++;
    this.isChanging = true;
  }

  #end(): void {
    this.epoch++;
    this.isChanging = false;
    this.doing = '';
  }

  #become(tree: ModelTree): void {
    if (tree === this.tree) return;
    const entries = [...tree];
    this.tree.clear();
    for (const [path, node] of entries) this.tree.set(path, node);
  }

  #requireUnknown(error: unknown, what: string): void {
    if (error instanceof ClientDiedError) return;
    const name = error instanceof Error ? error.name : '';
    // A commit that failed: on disk, or not.
    if (name === 'OutcomeUnknownError' || name === 'StorageDamagedError' || name === 'CancelledError') return;
    throw new Violation(`"${what}" was refused, which nothing explains: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  #requireWorldly(error: unknown): void {
    if (error instanceof Violation) throw error;
    if (isBroken(error)) throw new Violation(`a client: ${(error as Error).stack}`);
  }
}

function isBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}

function isSame(a: ModelTree, b: ModelTree): boolean {
  if (a.size !== b.size) return false;
  for (const [path, node] of a) {
    const other = b.get(path);
    if (other === undefined || (node === null) !== (other === null)) return false;
    // Empty files of two versions cannot be told apart.
    if (node && other && (node.lengthBytes !== other.lengthBytes || node.replication !== other.replication || (node.lengthBytes > 0 && node.version !== other.version))) return false;
  }
  return true;
}

function show(tree: ModelTree): string {
  return [...tree].map(([path, node]) => (node ? `${path}:v${node.version},${node.lengthBytes}b,x${node.replication}` : `${path}/`)).sort().join(' ');
}
