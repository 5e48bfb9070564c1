import test, { type ExecutionContext, type TestFn } from 'ava';
import type { FileSystem } from '../../source/filesystem/file-system.js';
import { DirectoryNotEmptyError, FileAlreadyExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError } from '../../source/protocol/errors.js';

export interface FileSystemSubject {
  fileSystem: FileSystem;
  /** An empty directory, the test's own. */
  root: string;
}

/** Everything that one test needs to read and write whole files. */
export async function readAll(fileSystem: FileSystem, path: string, options: { startBytes?: number; lengthBytes?: number } = {}): Promise<string> {
  const source = await fileSystem.open(path, options);
  const parts: Buffer[] = [];
  try {
    for (let chunk = await source.read(); chunk; chunk = await source.read()) {
      parts.push(Buffer.from(chunk.bytes));
      chunk.release();
    }
  } finally {
    await source.close();
  }
  return Buffer.concat(parts).toString();
}

export async function writeAll(fileSystem: FileSystem, path: string, text: string, options: Parameters<FileSystem['create']>[1] = {}): Promise<void> {
  const sink = await fileSystem.create(path, options);
  await sink.write(Buffer.from(text));
  await sink.close();
}

export async function names(fileSystem: FileSystem, path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of fileSystem.list(path)) found.push(name);
  return found;
}

