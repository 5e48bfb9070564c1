import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { crc32 } from '../../../source/base/checksum.js';
import { ManualClock } from '../../../source/base/clock.js';
import { CommandBench, type RunOptions, withMethod } from '../../helpers/command-bench.js';
import { waitUntil } from '../../helpers/mini-cluster.js';
import { RecorderSink } from '../../helpers/recorder-sink.js';

let bench: CommandBench;
const ends: (() => Promise<void>)[] = [];
let count = 0;

test.before(async () => {
  bench = await CommandBench.start({ teardown: (end) => void ends.push(end) }, { blockSizeBytes: 64 * 1024 });
});
test.after.always(async () => {
  for (const end of ends.reverse()) await end();
});

/** A test has a directory and a local folder of its own: `/N` and `N`, for which `@` stands in its lines and its answers. */
function each(title: string, body: (run: (line: string, options?: RunOptions) => ReturnType<CommandBench['run']>, t: ExecutionContext, name: string) => Promise<void>): void {
  test(title, async (t) => {
    const name = `case${++count}x`;
    await mkdir(join(bench.folder, name));
    await bench.setUp(`mkdir -p /${name}`);
    const run = async (line: string, options?: RunOptions) => {
      const ran = await bench.run(line.replaceAll('@', name), options);
      return { ...ran, stdout: ran.stdout.replaceAll(name, '@'), stderr: ran.stderr.replaceAll(name, '@').replaceAll(bench.uri, '<fs>').replaceAll(bench.folder, '<local>') };
    };
    await body(run, t, name);
  });
}

const crcHex = (text: string) => crc32(Buffer.from(text)).toString(16).padStart(8, '0');
const local = (name: string, path: string) => join(bench.folder, name, path);

each('put and get give back the same bytes, for every size around a block and a buffer', async (run, t, name) => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 1_000_000]) {
    const bytes = Buffer.alloc(size, `${size}-abc`);
    await writeFile(local(name, 'f'), bytes);
    t.deepEqual([(await run('put -f @/f /@/f')).code, (await run('get -f /@/f @/g')).code], [0, 0]);
    t.true((await readFile(local(name, 'g'))).equals(bytes), `${size} bytes`);
  }
  t.deepEqual((await readdir(local(name, ''))).sort(), ['f', 'g']);
  t.is((await run('ls -C /@')).stdout, '/@/f\n');
});

each('put says what is wrong with its destination before anything is copied', async (run, t, name) => {
  await writeFile(local(name, 'a'), 'A');
  await writeFile(local(name, 'b'), 'B');
  await run('put @/a /@/f; mkdir /@/t1 /@/t2');
  for (const [line, message] of [
    ['put @/b /@/f', "`/@/f': File exists"],
    ['put @/a /@/x/f', "`/@/x/f': No such file or directory: `<fs>/@/x/f'"],
    ['put @/a /@/x/', "`/@/x/': No such file or directory: `<fs>/@/x'"],
    ['put @/a @/b /@/f', "`/@/f': Is not a directory"],
    ['put @/a @/b /@/none', "`/@/none': No such file or directory"],
    ['put @/a /@/f/x', '/@/f (is not a directory)'],
    ["put @/a '/@/t*'", "`/@/t*': Too many matches"],
    ["put @/a '/@/no*'", "`/@/no*': No such file or directory"],
    ['put @/none /@/g', "`@/none': No such file or directory"],
    ["put '@/no*' /@/g", "`@/no*': No such file or directory"],
  ] as const) {
    const { code, stdout, stderr } = await run(line);
    t.deepEqual([code, stdout, stderr], [1, '', `put: ${message}\n`], line);
  }
  t.is((await run('cat /@/f')).stdout, 'A');
  t.is((await run('ls -R -C /@')).stdout, '/@/f\n/@/t1\n/@/t2\n');
});

each('put takes local globs, and goes on after what is missing', async (run, t, name) => {
  for (const one of ['a.txt', 'b.txt', 'c.csv', 'd [1].txt']) await writeFile(local(name, one), one);
  t.deepEqual((await run("put '@/*.txt' @/none @/c.csv /@")).code, 1);
  t.is((await run('ls -C /@')).stdout, '/@/a.txt\n/@/b.txt\n/@/c.csv\n/@/d [1].txt\n');
  t.is((await run("cat '/@/d \\[1\\].txt'")).stdout, 'd [1].txt');
});

