import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type Clock, ManualClock, systemClock } from '../../../source/base/clock.js';
import { type BlockChannel, type BlockChannelConnector, encodeControl, frameTypes } from '../../../source/protocol/block-stream.js';
import { ClusterMismatchError, InputOutputError, UnavailableError, VersionMismatchError } from '../../../source/protocol/errors.js';
import { helloOf } from '../../../source/protocol/hello.js';
import type { CallContext } from '../../../source/protocol/method.js';
import { createBlockChannelConnector } from '../../../source/transport/block-channel-connector.js';
import { framePool } from '../../../source/transport/buffer-pool.js';
import type { NodeListener } from '../../../source/transport/listen.js';
import { patternFrame, turns } from '../../helpers/block-channel-contract.js';
import { recordingLogger, startEchoNode, testIdentity, until } from '../../helpers/echo-node.js';
import { RawConnection } from '../../helpers/raw-connection.js';

/** Sends every frame back. `channels` are those accepted, and who opened them. */
class EchoChannels {
  readonly channels: { channel: BlockChannel; context: CallContext }[] = [];
  readonly serve = async (channel: BlockChannel, context: CallContext): Promise<void> => {
    this.channels.push({ channel, context });
    for (let frame = await channel.read(); frame; frame = await channel.read()) {
      await channel.write([frame.raw]);
      frame.release();
    }
  };
}

interface Setup {
  listener: NodeListener;
  echo: EchoChannels;
  connector: BlockChannelConnector;
  clock: ManualClock;
  logger: ReturnType<typeof recordingLogger>;
}

function withNode(title: string, body: (t: ExecutionContext, setup: Setup) => Promise<void>, options: { serverClock?: Clock; serverClusterId?: string; clusterId?: string; poolSize?: number; limits?: object } = {}): void {
  test.serial(title, async (t) => {
    const echo = new EchoChannels();
    const clock = new ManualClock();
    const logger = recordingLogger();
    const { listener } = await startEchoNode({
      onBlockChannel: echo.serve,
      identity: testIdentity({ role: 'datanode', clusterId: options.serverClusterId ?? null }),
      clock: options.serverClock ?? systemClock,
      logger,
      limits: options.limits,
    });
    const connector = createBlockChannelConnector({ identity: testIdentity({ clusterId: options.clusterId ?? null }), clock, poolSize: options.poolSize });
    try {
      await body(t, { listener, echo, connector, clock, logger });
    } finally {
      connector.close();
      await listener.close();
    }
  });
}

async function roundTrip(channel: BlockChannel, length = 100): Promise<void> {
  const frame = patternFrame(length, 3);
  await channel.write([frame]);
  const back = await channel.read();
  if (!back?.raw.equals(frame)) throw new Error('the echo differs');
  back.release();
}

withNode('a channel tells the other side who opened it', async (t, { listener, echo, connector }) => {
  const channel = await connector.connect(listener.address);
  t.is(channel.remoteAddress, listener.address);
  await roundTrip(channel);
  t.like(echo.channels[0]!.context, { user: 'alice', clientId: 'client-1', role: 'client' });
  t.regex(echo.channels[0]!.context.remoteAddress, /^127\.0\.0\.1:\d+$/);
});

withNode('a released channel serves the next operation; without one there are more', async (t, { listener, echo, connector }) => {
  const first = await connector.connect(listener.address);
  await roundTrip(first);
  connector.release(first);
  connector.release(first);
  const second = await connector.connect(listener.address);
  t.is(second, first);
  await roundTrip(second, 600_000);
  const third = await connector.connect(listener.address);
  t.not(third, first);
  await roundTrip(third);
  t.is(echo.channels.length, 2);
});

withNode(
  'no more unused channels are kept than allowed, and none for long',
  async (t, { listener, echo, connector, clock }) => {
    const channels = await Promise.all(Array.from({ length: 4 }, () => connector.connect(listener.address)));
    for (const channel of channels) await roundTrip(channel);
    for (const channel of channels) connector.release(channel);
    t.deepEqual(channels.map(({ isDestroyed }) => isDestroyed), [true, true, false, false]);
    clock.advance(29_999);
    t.false(channels[3]!.isDestroyed);
    clock.advance(30_000);
    t.deepEqual(channels.map(({ isDestroyed }) => isDestroyed), [true, true, true, true]);
    const fresh = await connector.connect(listener.address);
    await roundTrip(fresh);
    t.is(echo.channels.length, 5);
  },
  { poolSize: 2 },
);

