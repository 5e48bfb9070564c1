import test, { type ExecutionContext } from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { protocolVersion } from '../../../source/protocol/hello.js';
import type { ListenOptions } from '../../../source/transport/listen.js';
import { turns } from '../../helpers/block-channel-contract.js';
import { type EchoHandlers, recordingLogger, startEchoNode, testIdentity, until } from '../../helpers/echo-node.js';
import { RawConnection } from '../../helpers/raw-connection.js';

interface Node {
  address: string;
  handlers: EchoHandlers;
  logger: ReturnType<typeof recordingLogger>;
}

function withNode(title: string, body: (t: ExecutionContext, node: Node) => Promise<void>, options: Partial<ListenOptions> = {}): void {
  test(title, async (t) => {
    const logger = recordingLogger();
    const { listener, handlers } = await startEchoNode({ logger, ...options });
    try {
      await body(t, { address: listener.address, handlers, logger });
    } finally {
      await listener.close();
    }
  });
}

const say = (id: unknown, text = 'x') => ({ jsonrpc: '2.0', id, method: 'echo.say', params: { text } });

withNode('hello and calls may come together, byte by byte, and are answered by hello and answers', async (t, { address }) => {
  const connection = await RawConnection.open(address);
  const text = `${JSON.stringify({ magic: 'dfsh', version: protocolVersion, clusterId: null, role: 'client', user: 'bob', clientId: 'c', credential: null })}\r\n\n${JSON.stringify(say(1, 'é'))}\n${JSON.stringify(say('two'))}\n`;
  for (const byte of Buffer.from(text)) {
    connection.socket.write(Buffer.of(byte));
    await turns(1);
  }
  const hello = await connection.line();
  t.deepEqual([hello.magic, hello.version, hello.role], ['dfsh', protocolVersion, 'namenode']);
  t.like(await connection.line(), { jsonrpc: '2.0', id: 1, result: { text: 'é', user: 'bob' } });
  t.like(await connection.line(), { id: 'two' });
});

withNode(
  'another version or cluster is answered with one error line that names both, and nothing is called',
  async (t, { address, handlers, logger }) => {
    const newer = await RawConnection.openRpc(address, { version: 9 });
    newer.send(say(1));
    const refusal = await newer.line();
    t.is(refusal.error.data.name, 'VersionMismatchError');
    t.regex(refusal.error.message, /version 9.*version 2/);
    t.is(await newer.line(), null);
    const other = await RawConnection.openRpc(address, { clusterId: 'C2' });
    const { error } = await other.line();
    t.is(error.data.name, 'ClusterMismatchError');
    t.regex(error.message, /C2.*C1/);
    t.is(await other.line(), null);
    t.deepEqual(handlers.seen, []);
    t.is(logger.lines.filter((line) => line.startsWith('warn refused a JSON-RPC stream')).length, 2);
  },
  { identity: testIdentity({ role: 'namenode', clusterId: 'C1' }) },
);

withNode('a stream that begins without a hello is refused', async (t, { address, handlers }) => {
  for (const first of [JSON.stringify(say(1)), '{not json', '[]', '{"magic":"dfsh"}']) {
    const connection = await RawConnection.open(address);
    connection.send(`${first}\n${JSON.stringify(say(1))}\n`);
    t.truthy((await connection.line()).error, first);
    t.is(await connection.line(), null);
  }
  t.deepEqual(handlers.seen, []);
});

withNode('the role in the hello opens the methods of that role', async (t, { address }) => {
  const connection = await RawConnection.openRpc(address, { role: 'datanode' });
  await connection.line();
  connection.send({ jsonrpc: '2.0', id: 1, method: 'echo.datanode' });
  t.is((await connection.line()).result, 'datanode');
});

withNode('a line that is not JSON gets -32700 and the stream goes on (fault 57)', async (t, { address }) => {
  const connection = await RawConnection.openRpc(address);
  await connection.line();
  for (const bad of ['{"jsonrpc":"2.0",', 'GET / HTTP/1.1', '['.repeat(10_000), '"\\ud800', Buffer.from([0x22, 0xff, 0x22])]) {
    connection.socket.write(bad);
    connection.send('\n');
    t.like(await connection.line(), { jsonrpc: '2.0', id: null, error: { code: -32700 } });
  }
  connection.send(say(5));
  t.is((await connection.line()).id, 5);
});

