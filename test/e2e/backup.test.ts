import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { RealCluster } from '../helpers/real-cluster.js';

// Backups of the name node as a user makes and restores them: the real program, real processes.

const content = (name: string, sizeBytes: number) => createHash('sha256').update(name).digest('hex').repeat(Math.ceil(sizeBytes / 64)).slice(0, sizeBytes);

test('a backup of a running cluster is restored over a store that is lost: its files read back equal, new ones are written, and what was deleted is told as missing', async (t) => {
  const cluster = await RealCluster.create({ settings: { block_size: 100_000 } });
  t.teardown(() => cluster.destroy());
  const files = new Map(['/kept/a', '/kept/b', '/kept/c', '/gone'].map((path, index) => [path, content(path, 90_000 * (index + 1))]));
  for (const [path, bytes] of files) {
    writeFileSync(cluster.localPath('source'), bytes);
    t.is((await cluster.exec(`mkdir -p /kept`, `put -f source ${path}`)).code, 0);
  }
  const backup = await cluster.run(['namenode', 'backup', 'image']);
  t.is(backup.code, 0, backup.stderr);
  t.regex(backup.stdout, /^backed up: cluster CID-[0-9a-f]+ at edit \d+, 4 files and \d+ directories, \d+ records, .* in .*\/work\/image\n$/);
  t.is((await cluster.run(['namenode', 'backup', 'image'])).code, 1);

  t.is((await cluster.exec('mkdir /later', 'put source /later/x', 'rm -skipTrash /gone')).code, 0);
  // What is left are the six blocks of /kept and the four of /later/x.
  await cluster.until(() => cluster.replicasOnDisk().size === 10);
  const refused = await cluster.run(['namenode', 'restore', 'image', '--replace']);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^dfsh: .*namenode is in use by process \d+; stop that first\n$/);
  t.is((await cluster.exec('cluster down')).code, 0);

  const folder = join(cluster.config.dataDirectory, 'namenode');
  truncateSync(join(folder, 'data.mdb'), 9000);
  t.is((await cluster.exec('cluster up')).code, 1);
  t.regex((await cluster.run(['namenode', 'restore', 'image'])).stderr, /holds a store already; nothing was changed: add --replace/);
  const restored = await cluster.run(['namenode', 'restore', 'image', '--replace']);
  t.is(restored.code, 0, restored.stderr);
  t.regex(restored.stdout, /^restored: cluster CID-[0-9a-f]+ at edit \d+, 4 files .*\nthe store that was there is kept as .*\/replaced-\d{8}T\d{6}Z\.mdb\nstart the name node and look at fsck \/: /);
  t.is(readdirSync(folder).filter((name) => name.startsWith('replaced-')).length, 1);

  const up = await cluster.exec('cluster up');
  t.is(up.code, 0, up.stderr);
  t.regex(up.stdout, /the name node stays in safe mode: .*\ncluster up: .* 3 data nodes live\n$/);
  for (const [path, bytes] of files) if (path !== '/gone') t.is((await cluster.exec(`cat ${path}`)).stdout, bytes, path);
  t.is((await cluster.exec('ls /later')).code, 1);
  t.regex((await cluster.exec('fsck /')).stdout, /\/gone: .*MISSING/);
  t.is((await cluster.exec('safemode leave')).code, 0);
  t.is((await cluster.exec('put source /new')).code, 0);
  t.is((await cluster.exec('cat /new')).stdout, readFileSync(cluster.localPath('source'), 'utf8'));
  t.regex((await cluster.exec('logs nn -n 200')).stdout, /WARN +the name space was restored on .* from a backup of edit \d+/);
});

test('saveNamespace writes a backup in safe mode only, for the superuser only', async (t) => {
  const cluster = await RealCluster.create({ dataNodes: 1 });
  t.teardown(() => cluster.destroy());
  t.deepEqual(await cluster.exec('saveNamespace'), { code: 255, stdout: '', stderr: 'saveNamespace: Safe mode should be turned ON in order to create namespace image.\n' });
  t.is((await cluster.exec('mkdir /a', 'safemode enter')).code, 0);
  const bob = await cluster.run(['--user', 'bob', '--exec', 'saveNamespace']);
  t.deepEqual([bob.code, bob.stderr], [255, 'saveNamespace: Access denied for user bob. Superuser privilege is required for operation saveNamespace\n']);
  const saved = await cluster.exec('saveNamespace');
  t.is(saved.code, 0, saved.stderr);
  t.is(saved.stdout, 'Save namespace successful\n');
  const [image] = readdirSync(join(cluster.config.dataDirectory, 'namenode-image'));
  t.is((await cluster.exec('cluster down')).code, 0);
  const restored = await cluster.run(['namenode', 'restore', join(cluster.config.dataDirectory, 'namenode-image', image!), '--replace']);
  t.is(restored.code, 0, restored.stderr);
  t.is((await cluster.exec('cluster up')).code, 0);
  t.is((await cluster.exec('ls -d /a')).code, 0);
});

test('what namenode does not take is refused in one line', async (t) => {
  const cluster = await RealCluster.create({ isStarted: false });
  t.teardown(() => cluster.destroy());
  for (const [args, expected] of [
    [['namenode', 'dump'], /namenode takes no operands, or backup FILE\|DIR, or restore FILE, not "dump"/],
    [['namenode', 'backup'], /namenode backup takes one operand, the file or directory to write to/],
    [['namenode', 'restore', 'a', 'b'], /namenode restore takes one operand, the backup/],
    [['namenode', 'restore', 'a', '--format'], /--format is for starting/],
    [['namenode', 'backup', 'a', '--replace'], /--replace is for namenode restore/],
  ] as const) {
    const { code, stderr } = await cluster.run([...args]);
    t.is(code, 255);
    t.regex(stderr, expected);
  }
  const none = await cluster.run(['namenode', 'backup', 'a']);
  t.deepEqual([none.code, none.stdout], [1, '']);
  t.regex(none.stderr, /^dfsh: there is no store of a name node in .*\n$/);
  t.regex((await cluster.run(['namenode', 'restore', 'nothing'])).stderr, /^dfsh: there is no backup .*\/nothing\n$/);
});
