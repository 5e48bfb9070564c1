import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ClusterHealth } from '../../source/protocol/cluster-events.js';
import { patternBytes, writeFile } from '../helpers/fake-cluster.js';
import { fullHealth } from '../rig/full-health.js';
import { RigCluster } from '../rig/rig-cluster.js';
import { median } from './measure.js';

/**
 * npm run repair-time [-- --files 100 --size 1000000 --rounds 3]
 *
 * From the SIGKILL of a data node, with the time-outs that the program has when config.json says nothing: to the verdict, to the first repair
 * on its way, and to full replication (promises.md, P7: dead after 10 s, repair within two heartbeats of that). Exit code 1 if it is later.
 */
const { values } = parseArgs({ options: { files: { type: 'string', default: '100' }, size: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' } } });
const [files, size, rounds] = [Number(values.files), Number(values.size), Number(values.rounds)];
const heartbeatMs = 1000;
const shipped = { heartbeat_interval_ms: heartbeatMs, stale_node_timeout_ms: 3000, dead_node_timeout_ms: 10_000, max_replication_streams: 4, unknown_replica_grace_ms: 2000, block_size: '64m' };

const folder = mkdtempSync(join(tmpdir(), 'dfsh-repair-time-'));
const cluster = await RigCluster.create({ folder, dataNodes: 4, settings: shipped });
const figures = { dead: [] as number[], repair: [] as number[], whole: [] as number[] };
try {
  cluster.startAll();
  await cluster.settled();
  for (let i = 0; i < files; i++) await writeFile(cluster.client, `/f${i}`, patternBytes(size, i));
  await fullHealth(cluster);
  for (let round = 0; round < rounds; round++) {
    const victim = cluster.dataNodeNames[round % cluster.dataNodeNames.length]!;
    const startMs = performance.now();
    const since = async (what: string, isSo: (health: ClusterHealth) => boolean) => {
      await cluster.until(what, isSo, 300_000);
      return (performance.now() - startMs) / 1000;
    };
    await cluster.kill(victim);
    const dead = await since('dead', ({ datanodes }) => datanodes.some(({ name, state }) => name === victim && state === 'dead'));
    const repair = await since('repair', ({ blocks, repair: { doneBlocks } }) => blocks.pendingReplication > 0 || doneBlocks > 0);
    const whole = await since('full replication', ({ blocks }) => blocks.underReplicated + blocks.pendingReplication === 0);
    figures.dead.push(dead);
    figures.repair.push(repair);
    figures.whole.push(whole);
    console.log(`${victim} killed: dead after ${dead.toFixed(2)} s, first repair after ${repair.toFixed(2)} s, full replication after ${whole.toFixed(2)} s`);
    cluster.start(victim);
    await cluster.settled();
    await fullHealth(cluster);
  }
} finally {
  await cluster.destroy();
  rmSync(folder, { recursive: true, force: true });
}
const [dead, repair, whole] = [median(figures.dead), median(figures.repair), median(figures.whole)];
console.log(`${files} files of ${size} bytes, 4 data nodes; medians of ${rounds}: dead ${dead.toFixed(2)} s, first repair ${repair.toFixed(2)} s, full replication ${whole.toFixed(2)} s`);
if (dead > 10 + 2 * (heartbeatMs / 1000) || repair - dead > 2 * (heartbeatMs / 1000)) process.exitCode = 1;
