import test from 'ava';
import { CopyJob, type CopyFailure, type CopyOptions } from '../../../source/filesystem/copy.js';
import { CancelledError, FileAlreadyExistsError, InputOutputError, InvalidPathError, LocalFileError, NoSpaceError, NotADirectoryError, UnavailableError } from '../../../source/protocol/errors.js';
import { TreeFileSystem } from '../../helpers/tree-file-system.js';

async function copy(source: TreeFileSystem, from: string, target: TreeFileSystem, to: string, options: Partial<CopyOptions> = {}): Promise<CopyFailure[]> {
  const failures: CopyFailure[] = [];
  const job = new CopyJob({ onFailure: (failure) => failures.push(failure), ...options });
  await job.copy({ fileSystem: source, path: from, status: await source.stat(from) }, { fileSystem: target, path: to, status: await target.find(to) });
  await job.finish();
  return failures;
}

test('a tree is copied with its empty directories', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A', '/d/s/b': 'B', '/d/void/x': '' });
  await source.delete('/d/void/x');
  const target = new TreeFileSystem();
  t.deepEqual(await copy(source, '/d', target, '/new'), []);
  t.deepEqual(target.files, { '/new/a': 'A', '/new/s/b': 'B' });
  t.true(target.directories.includes('/new/void'));
});

test('an existing tree is merged into: what is there stays, and is an error without overwrite', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'new', '/d/b': 'B' });
  const target = new TreeFileSystem({ '/t/a': 'old', '/t/kept': 'K' });
  const failures = await copy(source, '/d', target, '/t');
  t.deepEqual(failures.map(({ side, path, error }) => [side, path, error instanceof FileAlreadyExistsError]), [['target', '/t/a', true]]);
  t.deepEqual(target.files, { '/t/a': 'old', '/t/b': 'B', '/t/kept': 'K' });
  t.deepEqual(await copy(source, '/d', target, '/t', { overwrite: true }), []);
  t.deepEqual(target.files, { '/t/a': 'new', '/t/b': 'B', '/t/kept': 'K' });
});

test('a directory does not replace a file, nor a file a directory', async (t) => {
  const source = new TreeFileSystem({ '/d/x': 'dir', '/f': 'file' });
  const target = new TreeFileSystem({ '/d': 'a file', '/f/x': 'in a dir' });
  const [first] = await copy(source, '/d', target, '/d', { overwrite: true });
  t.true(first?.error instanceof NotADirectoryError && first.side === 'target');
  const [second] = await copy(source, '/f', target, '/f', { overwrite: true });
  t.true(second?.error instanceof FileAlreadyExistsError);
  t.deepEqual(target.files, { '/d': 'a file', '/f/x': 'in a dir' });
});

test('entries whose names climb out are refused, and the others are copied (fault 66)', async (t) => {
  const source = new TreeFileSystem({ '/d/good': 'G' });
  source.extraNames.set('/d', ['..', '../evil', '/abs', 'a/b', '', '.']);
  const target = new TreeFileSystem();
  await target.mkdirs('/home');
  const failures = await copy(source, '/d', target, '/home/d');
  t.is(failures.length, 6);
  t.true(failures.every(({ error, side }) => error instanceof InvalidPathError && side === 'source'));
  t.deepEqual(target.files, { '/home/d/good': 'G' });
});

test('a file that cannot be read does not keep the others from being copied', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A', '/d/b': 'B', '/d/c': 'C' });
  source.fail('read', '/d/b', new InputOutputError('bad block'));
  const target = new TreeFileSystem();
  const failures = await copy(source, '/d', target, '/t');
  t.deepEqual(failures.map(({ side, path }) => [side, path]), [['source', '/d/b']]);
  t.deepEqual(target.files, { '/t/a': 'A', '/t/c': 'C' });
});

