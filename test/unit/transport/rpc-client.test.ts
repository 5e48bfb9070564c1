import { execFile } from 'node:child_process';
import { type Server, type Socket, createServer } from 'node:net';
import test from 'ava';
import { ManualClock, systemClock } from '../../../source/base/clock.js';
import { ClusterMismatchError, InputOutputError, OutcomeUnknownError, UnavailableError, VersionMismatchError } from '../../../source/protocol/errors.js';
import { helloOf } from '../../../source/protocol/hello.js';
import { createRpcCaller } from '../../../source/transport/rpc-client.js';
import { turns } from '../../helpers/block-channel-contract.js';
import { type EchoProtocol, startEchoNode, testIdentity, until } from '../../helpers/echo-node.js';

const serverHello = `${JSON.stringify(helloOf(testIdentity({ role: 'namenode', clusterId: 'C1' })))}\n`;

/** A peer of the test's own making; `onData` gets each chunk as it came. */
async function fakeNode(onData: (socket: Socket, chunk: string) => void): Promise<{ server: Server; address: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => onData(socket, chunk.toString()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as { port: number }).port}`, sockets };
}

function newCaller(address: string, clusterId: string | null = null) {
  return createRpcCaller<EchoProtocol>({ address, identity: testIdentity({ clusterId }), clock: systemClock });
}

test('where nothing listens, a call certainly did not happen', async (t) => {
  const { listener } = await startEchoNode();
  await listener.close();
  const error = await t.throwsAsync(newCaller(listener.address).call('echo.nothing', {}), { instanceOf: UnavailableError });
  t.is(error!.message, `nothing answers at ${listener.address} (connection refused)`);
});

test('a connection that is not accepted in time certainly carried nothing', async (t) => {
  const clock = new ManualClock();
  const { server, address } = await fakeNode(() => {});
  const caller = createRpcCaller<EchoProtocol>({ address, identity: testIdentity(), clock, connectTimeoutMs: 1000 });
  const call = caller.call('echo.nothing', {});
  clock.advance(1000);
  await t.throwsAsync(call, { instanceOf: UnavailableError, message: /no connection within 1000 ms/ });
  server.close();
});

test('hello and the first calls leave in one write, and later calls of one turn too', async (t) => {
  const chunks: string[] = [];
  const { server, address } = await fakeNode((socket, chunk) => {
    chunks.push(chunk);
    if (chunks.length === 1) socket.write(serverHello);
    for (const line of chunk.split('\n')) {
      const { id } = JSON.parse(line || '{}') as { id?: number };
      if (id !== undefined) socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: null })}\n`);
    }
  });
  const caller = newCaller(address);
  await Promise.all([caller.call('echo.nothing', {}), caller.call('echo.nothing', {})]);
  await Promise.all([caller.call('echo.nothing', {}), Promise.resolve().then(() => caller.call('echo.nothing', {}))]);
  t.is(chunks.length, 2);
  t.deepEqual(chunks.map((chunk) => chunk.split('\n').length - 1), [3, 2]);
  t.is((JSON.parse(chunks[0]!.split('\n')[0]!) as { user: string }).user, 'alice');
  caller.close();
  server.close();
});

test('a stream that breaks after a call was sent leaves its outcome unknown; the next call opens another', async (t) => {
  let connections = 0;
  const { server, address } = await fakeNode((socket, chunk) => {
    if (++connections === 1) return socket.destroy();
    const { id } = JSON.parse(chunk.split('\n')[1]!) as { id: number };
    socket.write(`${serverHello}{"result":null,"id":${id},"jsonrpc":"2.0"}\n`);
  });
  const caller = newCaller(address);
  await t.throwsAsync(caller.call('echo.nothing', {}), { instanceOf: OutcomeUnknownError });
  t.is(await caller.call('echo.nothing', {}), null);
  t.is(connections, 2);
  caller.close();
  server.close();
});

test('a call that had not left when the stream was closed certainly did not happen', async (t) => {
  const { listener, handlers } = await startEchoNode();
  const caller = newCaller(listener.address);
  await caller.call('echo.nothing', {});
  const call = caller.call('echo.say', { text: 'x' });
  caller.close();
  await t.throwsAsync(call, { instanceOf: UnavailableError, message: /before the call was sent/ });
  await listener.close();
  t.deepEqual(handlers.seen, []);
});

test('a node restarted on the same port is found again by the next call', async (t) => {
  const { listener } = await startEchoNode();
  const caller = newCaller(listener.address);
  t.is(await caller.call('echo.nothing', {}), null);
  await listener.close();
  await turns();
  await t.throwsAsync(caller.call('echo.nothing', {}), { instanceOf: UnavailableError });
  const again = await startEchoNode({ port: listener.port });
  t.is(await caller.call('echo.nothing', {}), null);
  caller.close();
  await again.listener.close();
});

