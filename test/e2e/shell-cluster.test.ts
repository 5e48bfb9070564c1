import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { program, quickVerdicts, RealCluster } from '../helpers/real-cluster.js';
import { TerminalSession } from '../helpers/terminal.js';

// The shell as a person uses it: the real program in a real terminal, on a cluster of real processes.

/** Who started the cluster may do everything in it. */
const user = userInfo().username;
const prompt = `dfs:/user/${user}>`;
const wipeScrollback = '\u001b[3J';

function openShell(t: ExecutionContext, cluster: RealCluster, args: string[] = []): TerminalSession {
  const terminal = new TerminalSession({ args: [program, ...args], cwd: join(cluster.folder, 'work'), env: cluster.environment });
  t.teardown(() => terminal.close());
  return terminal;
}

const isReady = (terminal: TerminalSession) => terminal.screen()[terminal.cursor.y] === prompt;
const ready = (terminal: TerminalSession) => terminal.waitFor(() => isReady(terminal), 'prompt', 60_000);

/** Runs a line and waits for the next prompt. */
async function run(terminal: TerminalSession, line: string): Promise<void> {
  await ready(terminal);
  terminal.type(line);
  await terminal.waitFor(() => terminal.screen()[terminal.cursor.y]?.startsWith(`${prompt} ${line}`) ?? false, `typed ${line}`);
  const before = terminal.everything().filter((row) => row === `${prompt} ${line}`).length;
  terminal.write('\r');
  await terminal.waitFor(() => isReady(terminal) && terminal.everything().filter((row) => row === `${prompt} ${line}`).length >= before, `end of ${line}`, 60_000);
}

/** A file of `mebibytes` that takes no room here, but whose blocks differ. */
function bigFile(cluster: RealCluster, name: string, mebibytes: number): string {
  const path = cluster.localPath(name);
  const descriptor = openSync(path, 'w');
  ftruncateSync(descriptor, mebibytes * 1024 ** 2);
  for (let at = 0; at < mebibytes; at++) writeSync(descriptor, `mebibyte ${at}`, at * 1024 ** 2);
  closeSync(descriptor);
  return path;
}

test.serial('a shell without a cluster starts one, connects by itself, and moves files whose names have spaces', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  writeFileSync(cluster.localPath('my notes.txt'), 'first line\nlast line');
  const terminal = openShell(t, cluster);
  await terminal.waitForText(`No name node answers at ${cluster.config.nameNode}. To start a local cluster type: cluster up`, 60_000);
  terminal.type('cluster up\r');
  await terminal.waitForText(/^HEALTHY {2}3\/3 live/, 60_000);
  await terminal.waitForText(/^ ● dn1 .*● dn2 /);
  await run(terminal, `mkdir -p '/user/${user}/some data'`);

  terminal.type('put my\t');
  await terminal.waitForText(`${prompt} put 'my notes.txt'`);
  terminal.type(`/user/${user}/so\t`);
  await terminal.waitForText(`${prompt} put 'my notes.txt' '/user/${user}/some data/'`);
  terminal.write('\r');
  await terminal.waitForText(new RegExp(`^✓ put my notes\\.txt → /user/${user}/some data/my notes\\.txt   20 B  .*1 block ×3$`), 60_000);

  terminal.type("cd 'some data'\r");
  await terminal.waitForText(`dfs:/user/${user}/some data>`);
  terminal.type("cat 'my no\t\r");
  // No newline at the end of the file: a sign says so, and the prompt has its own row.
  await terminal.waitForText(/^last line⏎$/, 60_000);
  t.true(terminal.everything().includes('first line'));
});

test.serial('a put shows what is durable, Ctrl-C leaves nothing of it, and the shell goes on', async (t) => {
  const cluster = await RealCluster.create({ settings: { block_size: '4m' } });
  t.teardown(() => cluster.destroy());
  bigFile(cluster, 'big.bin', 600);
  const terminal = openShell(t, cluster);
  await terminal.waitForText(/^HEALTHY {2}3\/3 live/, 60_000);
  terminal.type('put big.bin /big.bin\r');
  await terminal.waitForText(/^PUT big\.bin → \/big\.bin +block \d+\/150 · dn\d → dn\d → dn\d$/, 60_000);
  await terminal.waitForText(/^ sent {2}[█▏▎▍▌▋▊▉░]+ \d+% +[\d.]+ MiB \/ 600 MiB/);
  await terminal.waitForText(/^ repl {2}[█▏▎▍▌▋▊▉░]+ \d+% +[1-9]\d*\/450 replicas/, 60_000);
  terminal.write('\u0003');
  await terminal.waitForText(/put cancelled big\.bin → \/big\.bin/, 60_000);
  await ready(terminal);
  terminal.type('ls /\r');
  await ready(terminal);
  t.false(terminal.everything().some((line) => /^-rw.* \/big\.bin/.test(line)), terminal.dump());
  // The blocks that were written go, from the disks too.
  await cluster.until(({ blocks, fileCount }) => blocks.total === 0 && blocks.pendingDeletion === 0 && fileCount === 0);
  terminal.type('echo\u0015put - /typed\r');
  await terminal.waitForText(/^input>/, 60_000);
  terminal.type('typed here\r');
  await terminal.waitForText(/^typed here$/);
  terminal.write('\u0004');
  await terminal.waitForText(/✓ put - → \/typed/, 60_000);
  t.is((await cluster.exec('cat /typed')).stdout, 'typed here\n');
  t.false(terminal.raw.includes(wipeScrollback));
});

