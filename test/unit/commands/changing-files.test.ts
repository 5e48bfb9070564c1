import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CommandBench } from '../../helpers/command-bench.js';
import { waitUntil } from '../../helpers/mini-cluster.js';

test('truncate cuts at the end of a block at once, and inside one when the data nodes have done it', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await bench.write('/t/f', '0123456789'.repeat(250));
  t.like(await bench.run('truncate 2000 /t/f'), { code: 0, stdout: 'Truncated /t/f to length: 2000\n', stderr: '' });
  t.like(await bench.run('truncate -w 1234 /t/f'), { code: 0, stdout: 'Waiting for /t/f ...\nTruncated /t/f to length: 1234\n', stderr: '' });
  t.is((await bench.run('cat /t/f')).stdout, '0123456789'.repeat(250).slice(0, 1234));
  t.like(await bench.run('truncate 1234 /t/f'), { code: 0, stdout: 'Truncated /t/f to length: 1234\n' });
  t.like(await bench.run('truncate 7 /t/f'), { code: 0, stdout: 'Truncating /t/f to length: 7. Wait for block recovery to complete before further updating this file.\n' });
  t.is((await bench.run('stat %b /t/f')).stdout, '7\n');
  t.like(await bench.run('fsck /t'), { code: 0 });
  t.is((await bench.run('cat /t/f')).stdout, '0123456');
  const json = await bench.run('truncate -w 3 /t/f', { isJson: true });
  t.is(json.code, 0, json.stderr);
  t.deepEqual(json.sink.records.at(-1), { path: '/t/f', lengthBytes: 3, isDone: true });
});

test('truncate says what is wrong in HDFS\'s words', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await bench.write('/tw/f', '0123456789');
  await bench.setUp('mkdir /tw/d');
  const line = (text: string) => text.split('\n')[0];
  const larger = await bench.run('-truncate 11 /tw/f');
  t.deepEqual([larger.code, line(larger.stderr)], [255, '-truncate: Cannot truncate to a larger file size. Current size: 10, truncate size: 11.']);
  const negative = await bench.run('-truncate -1 /tw/f');
  t.deepEqual([negative.code, line(negative.stderr)], [255, '-truncate: Illegal option -1']);
  const none = await bench.run('-truncate 1');
  t.deepEqual([none.code, line(none.stderr)], [255, '-truncate: Not enough arguments: expected 2 but got 1']);
  t.is((await bench.run('truncate 1x /tw/f')).code, 255);
  t.like(await bench.run('truncate 1 /tw/d'), { code: 1, stderr: "truncate: `/tw/d': Is a directory\n" });
  t.like(await bench.run('truncate 1 /tw/none'), { code: 1, stderr: "truncate: `/tw/none': No such file or directory\n" });
  t.like(await bench.run('truncate 0 /tw/none /tw/f'), { code: 1, stdout: 'Truncated /tw/f to length: 0\n' });
  t.is((await bench.run('truncate 1 file:///etc/hostname')).code, 1);
});

test('concat joins files without copying, and removes the sources', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await bench.write('/c/a', 'A\n');
  await bench.write('/c/b', 'B\n'.repeat(800));
  await bench.write('/c/c', 'C\n');
  t.like(await bench.run('concat /c/a /c/b /c/c'), { code: 0, stdout: '', stderr: '' });
  t.is((await bench.run('cat /c/a')).stdout, `A\n${'B\n'.repeat(800)}C\n`);
  t.is((await bench.run('ls -C /c')).stdout, '/c/a\n');
  await bench.write('/c/d', 'D\n');
  t.like(await bench.run('concat /c/a /c/d'), { code: 0 });
  t.is((await bench.run('tail /c/a')).stdout.slice(-4), 'C\nD\n');
  t.like(await bench.run('fsck /c'), { code: 0 });
});

test('concat changes nothing where anything is wrong, and says it in HDFS\'s words', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  for (const name of ['a', 'b']) await bench.write(`/cw/${name}`, name);
  await bench.setUp('mkdir /cw/d', 'touchz /cw/empty');
  t.like(await bench.run('concat /cw/a /cw/b /cw/none'), { code: 1, stderr: `concat: ${bench.uri}/cw/none does not exist or is not file.\n` });
  t.like(await bench.run('concat /cw/a /cw/d'), { code: 1, stderr: `concat: ${bench.uri}/cw/d does not exist or is not file.\n` });
  t.like(await bench.run('concat /cw/none /cw/a /cw/b'), { code: 1, stderr: `concat: Target path ${bench.uri}/cw/none does not exist or is not file.\n` });
  t.like(await bench.run('concat /cw/a /cw/a /cw/b'), { code: 1, stderr: 'concat: concat: the src file /cw/a is the same with the target file /cw/a\n' });
  t.like(await bench.run('concat /cw/a /cw/empty'), { code: 1, stderr: 'concat: concat: source file /cw/empty is invalid or empty or underConstruction\n' });
  t.is((await bench.run('concat /cw/a')).code, 255);
  t.is((await bench.run('cat /cw/a /cw/b')).stdout, 'ab');
});

