import type { DfsClient } from '../../source/client/client-api.js';
import { contentOf } from './content.js';
import { unconverged } from './convergence.js';
import { checkDurable } from './durability-check.js';
import type { DiskFateOf } from './process-disk.js';
import { SimulatedCluster } from './simulated-cluster.js';
import type { CallFate } from './simulated-network.js';
import type { SimulationConfig } from './simulation-config.js';
import { SimulationStats } from './simulation-stats.js';
import { Simulator, Violation } from './simulator.js';

/** A fault at the call of this number, counted from the begin of the workload. */
export type SmallFault = { kind: 'call'; at: number; fate: CallFate } | { kind: 'disk'; at: number; fate: Exclude<ReturnType<DiskFateOf>, undefined> } | { kind: 'name-node-death'; at: number };

export interface SmallFaultRun {
  /** Calls of each kind that the workload made. */
  callCount: number;
  diskCallCount: number;
  /** Of the faults, how many came to pass: a run with fewer is shorter than it was thought to be. */
  happened: number;
  checkedBlocks: number;
  failure: unknown;
}

/** Four nodes, so that one may fail and the pipeline be filled up; the rest as shipped, but with small blocks. */
const config: SimulationConfig = {
  dataNodeCount: 4,
  disksPerNode: 1,
  clientCount: 1,
  actorCount: 1,
  replication: 3,
  minReplication: 2,
  blockSizeBytes: 4096,
  heartbeatIntervalMs: 1000,
  staleNodeTimeoutMs: 3000,
  deadNodeTimeoutMs: 10_000,
  blockReportIntervalMs: 20_000,
  softLeaseLimitMs: 10_000,
  hardLeaseLimitMs: 60_000,
  retryTimeoutMs: 60_000,
  abandonedReplicaLifetimeMs: 60_000,
  scanPeriodMs: 60_000,
  unknownReplicaGraceMs: 60_000,
  rackCount: 1,
  thinkTimeMs: 1,
  fileCount: 3,
  faultKinds: new Set(),
  faultIntervalMs: 1000,
  contenderCount: 0,
  operationKinds: new Set(),
  isStrict: false,
};
const convergenceLimitMs = 900_000;

/**
 * One fixed workload of each kind of change, with the given faults: every call of the user must succeed all the same (one fault, or two, are
 * no reason to bother anybody), every byte be right, and everything whole again afterwards.
 */
