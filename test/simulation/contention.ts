import { Contender, type Mood, sharedDirectory } from './contender.js';
import { SharedHistory } from './shared-history.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { SimulationStats } from './simulation-stats.js';
import { Violation } from './simulator.js';

/** By then nothing that was sent is on its way inside the name node either. */
const settledAfterMs = 10_000;

/** Several users who change the same files at once: wildly at first, and calmly for the last part, whose every record must be there at the end. */
export class Contention {
  readonly contenders: readonly Contender[];
  readonly #cluster: SimulatedCluster;
  readonly #stats: SimulationStats;
  readonly #history = new SharedHistory();
  #isOver = false;

  constructor(cluster: SimulatedCluster, stats: SimulationStats) {
    this.#cluster = cluster;
    this.#stats = stats;
    this.contenders = Array.from({ length: cluster.config.contenderCount }, (_, index) => new Contender({ cluster, stats, history: this.#history, index }));
  }

  /** Until `stop`, and then until what is under way is over. */
  async run(wildMs: number): Promise<void> {
    if (this.contenders.length === 0) return;
    const { simulator, network, nameNode } = this.#cluster;
    const working = Promise.all(this.contenders.map((contender) => contender.run()));
    working.catch((error: unknown) => simulator.fail(error));
    await simulator.sleep(wildMs);
    // Nobody deletes any more, and nothing of an earlier call can come yet.
    this.#ask('over');
    await working;
    await simulator.sleep(100);
    while (nameNode.process?.isStopped || this.contenders.some(({ machine }) => network.isOnItsWay(machine.host))) await simulator.sleep(500);
    await simulator.sleep(settledAfterMs + 3 * nameNode.commitMs);
    this.#history.settle(simulator.nowMs);
    if (this.#isOver) return;
    this.#ask('calm');
    simulator.note('contention', 'calm');
    await Promise.all(this.contenders.map((contender) => contender.run()));
  }

  stop(): void {
    this.#isOver = true;
    this.#ask('over');
  }

  /** At the end, when nothing fails any more. */
  async check(): Promise<void> {
    const [first] = this.contenders;
    if (!first) return;
    const client = this.#cluster.startClient(first.machine);
    const inodes = new Map<string, number>();
    if (await client.exists(sharedDirectory)) {
      for await (const { name } of client.list(sharedDirectory)) {
        const path = `${sharedDirectory}/${name}`;
        const { inodeId, isUnderConstruction } = await first.readShared(client, path);
        if (isUnderConstruction) throw new Violation(`${path}: under construction, and nobody writes there any more`);
        inodes.set(path, inodeId);
      }
    }
    this.#stats.count('contended records checked at the end', this.#history.checkCalm(inodes));
  }

  #ask(mood: Mood): void {
    for (const contender of this.contenders) contender.mood = mood;
  }
}
