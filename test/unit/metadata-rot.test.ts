import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { NameNodeBench } from '../helpers/name-node-bench.js';

interface Found {
  status: unknown;
  /** Left out where the question for them was refused by a typed error. */
  blocks?: unknown;
}

interface Reading {
  refused?: string;
  entries: Record<string, Found>;
  errors: number;
  reason: string;
}

const isRight = (found: Found, expected: Found | undefined) =>
  expected !== undefined && JSON.stringify(found.status) === JSON.stringify(expected.status) && (found.blocks === undefined || JSON.stringify(found.blocks) === JSON.stringify(expected.blocks));

const reader = fileURLToPath(new URL('../helpers/store-reader.js', import.meta.url));
const flipCount = Number(process.env['DFSH_FLIPS'] ?? 20);
const flipsPerReader = 10;

test('bits of the name node\'s file are flipped: whatever is served is right, and what is not is refused by name; no flip is a crash (faults 14, 15)', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-rot-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const store = await openLmdbStore({ directory: join(folder, 'good'), logger: silentLogger });
  const bench = new NameNodeBench();
  bench.anyStore = store;
  await bench.start();
  await bench.join(0);
  await bench.join(1);
  for (let i = 0; i < 60; i++) await bench.put(`/d${i % 5}/file-${i}`);
  await bench.nameNode.close();
  await store.close();
  const good = await readFile(join(folder, 'good', 'data.mdb'));

  const read = async (images: Buffer[]): Promise<Reading[]> => {
    const directories = images.map((_, index) => join(folder, `copy-${index}`));
    for (const [index, directory] of directories.entries()) {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory);
      await writeFile(join(directory, 'data.mdb'), images[index]!);
    }
    const { stdout } = await promisify(execFile)(process.execPath, [reader, ...directories], { maxBuffer: 2 ** 28 });
    return stdout.trim().split('\n').map((line) => JSON.parse(line) as Reading);
  };
  const [expected] = await read([good]);
  t.is(Object.keys(expected!.entries).length, 65);

  const seed = Number(process.env['DFSH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  t.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const outcomes = { refused: 0, readOnly: 0, untouched: 0, wrong: 0 };
  for (let done = 0; done < flipCount; done += flipsPerReader) {
    const flips = Array.from({ length: flipsPerReader }, () => Math.floor(random.next() * good.length * 8));
    const readings = await read(
      flips.map((bit) => {
        const image = Buffer.from(good);
        image[bit >> 3]! ^= 1 << (bit & 7);
        return image;
      }),
    );
    for (const [index, reading] of readings.entries()) {
      const which = `bit ${flips[index]! & 7} of byte ${flips[index]! >> 3}, seed ${seed}`;
      if (reading.refused !== undefined) {
        t.false(reading.refused.includes('\n'), which);
        outcomes.refused++;
        continue;
      }
      const paths = Object.keys(reading.entries);
      const wrong = paths.filter((path) => !isRight(reading.entries[path]!, expected!.entries[path]));
      const missing = Object.keys(expected!.entries).length - paths.length;
      if (wrong.length > 0 || (missing > 0 && reading.reason === '')) {
        outcomes.wrong++;
        t.log(`${which}: wrong ${wrong.slice(0, 3).join(' ')}, ${missing} missing, ${reading.errors} errors; ${reading.reason}`);
      } else if (/damaged/.test(reading.reason)) outcomes.readOnly++;
      else outcomes.untouched++;
    }
    t.is(readings.length, flips.length);
  }
  t.log(JSON.stringify(outcomes));
  t.is(outcomes.wrong, 0);
  t.true(outcomes.refused + outcomes.readOnly > 0);
});
