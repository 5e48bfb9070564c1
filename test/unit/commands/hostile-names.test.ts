import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CommandBench, withMethod } from '../../helpers/command-bench.js';

let bench: CommandBench;
const ends: (() => Promise<void>)[] = [];

test.before(async () => {
  bench = await CommandBench.start({ teardown: (end) => void ends.push(end) }, { blockSizeBytes: 64 * 1024 });
});
test.after.always(async () => {
  for (const end of ends.reverse()) await end();
});

test('names that other systems would read as something else are names here, each its own (fault 56)', async (t) => {
  // Composed and decomposed, the same on the screen.
  const names = ['%2e%2e', '%2F', 'a\\b', '..\\c', 'caf\u00e9', 'cafe\u0301', '...', '\u2025', 'CON', 'a:b', '~', '-rf'];
  const client = bench.client();
  await bench.setUp('mkdir /names');
  for (const [index, name] of names.entries()) {
    const writer = await client.openWriter(`/names/${name}`);
    await writer.write(Buffer.from(`content ${index}`));
    await writer.close();
  }
  const listed: string[] = [];
  for await (const { name } of client.list('/names')) listed.push(name);
  t.deepEqual(listed.sort(), [...names].sort());
  await mkdir(join(bench.folder, 'names'));
  t.is((await bench.run('get /names/* names')).code, 0);
  for (const [index, name] of names.entries()) t.is(await readFile(join(bench.folder, 'names', name), 'utf8'), `content ${index}`, name);
});

test('paths that climb, a NUL and half a surrogate are refused in one line, or stay below the root; nothing is made (fault 56)', async (t) => {
  await bench.setUp('mkdir /inside');
  const before = (await bench.run('ls -R -C /inside')).stdout;
  for (const path of ['/inside/a\0b', '/inside/\ud800', '/inside/.snapshot/x', `/inside/${'x'.repeat(256)}`]) {
    const { code, stdout, stderr } = await bench.run(`touchz '${path}'`);
    t.is(code, 1, path);
    t.is(stdout, '');
    // eslint-disable-next-line no-control-regex
    t.regex(stderr, /^touchz: [^\u0000-\u0009\u000b-\u001f]+\n$/, path);
  }
  t.is((await bench.run('ls -R -C /inside')).stdout, before);
  t.is((await bench.run('test -e /inside/../../../../inside')).code, 0);
  await t.throwsAsync(bench.client().mkdirs('/inside/../outside'), { message: /clean/ });
  t.is((await bench.run('test -e /outside')).code, 1);
});

test('a name that a shell would run is copied there and back, and nothing is run (fault 65)', async (t) => {
  const names = ['$(touch pwned)', '`touch pwned`', 'x; touch pwned', 'x | touch pwned', 'x && touch pwned', '> pwned', '$HOME', "it's", 'a "b" c', '\n touch pwned'];
  await mkdir(join(bench.folder, 'metal'));
  for (const name of names) await writeFile(join(bench.folder, 'metal', name), name);
  t.is((await bench.run('put metal /')).code, 0);
  t.is((await bench.run('get /metal back; cp /metal /metal2; mv /metal2 /metal3; fsck /metal3 -files -blocks -locations')).code, 0);
  t.deepEqual((await readdir(join(bench.folder, 'back'))).sort(), [...names].sort());
  for (const name of names) t.is(await readFile(join(bench.folder, 'back', name), 'utf8'), name);
  for (const folder of [bench.folder, process.cwd(), join(bench.folder, 'metal'), join(bench.folder, 'back')]) t.false((await readdir(folder)).includes('pwned'), folder);
});

test('a server whose names climb out of the directory that is fetched changes nothing beside it (fault 66)', async (t) => {
  await bench.setUp('mkdir /climb');
  await bench.write('/climb/good', 'good');
  await mkdir(join(bench.folder, 'home'));
  await writeFile(join(bench.folder, 'home', 'mine'), 'mine');
  const listing = withMethod('list', (client) => async function* (path) {
    for await (const status of client.list(path)) {
      yield status;
      for (const name of ['..', '../mine', '/tmp/absolute', 'a/../../mine', '.', '', 'x\0y']) yield { ...status, name };
    }
  });
  // It has bytes for each of them, too.
  const serving = withMethod('openReader', (client) => (_path, options) => client.openReader('/climb/good', options));
  const { code, stderr } = await bench.run('get -f /climb home/climb', { client: (client) => serving(listing(client)) });
  t.is(code, 1);
  t.is(stderr.trimEnd().split('\n').length, 7);
  t.deepEqual((await readdir(join(bench.folder, 'home'), { recursive: true })).sort(), ['climb', 'climb/good', 'mine']);
  t.is(await readFile(join(bench.folder, 'home', 'mine'), 'utf8'), 'mine');
});

test('a glob of stars is matched against long names in no time (fault 69)', async (t) => {
  await bench.setUp(`mkdir /glob; touchz /glob/${'a'.repeat(200)}`);
  const startMs = performance.now();
  t.is((await bench.run(`ls '/glob/${'*a'.repeat(100)}*b'`)).code, 1);
  t.true(performance.now() - startMs < 2000);
  t.is((await bench.run(`ls '/glob/${'{a,b}'.repeat(40)}'`)).code, 1);
});