export async function runWithSmallFaults(faults: readonly SmallFault[]): Promise<SmallFaultRun> {
  const simulator = new Simulator(1);
  const cluster = new SimulatedCluster(simulator, config);
  const run: SmallFaultRun = { callCount: 0, diskCallCount: 0, happened: 0, checkedBlocks: 0, failure: undefined };
  const onRejection = (error: unknown) => simulator.fail(new Violation(`a rejection that nobody handles: ${error instanceof Error ? error.stack : String(error)}`));
  process.on('unhandledRejection', onRejection);
  try {
    await simulator.run(play(cluster, faults, run));
  } catch (error) {
    run.failure = error;
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return run;
}

async function play(cluster: SimulatedCluster, faults: readonly SmallFault[], run: SmallFaultRun): Promise<void> {
  cluster.startNameNode();
  for (const machine of cluster.dataNodes) cluster.startDataNode(machine);
  await until(cluster, () => cluster.health()?.datanodes.filter((node) => node.state === 'live').length === config.dataNodeCount && !cluster.health()!.safeMode.isOn);
  let isWorking = true;
  const stats = new SimulationStats();
  cluster.network.onCall = () => {
    if (!isWorking) return undefined;
    const at = run.callCount++;
    const fault = faults.find((each) => each.kind !== 'disk' && each.at === at);
    if (!fault) return undefined;
    run.happened++;
    if (fault.kind === 'call') return fault.fate;
    cluster.killNameNode({ restartAfterMs: 1000 });
    return undefined;
  };
  cluster.onDiskCall = (machine) => {
    if (!isWorking) return undefined;
    const at = run.diskCallCount++;
    const fault = faults.find((each) => each.kind === 'disk' && each.at === at);
    if (fault?.kind !== 'disk') return undefined;
    run.happened++;
    if (fault.fate === 'crash') cluster.killDataNode(machine, { restartAfterMs: 1000, isPowerCut: true });
    return fault.fate;
  };
  await work(cluster, stats);
  isWorking = false;
  run.checkedBlocks = stats.get('blocks checked for durability');
  const endMs = cluster.simulator.nowMs + convergenceLimitMs;
  let isRestartDue = true;
  for (let wrong = unconverged(cluster); wrong.length > 0; wrong = unconverged(cluster)) {
    if (cluster.simulator.nowMs > endMs) throw new Violation(`it is not whole again:\n  ${wrong.join('\n  ')}`);
    // A file that its disk would not give up once goes at the next start of its node.
    const isLate = cluster.simulator.nowMs > endMs - convergenceLimitMs / 2;
    restart(cluster, isLate && isRestartDue ? 'all' : 'broken');
    isRestartDue &&= !isLate;
    await cluster.simulator.sleep(2000);
  }
  const client = cluster.startClient(cluster.clients[0]!);
  await check(client, '/w/a', 1, 9000);
  await check(client, '/w/d', 2, 12_288);
  const names: string[] = [];
  for await (const { name } of client.list('/w')) names.push(name);
  if (names.join(' ') !== 'a d') throw new Violation(`/w holds ${names.join(' ')}, not a d`);
}

/** Whoever runs a node sees that its disk has failed, and starts it again when the disk is well. */
function restart(cluster: SimulatedCluster, which: 'all' | 'broken'): void {
  const failed = cluster.health()?.datanodes.filter((node) => (node.failedVolumes?.length ?? 0) > 0).map(({ address }) => address) ?? [];
  for (const machine of cluster.dataNodes) {
    if (which === 'all' || failed.includes(machine.address)) cluster.killDataNode(machine);
    if (!machine.process?.isAlive) cluster.startDataNode(machine);
  }
}

async function work(cluster: SimulatedCluster, stats: SimulationStats): Promise<void> {
  const client = cluster.startClient(cluster.clients[0]!);
  const write = async (path: string, version: number, lengthBytes: number, options: { renameTo?: string } = {}) => {
    const writer = await client.openWriter(path, { overwrite: true, temporary: options.renameTo !== undefined });
    for (let at = 0; at < lengthBytes; at += 1500) await writer.write(contentOf(version, at, Math.min(lengthBytes, at + 1500)));
    const { status } = await writer.close(options.renameTo === undefined ? {} : { renameTo: { path: options.renameTo, overwrite: true } });
    checkDurable(cluster, stats, { inodeId: status.inodeId, path, lengthBytes, replication: 3 });
  };
  await client.mkdirs('/w/x');
  await write('/w/a._COPYING_', 1, 10_000, { renameTo: '/w/a' });
  await check(client, '/w/a', 1, 10_000);

  const appender = await client.openAppender('/w/a');
  await appender.write(contentOf(1, 10_000, 11_000));
  await appender.hflush();
  await appender.write(contentOf(1, 11_000, 13_000));
  const { status } = await appender.close();
  checkDurable(cluster, stats, { inodeId: status.inodeId, path: '/w/a', lengthBytes: 13_000, replication: 3 });
  await check(client, '/w/a', 1, 13_000);
  await client.truncate('/w/a', 9000);
  await until(cluster, async () => !(await client.stat('/w/a')).isUnderConstruction);

  await write('/w/x/b', 2, 8192);
  await write('/w/x/c', 3, 5000);
  const tail = await client.openWriter('/w/x/e', {});
  await tail.write(contentOf(2, 8192, 12_288));
  await tail.close();
  await client.concat('/w/x/b', ['/w/x/e']);
  await client.rename('/w/x/b', '/w/d');
  await client.setReplication('/w/a', 2);
  await client.setPermission('/w/d', 0o600);
  await client.delete('/w/x', { recursive: true });
}

async function check(client: DfsClient, path: string, version: number, lengthBytes: number): Promise<void> {
  const reader = await client.openReader(path);
  let at = 0;
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    if (!contentOf(version, at, at + piece.bytes.length).equals(piece.bytes)) throw new Violation(`${path}: other bytes than those written, from ${at} on`);
    at += piece.bytes.length;
    piece.release();
  }
  reader.close();
  if (at !== lengthBytes) throw new Violation(`${path}: ${at} bytes, ${lengthBytes} were written`);
}

async function until(cluster: SimulatedCluster, condition: () => boolean | undefined | Promise<boolean>): Promise<void> {
  const endMs = cluster.simulator.nowMs + 120_000;
  while (!(await condition())) {
    if (cluster.simulator.nowMs > endMs) throw new Violation(`not reached within 120 s: ${condition.toString()}`);
    await cluster.simulator.sleep(100);
  }
}
