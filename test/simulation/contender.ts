import type { Random } from '../../source/base/random.js';
import type { DfsClient, FileWriter } from '../../source/client/client-api.js';
import { FileNotFoundError } from '../../source/protocol/errors.js';
import { readFile } from './file-model.js';
import { recordBytes, recordOf, type SharedHistory, type WriteAttempt } from './shared-history.js';
import { type ClientMachine, isBroken, type SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';
import { ClientDiedError, withClient } from './with-client.js';

export const sharedDirectory = '/shared';
export const sharedFiles: readonly string[] = ['a', 'b', 'c'].map((name) => `${sharedDirectory}/${name}`);

/** Wild: files are deleted, replaced, renamed and cut by anybody. Calm: they are only appended to, and made where there is none. */
export type Mood = 'wild' | 'calm' | 'over';

/** A user of a few files that others change at the same time. What he is refused is as it should be; what he is told happened, did. */
export class Contender {
  readonly name: string;
  readonly machine: ClientMachine;
  mood: Mood = 'wild';
  /** In the mood that was asked for: nothing of an earlier one is under way. */
  settledMood: Mood = 'wild';
  readonly #cluster: SimulatedCluster;
  readonly #stats: SimulationStats;
  readonly #history: SharedHistory;
  readonly #random: Random;

  constructor(parts: { cluster: SimulatedCluster; stats: SimulationStats; history: SharedHistory; index: number }) {
    this.name = `s${parts.index + 1}`;
    this.#cluster = parts.cluster;
    this.#stats = parts.stats;
    this.#history = parts.history;
    this.machine = parts.cluster.clients[parts.index % parts.cluster.clients.length]!;
    this.#random = parts.cluster.simulator.forkApart(100 + parts.index);
  }

  async run(): Promise<void> {
    const { simulator, config } = this.#cluster;
    for (;;) {
      this.settledMood = this.mood;
      if (this.mood === 'over') return;
      await simulator.sleep(-Math.log(1 - this.#random.next()) * (config.thinkTimeMs / 2));
      if (this.mood !== this.settledMood) continue;
      try {
        await this.#step();
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (isBroken(error)) throw new Violation(`a client: ${(error as Error).stack}`);
        simulator.note('failed', this.name, String(error));
        this.#stats.count(error instanceof ClientDiedError ? 'contenders that died' : 'contended calls that failed');
      }
    }
  }

  #step(): Promise<void> {
    const random = this.#random;
    const path = sharedFiles[random.integer(sharedFiles.length)]!;
    let draw = random.integer(100);
    const takes = (share: number) => (draw -= share) < 0;
    if (takes(25)) return this.#read(path);
    if (this.mood === 'calm' || takes(35)) return this.#write(path, 'append');
    if (takes(14)) return this.#write(path, 'overwrite');
    if (takes(8)) return this.#write(path, 'create');
    if (takes(5)) return this.#truncate(path);
    const other = sharedFiles[random.integer(sharedFiles.length)]!;
    return this.#with(async (client) => {
      this.#cluster.simulator.note('begin', this.name, 'delete or rename', path, other);
      if (other === path) await client.delete(path);
      else await client.rename(path, other, { overwrite: random.next() < 0.5 });
      this.#stats.count('contended deletes and renames');
    });
  }

  async #write(path: string, how: 'append' | 'overwrite' | 'create'): Promise<void> {
    const { simulator } = this.#cluster;
    const recordCount = 1 + this.#random.integer(this.#random.next() < 0.2 ? 40 : 5);
    const attempt = this.#history.begin({ writer: this.name, path, recordCount, invokedMs: simulator.nowMs, isCalm: this.settledMood === 'calm' });
    simulator.note('begin', this.name, how, path, attempt.id);
    await this.#with(async (client) => {
      const writer = await this.#open(client, path, how);
      attempt.inodeId = writer.status.inodeId;
      attempt.openedMs = simulator.nowMs;
      try {
        await this.#writeRecords(writer, attempt);
      } catch (error) {
        await writer.abort();
        throw error;
      }
    });
  }

  async #open(client: DfsClient, path: string, how: 'append' | 'overwrite' | 'create'): Promise<FileWriter> {
    if (how !== 'append') return client.openWriter(path, { overwrite: how === 'overwrite', createParents: true });
    try {
      return await client.openAppender(path);
    } catch (error) {
      if (!(error instanceof FileNotFoundError)) throw error;
      return client.openWriter(path, { createParents: true });
    }
  }

  async #writeRecords(writer: FileWriter, attempt: WriteAttempt): Promise<void> {
    const { simulator } = this.#cluster;
    const random = this.#random;
    for (let number = 0; number < attempt.recordCount; number++) {
      await writer.write(recordOf(attempt.id, number));
      const draw = random.next();
      if (draw < 0.05) await simulator.sleep(random.next() * 3000);
      if (draw < 0.1) {
        await writer.hsync();
        attempt.syncedCount = number + 1;
        attempt.syncedMs = simulator.nowMs;
      } else if (draw < 0.15) {
        await writer.hflush();
      }
    }
    attempt.closingMs = simulator.nowMs;
    await writer.close();
    simulator.note('acknowledged', this.name, attempt.id, attempt.inodeId);
    this.#history.acknowledge(attempt, simulator.nowMs);
    this.#stats.count('acknowledged contended writes');
  }

  /** To a record's end, if what was seen is still what is there. */
  async #truncate(path: string): Promise<void> {
    const { simulator } = this.#cluster;
    await this.#with(async (client) => {
      const { lengthBytes } = await client.stat(path);
      const cut = this.#history.beginCut(simulator.nowMs);
      simulator.note('begin', this.name, 'truncate', path);
      await client.truncate(path, recordBytes * this.#random.integer(Math.floor(lengthBytes / recordBytes) + 1));
      cut.endedMs = simulator.nowMs;
      this.#stats.count('contended truncates');
    });
  }

  async #read(path: string): Promise<void> {
    await this.#with((client) => this.readShared(client, path));
    this.#stats.count('contended reads');
  }

  /** Reads a file and checks what it may hold; answers which file it was. */
  async readShared(client: DfsClient, path: string): Promise<{ inodeId: number; isUnderConstruction: boolean }> {
    const { simulator } = this.#cluster;
    const beganMs = simulator.nowMs;
    const read = await readFile(client, path);
    this.#history.check({ path, inodeId: read.inodeId, bytes: read.bytes }, { beganMs, endedMs: simulator.nowMs });
    return read;
  }

  #with<T>(work: (client: DfsClient) => Promise<T>): Promise<T> {
    return withClient(this.#cluster, this.machine, work);
  }
}
