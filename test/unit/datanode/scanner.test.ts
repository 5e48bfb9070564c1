import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { createLogger } from '../../../source/base/log.js';
import { seededRandom } from '../../../source/base/random.js';
import { NodeCounters } from '../../../source/datanode/node-counters.js';
import { ReplicaCheck } from '../../../source/datanode/replica-check.js';
import { ReportOutbox } from '../../../source/datanode/report-outbox.js';
import { VolumeScanner } from '../../../source/datanode/volume-scanner.js';
import { LocalBlockStore } from '../../../source/storage/local-block-store.js';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { DiskFaults } from '../../helpers/disk-faults.js';
import { appendAll, content, packetOf, readVerified } from '../../helpers/replica-content.js';
import { SimulatedDisk } from '../../helpers/simulated-disk.js';

const hourMs = 3_600_000;
const chunkBytes = 512;
const request = { generationStamp: 9, storageId: '', chunkBytes, isDurable: true, isTemporary: false };

/** A store on a simulated disk, its scanner, and what it would tell the name node. */
class Bench {
  readonly disk = new SimulatedDisk();
  readonly faults = new DiskFaults();
  readonly clock = new ManualClock();
  readonly log: string[] = [];
  readonly logger = createLogger((line) => this.log.push(line), { level: 'debug' });
  readonly outbox = new ReportOutbox(1000);
  readonly counters = new NodeCounters();
  store!: LocalBlockStore;
  check!: ReplicaCheck;
  scanner!: VolumeScanner;
  storageId = '';

  static async start(options: { bytesPerSecond?: number } = {}): Promise<Bench> {
    const bench = new Bench();
    bench.disk.onCall = bench.faults.onCall;
    await bench.open(options);
    return bench;
  }

  async open({ bytesPerSecond = 1e9 }: { bytesPerSecond?: number } = {}): Promise<void> {
    const { clock, logger, outbox, counters } = this;
    this.store = await LocalBlockStore.open({ disk: this.disk.mount(), directories: ['/data'], clock, random: seededRandom(1), logger });
    this.storageId = (await this.store.readStorages())[0]!.storageId;
    this.check = new ReplicaCheck({ store: this.store, clock, outbox, counters, logger, onAbsent: () => {} });
    this.scanner = new VolumeScanner({ store: this.store, storageId: this.storageId, clock, logger, counters, check: this.check, periodMs: 24 * hourMs, bytesPerSecond });
  }

  async restart(options: { bytesPerSecond?: number } = {}): Promise<void> {
    await this.scanner.close();
    await this.store.close();
    this.disk.restart();
    this.disk.onCall = this.faults.onCall;
    await this.open(options);
  }

  async put(blockId: number, lengthBytes: number): Promise<void> {
    const writer = await this.store.create({ blockId, ...request });
    await appendAll(writer, content(blockId, lengthBytes), { chunkBytes, packetBytes: 65_536, isLast: true });
    await writer.finalize();
  }

  path(blockId: number, kind: 'data' | 'meta'): string {
    return `/data/current/${finalizedSubdirectory(blockId)}/blk_${blockId}${kind === 'meta' ? '_9.meta' : ''}`;
  }

