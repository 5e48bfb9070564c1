import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import test from 'ava';
import { quickVerdicts, RealCluster } from '../helpers/real-cluster.js';

/** More of them by hand: DFSH_CYCLES=100 npx ava dist/test/e2e/faults.test.js --match '*moment*' */
const cycles = Number(process.env['DFSH_CYCLES'] ?? 4);

test('a data node killed in the middle of a put costs nothing: the put succeeds, and three replicas come back (fault 1)', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 4, settings: { ...quickVerdicts, block_size: '8m' } });
  t.teardown(() => cluster.destroy());
  const content = randomBytes(96 * 1024 * 1024);
  const client = await cluster.client();
  let victim: string | undefined;
  const writer = await client.openWriter('/f', {
    onProgress: (progress) => {
      if (victim || progress.acknowledgedBytes < content.length / 3) return;
      victim = progress.pipeline[1];
      void cluster.nodes.kill(victim!);
    },
  });
  for (let at = 0; at < content.length; at += 1_000_000) await writer.write(content.subarray(at, at + 1_000_000));
  const { status } = await writer.close();
  t.truthy(victim, 'a node was killed while the put went on');
  t.is(status.lengthBytes, content.length);
  await cluster.until(({ blocks, datanodes }) => datanodes.some(({ name, state }) => name === victim && state === 'dead') && blocks.underReplicated === 0 && blocks.pendingReplication === 0);
  const answer = await cluster.exec('fsck /', 'get /f back');
  t.is(answer.code, 0, answer.stderr);
  t.regex(answer.stdout, /The filesystem under path '\/' is HEALTHY/);
  t.true(readFileSync(cluster.localPath('back')).equals(content));
  for await (const { locations } of client.blocks('/f')) t.is(locations.filter(({ name }) => name !== victim).length, 3);
});

test('with two of four nodes killed every file still reads; nodes that come back give up their excess replicas (fault 51)', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 4, settings: { ...quickVerdicts, block_size: '1m' } });
  t.teardown(() => cluster.destroy());
  const contents = Array.from({ length: 6 }, (_, i) => randomBytes(700_000 * (i + 1)));
  contents.forEach((content, i) => writeFileSync(cluster.localPath(`f${i}`), content));
  t.is((await cluster.exec('put f0 f1 f2 f3 f4 f5 /')).code, 0);
  const blockCount = cluster.replicasOnDisk().size;
  t.true(blockCount > 6);
  await Promise.all([cluster.nodes.kill('dn1'), cluster.nodes.kill('dn3')]);
  for (const [i, content] of contents.entries()) {
    t.is((await cluster.exec(`get -f /f${i} back${i}`)).code, 0);
    t.true(readFileSync(cluster.localPath(`back${i}`)).equals(content), `f${i}`);
  }
  // Two live nodes can hold two replicas of each block: the third comes with the first node that returns, the excess goes with the second.
  await cluster.until(({ blocks, datanodes }) => datanodes.filter(({ state }) => state === 'dead').length === 2 && blocks.pendingReplication === 0);
  await cluster.nodes.start('dn1');
  await cluster.nodes.start('dn3');
  await cluster.until(({ blocks, datanodes }) => datanodes.every(({ state }) => state === 'live') && blocks.underReplicated === 0 && blocks.pendingDeletion === 0 && datanodes.reduce((sum, node) => sum + node.blockCount, 0) === 3 * blockCount);
  // The counts are of the last heartbeats: the disks may be behind them, or ahead.
  await cluster.until(() => [...cluster.replicasOnDisk().values()].every((files) => files.length === 3));
  t.deepEqual([...cluster.replicasOnDisk().values()].map((files) => files.length), Array.from({ length: blockCount }, () => 3));
});

test('a name node killed the moment a put has returned has the file after its restart, whole (fault 2)', async (t) => {
  const cluster = await RealCluster.create({ settings: quickVerdicts });
  t.teardown(() => cluster.destroy());
  for (let cycle = 0; cycle < cycles; cycle++) {
    const content = randomBytes(1 + ((cycle * 977_777) % 2_500_000));
    writeFileSync(cluster.localPath('f'), content);
    const answer = await cluster.exec(`put f /f${cycle}`);
    t.deepEqual(answer, { code: 0, stdout: '', stderr: '' });
    await cluster.nodes.kill('nn');
    await cluster.nodes.start('nn');
    t.is((await cluster.exec(`get -f /f${cycle} back`)).code, 0);
    t.true(readFileSync(cluster.localPath('back')).equals(content), `cycle ${cycle}`);
  }
  t.regex((await cluster.exec('fsck /')).stdout, /HEALTHY/);
});

test('a put whose client is killed leaves nothing under the name, and in the end no block (fault 4)', async (t) => {
  const cluster = await RealCluster.create({ settings: { ...quickVerdicts, soft_lease_limit_ms: 1500, block_size: '1m' } });
  t.teardown(() => cluster.destroy());
  writeFileSync(cluster.localPath('before'), 'x');
  t.is((await cluster.exec('put before /before')).code, 0);
  const large = cluster.localPath('large');
  writeFileSync(large, '');
  truncateSync(large, 200 * 1024 * 1024);
  const cut = cluster.spawn(['--exec', 'put large /f']);
  const client = await cluster.client();
  for (;;) {
    const temporary = await client.find('/f._COPYING_');
    if ((temporary?.lengthBytes ?? 0) > 0) break;
    t.is(cut.exitCode, null, 'the put must not be over yet');
  }
  cut.kill('SIGKILL');
  await once(cut, 'exit');
  t.is(await client.find('/f'), null);
  await cluster.until(({ fileCount, blocks, datanodes }) => fileCount === 1 && blocks.total === 1 && blocks.pendingDeletion === 0 && datanodes.every(({ blockCount }) => blockCount === 1));
  t.is((await cluster.exec('ls -C /')).stdout, '/before\n');
  t.is(cluster.replicasOnDisk().size, 1);
});

test('a flipped byte in one replica never reaches a reader, and the copy is replaced (fault 12)', async (t) => {
  const cluster = await RealCluster.create({ settings: { ...quickVerdicts, block_size: '4m' } });
  t.teardown(() => cluster.destroy());
  const content = randomBytes(3_000_000);
  writeFileSync(cluster.localPath('f'), content);
  t.is((await cluster.exec('put f /f')).code, 0);
  const [[, files]] = [...cluster.replicasOnDisk()] as [[number, string[]]];
  const rotten = files[1]!;
  const position = 1_234_567;
  flipByte(rotten, position);
  // Readers choose among the replicas at random: one of them meets the rotten one.
  const isMended = () => {
    const now = [...cluster.replicasOnDisk().values()][0] ?? [];
    // One that is put aside, or moved to its place, while we look is not there yet.
    return now.length === 3 && now.every((file) => existsSync(file) && readFileSync(file).equals(content));
  };
  for (let tries = 0; !isMended(); tries++) {
    t.true(tries < 200, 'the copy was not replaced');
    t.is((await cluster.exec('get -f /f back')).code, 0);
    t.true(readFileSync(cluster.localPath('back')).equals(content));
  }
  await cluster.until(({ blocks }) => blocks.corrupt === 0 && blocks.underReplicated === 0);
  t.pass();
});

function flipByte(path: string, position: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  writeSync(file, Buffer.from([byte[0]! ^ 0x40]), 0, 1, position);
  closeSync(file);
}