withNode('a pooled channel that the other side closed is not handed out', async (t, { listener, echo, connector }) => {
  const first = await connector.connect(listener.address);
  await roundTrip(first);
  connector.release(first);
  echo.channels[0]!.channel.end();
  await until(() => first.isDestroyed);
  const second = await connector.connect(listener.address);
  t.not(second, first);
  await roundTrip(second);
  connector.release(second);
  echo.channels[1]!.channel.destroy();
  await until(() => second.isDestroyed);
  await roundTrip(await connector.connect(listener.address));
});

for (const how of ['end', 'destroy'] as const) {
  withNode(`a pooled channel that the other side closes at that very moment (${how}) fails its first use with UnavailableError, and the next try works`, async (t, { listener, echo, connector }) => {
    const first = await connector.connect(listener.address);
    await roundTrip(first);
    connector.release(first);
    const second = await connector.connect(listener.address);
    t.is(second, first);
    echo.channels[0]!.channel[how]();
    await t.throwsAsync(roundTrip(second).then(() => second.read()), { instanceOf: UnavailableError, message: /pooled/ });
    second.destroy();
    await roundTrip(await connector.connect(listener.address));
  });
}

withNode('who asks for a fresh channel gets none of the pool', async (t, { listener, connector }) => {
  const first = await connector.connect(listener.address);
  await roundTrip(first);
  connector.release(first);
  const fresh = await connector.connect(listener.address, { isFresh: true });
  t.not(fresh, first);
  await roundTrip(fresh);
  t.is(await connector.connect(listener.address), first);
});

withNode('a channel in the middle of an operation is not kept', async (t, { listener, connector }) => {
  const channel = await connector.connect(listener.address);
  await channel.write([patternFrame(10), patternFrame(10)]);
  (await channel.read())!.release();
  await turns();
  connector.release(channel);
  t.true(channel.isDestroyed);
  const ended = await connector.connect(listener.address);
  await roundTrip(ended);
  ended.end();
  connector.release(ended);
  t.true(ended.isDestroyed);
});

withNode('a frame that comes out of turn to an unused channel costs that channel only', async (t, { listener, echo, connector }) => {
  const channel = await connector.connect(listener.address);
  await roundTrip(channel);
  connector.release(channel);
  await echo.channels[0]!.channel.write([patternFrame(5)]);
  await until(() => channel.isDestroyed);
  await roundTrip(await connector.connect(listener.address));
  t.is(echo.channels.length, 2);
});

withNode(
  'another cluster is refused at the first read, and no channel is served',
  async (t, { listener, echo, connector, logger }) => {
    const channel = await connector.connect(listener.address);
    await t.throwsAsync(roundTrip(channel), { instanceOf: ClusterMismatchError, message: /C1.*C2/ });
    t.is(echo.channels.length, 0);
    t.regex(logger.lines.join(), /warn refused a block stream/);
  },
  { serverClusterId: 'C2', clusterId: 'C1' },
);