test.serial('the death of a node is told, its repair is shown, and its return too', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 4, settings: { ...quickVerdicts, block_size: '1m' } });
  t.teardown(() => cluster.destroy());
  bigFile(cluster, 'data.bin', 60);
  const terminal = openShell(t, cluster);
  await terminal.waitForText(/^HEALTHY {2}4\/4 live/, 60_000);
  terminal.type('put data.bin /data.bin\r');
  await terminal.waitForText(/^✓ put data\.bin → \/data\.bin {3}60\.0 MiB .* 60 blocks ×3$/, 60_000);
  await ready(terminal);
  terminal.type('node kill d\t');
  await terminal.waitForText(/Tab next/, 60_000);
  terminal.write('\t\t');
  await terminal.waitForText(`${prompt} node kill dn2`);
  terminal.write('\r\r');
  await terminal.waitForText(/^\d\d:\d\d:\d\d ERROR dn2 DEAD, \d+ blocks under-replicated, 0 missing/, 60_000);
  await terminal.waitForText(/✗ dn2 DEAD 0:\d\d/, 60_000);
  await terminal.waitForText(/^DEGRADED 3\/4 live · 0 under-replicated · 0 missing$/, 60_000);
  // How long the bar of the repair stands depends on the machine; that it was told does not (its picture: shell-screen.test.ts).
  await terminal.waitFor(() => terminal.everything().some((line) => /re-replication finished: \d+ blocks/.test(line)), 'the end of the repair in scrollback', 60_000);
  terminal.type('node start dn2\r');
  await terminal.waitForText(/^HEALTHY {2}4\/4 live/, 60_000);
  await ready(terminal);
  terminal.type('get /data.bin back.bin\r');
  await terminal.waitForText(/^✓ get \/data\.bin → .*back\.bin/, 60_000);
  t.true(readFileSync(cluster.localPath('back.bin')).equals(readFileSync(cluster.localPath('data.bin'))));
});

test.serial('the name node goes and comes back: the shell says so and goes on', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 1 });
  t.teardown(() => cluster.destroy());
  const terminal = openShell(t, cluster);
  await terminal.waitForText(/^HEALTHY {2}1\/1 live/, 60_000);
  terminal.type('node kill nn\r');
  await terminal.waitForText(new RegExp(`^\\d\\d:\\d\\d:\\d\\d ERROR name node ${cluster.config.nameNode} does not answer; retrying$`), 60_000);
  await terminal.waitForText(/^✗ name node .* does not answer; retrying$/);
  await ready(terminal);
  terminal.type('cluster up\r');
  await terminal.waitForText(new RegExp(`INFO {2}name node ${cluster.config.nameNode} answers$`), 60_000);
  await terminal.waitForText(/^HEALTHY {2}1\/1 live/, 60_000);
  t.is(terminal.everything().filter((line) => line.includes('does not answer; retrying')).length, 1, 'told once');
});

test.serial('a resize in the real shell, and an end that leaves the terminal as it was', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 1 });
  t.teardown(() => cluster.destroy());
  mkdirSync(cluster.localPath('sub'));
  const terminal = openShell(t, cluster);
  await terminal.waitForText(/^HEALTHY {2}1\/1 live/, 60_000);
  for (const [columns, rows, panel] of [[60, 30, /^HEALTHY 1\/1$/], [120, 20, /^HEALTHY {2}1\/1 live/], [100, 30, /^HEALTHY {2}1\/1 live/]] as const) {
    terminal.resize(columns, rows);
    const count = (part: RegExp | string) => terminal.screen().filter((line) => (typeof part === 'string' ? line.startsWith(part) : part.test(line))).length;
    await terminal.waitFor(() => count(panel) === 1 && count(prompt) === 1 && isReady(terminal), `one panel and one prompt at ${columns}x${rows}`);
  }
  await run(terminal, 'lls');
  t.true(terminal.everything().some((line) => line.endsWith('sub')), terminal.dump());
  await run(terminal, 'history');
  t.true(terminal.everything().some((line) => /^ +1 {2}lls$/.test(line)), terminal.dump());
  terminal.type('exit\r');
  t.is((await terminal.waitForExit()).exitCode, 0);
  t.true(terminal.isCursorShown);
  t.false(terminal.isBracketedPaste);
  t.false(terminal.raw.includes(wipeScrollback));
  t.regex(readFileSync(join(cluster.folder, 'home', 'history'), 'utf8'), /^#dfsh history 1\n\d+ lls\n\d+ history\n\d+ exit\n$/);
});

test.serial('two shells at once: a line typed in one is in the history of the other', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 1 });
  t.teardown(() => cluster.destroy());
  const [one, two] = [openShell(t, cluster), openShell(t, cluster, ['--plain'])];
  await one.waitForText(/^HEALTHY {2}1\/1 live/, 60_000);
  await two.waitForText(prompt, 60_000);
  two.type('mkdir -p /from/plain\r');
  await two.waitFor(() => two.screen()[two.cursor.y] === prompt && two.screen().includes(`${prompt} mkdir -p /from/plain`), 'prompt of the plain shell', 60_000);
  await run(one, 'pwd');
  one.write('\u001b[A\u001b[A');
  await one.waitFor(() => one.screen()[one.cursor.y] === `${prompt} mkdir -p /from/plain`, 'line of the other shell');
  two.write('\u0004');
  t.is((await two.waitForExit()).exitCode, 0);
});
