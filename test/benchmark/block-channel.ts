import { type ChildProcess, fork } from 'node:child_process';
import { type Socket, connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { defaultChunkBytes, defaultPacketDataBytes, encodeAck, encodePacketHeader, frameTypes, packetOverheadBytes } from '../../source/protocol/block-stream.js';
import type { Identity } from '../../source/protocol/hello.js';
import { createBlockChannelConnector } from '../../source/transport/block-channel-connector.js';
import { listen } from '../../source/transport/listen.js';

/**
 * Packets of 512 KiB over loopback between two processes, each acknowledged: the block channel (read into our buffers, and by
 * 'data' events) against a bare socket with 'data' events; then small operations (a request and 4 KiB, a short answer) on pooled
 * channels. Run: node dist/test/benchmark/block-channel.js [GiB]
 */
type Way = 'onread' | 'data' | 'raw';
interface Sample {
  wallSeconds: number;
  receiverCpuSeconds: number;
  senderCpuSeconds: number;
}

const identity = (role: Identity['role']): Identity => ({ clusterId: null, role, user: 'bench', clientId: 'bench' });
const packetBytes = packetOverheadBytes(defaultPacketDataBytes, defaultChunkBytes) + defaultPacketDataBytes;

if (process.send) await receiver(process.argv[2] as Way);
else await main();

async function main(): Promise<void> {
  const bytes = Number(process.argv[2] ?? 4) * 2 ** 30;
  const samples: Record<Way, Sample[]> = { onread: [], data: [], raw: [] };
  for (let round = 0; round < 6; round++) {
    for (const way of ['onread', 'data', 'raw'] as const) {
      const sample = await measure(way, bytes);
      // The first round warms up.
      if (round > 0) samples[way].push(sample);
    }
  }
  const gib = bytes / 2 ** 30;
  console.log(`${gib} GiB in packets of ${defaultPacketDataBytes / 1024} KiB, median of 5 interleaved rounds`);
  for (const [way, list] of Object.entries(samples)) {
    const speed = median(list.map(({ wallSeconds }) => bytes / wallSeconds / 1e9));
    const receive = median(list.map(({ receiverCpuSeconds }) => receiverCpuSeconds / gib));
    const send = median(list.map(({ senderCpuSeconds }) => senderCpuSeconds / gib));
    console.log(`${way.padEnd(7)} ${speed.toFixed(2)} GB/s   CPU s/GiB: receive ${receive.toFixed(3)}, send ${send.toFixed(3)}`);
  }
  for (const outstanding of [1, 16, 64]) await measureSmall(outstanding);
}

async function measureSmall(outstanding: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['onread']);
  const connector = createBlockChannelConnector({ identity: identity('client'), clock: systemClock });
  const address = (await message(child)) as string;
  const dataLength = 4096;
  const packet = Buffer.alloc(packetOverheadBytes(dataLength, defaultChunkBytes) + dataLength, 7);
  encodePacketHeader(packet, { sequence: 1, dataLength, offsetInBlock: 0, chunkBytes: defaultChunkBytes, checksumCount: 1, isLast: true, isSync: false });
  let count = 0;
  const worker = async (endMs: number) => {
    while (performance.now() < endMs) {
      const channel = await connector.connect(address);
      await channel.write([packet]);
      (await channel.read())!.release();
      connector.release(channel);
      count++;
    }
  };
  const run = (seconds: number) => Promise.all(Array.from({ length: outstanding }, () => worker(performance.now() + seconds * 1000)));
  await run(0.5);
  child.send('begin');
  await message(child);
  count = 0;
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await run(2);
  const seconds = (performance.now() - beganMs) / 1000;
  const own = process.cpuUsage(cpu);
  child.send('end');
  const receiverSeconds = (await message(child)) as number;
  console.log(`4 KiB operations, ${String(outstanding).padStart(2)} outstanding: ${(count / seconds / 1000).toFixed(1)}k/s   CPU us each: receiver ${((receiverSeconds * 1e6) / count).toFixed(1)}, sender ${((own.user + own.system) / count).toFixed(1)}`);
  connector.close();
  child.kill();
}