each('a tree goes and comes back with its names, modes and times', async (run, t, name) => {
  await mkdir(local(name, 'tree/sub/empty'), { recursive: true });
  for (const one of ['tree/a b', 'tree/ü', 'tree/sub/日本']) await writeFile(local(name, one), one);
  t.is((await run('put -p @/tree /@')).code, 0);
  t.is((await run('ls -R -C /@')).stdout, '/@/tree\n/@/tree/a b\n/@/tree/sub\n/@/tree/sub/empty\n/@/tree/sub/日本\n/@/tree/ü\n');
  t.is((await run('chmod 640 /@/tree/ü; touch -t 20010203:040506 /@/tree/ü /@/tree/sub; get -p /@/tree @/back')).code, 0);
  t.deepEqual((await readdir(local(name, 'back'), { recursive: true })).sort(), ['a b', 'sub', 'sub/empty', 'sub/日本', 'ü']);
  const file = await stat(local(name, 'back/ü'));
  t.deepEqual([file.mode & 0o777, file.mtimeMs], [0o640, new Date(2001, 1, 3, 4, 5, 6).getTime()]);
  t.is((await stat(local(name, 'back/sub'))).mtimeMs, file.mtimeMs);
});

each('a get that fails leaves the local file as it was, and nothing half-done', async (run, t, name) => {
  await writeFile(local(name, 'mine'), 'mine');
  await writeFile(local(name, 'new'), 'x'.repeat(200_000));
  await run('put @/new /@/f');
  const breaking = withMethod('openReader', (client) => async (path, options) => {
    const reader = await client.openReader(path, options);
    let isFirst = true;
    const read = async () => {
      if (!isFirst) throw new Error('the cable was pulled');
      isFirst = false;
      return reader.read();
    };
    return { status: reader.status, failures: reader.failures, close: () => reader.close(), read };
  });
  const { code, stderr } = await run('get -f /@/f @/mine', { client: breaking });
  t.deepEqual([code, stderr], [1, 'get: the cable was pulled\n']);
  t.is(await readFile(local(name, 'mine'), 'utf8'), 'mine');
  t.deepEqual((await readdir(local(name, ''))).sort(), ['mine', 'new']);
});

each('a put that is interrupted leaves nothing under the name, nor beside it', async (run, t) => {
  const abort = new AbortController();
  async function* endless(): AsyncIterable<Uint8Array> {
    for (let i = 0; ; i++) {
      if (i === 300) abort.abort();
      yield Buffer.alloc(10_000, 'x');
    }
  }
  const { code, sink } = await run('put - /@/f', { input: endless(), signal: abort.signal });
  t.is(code, 130);
  t.is(sink.ended[0]!.outcome.result, 'cancelled');
  t.true(sink.ended[0]!.outcome.bytes! > 0, 'what had been sent is told');
  t.is((await run('ls /@')).stdout, '');
});

each('put reads standard input, and makes the directories it needs', async (run, t) => {
  t.is((await run('put - /@/x/y/f', { input: 'from stdin' })).code, 0);
  t.is((await run('cat /@/x/y/f')).stdout, 'from stdin');
  t.deepEqual((await run('put - /@/x/y/f', { input: 'new' })).stderr, "put: `/@/x/y/f': File exists\n");
  t.is((await run('put -f - /@/x/y/f', { input: 'new' })).code, 0);
  t.is((await run('get /@/x/y/f -')).stdout, 'new');
});

each('a name of 255 bytes is put and got, though its temporary name would be longer', async (run, t, name) => {
  const long = 'n'.repeat(255);
  t.is((await run(`put - /@/${long}`, { input: 'x' })).code, 0);
  t.is((await run(`get /@/${long} @`)).code, 0);
  t.deepEqual(await readdir(local(name, '')), [long]);
});

each('moveFromLocal and moveToLocal delete their sources, and keep what could not be copied', async (run, t, name) => {
  await writeFile(local(name, 'a'), 'A');
  t.is((await run('moveFromLocal @/a /@/f')).code, 0);
  t.deepEqual(await readdir(local(name, '')), []);
  await writeFile(local(name, 'a'), 'B');
  t.is((await run('moveFromLocal @/a /@/f')).stderr, "moveFromLocal: `/@/f': File exists\n");
  t.is(await readFile(local(name, 'a'), 'utf8'), 'B');
  t.is((await run('moveToLocal /@/f @/got')).code, 0);
  t.is(await readFile(local(name, 'got'), 'utf8'), 'A');
  t.is((await run('ls /@')).stdout, '');
});

