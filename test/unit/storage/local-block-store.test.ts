import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { systemRandom } from '../../../source/base/random.js';
import {
  ChecksumError,
  InputOutputError,
  OverloadedError,
  StorageDamagedError,
  StorageLockedError,
  VersionMismatchError,
} from '../../../source/protocol/errors.js';
import { LocalBlockStore, type LocalBlockStoreOptions } from '../../../source/storage/local-block-store.js';
import { nodeDisk } from '../../../source/storage/node-disk.js';
import { finalizedSubdirectory } from '../../../source/storage/volume-layout.js';
import { appendAll, content, readVerified } from '../../helpers/replica-content.js';

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'dfsh-store-'));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const open = (directories: string | string[], more: Partial<LocalBlockStoreOptions> = {}) =>
  LocalBlockStore.open({ disk: nodeDisk, directories: [directories].flat(), clock: systemClock, random: systemRandom, ...more });

const request = { generationStamp: 9, storageId: '', chunkBytes: 64, isDurable: true, isTemporary: false };

async function put(store: LocalBlockStore, blockId: number, bytes: Buffer, more: Partial<typeof request> = {}): Promise<void> {
  const writer = await store.create({ blockId, ...request, ...more });
  await appendAll(writer, bytes, { chunkBytes: 64, packetBytes: 256, isLast: true });
  await writer.finalize();
}

test('people who look at the disk find the bytes of a block under its name, and nobody else finds anything', (t) =>
  withDirectory(async (directory) => {
    const data = join(directory, 'datanode');
    const store = await open(data);
    await put(store, 1_073_741_825, content(1, 300));
    const folder = join(data, 'current/subdir0/subdir0');
    t.deepEqual((await readdir(folder)).sort(), ['blk_1073741825', 'blk_1073741825_9.meta']);
    t.deepEqual(await readFile(join(folder, 'blk_1073741825')), content(1, 300));
    t.is((await readFile(join(folder, 'blk_1073741825_9.meta'))).toString('latin1', 0, 4), 'DFSM');
    t.regex(
      await readFile(join(data, 'VERSION'), 'utf8'),
      /^dfsh-storage 1\nclusterID=\nstorageID=DS-[0-9a-f]{32}\ndatanodeUuid=[0-9a-f]{32}\nchecksum=[0-9a-f]{8}\n$/,
    );
    t.is((await stat(join(folder, 'blk_1073741825'))).mode & 0o777, 0o600);
    t.is((await stat(data)).mode & 0o777, 0o700);
    await store.close();
  }));

test('one process, and one part of a process, has a directory at a time (fault 40)', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    await t.throwsAsync(open(directory), { instanceOf: StorageLockedError });
    await store.close();
    await (await open(directory)).close();
  }));

test('a directory with files of others, with a damaged identity, or of another version is refused and not touched', (t) =>
  withDirectory(async (directory) => {
    const foreign = join(directory, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.tex'), 'x');
    await t.throwsAsync(open(foreign), { instanceOf: StorageDamagedError, message: /holds files but no VERSION/ });
    t.deepEqual(await readdir(foreign), ['thesis.tex']);

    const own = join(directory, 'own');
    const store = await open(own);
    await put(store, 1, content(1, 10));
    await store.close();
    const version = await readFile(join(own, 'VERSION'), 'utf8');
    for (const [text, expected] of [
      [version.replace('storageID=DS-', 'storageID=DS_'), StorageDamagedError],
      [version.slice(0, -3), StorageDamagedError],
      ['', StorageDamagedError],
      [version.replace('dfsh-storage 1', 'dfsh-storage 2'), VersionMismatchError],
    ] as const) {
      await writeFile(join(own, 'VERSION'), text);
      await t.throwsAsync(open(own), { instanceOf: expected }, text);
      t.is(await readFile(join(own, 'VERSION'), 'utf8'), text);
    }
    await writeFile(join(own, 'VERSION'), version);
    const again = await open(own);
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 9 }), content(1, 10));
    await again.close();
  }));

test('a block under the name of another one is not served (fault 16)', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    await put(store, 1, content(1, 100));
    await put(store, 2, content(2, 100));
    await store.close();
    const folder = join(directory, 'current', finalizedSubdirectory(1));
    for (const suffix of ['', '_9.meta']) await rename(join(folder, `blk_2${suffix}`), join(folder, `blk_1${suffix}`));
    const again = await open(directory);
    await t.throwsAsync(again.openReader({ blockId: 1, generationStamp: 9 }), { instanceOf: ChecksumError, message: /belongs to blk_2_9/ });
    t.is((await again.verify({ blockId: 1, generationStamp: 9 })).outcome, 'rotten');
    await again.close();
  }));

