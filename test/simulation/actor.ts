import type { Random } from '../../source/base/random.js';
import type { DfsClient, FileWriter } from '../../source/client/client-api.js';
import { DfsError, FileAlreadyExistsError, FileNotFoundError } from '../../source/protocol/errors.js';
import type { FileStatus } from '../../source/protocol/file-status.js';
import { watchRead } from './calm-reads.js';
import { ClientDiedError, withClient } from './with-client.js';
import { contentOf } from './content.js';
import { checkDurable, checkSynced } from './durability-check.js';
import { worldsOfFailedWrite } from './failed-write.js';
import {
  cut,
  extended,
  type FoundTree,
  type Histories,
  isBelow,
  isContent,
  joined,
  lengthOf,
  matchWorld,
  type ModelFile,
  type ModelTree,
  readFile,
  type Segment,
  showFound,
  showWorld,
} from './file-model.js';
import { type ClientMachine, isBroken, type SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/** What all actors of a run share. */
export interface Stage {
  cluster: SimulatedCluster;
  stats: SimulationStats;
  histories: Histories;
  actors: Actor[];
  /** Actors stop after their operation. */
  isOver: boolean;
}

/** Failures of the world: the call did not happen, and may be tried again some day. */
const refusals = new Set(['UnavailableError', 'OverloadedError', 'SafeModeError', 'NotEnoughReplicasError', 'NoSpaceError', 'NotReplicatedYetError', 'RecoveryInProgressError', 'AlreadyBeingCreatedError']);
/** Failures of reading that bytes out of reach explain. */
const readFailures = new Set(['UnavailableError', 'OverloadedError', 'BlockMissingError', 'InputOutputError', 'ChecksumError', 'OutcomeUnknownError', 'StorageDamagedError', 'RecoveryInProgressError']);

/** What a write has come to. */
interface Progress {
  isOpen: boolean;
  /** Of the whole file, that were on disk for good by a sync; 0 without one. */
  syncedBytes: number;
  /** That all nodes of the pipeline had in memory by a flush, and what could have been lost of memories until then. */
  flushedBytes: number;
  memoryLosses: number;
}

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
  /** For what only strict users do. */
  readonly #strictRandom: Random;
  readonly #machine: ClientMachine;
  #fileNumber = 0;

  constructor(stage: Stage, index: number, machine: ClientMachine) {
    this.name = `a${index + 1}`;
    this.home = `/${this.name}`;
    this.#stage = stage;
    this.#machine = machine;
    this.#random = stage.cluster.simulator.fork();
    this.#strictRandom = stage.cluster.simulator.forkApart(200 + index);
  }

  /** Works until the stage is over. */
  async run(): Promise<void> {
    const { cluster } = this.#stage;
    await this.#makeHome();
    while (!this.#stage.isOver) {
      await cluster.simulator.sleep(-Math.log(1 - this.#random.next()) * cluster.config.thinkTimeMs);
      if (this.#stage.isOver) return;
      await this.#step();
      this.doing = '';
      this.trouble = '';
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
    const files = this.#files();
    const directories = this.#directories();
    const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)]!;
    const { fileCount } = this.#stage.cluster.config;
    let draw = random.integer(100);
    const takes = (share: number) => (draw -= share) < 0;
    if (files.length === 0 || (files.length < fileCount && takes(30))) return this.#write(`${pick(directories)}/f${++this.#fileNumber}`);
    if (takes(10)) return this.#write(pick(files));
    if (takes(8)) return this.#put(random.next() < 0.5 ? pick(files) : `${pick(directories)}/p${++this.#fileNumber}`);
    if (takes(8)) return this.#append(pick(files));
    if (takes(4)) return this.#truncate(pick(files));
    if (takes(3)) return this.#concat(pick(files));
    if (takes(20)) return this.#read(pick(files));
    if (takes(14)) return this.#readOthers();
    if (takes(6)) return this.#delete(pick(files));
    if (takes(4) && directories.length < 4) return this.#mkdir(`${pick(directories)}/d${++this.#fileNumber}`);
    if (takes(6)) return this.#rename(pick(files), random.next() < 0.4 ? pick(files) : `${pick(directories)}/r${++this.#fileNumber}`);
    if (takes(3) && directories.length > 1) return this.#rename(pick(directories.slice(1)), `${this.home}/m${++this.#fileNumber}`);
    if (takes(2) && directories.length > 1) return this.#delete(pick(directories.slice(1)));
    if (takes(4)) return this.#setReplication(pick(files));
    return this.#list();
  }

  #files(): string[] {
    return [...this.tree].filter(([, node]) => node !== null).map(([path]) => path);
  }

  #directories(): string[] {
    return [...this.tree].filter(([, node]) => node === null).map(([path]) => path);
  }

  // Changes of one call

  /** The model becomes `after` when it succeeds, and `after` or as it was when nobody knows. */
  async #change(what: string, after: ModelTree, call: (client: DfsClient) => Promise<boolean | void>): Promise<void> {
    const { stats, cluster } = this.#stage;
    this.#begin(what);
    try {
      const answer = await this.#with(call);
      // Of what is there, and is changed by nobody else: "false" is another call's answer, or that of a second try.
      if (answer === false) throw new Violation(`"${what}" was answered with "false": there was nothing to do, and there was`);
      this.#become(after);
      stats.count(`acknowledged ${what.split(' ')[0]}`);
    } catch (error) {
      if (error instanceof Violation) throw error;
      cluster.simulator.note('failed', this.name, what, String(error));
      const isRefused = error instanceof DfsError && refusals.has(error.name);
      if (isRefused) stats.count('refused calls');
      if (isRefused && !this.#mayComeAgain()) return;
      if (!isRefused) this.#requireUnknown(error, what);
      stats.count('unknown outcomes');
      const before: ModelTree = new Map(this.tree);
      await this.#settle(what, () => [before, after]);
    } finally {
      this.#end();
    }
  }

  /**
   * A refusal for want of space, or before the end of safe mode, cannot be written down: a second copy of the call that the network made may
   * still take effect, later.
   */
  #mayComeAgain(): boolean {
    return this.#stage.cluster.config.faultKinds.has('messages');
  }

  #mkdir(path: string): Promise<void> {
    return this.#change(`mkdirs ${path}`, this.#treeWith(path, null), (client) => client.mkdirs(path));
  }

  #delete(path: string): Promise<void> {
    return this.#change(`delete ${path}`, this.#treeWithout(path), (client) => client.delete(path, { recursive: this.tree.get(path) === null }));
  }

  async #rename(source: string, target: string): Promise<void> {
    if (isBelow(target, source)) return;
    const after: ModelTree = new Map([...this.tree].filter(([path]) => !isBelow(path, source) && path !== target));
    for (const [path, node] of this.tree) if (isBelow(path, source)) after.set(target + path.slice(source.length), node);
    await this.#change(`rename ${source} ${target}`, after, (client) => client.rename(source, target, { overwrite: true }));
  }

  async #setReplication(path: string): Promise<void> {
    const file = this.tree.get(path)!;
    const { config } = this.#stage.cluster;
    const replication = 1 + this.#random.integer(Math.min(3, config.dataNodeCount));
    // Of fewer copies all might be those that are rotten and not known to be.
    if (replication < file.replication && (config.faultKinds.has('bit-rot') || config.faultKinds.has('cut-file') || config.faultKinds.has('lost-disk'))) return;
    await this.#change(`setReplication ${path} ${replication}`, this.#treeWith(path, { ...file, replication }), (client) => client.setReplication(path, replication));
  }

  /** The file is closed again when its last block is cut: until then it is under construction, and nobody writes it. */
  async #truncate(path: string): Promise<void> {
    const file = this.tree.get(path)!;
    const lengthBytes = lengthOf(file.segments);
    if (lengthBytes < 16) return;
    const newLengthBytes = this.#random.next() < 0.1 ? 0 : 8 + this.#random.integer(lengthBytes - 8);
    const after = { ...file, segments: cut(file.segments, newLengthBytes) };
    this.#stage.histories.note(after.segments);
    await this.#change(`truncate ${path} ${newLengthBytes}`, this.#treeWith(path, after), async (client) => {
      if (await client.truncate(path, newLengthBytes)) return;
      // Accepted: from here on only the answers to our questions can fail.
      for (let isCut = false; !isCut; ) {
        await this.#stage.cluster.simulator.sleep(1000);
        const status = await client.stat(path).catch((error: unknown) => this.#requireWorldly(error));
        isCut = status?.isUnderConstruction === false;
      }
    });
  }

  async #concat(target: string): Promise<void> {
    const folder = target.slice(0, target.lastIndexOf('/'));
    const sources = this.#files().filter((path) => path !== target && path.slice(0, path.lastIndexOf('/')) === folder && lengthOf(this.tree.get(path)!.segments) > 0);
    const source = sources[this.#random.integer(sources.length || 1)];
    if (source === undefined) return;
    const [into, from] = [this.tree.get(target)!, this.tree.get(source)!];
    const segments = joined(into.segments, from.segments);
    // Files only grow; at some length it is enough.
    if (lengthOf(segments) > 300_000) return;
    // Fewer copies of the source's blocks: as a change of their number.
    if (from.replication > into.replication) return;
    this.#stage.histories.note(segments);
    const after = this.#treeWithout(source);
    after.set(target, { ...into, segments });
    await this.#change(`concat ${target} ${source}`, after, (client) => client.concat(target, [source]));
  }

  // Writing

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

  #writeFile(path: string, finalPath: string): Promise<void> {
    const { config } = this.#stage.cluster;
    const random = this.#random;
    const lengthBytes = this.#drawLength();
    const version = this.#stage.histories.newVersion();
    const replication = random.next() < 0.7 ? config.replication : 1 + random.integer(Math.min(3, config.dataNodeCount));
    const file: ModelFile = { segments: extended([], version, lengthBytes), replication };
    const isTemporary = path !== finalPath;
    const overwrite = this.#mayReplace(path);
    return this.#writeWith({
      what: `write ${finalPath} version ${version} ${lengthBytes} bytes`,
      path,
      finalPath,
      oldSegments: undefined,
      file,
      open: (client) => client.openWriter(path, { overwrite, replication, temporary: isTemporary, ...(random.next() < 0.5 && { lengthHintBytes: lengthBytes }) }),
    });
  }

  #append(path: string): Promise<void> {
    const old = this.tree.get(path)!;
    const lengthBytes = 8 + this.#random.integer(this.#stage.cluster.config.blockSizeBytes);
    if (lengthOf(old.segments) + lengthBytes > 300_000) return Promise.resolve();
    const version = this.#stage.histories.newVersion();
    const file = { ...old, segments: extended(old.segments, version, lengthBytes) };
    return this.#writeWith({
      what: `append ${path} version ${version} ${lengthBytes} bytes`,
      path,
      finalPath: path,
      oldSegments: old.segments,
      file,
      open: (client) => client.openAppender(path),
    });
  }

  async #writeWith(write: { what: string; path: string; finalPath: string; oldSegments: readonly Segment[] | undefined; file: ModelFile; open: (client: DfsClient) => Promise<FileWriter> }): Promise<void> {
    const { what, path, finalPath, oldSegments, file, open } = write;
    const { stats, cluster, histories } = this.#stage;
    const { simulator } = cluster;
    histories.note(file.segments);
    const oldBytes = lengthOf(oldSegments ?? []);
    const lengthBytes = lengthOf(file.segments);
    const after = this.#treeWith(finalPath, file);
    const progress: Progress = { isOpen: false, syncedBytes: 0, flushedBytes: 0, memoryLosses: cluster.memoryLosses };
    this.#begin(what);
    try {
      const status = await this.#with((client) => this.#writeBytes(client, { open, path, progress, segments: file.segments, oldBytes, renameTo: path === finalPath ? undefined : { path: finalPath, overwrite: this.#mayReplace(finalPath) } }));
      if (!status) throw new ClientDiedError('given up');
      this.#become(after);
      stats.count(`acknowledged ${what.split(' ')[0]}s`);
      stats.count('acknowledged bytes', lengthBytes - oldBytes);
      simulator.note('acknowledged', this.name, what, status.inodeId);
      if (status.lengthBytes !== lengthBytes) throw new Violation(`${what}: acknowledged with ${status.lengthBytes} bytes, ${lengthBytes} were written`);
      checkDurable(cluster, stats, { inodeId: status.inodeId, path: finalPath, lengthBytes, replication: file.replication, fromBytes: oldBytes, segments: file.segments });
    } catch (error) {
      simulator.note('failed', this.name, what, String(error));
      if (error instanceof Violation) throw error;
      if (!(error instanceof ClientDiedError)) this.#requireWorldly(error);
      stats.count('writes that failed');
      if (!progress.isOpen && error instanceof FileAlreadyExistsError) throw new Violation(`"${what}" was refused: ${error.message}; there is none, and nobody else makes any`);
      // What a refusal to open left is what was there.
      if (!progress.isOpen && error instanceof DfsError && refusals.has(error.name) && !this.#mayComeAgain()) return;
      // What only memories have is promised as long as none of them is lost, until somebody has closed the file.
      const promisedBytes = () => Math.max(progress.syncedBytes, cluster.keepsMemories && progress.memoryLosses === cluster.memoryLosses ? progress.flushedBytes : 0);
      const before: ModelTree = new Map(this.tree);
      await this.#settle(what, () => worldsOfFailedWrite({ tree: before, path, finalPath, file, oldBytes: oldSegments && oldBytes, isOpen: progress.isOpen, promisedBytes: promisedBytes() }), path);
      if (promisedBytes() > oldBytes) stats.count('failed writes with promised bytes');
    } finally {
      this.#end();
    }
  }

  /** The bytes, in pieces, with a flush here and there; undefined if it was given up on purpose. */
  async #writeBytes(client: DfsClient, write: { open: (client: DfsClient) => Promise<FileWriter>; path: string; progress: Progress; segments: readonly Segment[]; oldBytes: number; renameTo: { path: string; overwrite: boolean } | undefined }): Promise<FileStatus | undefined> {
    const { open, path, progress, segments, oldBytes, renameTo } = write;
    const random = this.#random;
    const { stats } = this.#stage;
    const writer = await open(client);
    progress.isOpen = true;
    try {
      const lengthBytes = lengthOf(segments);
      const { version = 0, shiftBytes = 0 } = segments.at(-1) ?? {};
      for (let at = oldBytes; at < lengthBytes; ) {
        const end = Math.min(lengthBytes, at + 1 + random.integer(20_000));
        await writer.write(contentOf(version, at - shiftBytes, end - shiftBytes));
        at = end;
        const draw = random.next();
        if (draw < 0.05) await this.#stage.cluster.simulator.sleep(random.next() * 3000);
        if (draw < 0.1) {
          await writer.hsync();
          progress.syncedBytes = at;
          stats.count('syncs');
          checkSynced(this.#stage.cluster, stats, { inodeId: writer.status.inodeId, path, segments, lengthBytes: at });
        } else if (draw < 0.15) {
          await writer.hflush();
          progress.flushedBytes = at;
          stats.count('flushes');
        }
        if (draw < 0.15 && this.#isStrict(0.5)) await this.#readFlushed(client, path, { segments, lengthBytes: at });
      }
      if (random.next() < 0.03) {
        await writer.abort();
        return undefined;
      }
      const { status } = await writer.close(renameTo === undefined ? {} : { renameTo });
      return status;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** What is flushed is what readers see: all of it, and nothing else. */
  async #readFlushed(client: DfsClient, path: string, flushed: { segments: readonly Segment[]; lengthBytes: number }): Promise<void> {
    const { stats } = this.#stage;
    try {
      const { bytes } = await readFile(client, path);
      if (bytes.length < flushed.lengthBytes) throw new Violation(`${path}: ${flushed.lengthBytes} bytes are flushed, a reader sees ${bytes.length}`);
      if (!isContent(flushed.segments, 0, bytes)) throw new Violation(`${path}: a reader sees other bytes than were flushed`);
      stats.count('reads of what was flushed');
    } catch (error) {
      this.#requireWorldly(error);
      // Of a lease that was taken from its writer nobody knows who closed the file, or deleted it.
      stats.count('reads that failed');
    }
  }

  #isStrict(share: number): boolean {
    return this.#stage.cluster.config.isStrict && this.#strictRandom.next() < share;
  }

  /** Where there is no file, one may say so. */
  #mayReplace(path: string): boolean {
    return this.tree.has(path) || !this.#isStrict(0.5);
  }

  // What nobody knows

  /** Waits until nothing can happen any more, and finds out which of the worlds it is. */
  async #settle(what: string, worldsOf: () => ModelTree[], givenUp?: string): Promise<void> {
    const { cluster, stats } = this.#stage;
    const { simulator, network, nameNode } = cluster;
    this.doing += `; what became of it is looked for since ${(simulator.nowMs / 1000).toFixed(3)} s`;
    const deletes = givenUp !== undefined && this.#random.next() < 0.5;
    const deleted: ModelTree[] = [];
    await simulator.sleep(100);
    while (network.isOnItsWay(this.#machine.host) || nameNode.process?.isStopped) await simulator.sleep(500);
    await simulator.sleep(10_000 + 3 * nameNode.commitMs);
    for (;;) {
      try {
        const { tree, unfinished } = await this.#with((client) => this.#look(client));
        if (unfinished.length > 0) {
          await this.#finish(unfinished, deletes ? givenUp : undefined, () => deleted.push(new Map([...worldsOf()[0]!].filter(([path]) => path !== givenUp))));
          await simulator.sleep(1000);
          continue;
        }
        const worlds = [...worldsOf(), ...deleted];
        const world = worlds.map((each) => matchWorld(each, tree)).find((each) => each !== undefined);
        if (!world) throw new Violation(`after "${what}", of which nobody knew whether it happened, ${this.home} is none of the possible worlds:\n  found ${showFound(tree)}\n${worlds.map((each) => `  could ${showWorld(each)}`).join('\n')}`);
        this.#become(world);
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

  /** Files under construction: one that was given up is deleted, or closed as it is; others are being cut, or closed, by the name node. */
  async #finish(unfinished: readonly string[], deleted: string | undefined, onDelete: () => void): Promise<void> {
    for (const path of unfinished) {
      this.trouble = `${path} is under construction`;
      if (path !== deleted) {
        await this.#with((client) => client.recoverLease(path));
        this.#stage.stats.count('recoveries asked for');
        continue;
      }
      // Whether or not this answers, from here on it may be gone.
      onDelete();
      await this.#with((client) => client.delete(path));
    }
  }

  /** All that is in the home directory. */
  async #look(client: DfsClient): Promise<{ tree: FoundTree; unfinished: string[] }> {
    const tree: FoundTree = new Map([[this.home, null]]);
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
          const bytes = entry.lengthBytes === 0 ? Buffer.alloc(0) : (await readFile(client, path)).bytes;
          tree.set(path, { bytes, replication: entry.replication });
        }
      }
    };
    await visit(this.home);
    return { tree, unfinished };
  }

  // Looking

  async #read(path: string): Promise<void> {
    await this.#readExpecting(path, this.tree.get(path)!, this);
  }

  /** What somebody else wrote; if nobody changes it meanwhile, it must be what was acknowledged last. */
  async #readOthers(): Promise<void> {
    const { actors } = this.#stage;
    const other = actors[this.#random.integer(actors.length)]!;
    const files = [...other.tree].filter(([, node]) => node !== null);
    if (files.length === 0) return;
    const [path, file] = files[this.#random.integer(files.length)]!;
    await this.#readExpecting(path, file!, other);
  }

  async #readExpecting(path: string, file: ModelFile, owner: Actor): Promise<void> {
    const { stats, histories, cluster } = this.#stage;
    const { epoch } = owner;
    const isQuiet = () => owner === this || (owner.epoch === epoch && !owner.isChanging);
    const wasQuiet = isQuiet();
    const lengthBytes = lengthOf(file.segments);
    this.doing = `read ${path}, since ${(cluster.simulator.nowMs / 1000).toFixed(3)} s`;
    const startBytes = lengthBytes > 100 && this.#random.next() < 0.3 ? this.#random.integer(lengthBytes) : 0;
    const wasUnhindered = watchRead(cluster, this.#machine, path);
    const range = startBytes > 0 ? { startBytes, lengthBytes: 1 + this.#random.integer(lengthBytes - startBytes) } : undefined;
    try {
      const read = await this.#with((client) => readFile(client, path, range));
      stats.count('reads');
      if (!wasQuiet || !isQuiet()) {
        if (!range && !histories.explains(read.bytes)) throw new Violation(`${path}: ${read.bytes.length} bytes that were never those of a file`);
        return;
      }
      if (read.isUnderConstruction) throw new Violation(`${path}: acknowledged as closed, and under construction`);
      if (read.lengthBytes !== lengthBytes) throw new Violation(`${path}: has ${read.lengthBytes} bytes, ${lengthBytes} were acknowledged last`);
      if (!isContent(file.segments, startBytes, read.bytes)) throw new Violation(`${path}: other bytes than those that were acknowledged last, between ${startBytes} and ${startBytes + read.bytes.length}`);
      stats.count('reads of the last version');
      if (wasUnhindered()) stats.count('reads that nothing hindered');
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (error instanceof ClientDiedError) return;
      this.#requireWorldly(error);
      const isKnown = wasQuiet && isQuiet();
      if (error instanceof FileNotFoundError && isKnown) throw new Violation(`${path}: acknowledged, and not there: ${error.message}`);
      if (isKnown && !(error instanceof DfsError && readFailures.has(error.name))) throw new Violation(`${path}: ${String(error)}`);
      if (isKnown && wasUnhindered()) throw new Violation(`${path} could not be read, and the client, the name node and a good replica of each block had been well for long: ${String(error)}`);
      stats.count('reads that failed');
    }
  }

  async #list(): Promise<void> {
    const { stats } = this.#stage;
    const directories = this.#directories();
    const directory = directories[this.#random.integer(directories.length)]!;
    try {
      const names: string[] = [];
      await this.#with(async (client) => {
        for await (const entry of client.list(directory)) names.push(`${entry.name} ${entry.type} ${entry.lengthBytes}`);
      });
      const expected = [...this.tree]
        .filter(([path]) => path.slice(0, path.lastIndexOf('/')) === directory)
        .map(([path, node]) => `${path.slice(directory.length + 1)} ${node ? `file ${lengthOf(node.segments)}` : 'directory 0'}`);
      if (names.sort().join('\n') !== expected.sort().join('\n')) throw new Violation(`${directory} lists\n  ${names.join(', ')}\nand should\n  ${expected.join(', ')}`);
      stats.count('lists');
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!(error instanceof ClientDiedError)) {
        this.#requireWorldly(error);
        if (!(error instanceof DfsError && readFailures.has(error.name))) throw new Violation(`${directory} cannot be listed: ${String(error)}`);
      }
      stats.count('reads that failed');
    }
  }

  /** At the end, when nothing fails any more: all of it, against the model. */
  async check(client: DfsClient): Promise<number> {
    const { tree, unfinished } = await this.#look(client);
    if (unfinished.length > 0) throw new Violation(`${unfinished.join(', ')}: under construction, and nobody writes there any more`);
    if (!matchWorld(this.tree, tree)) throw new Violation(`${this.home} is not what was acknowledged:\n  found  ${showFound(tree)}\n  should ${showWorld(this.tree)}`);
    return tree.size;
  }

  // The model, and the client

  #treeWith(path: string, node: ModelFile | null): ModelTree {
    return new Map([...this.tree, [path, node]]);
  }

  #treeWithout(path: string): ModelTree {
    return new Map([...this.tree].filter(([each]) => !isBelow(each, path)));
  }

  #with<T>(work: (client: DfsClient) => Promise<T>): Promise<T> {
    return withClient(this.#stage.cluster, this.#machine, work);
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
  }

  #become(tree: ModelTree): void {
    const entries = [...tree];
    this.tree.clear();
    for (const [path, node] of entries) this.tree.set(path, node);
  }

  #requireUnknown(error: unknown, what: string): void {
    if (error instanceof ClientDiedError) return;
    const name = error instanceof Error ? error.name : '';
    // A damaged record may be the one that says what became of the call.
    if (name === 'OutcomeUnknownError' || name === 'CancelledError' || name === 'StorageDamagedError') return;
    throw new Violation(`"${what}" was refused, which nothing explains: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  #requireWorldly(error: unknown): void {
    if (error instanceof Violation) throw error;
    if (isBroken(error)) throw new Violation(`a client: ${(error as Error).stack}`);
  }
}
