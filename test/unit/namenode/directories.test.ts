import test from 'ava';
import {
  DirectoryNotEmptyError,
  FileAlreadyExistsError,
  FileNotFoundError,
  InputOutputError,
  InvalidPathError,
  IsADirectoryError,
  NotADirectoryError,
  RenameIntoItselfError,
} from '../../../source/protocol/errors.js';
import { NamespaceHarness } from '../../helpers/namespace-harness.js';

test('the root belongs to who runs the name node', async (t) => {
  const { root } = await NamespaceHarness.open();
  t.like(await root('fs.getFileInfo', { path: '/' }), { name: '', type: 'directory', owner: 'hdfs', group: 'supergroup', permission: 0o755 });
});

test('mkdirs makes missing parents only if asked, and says whether it made something', async (t) => {
  const { root } = await NamespaceHarness.open();
  await t.throwsAsync(root('fs.mkdirs', { path: '/a/b', permission: 0o755, createParents: false }), { instanceOf: FileNotFoundError, message: "Parent directory doesn't exist: /a" });
  t.is(await root('fs.getFileInfo', { path: '/a' }), null);
  t.true(await root('fs.mkdirs', { path: '/a/b/c', permission: 0o700, createParents: true }));
  t.is((await root('fs.getFileInfo', { path: '/a/b/c' }))?.permission, 0o700);
  t.false(await root('fs.mkdirs', { path: '/a/b/c', permission: 0o755, createParents: true }));
  t.is((await root('fs.getFileInfo', { path: '/a/b/c' }))?.permission, 0o700);
  await t.throwsAsync(root('fs.mkdirs', { path: '/a/b', permission: 0o755, createParents: false }), { instanceOf: FileAlreadyExistsError });
});

test('missing parents get u+wx, so that what is made in them can be reached', async (t) => {
  const { root } = await NamespaceHarness.open();
  await root('fs.mkdirs', { path: '/p/q', permission: 0o444, createParents: true });
  t.is((await root('fs.getFileInfo', { path: '/p' }))?.permission, 0o744);
  t.is((await root('fs.getFileInfo', { path: '/p/q' }))?.permission, 0o444);
});

test('a new inode takes its owner from the caller and its group from its parent', async (t) => {
  const { root, as } = await openWith((harness) => harness.mkdir('/d', { permission: 0o777 }));
  await root('fs.setOwner', { path: '/d', group: 'eng' });
  await as('bob')('fs.mkdirs', { path: '/d/s', permission: 0o755, createParents: false });
  t.like(await root('fs.getFileInfo', { path: '/d/s' }), { owner: 'bob', group: 'eng' });
});

test('nothing is made below a file or in its place', async (t) => {
  const { root, harness } = await openWith((h) => h.file('/f'));
  await t.throwsAsync(root('fs.mkdirs', { path: '/f/x', permission: 0o755, createParents: true }), { instanceOf: NotADirectoryError, message: '/f (is not a directory)' });
  await t.throwsAsync(root('fs.mkdirs', { path: '/f', permission: 0o755, createParents: true }), { instanceOf: FileAlreadyExistsError });
  await t.throwsAsync(harness.file('/f/x/y'), { instanceOf: NotADirectoryError, message: '/f (is not a directory)' });
  t.is(await root('fs.getFileInfo', { path: '/f/x' }), null);
});

test('names that nothing may have are refused with the reason (fault 56)', async (t) => {
  const { root } = await NamespaceHarness.open();
  const make = (path: string) => root('fs.mkdirs', { path, permission: 0o755, createParents: true });
  await t.throwsAsync(make('/a/.snapshot'), { instanceOf: InvalidPathError, message: '".snapshot" is a reserved name.' });
  for (const path of ['a', '/a//b', '/a/../b', '/a/', '/\0', '/\ud800', `/${'x'.repeat(256)}`]) await t.throwsAsync(make(path), { instanceOf: InvalidPathError }, path);
  t.true(await make(`/${'ü'.repeat(127)}`));
});

