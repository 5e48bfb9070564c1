import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { StorageDamagedError } from '../../../source/protocol/errors.js';
import { silentLogger } from '../../../source/base/log.js';
import { encodeNumber, wholeRange } from '../../../source/storage/key-encoding.js';
import type { Entry } from '../../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../../source/storage/lmdb-store.js';
import { DamagedRecordError } from '../../../source/storage/record.js';
import { readStoreImage, writeStoreImage } from '../../../source/storage/store-image.js';

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-image-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function* entries(count: number, valueBytes = 40): Generator<Entry> {
  for (let i = 0; i < count; i++) yield [`k\xff${encodeNumber(i)}`, Buffer.alloc(i === 0 ? 0 : valueBytes, `value ${i} `)];
}

async function readAll(path: string): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const section of readStoreImage(path)) found.push(...section.map(([key, value]): Entry => [key, Buffer.from(value)]));
  return found;
}

test('what was written is read back, in sections that stay small, and the file is for its owner alone', async (t) => {
  const path = join(await temporaryFolder(t), 'image');
  const expected = [...entries(50_000)].map(([key, value]) => [key, Buffer.from(value)]);
  const { recordCount, sizeBytes } = await writeStoreImage(path, entries(50_000));
  t.is(recordCount, 50_000);
  t.is((await stat(path)).size, sizeBytes);
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await readAll(path), expected as Entry[]);
  let sections = 0;
  for await (const _ of readStoreImage(path)) sections++;
  t.true(sections > 1);
});

test('an image of nothing is one too', async (t) => {
  const path = join(await temporaryFolder(t), 'image');
  t.is((await writeStoreImage(path, [])).recordCount, 0);
  t.deepEqual(await readAll(path), []);
});

test('whatever single byte is changed, and wherever the file is cut, it is refused in one line that names it', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'image');
  await writeStoreImage(path, entries(20));
  const good = await readFile(path);
  const bad = join(folder, 'bad');
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good);
    bytes[at]! ^= 1 << (at % 8);
    await writeFile(bad, bytes);
    const error = await t.throwsAsync(readAll(bad), { instanceOf: StorageDamagedError }, `byte ${at}`);
    t.true(error!.message.includes(bad) && !error!.message.includes('\n'));
    await writeFile(bad, good.subarray(0, at));
    await t.throwsAsync(readAll(bad), { instanceOf: StorageDamagedError }, `cut at ${at}`);
  }
  await writeFile(bad, Buffer.concat([good, Buffer.from('x')]));
  await t.throwsAsync(readAll(bad), { instanceOf: StorageDamagedError, message: /goes on behind its end/ });
  t.deepEqual((await readAll(path)).length, 20);
});

test('a section that is left out, doubled or moved is noticed', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'image');
  await writeStoreImage(path, entries(3, 1024 * 1024));
  const good = await readFile(path);
  const cuts = [20];
  while (cuts.at(-1)! < good.length) cuts.push(cuts.at(-1)! + 8 + good.readUInt32LE(cuts.at(-1)!));
  const [header, ...sections] = [0, ...cuts.slice(0, -1)].map((from, index) => good.subarray(from, cuts[index]));
  t.is(sections.length, 3);
  const [a, b, end] = sections as [Buffer, Buffer, Buffer];
  for (const wrong of [[b, a, end], [a, end], [b, end], [a, a, b, end], [a, b, b, end], [end]]) {
    await writeFile(join(folder, 'bad'), Buffer.concat([header!, ...wrong]));
    await t.throwsAsync(readAll(join(folder, 'bad')), { instanceOf: StorageDamagedError });
  }
});

test('a newer format is refused naming both versions', async (t) => {
  const path = join(await temporaryFolder(t), 'image');
  await writeStoreImage(path, entries(2));
  const bytes = await readFile(path);
  bytes.writeUInt32LE(9, 16);
  await writeFile(path, bytes);
  await t.throwsAsync(readAll(path), { instanceOf: StorageDamagedError, message: /format version 9, and this program knows version 1/ });
});

test('nothing is written over, and what fails half-way leaves nothing behind', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'image');
  await writeFile(path, 'mine');
  await t.throwsAsync(writeStoreImage(path, entries(2)), { instanceOf: StorageDamagedError, message: /is there already/ });
  t.is(await readFile(path, 'utf8'), 'mine');
  const failing = function* (): Generator<Entry> {
    yield* entries(30_000);
    throw new DamagedRecordError('kx', 'a record fails its checksum');
  };
  await t.throwsAsync(writeStoreImage(join(folder, 'other'), failing()), { instanceOf: StorageDamagedError, message: /fails its checksum/ });
  await t.throwsAsync(writeStoreImage(join(folder, 'no', 'such', 'folder'), entries(1)), { message: /no\/such\/folder/ });
  t.deepEqual(await readdir(folder), ['image']);
});

test('an image of a store that another process writes holds whole transactions, all of one moment', async (t) => {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'store');
  // It writes pairs: a and b of a number in one transaction.
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../helpers/store-writer.js', import.meta.url)), directory, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => void child.kill('SIGKILL'));
  let acknowledged = -1;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (acknowledged = Math.max(acknowledged, ...chunk.trim().split('\n').map(Number))));
  const until = async (count: number) => {
    while (acknowledged < count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  let last = 0;
  for (let round = 0; round < 4; round++) {
    await until(last + 500);
    const durable = acknowledged;
    const store = await openLmdbStore({ directory, logger: silentLogger, isReadOnly: true });
    const snapshot = store.snapshot();
    await until(durable + 200);
    const path = join(folder, `image-${round}`);
    await writeStoreImage(path, snapshot.range(wholeRange));
    snapshot.close();
    await store.close();
    const keys = (await readAll(path)).map(([key]) => key);
    const [a, b] = ['a', 'b'].map((letter) => keys.filter((key) => key.startsWith(letter)).map((key) => key.slice(1)));
    t.deepEqual(a, b);
    t.true(a!.length > last && a!.length >= durable - 16, `${a!.length} of ${durable}`);
    last = a!.length;
  }
});
