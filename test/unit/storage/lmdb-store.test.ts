import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { open as openLmdb } from 'lmdb';
import { createLogger, silentLogger } from '../../../source/base/log.js';
import { encodeNumber, prefixRange, wholeRange } from '../../../source/storage/key-encoding.js';
import { type LmdbStoreOptions, openLmdbStore } from '../../../source/storage/lmdb-store.js';
import { encodeRecord } from '../../../source/storage/record.js';

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-lmdb-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const openStore = (directory: string, options: Partial<LmdbStoreOptions> = {}) => openLmdbStore({ directory, logger: silentLogger, ...options });

async function filledStore(t: ExecutionContext, recordCount = 2000): Promise<string> {
  const directory = join(await temporaryFolder(t), 'store');
  const store = await openStore(directory);
  await store.transact((transaction) => {
    for (let i = 0; i < recordCount; i++) transaction.put('k' + encodeNumber(i), Buffer.alloc(300, `record ${i} `));
  });
  await store.close();
  return directory;
}

const digest = async (path: string) => createHash('sha256').update(await readFile(path)).digest('hex');

async function overwrite(path: string, position: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, position);
  await file.close();
}

test('a new store is for its owner alone', async (t) => {
  const directory = await filledStore(t, 1);
  t.is((await stat(directory)).mode & 0o777, 0o700);
  t.is((await stat(join(directory, 'data.mdb'))).mode & 0o777, 0o600);
  t.deepEqual((await readdir(directory)).sort(), ['clean-shutdown', 'data.mdb', 'lock.mdb']);
});

test('a store that is open is refused to others by the name of its directory, and its reader is not (fault 40)', async (t) => {
  const directory = join(await temporaryFolder(t), 'store');
  const store = await openStore(directory);
  await store.transact((transaction) => transaction.put('a', Buffer.from('1')));
  const error = await t.throwsAsync(openStore(directory), { name: 'StorageLockedError' });
  t.true(error!.message.includes(directory));
  await store.close();
  t.true((await readdir(directory)).includes('clean-shutdown'));
  const again = await openStore(directory);
  t.deepEqual(Buffer.from(again.get('a')!), Buffer.from('1'));
  t.false((await readdir(directory)).includes('clean-shutdown'), 'whatever ends the process from now on, it was no shutdown in good order');
  await again.close();
});

test('a store is closed, and its lock given back, where its disk has no room for the mark of a close in good order (fault 19)', async (t) => {
  const directory = join(await temporaryFolder(t), 'store');
  const store = await openStore(directory);
  await store.transact((transaction) => transaction.put('a', Buffer.from('1')));
  await mkdir(join(directory, 'clean-shutdown.new'));
  await store.close();
  await rm(join(directory, 'clean-shutdown.new'), { recursive: true });
  const again = await openStore(directory);
  t.deepEqual(Buffer.from(again.get('a')!), Buffer.from('1'));
  await again.close();
});

test('a store opened for reading refuses changes, and changes no file', async (t) => {
  const directory = await filledStore(t, 3);
  const before = [await digest(join(directory, 'data.mdb')), await readFile(join(directory, 'clean-shutdown'), 'utf8')];
  const store = await openStore(directory, { isReadOnly: true });
  t.is(await store.transact((transaction) => [...transaction.range(wholeRange)].length), 3);
  await t.throwsAsync(store.transact((transaction) => transaction.put('a', Buffer.from('1'))), { name: 'UnsupportedError' });
  await store.close();
  t.deepEqual([await digest(join(directory, 'data.mdb')), await readFile(join(directory, 'clean-shutdown'), 'utf8')], before);
});

test('where there is no store, opening one for reading is refused and leaves nothing', async (t) => {
  const directory = await temporaryFolder(t);
  await t.throwsAsync(openStore(directory, { isReadOnly: true }), { name: 'StorageDamagedError', message: /there is no store in/ });
  t.deepEqual(await readdir(directory), []);
});

