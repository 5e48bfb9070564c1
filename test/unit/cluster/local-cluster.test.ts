import { spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { stateFilePath } from '../../../source/cluster/cluster-state.js';
import { createLocalCluster, type LocalClusterOptions } from '../../../source/cluster/create-local-cluster.js';
import { isPortFree } from '../../../source/cluster/port-owner.js';
import { identifyProcess } from '../../../source/cluster/process-identity.js';
import type { ClusterHealth } from '../../../source/protocol/cluster-events.js';
import { freePorts } from '../../helpers/free-ports.js';

const entry = fileURLToPath(new URL('../../helpers/fake-node.js', import.meta.url));

interface Fixture {
  nameNode: string;
  dataNodes: string[];
  dataDirectory: string;
  configFile: string;
  stateFile: string;
  /** A new one each time, as another dfsh would have it. */
  cluster: (options?: Partial<LocalClusterOptions>) => ReturnType<typeof createLocalCluster>;
  configure: (content: object) => Promise<void>;
  /** How often each node was started: `datanode 40123`. */
  starts: () => Promise<string[]>;
}

// Of clusters at the same time: with all of them at once each would be slower than what it waits for.
let free = 4;
const waiting: (() => void)[] = [];

async function takeTurn(): Promise<() => void> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else free--;
  return () => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
}

async function fixture(t: ExecutionContext, dataNodeCount = 2, content: object = {}): Promise<Fixture> {
  t.teardown(await takeTurn());
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-cluster-'));
  const [nameNodePort, ...ports] = await freePorts(1 + dataNodeCount, 2);
  const nameNode = `127.0.0.1:${nameNodePort}`;
  const dataNodes = ports.map((port) => `127.0.0.1:${port}`);
  const dataDirectory = join(folder, 'data');
  const configFile = join(folder, 'config.json');
  const configure = (more: object) => writeFile(configFile, JSON.stringify({ data_nodes: dataNodes, ...more }));
  await configure(content);
  const cluster = (options: Partial<LocalClusterOptions> = {}) =>
    createLocalCluster({ config: { file: configFile, nameNode, dataNodes, dataDirectory, dataDirectories: [dataDirectory] }, launch: { execPath: process.execPath, entry }, clock: systemClock, startLimitMs: 60_000, ...options });
  t.teardown(async () => {
    await cluster({ stopLimitMs: 100 }).down({});
    await rm(folder, { recursive: true });
  });
  const starts = async () => (await readFile(join(dataDirectory, 'starts'), 'utf8').catch(() => '')).split('\n').filter(Boolean).sort();
  return { nameNode, dataNodes, dataDirectory, configFile, stateFile: stateFilePath(dataDirectory, nameNode), cluster, configure, starts };
}

const isAlive = async (pid: number | undefined) => pid !== undefined && (await identifyProcess(pid)) !== undefined;
const portOf = (address: string) => address.split(':')[1]!;

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('up starts the name node and every data node, each in its folder with a log of its own, and status and down find them', async (t) => {
  const { cluster, nameNode, dataNodes, dataDirectory, stateFile } = await fixture(t);
  const steps: string[] = [];
  const nodes = await cluster().up({ onProgress: (step) => steps.push(step) });
  t.deepEqual(nodes.map(({ name, role, address, state, wasStarted }) => ({ name, role, address, state, wasStarted })), [
    { name: 'nn', role: 'namenode', address: nameNode, state: 'running', wasStarted: true },
    { name: 'dn1', role: 'datanode', address: dataNodes[0]!, state: 'running', wasStarted: true },
    { name: 'dn2', role: 'datanode', address: dataNodes[1]!, state: 'running', wasStarted: true },
  ]);
  t.deepEqual(steps, [`starting nn on ${nameNode}`, `starting dn1 on ${dataNodes[0]}`, `starting dn2 on ${dataNodes[1]}`]);
  t.is(nodes[1]!.dataDirectory, join(dataDirectory, `datanode-${portOf(dataNodes[0]!)}`));
  for (const file of [stateFile, nodes[0]!.logFile, nodes[1]!.logFile]) t.is((await stat(file)).mode & 0o777, 0o600);
  t.regex(await readFile(nodes[1]!.logFile, 'utf8'), /^datanode \d+ begins\n/);

  const seen = await cluster().status();
  t.deepEqual(seen.map(({ name, state, pid }) => ({ name, state, pid })), nodes.map(({ name, pid }) => ({ name, state: 'running', pid })));

  const stopped = await cluster().down({});
  t.deepEqual(stopped.map(({ name, pid, state }) => [name, pid, state]), nodes.map(({ name, pid }) => [name, pid, 'stopped']));
  for (const { pid } of nodes) t.false(await isAlive(pid));
  t.regex(await readFile(nodes[1]!.logFile, 'utf8'), /SIGTERM/);
  t.deepEqual((await cluster().status()).map(({ state, pid }) => [state, pid]), [['stopped', undefined], ['stopped', undefined], ['stopped', undefined]]);
  t.deepEqual(await cluster().down({}), []);
});

