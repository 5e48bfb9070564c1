import test from 'ava';
import type { LocatedBlock } from '../../../source/protocol/block.js';
import { FileNotFoundError, PermissionDeniedError } from '../../../source/protocol/errors.js';
import { CommandBench, withMethod } from '../../helpers/command-bench.js';
import { waitUntil } from '../../helpers/mini-cluster.js';

let bench: CommandBench;
const ends: (() => Promise<void>)[] = [];

test.before(async () => {
  bench = await CommandBench.start({ teardown: (end) => void ends.push(end) }, { blockSizeBytes: 64 * 1024 });
});
test.after.always(async () => {
  for (const end of ends.reverse()) await end();
});

const when = '[A-Z][a-z]{2} [A-Z][a-z]{2} \\d\\d \\d\\d:\\d\\d:\\d\\d \\S+ \\d{4}';

test('fsck of a healthy tree prints every figure, and last the line that scripts match', async (t) => {
  await bench.setUp('mkdir -p /healthy/d', 'setrep -w 3 /healthy');
  await bench.write('/healthy/f', '12345');
  await bench.setUp('setrep -w 3 /healthy');
  const { code, stdout } = await bench.run('fsck /healthy -files -blocks');
  t.is(code, 0);
  t.regex(
    stdout,
    new RegExp(
      [
        `^FSCK started by tester \\(auth:SIMPLE\\) from /127\\.0\\.0\\.1 for path /healthy at ${when}`,
        '',
        '/healthy <dir>',
        '/healthy/d <dir>',
        '/healthy/f 5 bytes, replicated: replication=3, 1 block\\(s\\):  OK',
        '0\\. blk_\\d+_\\d+ len=5 Live_repl=3',
        '',
        '',
        'Status: HEALTHY',
        ' Number of data-nodes:\t3',
        ' Number of racks:\t\t1',
        ' Total dirs:\t\t\t2',
        ' Total symlinks:\t\t0',
        '',
        'Replicated Blocks:',
        ' Total size:\t5 B',
        ' Total files:\t1',
        ' Total blocks \\(validated\\):\t1 \\(avg\\. block size 5 B\\)',
        ' Minimally replicated blocks:\t1 \\(100\\.0 %\\)',
        ' Over-replicated blocks:\t0 \\(0\\.0 %\\)',
        ' Under-replicated blocks:\t0 \\(0\\.0 %\\)',
        ' Mis-replicated blocks:\t\t0 \\(0\\.0 %\\)',
        ' Default replication factor:\t3',
        ' Average block replication:\t3\\.0',
        ' Missing blocks:\t\t0',
        ' Corrupt blocks:\t\t0',
        ' Missing replicas:\t\t0 \\(0\\.0 %\\)',
        ' Blocks queued for replication:\t0',
        `FSCK ended at ${when} in \\d+ milliseconds`,
        '',
        '',
        "The filesystem under path '/healthy' is HEALTHY",
        '$',
      ].join('\n'),
    ),
  );
});

const located = (locations: { state: 'live' | 'stale' | 'dead'; isCorrupt?: boolean }[], blockIndex = 0): LocatedBlock => ({
  block: { blockId: 100 + blockIndex, generationStamp: 7, lengthBytes: 5 },
  blockIndex,
  offsetBytes: blockIndex * 5,
  locations: locations.map((location, i) => ({ datanodeUuid: `u${i}`, storageId: `s${i}`, name: `dn${i + 1}`, address: `127.0.0.1:${9864 + i}`, rack: '/default-rack', ...location })),
  token: '',
});
const withBlocks = (...blocks: LocatedBlock[]) =>
  withMethod('blocks', () => async function* () {
    yield* blocks;
  });

test('fsck finds too few replicas, and the tree is healthy all the same', async (t) => {
  await bench.write('/few/f', '12345');
  const client = withBlocks(located([{ state: 'live' }, { state: 'dead' }, { state: 'live', isCorrupt: true }]));
  const { code, stdout } = await bench.run('fsck /few', { client });
  t.is(code, 0);
  t.true(stdout.includes('\n\n\n/few/f:  Under replicated blk_100_7. Target Replicas is 3 but found 1 live replica(s), 0 decommissioned replica(s), 0 decommissioning replica(s).\n\nStatus: HEALTHY\n'));
  t.true(stdout.includes(' Missing replicas:\t\t2 (66.666664 %)\n'));
  t.true(stdout.includes(' Minimally replicated blocks:\t0 (0.0 %)\n'));
});