async function measure(way: Way, bytes: number): Promise<Sample> {
  const child = fork(fileURLToPath(import.meta.url), [way]);
  const address = (await message(child)) as string;
  const frame = Buffer.alloc(packetBytes, 7);
  encodePacketHeader(frame, { sequence: 1, dataLength: defaultPacketDataBytes, offsetInBlock: 0, chunkBytes: defaultChunkBytes, checksumCount: defaultPacketDataBytes / defaultChunkBytes, isLast: false, isSync: false });
  const count = Math.floor(bytes / defaultPacketDataBytes);
  // One packet first: connecting and the first pages are no part of the figure.
  const send = way === 'raw' ? await rawSender(address, frame) : await channelSender(address, frame);
  await send.packets(16);
  child.send('begin');
  await message(child);
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await send.packets(count);
  const wallSeconds = (performance.now() - beganMs) / 1000;
  const own = process.cpuUsage(cpu);
  child.send('end');
  const receiverCpuSeconds = (await message(child)) as number;
  send.close();
  child.kill();
  return { wallSeconds, receiverCpuSeconds, senderCpuSeconds: (own.user + own.system) / 1e6 };
}

interface Sender {
  packets(count: number): Promise<void>;
  close(): void;
}

async function channelSender(address: string, frame: Buffer): Promise<Sender> {
  const connector = createBlockChannelConnector({ identity: identity('client'), clock: systemClock });
  const channel = await connector.connect(address);
  const packets = async (count: number) => {
    const acks = (async () => {
      for (let i = 0; i < count; i++) (await channel.read())!.release();
    })();
    for (let i = 0; i < count; i++) await channel.write([frame]);
    await acks;
  };
  return { packets, close: () => connector.close() };
}

async function rawSender(address: string, frame: Buffer): Promise<Sender> {
  const socket = connect({ port: Number(address.split(':')[1]), noDelay: true });
  await new Promise((resolve) => socket.once('connect', resolve));
  let acknowledged = 0;
  let onAck = () => {};
  socket.on('data', (chunk: Buffer) => {
    acknowledged += chunk.length;
    onAck();
  });
  const packets = async (count: number) => {
    const target = acknowledged + count;
    for (let i = 0; i < count; i++) await new Promise<void>((resolve) => socket.write(frame, () => resolve()));
    await new Promise<void>((resolve) => {
      onAck = () => acknowledged >= target && resolve();
      onAck();
    });
  };
  return { packets, close: () => socket.destroy() };
}

async function receiver(way: Way): Promise<void> {
  const address = way === 'raw' ? await rawReceiver() : await channelReceiver(way === 'onread');
  // The parent is gone, in whatever way.
  process.on('disconnect', () => process.exit());
  process.send!(address);
  let cpu = process.cpuUsage();
  process.on('message', (what) => {
    if (what === 'begin') {
      cpu = process.cpuUsage();
      process.send!('ready');
    } else {
      const used = process.cpuUsage(cpu);
      process.send!((used.user + used.system) / 1e6);
    }
  });
}

async function channelReceiver(isOnreadAllowed: boolean): Promise<string> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    identity: identity('datanode'),
    services: [],
    title: 'benchmark',
    clock: systemClock,
    logger: silentLogger,
    limits: { isOnreadAllowed },
    onBlockChannel: async (channel) => {
      for (let frame = await channel.read(); frame; frame = await channel.read()) {
        if (frame.type !== frameTypes.packet) throw new Error('a packet was expected');
        frame.release();
        await channel.write([encodeAck({ sequence: 1, entries: [{ status: 'ok', receivedBytes: 0, durableBytes: 0 }] })]);
      }
    },
  });
  return listener.address;
}

async function rawReceiver(): Promise<string> {
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      for (; received >= packetBytes; received -= packetBytes) socket.write('a');
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('message', resolve));
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