test('a directory lists its entries in the order of their UTF-8 bytes, page by page (fault 55)', async (t) => {
  const { root, harness } = await openWith((h) => h.mkdir('/d'));
  const names = ['\u{1F600}', 'b', 'a', 'é', 'Z', '\uFFFD', '_', 'a.b', 'a b'];
  for (const name of names) await harness.mkdir(`/d/${name}`);
  const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const found: string[] = [];
  let startAfter: string | undefined;
  for (;;) {
    const page = await root('fs.getListing', { path: '/d', limit: 2, ...(startAfter !== undefined && { startAfter }) });
    found.push(...page.entries.map((entry) => entry[0]));
    startAfter = found.at(-1);
    if (!page.hasMore) break;
    t.is(page.entries.length, 2);
  }
  t.deepEqual(found, sorted);
});

test('a listing longer than one turn is whole', async (t) => {
  const { root, harness } = await openWith((h) => h.mkdir('/d'));
  await Promise.all(Array.from({ length: 2500 }, (_, index) => harness.mkdir(`/d/${String(index).padStart(5, '0')}`)));
  const page = await root('fs.getListing', { path: '/d', limit: 10_000 });
  t.is(new Set(page.entries.map((entry) => entry[0])).size, 2500);
  t.false(page.hasMore);
  t.true((await root('fs.getListing', { path: '/d', limit: 2499 })).hasMore);
});

test('listing a file answers the file, listing nothing is an error', async (t) => {
  const { root } = await openWith((h) => h.file('/f', [10]));
  const { entries } = await root('fs.getListing', { path: '/f' });
  t.is(entries.length, 1);
  t.deepEqual(entries[0]!.slice(2, 4), [0, 10]);
  t.is(entries[0]![0], '');
  await t.throwsAsync(root('fs.getListing', { path: '/none' }), { instanceOf: FileNotFoundError, message: 'File /none does not exist.' });
  await t.throwsAsync(root('fs.getListing', { path: '/f/x' }), { instanceOf: FileNotFoundError });
});

test('a rename moves a subtree at once and keeps its inodes', async (t) => {
  const { root, harness } = await openWith((h) => h.file('/a/b/f', [5]));
  await harness.mkdir('/c');
  const before = await root('fs.getFileInfo', { path: '/a/b/f' });
  t.is(await root('fs.rename', { source: '/a', target: '/c/a2' }), null);
  t.is(await root('fs.getFileInfo', { path: '/a' }), null);
  t.is(await root('fs.getFileInfo', { path: '/a/b/f' }), null);
  t.deepEqual(await root('fs.getFileInfo', { path: '/c/a2/b/f' }), before);
  await harness.mkdir('/a/b');
  t.deepEqual((await root('fs.getListing', { path: '/a/b' })).entries, []);
});

test('a rename is refused, and changes nothing, where it cannot be done (fault 50)', async (t) => {
  const { root, harness } = await openWith(async (h) => {
    await h.file('/d/f', [5]);
    await h.file('/g', [6]);
    await h.mkdir('/empty');
  });
  const before = harness.dump();
  const rename = (source: string, target: string, overwrite = false) => root('fs.rename', { source, target, overwrite });
  await t.throwsAsync(rename('/none', '/x'), { instanceOf: FileNotFoundError, message: 'rename source /none is not found.' });
  await t.throwsAsync(rename('/d', '/d/s'), { instanceOf: RenameIntoItselfError });
  await t.throwsAsync(rename('/d', '/d'), { instanceOf: FileAlreadyExistsError });
  await t.throwsAsync(rename('/g', '/d/f'), { instanceOf: FileAlreadyExistsError });
  await t.throwsAsync(rename('/empty', '/d', true), { instanceOf: DirectoryNotEmptyError });
  await t.throwsAsync(rename('/g', '/empty', true), { instanceOf: IsADirectoryError });
  await t.throwsAsync(rename('/empty', '/g', true), { instanceOf: NotADirectoryError });
  await t.throwsAsync(rename('/g', '/no/x'), { instanceOf: FileNotFoundError });
  await t.throwsAsync(rename('/empty', '/g/x'), { instanceOf: NotADirectoryError, message: '/g (is not a directory)' });
  await t.throwsAsync(rename('/', '/x'), { instanceOf: InputOutputError });
  await t.throwsAsync(rename('/g', '/'), { instanceOf: FileAlreadyExistsError });
  t.deepEqual(withoutCounters(harness.dump()), withoutCounters(before));
});