test('fsck calls a tree corrupt when a block has no good replica on a live node, and answers 1', async (t) => {
  await bench.write('/lost/f', '12345');
  const client = withBlocks(located([{ state: 'dead' }]), located([{ state: 'live', isCorrupt: true }], 1), located([{ state: 'stale' }, { state: 'live' }, { state: 'live' }], 2));
  const { code, stdout } = await bench.run('fsck /lost', { client });
  t.is(code, 1);
  t.true(stdout.includes('/lost/f:  MISSING 1 blocks of total size 5 B.'));
  t.true(stdout.includes('/lost/f:  CORRUPT 1 blocks of total size 5 B.'));
  t.true(stdout.includes('Status: CORRUPT\n'));
  t.true(stdout.includes('  MISSING BLOCKS:\t1\n'));
  t.true(stdout.endsWith("\nThe filesystem under path '/lost' is CORRUPT\n"));
  const list = await bench.run('fsck /lost -list-corruptfileblocks', { client });
  t.deepEqual([list.code, list.stdout], [1, "The list of corrupt blocks under path '/lost' are:\nblk_100\t/lost/f\nblk_101\t/lost/f\nThe filesystem under path '/lost' has 2 CORRUPT blocks\n"]);
});

test('fsck of a tree of which a part cannot be looked at says FAILED, not HEALTHY; what is deleted meanwhile is no failure', async (t) => {
  await bench.write('/part/f', '12345');
  const failing = (error: Error) => withMethod('blocks', () => async function* () {
    throw error;
  });
  const denied = failing(new PermissionDeniedError('Permission denied: user=bob', { path: '/part/f' }));
  const { code, stdout, stderr } = await bench.run('fsck /part', { client: denied });
  t.deepEqual([code, stderr], [255, 'fsck: Permission denied: user=bob\n']);
  t.true(stdout.includes('Status: FAILED\n') && stdout.endsWith("\nFsck on path '/part' FAILED\n"));
  const gone = await bench.run('fsck /part', { client: failing(new FileNotFoundError('gone', { path: '/part/f' })) });
  t.deepEqual([gone.code, gone.stderr], [0, '']);
  t.true(gone.stdout.endsWith("\nThe filesystem under path '/part' is HEALTHY\n"));
});

test('fsck tells where replicas are, and what is wrong with them', async (t) => {
  await bench.write('/where/f', '12345');
  const client = withBlocks(located([{ state: 'live' }, { state: 'dead' }, { state: 'live', isCorrupt: true }]));
  const { stdout } = await bench.run('fsck /where -files -blocks -locations', { client });
  t.true(stdout.includes('0. blk_100_7 len=5 Live_repl=1  [dn1 127.0.0.1:9864, dn2 127.0.0.1:9865 DEAD, dn3 127.0.0.1:9866 CORRUPT]\n'));
});

test('fsck -openforwrite marks what is being written, and with -blocks shows the block that is open; without it such files are only counted', async (t) => {
  await bench.setUp('mkdir /writing');
  const writer = await bench.client().openWriter('/writing/f');
  await writer.write(Buffer.alloc(64 * 1024 + 5));
  await writer.hflush();
  const { code, stdout } = await bench.run('fsck /writing -openforwrite -files -blocks -locations');
  t.is(code, 0);
  const place = 'dn\\d 127\\.0\\.0\\.1:\\d+';
  t.regex(
    stdout,
    new RegExp(
      [
        '/writing/f \\d+ bytes, replicated: replication=3, 2 block\\(s\\), OPENFORWRITE:  OK',
        `0\\. blk_\\d+_\\d+ len=65536 Live_repl=3  \\[${place}, ${place}, ${place}\\]`,
        'Under Construction Block:',
        `1\\. blk_\\d+_\\d+ len=\\d+ Expected_repl=3  \\[${place}, ${place}, ${place}\\]`,
        '',
        '',
        'Status: HEALTHY',
      ].join('\n'),
    ),
  );
  t.regex((await bench.run('fsck /writing -openforwrite')).stdout, /^\/writing\/f \d+ bytes, .*, OPENFORWRITE: {2}OK$/m);
  const without = (await bench.run('fsck /writing -files')).stdout;
  t.false(without.includes('/writing/f'));
  t.regex(without, / Total files:\t0 \(Files currently being written: 1\)/);
  await writer.close();
  t.false((await bench.run('fsck /writing -openforwrite -files')).stdout.includes('OPENFORWRITE'));
});