test('up again starts nothing; after a death, only what is missing', async (t) => {
  const { cluster, starts } = await fixture(t);
  const first = await cluster().up({});
  const again = await cluster().up({ onProgress: () => t.fail() });
  t.deepEqual(again.map(({ pid, wasStarted }) => [pid, wasStarted]), first.map(({ pid }) => [pid, undefined]));
  process.kill(first[2]!.pid!, 'SIGKILL');
  await eventually(async () => !(await isAlive(first[2]!.pid)));
  t.is((await cluster().status())[2]!.state, 'stopped');
  const third = await cluster().up({});
  t.deepEqual(third.map(({ name, wasStarted }) => [name, wasStarted]), [['nn', undefined], ['dn1', undefined], ['dn2', true]]);
  t.is((await starts()).length, 4);
});

test('two ups at once start everything once', async (t) => {
  const { cluster, starts } = await fixture(t);
  const steps: string[] = [];
  const [a, b] = await Promise.all([cluster().up({}), cluster().up({ onProgress: (step) => steps.push(step) })]);
  t.deepEqual(a.map(({ pid }) => pid), b.map(({ pid }) => pid));
  t.is((await starts()).length, 3);
  t.true(steps.some((step) => /^waiting: .* is in use by this process itself$/.test(step)));
});

