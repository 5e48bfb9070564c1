import { createServer } from 'node:net';
import test from 'ava';
import { ManualClock, systemClock } from '../../../source/base/clock.js';
import { silentLogger } from '../../../source/base/log.js';
import { ConfigError, OutcomeUnknownError } from '../../../source/protocol/errors.js';
import { listen } from '../../../source/transport/listen.js';
import { createRpcCaller } from '../../../source/transport/rpc-client.js';
import { turns } from '../../helpers/block-channel-contract.js';
import { type EchoProtocol, startEchoNode, testIdentity, until } from '../../helpers/echo-node.js';
import { RawConnection } from '../../helpers/raw-connection.js';

const options = { identity: testIdentity({ role: 'namenode' }), services: [], title: 'x', clock: systemClock, logger: silentLogger };

for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.org', '128.0.0.1', '::ffff:8.8.8.8']) {
  test(`a host that others can reach is refused: ${host}`, async (t) => {
    const error = await t.throwsAsync(listen({ ...options, host, port: 0 }), { instanceOf: ConfigError });
    t.regex(error!.message, /authentication is not there yet/);
    t.notRegex(error!.message, /\n/);
  });
}

for (const host of ['127.0.0.1', '127.1.2.3', 'localhost']) {
  test(`loopback is served: ${host}`, async (t) => {
    const listener = await listen({ ...options, host, port: 0 });
    t.true(listener.port > 0);
    t.is(listener.address, `${host}:${listener.port}`);
    await listener.close();
  });
}

test('a taken port is said in one line that names it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const error = await t.throwsAsync(listen({ ...options, host: '127.0.0.1', port }), { instanceOf: ConfigError });
  t.regex(error!.message, new RegExp(`^port ${port} of 127\\.0\\.0\\.1 is taken`));
  server.close();
});

test('a connection that begins like nothing known, or ends before it begins, is closed', async (t) => {
  const { listener } = await startEchoNode();
  for (const first of ['\x16\x03\x01', 'hello', '\xdf\x01', ' {}']) {
    const connection = await RawConnection.open(listener.address);
    connection.socket.write(Buffer.from(first, 'latin1'));
    t.is(await connection.rest(), '', JSON.stringify(first));
  }
  const ended = await RawConnection.open(listener.address);
  ended.socket.end();
  t.is(await ended.rest(), '');
  await listener.close();
});

test('a connection that says nothing is closed after its time (fault 62)', async (t) => {
  const clock = new ManualClock();
  const { listener } = await startEchoNode({ clock, limits: { firstByteTimeoutMs: 5000 } });
  const connection = await RawConnection.open(listener.address);
  await turns();
  clock.advance(4999);
  await turns();
  t.false(connection.socket.destroyed);
  clock.advance(1);
  t.is(await connection.rest(), '');
  await listener.close();
});

test('no more connections than allowed are served at a time, and the place of a closed one is free again', async (t) => {
  const { listener } = await startEchoNode({ limits: { maxConnections: 2 }, onBlockChannel: async (channel) => void (await channel.read()) });
  const first = await RawConnection.openRpc(listener.address);
  await first.line();
  const second = await RawConnection.openRpc(listener.address);
  await second.line();
  t.is(await (await RawConnection.openRpc(listener.address)).line(), null);
  second.socket.destroy();
  await second.closed;
  for (;;) {
    const third = await RawConnection.openRpc(listener.address);
    if (await third.line()) break;
  }
  first.socket.destroy();
  t.pass();
  await listener.close();
});

test('close answers the calls in flight, takes no new ones, and frees the port', async (t) => {
  const { listener, handlers } = await startEchoNode();
  const caller = createRpcCaller<EchoProtocol>({ address: listener.address, identity: testIdentity(), clock: systemClock });
  const call = caller.call('echo.wait', { gate: 'last' });
  await until(() => handlers.waitingCount === 1);
  const silent = await RawConnection.open(listener.address);
  const closed = listener.close();
  const late = caller.call('echo.say', { text: 'late' });
  late.catch(() => {});
  handlers.open('last');
  t.is(await call, 'last');
  await closed;
  await t.throwsAsync(late, { instanceOf: OutcomeUnknownError });
  t.deepEqual(handlers.seen, []);
  await silent.closed;
  const again = await listen({ ...options, host: '127.0.0.1', port: listener.port });
  await again.close();
  caller.close();
});

test('close answers an HTTP call in flight too', async (t) => {
  const { listener, handlers } = await startEchoNode();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo.wait', params: { gate: 'last' } });
  const answer = fetch(`http://${listener.address}/rpc`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  await until(() => handlers.waitingCount === 1);
  const closed = listener.close();
  await turns();
  handlers.open('last');
  t.is(((await (await answer).json()) as { result: string }).result, 'last');
  await closed;
});

test('close does not wait forever for a call that never ends', async (t) => {
  const clock = new ManualClock();
  const { listener, handlers } = await startEchoNode({ clock, limits: { closeTimeoutMs: 2000 } });
  const caller = createRpcCaller<EchoProtocol>({ address: listener.address, identity: testIdentity(), clock: systemClock });
  const call = caller.call('echo.wait', { gate: 'never' });
  await until(() => handlers.waitingCount === 1);
  const closed = listener.close();
  clock.advance(2000);
  await t.throwsAsync(call, { instanceOf: OutcomeUnknownError });
  await closed;
  caller.close();
});
