import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checksumImplementation } from '../../source/base/checksum.js';
import { parseSize } from '../../source/base/size.js';
import { BenchmarkCluster } from './benchmark-cluster.js';
import { HadoopPeer } from './hadoop-peer.js';
import { interleave, median, medianRatio, type Sample } from './measure.js';
import { type Bench, type Row, rows } from './rows.js';

/**
 * npm run benchmark [-- --rows 1,2,9 --rounds 5 --size 1g --files 10000 --calls 10000]
 *
 * Product, peer and limit in turn within each round; the median of the rounds' ratios. HDFS takes part where DFSH_HADOOP_PEER names the
 * folder of its scripts and it is up.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    size: { type: 'string', default: '1g' },
    files: { type: 'string', default: '10000' },
    calls: { type: 'string', default: '10000' },
  },
});

// A certificate bundle that a machine may name costs every start of Node a tenth of a second.
delete process.env['NODE_EXTRA_CA_CERTS'];
const entry = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'dfsh.js');
const folder = mkdtempSync(join(tmpdir(), 'dfsh-benchmark-'));
const chosen = options.rows?.split(',').map(Number);
const largeBytes = parseSize(options.size)!;
const started: BenchmarkCluster[] = [];
let hadoop: HadoopPeer | undefined;

try {
  const largeFile = join(folder, 'large');
  mkdirSync(folder, { recursive: true });
  fillFile(largeFile, largeBytes);
  hadoop = await HadoopPeer.open(process.env);
  const start = async (name: string, settings: Record<string, unknown>) => {
    const cluster = await BenchmarkCluster.start(join(folder, name), entry, settings);
    started.push(cluster);
    return cluster;
  };
  const durable = await start('durable', {});
  const cached = await start('cached', { durable_close: false });
  const bench: Bench = { durable, cached, hadoop, largeFile, largeBytes, folder, smallFileCount: Number(options.files), callCount: Number(options.calls) };
  console.log(`${process.version}, checksums: ${checksumImplementation()}, ${options.rounds} rounds, medians; ratios are medians of the rounds' ratios`);
  for (const row of rows) if (!chosen || chosen.includes(row.number)) print(row, await interleave(row.contestants(bench), { rounds: Number(options.rounds), warmBytes: row.warmBytes?.(bench) ?? 0 }));
} finally {
  hadoop?.close();
  for (const cluster of started) await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}

function print(row: Row, samples: Map<string, Sample[]>): void {
  console.log(`\n${row.number}  ${row.work}   target ${row.target}`);
  const figure = (sample: Sample) => (row.figure ? sample.figures?.[row.figure] : sample.seconds);
  const ours = samples.get('dfsh')!;
  for (const [name, list] of samples) {
    const middle = (of: (sample: Sample) => number | undefined) => {
      const known = list.map(of).filter((value): value is number => value !== undefined && Number.isFinite(value));
      return known.length ? median(known) : undefined;
    };
    const cpu = middle(({ cpuSeconds }) => cpuSeconds);
    const extra = Object.keys(list[0]?.figures ?? {}).map((key) => `${key} ${middle(({ figures }) => figures?.[key])?.toFixed(2)}`);
    const ratio = name === 'dfsh' ? undefined : medianRatio(ours, list, figure);
    const cpuRatio = name === 'dfsh' || cpu === undefined ? undefined : medianRatio(ours, list, ({ cpuSeconds }) => cpuSeconds);
    console.log(
      [
        `   ${name.padEnd(20)}`,
        `${middle(({ seconds }) => seconds)?.toFixed(3)} s`.padStart(10),
        cpu === undefined ? ''.padStart(12) : `${cpu.toFixed(2)} CPU s`.padStart(12),
        rate(row, middle(({ seconds }) => seconds)).padStart(14),
        ratio === undefined ? '' : `  dfsh is ${ratio.toFixed(2)}x${cpuRatio === undefined ? '' : `, CPU ${cpuRatio.toFixed(2)}x`}`,
        extra.length ? `  ${extra.join('  ')}` : '',
      ].join(''),
    );
  }
}

function rate(row: Row, seconds: number | undefined): string {
  if (!seconds) return '';
  if (row.number <= 5) return `${(largeBytes / seconds / 2 ** 20).toFixed(0)} MiB/s`;
  if (row.number <= 7) return `${(Number(options.files) / seconds).toFixed(0)} files/s`;
  if (row.number === 9) return `${(Number(options.calls) / seconds).toFixed(0)} calls/s`;
  return '';
}

function fillFile(path: string, bytes: number): void {
  const chunk = Buffer.allocUnsafe(4 * 1024 * 1024);
  const file = openSync(path, 'w');
  for (let left = bytes; left > 0; left -= chunk.length) writeSync(file, randomFillSync(chunk), 0, Math.min(left, chunk.length));
  closeSync(file);
}