each('progress and a summary tell real figures of a put', async (run, t, name) => {
  await writeFile(local(name, 'f'), Buffer.alloc(200_000));
  const { sink } = await run('put @/f /@/g');
  const last = sink.progressed.at(-1)!.progress;
  t.like(last, { operation: 'put', source: `${name}/f`, target: `/${name}/g`, totalBytes: 200_000, doneBytes: 200_000, replication: 3 });
  t.is(sink.ended.length, 1);
  t.like(sink.ended[0]!.outcome, { result: 'done', bytes: 200_000, blockCount: 4, replication: 3, notes: [] });
  t.true(sink.progressed.some(({ progress }) => (progress.durableReplicaBytes ?? 0) > 0));
});

each('a tree has a whole, once somebody watches: its bytes and its files', async (run, t, name) => {
  await mkdir(local(name, 'tree/sub'), { recursive: true });
  for (let index = 0; index < 40; index++) await writeFile(local(name, `tree/${index % 2 ? 'sub/' : ''}${index}`), Buffer.alloc(10_000, index));
  const watched = () => Object.assign(new RecorderSink(), { isProgressShown: true });
  for (const line of ['put -t 1 @/tree /@', 'get -t 1 /@/tree @/back', 'cp -t 1 /@/tree /@/copy']) {
    const { code, sink } = await run(line, { sink: watched() });
    t.is(code, 0);
    const known = sink.progressed.filter(({ progress }) => progress.totalBytes !== undefined);
    t.true(known.length > 5, `${line}: the whole is known while the copy goes on`);
    t.true(known.every(({ progress }) => progress.totalBytes === 400_000 && progress.totalFiles === 40));
    t.like(sink.progressed.at(-1)!.progress, { doneBytes: 400_000, doneFiles: 40 });
  }
  const { sink } = await run('put @/tree /@/unwatched');
  t.true(sink.progressed.every(({ progress }) => progress.totalBytes === undefined), 'where nobody watches, nothing is counted');
});

each('get -crc writes the checksum file that Hadoop writes, and no other get does', async (run, t, name) => {
  await run('put - /@/d/f', { input: 'remote\n' });
  await run('put - /@/d/empty', { input: '' });
  const large = 'abcdefgh'.repeat(12_345);
  await run('put - /@/d/s/large', { input: large });
  t.is((await run('get -crc /@/d @/d')).code, 0);
  // Magic, 512 and the CRC-32 of the only chunk.
  t.is((await readFile(local(name, 'd/.f.crc'))).toString('hex'), `6372630000000200${crcHex('remote\n')}`);
  t.is((await readFile(local(name, 'd/.empty.crc'))).toString('hex'), '6372630000000200');
  const checksums = await readFile(local(name, 'd/s/.large.crc'));
  t.is(checksums.length, 8 + 4 * Math.ceil(large.length / 512));
  for (let index = 0; index * 512 < large.length; index++) {
    if (checksums.toString('hex', 8 + 4 * index, 12 + 4 * index) !== crcHex(large.slice(index * 512, (index + 1) * 512))) t.fail(`chunk ${index}`);
  }
  t.is(await readFile(local(name, 'd/s/large'), 'utf8'), large);
  t.deepEqual((await readdir(local(name, 'd'), { recursive: true })).sort(), ['.empty.crc', '.f.crc', 'empty', 'f', 's', 's/.large.crc', 's/large']);
  await run('put -f - /@/d/f', { input: 'other' });
  t.is((await run('get -f -crc /@/d/f @/d/f')).code, 0);
  t.is((await readFile(local(name, 'd/.f.crc'))).toString('hex'), `6372630000000200${crcHex('other')}`);
  t.is((await run('get /@/d/f @/plain')).code, 0);
  t.is((await run('get -crc /@/d/f @/plain')).code, 1);
  t.false((await readdir(local(name, ''))).some((file) => file.includes('crc') || file.includes('COPYING')));
});