test('fsck of what is not there is an error of 1, and of two paths one of usage', async (t) => {
  const none = await bench.run('fsck /none');
  t.deepEqual([none.code, none.stdout, none.stderr], [1, '', "fsck: `/none': No such file or directory\n"]);
  t.is((await bench.run('fsck / /user')).code, 255);
  t.is((await bench.run('fsck -foo /')).code, 255);
  t.is((await bench.run('fsck')).code, 255);
});

test('fsck records are the summary, and with -files -blocks each file and block', async (t) => {
  await bench.write('/rec/f', '12345');
  const { sink } = await bench.run('fsck /rec -files -blocks', { isJson: true });
  t.deepEqual(
    sink.records.map((record) => (record as { type: string }).type),
    ['file', 'block', 'summary'],
  );
  t.like(sink.records[2], { path: '/rec', status: 'HEALTHY', fileCount: 1, directoryCount: 1, lengthBytes: 5, blockCount: 1 });
});

test('report begins with the cluster, then its data nodes', async (t) => {
  const { code, stdout } = await bench.run('report');
  t.is(code, 0);
  t.regex(stdout, /^Configured Capacity: \d+ \([\d.]+ [KMGTP]?B\)\nPresent Capacity: .*\nDFS Remaining: .*\nDFS Used: .*\nDFS Used%: \d+\.\d\d%\nReplicated Blocks:\n\tUnder replicated blocks: \d+\n/);
  t.regex(stdout, /\n\n-{49}\nLive datanodes \(3\):\n\nName: 127\.0\.0\.1:\d+ \(localhost\)\nHostname: localhost\nDecommission Status : Normal\n/);
  t.false(stdout.includes('Dead datanodes'));
  t.true((await bench.run('hdfs dfsadmin -report -dead')).stdout.endsWith('\nDead datanodes (0):\n\n'));
  t.is((await bench.run('report -foo')).code, 255);
  const { sink } = await bench.run('report', { isJson: true });
  t.deepEqual(
    sink.records.map((record) => (record as { type: string }).type),
    ['cluster', 'datanode', 'datanode', 'datanode'],
  );
});

test('a data node that was never heard of since the start has no time of contact', async (t) => {
  const silent = withMethod('getHealth', (client) => async () => {
    const health = await client.getHealth();
    return { ...health, datanodes: health.datanodes.map((node) => ({ ...node, state: 'dead' as const, lastHeartbeatTimeMs: 0, lastBlockReportTimeMs: 0 })) };
  });
  const { stdout } = await bench.run('report -dead', { client: silent });
  t.is(stdout.match(/^Last contact: Never$/gm)?.length, 3);
  t.false(stdout.includes('1970'));
});

test('report names the disks of a node that are out of use, each with its reason, and nothing that a terminal would obey', async (t) => {
  const broken = withMethod('getHealth', (client) => async () => {
    const health = await client.getHealth();
    const failedVolumes = [{ directory: '/mnt/d2', reason: 'EIO: input/output error' }, { directory: '/mnt/\u001b[31m', reason: 'EROFS' }];
    return { ...health, datanodes: health.datanodes.map((node, index) => (index === 1 ? { ...node, failedVolumes } : node)) };
  });
  const { stdout } = await bench.run('report', { client: broken });
  t.regex(stdout, /\nNum of Blocks: \d+\nFailed Volumes \(2\):\n\t\/mnt\/d2: EIO: input\/output error\n\t\/mnt\/\S+: EROFS\n\n/);
  t.is(stdout.match(/Failed Volumes/g)?.length, 1);
  t.false(stdout.includes('\u001b'));
});