test('appendToFile writes local files, or standard input, behind the end of a file, or into a new one', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await writeFile(join(bench.folder, 'one'), 'one\n');
  await writeFile(join(bench.folder, 'two'), 'two\n'.repeat(700));
  await bench.write('/a/f', 'first\n');
  t.like(await bench.run('appendToFile one /a/f'), { code: 0, stdout: '', stderr: '' });
  t.is((await bench.run('cat /a/f')).stdout, 'first\none\n');
  t.like(await bench.run('appendToFile - /a/f', { input: 'typed\n' }), { code: 0, stderr: '' });
  t.is((await bench.run('cat /a/f')).stdout, 'first\none\ntyped\n');
  const several = await bench.run('appendToFile one two /a/f', { isJson: true });
  t.deepEqual(several.sink.records, [{ source: '2 files', target: '/a/f', bytes: 2804, degradedBlocks: [] }]);
  t.is((await bench.run('cat /a/f')).stdout, `first\none\ntyped\none\n${'two\n'.repeat(700)}`);
  const last = several.sink.progressed.at(-1)!.progress;
  t.deepEqual([last.doneBytes, last.durableReplicaBytes], [2804, 3 * 2804]);
  t.like(await bench.run('appendToFile one two /new/dir/f'), { code: 0 });
  t.is((await bench.run('cat /new/dir/f')).stdout, `one\n${'two\n'.repeat(700)}`);
  t.like(await bench.run('fsck /'), { code: 0 });
});

test('appendToFile changes nothing where a source or the target is wrong, and says it in HDFS\'s words', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await writeFile(join(bench.folder, 'one'), 'one\n');
  await bench.write('/a/f', 'first\n');
  await bench.setUp('mkdir /a/d');
  t.like(await bench.run('appendToFile one /a/d'), { code: 1, stderr: 'appendToFile: Cannot append to directory /a/d; already exists as a directory.\n' });
  t.like(await bench.run('appendToFile - one /a/f', { input: 'x' }), { code: 1, stderr: 'appendToFile: stdin (-) must be the sole input argument when present\n' });
  t.like(await bench.run('appendToFile one'), { code: 1, stderr: 'appendToFile: missing destination argument\n' });
  t.like(await bench.run('appendToFile'), { code: 1, stderr: 'appendToFile: missing destination argument\n' });
  t.like(await bench.run('appendToFile one none /a/f'), { code: 1, stderr: "appendToFile: `none': No such file or directory\n" });
  t.like(await bench.run('appendToFile one . /a/f'), { code: 1, stderr: "appendToFile: `.': Is a directory\n" });
  t.is((await bench.run('appendToFile one file:///tmp/x')).code, 1);
  t.is((await bench.run('cat /a/f')).stdout, 'first\n');
  t.like(await bench.run('stat %b /a/f'), { stdout: '6\n' });
});

test('recoverLease closes the file of a writer that is gone', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await bench.write('/closed', 'x');
  const { client, die } = bench.cluster.mortalClient();
  const writer = await client.openWriter('/open', {});
  await writer.write(Buffer.from('flushed'));
  await writer.hflush();
  die();
  t.like(await bench.run('recoverLease -path /closed'), { code: 0, stdout: 'recoverLease SUCCEEDED on /closed\n', stderr: '' });
  const first = await bench.run('recoverLease -path /open');
  t.deepEqual([first.code, /has begun, and is not done after 1 try/.test(first.stderr)], [1, true]);
  t.like(await bench.run('recoverLease -retries 30 -path /open'), { code: 0, stdout: 'recoverLease SUCCEEDED on /open\n' });
  t.is((await bench.run('cat /open')).stdout, 'flushed');
  const none = await bench.run('recoverLease');
  t.deepEqual([none.code, none.stderr.split('\n')[0]], [255, 'recoverLease: You must supply a -path argument to recoverLease.']);
  t.like(await bench.run('recoverLease -path /none'), { code: 1, stderr: "recoverLease: `/none': No such file or directory\n" });
  t.like(await bench.run('recoverLease -path /'), { code: 1, stderr: "recoverLease: `/': Is a directory\n" });
});

test('an appendToFile that is cancelled leaves the file closed, with all that it had', async (t) => {
  const bench = await CommandBench.start(t, { blockSizeBytes: 1000 });
  await bench.write('/f', 'first\n');
  const stop = new AbortController();
  async function* input(): AsyncIterable<Uint8Array> {
    yield Buffer.from('half');
    stop.abort();
    await new Promise(() => {});
  }
  const { code } = await bench.run('appendToFile - /f', { input: input(), signal: stop.signal });
  t.is(code, 130);
  await waitUntil(async () => !(await bench.client().stat('/f')).isUnderConstruction);
  t.true(['first\n', 'first\nhalf'].includes((await bench.run('cat /f')).stdout));
  t.like(await bench.run('appendToFile - /f', { input: 'more' }), { code: 0 });
});