test.serial('a node of another version or cluster is refused by the opener too', async (t) => {
  let hello: object = {};
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(encodeControl(frameTypes.hello, hello)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connector = createBlockChannelConnector({ identity: testIdentity({ clusterId: 'C1' }), clock: systemClock });
  for (const [answer, errorClass] of [
    [{ ...helloOf(testIdentity()), version: 5 }, VersionMismatchError],
    [helloOf(testIdentity({ clusterId: 'C2' })), ClusterMismatchError],
  ] as const) {
    hello = answer;
    await t.throwsAsync(roundTrip(await connector.connect(`127.0.0.1:${(server.address() as { port: number }).port}`)), { instanceOf: errorClass });
  }
  connector.close();
  server.close();
});

withNode('nothing there, an aborted signal, a closed connector: each is said as what it is', async (t, { listener, connector }) => {
  const controller = new AbortController();
  const connecting = connector.connect(listener.address, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.throwsAsync(connecting, { message: 'enough' });
  await t.throwsAsync(connector.connect(listener.address, { signal: controller.signal }), { message: 'enough' });
  const open = await connector.connect(listener.address);
  connector.close();
  t.true(open.isDestroyed);
  await t.throwsAsync(connector.connect(listener.address), { instanceOf: UnavailableError });
  await listener.close();
  const late = createBlockChannelConnector({ identity: testIdentity(), clock: systemClock });
  await t.throwsAsync(late.connect(listener.address), { instanceOf: UnavailableError, message: `nothing answers at ${listener.address} (connection refused)` });
});

withNode('a connection that is not accepted in time fails as unavailable', async (t, { listener, connector, clock }) => {
  const connecting = connector.connect(listener.address);
  clock.advance(1000);
  await t.throwsAsync(connecting, { instanceOf: UnavailableError, message: /no connection within 1000 ms/ });
});

for (const isOnreadAllowed of [true, false]) {
  withNode(
    `bytes that are no frames close the connection with a line in the log (${isOnreadAllowed ? 'onread' : 'data events'})`,
    async (t, { listener, echo, logger }) => {
      const hello = encodeControl(frameTypes.hello, helloOf(testIdentity()));
      for (const bytes of [Buffer.concat([hello, Buffer.from('GET / HTTP/1.1\r\n\r\n')]), Buffer.from([0xdf, 1, 0, 0, 0xff, 0xff, 0xff, 0xff])]) {
        const connection = await RawConnection.open(listener.address);
        connection.socket.write(bytes);
        await connection.closed;
      }
      await until(() => logger.lines.filter((line) => line.startsWith('warn closed the block stream')).length === 2);
      t.is(echo.channels.length, 1);
      // No hello first: refused with a STATUS.
      const connection = await RawConnection.open(listener.address);
      let first = -1;
      connection.socket.on('data', (chunk: Buffer) => (first = first < 0 ? chunk[1]! : first));
      connection.socket.write(patternFrame(10));
      await until(() => first >= 0);
      t.is(first, frameTypes.status);
      connection.socket.destroy();
      t.is(echo.channels.length, 1);
    },
    { limits: { isOnreadAllowed } },
  );

  withNode(
    `a hello that comes byte by byte opens the channel all the same (${isOnreadAllowed ? 'onread' : 'data events'})`,
    async (t, { listener, echo }) => {
      const connection = await RawConnection.open(listener.address);
      let received = 0;
      connection.socket.on('data', (chunk: Buffer) => (received += chunk.length));
      const frame = patternFrame(3000, 2);
      const hello = encodeControl(frameTypes.hello, helloOf(testIdentity()));
      for (const byte of Buffer.concat([hello, frame.subarray(0, 20)])) {
        connection.socket.write(Buffer.of(byte));
        await turns(1);
      }
      connection.socket.write(frame.subarray(20));
      await until(() => received > frame.length);
      t.is(echo.channels.length, 1);
      connection.socket.end();
      await connection.closed;
    },
    { limits: { isOnreadAllowed } },
  );
}

withNode('frames that nobody read are given back to the pool when their channel breaks', async (t, { listener, echo, connector }) => {
  const lentBefore = framePool.lentBytes;
  const channel = await connector.connect(listener.address);
  await roundTrip(channel);
  for (let index = 0; index < 5; index++) await channel.write([patternFrame(300_000, index)]);
  await channel.write([patternFrame(300_000).subarray(0, 100_000)]);
  await turns(100);
  channel.destroy();
  await until(() => echo.channels[0]!.channel.isDestroyed && framePool.lentBytes === lentBefore);
  t.pass();
});

withNode('a handler that fails unexpectedly is logged, and its channel broken off', async (t, { logger }) => {
  const { listener } = await startEchoNode({ logger, onBlockChannel: () => Promise.reject(new TypeError('a bug')) });
  const connector = createBlockChannelConnector({ identity: testIdentity(), clock: systemClock });
  const channel = await connector.connect(listener.address);
  await channel.write([patternFrame(10)]);
  t.is(await channel.read().catch((error: unknown) => (error instanceof InputOutputError ? null : error)), null);
  await until(() => logger.lines.some((line) => /^error block stream of alice .*a bug/.test(line)));
  connector.close();
  await listener.close();
});