each('cp copies, keeps what -p asks for, and refuses what makes no sense', async (run, t) => {
  await run('put - /@/a', { input: 'A' });
  await run('mkdir -p /@/d/s; chmod 640 /@/a; touch -t 20010203:040506 /@/a');
  t.is((await run('cp -p /@/a /@/b; cp -pt /@/a /@/c; cp /@/d /@/e')).code, 0);
  t.is((await run("stat '%a %y' /@/b /@/c")).stdout, `640 ${new Date(2001, 1, 3, 4, 5, 6).toISOString().slice(0, 19).replace('T', ' ')}\n644 ${new Date(2001, 1, 3, 4, 5, 6).toISOString().slice(0, 19).replace('T', ' ')}\n`);
  for (const [line, message] of [
    ['cp /@/a /@/b', "`/@/b': File exists"],
    ['cp /@/d /@/d/x', "`/@/d' to `/@/d/x': is a subdirectory of itself"],
    ['cp /@/d /@/d', "`/@/d' to `/@/d/d': is a subdirectory of itself"],
    ['cp -f /@/d /@/a', "`/@/a': Is not a directory"],
    ['mv /@/d /@/d', "`/@/d' to `/@/d/d': is a subdirectory of itself"],
  ] as const) {
    t.deepEqual((await run(line)).stderr, `${line.slice(0, 2)}: ${message}\n`, line);
  }
  t.is((await run('mv /@ /')).stderr, "mv: `/@' to `<fs>/@': are identical\n");
  t.is((await run('cp -f /@/a /@/a')).code, 0);
  t.is((await run('cat /@/a')).stdout, 'A');
});

each('rm moves into the trash, gives a taken name the time, and deletes for good what is there', async (run, t, name) => {
  const withTrash: RunOptions = {
    clock: new ManualClock(1_700_000_000_000),
    client: withMethod('getServerDefaults', (client) => async () => ({ ...(await client.getServerDefaults()), trashIntervalMinutes: 60 })),
  };
  const trash = `/user/tester/.Trash/Current/${name}`;
  await run('put - /@/d/f', { input: '1' });
  const first = await run('rm /@/d/f', withTrash);
  t.deepEqual([first.code, first.stdout, first.stderr], [0, '', '']);
  t.deepEqual(first.sink.notices, [`Moved: '${bench.uri}/${name}/d/f' to trash at: ${bench.uri}${trash}/d/f`]);
  await run('put - /@/d/f', { input: '2' });
  t.is((await run('rm -r /@/d/f', withTrash)).code, 0);
  t.is((await run(`ls -C ${trash}/d`)).stdout, `${trash}/d/f\n${trash}/d/f1700000000000\n`.replaceAll(name, '@'));
  t.is((await run(`cat ${trash}/d/f ${trash}/d/f1700000000000`)).stdout, '12');
  // Only the trash is private: others' homes stand beside this one.
  t.is((await run('stat %a /user /user/tester /user/tester/.Trash')).stdout, '755\n755\n700\n');
  // From the root.
  await run('touchz /@-x; mkdir /@-y');
  const top = await run('rm -r /@-x /@-y', withTrash);
  t.deepEqual([top.code, top.stderr], [0, '']);
  t.is((await run(`ls -d -C ${trash}-x ${trash}-y`)).stdout, `${trash}-x\n${trash}-y\n`.replaceAll(name, '@'));
  // A file where the trash needs a directory.
  await run('rm -r /@/d; touchz /@/d', withTrash);
  await run(`rm -r -skipTrash ${trash}/d; touchz ${trash}/d`);
  await run('rm /@/d; put - /@/d/g', { ...withTrash, input: '3' });
  t.is((await run('rm /@/d/g', withTrash)).code, 0);
  t.is((await run(`cat '${trash}/d*/g'`)).stdout, '3');
  t.regex((await run(`rm ${trash}/d`, withTrash)).stdout, /^Deleted /);
  t.is((await run('rm -r /user/tester', withTrash)).stderr, 'rm: Cannot move "<fs>/user/tester" to the trash, as it contains the trash. Consider using -skipTrash option\n');
  t.is((await run('rm -r /', withTrash)).code, 1);
  t.is((await run('rm -r -skipTrash /')).stderr, "rm: `/': Input/output error\n");
});

each('an empty word is no path: a variable that was never set does not mean the working directory', async (run, t) => {
  await run('mkdir -p /user/tester/keep');
  for (const line of ["rm -r -skipTrash ''", "rm -r ''", "ls ''", "mkdir ''", "put '' /@", "get /@ ''", "mv /@ ''", "setrep 2 ''", "lls ''"]) {
    const { code, stdout, stderr } = await run(line);
    t.deepEqual([code, stdout, stderr.split('\n')[0]], [255, '', `${line.split(' ')[0]}: Can not create a Path from an empty string`], line);
  }
  t.is((await run('test -d /user/tester/keep')).code, 0);
});

each('a name that is too long is said, and of what', async (run, t) => {
  const long = `/@/${'a'.repeat(256)}`;
  t.is((await run(`touchz ${long}`)).stderr, `touchz: ${long}: a name is at most 255 bytes long\n`);
});

