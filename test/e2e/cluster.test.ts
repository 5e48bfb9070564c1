import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import test from 'ava';
import { identifyProcess } from '../../source/cluster/process-identity.js';
import { program, RealCluster } from '../helpers/real-cluster.js';

// The local cluster as a user drives it: the real program, real processes.

interface NodeLine {
  name: string;
  state: string;
  address: string;
  pid: number | null;
}

const records = (stdout: string) => stdout.trim().split('\n').map((line) => JSON.parse(line) as NodeLine);
/** An ended process that nobody has waited for is not there. */
const isThere = async (pid: number | null) => pid !== null && (await identifyProcess(pid)) !== undefined;

test('without a cluster a command ends with 2 and says what to type, and that works', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  const before = await cluster.exec('ls /');
  t.is(before.code, 2);
  const hint = /dfsh --exec "(cluster up)"/.exec(before.stderr)?.[1];
  t.is(hint, 'cluster up', before.stderr);
  const up = await cluster.exec(hint!);
  t.is(up.code, 0, up.stderr);
  t.regex(up.stdout, new RegExp(`\\ncluster up: name node ${cluster.config.nameNode}, 3 data nodes live\\n$`));
  t.deepEqual(await cluster.exec('ls /'), { code: 0, stdout: '', stderr: '' });
  t.is((await cluster.exec('cluster up')).stdout, `already up: name node ${cluster.config.nameNode}, 3 data nodes live\n`);
});

test('a name space that is lost is not replaced by a new one: up says so, and the old one put back still has the files', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  t.is((await cluster.run(['--exec', 'put - /kept'], 'some bytes')).code, 0);
  t.is((await cluster.exec('cluster down')).code, 0);
  const folder = join(cluster.config.dataDirectory, 'namenode');
  renameSync(folder, cluster.localPath('lost'));
  const up = await cluster.exec('cluster up');
  t.is(up.code, 1);
  t.regex(up.stderr, /the name node is not formatted: its store is empty/);
  rmSync(folder, { recursive: true, force: true });
  renameSync(cluster.localPath('lost'), folder);
  t.is((await cluster.exec('cluster up')).code, 0);
  t.is((await cluster.exec('cat /kept')).stdout, 'some bytes');
});

test('nodes are killed, started, added, and all of them stopped; what was stored outlives it', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  t.is((await cluster.exec('cluster up')).code, 0);
  t.is((await cluster.run(['--exec', 'put - /kept'], 'some bytes')).code, 0);

  const status = records((await cluster.exec('cluster status --json')).stdout);
  t.deepEqual(status.map(({ name, state, address }) => [name, state, address]), [
    ['nn', 'running', cluster.config.nameNode],
    ...cluster.config.dataNodes.map((address, index) => [`dn${index + 1}`, 'running', address]),
  ]);
  for (const { pid } of status) t.true(await isThere(pid));

  const killed = await cluster.exec('node kill dn2');
  t.is(killed.stdout, `dn2 on ${status[2]!.address} is killed, process ${status[2]!.pid}\n`);
  t.false(await isThere(status[2]!.pid));
  t.is((await cluster.exec('cat /kept')).stdout, 'some bytes');
  t.regex((await cluster.exec('node start dn2')).stdout, /\ndn2 on .* is started and live, process \d+\n$/);

  const added = await cluster.exec('node add');
  t.regex(added.stdout, /\ndn4 on 127\.0\.0\.1:\d+ is added and live, process \d+\n$/, added.stderr);
  t.regex((await cluster.exec('logs dn4 -n 2')).stdout, /registered as dn4/);
  t.regex((await cluster.exec('logs dn9')).stderr, /^logs: there is no node "dn9"; there are nn, dn1, dn2, dn3, dn4\n$/);

  // Fewer are asked for than run: what runs is told.
  t.regex((await cluster.exec('cluster up 2')).stdout, /^already up: name node [^\n]*, 4 data nodes live\n$/);

  // The name node too, without a farewell: what was acknowledged is there when it is back.
  t.is((await cluster.exec('node kill nn')).code, 0);
  const restart = await cluster.exec('cluster up');
  t.regex(restart.stdout, /^starting nn on [^\n]*\ncluster up: name node [^\n]*, 4 data nodes live\n$/, restart.stderr);
  t.is((await cluster.exec('cat /kept')).stdout, 'some bytes');

  const last = records((await cluster.exec('cluster status --json')).stdout);
  t.regex((await cluster.exec('cluster down')).stdout, /\ncluster down: 5 nodes stopped\n$/);
  for (const { pid } of last) t.false(await isThere(pid));
  t.is((await cluster.exec('cluster down')).stdout, 'already down: nothing that was started from here runs\n');
  t.is((await cluster.exec('ls /')).code, 2);

  const again = await cluster.exec('cluster up');
  t.regex(again.stdout, /4 data nodes live\n$/, again.stderr);
  t.is((await cluster.exec('cat /kept')).stdout, 'some bytes');
  for (const file of ['namenode', 'log']) t.is(statSync(`${cluster.config.dataDirectory}/${file}`).mode & 0o077, 0, `${file} is for its owner alone`);
});

