import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { seededRandom, shuffled } from '../../source/base/random.js';
import { fullHealth } from './full-health.js';
import { LoopVolumes } from './loop-volumes.js';
import { RigCluster } from './rig-cluster.js';
import { Violation } from './violation.js';
import { Workload } from './workload.js';

export interface PowerCutOptions {
  /** Must exist: logs and mount points are below it. */
  folder: string;
  cuts: number;
  seed: number;
  /** A control run: the data nodes' syncs do nothing. */
  isWithoutSync?: boolean;
  /** How long the nodes may take to be ready after a cut. */
  settleLimitMs?: number;
  healthEvery?: number;
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

export interface PowerCutSummary {
  cuts: number;
  kinds: Record<string, number>;
  acknowledged: number;
  unknown: number;
  checkedFiles: number;
  checkedBytes: number;
  healthChecks: number;
  seconds: number;
}

const dataNodes = 3;
/** Compiled tests stand beside the sources' folder in dist; the preloaded module is no TypeScript. */
const withoutSync = fileURLToPath(new URL('../../../test/rig/without-sync.mjs', import.meta.url));

/**
 * Cuts the power of all nodes, or of some, at random moments while clients write small files and large ones; then the file systems are
 * mounted again, the nodes started, and everything that was acknowledged is read back. Violation if anything is lost (P1, P8).
 */
export async function powerCuts(options: PowerCutOptions): Promise<PowerCutSummary> {
  const { folder, cuts, seed, isWithoutSync = false, settleLimitMs = 60_000, healthEvery = 10, onLine = () => {}, signal } = options;
  const random = seededRandom(seed);
  const startedMs = performance.now();
  const names = ['nn', ...Array.from({ length: dataNodes }, (_, i) => `dn${i + 1}`)];
  const volumes = LoopVolumes.create(join(folder, 'volumes'), names);
  let cluster: RigCluster | undefined;
  let workload: Workload | undefined;
  const kinds: Record<string, number> = {};
  const summary = { cuts: 0, healthChecks: 0 };
  const report = (): PowerCutSummary => {
    const { acknowledged, counters, checkedFiles, checkedBytes } = workload!;
    return { ...summary, kinds, acknowledged, unknown: counters.unknown, checkedFiles, checkedBytes, seconds: (performance.now() - startedMs) / 1000 };
  };
  try {
    cluster = await RigCluster.create({
      folder,
      dataNodes,
      directoryOf: (name) => volumes.mountPointOf(name),
      environmentOf: (name) => (isWithoutSync && name !== 'nn' ? { NODE_OPTIONS: `--import=${withoutSync}` } : {}),
      settings: { block_size: 256 * 1024 },
    });
    workload = new Workload(cluster, random, { writers: 1, lanesPerWriter: 6, maxFileBytes: 2_000_000, createShare: 0.2 });
    cluster.startAll();
    await cluster.settled();
    await workload.prepare();
    // So that a control run begins with nodes that know who they are.
    volumes.sync();
    for (let cut = 1; cut <= cuts && !signal?.aborted; cut++) {
      const { kind, victims } = victimsOf(names, random);
      try {
        workload.resume();
        await new Promise((resolve) => setTimeout(resolve, 100 + random.integer(900)));
        volumes.cut(victims);
        await cluster.kill(...victims);
        for (const name of victims) {
          volumes.unmount(name);
          volumes.mount(name);
        }
        kinds[kind] = (kinds[kind] ?? 0) + 1;
        cluster.startAll();
        await cluster.settled(settleLimitMs);
        await workload.pause();
        await workload.verify();
        summary.cuts = cut;
        if (cut % healthEvery === 0 || cut === cuts) {
          await fullHealth(cluster);
          await workload.verify();
          summary.healthChecks++;
        }
      } catch (error) {
        throw new Violation(`cut ${cut}, ${kind}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      if (cut % healthEvery === 0) onLine(powerCutLine(report()));
    }
    const result = report();
    const zero = (['cuts', 'acknowledged', 'checkedFiles', 'checkedBytes', 'healthChecks'] as const).filter((name) => result[name] === 0);
    if (zero.length > 0) throw new Violation(`the run proved nothing: ${zero.join(', ')} 0`);
    return result;
  } finally {
    await workload?.close();
    await cluster?.destroy();
    volumes.destroy();
  }
}

/**
 * The same with data nodes that do not sync must lose something, or the rig cannot see a loss. Answers how many cuts it took; Violation
 * if nothing was lost in `maxCuts`.
 */
export async function controlRun(options: Omit<PowerCutOptions, 'cuts' | 'isWithoutSync'> & { maxCuts: number }): Promise<string> {
  try {
    await powerCuts({ ...options, cuts: options.maxCuts, isWithoutSync: true, settleLimitMs: 8000, healthEvery: options.maxCuts });
  } catch (error) {
    if (error instanceof Violation && isLoss(error.message)) return /^cut \d+/.exec(error.message)![0];
    throw error;
  }
  throw new Violation(`the control run without syncs lost nothing in ${options.maxCuts} cuts: this rig proves nothing here`);
}

/** A file that is not as it was acknowledged, or a name node that waits in safe mode for blocks that no node has. */
function isLoss(message: string): boolean {
  const safeMode = /"reportedBlocks": (\d+),\s*"totalBlocks": (\d+)/.exec(message);
  return /^cut \d+, /.test(message) && (/cannot be read|acknowledged/.test(message) || (safeMode !== null && Number(safeMode[1]) < Number(safeMode[2])));
}

function victimsOf(names: readonly string[], random: ReturnType<typeof seededRandom>): { kind: string; victims: string[] } {
  const dice = random.next();
  if (dice < 0.7) return { kind: 'all at once', victims: [...names] };
  if (dice < 0.8) return { kind: 'the name node', victims: ['nn'] };
  const count = dice < 0.9 ? 1 : dataNodes;
  return { kind: count === 1 ? 'one data node' : 'all data nodes', victims: shuffled(names.slice(1), random).slice(0, count) };
}

export function powerCutLine({ cuts, acknowledged, unknown, checkedFiles, checkedBytes, healthChecks, seconds }: PowerCutSummary): string {
  return `${cuts} power cuts: ${acknowledged} changes acknowledged, ${unknown} unknown; ${checkedFiles} files (${(checkedBytes / 2 ** 20).toFixed(0)} MiB) read back, 0 lost; full health ${healthChecks} times; ${seconds.toFixed(0)} s`;
}