test('report -slownodes lists the nodes that others wait for, and how long', async (t) => {
  const slow = withMethod('getHealth', (client) => async () => {
    const health = await client.getHealth();
    return { ...health, datanodes: health.datanodes.map((node, index) => (index === 1 ? { ...node, slow: { waitMs: 812.5, usualMs: 2, reporterCount: 2 } } : node)) };
  });
  const { stdout } = await bench.run('report -slownodes', { client: slow });
  t.regex(stdout, /\nSlow datanodes \(1\):\n\nName: /);
  t.regex(stdout, /^Slow: its peers wait 812\.5 ms for a packet, 2 ms is usual \(told by 2 data nodes\)$/m);
  const { sink } = await bench.run('report -slownodes', { client: slow, isJson: true });
  t.like(sink.records.at(-1), { type: 'datanode', name: 'dn2', slow: { waitMs: 812.5 } });
  t.true((await bench.run('report -slownodes')).stdout.endsWith('\nSlow datanodes (0):\n\n'));
});

test('fsck tells how many blocks of the tree wait for the name node to copy them', async (t) => {
  await bench.setUp('mkdir /queue');
  await bench.write('/queue/f', 'x'.repeat(100_000));
  const thin = withMethod('blocks', (client) => async function* (path, options) {
    for await (const block of client.blocks(path, options)) yield { ...block, locations: block.locations.slice(0, 1) };
  });
  const busy = withMethod('getHealth', (client) => async () => ({ ...(await client.getHealth()), repair: { doneBlocks: 3, totalBlocks: 10, bytesPerSecond: 0, transfers: [] } }));
  t.regex((await bench.run('fsck /queue', { client: (client) => busy(thin(client)) })).stdout, /^ Blocks queued for replication:\t2$/m);
  t.regex((await bench.run('fsck /queue', { client: busy })).stdout, /^ Blocks queued for replication:\t0$/m);
});

test('du, df and count agree on what there is', async (t) => {
  await bench.write('/space/f', '0123456789');
  await bench.write('/space/s/k', 'k'.repeat(6000));
  await bench.setUp('mkdir /space/empty', 'setrep 2 /space/f');
  t.is((await bench.run('du /space')).stdout, '0     0      /space/empty\n10    20     /space/f\n6000  18000  /space/s\n');
  t.is((await bench.run('du -s -h -v /space')).stdout, 'SIZE   DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS  FULL_PATH_NAME\n5.9 K  17.6 K                                 /space\n');
  t.is((await bench.run('du /space/empty')).stdout, '');
  t.is((await bench.run('count -q -v /space')).stdout.split('\n')[1], '        none             inf            none             inf            3            2               6010 /space');
  t.is((await bench.run('count -e /space /space/f')).stdout, `           3            2               6010                  EC: /space\n           0            1                 10           Replicated /space/f\n`);
  t.regex((await bench.run('df')).stdout, /^Filesystem +Size +Used +Available {2}Use%\ndfs:\/\/127\.0\.0\.1:\d+ +\d+ +\d+ +\d+ +\d+%\n$/);
});

test('setrep -w waits until every block has its copies', async (t) => {
  await bench.write('/rep/f', 'x'.repeat(100_000));
  const down = await bench.run('setrep -w 1 /rep');
  t.is(down.code, 0);
  // The warning comes if the copies are not gone at the first look already.
  t.regex(down.stdout, /^Replication 1 set: \/rep\/f\nWaiting for \/rep\/f \.\.\.(\nWARNING: the waiting time may be long for DECREASING the number of replications\.\n)?\.* done\n$/);
  const up = await bench.run('setrep -w 3 /rep/f');
  t.deepEqual(up.sink.ended, [], 'its last line says that it is done');
  t.regex(up.stdout, /^Replication 3 set: \/rep\/f\nWaiting for \/rep\/f \.\.\.\.* done\n$/);
  const copies: number[] = [];
  for await (const { locations } of bench.client().blocks('/rep/f')) copies.push(locations.length);
  t.deepEqual(copies, [3, 3]);
  t.is((await bench.run('-setrep 0 /rep/f')).stderr.split('\n')[0], '-setrep: replication must be >= 1');
});

