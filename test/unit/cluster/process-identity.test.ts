import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { Writable } from 'node:stream';
import test from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { describePortOwner, isPortFree } from '../../../source/cluster/port-owner.js';
import { identifyProcess, isRunning, killProcess, signalProcess, startTickOf, stopProcesses } from '../../../source/cluster/process-identity.js';
import { freePorts } from '../../helpers/free-ports.js';

const sleeper = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });

test('a process is the same one as long as it runs, and nobody once it has ended', async (t) => {
  const child = sleeper();
  const identity = (await identifyProcess(child.pid!))!;
  t.deepEqual(await identifyProcess(child.pid!), identity);
  t.true(await isRunning(identity));
  await killProcess(identity, systemClock);
  t.false(await isRunning(identity));
  t.is(await identifyProcess(child.pid!), undefined);
});

test('a signal for a process that has ended does not reach the one that has its number now', async (t) => {
  const child = sleeper();
  t.teardown(() => void child.kill('SIGKILL'));
  const identity = (await identifyProcess(child.pid!))!;
  const former = { ...identity, startedAt: `${identity.startedAt}1` };
  await signalProcess(former, 'SIGKILL');
  t.deepEqual(await stopProcesses([former], { clock: systemClock, limitMs: 0 }), []);
  t.true(await isRunning(identity));
});

test('an ended process that nobody has waited for counts as ended', async (t) => {
  if (process.platform !== 'linux') return t.pass();
  // The shell replaces itself by a process that never asks for its child's exit code; the child ends when that is there.
  const script = '(read line <&3) & echo $!; exec "$0" -e "console.log(\'up\'); setInterval(() => {}, 1000)"';
  const parent = spawn('/bin/sh', ['-c', script, process.execPath], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
  t.teardown(() => void parent.kill('SIGKILL'));
  let output = '';
  await new Promise<void>((resolve) => parent.stdout!.setEncoding('utf8').on('data', (chunk: string) => (output += chunk).includes('up') && resolve()));
  const pid = Number.parseInt(output, 10);
  t.truthy(await identifyProcess(pid));
  (parent.stdio[3] as Writable).write('go\n');
  while (await identifyProcess(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  t.notThrows(() => process.kill(pid, 0), 'its number is still taken');
});

test('a killed process of which threads are left has not ended: they hold its ports still', (t) => {
  const stat = (state: string, threads: number) => `3986 (a) b) ${state} 3925 3919 22233 0 -1 4227084 1977 0 2 0 2 1 0 0 20 0 ${threads} 0 1946278 0 0 18446744073709551615 0\n`;
  t.is(startTickOf(stat('S', 11)), '1946278');
  t.is(startTickOf(stat('Z', 2)), '1946278');
  t.is(startTickOf(stat('Z', 1)), undefined);
  t.is(startTickOf(stat('X', 0)), undefined);
});

test('the owner of a port is named where the system tells it', async (t) => {
  const [port] = (await freePorts(1)) as [number];
  t.true(await isPortFree({ host: '127.0.0.1', port }));
  t.is(await describePortOwner(port), undefined);
  const child = spawn(process.execPath, ['-e', `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('up'))`, '--', 'marked \u001b[31m'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  t.false(await isPortFree({ host: '127.0.0.1', port }));
  if (process.platform !== 'linux') return;
  const owner = await describePortOwner(port);
  t.true(owner!.startsWith(`process ${child.pid} (${process.execPath}`), owner);
  t.false(owner!.includes('\u001b'));
});

test('a server on the wildcard address takes the port too', async (t) => {
  const [port] = (await freePorts(1)) as [number];
  const server = createServer().listen(port, '0.0.0.0');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => void server.close());
  t.false(await isPortFree({ host: '127.0.0.1', port }));
  if (process.platform === 'linux') t.regex((await describePortOwner(port))!, new RegExp(`^process ${process.pid} `));
});