test('a taken port is refused with its number, the node and who has it, and nothing is left running', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  const squatter = createServer().listen(Number(cluster.config.dataNodes[1]!.split(':')[1]), '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  t.teardown(() => void squatter.close());
  const up = await cluster.exec('cluster up');
  t.is(up.code, 1);
  t.regex(up.stderr, new RegExp(`^cluster: port \\d+, for dn2 \\(${cluster.config.dataNodes[1]}\\), is taken by .*; stop that, or give dn2 another port in .*config\\.json\\n$`));
  if (process.platform === 'linux') t.true(up.stderr.includes(`process ${process.pid} `), up.stderr);
  t.true(records((await cluster.exec('cluster status --json')).stdout).every(({ state }) => state === 'stopped'));
});

test('a damaged name space is told in one line by cluster up, and its file is left as it is (fault 15)', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  t.is((await cluster.exec('cluster up', 'mkdir /a', 'cluster down')).code, 0);
  const file = `${cluster.config.dataDirectory}/namenode/data.mdb`;
  truncateSync(file, Math.floor(statSync(file).size / 2));
  const before = readFileSync(file);
  const up = await cluster.exec('cluster up');
  t.is(up.code, 1);
  t.regex(up.stderr, /^cluster: nn \([\d.:]+\) cannot run: the store in [^\n]* is damaged \([^\n]*\); its files were left as they are: [^\n]*\n  its log: [^\n]*\n$/);
  t.deepEqual(readFileSync(file), before);
});

test('a data node whose storage directory is damaged is told in one line by cluster up, and the others serve', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  t.is((await cluster.exec('cluster up', 'cluster down')).code, 0);
  const address = cluster.config.dataNodes[1]!;
  writeFileSync(`${cluster.config.dataDirectory}/datanode-${address.split(':')[1]}/VERSION`, 'rubbish');
  const up = await cluster.exec('cluster up');
  t.is(up.code, 1);
  t.regex(up.stderr, new RegExp(`^cluster: dn2 \\(${address}\\) cannot run: [^\n]*VERSION[^\n]*; its log: [^\n]*\n$`));
  t.regex(up.stdout, /\ncluster up: name node [^\n]*, 2 data nodes live, 1 did not start\n$/);
  t.is((await cluster.run(['--exec', 'put - /a'], 'abc')).code, 0);
  t.is((await cluster.exec('cat /a')).stdout, 'abc');
});

(process.platform === 'linux' ? test : test.skip)('nodes whose logs cannot be written to, as on a full disk, serve on, and end in good order (faults 18, 19)', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false, dataNodes: 1 });
  t.teardown(() => cluster.destroy());
  // Every write to it fails with ENOSPC.
  const full = openSync('/dev/full', 'w');
  const nodes = [['namenode', '--format'], ['datanode', cluster.config.dataNodes[0]!.split(':')[1]!]].map((args) => spawn(process.execPath, [program, ...args], { env: cluster.environment, stdio: ['ignore', full, full] }));
  closeSync(full);
  t.teardown(() => nodes.forEach((node) => node.kill('SIGKILL')));
  while (!(await cluster.exec('report -live --json')).stdout.includes('"state":"live"') && nodes.every(({ exitCode, signalCode }) => exitCode === null && signalCode === null));
  t.deepEqual(await cluster.run(['--exec', 'put - /a'], 'abc'), { code: 0, stdout: '', stderr: '' });
  t.is((await cluster.exec('cat /a')).stdout, 'abc');
  for (const node of nodes.toReversed()) {
    node.kill('SIGTERM');
    t.deepEqual(await once(node, 'exit'), [0, null]);
  }
});