/** What every FileSystem promises (filesystem/file-system.ts). */
export function testFileSystem(name: string, open: (t: ExecutionContext) => Promise<FileSystemSubject>): void {
  const each = (title: string, body: (t: ExecutionContext, subject: FileSystemSubject) => Promise<void>) => (test as TestFn)(`${name}: ${title}`, async (t) => body(t, await open(t)));

  each('a file that was written and closed is there, with its bytes and its length', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/f`, 'hello');
    t.is(await readAll(fileSystem, `${root}/f`), 'hello');
    const status = await fileSystem.stat(`${root}/f`);
    t.like(status, { name: 'f', type: 'file', lengthBytes: 5 });
    t.deepEqual(await names(fileSystem, root), ['f']);
  });

  each('an empty file reads as nothing', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/z`, '');
    t.is(await readAll(fileSystem, `${root}/z`), '');
    t.is((await fileSystem.stat(`${root}/z`)).lengthBytes, 0);
  });

  each('a range of a file reads as that range, up to its end', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/f`, '0123456789');
    t.is(await readAll(fileSystem, `${root}/f`, { startBytes: 3, lengthBytes: 4 }), '3456');
    t.is(await readAll(fileSystem, `${root}/f`, { startBytes: 8, lengthBytes: 100 }), '89');
    t.is(await readAll(fileSystem, `${root}/f`, { startBytes: 10 }), '');
  });

  each('buffers that were acquired and committed make the file, a commit of nothing too', async (t, { fileSystem, root }) => {
    const sink = await fileSystem.create(`${root}/f`);
    for (const text of ['one ', 'two', '']) {
      const buffer = await sink.acquire();
      buffer.set(Buffer.from(text));
      await sink.commit(text.length);
    }
    await sink.close();
    t.is(await readAll(fileSystem, `${root}/f`), 'one two');
  });

  each('a file larger than any buffer comes back as it went', async (t, { fileSystem, root }) => {
    const text = 'abcdefghijklmnopqrstuvwxyz012345'.repeat(60_000);
    await writeAll(fileSystem, `${root}/f`, text);
    t.true((await readAll(fileSystem, `${root}/f`)) === text);
  });

  each('under a temporary path, nothing has the name until the close, and nothing else is left after it', async (t, { fileSystem, root }) => {
    const sink = await fileSystem.create(`${root}/f`, { temporaryPath: `${root}/f._COPYING_` });
    await sink.write(Buffer.from('hello'));
    t.is(await fileSystem.find(`${root}/f`), null);
    await sink.close();
    t.deepEqual(await names(fileSystem, root), ['f']);
  });

  each('an aborted file leaves nothing, and what was there stays', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/f`, 'old');
    const sink = await fileSystem.create(`${root}/f`, { temporaryPath: `${root}/f._COPYING_`, overwrite: true });
    await sink.write(Buffer.from('new'));
    await sink.abort();
    t.deepEqual(await names(fileSystem, root), ['f']);
    t.is(await readAll(fileSystem, `${root}/f`), 'old');
  });

  each('a name that is taken while a file is written is not overwritten by it', async (t, { fileSystem, root }) => {
    const sink = await fileSystem.create(`${root}/f`, { temporaryPath: `${root}/f._COPYING_` });
    await sink.write(Buffer.from('late'));
    await writeAll(fileSystem, `${root}/f`, 'first');
    await t.throwsAsync(sink.close(), { instanceOf: FileAlreadyExistsError });
    t.is(await readAll(fileSystem, `${root}/f`), 'first');
    t.deepEqual(await names(fileSystem, root), ['f']);
  });

  each('creating over a file needs overwrite, and over a directory never works', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/f`, 'old');
    await fileSystem.mkdirs(`${root}/d`);
    await t.throwsAsync(fileSystem.create(`${root}/f`), { instanceOf: FileAlreadyExistsError });
    await writeAll(fileSystem, `${root}/f`, 'new', { overwrite: true });
    t.is(await readAll(fileSystem, `${root}/f`), 'new');
    const error = await t.throwsAsync(fileSystem.create(`${root}/d`, { overwrite: true }));
    t.true(error instanceof IsADirectoryError || error instanceof FileAlreadyExistsError);
  });

  each('a file needs its directory, unless parents are asked for', async (t, { fileSystem, root }) => {
    await t.throwsAsync(fileSystem.create(`${root}/no/f`), { instanceOf: FileNotFoundError });
    await writeAll(fileSystem, `${root}/yes/deep/f`, 'x', { createParents: true });
    t.is(await readAll(fileSystem, `${root}/yes/deep/f`), 'x');
    await t.throwsAsync(fileSystem.create(`${root}/yes/deep/f/below`), { instanceOf: NotADirectoryError });
  });

  each('what is not there: find answers null, stat and open throw', async (t, { fileSystem, root }) => {
    t.is(await fileSystem.find(`${root}/none`), null);
    await t.throwsAsync(fileSystem.stat(`${root}/none`), { instanceOf: FileNotFoundError });
    await t.throwsAsync(fileSystem.open(`${root}/none`), { instanceOf: FileNotFoundError });
    await t.throwsAsync(names(fileSystem, `${root}/none`), { instanceOf: FileNotFoundError });
  });

  each('a listing is in the order of the bytes of the names; of a file, the file', async (t, { fileSystem, root }) => {
    for (const one of ['b', 'a', 'Z', 'ä', '\u{1f600}', '\uff5e', '~', 'a b']) await writeAll(fileSystem, `${root}/${one}`, '');
    t.deepEqual(await names(fileSystem, root), ['Z', 'a', 'a b', 'b', '~', 'ä', '\uff5e', '\u{1f600}']);
    t.is((await names(fileSystem, `${root}/a`)).length, 1);
  });

  each('directories: made once, with parents where asked, never over a file', async (t, { fileSystem, root }) => {
    t.true(await fileSystem.mkdirs(`${root}/d`));
    await t.throwsAsync(fileSystem.mkdirs(`${root}/d`), { instanceOf: FileAlreadyExistsError });
    await fileSystem.mkdirs(`${root}/d`, { createParents: true });
    await t.throwsAsync(fileSystem.mkdirs(`${root}/x/y`), { instanceOf: FileNotFoundError });
    t.true(await fileSystem.mkdirs(`${root}/x/y`, { createParents: true }));
    t.is((await fileSystem.stat(`${root}/x/y`)).type, 'directory');
    await writeAll(fileSystem, `${root}/f`, '');
    await t.throwsAsync(fileSystem.mkdirs(`${root}/f`, { createParents: true }), { instanceOf: FileAlreadyExistsError });
  });

  each('a rename moves files and trees, and overwrites only where asked', async (t, { fileSystem, root }) => {
    await fileSystem.mkdirs(`${root}/d`);
    await writeAll(fileSystem, `${root}/d/f`, 'f');
    await writeAll(fileSystem, `${root}/g`, 'g');
    await fileSystem.rename(`${root}/d`, `${root}/e`);
    t.is(await readAll(fileSystem, `${root}/e/f`), 'f');
    await t.throwsAsync(fileSystem.rename(`${root}/g`, `${root}/e/f`), { instanceOf: FileAlreadyExistsError });
    t.is(await readAll(fileSystem, `${root}/e/f`), 'f');
    await fileSystem.rename(`${root}/g`, `${root}/e/f`, { overwrite: true });
    t.is(await readAll(fileSystem, `${root}/e/f`), 'g');
    await t.throwsAsync(fileSystem.rename(`${root}/none`, `${root}/x`), { instanceOf: FileNotFoundError });
    await t.throwsAsync(fileSystem.rename(`${root}/e/f`, `${root}/no/x`), { instanceOf: FileNotFoundError });
    t.deepEqual(await names(fileSystem, root), ['e']);
  });

  each('deleting answers whether there was something, and spares a full directory', async (t, { fileSystem, root }) => {
    await fileSystem.mkdirs(`${root}/d`);
    await writeAll(fileSystem, `${root}/d/f`, 'f');
    t.false(await fileSystem.delete(`${root}/none`));
    await t.throwsAsync(fileSystem.delete(`${root}/d`), { instanceOf: DirectoryNotEmptyError });
    t.is(await readAll(fileSystem, `${root}/d/f`), 'f');
    t.true(await fileSystem.delete(`${root}/d`, { recursive: true }));
    t.deepEqual(await names(fileSystem, root), []);
  });

  each('modes and times are what they were set to', async (t, { fileSystem, root }) => {
    await writeAll(fileSystem, `${root}/f`, 'f');
    await fileSystem.setPermission(`${root}/f`, 0o640);
    await fileSystem.setTimes(`${root}/f`, { modificationTimeMs: 1_000_000_000_000, accessTimeMs: 1_100_000_000_000 });
    t.like(await fileSystem.stat(`${root}/f`), { permission: 0o640, modificationTimeMs: 1_000_000_000_000, accessTimeMs: 1_100_000_000_000 });
    await fileSystem.setTimes(`${root}/f`, { accessTimeMs: 1_200_000_000_000 });
    t.like(await fileSystem.stat(`${root}/f`), { modificationTimeMs: 1_000_000_000_000, accessTimeMs: 1_200_000_000_000 });
  });

  each('times and mode that a create was given are the file\'s', async (t, { fileSystem, root }) => {
    const times = { modificationTimeMs: 1_000_000_000_000, accessTimeMs: 1_100_000_000_000 };
    await writeAll(fileSystem, `${root}/f`, 'f', { times, permission: 0o600 });
    t.like(await fileSystem.stat(`${root}/f`), { ...times, permission: 0o600 });
  });

  each('a signal that is aborted ends a file that is being written', async (t, { fileSystem, root }) => {
    const abort = new AbortController();
    const sink = await fileSystem.create(`${root}/f`, { temporaryPath: `${root}/f._COPYING_`, signal: abort.signal });
    await sink.write(Buffer.from('half'));
    abort.abort();
    await t.throwsAsync(async () => {
      await sink.write(Buffer.from('more'));
      await sink.close();
    });
    await sink.abort();
    t.deepEqual(await names(fileSystem, root), []);
  });
}
