import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchmarkCluster } from './benchmark-cluster.js';
import type { HadoopPeer } from './hadoop-peer.js';
import { command, concurrently, type Contestant, median, type Sample, timed } from './measure.js';

/** What the rows work with. */
export interface Bench {
  /** With durable_close on, as shipped, and off, as HDFS does by default. */
  durable: BenchmarkCluster;
  cached: BenchmarkCluster;
  hadoop: HadoopPeer | undefined;
  /** A file of `largeBytes` random bytes, and a folder beside it on the same disk. */
  largeFile: string;
  largeBytes: number;
  folder: string;
  smallFileCount: number;
  callCount: number;
}

export interface Row {
  number: number;
  work: string;
  /** Of what is compared: seconds unless said. */
  figure?: string;
  target: string;
  warmBytes?: (bench: Bench) => number;
  contestants(bench: Bench): Contestant[];
}

const outstanding = 64;
const smallBytes = 4096;

export const rows: Row[] = [
  {
    number: 1,
    work: 'put, 3 replicas, page cache',
    target: '<= 3.0x limit, <= 0.75x HDFS',
    warmBytes: ({ largeBytes }) => 8 * largeBytes,
    contestants: (bench) => [
      limitOf('3 dd bs=128k', bench, () => threeCopies(bench, [])),
      putOf(bench.cached, bench),
      ...hdfs(bench, (round) => `put ${bench.largeFile} /benchmark/put${round}`, (round) => `delete /benchmark/put${round}`),
    ],
  },
  {
    number: 2,
    work: 'put, 3 replicas, durable',
    target: '<= 1.8x limit, <= 0.75x HDFS durable',
    warmBytes: ({ largeBytes }) => 8 * largeBytes,
    contestants: (bench) => [
      limitOf('3 dd conv=fdatasync', bench, () => threeCopies(bench, ['conv=fdatasync'])),
      putOf(bench.durable, bench),
      ...hdfs(bench, (round) => `put-durable ${bench.largeFile} /benchmark/put${round}`, (round) => `delete /benchmark/put${round}`),
    ],
  },
  {
    number: 3,
    work: 'get to a file, verified',
    target: '<= 1.5x limit, <= 0.8x HDFS',
    warmBytes: ({ largeBytes }) => 4 * largeBytes,
    contestants: (bench) => [
      limitOf('cp', bench, () => command('cp', [bench.largeFile, join(bench.folder, 'copy0')])),
      withLargeFile(bench, (round) => bench.durable.get('/benchmark/large', join(bench.folder, `got${round}`)), (round) => rmSync(join(bench.folder, `got${round}`), { force: true })),
      ...hdfsLarge(bench, (round) => `get /benchmark/large ${join(bench.folder, `got-hdfs${round}`)}`, (round) => rmSync(join(bench.folder, `got-hdfs${round}`), { force: true })),
    ],
  },
  {
    number: 4,
    work: 'get to /dev/null, verified',
    target: '<= 1.0x HDFS',
    warmBytes: ({ largeBytes }) => 4 * largeBytes,
    contestants: (bench) => [
      limitOf('cat f | cat', bench, () => command('sh', ['-c', 'cat "$0" | cat > /dev/null', bench.largeFile])),
      withLargeFile(bench, () => bench.durable.readAll('/benchmark/large')),
      ...hdfsLarge(bench, () => 'get-null /benchmark/large'),
    ],
  },
  {
    number: 6,
    work: '4 KiB files put, 64 outstanding',
    target: '>= 4k files/s, >= 14x HDFS',
    contestants: (bench) => [
      {
        name: 'dfsh',
        run: (round) => bench.durable.sample(() => smallPuts(bench, round)),
        after: (round) => bench.durable.client.delete(`/benchmark/small${round}`, { recursive: true }).then(() => {}),
      },
      ...hdfs(bench, (round) => `small-put /benchmark/small${round} ${bench.smallFileCount} ${smallBytes} ${outstanding}`, (round) => `delete /benchmark/small${round}`),
    ],
  },
  {
    number: 7,
    work: '4 KiB files get, 64 outstanding',
    target: '>= 8k files/s, >= 2.5x HDFS',
    contestants: (bench) => [
      {
        name: 'dfsh',
        before: async (round) => (round === 0 ? void (await smallPuts(bench, 'read')) : undefined),
        run: () => bench.durable.sample(() => concurrently(bench.smallFileCount, outstanding, (i) => bench.durable.readAll(`/benchmark/smallread/f${i}`))),
      },
      ...hdfs(bench, () => `small-get /benchmark/smallread ${bench.smallFileCount} ${smallBytes} ${outstanding}`).map((contestant) => ({
        ...contestant,
        before: async (round: number) => (round === 0 ? void (await bench.hadoop!.ask(`small-put /benchmark/smallread ${bench.smallFileCount} ${smallBytes} ${outstanding}`)) : undefined),
      })),
    ],
  },
  {
    number: 8,
    work: 'one 4 KiB put in an open client, p50',
    target: 'p50 <= 3 ms, p99 <= 15 ms',
    figure: 'p50_ms',
    contestants: (bench) => [
      { name: 'dfsh', run: (round) => onePuts(bench, round), after: (round) => bench.durable.client.delete(`/benchmark/one${round}`, { recursive: true }).then(() => {}) },
      ...hdfs(bench, (round) => `one-put /benchmark/one${round} ${oneCount} ${smallBytes}`, (round) => `delete /benchmark/one${round}`),
    ],
  },
  ...(['create', 'mkdir', 'stat', 'rename', 'delete'] as const).map(
    (kind): Row => ({
      number: 9,
      work: `${kind === 'create' ? 'create+complete' : kind}, 64 outstanding, durable`,
      target: kind === 'create' ? '>= 4x HDFS' : '>= 1.2x HDFS',
      contestants: (bench) => [
        { name: 'dfsh', run: (round) => bench.durable.sample(() => concurrently(bench.callCount, outstanding, (i) => call(bench, kind, round, i))) },
        ...hdfs(bench, (round) => `calls ${kind} /benchmark/calls${round} ${bench.callCount} ${outstanding}`),
      ],
    }),
  ),
  ...(['ls /', 'mkdir -p /benchmark/one-shot'] as const).map(
    (line): Row => ({
      number: 10,
      work: `one-shot ${line}`,
      target: '<= 1.6x node + 30 ms, <= 0.1x hdfs dfs',
      contestants: (bench) => [
        limitOf('node -e 0', bench, () => command(process.execPath, ['-e', '0'])),
        { name: 'dfsh', run: async () => ({ seconds: await timed(() => bench.durable.run(['--exec', line])) }) },
        ...(bench.hadoop ? [{ name: 'HDFS', run: async () => ({ seconds: await timed(() => command(join(process.env['DFSH_HADOOP_PEER']!, 'hdfs'), ['dfs', ...`-${line}`.split(' ')])) }) }] : []),
      ],
    }),
  ),
];