test('a rename with overwrite replaces a file, whose blocks go, or an empty directory', async (t) => {
  const { root, harness } = await openWith(async (h) => {
    await h.file('/a', [5]);
    await h.file('/b', [7, 1]);
    await h.mkdir('/d/s');
    await h.mkdir('/e');
  });
  t.is(harness.blocks.known.size, 3);
  await root('fs.rename', { source: '/a', target: '/b', overwrite: true });
  t.is((await root('fs.getFileInfo', { path: '/b' }))?.lengthBytes, 5);
  t.is(harness.blocks.known.size, 1);
  await root('fs.rename', { source: '/d', target: '/e', overwrite: true });
  t.is((await root('fs.getFileInfo', { path: '/e/s' }))?.type, 'directory');
  t.deepEqual(counts(harness), { files: 1, directories: 3, pending: 0 });
});

test('two renames of each other into each other leave no cycle: one of them is refused (fault 50)', async (t) => {
  const { root } = await openWith(async (h) => {
    await h.mkdir('/a');
    await h.mkdir('/b');
  });
  const results = await Promise.allSettled([root('fs.rename', { source: '/a', target: '/b/a' }), root('fs.rename', { source: '/b', target: '/a/b' })]);
  t.deepEqual(results.map((result) => result.status), ['fulfilled', 'rejected']);
  t.is((await root('fs.getFileInfo', { path: '/b/a' }))?.type, 'directory');
});

test('entries that come and go set their directory\'s modification time', async (t) => {
  const { root, harness } = await openWith((h) => h.mkdir('/d'));
  const changed = async (work: () => Promise<unknown>, path = '/d') => {
    harness.clock.advance(10);
    await work();
    return (await root('fs.getFileInfo', { path }))!.modificationTimeMs === harness.clock.nowMs();
  };
  t.true(await changed(() => harness.mkdir('/d/s')));
  t.true(await changed(() => harness.file('/d/f')));
  t.true(await changed(() => root('fs.rename', { source: '/d/f', target: '/d/s/f' })));
  t.true(await changed(() => root('fs.rename', { source: '/d/s/f', target: '/d/f' }), '/d/s'));
  t.true(await changed(() => root('fs.delete', { path: '/d/f', recursive: false })));
  t.false(await changed(() => root('fs.setPermission', { path: '/d', permission: 0o700 })));
});

test('delete says whether there was something, and wants recursive for what is not empty', async (t) => {
  const { root, harness } = await openWith((h) => h.file('/d/f', [5]));
  t.false(await root('fs.delete', { path: '/none', recursive: true }));
  t.false(await root('fs.delete', { path: '/d/f/x', recursive: true }));
  await t.throwsAsync(root('fs.delete', { path: '/d', recursive: false }), { instanceOf: DirectoryNotEmptyError, message: '/d is non empty' });
  await t.throwsAsync(root('fs.delete', { path: '/', recursive: true }), { instanceOf: InputOutputError });
  t.is(harness.blocks.known.size, 1);
  t.true(await root('fs.delete', { path: '/d/f', recursive: false }));
  t.is(harness.blocks.known.size, 0);
  t.true(await root('fs.delete', { path: '/d', recursive: false }));
  t.deepEqual(counts(harness), { files: 0, directories: 1, pending: 0 });
});

test('delete of one inode leaves what has taken its place', async (t) => {
  const { root, harness } = await openWith((h) => h.file('/f', [5]));
  const { inodeId } = (await root('fs.getFileInfo', { path: '/f' }))!;
  await harness.file('/g', [6]);
  await root('fs.rename', { source: '/g', target: '/f', overwrite: true });
  t.false(await root('fs.delete', { path: '/f', recursive: false, inodeId }));
  const now = (await root('fs.getFileInfo', { path: '/f' }))!;
  t.is(now.lengthBytes, 6);
  t.true(await root('fs.delete', { path: '/f', recursive: false, inodeId: now.inodeId }));
});

async function openWith(prepare: (harness: NamespaceHarness) => Promise<unknown>) {
  const harness = await NamespaceHarness.open();
  await prepare(harness);
  return { harness, root: harness.root, as: harness.as.bind(harness) };
}

function counts(harness: NamespaceHarness) {
  const { fileCount, directoryCount, pendingDeletionCount } = harness.namespace.view.readCounters();
  return { files: fileCount, directories: directoryCount, pending: pendingDeletionCount };
}

function withoutCounters(dump: Map<string, string>): Map<string, string> {
  return new Map([...dump].filter(([key]) => key !== 'C'));
}