test.serial('safemode is entered, told and left; wait waits for its end', async (t) => {
  t.is((await bench.run('safemode enter')).stdout, 'Safe mode is ON\n');
  t.is((await bench.run('mkdir /new')).stderr, 'mkdir: Cannot create directory /new. Name node is in safe mode.\n');
  t.true((await bench.run('report')).stdout.startsWith('Safe mode is ON\n'));
  const waiting = bench.run('safemode wait');
  t.is((await bench.run('hdfs dfsadmin -safemode leave')).stdout, 'Safe mode is OFF\n');
  t.is((await waiting).stdout, 'Safe mode is OFF\n');
  t.is((await bench.run('safemode maybe')).code, 255);
  const bob = await bench.run('safemode enter', { user: 'bob' });
  t.deepEqual([bob.code, bob.stderr], [255, 'safemode: Access denied for user bob. Superuser privilege is required for operation safemode_enter\n']);
  await waitUntil(async () => (await bench.run('safemode get')).stdout === 'Safe mode is OFF\n');
});

test('report and safemode get say that the name node is read-only for want of space, and why', async (t) => {
  const readOnlyReason = 'no space for /data/namenode: 12.0 M free';
  const client = withMethod('getHealth', (one) => async () => ({ ...(await one.getHealth()), readOnlyReason }));
  t.regex((await bench.run('report', { client })).stdout, /^The name node is read-only: no space for \/data\/namenode: 12\.0 M free\nConfigured Capacity: /);
  t.true(((await bench.run('report', { client, isJson: true })).sink.records[0] as { health: { readOnlyReason?: string } }).health.readOnlyReason === readOnlyReason);
  t.regex((await bench.run('safemode get', { client })).stdout, /^Safe mode is \w+\nThe name node is read-only: no space for \/data\/namenode: 12\.0 M free\n$/);
  t.false((await bench.run('report')).stdout.includes('read-only'));
});

test('help and usage explain every command', async (t) => {
  const { stdout } = await bench.run('help');
  for (const name of ['ls', 'put, copyFromLocal', 'cluster', 'fsck']) t.true(stdout.includes(`  ${name} `), name);
  t.regex((await bench.run('help put')).stdout, /^Usage: put \[-f\] \[-p\] \[-l\] \[-d\] \[-t <threads>\] \[-q <queue>\] <localsrc> \.\.\. <dst>\n/);
  t.is((await bench.run('-usage -rm')).stdout, 'Usage: rm [-f] [-r|-R] [-skipTrash] [-safely] <src> ...\n');
  const { code, stderr } = await bench.run('-help frobnicate');
  t.is(code, 255);
  t.regex(stderr, /^-help: `frobnicate': Unknown command\nUsage: /);
  t.is((await bench.run('put --help')).stdout, (await bench.run('help put')).stdout);
  t.true((await bench.run('help', { isJson: true })).sink.records.length > 40);
});

test('chmod and chown say what the name node refused, in HDFS\'s words', async (t) => {
  await bench.write('/perm/f', 'x');
  t.is((await bench.run('chmod 777 /perm/f', { user: 'bob' })).stderr, "chmod: changing permissions of '/perm/f': Permission denied. user=bob is not the owner of inode=/perm/f\n");
  t.is((await bench.run('chown bob /perm/f', { user: 'bob' })).stderr, "chown: changing ownership of '/perm/f': Permission denied. user=bob is not the owner of inode=/perm/f\n");
  t.is((await bench.run("chown 'a b' /perm/f")).stderr.split('\n')[0], "chown: 'a b' does not match expected pattern for [owner][:group].");
  t.is((await bench.run('chown : /perm/f')).code, 255);
  t.is((await bench.run("chmod -w /perm/f; chown al:eng /perm/f; chgrp ops /perm/f; stat '%a %u %g' /perm/f")).stdout, '444 al ops\n');
  t.is((await bench.run('ls -R /perm', { user: 'bob' })).code, 0);
});
