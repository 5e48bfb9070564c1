import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { crc32 } from '../../../source/base/checksum.js';
import { systemRandom } from '../../../source/base/random.js';
import { VersionMismatchError } from '../../../source/protocol/errors.js';
import { LocalBlockStore } from '../../../source/storage/local-block-store.js';
import { nodeDisk } from '../../../source/storage/node-disk.js';
import { appendAll, content, readVerified } from '../../helpers/replica-content.js';

/**
 * A data node's directory as the first release left it (VERSION 1, checksum files of version 1): three finalized replicas, one being
 * written, one quarantined. Never to be changed: it stands for everybody's disks.
 */
const fixture = fileURLToPath(new URL('../../../../test/fixtures/datanode-1', import.meta.url));

async function copyOfFixture(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dfsh-upgrade-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await cp(fixture, join(folder, 'datanode'), { recursive: true });
  return join(folder, 'datanode');
}

const open = (directory: string) => LocalBlockStore.open({ disk: nodeDisk, directories: [directory], clock: systemClock, random: systemRandom });

async function filesOf(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) files.set(join(entry.parentPath, entry.name), (await readFile(join(entry.parentPath, entry.name))).toString('hex'));
  return files;
}

test('what the first release wrote opens, reads and verifies, and is gone on with', async (t) => {
  const directory = await copyOfFixture(t);
  const store = await open(directory);
  t.is(store.clusterId, 'cluster-of-version-1');
  t.is(store.datanodeUuid, '55a316fe2c3b6379678530784e406dcf');
  const storageId = 'DS-a19e77ead66e66c6443dccfcbb47d0e7';
  t.deepEqual((await store.readStorages()).map((storage) => [storage.storageId, storage.blockCount]), [[storageId, 3]]);
  const finalized = [
    { blockId: 1_073_741_825, generationStamp: 1001, lengthBytes: 5000 },
    { blockId: 1_073_741_826, generationStamp: 1002, lengthBytes: 512 },
    { blockId: 1_073_742_081, generationStamp: 1003, lengthBytes: 0 },
  ];
  t.deepEqual([...store.finalizedReplicas(storageId)], finalized);
  for (const block of finalized) {
    t.deepEqual(await store.verify(block), { outcome: 'intact' });
    t.deepEqual(await readVerified(store, block), content(block.blockId % 100, block.lengthBytes));
  }
  t.deepEqual([...store.abandonedReplicas()], [{ blockId: 1_073_741_830, generationStamp: 1004, lengthBytes: 1300 }]);
  t.deepEqual([...store.quarantinedReplicas()].map(({ block }) => block), [{ blockId: 1_073_741_831, generationStamp: 1005, lengthBytes: 700 }]);
  const writer = await store.recover({ blockId: 1_073_741_830, generationStamp: 1010, previousGenerationStamp: 1004, keepBytes: 1300, isDurable: true });
  const whole = Buffer.concat([content(30, 1300), content(1, 900)]);
  await appendAll(writer, whole, { chunkBytes: 512, packetBytes: 1024, isLast: true });
  await writer.finalize();
  await store.close();
  const again = await open(directory);
  t.deepEqual(await readVerified(again, { blockId: 1_073_741_830, generationStamp: 1010 }), whole);
  await again.close();
});

test('a directory of a later version is refused with both versions named, and nothing of it is touched', async (t) => {
  const directory = await copyOfFixture(t);
  const lines = (await readFile(join(directory, 'VERSION'), 'utf8')).replace('dfsh-storage 1', 'dfsh-storage 2').replace(/checksum=.*\n/, '');
  await writeFile(join(directory, 'VERSION'), `${lines}checksum=${crc32(Buffer.from(lines)).toString(16).padStart(8, '0')}\n`);
  const before = await filesOf(directory);
  await t.throwsAsync(open(directory), { instanceOf: VersionMismatchError, message: /VERSION has format version 2, this program reads 1: use the version of dfsh that wrote it/ });
  t.deepEqual(await filesOf(directory), before);
});

test('a checksum file of a later version is no rot: it is refused by its version, and stays', async (t) => {
  const directory = await copyOfFixture(t);
  const path = join(directory, 'current/subdir0/subdir0/blk_1073741825_1001.meta');
  const bytes = await readFile(path);
  bytes.writeUInt16BE(2, 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 44)), 44);
  await writeFile(path, bytes);
  const block = { blockId: 1_073_741_825, generationStamp: 1001 };
  const store = await open(directory);
  await t.throwsAsync(store.openReader(block), { instanceOf: VersionMismatchError, message: /format version 2, this program reads 1/ });
  await t.throwsAsync(store.verify(block), { instanceOf: VersionMismatchError });
  t.is(store.getReplica(block.blockId)?.state, 'finalized');
  await store.close();
  t.deepEqual(await readFile(path), bytes);
});