test('a format that is not known is refused naming both versions, and left as it is', async (t) => {
  const directory = await filledStore(t, 1);
  const raw = openLmdb({ path: directory, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' });
  await raw.put(Buffer.from('\0header', 'latin1'), encodeRecord('\0header', Buffer.from(JSON.stringify({ magic: 'dfsh-kv', version: 7 }))));
  await raw.close();
  const before = await digest(join(directory, 'data.mdb'));
  const error = await t.throwsAsync(openStore(directory), { name: 'VersionMismatchError' });
  t.regex(error!.message, /dfsh-kv 7.*dfsh-kv 1/);
  t.is(await digest(join(directory, 'data.mdb')), before);
});

test('somebody else\'s LMDB store is refused, and left as it is', async (t) => {
  const directory = await temporaryFolder(t);
  const raw = openLmdb({ path: directory, noSubdir: false });
  await raw.put('their', 'data');
  await raw.close();
  const before = await digest(join(directory, 'data.mdb'));
  const error = await t.throwsAsync(openStore(directory), { name: 'StorageDamagedError' });
  t.regex(error!.message, /none of dfsh's/);
  t.is(await digest(join(directory, 'data.mdb')), before);
});

for (const [title, damage] of [
  ['cut in half', async (path: string) => truncate(path, Math.floor((await stat(path)).size / 2))],
  ['cut to nothing', (path: string) => truncate(path, 0)],
  ['without its first pages', (path: string) => overwrite(path, 0, new Uint8Array(8192))],
  ['with noise for its pages', (path: string) => overwrite(path, 8192, Buffer.alloc(600_000, 'noise'))],
  ['replaced by text', (path: string) => writeFile(path, 'hello\n')],
] as const) {
  for (const isClean of [true, false]) {
    test(`a file ${title} after ${isClean ? 'a shutdown in good order' : 'a kill'} is refused in one line, and left as it is (fault 15)`, async (t) => {
      const directory = await filledStore(t);
      const path = join(directory, 'data.mdb');
      await damage(path);
      if (!isClean) await rm(join(directory, 'clean-shutdown'));
      const before = await digest(path);
      const error = await t.throwsAsync(openStore(directory), { name: 'StorageDamagedError' });
      t.true(error!.message.includes(directory));
      t.false(error!.message.includes('\n'));
      t.is(await digest(path), before);
      // And the refusal leaves no lock behind: the same answer again, not "in use".
      await t.throwsAsync(openStore(directory), { name: 'StorageDamagedError' });
    });
  }
}

for (const rounds of [5, 7]) {
  test(`a file of ${rounds} commits cut at any page is refused, or holds every record and takes changes (fault 15)`, async (t) => {
    const directory = join(await temporaryFolder(t), 'store');
    const store = await openStore(directory);
    // Few records: the list of free pages may lie behind all of them.
    for (let round = 0; round < rounds; round++) {
      await store.transact((transaction) => {
        for (let i = 0; i < 12; i++) transaction.put('k' + encodeNumber(i), Buffer.alloc(100, `round ${round} `));
      });
    }
    await store.close();
    const whole = await readFile(join(directory, 'data.mdb'));
    let refusals = 0;
    for (let size = whole.length - 4096; size > 0; size -= 4096) {
      const copy = `${directory}-${size}`;
      await mkdir(copy);
      await writeFile(join(copy, 'data.mdb'), whole.subarray(0, size));
      // The system ends a process that touches a page behind the end: not this one.
      const child = spawn(process.execPath, [writer, copy, '0', '1'], { stdio: ['ignore', 'pipe', 'pipe'] });
      const [output, problem] = await Promise.all([text(child.stdout), text(child.stderr)]);
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      t.is(child.signalCode, null, `cut to ${size} of ${whole.length} bytes`);
      if (/^StorageDamagedError: [^\n]* its files were left as they are/m.test(problem)) refusals++;
      else {
        t.is(output, '0\n', problem);
        const again = await openStore(copy);
        t.is([...again.range(prefixRange('k'))].length, 12);
        t.truthy(again.get('a' + encodeNumber(0)));
        await again.close();
      }
    }
    t.true(refusals > 0);
  });
}

test('a flipped byte in a record is a typed error for that record, in gets and ranges, and the others stay readable (fault 14)', async (t) => {
  const directory = await filledStore(t);
  const path = join(directory, 'data.mdb');
  // One of the first: the look at the store comes to it, however slow the machine is.
  const position = (await readFile(path)).indexOf('record 7 record 7');
  await overwrite(path, position + 3, Buffer.from('X'));
  const lines: string[] = [];
  const store = await openStore(directory, { logger: createLogger((line) => lines.push(line)) });
  t.regex(lines.join(''), /not closed in good order.* 1 damaged|not closed in good order.* 2 damaged/);
  t.throws(() => store.get('k' + encodeNumber(7)), { name: 'StorageDamagedError' });
  t.throws(() => [...store.range(wholeRange)], { name: 'StorageDamagedError' });
  await t.throwsAsync(store.transact((transaction) => transaction.get('k' + encodeNumber(7))), { name: 'StorageDamagedError' });
  t.is(Buffer.from(store.get('k' + encodeNumber(8))!).toString('latin1', 0, 8), 'record 8');
  await store.transact((transaction) => transaction.put('k' + encodeNumber(7), Buffer.from('mended')));
  t.is([...store.range(wholeRange)].length, 2000);
  await store.close();
});

test('below the floor of free space changes are refused and reads go on; with space again, changes do (fault 19)', async (t) => {
  const directory = join(await temporaryFolder(t), 'store');
  let free = 1000;
  const options = { minFreeBytes: 500, freeBytes: () => free };
  const store = await openStore(directory, options);
  await store.transact((transaction) => transaction.put('a', Buffer.from('1')));
  free = 499;
  const error = await t.throwsAsync(store.transact((transaction) => transaction.put('b', Buffer.from('2'))), { name: 'NoSpaceError' });
  t.regex(error!.message, /499 B free, at least 500 B needed/);
  t.is(Buffer.from((await store.transact((transaction) => transaction.get('a')))!).toString(), '1');
  free = 500;
  await store.transact((transaction) => transaction.put('b', Buffer.from('2')));
  await store.close();
  free = 0;
  await t.throwsAsync(openStore(`${directory}-new`, options), { name: 'NoSpaceError', message: /^no space for .*: 0 B free, at least 500 B needed; make space on its disk, or give another directory$/ }, 'there is nothing to read yet');
  const again = await openStore(directory, options);
  t.is(Buffer.from(again.get('b')!).toString(), '2');
  await again.close();
});

test('a directory that cannot be made is named, with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'file'), '');
  const directory = join(folder, 'file', 'store');
  await t.throwsAsync(openStore(directory), { name: 'InputOutputError', message: new RegExp(`^the directory of the store, ${directory}, cannot be used; .*: ENOTDIR`) });
});

test('what was left of a creation that was killed is swept away', async (t) => {
  const directory = join(await temporaryFolder(t), 'store');
  await (await openStore(join(directory, 'new'))).close();
  const store = await openStore(directory);
  await store.close();
  t.deepEqual((await readdir(directory)).sort(), ['clean-shutdown', 'data.mdb', 'lock.mdb']);
});

const writer = fileURLToPath(new URL('../../helpers/store-writer.js', import.meta.url));

test('killed again and again in the middle of commits, the store opens with all that was acknowledged, and halves of nothing (faults 2, 5, 9)', async (t) => {
  const directory = join(await temporaryFolder(t), 'store');
  let acknowledged: number[] = [];
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [writer, directory, String(round * 1_000_000)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        // Killed after a number of commits, wherever it then is.
        if (output.length > 2000 * (round + 1)) child.kill('SIGKILL');
      });
      child.once('close', () => resolve());
    });
    const numbers = output.slice(0, output.lastIndexOf('\n')).split('\n').map(Number);
    t.true(numbers.length > 100);
    acknowledged = acknowledged.concat(numbers);
    const store = await openStore(directory);
    const missing = acknowledged.filter((number) => !store.get('a' + encodeNumber(number)) || !store.get('b' + encodeNumber(number)));
    t.deepEqual(missing, []);
    t.is([...store.range(prefixRange('a'))].length, [...store.range(prefixRange('b'))].length);
    await store.close();
  }
});

test('a commit that fails rejects with the reason, and the store opens again with what was acknowledged', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const directory = join(await temporaryFolder(t), 'store');
  // A limit on the size of files stands for a disk that fails in mid-commit.
  const child = spawn('/bin/sh', ['-c', 'ulimit -f 1500; exec "$0" "$@"', process.execPath, writer, directory, '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  t.is(code, 3, 'it has ended by itself, not by a rejection that nobody took');
  t.regex(output.slice(-1000), /failed: a commit of the store in .* failed \(.*(Input\/output error|too large).*\)/);
  const acknowledged = output.split('\n').filter((line) => /^\d+$/.test(line)).map(Number);
  t.true(acknowledged.length > 50);
  const store = await openStore(directory);
  t.deepEqual(acknowledged.filter((number) => !store.get('a' + encodeNumber(number)) || !store.get('b' + encodeNumber(number))), []);
  await store.close();
});
