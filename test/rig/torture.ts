import type { Random } from '../../source/base/random.js';
import { seededRandom, shuffled } from '../../source/base/random.js';
import { fullHealth } from './full-health.js';
import { RigCluster, type RigOptions } from './rig-cluster.js';
import { Violation } from './violation.js';
import { Workload } from './workload.js';

export interface TortureOptions extends Omit<RigOptions, 'dataNodes'> {
  cycles: number;
  seed: number;
  /** Full health is asked for after every so many cycles, and after the last one. */
  healthEvery?: number;
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

export interface TortureSummary {
  cycles: number;
  kinds: Record<string, number>;
  kills: number;
  acknowledged: number;
  unknown: number;
  overwrites: number;
  renames: number;
  deletes: number;
  reads: number;
  checkedFiles: number;
  checkedBytes: number;
  healthChecks: number;
  seconds: number;
}

interface Scene {
  cluster: RigCluster;
  workload: Workload;
  random: Random;
  kill(...names: readonly string[]): Promise<void>;
  pause(fromMs: number, toMs: number): Promise<void>;
}

/** One kind of cycle each, by the promises' numbers. When it ends, every node may be down: they are started again afterwards. */
const kinds: Record<string, (scene: Scene) => Promise<void>> = {
  async 'data node killed'({ cluster, random, kill, pause }) {
    await kill(any(cluster.dataNodeNames, random));
    await pause(0, 400);
  },
  async 'two data nodes killed'({ cluster, random, kill, pause }) {
    const [first, second] = shuffled(cluster.dataNodeNames, random) as [string, string];
    await kill(first);
    await pause(0, 200);
    await kill(second);
    await pause(0, 400);
  },
  async 'name node killed'({ kill, pause }) {
    await kill('nn');
    await pause(0, 300);
  },
  async 'client killed'({ workload, random, pause }) {
    await any(workload.writers, random).kill();
    await pause(0, 200);
  },
  async 'all killed at once'({ cluster, kill }) {
    await kill(...cluster.nodeNames);
  },
  async 'all killed, and their clients'({ cluster, workload, kill }) {
    await Promise.all([kill(...cluster.nodeNames), ...workload.writers.map((writer) => writer.kill())]);
  },
  async 'killed again during recovery'({ cluster, random, kill, pause }) {
    await kill(...cluster.nodeNames);
    for (let times = 1 + random.integer(3); times > 0; times--) {
      cluster.startAll();
      await pause(50, 450);
      await kill(...cluster.nodeNames.filter(() => random.next() < 0.6));
    }
  },
  async 'restart storm'({ cluster, random, kill, pause }) {
    const name = any(cluster.nodeNames, random);
    for (let times = 3 + random.integer(3); times > 0; times--) {
      await kill(name);
      cluster.start(name);
      await pause(20, 300);
    }
  },
  async 'data node stopped and continued'({ cluster, random, pause }) {
    const name = any(cluster.dataNodeNames, random);
    cluster.suspend(name);
    await pause(100, 1800);
    cluster.resume(name);
  },
  async 'name node stopped and continued'({ cluster, pause }) {
    cluster.suspend('nn');
    await pause(100, 1800);
    cluster.resume('nn');
  },
};

const dataNodes = 4;

/**
 * Kills, stops and restarts real processes at random moments while several clients write, overwrite, rename, delete and read; after each
 * cycle every acknowledged file is read back. Violation if one is not, or if nothing was proved. The seed decides what is done when, not
 * what the system makes of it.
 */
export async function torture(options: TortureOptions): Promise<TortureSummary> {
  const { cycles, seed, healthEvery = 10, onLine = () => {}, signal } = options;
  const random = seededRandom(seed);
  const startedMs = performance.now();
  const cluster = await RigCluster.create({ dataNodes, ...options });
  const workload = new Workload(cluster, random, { writers: 2, lanesPerWriter: 3, maxFileBytes: 600_000, createShare: 0.2 });
  const counts: Record<string, number> = {};
  const summary = { cycles: 0, kills: 0, healthChecks: 0 };
  const scene: Scene = {
    cluster,
    workload,
    random,
    async kill(...names) {
      summary.kills += names.filter((name) => cluster.isRunning(name)).length;
      await cluster.kill(...names);
    },
    pause: (fromMs, toMs) => new Promise((resolve) => setTimeout(resolve, fromMs + random.integer(toMs - fromMs))),
  };
  const report = (): TortureSummary => {
    const { unknown, overwrites, renames, deletes, reads } = workload.counters;
    const { acknowledged, checkedFiles, checkedBytes } = workload;
    return { ...summary, kinds: counts, acknowledged, unknown, overwrites, renames, deletes, reads, checkedFiles, checkedBytes, seconds: (performance.now() - startedMs) / 1000 };
  };
  let bag: string[] = [];
  try {
    cluster.startAll();
    await cluster.settled();
    await workload.prepare();
    for (let cycle = 1; cycle <= cycles && !signal?.aborted; cycle++) {
      if (bag.length === 0) bag = shuffled(Object.keys(kinds), random);
      const kind = bag.pop()!;
      try {
        workload.resume();
        await scene.pause(50, 400);
        await kinds[kind]!(scene);
        counts[kind] = (counts[kind] ?? 0) + 1;
        cluster.startAll();
        await cluster.settled();
        await workload.pause();
        await workload.verify();
        summary.cycles = cycle;
        if (cycle % healthEvery === 0 || cycle === cycles) {
          await fullHealth(cluster);
          await workload.verify();
          summary.healthChecks++;
        }
      } catch (error) {
        throw new Violation(`cycle ${cycle}, ${kind}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      if (cycle % healthEvery === 0) onLine(line(report()));
    }
    return proved(report(), cycles >= 20);
  } finally {
    await workload.close();
    await cluster.destroy();
  }
}

/** A run in which nothing was acknowledged, killed or checked is a failure, whatever else it saw. */
function proved(summary: TortureSummary, isLong: boolean): TortureSummary {
  const { unknown, kinds: seen, ...others } = summary;
  const zero = Object.entries({ ...others, ...(isLong ? { unknown } : {}) }).filter(([, count]) => count === 0);
  if (zero.length > 0) throw new Violation(`the run proved nothing: ${zero.map(([name]) => name).join(', ')} 0`);
  if (isLong && Object.keys(seen).length < Object.keys(kinds).length) throw new Violation('some kinds of fault never came');
  return summary;
}

export function line(summary: TortureSummary): string {
  const { cycles, kills, acknowledged, unknown, checkedFiles, checkedBytes, healthChecks, seconds } = summary;
  return `${cycles} cycles, ${kills} kills: ${acknowledged} changes acknowledged, ${unknown} unknown; ${checkedFiles} files (${(checkedBytes / 2 ** 20).toFixed(0)} MiB) read back, 0 lost; full health ${healthChecks} times; ${seconds.toFixed(0)} s`;
}

function any<T>(items: readonly T[], random: Random): T {
  return items[random.integer(items.length)]!;
}
