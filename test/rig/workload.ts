import type { Random } from '../../source/base/random.js';
import { seededRandom } from '../../source/base/random.js';
import { readFile } from '../helpers/fake-cluster.js';
import { type Found, Lane, type LaneCounters, noCounts } from './lane.js';
import type { RigCluster } from './rig-cluster.js';
import { Violation } from './violation.js';
import { WriterProcess } from './writer-pool.js';

export interface WorkloadOptions {
  writers: number;
  lanesPerWriter: number;
  maxFileBytes: number;
  /** Which part of the calls writes files into their place; the other files are put. */
  createShare: number;
}

const readLimitMs = 30_000;
const lookAgainMs = 500;
const looksInDoubt = 6;
const readsAtOnce = 8;

/** Clients that write, overwrite, rename, delete and read all the time but while somebody looks, and what they were promised. */
export class Workload {
  readonly writers: WriterProcess[];
  readonly counters: LaneCounters = noCounts();
  checkedFiles = 0;
  checkedBytes = 0;
  readonly #cluster: RigCluster;
  readonly #lanes: { lane: Lane; writer: WriterProcess }[];
  #isPaused = true;
  #running: Promise<void>[] = [];
  #failure: unknown;

  constructor(cluster: RigCluster, random: Random, { writers, lanesPerWriter, ...files }: WorkloadOptions) {
    this.#cluster = cluster;
    this.writers = Array.from({ length: writers }, () => new WriterProcess(cluster.nameNodeAddress));
    this.#lanes = this.writers.flatMap((writer, w) =>
      Array.from({ length: lanesPerWriter }, (_, l) => ({ writer, lane: new Lane(`/w${w}-${l}`, seededRandom(random.integer(2 ** 32)), this.counters, files) })),
    );
  }

  /** Makes the lanes' directories. The cluster must take changes. */
  async prepare(): Promise<void> {
    for (const { lane } of this.#lanes) await this.#cluster.client.mkdirs(lane.directory);
  }

  get acknowledged(): number {
    const { puts, creates, renames, deletes, mkdirs } = this.counters;
    return puts + creates + renames + deletes + mkdirs;
  }

  resume(): void {
    this.#isPaused = false;
    this.#running = this.#lanes.map(({ lane, writer }) => this.#run(lane, writer).catch((error: unknown) => void (this.#failure ??= error)));
  }

  /** Resolves when every call that was under way has its outcome. Rejects with what a lane found out. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await Promise.all(this.#running);
    if (this.#failure) throw this.#failure;
  }

  async #run(lane: Lane, writer: WriterProcess): Promise<void> {
    while (!this.#isPaused && !lane.isInDoubt) {
      const operation = lane.next();
      lane.record(operation, await writer.perform(operation));
    }
  }

  /**
   * Every acknowledged file reads back equal, and nothing else is there. The workload is paused, and the cluster settled.
   * A call that was given up may still be on its way to the name node: a lane in doubt is looked at more than once.
   */
  async verify(): Promise<void> {
    for (const { lane } of this.#lanes) {
      for (let look = 1; ; look++) {
        const wasInDoubt = lane.isInDoubt;
        const found = await this.#observe(lane.directory);
        const reason = lane.settle(found);
        if (reason === undefined) {
          this.checkedFiles += lane.acknowledgedFiles;
          break;
        }
        if (!wasInDoubt || look === looksInDoubt) throw new Violation(`${reason}\n${lane.evidence()}`);
        await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
      }
    }
  }

  async #observe(directory: string): Promise<Map<string, Found>> {
    const found = new Map<string, Found>();
    const files: string[] = [];
    const walk = async (path: string): Promise<void> => {
      for await (const status of this.#cluster.client.list(path)) {
        const child = `${path}/${status.name}`;
        // What a killed put leaves is the name node's to remove, when the lease ends.
        if (child.endsWith('._COPYING_')) continue;
        if (status.type === 'file') files.push(child);
        else {
          found.set(child, { kind: 'directory' });
          await walk(child);
        }
      }
    };
    await walk(directory);
    const readers = Array.from({ length: readsAtOnce }, async () => {
      for (let path = files.pop(); path !== undefined; path = files.pop()) {
        const bytes = await this.#read(path);
        this.checkedBytes += bytes?.length ?? 0;
        if (bytes) found.set(path, { kind: 'file', bytes });
      }
    });
    await Promise.all(readers);
    return found;
  }

  /** A block may be out of reach for as long as its nodes still start or recover it. Undefined: deleted while we looked. */
  async #read(path: string): Promise<Buffer | undefined> {
    for (const endMs = performance.now() + readLimitMs; ; ) {
      try {
        return await readFile(this.#cluster.client, path);
      } catch (error) {
        if ((error as Error).name === 'FileNotFoundError') return undefined;
        if (performance.now() > endMs) throw new Violation(`${path} cannot be read, ${readLimitMs / 1000} s after all nodes were back: ${(error as Error).message}\n${this.#lanes.find(({ lane }) => path.startsWith(`${lane.directory}/`))!.lane.evidence()}`);
        this.#cluster.throwIfEnded();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async close(): Promise<void> {
    this.#isPaused = true;
    await Promise.all(this.writers.map((writer) => writer.close()));
  }
}