  /** Lets `durationMs` go by, in steps. */
  async pass(durationMs: number, stepMs = durationMs): Promise<void> {
    await this.settle();
    for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
      this.clock.advance(stepMs);
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  notices(): string[] {
    const batch = this.outbox.batch();
    return (batch?.notices ?? []).map((notice) => `${notice.kind} ${notice.block.blockId}`);
  }
}

test('rot in the data and rot in the checksums are both found, put aside with their bytes, and reported (faults 12, 13)', async (t) => {
  const bench = await Bench.start();
  for (const blockId of [1, 2, 3, 4]) await bench.put(blockId, 5000);
  bench.disk.flipBit(bench.path(2, 'data'), 8 * 4321 + 3);
  bench.disk.flipBit(bench.path(3, 'meta'), 8 * 100 + 1);
  bench.scanner.start();
  await bench.pass(1000, 50);
  t.deepEqual(bench.notices(), ['corrupt 2', 'corrupt 3']);
  const [data, checksums] = bench.outbox.batch()!.notices as { reason: string }[];
  t.regex(data!.reason, /the data differs from its checksum in chunk 8, at byte 4096/);
  t.regex(checksums!.reason, /the checksum file is damaged/);
  t.deepEqual([1, 2, 3, 4].map((blockId) => bench.store.getReplica(blockId)?.state), ['finalized', 'quarantined', 'quarantined', 'finalized']);
  t.deepEqual(bench.disk.bytes('/data/quarantine/blk_3'), content(3, 5000), 'good data under rotten checksums is not destroyed');
  t.like(bench.scanner.progress, { isFinished: true, checkedCount: 4, checkedBytes: 20_000, rottenCount: 2 });
  t.is(bench.log.filter((line) => /scan of storage .*: 4 replicas, 20000 bytes in 0\.\d\d h, 2 rotten/.test(line)).length, 1);
  // A good copy takes the place of each, here as on any node.
  await bench.put(3, 5000);
  t.deepEqual(await readVerified(bench.store, { blockId: 3, generationStamp: 9 }), content(3, 5000));
  t.false(bench.disk.files().includes('/data/quarantine/blk_3'));
  await bench.scanner.close();
  await bench.store.close();
});

test('any bit that flips in any file of a finalized replica is found by the scan', async (t) => {
  const random = seededRandom(77);
  let count = 0;
  for (const kind of ['data', 'meta'] as const) {
    for (let round = 0; round < 40; round++) {
      const bench = await Bench.start();
      await bench.put(1, 3000);
      const path = bench.path(1, kind);
      // The tail slots of a finalized replica speak of nothing any more; bytes 12 to 15 and 6 to 7 are under the header's checksum.
      const bit = kind === 'data' ? random.integer(8 * 3000) : [random.integer(8 * 48), 8 * 96 + random.integer(8 * 4 * 6)][round % 2]!;
      bench.disk.flipBit(path, bit);
      bench.scanner.start();
      await bench.pass(100);
      const verdict = bench.notices();
      t.deepEqual(verdict, ['corrupt 1'], `bit ${bit} of ${path}`);
      count += verdict.length;
      await bench.scanner.close();
      await bench.store.close();
    }
  }
  t.is(count, 80);
});

test('the rate is kept: so many bytes a second, and no more', async (t) => {
  const bench = await Bench.start({ bytesPerSecond: 100_000 });
  for (let blockId = 1; blockId <= 10; blockId++) await bench.put(blockId, 95_904);
  bench.scanner.start();
  // 96,000 bytes and 4096 for the way to them are a second each.
  await bench.pass(4500, 50);
  t.true([4, 5].includes(bench.scanner.progress!.checkedCount), `${bench.scanner.progress!.checkedCount} after 4.5 s`);
  await bench.pass(6500, 50);
  t.like(bench.scanner.progress, { checkedCount: 10, isFinished: true });
  await bench.scanner.close();
  await bench.store.close();
});

test('after a restart the scan goes on where it was', async (t) => {
  const options = { bytesPerSecond: 50_000 };
  const bench = await Bench.start(options);
  for (let blockId = 1; blockId <= 8; blockId++) await bench.put(blockId, 45_904);
  bench.scanner.start();
  await bench.pass(3300, 50);
  const { lastBlockId, startedMs } = bench.scanner.progress!;
  t.true(lastBlockId >= 2 && lastBlockId <= 4, String(lastBlockId));
  await bench.restart(options);
  bench.scanner.start();
  await bench.settle();
  t.like(bench.scanner.progress, { lastBlockId, startedMs, isFinished: false });
  let reads = 0;
  bench.disk.onCall = (call, path) => void (reads += call === 'open' && /blk_[12]$/.test(path) ? 1 : 0);
  await bench.pass(7000, 50);
  t.is(reads, 0, 'what was read before is not read again');
  t.like(bench.scanner.progress, { isFinished: true, checkedCount: 8 });
  await bench.scanner.close();
  await bench.store.close();
});

test('a power cut costs a minute of a scan, not the scan; and the place is never damaged by it', async (t) => {
  const options = { bytesPerSecond: 5000 };
  const bench = await Bench.start(options);
  for (let blockId = 1; blockId <= 40; blockId++) await bench.put(blockId, 20_904);
  bench.scanner.start();
  await bench.pass(150_000, 1000);
  const before = bench.scanner.progress!.lastBlockId;
  bench.disk.powerCut('torn', seededRandom(5));
  await bench.scanner.close();
  await bench.open(options);
  bench.scanner.start();
  await bench.settle();
  const after = bench.scanner.progress!.lastBlockId;
  t.true(after <= before && after >= before - 13, `${before} before, ${after} after`);
  t.true(after > 0);
  await bench.scanner.close();
  await bench.store.close();
});

for (const [title, damage] of [
  ['with a flipped bit', (bytes: Buffer) => void (bytes[30]! ^= 4)],
  ['of a later version', (bytes: Buffer) => void bytes.write('dfsh-scan 2')],
  ['that holds something else', (bytes: Buffer) => void bytes.fill(0x41)],
] as const) {
  test(`a file ${title} where the place was: the scan starts over, and says why`, async (t) => {
    const bench = await Bench.start();
    for (const blockId of [1, 2, 3]) await bench.put(blockId, 1000);
    bench.scanner.start();
    await bench.pass(100);
    t.true(bench.scanner.progress!.isFinished);
    damage(bench.disk.bytes('/data/scan-cursor'));
    await bench.restart();
    t.is(bench.scanner.progress, undefined);
    bench.scanner.start();
    await bench.pass(100);
    t.like(bench.scanner.progress, { isFinished: true, checkedCount: 3 });
    t.is(bench.log.filter((line) => /\/data\/scan-cursor is of no use: .*the scan starts over/.test(line)).length, 1);
    t.is(bench.counters.scanPasses, 2);
    await bench.scanner.close();
    await bench.store.close();
  });
}

test('a pass a period: the next one begins when the period is over, after a restart too; a clock that was set back starts one', async (t) => {
  const bench = await Bench.start();
  await bench.put(1, 1000);
  bench.scanner.start();
  await bench.pass(hourMs);
  t.is(bench.counters.scanPasses, 1);
  await bench.pass(20 * hourMs, hourMs);
  await bench.restart();
  bench.scanner.start();
  await bench.pass(2 * hourMs, hourMs);
  t.is(bench.counters.scanPasses, 1);
  await bench.pass(2 * hourMs, hourMs);
  t.is(bench.counters.scanPasses, 2);
  const file = bench.disk.bytes('/data/scan-cursor').toString();
  t.regex(file, /^dfsh-scan 1\nstartedMs=\d+\nlastBlockId=1\nisFinished=1\n/);
  await bench.scanner.close();
  const future = { startedMs: bench.clock.nowMs() + 365 * 24 * hourMs, lastBlockId: 1, isFinished: true, checkedCount: 1, checkedBytes: 1000, rottenCount: 0 };
  await bench.store.writeScanCursor(bench.storageId, future);
  await bench.restart();
  bench.scanner.start();
  await bench.pass(1000);
  t.is(bench.counters.scanPasses, 3);
  await bench.scanner.close();
  await bench.store.close();
});

test('replicas being written, deleted and replaced under the scan are no rot', async (t) => {
  const bench = await Bench.start({ bytesPerSecond: 20_000 });
  for (const blockId of [1, 2, 3]) await bench.put(blockId, 600_000);
  const open = await bench.store.create({ blockId: 4, ...request });
  await open.append(packetOf(content(4, 1000), 0, 1000, chunkBytes));
  bench.scanner.start();
  await bench.pass(5000, 100);
  // In the middle of block 1: cut and gone on with by another writer.
  const writer = await bench.store.recover({ blockId: 1, generationStamp: 10, keepBytes: 100, isDurable: true });
  await appendAll(writer, Buffer.concat([content(1, 100), content(9, 700_000)]), { chunkBytes, packetBytes: 65_536, isLast: true });
  await bench.pass(15_000, 500);
  // In the middle of block 2: deleted.
  await bench.store.invalidate({ blockId: 2, generationStamp: 9 });
  await bench.pass(90_000, 500);
  t.deepEqual(bench.notices(), []);
  t.is(bench.counters.checksumFailures, 0);
  t.like(bench.scanner.progress, { isFinished: true, checkedCount: 1, rottenCount: 0 });
  await writer.finalize();
  await bench.scanner.close();
  await bench.store.close();
});

test('a replica that cannot be read is one finding; a disk that fails altogether is none, and ends its scan', async (t) => {
  const bench = await Bench.start();
  for (const blockId of [1, 2, 3]) await bench.put(blockId, 1000);
  bench.faults.add({ code: 'EIO', calls: ['read'], path: /blk_2$/ });
  bench.scanner.start();
  await bench.pass(1000, 50);
  t.deepEqual(bench.notices(), [], 'it is tried again before it is given up');
  await bench.pass(7000, 50);
  t.deepEqual(bench.notices(), ['corrupt 2']);
  t.like(bench.scanner.progress, { isFinished: true, checkedCount: 3, rottenCount: 1 });
  bench.faults.add({ code: 'EIO' });
  await bench.pass(25 * hourMs, hourMs);
  t.deepEqual(bench.notices(), ['corrupt 2'], 'nothing is said of the others');
  t.is(bench.store.failedVolumes.length, 1);
  await bench.scanner.close();
  await bench.store.close();
});

test('a scan that finds no descriptor waits, and blames nobody (fault 24)', async (t) => {
  const bench = await Bench.start();
  for (const blockId of [1, 2]) await bench.put(blockId, 1000);
  const repair = bench.faults.add({ code: 'EMFILE', calls: ['open'] });
  bench.scanner.start();
  await bench.pass(8000, 100);
  t.is(bench.counters.replicasScanned, 0);
  repair();
  await bench.pass(8000, 100);
  t.like(bench.scanner.progress, { isFinished: true, checkedCount: 2, rottenCount: 0 });
  t.deepEqual(bench.notices(), []);
  await bench.scanner.close();
  await bench.store.close();
});