test('a block in a directory where it does not belong, and one without checksums, are put aside at the start', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    for (const blockId of [1, 2, 3]) await put(store, blockId, content(blockId, 100));
    await store.close();
    const folder = join(directory, 'current', finalizedSubdirectory(1));
    const wrong = join(directory, 'current/subdir5/subdir7');
    await mkdir(wrong, { recursive: true });
    for (const suffix of ['', '_9.meta']) await rename(join(folder, `blk_1${suffix}`), join(wrong, `blk_1${suffix}`));
    await rm(join(folder, 'blk_2_9.meta'));
    const again = await open(directory);
    t.deepEqual(
      [1, 2, 3].map((blockId) => again.getReplica(blockId)?.state),
      ['quarantined', 'quarantined', 'finalized'],
    );
    // Nobody knows the generation of the one without checksums: as the lowest it never outlives one that the name node has.
    t.deepEqual(
      [...again.quarantinedReplicas()].map(({ block }) => [block.blockId, block.generationStamp]),
      [[1, 9], [2, 1]],
    );
    t.deepEqual((await readdir(join(directory, 'quarantine'))).sort(), ['blk_1', 'blk_1_9.meta', 'blk_2']);
    await again.close();
  }));

test('a replica that was begun when its process was killed, before its first checksum, is nothing, and bars no recovery (fault 8)', (t) =>
  withDirectory(async (directory) => {
    await (await open(directory)).close();
    await writeFile(join(directory, 'rbw/blk_7'), content(7, 100));
    await writeFile(join(directory, 'rbw/blk_7_9.meta'), '');
    const store = await open(directory);
    t.is(store.getReplica(7), undefined);
    t.is(await store.initRecovery({ blockId: 7, generationStamp: 9, recoveryGeneration: 10 }), null);
    t.deepEqual([...store.quarantinedReplicas()], []);
    await store.close();
    t.deepEqual(await readdir(join(directory, 'rbw')), []);
  }));

test('what is put aside in part goes with its block, and checksums without their data go at once', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    for (const blockId of [1, 2]) {
      await put(store, blockId, content(blockId, 100));
      t.true(await store.quarantine({ blockId, generationStamp: 9 }, 'a test'));
    }
    await store.close();
    await rm(join(directory, 'quarantine/blk_1_9.meta'));
    await rm(join(directory, 'quarantine/blk_2'));
    const again = await open(directory);
    t.deepEqual(await readdir(join(directory, 'quarantine')), ['blk_1']);
    t.is((await again.invalidate({ blockId: 1, generationStamp: 9 })).outcome, 'removed');
    t.deepEqual(await readdir(join(directory, 'quarantine')), []);
    await again.close();
  }));

test('what is put aside is gone after a start if the block has a replica here again, and that one stays', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    await put(store, 1, content(1, 100));
    t.true(await store.quarantine({ blockId: 1, generationStamp: 9 }, 'a test'));
    await store.close();
    // As after a power cut that has undone its deletion.
    const aside = join(directory, 'quarantine');
    const kept = await Promise.all(['blk_1', 'blk_1_9.meta'].map((name) => readFile(join(aside, name))));
    const replacing = await open(directory);
    await put(replacing, 1, content(1, 100));
    await replacing.close();
    await writeFile(join(aside, 'blk_1'), kept[0]!);
    await writeFile(join(aside, 'blk_1_9.meta'), kept[1]!);
    const again = await open(directory);
    t.deepEqual([...again.quarantinedReplicas()], []);
    t.deepEqual(await readdir(aside), []);
    t.is((await again.verify({ blockId: 1, generationStamp: 9 })).outcome, 'intact');
    await again.close();
  }));

test('a replica whose end was cut off is not what it was: its length says so, and reading it fails', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    await put(store, 1, content(1, 300));
    await store.close();
    const path = join(directory, 'current', finalizedSubdirectory(1), 'blk_1');
    await writeFile(path, content(1, 300).subarray(0, 200));
    const again = await open(directory);
    t.is(again.getReplica(1)?.block.lengthBytes, 200);
    await t.throwsAsync(readVerified(again, { blockId: 1, generationStamp: 9 }), { instanceOf: ChecksumError });
    t.is((await again.verify({ blockId: 1, generationStamp: 9 })).outcome, 'rotten');
    await again.close();
  }));

