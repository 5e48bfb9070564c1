import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import { backUpNameNode } from '../../source/compose-backup.js';
import { decodeFormat, formatVersion } from '../../source/namenode/format.js';
import { decodeInode } from '../../source/namenode/inode.js';
import { formatKey } from '../../source/namenode/keys.js';
import type { KeyValueReader } from '../../source/storage/key-value-store.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';

const starter = fileURLToPath(new URL('../helpers/store-starter.js', import.meta.url));
const fixture = fileURLToPath(new URL('../../../test/fixtures/name-space-1.mdb.gz', import.meta.url));
const fixtureNames = ['', 'a', 'c', 'f', 'gone', 'open', 't._COPYING_', 'x', 'y', 'é'];

const names = (store: KeyValueReader) => [...store.range({ start: 'I', end: 'J' })].map(([, value]) => decodeInode(0, value).name).filter((name) => !/^\d$/.test(name)).sort();

async function oldDirectory(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-storm-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const directory = join(folder, 'namenode');
  await mkdir(directory);
  await writeFile(join(directory, 'data.mdb'), gunzipSync(await readFile(fixture)));
  return directory;
}

/** Runs the starter and kills it `afterMs` behind its begin, or, if that is undefined, when it is done. */
async function killed(args: string[], afterMs: number | undefined): Promise<'done' | 'killed'> {
  const child = spawn(process.execPath, [starter, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let problem = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (problem += chunk));
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (afterMs === undefined) {
        if (output.includes('done')) child.kill('SIGKILL');
      } else if (output.startsWith('begins')) {
        setTimeout(() => child.kill('SIGKILL'), afterMs);
      }
    });
    child.once('close', (code, signal) => (signal === 'SIGKILL' ? resolve() : reject(new Error(`it ended by itself with ${code}: ${problem}`))));
  });
  return output.includes('done') ? 'done' : 'killed';
}

test('a name node killed in start after start, while it upgrades too, starts in the end with all that was there (faults 7, 9)', async (t) => {
  const directory = await oldDirectory(t);
  const random = seededRandom(5);
  const endings = { done: 0, killed: 0 };
  for (let round = 0; round < 12; round++) endings[await killed([directory], round % 4 === 3 ? undefined : random.next() * 250)]++;
  t.true(endings.killed > 0 && endings.done > 0, JSON.stringify(endings));
  const store = await openLmdbStore({ directory, logger: silentLogger });
  t.deepEqual(names(store), fixtureNames);
  t.is(decodeFormat(store.get(formatKey)!)!.version, formatVersion);
  await store.close();
});

test('a restoration killed again and again leaves the old store or the new one, whole, and goes through in the end (faults 7, 8, 9)', async (t) => {
  const directory = await oldDirectory(t);
  const image = join(directory, '..', 'image');
  await backUpNameNode(directory, image);
  const random = seededRandom(6);
  const endings = { done: 0, killed: 0 };
  for (let round = 0; round < 12; round++) {
    endings[await killed([directory, image], round % 4 === 3 ? undefined : random.next() * 150)]++;
    const store = await openLmdbStore({ directory, logger: silentLogger, isReadOnly: true });
    t.deepEqual(names(store), fixtureNames);
    await store.close();
  }
  t.true(endings.killed > 0 && endings.done > 0, JSON.stringify(endings));
  const store = await openLmdbStore({ directory, logger: silentLogger });
  t.deepEqual(names(store), fixtureNames);
  t.false((await readdir(directory)).includes('new'));
  await store.close();
});