const oneCount = 300;

function limitOf(name: string, bench: Bench, work: () => Promise<unknown>): Contestant {
  return {
    name,
    run: async () => ({ seconds: await timed(work) }),
    after: async () => [0, 1, 2].forEach((i) => rmSync(join(bench.folder, `copy${i}`), { force: true })),
  };
}

function threeCopies({ largeFile, folder }: Bench, extra: string[]): Promise<unknown> {
  return Promise.all([0, 1, 2].map((i) => command('dd', [`if=${largeFile}`, `of=${join(folder, `copy${i}`)}`, 'bs=128k', 'status=none', ...extra])));
}

/** In an open client, as the peer's. */
function putOf(cluster: BenchmarkCluster, { largeFile }: Bench): Contestant {
  return {
    name: 'dfsh',
    run: (round) => cluster.sample(() => cluster.put(largeFile, `/put${round}`)),
    after: async (round) => {
      await cluster.client.delete(`/put${round}`);
      await cluster.settled();
    },
  };
}

function withLargeFile(bench: Bench, work: (round: number) => Promise<unknown>, after?: (round: number) => void): Contestant {
  return {
    name: 'dfsh',
    before: async () => {
      if (!(await bench.durable.client.exists('/benchmark/large'))) await bench.durable.run(['--exec', `mkdir -p /benchmark; put '${bench.largeFile}' /benchmark/large`]);
    },
    run: (round) => bench.durable.sample(() => work(round)),
    after: async (round) => after?.(round),
  };
}

function hdfs({ hadoop }: Bench, line: (round: number) => string, cleanup?: (round: number) => string): Contestant[] {
  if (!hadoop) return [];
  return [{ name: 'HDFS', run: (round) => hadoop.sample(line(round)), after: async (round) => void (cleanup && (await hadoop.ask(cleanup(round)))) }];
}

function hdfsLarge(bench: Bench, line: (round: number) => string, after?: (round: number) => void): Contestant[] {
  return hdfs(bench, line).map((contestant) => ({
    ...contestant,
    before: async (round: number) => (round === 0 ? void (await bench.hadoop!.ask(`put ${bench.largeFile} /benchmark/large`)) : undefined),
    after: async (round: number) => after?.(round),
  }));
}

const smallContent = Buffer.alloc(smallBytes, 7);

async function smallPuts({ durable, smallFileCount }: Bench, name: number | string): Promise<void> {
  await durable.client.mkdirs(`/benchmark/small${name}`, { createParents: true });
  await concurrently(smallFileCount, outstanding, (i) => durable.writeAll(`/benchmark/small${name}/f${i}`, smallContent));
}

async function onePuts({ durable }: Bench, round: number): Promise<Sample> {
  await durable.client.mkdirs(`/benchmark/one${round}`, { createParents: true });
  const times: number[] = [];
  const seconds = await timed(async () => {
    for (let i = 0; i < oneCount; i++) times.push(1000 * (await timed(() => durable.writeAll(`/benchmark/one${round}/o${i}`, smallContent))));
  });
  times.sort((a, b) => a - b);
  return { seconds, figures: { p50_ms: median(times), p99_ms: times[Math.floor(oneCount * 0.99)]! } };
}

/** The same calls as the HDFS bench makes, over a hundred directories. */
async function call({ durable: { client } }: Bench, kind: 'create' | 'mkdir' | 'stat' | 'rename' | 'delete', round: number, index: number): Promise<unknown> {
  const directory = `/benchmark/calls${round}/${index % 100}`;
  switch (kind) {
    case 'create':
      return (await client.openWriter(`${directory}/e${index}`, { createParents: true, overwrite: true, lengthHintBytes: 0 })).close();
    case 'mkdir':
      return client.mkdirs(`${directory}/d${index}`, { createParents: true });
    case 'stat':
      return client.stat(`${directory}/e${index}`);
    case 'rename':
      return client.rename(`${directory}/e${index}`, `${directory}/r${index}`);
    case 'delete':
      return client.delete(`${directory}/r${index}`);
  }
}
