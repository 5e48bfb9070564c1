import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';
import { writeFile } from '../helpers/fake-cluster.js';
import { program } from '../helpers/real-cluster.js';
import { fullHealth } from '../rig/full-health.js';
import { RigCluster } from '../rig/rig-cluster.js';

/** At length, as the promises have it: DFSH_ENTRIES=1000000 DFSH_FILES=100000 npx ava --timeout=1h dist/test/e2e/many-entries.test.js */
const entryCount = Number(process.env['DFSH_ENTRIES'] ?? 10_000);
const fileCount = Number(process.env['DFSH_FILES'] ?? 500);
const atOnce = 64;
const megabyte = 1 << 20;
/** What a process may take more than for a few entries; a million of them at once would take hundreds. */
const slackBytes = 96 * megabyte;

async function start(t: ExecutionContext): Promise<RigCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-many-'));
  const cluster = await RigCluster.create({ folder, dataNodes: 3, settings: { stale_node_timeout_ms: 5000, dead_node_timeout_ms: 20_000 } });
  t.teardown(async () => {
    await cluster.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  cluster.startAll();
  await cluster.settled();
  return cluster;
}

async function spread(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** A command's lines, counted, and the most memory that its process took. */
function run(cluster: RigCluster, line: string): Promise<{ lines: number; peakBytes: number }> {
  const atExit = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS * 1024))`;
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(atExit)}` };
    let lines = 0;
    const child = execFile(process.execPath, [program, '--config', join(cluster.folder, 'config.json'), '--exec', line], { env: environment, encoding: 'buffer', maxBuffer: Infinity }, (error, stdout, stderr) => {
      if (error) return reject(error);
      for (const byte of stdout) if (byte === 10) lines++;
      resolve({ lines, peakBytes: Number(/peak (\d+)/.exec(stderr.toString())![1]) });
    });
    child.stdin!.end();
  });
}

function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

test.serial(`a directory of ${entryCount} entries is made, listed, counted and deleted in memory that does not grow with it (fault 55)`, async (t) => {
  const cluster = await start(t);
  const { client } = cluster;
  await client.mkdirs('/few/a');
  const few = { ls: await run(cluster, 'ls -C /few'), find: await run(cluster, 'find /few'), count: await run(cluster, 'count /few') };
  await client.mkdirs('/many');
  await spread(entryCount, (i) => client.mkdirs(`/many/entry-${i}`));
  const namenode = process.platform === 'linux' ? () => memoryOf(cluster.pidOf('nn')) : () => 0;
  const before = namenode();
  const many = { ls: await run(cluster, 'ls -C /many'), find: await run(cluster, 'find /many'), count: await run(cluster, 'count /many') };
  t.is(many.ls.lines, entryCount);
  t.is(many.find.lines, entryCount + 1);
  for (const command of ['ls', 'find', 'count'] as const) {
    const more = many[command].peakBytes - few[command].peakBytes;
    t.true(more < slackBytes, `${command} took ${(more / megabyte).toFixed(0)} MiB more`);
  }
  t.true(namenode() - before < slackBytes, `the name node took ${((namenode() - before) / megabyte).toFixed(0)} MiB more for listing`);
  let [previous, seen] = ['', 0];
  for await (const { name } of client.list('/many')) {
    if (previous !== '' && Buffer.compare(Buffer.from(previous), Buffer.from(name)) >= 0) t.fail(`${name} came after ${previous}`);
    previous = name;
    seen++;
  }
  t.is(seen, entryCount);
  t.true(await client.delete('/many', { recursive: true }));
  t.is(await client.find('/many'), null);
  await cluster.until('the inodes gone', ({ directoryCount }) => directoryCount === 3, 600_000);
});

test.serial(`${fileCount} small files are written at once, all there after a restart of all nodes, and gone from the disks when deleted (fault 55)`, async (t) => {
  const cluster = await start(t);
  const { client } = cluster;
  await client.mkdirs('/small');
  await spread(fileCount, (i) => writeFile(client, `/small/f${i}`, Buffer.from(`content ${i}`)));
  await cluster.kill(...cluster.nodeNames);
  cluster.startAll();
  await cluster.settled();
  const { fileCount: found, blocks } = await cluster.until('every block replicated', (health) => health.blocks.underReplicated + health.blocks.pendingReplication === 0, 600_000);
  t.deepEqual({ found, total: blocks.total, missing: blocks.missing }, { found: fileCount, total: fileCount, missing: 0 });
  t.true(await client.delete('/small', { recursive: true }));
  await cluster.until('the blocks gone', (health) => health.blocks.total === 0 && health.blocks.pendingDeletion === 0 && health.datanodes.every(({ blockCount }) => blockCount === 0), 600_000);
  await fullHealth(cluster);
});