test('a replica whose files somebody deleted is found out when it is read', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory);
    await put(store, 1, content(1, 300));
    await rm(join(directory, 'current', finalizedSubdirectory(1)), { recursive: true });
    await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 9 }), {
      instanceOf: ChecksumError,
      message: /its files are missing/,
    });
    t.is((await store.verify({ blockId: 1, generationStamp: 9 })).outcome, 'rotten');
    t.true(await store.quarantine({ blockId: 1, generationStamp: 9 }, 'missing'));
    await store.close();
  }));

test('several directories are one store: each has its storage, and blocks go where they are told to, or where there is room', (t) =>
  withDirectory(async (directory) => {
    const directories = ['a', 'b'].map((name) => join(directory, name));
    const store = await open(directories);
    const storages = await store.readStorages();
    t.is(new Set(storages.map(({ storageId }) => storageId)).size, 2);
    for (const [index, { storageId }] of storages.entries()) await put(store, index + 1, content(1, 10), { storageId });
    t.deepEqual(
      storages.map(({ storageId }) => [...store.finalizedReplicas(storageId)].map(({ blockId }) => blockId)),
      [[1], [2]],
    );
    await store.bindToCluster('cluster-a');
    const uuid = store.datanodeUuid;
    await store.close();
    // A third, empty one joins; the order does not matter.
    const again = await open([join(directory, 'c'), ...directories]);
    t.is(again.datanodeUuid, uuid);
    t.is(again.clusterId, 'cluster-a');
    t.deepEqual(
      (await again.readStorages()).map(({ blockCount }) => blockCount),
      [0, 1, 1],
    );
    await again.close();
    const stranger = await open(join(directory, 'd'));
    await stranger.close();
    await t.throwsAsync(open([directories[0]!, join(directory, 'd')]), {
      instanceOf: StorageDamagedError,
      message: /belong to different data nodes/,
    });
  }));

test('the same block in two directories is kept once, in its newer generation', (t) =>
  withDirectory(async (directory) => {
    const directories = ['a', 'b'].map((name) => join(directory, name));
    const store = await open(directories);
    const [a, b] = await store.readStorages();
    await put(store, 1, content(1, 10), { storageId: a!.storageId });
    await store.close();
    await (async () => {
      // As a restored backup would leave it.
      const other = await open(directories[1]!);
      await put(other, 1, content(2, 20), { generationStamp: 12 });
      await other.close();
    })();
    for (const order of [directories, [...directories].reverse()]) {
      const again = await open(order);
      t.like(again.getReplica(1), { block: { blockId: 1, generationStamp: 12, lengthBytes: 20 }, storageId: b!.storageId });
      await again.close();
    }
  }));

test('more open writers than the limit are refused, and one that ends makes room', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory, { maxWriters: 2 });
    const writers = [await store.create({ blockId: 1, ...request }), await store.create({ blockId: 2, ...request })];
    await t.throwsAsync(store.create({ blockId: 3, ...request }), { instanceOf: OverloadedError });
    await writers[0]!.finalize();
    await writers[0]!.close();
    const third = await store.create({ blockId: 3, ...request });
    await third.close();
    await writers[1]!.close();
    t.is(store.getReplica(1)?.state, 'finalized');
    await store.close();
  }));

test('more open readers than the limit wait for their turn', (t) =>
  withDirectory(async (directory) => {
    const store = await open(directory, { maxReaders: 2 });
    await put(store, 1, content(1, 100));
    const found = await Promise.all(Array.from({ length: 50 }, () => readVerified(store, { blockId: 1, generationStamp: 9 })));
    t.true(found.every((bytes) => bytes?.equals(content(1, 100))));
    await store.close();
  }));

(process.getuid?.() === 0 ? test.skip : test)('a directory that may not be written is refused in one line', (t) =>
  withDirectory(async (directory) => {
    await chmod(directory, 0o500);
    await t.throwsAsync(open(join(directory, 'data')), { instanceOf: InputOutputError, message: /opening .*EACCES/ });
    await chmod(directory, 0o700);
  }),
);