each('rm asks before it deletes many files for good, with -safely', async (run, t, name) => {
  const many = withMethod('getContentSummary', () => async () => ({ directoryCount: 1, fileCount: 101, lengthBytes: 0, spaceConsumedBytes: 0 }));
  await run('mkdir /@/d');
  t.regex((await run('rm -r -safely -skipTrash /@/d', { client: many, input: 'n\n' })).stderr, /101 files[^]*aborted/);
  t.is((await run('test -d /@/d')).code, 0);
  t.is((await run('rm -r -safely -skipTrash /@/d', { client: many, input: 'y\n' })).stdout, `Deleted /@/d\n`);
  t.is((await run('test -d /@/d')).code, 1, name);
});

each('touch needs a time that is one', async (run, t) => {
  const { code, stderr } = await run('-touch -t 2001-02-03 /@/a');
  t.is(code, 255);
  t.regex(stderr, /^-touch: Unable to parse the specified timestamp 2001-02-03\. The expected format is yyyyMMdd:HHmmss\nUsage: touch /);
  t.is((await run('ls /@')).stdout, '');
});

each('names that could drive a terminal are escaped, and are found all the same (fault 64)', async (run, t) => {
  await run("touchz '/@/a\u001b]0;b' '/@/c\nd'");
  t.is((await run('ls -C /@')).stdout, '/@/a\\x1b]0;b\n/@/c\\nd\n');
  t.regex((await run('ls -q /@')).stdout, /\/@\/a\?\]0;b\n.*\/@\/c\?d\n$/);
  t.is((await run("test -e '/@/c\nd'")).code, 0);
  t.is((await run("find /@ -name 'c?d' -print0")).stdout, '/@/c\nd\0');
});

each('relative paths start from the working directory and are shown so', async (run, t) => {
  await run('mkdir -p /@/d/e; cd /@/d');
  t.is((await run('pwd')).stdout, '/@/d\n');
  t.is((await run('ls -C')).stdout, 'e\n');
  t.is((await run('touchz f ../g; ls -C ..')).stdout, '../d\n../g\n');
  t.is((await run("ls -C -d '*'")).stdout, 'e\nf\n');
  t.is((await run('cd ../g')).stderr, "cd: `../g': Is not a directory\n");
  t.is((await run('cd nowhere')).stderr, "cd: `nowhere': No such file or directory\n");
  t.is((await run('cd; pwd')).stdout, '/user/tester\n');
});

each('whole addresses name this file system and no other; file: names this machine', async (run, t, name) => {
  await writeFile(local(name, 'f'), 'local');
  await run('touchz /@/f');
  t.is((await run(`ls -C ${bench.uri}/@`)).stdout, `${bench.uri.replaceAll(name, '@')}/@/f\n`);
  t.is((await run('ls -C dfs:///@')).stdout, 'dfs:///@/f\n');
  t.regex((await run('ls hdfs://elsewhere:8020/@')).stderr, /^ls: hdfs:\/\/elsewhere:8020\/@ is on another file system/);
  t.is((await run(`cat file://${bench.folder}/@/f`)).stdout, 'local');
});

each('records are what the text says, an object a line', async (run, t, name) => {
  await run('put - /@/f', { input: 'hello' });
  const { sink, stdout } = await run('ls /@', { isJson: true });
  t.is(sink.records.length, 1);
  t.like(sink.records[0], { path: `/${name}/f`, type: 'file', lengthBytes: 5, replication: 3, permission: '644', owner: 'tester' });
  t.truthy(stdout);
  const { sink: removed } = await run('rm -skipTrash /@/f /@/none', { isJson: true });
  t.deepEqual(removed.records, [{ path: `/${name}/f`, trash: null }]);
  t.like(JSON.parse(removed.errors[0]!), { error: { name: 'FileNotFoundError', path: `/${name}/none` } });
});

each('tail -f prints what is added, and starts again when the file is replaced', async (run, t) => {
  await run('put - /@/f', { input: 'one two three\n' });
  const abort = new AbortController();
  const clock = new ManualClock();
  const sink = new RecorderSink();
  const following = run('tail -f -s 1000 /@/f', { clock, sink, signal: abort.signal });
  await waitUntil(() => sink.text === 'one two three\n');
  await run('put -f - /@/f', { input: 'four\n' });
  await waitUntil(() => {
    clock.advance(1000);
    return sink.text === 'one two three\nfour\n';
  });
  abort.abort();
  t.is((await following).code, 130);
});
