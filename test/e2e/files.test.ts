import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import test from 'ava';
import { RealCluster } from '../helpers/real-cluster.js';

const blockSize = 10_000;

test('files of every length around the block size come back equal, with three replicas of each block on three disks', async (t) => {
  const cluster = await RealCluster.create({ settings: { block_size: blockSize } });
  t.teardown(() => cluster.destroy());
  const sizes = [0, 1, blockSize - 1, blockSize, blockSize + 1, 3 * blockSize, 1_234_567];
  const lines: string[] = [];
  for (const size of sizes) {
    writeFileSync(cluster.localPath(`f${size}`), randomBytes(size));
    lines.push(`put f${size} /f${size}`, `get /f${size} back${size}`);
  }
  t.deepEqual(await cluster.exec(...lines), { code: 0, stdout: '', stderr: '' });
  for (const size of sizes) t.deepEqual(readFileSync(cluster.localPath(`back${size}`)), readFileSync(cluster.localPath(`f${size}`)), `${size} bytes`);

  const client = await cluster.client();
  const onDisk = cluster.replicasOnDisk();
  let blockCount = 0;
  for (const size of sizes) {
    let bytes = 0;
    for await (const { block } of client.blocks(`/f${size}`)) {
      const files = onDisk.get(block.blockId) ?? [];
      t.is(new Set(files).size, 3, `block ${block.blockId} of ${size} bytes`);
      const expected = readFileSync(cluster.localPath(`f${size}`)).subarray(bytes, bytes + block.lengthBytes);
      for (const file of files) t.true(readFileSync(file).equals(expected));
      bytes += block.lengthBytes;
      blockCount++;
    }
    t.is(bytes, size);
  }
  t.is(onDisk.size, blockCount, 'no other blocks lie about');
});

test('names with blanks, quotes and other scripts work in put, ls, get and rm', async (t) => {
  const cluster = await RealCluster.create();
  t.teardown(() => cluster.destroy());
  const names = ['my data.csv', "it's", 'a"b', 'naïve 日本語 😀', '-dash', 'star*', 'semi;colon', 'a&&b', '#hash', 'back\\slash'];
  for (const name of names) {
    writeFileSync(cluster.localPath(name), name);
    // Both sides take globs: a name's own star and backslash are escaped.
    const [local, remote] = [`./${name}`, `/${name}`].map((path) => path.replaceAll(/[*\\]/g, String.raw`\$&`)) as [string, string];
    const quote = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
    const answer = await cluster.exec(`put ${quote(local)} ${quote(remote)}`, `cat ${quote(remote)}`);
    t.deepEqual(answer, { code: 0, stdout: name, stderr: '' }, name);
  }
  const listing = await cluster.exec('ls -C /');
  t.deepEqual(listing.stdout.trimEnd().split('\n').sort(), names.map((name) => `/${name}`).sort());
});

test('a file larger than its blocks streams through with the right digest', async (t) => {
  const cluster = await RealCluster.create({ settings: { block_size: '4m' } });
  t.teardown(() => cluster.destroy());
  const hash = createHash('sha256');
  const file = openSync(cluster.localPath('big'), 'w');
  for (let i = 0; i < 50; i++) {
    const chunk = randomBytes(1_048_576 + i);
    hash.update(chunk);
    writeSync(file, chunk);
  }
  closeSync(file);
  t.is((await cluster.exec('put big /big', 'get /big back')).code, 0);
  t.is(createHash('sha256').update(readFileSync(cluster.localPath('back'))).digest('hex'), hash.digest('hex'));
});