withNode('batches, notifications and invalid requests are answered as JSON-RPC 2.0 says (fault 60)', async (t, { address, handlers }) => {
  const connection = await RawConnection.openRpc(address);
  await connection.line();
  connection.send([say(1), { jsonrpc: '2.0', method: 'echo.say', params: { text: 'note' } }, { jsonrpc: '2.0', id: 2, method: 'no.such' }, 5, [], say(3)]);
  const answers = await connection.line();
  t.deepEqual(answers.map(({ id, error }: { id: unknown; error?: { code: number } }) => [id, error?.code]), [[1, undefined], [2, -32601], [null, -32600], [null, -32600], [3, undefined]]);
  connection.send([]);
  t.like(await connection.line(), { id: null, error: { code: -32600 } });
  connection.send([[[]]]);
  t.deepEqual((await connection.line()).map(({ error }: { error: { code: number } }) => error.code), [-32600]);
  connection.send(Array.from({ length: 1001 }, (_, index) => say(index)));
  t.true((await connection.line()).error.code < 0);
  for (const invalid of [{}, { jsonrpc: '1.0', id: 1, method: 'echo.say' }, { jsonrpc: '2.0', id: {}, method: 'echo.say' }, { jsonrpc: '2.0', id: 1, method: 5 }, 'null', '5']) {
    connection.send(typeof invalid === 'string' ? `${invalid}\n` : invalid);
    t.is((await connection.line()).error.code, -32600, JSON.stringify(invalid));
  }
  // Notifications are never answered, not even when they fail: the next answer is that of the next call.
  connection.send({ jsonrpc: '2.0', method: 'echo.fail' });
  connection.send([{ jsonrpc: '2.0', method: 'no.such' }]);
  connection.send(say('after'));
  t.is((await connection.line()).id, 'after');
  t.deepEqual(handlers.seen, ['x', 'note', 'x', 'x']);
});

withNode(
  'a line beyond the limit ends the stream with the reason; a data node\'s may be longer (fault 61)',
  async (t, { address }) => {
    const large = say(1, 'x'.repeat(5000));
    const client = await RawConnection.openRpc(address);
    await client.line();
    client.send(JSON.stringify(large));
    t.regex((await client.line()).error.message, /at most 4000 bytes/);
    t.is(await client.line(), null);
    const datanode = await RawConnection.openRpc(address, { role: 'datanode' });
    await datanode.line();
    datanode.send(large);
    t.is((await datanode.line()).id, 1);
    datanode.send('x'.repeat(9000));
    t.truthy((await datanode.line()).error);
    t.is(await datanode.line(), null);
  },
  { limits: { maxRequestBytes: 4000, maxDatanodeRequestBytes: 8000 } },
);

withNode(
  'no more calls than allowed run at a time; the rest wait, and all are answered',
  async (t, { address, handlers }) => {
    const connection = await RawConnection.openRpc(address);
    await connection.line();
    for (let id = 0; id < 50; id++) connection.send({ jsonrpc: '2.0', id, method: 'echo.wait', params: { gate: id < 10 ? 'a' : 'b' } });
    connection.socket.end();
    await until(() => handlers.waitingCount === 10);
    await turns();
    t.is(handlers.waitingCount, 10);
    handlers.open('a');
    handlers.open('b');
    const ids: number[] = [];
    for (let answer = await connection.line(); answer; answer = await connection.line()) ids.push(answer.id);
    t.deepEqual(ids.sort((a, b) => a - b), Array.from({ length: 50 }, (_, index) => index));
  },
  { limits: { maxCallsInFlight: 10 } },
);

withNode('a peer that does not take its answers is not asked for more, and loses none when it does', async (t, { address, handlers }) => {
  const connection = await RawConnection.openRpc(address);
  await connection.line();
  connection.socket.pause();
  // Answers of 800 KB each: far more than what sockets hold.
  for (let id = 0; id < 100; id++) connection.send(say(id, 'y'.repeat(800_000)));
  await turns(500);
  t.true(handlers.seen.length < 100, `${handlers.seen.length} calls were taken`);
  connection.socket.resume();
  for (let id = 0; id < 100; id++) t.is((await connection.line()).id, id);
});

test('a stream without a hello in time, with half a line, or silent for long is closed (fault 62)', async (t) => {
  const clock = new ManualClock();
  const { listener, handlers } = await startEchoNode({ clock, limits: { requestTimeoutMs: 1000, streamIdleTimeoutMs: 60_000 } });
  const silent = await RawConnection.open(listener.address);
  silent.send('{"magic"');
  const halfway = await RawConnection.openRpc(listener.address);
  await halfway.line();
  halfway.send('{"jsonrpc"');
  const idle = await RawConnection.openRpc(listener.address);
  await idle.line();
  const busy = await RawConnection.openRpc(listener.address);
  await busy.line();
  busy.send({ jsonrpc: '2.0', id: 1, method: 'echo.wait', params: { gate: 'long' } });
  await until(() => handlers.waitingCount === 1);
  await turns();
  clock.advance(3000);
  await Promise.all([silent.closed, halfway.closed]);
  t.false(idle.socket.destroyed);
  clock.advance(70_000);
  t.is(await idle.line(), null);
  handlers.open('long');
  t.is((await busy.line()).result, 'long', 'a stream with a call in flight is not idle');
  busy.socket.destroy();
  await listener.close();
});
