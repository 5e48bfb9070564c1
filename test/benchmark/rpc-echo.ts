import { type ChildProcess, fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Type } from '@sinclair/typebox';
import { systemClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import type { Identity } from '../../source/protocol/hello.js';
import { query } from '../../source/protocol/method.js';
import { listen } from '../../source/transport/listen.js';
import { createRpcCaller } from '../../source/transport/rpc-client.js';

/**
 * Calls a second from one process to another, with 1 to 256 outstanding: on the pipelined stream, over HTTP keep-alive, and in HTTP
 * batches of 100. Server CPU a call beside it. Run: node dist/test/benchmark/rpc-echo.js [seconds a figure]
 */
const echo = { 'fs.echo': query('Echo', Type.Object({ path: Type.String({ minLength: 1, maxLength: 8000 }), permission: Type.Integer({ minimum: 0, maximum: 0o1777 }), createParents: Type.Boolean() }, { additionalProperties: false }), Type.Boolean()) };
const identity = (role: Identity['role']): Identity => ({ clusterId: null, role, user: 'bench', clientId: 'bench' });
const params = { path: '/user/alice/a-directory/another-directory/a-file-of-ordinary-name.txt', permission: 0o755, createParents: true };

if (process.send) await serve();
else await main();

async function serve(): Promise<void> {
  const services = [{ protocol: echo, handlers: { 'fs.echo': () => Promise.resolve(true) }, allowedRoles: ['client' as const] }];
  const listener = await listen({ host: '127.0.0.1', port: 0, identity: identity('namenode'), services, title: 'benchmark', clock: systemClock, logger: silentLogger });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send!(user + system);
  });
  // The parent is gone, in whatever way.
  process.on('disconnect', () => process.exit());
  process.send!(listener.address);
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 2);
  const child = fork(fileURLToPath(import.meta.url));
  const address = (await message(child)) as string;
  const caller = createRpcCaller<typeof echo>({ address, identity: identity('client'), clock: systemClock });
  const stream = async () => {
    if (!(await caller.call('fs.echo', params))) throw new Error('wrong answer');
    return 1;
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 256, noDelay: true } as never);
  const single = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'fs.echo', params });
  const batch = `[${Array.from({ length: 100 }, () => single).join(',')}]`;
  const rows: [string, number, () => Promise<number>][] = [1, 16, 64, 256].map((outstanding) => ['stream', outstanding, stream]);
  for (const outstanding of [1, 16, 64]) rows.push(['HTTP', outstanding, async () => (await post(address, agent, single), 1)]);
  rows.push(['HTTP, batches of 100', 4, async () => (await post(address, agent, batch), 100)]);
  for (const [name, outstanding, once] of rows) {
    await run(once, outstanding, 0.5);
    child.send('cpu');
    const cpuBefore = (await message(child)) as number;
    const ownBefore = process.cpuUsage();
    const { calls, elapsedSeconds } = await run(once, outstanding, seconds);
    const own = process.cpuUsage(ownBefore);
    child.send('cpu');
    const serverMicros = ((await message(child)) as number) - cpuBefore;
    console.log(
      `${name.padEnd(21)} ${String(outstanding).padStart(3)} outstanding  ${(calls / elapsedSeconds / 1000).toFixed(1).padStart(6)}k calls/s   CPU us a call: server ${(serverMicros / calls).toFixed(1)}, client ${((own.user + own.system) / calls).toFixed(1)}`,
    );
  }
  caller.close();
  agent.destroy();
  child.kill();
}

async function run(once: () => Promise<number>, outstanding: number, seconds: number): Promise<{ calls: number; elapsedSeconds: number }> {
  const beganMs = performance.now();
  const endMs = beganMs + seconds * 1000;
  let calls = 0;
  const worker = async () => {
    while (performance.now() < endMs) {
      const done = await once();
      calls += done;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, worker));
  return { calls, elapsedSeconds: (performance.now() - beganMs) / 1000 };
}

function post(address: string, agent: Agent, body: string): Promise<void> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, path: '/rpc', method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`HTTP ${response.statusCode}`))));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('message', resolve));
}