test('an error of the target is the target\'s, though both paths are spelt alike', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A' });
  const target = new TreeFileSystem();
  await target.mkdirs('/d');
  target.fail('write', '/d/a', new NoSpaceError('/d/a: No space left on the device', { path: '/d/a' }));
  t.deepEqual((await copy(source, '/d', target, '/d')).map(({ side, path }) => [side, path]), [['target', '/d/a']]);
});

test('a directory that is listed within itself is left out', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A' });
  const real = await source.stat('/d');
  const list = source.list.bind(source);
  source.list = async function* (path) {
    yield* list(path);
    // A symbolic link to the directory above, as the local file system shows it.
    yield { ...real, name: 'loop' };
  };
  const target = new TreeFileSystem();
  const failures = await copy(source, '/d', target, '/t');
  t.deepEqual(failures.map(({ path, error }) => [path, error instanceof LocalFileError]), [['/d/loop', true]]);
  t.deepEqual(target.files, { '/t/a': 'A' });
});

test('a move deletes what was copied and keeps what was not', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A', '/d/b': 'B' });
  source.fail('read', '/d/b', new InputOutputError('bad block'));
  const target = new TreeFileSystem();
  await copy(source, '/d', target, '/t', { isMove: true });
  t.deepEqual(source.files, { '/d/b': 'B' });
  t.deepEqual(target.files, { '/t/a': 'A' });
});

test('a move does not merge into a directory that is there', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A' });
  const target = new TreeFileSystem({ '/t/x': 'X' });
  const [failure] = await copy(source, '/d', target, '/t', { isMove: true });
  t.true(failure?.error instanceof FileAlreadyExistsError);
  t.deepEqual(source.files, { '/d/a': 'A' });
});

test('without a name node nothing more is tried', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'A', '/d/b': 'B', '/d/c': 'C' });
  const target = new TreeFileSystem();
  const failures: CopyFailure[] = [];
  for (const name of ['a', 'b', 'c']) target.fail('create', `/t/${name}`, new UnavailableError('nothing answers'));
  const job = new CopyJob({ threads: 1, onFailure: (failure) => failures.push(failure) });
  await job.copy({ fileSystem: source, path: '/d', status: await source.stat('/d') }, { fileSystem: target, path: '/t', status: null });
  await t.throwsAsync(job.finish(), { instanceOf: UnavailableError });
  t.deepEqual(failures, []);
});

test('an abort ends the job with its reason, and no file is half there', async (t) => {
  const source = new TreeFileSystem(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`/d/${i}`, 'x'])));
  const target = new TreeFileSystem();
  const abort = new AbortController();
  let begun = 0;
  const observer = { begin: () => ({ onProgress() {}, end: () => void (++begun === 5 && abort.abort()) }) };
  const job = new CopyJob({ threads: 1, signal: abort.signal, observer, onFailure: ({ error }) => t.fail(String(error)) });
  await job.copy({ fileSystem: source, path: '/d', status: await source.stat('/d') }, { fileSystem: target, path: '/t', status: null });
  await t.throwsAsync(job.finish(), { instanceOf: CancelledError });
  t.true(Object.keys(target.files).length < 10);
  t.true(Object.values(target.files).every((text) => text === 'x'));
});

test('the observer hears of each file, of its bytes, and of a failure', async (t) => {
  const source = new TreeFileSystem({ '/d/a': 'AAA', '/d/b': 'B' });
  source.fail('read', '/d/b', new InputOutputError('bad block'));
  const heard: unknown[] = [];
  const observer = { begin: ({ source: from, lengthBytes }: { source: string; lengthBytes: number }) => ({ onProgress() {}, end: (result: { bytes: number } | undefined) => void heard.push([from, lengthBytes, result?.bytes]) }) };
  await copy(source, '/d', new TreeFileSystem(), '/t', { observer, threads: 1 });
  t.deepEqual(heard, [
    ['/d/a', 3, 3],
    ['/d/b', 1, undefined],
  ]);
});
