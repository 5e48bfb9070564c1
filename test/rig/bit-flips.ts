import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../source/base/random.js';
import { seededRandom, shuffled } from '../../source/base/random.js';
import { metaHeaderBytes } from '../../source/storage/replica-meta.js';
import { dataName, finalizedSubdirectory, metaName } from '../../source/storage/volume-layout.js';
import { readFile, writeFile } from '../helpers/fake-cluster.js';
import { bytesOf, type Content, sha256, sha256Of } from './content.js';
import { fullHealth } from './full-health.js';
import { RigCluster } from './rig-cluster.js';
import { Violation } from './violation.js';

export interface BitFlipOptions {
  /** Must exist. */
  folder: string;
  flips: number;
  seed: number;
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

export interface BitFlipSummary {
  flipped: number;
  inData: number;
  inChecksums: number;
  detected: number;
  /** Of the detected ones: by the scanner, before any reader. */
  scanned: number;
  repaired: number;
  /** Reads that ended well, and bytes that were not those written: the latter must be none. */
  reads: number;
  served: number;
  seconds: number;
}

interface RigFile {
  path: string;
  content: Content;
  sha: string;
}

/** A replica with one wrong bit in one of its two files. */
interface Flip {
  data: string;
  meta: string;
  isInMeta: boolean;
  rotten: Buffer;
  original: Buffer;
  position: number;
}

const fileCount = 60;
const blockBytes = 8192;
const readsAtOnce = 4;
const flipsPerRound = 60;
const repairLimitMs = 90_000;
/** Between the checked header and the table: slots that only count while a replica is being written, each with a checksum of its own. */
const slotsBegin = 48;

/**
 * Flips one bit each in the data or the checksums of replicas on disk, of at most two of the three copies of a block at a time, under a running
 * cluster; reads everything meanwhile, and waits until every copy is good again. Violation if a wrong byte is served, or a copy stays
 * rotten. A flip counts as detected when a data node has put the replica aside.
 */
export async function bitFlips(options: BitFlipOptions): Promise<BitFlipSummary> {
  const { folder, flips, seed, onLine = () => {}, signal } = options;
  const random = seededRandom(seed);
  const startedMs = performance.now();
  const summary = { flipped: 0, inData: 0, inChecksums: 0, detected: 0, scanned: 0, repaired: 0, reads: 0, served: 0, seconds: 0 };
  const cluster = await RigCluster.create({ folder, dataNodes: 3, settings: { block_size: blockBytes, scan_period: '3s', scan_rate: '64m', dead_node_timeout_ms: 10_000 } });
  try {
    cluster.startAll();
    await cluster.settled();
    const files: RigFile[] = [];
    for (let i = 0; i < fileCount; i++) {
      const content = { seed: seed + i, sizeBytes: 1 + random.integer(4 * blockBytes) };
      await writeFile(cluster.client, `/f${i}`, bytesOf(content), { replication: 3 });
      files.push({ path: `/f${i}`, content, sha: sha256Of(content) });
    }
    await fullHealth(cluster);
    while (summary.flipped < flips && !signal?.aborted) {
      const round = await flipSome(cluster, files, Math.min(flipsPerRound, flips - summary.flipped), random);
      summary.flipped += round.length;
      summary.inChecksums += round.filter(({ isInMeta }) => isInMeta).length;
      summary.inData = summary.flipped - summary.inChecksums;
      const endMs = performance.now() + repairLimitMs;
      for (let rotten = round; rotten.length > 0; ) {
        await readAll(cluster, files, summary);
        rotten = rotten.filter((flip) => !isMended(flip));
        cluster.throwIfEnded();
        if (performance.now() > endMs) throw new Violation(`seed ${seed}: ${rotten.length} replicas are not replaced after ${repairLimitMs} ms, such as ${describe(rotten[0]!)}`);
      }
      summary.repaired += round.length;
      await fullHealth(cluster);
      const metrics = await Promise.all(cluster.dataNodeNames.map((name) => metricsOf(cluster.addressOf(name))));
      summary.detected = sum(metrics, 'dfsh_datanode_replicas_quarantined_total');
      summary.scanned = sum(metrics, 'dfsh_datanode_scan_findings_total');
      summary.seconds = (performance.now() - startedMs) / 1000;
      onLine(bitFlipLine(summary));
    }
    const zero = Object.entries(summary).filter(([name, count]) => count === 0 && name !== 'served' && name !== 'scanned');
    if (zero.length > 0) throw new Violation(`the run proved nothing: ${zero.map(([name]) => name).join(', ')} 0`);
    if (summary.detected < summary.flipped && !signal?.aborted) throw new Violation(`seed ${seed}: ${summary.flipped} flipped, only ${summary.detected} put aside`);
    return summary;
  } finally {
    await cluster.destroy();
  }
}

export function bitFlipLine({ flipped, inData, inChecksums, detected, scanned, repaired, reads, served, seconds }: BitFlipSummary): string {
  return `${flipped} bits flipped (${inData} in data, ${inChecksums} in checksums): ${detected} detected (${scanned} by the scanner), ${repaired} repaired, ${served} served in ${reads} reads; ${seconds.toFixed(0)} s`;
}

async function flipSome(cluster: RigCluster, files: readonly RigFile[], count: number, random: Random): Promise<Flip[]> {
  const flips: Flip[] = [];
  for (const { path } of shuffled(files, random)) {
    for await (const { block } of cluster.client.blocks(path)) {
      for (const name of shuffled(cluster.dataNodeNames, random).slice(0, 1 + random.integer(2))) {
        if (flips.length === count) return flips;
        const folder = join(cluster.storageOf(name), 'current', finalizedSubdirectory(block.blockId));
        flips.push(flip(join(folder, dataName(block.blockId)), join(folder, metaName(block.blockId, block.generationStamp)), random));
      }
    }
  }
  return flips;
}

function flip(data: string, meta: string, random: Random): Flip {
  const isInMeta = random.next() < 0.4;
  const original = readFileSync(data);
  const path = isInMeta ? meta : data;
  const bytes = readFileSync(path);
  let position = random.integer(isInMeta ? bytes.length - (metaHeaderBytes - slotsBegin) : bytes.length);
  if (isInMeta && position >= slotsBegin) position += metaHeaderBytes - slotsBegin;
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  byte[0]! ^= 1 << random.integer(8);
  writeSync(file, byte, 0, 1, position);
  closeSync(file);
  bytes[position] = byte[0]!;
  return { data, meta, isInMeta, rotten: bytes, original, position };
}

/** The bytes are again those that were, and the file that was flipped is not as it was left. */
function isMended({ data, meta, isInMeta, rotten, original }: Flip): boolean {
  try {
    return readFileSync(data).equals(original) && (!isInMeta || !readFileSync(meta).equals(rotten));
  } catch {
    // Put aside, and not replaced yet.
    return false;
  }
}

async function readAll(cluster: RigCluster, files: readonly RigFile[], summary: BitFlipSummary): Promise<void> {
  const left = [...files];
  const read = async () => {
    for (let file = left.pop(); file; file = left.pop()) {
      const bytes = await readFile(cluster.client, file.path);
      summary.reads++;
      if (sha256(bytes) === file.sha) continue;
      summary.served++;
      throw new Violation(`${file.path}: wrong bytes were served, ${bytes.length} of ${file.content.sizeBytes}, SHA-256 ${sha256(bytes)} for ${file.sha}`);
    }
  };
  await Promise.all(Array.from({ length: readsAtOnce }, read));
}

function describe({ data, meta, isInMeta, position }: Flip): string {
  return `${isInMeta ? meta : data} (a bit of byte ${position})`;
}

async function metricsOf(address: string): Promise<string> {
  return (await fetch(`http://${address}/metrics`)).text();
}

function sum(metrics: readonly string[], name: string): number {
  return metrics.reduce((total, text) => total + Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? NaN), 0);
}
