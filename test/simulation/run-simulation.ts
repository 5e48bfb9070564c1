import { seededRandom } from '../../source/base/random.js';
import { Actor, type Stage } from './actor.js';
import { checkReplicasAgree, unconverged } from './convergence.js';
import { Histories } from './file-model.js';
import { FaultInjector } from './fault-injector.js';
import { Contention } from './contention.js';
import { sharedFiles } from './contender.js';
import { Operator } from './operator.js';
import { SimulatedCluster } from './simulated-cluster.js';
import { drawConfig, type SimulationConfig, withExtras, withLaterExtras } from './simulation-config.js';
import { SimulationStats } from './simulation-stats.js';
import { Simulator, Violation } from './simulator.js';

export interface SimulationRun {
  seed: number;
  config: SimulationConfig;
  stats: SimulationStats;
  simulatedMs: number;
  eventCount: number;
  hash: string;
  /** From the end of the faults until all was as it should be. */
  convergenceMs: number;
  failure: unknown;
  /** The last events before a failure. */
  trace: string[];
}

/** What must be over by then, once nothing fails any more: leases, graces, a few block reports. */
const convergenceLimitMs = 900_000;

/** What any operation may take when nothing fails any more. */
const operationLimitMs = 300_000;

/** One seed: `minutes` of work and faults in simulated time, then peace until all is well again. Never rejects. `isPlain`: without what came later. */
export async function runSimulation(options: { seed: number; minutes: number; isPlain?: boolean; config?: Partial<SimulationConfig>; log?: (line: string) => void }): Promise<SimulationRun> {
  const { seed, minutes } = options;
  const simulator = new Simulator(seed);
  const drawn = drawConfig(seededRandom(simulator.random.integer(2 ** 32)));
  const config: SimulationConfig = { ...(options.isPlain ? drawn : withLaterExtras(withExtras(drawn, simulator.forkApart(1)), simulator.forkApart(5))), ...options.config };
  const stats = new SimulationStats();
  const cluster = new SimulatedCluster(simulator, config);
  const { log } = options;
  if (log) simulator.onNote = (kind, details) => log(`${(simulator.nowMs / 1000).toFixed(4).padStart(10)} ${kind.padEnd(12)} ${details.filter((detail) => detail !== undefined).join(' ')}`);
  const run: SimulationRun = { seed, config, stats, simulatedMs: 0, eventCount: 0, hash: '', convergenceMs: 0, failure: undefined, trace: [] };
  const onRejection = (error: unknown) => simulator.fail(new Violation(`a rejection that nobody handles: ${error instanceof Error ? error.stack : String(error)}`));
  process.on('unhandledRejection', onRejection);
  try {
    await simulator.run(play(cluster, stats, minutes * 60_000, run));
  } catch (error) {
    run.failure = error;
    run.trace = simulator.trace.lines();
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  run.simulatedMs = simulator.nowMs;
  run.eventCount = simulator.trace.count;
  run.hash = simulator.trace.hash;
  return run;
}

async function play(cluster: SimulatedCluster, stats: SimulationStats, durationMs: number, run: SimulationRun): Promise<void> {
  const { simulator, config } = cluster;
  cluster.startNameNode();
  for (const machine of cluster.dataNodes) cluster.startDataNode(machine);
  await until(cluster, 60_000, () => {
    const health = cluster.health();
    return health && !health.safeMode.isOn && health.datanodes.filter((node) => node.state === 'live').length === config.dataNodeCount ? [] : ['the cluster does not start'];
  });
  const stage: Stage = { cluster, stats, histories: new Histories(), actors: [], isOver: false };
  stage.actors = Array.from({ length: config.actorCount }, (_, index) => new Actor(stage, index, cluster.clients[index % cluster.clients.length]!));
  const working = Promise.all(stage.actors.map((actor) => actor.run()));
  working.catch((error: unknown) => simulator.fail(error));
  const faults = new FaultInjector(cluster, stats);
  const breaking = faults.run();
  const operator = new Operator(cluster, stats, sharedFiles);
  const operating = operator.run();
  operating.catch((error: unknown) => simulator.fail(error));
  const contention = new Contention(cluster, stats);
  let isContending = true;
  const contending = contention.run(0.5 * durationMs).then(() => void (isContending = false));
  contending.catch((error: unknown) => simulator.fail(error));
  const looksAfter = () => {
    cluster.restartNodesWithFailedDisks();
    simulator.schedule(20_000, looksAfter);
  };
  looksAfter();
  breaking.catch((error: unknown) => simulator.fail(error));
  await simulator.sleep(durationMs);
  faults.stop();
  operator.stop();
  contention.stop();
  stage.isOver = true;
  const peaceMs = simulator.nowMs;
  let isOver = false;
  // Once the operator has set all nodes back to normal.
  const letGo = async (): Promise<void> => {
    await operating;
    while (!isOver) {
      await operator.letGoneNodesGo();
      await simulator.sleep(10_000);
    }
  };
  if (config.faultKinds.has('cloned-node')) letGo().catch((error: unknown) => simulator.fail(error));
  let areWorking = true;
  void working.then(() => (areWorking = false));
  await until(cluster, operationLimitMs, () => (areWorking ? stage.actors.filter(({ doing }) => doing !== '').map(({ name, doing, trouble }) => `${name} still does: ${doing} (${trouble})`) : []), () => unconverged(cluster));
  await working;
  await operating;
  await until(cluster, operationLimitMs, () => (isContending ? ['users of shared files are still at work'] : []));
  await contending;
  // A file that its disk would not let go of at a start is left alone until the next one.
  if (config.faultKinds.has('disk-errors') || config.faultKinds.has('read-only-disk')) {
    simulator.schedule(convergenceLimitMs / 2, () => {
      if (!isOver) for (const machine of cluster.dataNodes) cluster.killDataNode(machine, { restartAfterMs: 500 });
    });
  }
  await until(cluster, convergenceLimitMs, () => unconverged(cluster));
  isOver = true;
  run.convergenceMs = simulator.nowMs - peaceMs;
  stats.count('blocks whose replicas agree', checkReplicasAgree(cluster));
  await contention.check();
  for (const [index, actor] of stage.actors.entries()) {
    const client = cluster.startClient(cluster.clients[index % cluster.clients.length]!);
    stats.count('paths checked at the end', await actor.check(client));
  }
}

/** Waits until a check finds nothing wrong any more; a violation if that takes too long. */
async function until(cluster: SimulatedCluster, limitMs: number, check: () => string[], describe: () => string[] = () => []): Promise<void> {
  const { simulator } = cluster;
  const endMs = simulator.nowMs + limitMs;
  for (let wrong = check(); wrong.length > 0; wrong = check()) {
    if (simulator.nowMs > endMs) throw new Violation(`${limitMs / 1000} s after the last fault it is not as it should be:\n  ${[...wrong, ...describe()].slice(0, 20).join('\n  ')}`);
    await simulator.sleep(2000);
  }
}
