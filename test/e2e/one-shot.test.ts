import { execFile, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { freePorts } from '../helpers/free-ports.js';
import { program, RealCluster } from '../helpers/real-cluster.js';

const source = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'source');
const heavy = /node_modules\/(?:ink|react|react-reconciler|yoga-layout|chalk|conf|ajv|prom-client|lmdb|@sinclair)\//;

test('a one-shot command loads neither ink nor react, conf, ajv, TypeBox nor a server\'s parts', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  writeFileSync(cluster.localPath('a.txt'), 'hello\n');
  // Every module that is loaded, as the program's parts before they are bundled.
  const list = cluster.localPath('loaded');
  const hooks = `import { appendFileSync } from 'node:fs';
    export async function load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context); }`;
  const register = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));`;
  writeFileSync(cluster.localPath('register.mjs'), register);
  const run = (line: string) =>
    promisify(execFile)(process.execPath, ['--import', cluster.localPath('register.mjs'), join(source, 'cli.js'), '--exec', line], { cwd: join(cluster.folder, 'work'), env: cluster.environment });
  await run('put a.txt /a');
  t.is((await run('ls -C /; cat /a')).stdout, '/a\nhello\n');
  const loaded = readFileSync(list, 'utf8').split('\n');
  t.true(loaded.some((url) => url.endsWith('/commands/put.js')) && loaded.some((url) => /node_modules\/jayson\//.test(url)), 'the list shows what is loaded');
  t.deepEqual(loaded.filter((url) => heavy.test(url) || /\/source\/(?:shell|namenode|datanode)\//.test(url)), []);
  t.false(loaded.includes('node:http'));
});

test('without a name node a command exits with 2 and says what to type, which then works', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  const refused = await cluster.exec('ls /');
  t.is(refused.code, 2);
  t.is(refused.stdout, '');
  t.regex(refused.stderr, /^ls: .*127\.0\.0\.1:\d+.*dfsh --exec "cluster up"\n$/);
  const up = await cluster.exec('cluster up');
  t.is(up.code, 0, up.stderr);
  t.is((await cluster.exec('ls /')).code, 0);
});

test('several commands stop at the first failure unless told otherwise, and the exit code says so', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  const stopped = await cluster.exec('ls /none', 'mkdir /a');
  t.deepEqual([stopped.code, stopped.stderr], [1, "ls: `/none': No such file or directory\n"]);
  t.is((await cluster.exec('test -d /a')).code, 1);
  t.is((await cluster.run(['-k', '--exec', 'ls /none', '--exec', 'mkdir /a'])).code, 0);
  t.is((await cluster.exec('test -d /a && mkdir /a/b; ls -C /')).stdout, '/a\n');
  t.is((await cluster.exec('test -d /a/b')).code, 0);
  t.is((await cluster.exec('test -d /none && mkdir /never')).code, 1);
  const unknown = await cluster.exec('frobnicate');
  t.deepEqual([unknown.code, unknown.stderr.split('\n')[0]], [255, 'frobnicate: Unknown command']);
});

test('what a full disk did not take of the output is an error, in one line', (t) => {
  if (!existsSync('/dev/full')) return t.pass('only Linux has a full device');
  const full = openSync('/dev/full', 'w');
  t.teardown(() => closeSync(full));
  const { status, stderr } = spawnSync(process.execPath, [program, '--exec', 'help'], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
  t.is(status, 1);
  t.regex(stderr, /^dfsh: standard output: ENOSPC[^\n]*\n$/);
});

test('standard input is left alone by commands that do not read it: a pipe that scripts share with it stays as it is', (t) => {
  const touched = 'data:text/javascript,' + encodeURIComponent("Object.defineProperty(process, 'stdin', { get() { process._rawDebug('touched'); return undefined; } });");
  const { status, stderr } = spawnSync(process.execPath, ['--import', touched, program, '--exec', 'help ls'], { encoding: 'utf8', input: 'x' });
  t.is(status, 0);
  t.is(stderr, '');
});

test('a word that is no subcommand is refused, also one that every object has (fault 58)', (t) => {
  for (const word of ['frobnicate', 'constructor', '__proto__']) {
    const { status, stderr } = spawnSync(process.execPath, [program, word], { encoding: 'utf8' });
    t.is(status, 255);
    t.true(stderr.startsWith(`dfsh: unknown subcommand '${word}'`), stderr);
  }
});

test('a script on stdin runs line by line with comments, and says where it stopped', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  const good = await cluster.run([], '# a comment\nmkdir /s\n\nhdfs dfs -mkdir /s/t\nls -C /s\n');
  t.deepEqual(good, { code: 0, stdout: '/s/t\n', stderr: '' });
  const bad = await cluster.run([], 'cat /none\nmkdir /never\n');
  t.is(bad.code, 1);
  t.is(bad.stderr, "cat: `/none': No such file or directory\ndfsh: stopped at line 1: cat /none\n");
  t.is((await cluster.exec('test -e /never')).code, 1);
});

test('a script with bytes that are no UTF-8 stops at their line, and no name is made up from them', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  const script = Buffer.concat([Buffer.from('mkdir /größe /\u2028line\nmkdir /a'), Buffer.from([0xff]), Buffer.from('b\nmkdir /never\n')]);
  const answer = spawnSync(process.execPath, [program, '--config', cluster.configFile, '--name-node', cluster.config.nameNode], { input: script, encoding: 'utf8' });
  t.is(answer.status, 255);
  t.is(answer.stderr, 'dfsh: line 2 of the script is not UTF-8: "mkdir /a\u00ffb"\n'.replace('\\u00ff', 'ÿ'));
  t.is((await cluster.exec('ls -C /')).stdout, '/\\u2028line\n/größe\n');
});

test('an address that others can reach is refused with the reason, by each way in', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  writeFileSync(cluster.configFile, JSON.stringify({ name_node: '0.0.0.0:9870', data_nodes: ['127.0.0.1:1'], replication_factor: 1 }));
  for (const args of [['namenode'], ['datanode', '9864'], ['--exec', 'ls /']]) {
    const answer = await cluster.run(args);
    t.is(answer.code, 255, args.join(' '));
    t.regex(answer.stderr, /"name_node" is "0\.0\.0\.0:9870".*no authentication yet/);
  }
});

test('a node on a taken port, or on an unformatted directory, ends with one clear line', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  const port = cluster.config.nameNode.split(':')[1]!;
  const [other] = await freePorts(1);
  const taken = await cluster.run(['datanode', port, '--data-dir', cluster.localPath('other')]);
  t.not(taken.code, 0);
  t.regex(taken.stderr.trimEnd().split('\n').at(-1)!, new RegExp(`${port}`));
  const unformatted = await cluster.run(['namenode', '--name-node', `127.0.0.1:${other}`, '--data-dir', cluster.localPath('empty')]);
  t.not(unformatted.code, 0);
  t.regex(unformatted.stderr, /not formatted.*--format/);
  const locked = await cluster.run(['namenode', '--name-node', `127.0.0.1:${other}`]);
  t.not(locked.code, 0);
  t.regex(locked.stderr, /namenode/);
});