test('nodes outlive the process that started them, in a session of their own, and keep none of its descriptors', async (t) => {
  const { configFile, nameNode, dataNodes, dataDirectory, cluster } = await fixture(t, 1);
  const program = `
    const { createLocalCluster } = await import(${JSON.stringify(new URL('../../../source/cluster/create-local-cluster.js', import.meta.url).href)});
    const { systemClock } = await import(${JSON.stringify(new URL('../../../source/base/clock.js', import.meta.url).href)});
    const cluster = createLocalCluster(${JSON.stringify({ config: { file: configFile, nameNode, dataNodes, dataDirectory, dataDirectories: [dataDirectory] }, launch: { execPath: process.execPath, entry } }).slice(0, -1)}, clock: systemClock });
    await cluster.up({});
    process.exit(0);`;
  // Descriptor 3 is a pipe that was opened for the starter without close-on-exec.
  const starter = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  const ended = new Promise((resolve) => starter.once('exit', resolve));
  // Both pipes end only when nobody holds their other ends any more.
  const closed = new Promise((resolve) => starter.once('close', resolve));
  t.is(await ended, 0);
  await closed;
  const nodes = await cluster().status();
  t.deepEqual(nodes.map(({ name, state }) => [name, state]), [['nn', 'running'], ['dn1', 'running']]);
  if (process.platform !== 'linux') return;
  const { pid, logFile } = nodes[1]!;
  const fields = (await readFile(`/proc/${pid!}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  t.is(Number(fields[3]), pid!, 'it leads its session');
  const targets = await Promise.all((await readdir(`/proc/${pid}/fd`)).map(async (descriptor) => [descriptor, await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')] as const));
  t.deepEqual(new Map(targets.filter(([descriptor]) => Number(descriptor) <= 2)), new Map([['0', '/dev/null'], ['1', logFile], ['2', logFile]]));
});

test('a taken port is refused by its number, its node and who has it, and what was started is stopped again', async (t) => {
  const { cluster, dataNodes, stateFile } = await fixture(t);
  const squatter = createServer().listen(Number(portOf(dataNodes[1]!)), '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  t.teardown(() => void squatter.close());
  const error = await t.throwsAsync(cluster().up({}), { name: 'InputOutputError' });
  t.true(error!.message.includes(`port ${portOf(dataNodes[1]!)}, for dn2`), error!.message);
  if (process.platform === 'linux') t.true(error!.message.includes(`process ${process.pid} (`), error!.message);
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['stopped', 'stopped', 'stopped']);
  t.deepEqual((JSON.parse(await readFile(stateFile, 'utf8')) as { processes: unknown[] }).processes, []);
  t.is(squatter.listening, true);
});

test('a data node that ends during its start is told in one line, and the others run; the next up tries it again', async (t) => {
  const { cluster, dataNodes, configure, stateFile } = await fixture(t, 2, {});
  await configure({ faults: { [portOf(dataNodes[0]!)]: 'crash' } });
  const nodes = await cluster().up({});
  t.deepEqual(nodes.map(({ name, state, wasStarted }) => [name, state, wasStarted]), [['nn', 'running', true], ['dn1', 'stopped', undefined], ['dn2', 'running', true]]);
  t.is(nodes[1]!.failure, `dn1 (${dataNodes[0]}) ended during its start (code 7); its log: ${nodes[1]!.logFile}`);
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['running', 'stopped', 'running']);
  t.is((JSON.parse(await readFile(stateFile, 'utf8')) as { processes: unknown[] }).processes.length, 2);
  await configure({});
  t.deepEqual((await cluster().up({})).map(({ name, wasStarted, failure }) => [name, wasStarted, failure]), [['nn', undefined, undefined], ['dn1', true, undefined], ['dn2', undefined, undefined]]);
});

test('when no data node is left, or it was started alone, it is told by its name, its code and its last lines of this start, and what was started is stopped', async (t) => {
  const { cluster, dataNodes, configure } = await fixture(t, 1);
  await cluster().up({});
  await cluster().down({});
  await configure({ faults: { [portOf(dataNodes[0]!)]: 'crash' } });
  const error = (await t.throwsAsync(cluster().up({}), { name: 'InputOutputError' })) as Error & { details: string[] };
  t.regex(error.message, /^dn1 \(.*\) ended during its start \(code 7\)/);
  t.deepEqual(error.details.slice(0, 2), [`datanode ${portOf(dataNodes[0]!)} begins`, 'cannot go on: the disk is on fire']);
  t.is(error.details.length, 3);
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['stopped', 'stopped']);
  await configure({});
  await cluster().up({});
  await configure({ faults: { [portOf(dataNodes[0]!)]: 'crash' } });
  await cluster().kill('dn1');
  await t.throwsAsync(cluster().start('dn1'), { message: /^dn1 .* ended during its start/ });
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['running', 'stopped'], 'the name node goes on');
});

test('a data folder that cannot be used is told in one line, by up and by status', async (t) => {
  const { cluster, nameNode, dataNodes, configFile } = await fixture(t);
  const dataDirectory = join(configFile, 'data');
  const broken = () => cluster({ config: { file: configFile, nameNode, dataNodes, dataDirectory, dataDirectories: [dataDirectory] } });
  await t.throwsAsync(broken().up({}), { name: 'InputOutputError', message: new RegExp(`^the first "data_dir", ${dataDirectory}, must be a directory that can be written to: ENOTDIR`) });
  await t.throwsAsync(broken().status(), { name: 'InputOutputError', message: /^reading .*, the state of the cluster on this machine: ENOTDIR/ });
});

test('a further data node that ends during its start is not remembered', async (t) => {
  const { cluster, dataNodes, configure } = await fixture(t, 2);
  const faults: Record<string, string> = {};
  for (let port = 1 + Number(portOf(dataNodes[1]!)); port <= Number(portOf(dataNodes[1]!)) + 100; port++) faults[port] = 'crash';
  await configure({ faults });
  t.deepEqual((await cluster().up({ count: 3 })).map(({ name, state }) => [name, state]), [['nn', 'running'], ['dn1', 'running'], ['dn2', 'running'], ['dn3', 'stopped']]);
  t.deepEqual((await cluster().status()).map(({ name }) => name), ['nn', 'dn1', 'dn2']);
});

/** What a name node would say with `live` data nodes of `dataNodes`. */
function healthWith(live: readonly string[], safeMode: Partial<ClusterHealth['safeMode']> = {}): ClusterHealth {
  return { safeMode: { isOn: false, reason: '', reportedBlocks: 0, totalBlocks: 0, ...safeMode }, datanodes: live.map((address, index) => ({ address, name: `dn${index + 1}`, state: 'live', sinceHeartbeatMs: 0 })) } as unknown as ClusterHealth;
}

test('up waits for safe mode to end and for every data node', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  const answers = [undefined, healthWith([]), healthWith(dataNodes.slice(0, 1)), healthWith(dataNodes, { isOn: true, reason: 'reports are missing', totalBlocks: 4 }), healthWith(dataNodes)];
  await cluster({ probe: async () => answers.shift() }).up({});
  t.deepEqual(answers, []);
});

test('when its time is up, up says what is missing, and stops what it had started', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  const up = (health: ClusterHealth | undefined) => cluster({ startLimitMs: 200, probe: async () => health }).up({});
  const stopped = async () => (await cluster().status()).every(({ state }) => state === 'stopped');
  await t.throwsAsync(up(undefined), { name: 'InputOutputError', message: /^not ready after 0.2 s: the name node does not answer; see the logs in / });
  t.true(await stopped());
  await t.throwsAsync(up(healthWith(dataNodes.slice(1))), { name: 'InputOutputError', message: new RegExp(`1 data node not live: ${dataNodes[0]};`) });
  t.true(await stopped());
  await t.throwsAsync(up(healthWith(dataNodes, { isOn: true, reason: 'reports are missing', totalBlocks: 4 })), { name: 'InputOutputError', message: /safe mode \(reports are missing\)/ });
  t.true(await stopped());
});

test('a heartbeat of its former life does not make a node that was started again live', async (t) => {
  const { cluster, dataNodes } = await fixture(t, 1);
  await cluster().up({});
  await cluster().kill('dn1');
  let asked = 0;
  const old = healthWith(dataNodes);
  old.datanodes[0]!.sinceHeartbeatMs = 3_600_000;
  const probe = async () => (++asked < 5 ? old : healthWith(dataNodes));
  const node = await cluster({ probe }).start('dn1');
  t.is(node.wasStarted, true);
  t.is(asked, 5);
});

test('when all data nodes have reported and blocks are missing all the same, up leaves the cluster running and says that it is in safe mode', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  const health = healthWith(dataNodes, { isOn: true, reason: 'one block is missing', reportedBlocks: 3, totalBlocks: 4 });
  for (const node of health.datanodes) node.lastBlockReportTimeMs = 1;
  const steps: string[] = [];
  t.is((await cluster({ probe: async () => health }).up({ onProgress: (step) => steps.push(step) })).length, 3);
  t.is(steps.at(-1), 'the name node stays in safe mode: one block is missing');
});

test('while the seconds of safe mode are counted down, up waits for its end', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  let asked = 0;
  const probe = async () => {
    const health = healthWith(dataNodes, { isOn: ++asked < 60, reason: `it ends in ${100 - asked} seconds`, reportedBlocks: 4, totalBlocks: 4 });
    for (const node of health.datanodes) node.lastBlockReportTimeMs = 1;
    return health;
  };
  const steps: string[] = [];
  await cluster({ probe }).up({ onProgress: (step) => steps.push(step) });
  t.is(asked, 60);
  t.false(steps.some((step) => step.includes('stays in safe mode')));
});

test('safe mode that was set by hand does not keep up from saying that all run', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  await cluster().up({});
  const probe = async () => healthWith(dataNodes, { isOn: true, reason: 'it was set by hand', reportedBlocks: 4, totalBlocks: 4 });
  t.is((await cluster({ probe, startLimitMs: 500 }).up({})).length, 3);
});

test('an interrupted up stops what it had started', async (t) => {
  const { cluster } = await fixture(t, 2, { safeModeMs: 60_000 });
  const interrupt = new AbortController();
  const up = cluster().up({
    signal: interrupt.signal,
    onProgress: (step) => {
      if (step.startsWith('starting dn2')) interrupt.abort();
    },
  });
  await t.throwsAsync(up, { name: 'CancelledError' });
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['stopped', 'stopped', 'stopped']);
});

test('up N starts the first N of the configured data nodes, and more than those on further ports, which are remembered', async (t) => {
  const { cluster, dataNodes } = await fixture(t);
  t.deepEqual((await cluster().up({ count: 1 })).map(({ name }) => name), ['nn', 'dn1']);
  const nodes = await cluster().up({ count: 3 });
  t.deepEqual(nodes.map(({ name }) => name), ['nn', 'dn1', 'dn2', 'dn3']);
  t.true(Number(portOf(nodes[3]!.address)) > Number(portOf(dataNodes[1]!)));
  await cluster().down({});
  t.deepEqual((await cluster().up({})).map(({ address }) => address), nodes.map(({ address }) => address));
  await t.throwsAsync(cluster().up({ count: 0 }), { name: 'InvalidArgumentError' });
});

test('an added node gets the next name and port, and comes up again with the cluster', async (t) => {
  const { cluster } = await fixture(t);
  await t.throwsAsync(cluster().add({}), { name: 'UnavailableError' });
  await cluster().up({});
  const added = await cluster().add({});
  t.deepEqual([added.name, added.state, added.wasStarted], ['dn3', 'running', true]);
  t.deepEqual((await cluster().status()).map(({ name }) => name), ['nn', 'dn1', 'dn2', 'dn3']);
  await cluster().down({});
  t.deepEqual((await cluster().up({})).map(({ name, address }) => [name, address]).at(-1), ['dn3', added.address]);
});

test('an added node that does not come up is not remembered', async (t) => {
  const { cluster, dataNodes, configure } = await fixture(t);
  await cluster().up({});
  const next = Number(portOf(dataNodes[1]!)) + 1;
  await configure({ faults: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [next + index, 'crash'])) });
  await t.throwsAsync(cluster().add({}), { name: 'InputOutputError', message: /^dn3 / });
  t.deepEqual((await cluster().status()).map(({ name, state }) => [name, state]), [['nn', 'running'], ['dn1', 'running'], ['dn2', 'running']]);
});

test('kill ends a node at once, stop in good order, start brings it back on its folder', async (t) => {
  const { cluster, starts } = await fixture(t);
  const nodes = await cluster().up({});
  const killed = await cluster().kill('dn2');
  t.deepEqual([killed.name, killed.pid, killed.state], ['dn2', nodes[2]!.pid, 'stopped']);
  t.false(await isAlive(nodes[2]!.pid));
  t.notRegex(await readFile(nodes[2]!.logFile, 'utf8'), /SIGTERM/);
  await t.throwsAsync(cluster().kill('dn2'), { name: 'InvalidArgumentError', message: 'dn2 is not running' });

  const started = await cluster().start('dn2');
  t.deepEqual([started.name, started.address, started.wasStarted], ['dn2', nodes[2]!.address, true]);
  const same = await cluster().start('dn2');
  t.deepEqual([same.pid, same.wasStarted], [started.pid, undefined]);
  t.is((await starts()).length, 4);

  await cluster().stop('nn');
  t.false(await isAlive(nodes[0]!.pid));
  t.regex(await readFile(nodes[0]!.logFile, 'utf8'), /SIGTERM/);
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['stopped', 'running', 'running']);
  await cluster().stop('dn1');
  await t.throwsAsync(cluster().start('dn1'), { name: 'UnavailableError' });
  t.is((await cluster().start('nn')).name, 'nn');
  await t.throwsAsync(cluster().stop('dn9'), { name: 'InvalidArgumentError', message: 'there is no node "dn9"; there are nn, dn1, dn2' });
});

test('a node that does not heed SIGTERM is killed when its time is up, and down says so', async (t) => {
  const { cluster, dataNodes, configure } = await fixture(t, 1);
  await configure({ faults: { [portOf(dataNodes[0]!)]: 'deaf' } });
  const nodes = await cluster().up({});
  const steps: string[] = [];
  await cluster({ stopLimitMs: 200 }).down({ onProgress: (step) => steps.push(step) });
  t.true(steps.includes('dn1 did not end within 0.2 s and was killed'), steps.join('\n'));
  for (const { pid } of nodes) t.false(await isAlive(pid));
});

test('a process that has got the number of one of ours is left alone', async (t) => {
  const { cluster, stateFile } = await fixture(t, 1);
  const nodes = await cluster().up({});
  await cluster().down({});
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  t.teardown(() => void stranger.kill('SIGKILL'));
  const content = JSON.parse(await readFile(stateFile, 'utf8')) as { processes: object[] };
  content.processes = nodes.map(({ address }) => ({ address, pid: stranger.pid, startedAt: 'another boot 12345' }));
  await writeFile(stateFile, JSON.stringify(content));
  t.deepEqual((await cluster().status()).map(({ state, pid }) => [state, pid]), [['stopped', undefined], ['stopped', undefined]]);
  t.deepEqual(await cluster().down({}), []);
  t.true(await isAlive(stranger.pid));
  t.deepEqual((await cluster().up({})).map(({ wasStarted }) => wasStarted), [true, true]);
  t.true(await isAlive(stranger.pid));
});

test('a node that somebody runs by hand counts as running, and is not ours to end', async (t) => {
  const { cluster, dataNodes, configFile, dataDirectory, nameNode, starts } = await fixture(t);
  await cluster().up({ count: 1 });
  const byHand = spawn(process.execPath, [entry, 'datanode', portOf(dataNodes[1]!), '--config', configFile, '--data-dir', dataDirectory, '--name-node', nameNode], { stdio: 'ignore' });
  t.teardown(() => void byHand.kill('SIGKILL'));
  await eventually(async () => (await cluster().status())[2]!.state === 'running');
  t.is((await cluster().status())[2]!.pid, undefined);
  const nodes = await cluster().up({});
  t.deepEqual(nodes.map(({ name, pid, wasStarted }) => [name, pid !== undefined, wasStarted]), [['nn', true, undefined], ['dn1', true, undefined], ['dn2', false, undefined]]);
  t.is((await starts()).length, 3);
  await t.throwsAsync(cluster().kill('dn2'), { name: 'InvalidArgumentError', message: /not started from here/ });
  t.deepEqual((await cluster().down({})).map(({ name }) => name).sort(), ['dn1', 'nn']);
  t.true(await isAlive(byHand.pid));
});

test('a state file of another format is refused naming both, one that is no JSON is not guessed at, and neither is changed', async (t) => {
  const { cluster, stateFile } = await fixture(t, 1);
  await cluster().up({});
  await cluster().down({});
  const good = await readFile(stateFile, 'utf8');
  for (const [content, name, message] of [
    [good.replace('"version": 1', '"version": 9'), 'VersionMismatchError', /dfsh-cluster 9.*dfsh-cluster 1/],
    ['{"magic": "dfsh-clu', 'StorageDamagedError', /not readable/],
    ['[]', 'StorageDamagedError', /not readable/],
  ] as const) {
    await writeFile(stateFile, content);
    await t.throwsAsync(cluster().up({}), { name, message });
    t.is(await readFile(stateFile, 'utf8'), content);
  }
  await writeFile(stateFile, good);
});

test('where the state file cannot be written nothing is started that could not be found again, and what runs can be stopped', async (t) => {
  const { cluster, stateFile, nameNode } = await fixture(t, 1);
  await mkdir(`${stateFile}.new`, { recursive: true });
  await t.throwsAsync(cluster().up({}), { name: 'InputOutputError', message: new RegExp(`^writing ${stateFile}: EISDIR`) });
  t.true(await isPortFree({ host: '127.0.0.1', port: Number(portOf(nameNode)) }), 'the name node that was started is stopped again');

  await rm(`${stateFile}.new`, { recursive: true });
  const nodes = await cluster().up({});
  await mkdir(`${stateFile}.new`);
  t.is((await cluster().kill('dn1')).state, 'stopped');
  t.is((await cluster().start('dn1').catch((error: Error) => error.name)), 'InputOutputError');
  t.deepEqual((await cluster().down({})).map(({ name }) => name), ['nn']);
  for (const node of nodes) t.false(await isAlive(node.pid));
  t.deepEqual((await cluster().status()).map(({ state }) => state), ['stopped', 'stopped']);
});

test('log gives the last lines, and following it those that come', async (t) => {
  const { cluster, dataNodes } = await fixture(t, 1);
  t.deepEqual(await cluster().log('dn1', { lineCount: 5 }), []);
  await cluster().up({});
  t.deepEqual(await cluster().log('dn1', { lineCount: 5 }), [`datanode ${portOf(dataNodes[0]!)} begins`]);
  t.deepEqual(await cluster().log('dn1', { lineCount: 0 }), []);
  const { logFile } = (await cluster().status())[1]!;
  const stop = new AbortController();
  const lines: string[] = [];
  const following = (async () => {
    for await (const line of cluster().followLog('dn1', { signal: stop.signal })) lines.push(line);
  })();
  let number = 0;
  await eventually(async () => {
    await appendFile(logFile, `line ${number++}\nhalf of`);
    await appendFile(logFile, ' the next\n');
    return lines.length >= 4;
  });
  stop.abort();
  await following;
  const first = Number(lines.find((line) => line.startsWith('line'))!.slice(5));
  t.deepEqual(lines.filter((line) => line.startsWith('line')).slice(0, 2), [`line ${first}`, `line ${first + 1}`]);
  t.true(lines.every((line) => /^line \d+$|^half of the next$/.test(line)), lines.join('|'));
});