test('another cluster or version is refused on either side, as its class', async (t) => {
  const { listener, handlers } = await startEchoNode({ identity: testIdentity({ role: 'namenode', clusterId: 'C1' }) });
  await t.throwsAsync(newCaller(listener.address, 'C2').call('echo.say', { text: 'x' }), { instanceOf: ClusterMismatchError, message: /C2.*C1/ });
  t.deepEqual(handlers.seen, []);
  t.is((await newCaller(listener.address, 'C1').call('echo.say', { text: 'x' })).text, 'x');
  await listener.close();
  const newer = await fakeNode((socket) => socket.write(`${JSON.stringify({ ...helloOf(testIdentity()), version: 7 })}\n`));
  await t.throwsAsync(newCaller(newer.address).call('echo.nothing', {}), { instanceOf: VersionMismatchError, message: /version 7.*version 2/ });
  newer.server.close();
  const other = await fakeNode((socket) => socket.write(serverHello));
  await t.throwsAsync(newCaller(other.address, 'C9').call('echo.nothing', {}), { instanceOf: ClusterMismatchError });
  other.server.close();
});

for (const [what, answer] of [
  ['no dfsh node', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['no JSON-RPC', `${serverHello}[1,2]\n`],
  ['broken JSON under a known id', `${serverHello}{"jsonrpc":"2.0","id":1,"result":\n`],
  ['an error that is none', `${serverHello}{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}\n`],
] as const) {
  test(`a peer that speaks ${what} fails the call clearly`, async (t) => {
    const { server, address } = await fakeNode((socket) => socket.write(answer));
    const caller = newCaller(address);
    const error = await t.throwsAsync(caller.call('echo.nothing', {}));
    t.true(error instanceof InputOutputError || error?.name === 'RpcError', error?.stack);
    caller.close();
    server.close();
  });
}

test('answers in a foreign order of members, to unknown ids and in pieces are understood', async (t) => {
  const { server, address } = await fakeNode((socket) => {
    socket.write(`${serverHello}{"jsonrpc":"2.0","id":99,"result":1}\n{"result":"é`);
    setImmediate(() => socket.write('!","jsonrpc":"2.0","id":1}\n'));
  });
  const caller = newCaller(address);
  t.is((await caller.call('echo.wait', { gate: 'x' })) as string, 'é!');
  caller.close();
  server.close();
});

test('a silent stream is given up when a call has waited long, so that the next call opens another', async (t) => {
  const clock = new ManualClock();
  const { server, address, sockets } = await fakeNode((socket, chunk) => void (sockets.length === 1 && chunk.includes('magic') && socket.write(serverHello)));
  const caller = createRpcCaller<EchoProtocol>({ address, identity: testIdentity(), clock });
  const short = caller.call('echo.nothing', {}, { timeoutMs: 100 });
  await until(() => sockets.length === 1 && sockets[0]!.bytesRead > 0);
  await turns();
  clock.advance(100);
  await t.throwsAsync(short, { instanceOf: OutcomeUnknownError });
  const long = caller.call('echo.nothing', {}, { timeoutMs: 20_000 });
  await turns();
  t.is(sockets.length, 1, 'a short time limit does not condemn the stream');
  clock.advance(20_000);
  await t.throwsAsync(long, { instanceOf: OutcomeUnknownError });
  const next = caller.call('echo.nothing', {});
  await until(() => sockets.length === 2);
  caller.close();
  await t.throwsAsync(next);
  for (const socket of sockets) socket.destroy();
  server.close();
});

test('a waiting call keeps the process alive, an idle connection does not; and neither http nor TypeBox is loaded', async (t) => {
  const { listener } = await startEchoNode();
  const script = `
    const { createRpcCaller } = await import(${JSON.stringify(new URL('../../../source/transport/rpc-client.js', import.meta.url).href)});
    const { systemClock } = await import(${JSON.stringify(new URL('../../../source/base/clock.js', import.meta.url).href)});
    const caller = createRpcCaller({ address: process.argv[1], identity: { clusterId: null, role: 'client', user: 'a', clientId: 'c' }, clock: systemClock });
    console.log(await caller.call('echo.nothing', {}));
    console.log(process.moduleLoadList.filter((name) => / (http|https|_http_server|http2|tls)$/.test(name)).join());
  `;
  t.is(await runNode(script, listener.address), 'null\n\n');
  await listener.close();
});

function runNode(script: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', script, '--', ...args], (error, stdout, stderr) => (error ? reject(new Error(stderr)) : resolve(stdout)));
  });
}
