import { basename } from 'node:path';
import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { type Random, seededRandom } from '../../../source/base/random.js';
import { InputOutputError, NoSpaceError } from '../../../source/protocol/errors.js';
import type { CreateReplica } from '../../../source/storage/block-store.js';
import { LocalBlockStore } from '../../../source/storage/local-block-store.js';
import { appendAll, content, packetOf, readVerified } from '../../helpers/replica-content.js';
import { failure, SimulatedDisk, type Unsynced } from '../../helpers/simulated-disk.js';

const chunkBytes = 256;
const packetBytes = 640;

/** What the store has promised so far: the least that must be there after any crash from here on. */
interface Promised {
  /** Finalized and acknowledged, and nothing was begun with it since. */
  finalized: Map<number, { generationStamp: number; bytes: Buffer }>;
  /** Being written (or finalized, meanwhile): these bytes were synced, or acknowledged as durable, in this generation or an older one. */
  atLeast: Map<number, { generationStamp: number; bytes: Buffer; versions: Buffer[] }>;
  /** An acknowledged recovery: never an older generation again. */
  generations: Map<number, number>;
  deleted: Set<number>;
}

function request(blockId: number, generationStamp: number, more: Partial<CreateReplica> = {}): CreateReplica {
  return { blockId, generationStamp, storageId: '', chunkBytes, isDurable: true, isTemporary: false, ...more };
}

function filesOfBlock(disk: SimulatedDisk, blockId: number): string[] {
  return disk.files().filter((path) => /^blk_(\d+)/.exec(basename(path))?.[1] === String(blockId)).sort();
}

/** A life of a few blocks, through every transition. Notes in `promised` what it was told. */
async function live(store: LocalBlockStore, promised: Promised): Promise<void> {
  const one = content(1, 2400);
  const promiseFinalized = (blockId: number, generationStamp: number, bytes: Buffer) => {
    promised.atLeast.delete(blockId);
    promised.generations.set(blockId, generationStamp);
    promised.finalized.set(blockId, { generationStamp, bytes });
  };
  // 1: written, finalized, then reopened with a cut inside a chunk, and finalized again.
  const first = await store.create(request(1, 9));
  await appendAll(first, one, { chunkBytes, packetBytes, isLast: true });
  await first.finalize();
  promiseFinalized(1, 9, one);
  // 2: one packet.
  const small = await store.create(request(2, 9));
  await appendAll(small, one, { chunkBytes, packetBytes: 15995, isLast: true });
  await small.finalize();
  promiseFinalized(2, 9, one);
  // 3: synced inside a chunk, twice, going on after each.
  const two = content(2, 3200);
  const synced = await store.create(request(3, 9));
  await appendAll(synced, two, { chunkBytes, packetBytes: 587, endBytes: 587 });
  await synced.sync();
  promised.atLeast.set(3, { generationStamp: 9, bytes: two.subarray(0, 587), versions: [two] });
  await appendAll(synced, two, { chunkBytes, packetBytes: 43, endBytes: 971 });
  await synced.sync();
  promised.atLeast.set(3, { generationStamp: 9, bytes: two.subarray(0, 971), versions: [two] });
  await appendAll(synced, two, { chunkBytes, packetBytes: 75, endBytes: 1595 });
  // ... taken over while it goes on, cut, and finalized.
  const cut = Buffer.concat([two.subarray(0, 715), content(3, 1600)]);
  promised.atLeast.set(3, { generationStamp: 9, bytes: two.subarray(0, 715), versions: [two, cut] });
  const recovered = await store.recover({ blockId: 3, generationStamp: 12, previousGenerationStamp: 9, keepBytes: 715, isDurable: true });
  promised.generations.set(3, 12);
  await appendAll(recovered, cut, { chunkBytes, packetBytes });
  await recovered.finalize();
  promiseFinalized(3, 12, cut);

  const again = Buffer.concat([one.subarray(0, 1115), content(4, 800)]);
  promised.finalized.delete(1);
  promised.atLeast.set(1, { generationStamp: 9, bytes: one.subarray(0, 1115), versions: [one, again] });
  const reopened = await store.recover({ blockId: 1, generationStamp: 15, keepBytes: 1115, isDurable: true });
  promised.generations.set(1, 15);
  await appendAll(reopened, again, { chunkBytes, packetBytes });
  await reopened.finalize();
  promiseFinalized(1, 15, again);
  // 4: a copy that replaces an older generation.
  const stale = await store.create(request(4, 5));
  await appendAll(stale, content(5, 960), { chunkBytes, packetBytes, isLast: true });
  await stale.finalize();
  const copy = await store.create(request(4, 7, { isTemporary: true }));
  await appendAll(copy, content(6, 1440), { chunkBytes, packetBytes, isLast: true });
  await copy.finalize();
  promiseFinalized(4, 7, content(6, 1440));
  // 8: its writer is gone; its block is recovered, cut inside a chunk, by the second try. 9: the same, of a finalized replica that was flushed into again.
  const eight = content(8, 1700);
  const gone = await store.create(request(8, 9));
  await appendAll(gone, eight, { chunkBytes, packetBytes: 333 });
  await gone.sync();
  promised.atLeast.set(8, { generationStamp: 9, bytes: eight, versions: [eight] });
  await store.initRecovery({ blockId: 8, generationStamp: 9, recoveryGeneration: 11 });
  await store.initRecovery({ blockId: 8, generationStamp: 9, recoveryGeneration: 13 });
  promised.atLeast.set(8, { generationStamp: 9, bytes: eight.subarray(0, 1500), versions: [eight] });
  await store.updateRecovery({ blockId: 8, recoveryGeneration: 13, newLengthBytes: 1500 });
  promiseFinalized(8, 13, eight.subarray(0, 1500));
  const nine = await store.create(request(9, 9));
  await appendAll(nine, eight, { chunkBytes, packetBytes, endBytes: 900, isLast: true });
  await nine.finalize();
  promised.atLeast.set(9, { generationStamp: 9, bytes: eight.subarray(0, 900), versions: [eight] });
  const more = await store.recover({ blockId: 9, generationStamp: 10, keepBytes: 900, isDurable: true });
  promised.generations.set(9, 10);
  await appendAll(more, eight, { chunkBytes, packetBytes: 171, endBytes: 1411 });
  await store.initRecovery({ blockId: 9, generationStamp: 9, recoveryGeneration: 14 });
  await store.updateRecovery({ blockId: 9, recoveryGeneration: 14, newLengthBytes: 1411 });
  promiseFinalized(9, 14, eight.subarray(0, 1411));
  // 2 is deleted.
  promised.finalized.delete(2);
  promised.generations.delete(2);
  await store.invalidate({ blockId: 2, generationStamp: 9 });
  promised.deleted.add(2);
  // Three at once, whose directories are synced together.
  await Promise.all(
    [5, 6, 7].map(async (blockId) => {
      const writer = await store.create(request(blockId, 9));
      await appendAll(writer, content(blockId, 1280), { chunkBytes, packetBytes, isLast: true });
      await writer.finalize();
      promiseFinalized(blockId, 9, content(blockId, 1280));
    }),
  );
}

function nothingPromised(): Promised {
  return { finalized: new Map(), atLeast: new Map(), generations: new Map(), deleted: new Set() };
}

const open = (disk: SimulatedDisk, seed: number) =>
  LocalBlockStore.open({ disk: disk.mount(), directories: ['/data'], clock: new ManualClock(), random: seededRandom(seed) });

/** Every broken promise, in words. */
async function brokenPromises(store: LocalBlockStore, promised: Promised): Promise<string[]> {
  const broken: string[] = [];
  for (const [blockId, { generationStamp, bytes }] of promised.finalized) {
    const replica = store.getReplica(blockId);
    if (replica?.state !== 'finalized' || replica.block.generationStamp !== generationStamp) {
      broken.push(`block ${blockId} was finalized as generation ${generationStamp}, now it is ${JSON.stringify(replica)}`);
      continue;
    }
    if (!(await readVerified(store, replica.block))?.equals(bytes))
      broken.push(`block ${blockId} holds other bytes than were acknowledged`);
  }
  for (const [blockId, { generationStamp, bytes, versions }] of promised.atLeast) {
    const replica = store.getReplica(blockId);
    if (!replica || replica.state === 'quarantined' || replica.block.generationStamp < generationStamp) {
      broken.push(`block ${blockId} was synced in generation ${generationStamp}, now it is ${JSON.stringify(replica)}`);
      continue;
    }
    const found = await readVerified(store, replica.block);
    if (!found || found.length < bytes.length)
      broken.push(`block ${blockId}: ${bytes.length} bytes were synced, ${found?.length} are there`);
    else if (!versions.some((version) => version.subarray(0, found.length).equals(found)))
      broken.push(`block ${blockId} holds bytes that nobody wrote`);
  }
  for (const [blockId, generationStamp] of promised.generations) {
    const found = store.getReplica(blockId)?.block.generationStamp ?? 0;
    if (found < generationStamp) broken.push(`block ${blockId} fell back from generation ${generationStamp} to ${found}`);
  }
  const { storageId } = (await store.readStorages())[0]!;
  for (const block of store.finalizedReplicas(storageId)) {
    const verdict = await store.verify(block);
    if (verdict.outcome !== 'intact') broken.push(`block ${block.blockId} is finalized and ${JSON.stringify(verdict)}`);
  }
  return broken;
}

/** Lets the disk die at its `at`-th change, brings it back, and looks. False if the life ended before. */
async function crashAt(
  at: number,
  unsynced: Unsynced | 'process',
  random: Random,
): Promise<{ isOver: boolean; broken: string[]; promisedCount: number }> {
  const disk = new SimulatedDisk();
  disk.onCall = (_call, _path, callCount) => {
    if (callCount === at) disk.die();
  };
  const promised = nothingPromised();
  let isOver = true;
  try {
    const store = await open(disk, at);
    await live(store, promised);
  } catch {
    isOver = false;
  }
  if (unsynced === 'process') disk.restart();
  else disk.powerCut(unsynced, random);
  const restarted = await open(disk, at + 1);
  const broken = await brokenPromises(restarted, promised);
  // It is a store like any other: it takes blocks, and comes back once more.
  const writer = await restarted.create(request(100, 1));
  await appendAll(writer, content(9, 50), { chunkBytes, packetBytes, isLast: true });
  await writer.finalize();
  await restarted.close();
  disk.restart();
  const third = await open(disk, at + 2);
  broken.push(...(await brokenPromises(third, promised)));
  if (third.getReplica(100)?.state !== 'finalized') broken.push('the block written after the restart is gone');
  await third.close();
  return { isOver, broken, promisedCount: promised.finalized.size + promised.atLeast.size };
}

for (const unsynced of ['process', 'lost', 'kept', 'torn'] as const) {
  test(`a crash at any change of the disk breaks no promise (${unsynced === 'process' ? 'the process ends' : `the power is cut, what was not synced is ${unsynced}`}) (faults 6, 8, 10)`, async (t) => {
    const seeds = unsynced === 'torn' ? Number(process.env['DFSH_CRASH_SEEDS'] ?? 6) : 1;
    let promises = 0;
    let crashes = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = seededRandom(seed);
      for (let at = 1; ; at++) {
        const { isOver, broken, promisedCount } = await crashAt(at, unsynced, random).catch((error: unknown) => {
          throw new Error(`seed ${seed}, change ${at}`, { cause: error });
        });
        if (broken.length > 0) t.fail(`seed ${seed}, change ${at}: ${broken.join('; ')}`);
        promises += promisedCount;
        if (isOver) break;
        crashes++;
      }
    }
    t.true(crashes > 100 * seeds, `${crashes} crashes were tried`);
    t.true(promises > crashes, `${promises} promises were checked`);
  });
}

for (const unsynced of ['process', 'torn'] as const) {
  test(`a crash at any change of a block's recovery, of each of them again and again, leaves a replica that the next one ends (${unsynced}; fault 7)`, async (t) => {
    const bytes = content(1, 1700);
    let crashes = 0;
    for (const state of ['finalized', 'being-written'] as const) {
      for (let first = 1, isOver = false; !isOver; first++) {
        const random = seededRandom(first);
        const { disk, store: before } = await storeWith(bytes, state);
        await before.close();
        // The tries get further and further, or the same far.
        for (let attempt = 0; !isOver; attempt++) {
          disk.restart();
          const store = await open(disk, first);
          const found = store.getReplica(1);
          t.true(found !== undefined && found.state !== 'quarantined', `${state}, change ${first}, try ${attempt}`);
          const at = disk.callCount + first + attempt;
          disk.onCall = (_call, _path, callCount) => {
            if (callCount === at) disk.die();
          };
          try {
            const recoveryGeneration = 20 + attempt;
            const replica = await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration });
            t.true(replica!.lengthBytes >= (attempt === 0 ? 1700 : 1500));
            await store.updateRecovery({ blockId: 1, recoveryGeneration, newLengthBytes: 1500 });
            const block = { blockId: 1, generationStamp: recoveryGeneration };
            if (unsynced === 'torn') disk.powerCut('torn', random);
            else disk.restart();
            const after = await open(disk, 3);
            t.deepEqual(after.getReplica(1)?.block, { ...block, lengthBytes: 1500 });
            t.deepEqual(await readVerified(after, block), bytes.subarray(0, 1500));
            isOver = attempt === 0;
            break;
          } catch (error) {
            if (disk.callCount < at) throw error;
            crashes++;
            if (unsynced === 'torn') disk.powerCut('torn', random);
          }
        }
      }
    }
    t.true(crashes > 20, `${crashes} crashes`);
  });
}

/** A store with one block of the bytes, in generation 9. */
async function storeWith(bytes: Buffer, state: 'finalized' | 'being-written'): Promise<{ disk: SimulatedDisk; store: LocalBlockStore }> {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const writer = await store.create(request(1, 9));
  await appendAll(writer, bytes, { chunkBytes, packetBytes: 333 });
  if (state === 'finalized') await writer.finalize();
  else await writer.sync();
  return { disk, store };
}

for (const code of ['EIO', 'ENOSPC'] as const) {
  test(`a recovery whose disk call fails with ${code}, each call in turn, loses nothing: the next one ends it, and then a power cut takes nothing of it (faults 6, 7, 18, 21)`, async (t) => {
    const bytes = content(1, 1700);
    let failures = 0;
    for (const state of ['finalized', 'being-written'] as const) {
      for (let at = 1, isOver = false; !isOver; at++) {
        const { disk, store } = await storeWith(bytes, state);
        let calls = 0;
        let failed = '';
        disk.onCall = (call, path) => {
          if (call === 'readDirectory' || path.includes('trash') || path.includes('probe') || path.includes('health') || ++calls !== at) return;
          failed = `${call} ${path}`;
          if (call === 'dataSync') disk.loseUnsynced(path);
          throw failure(code, 'the disk is failing');
        };
        const recover = async (each: LocalBlockStore, recoveryGeneration: number) => {
          const found = await each.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration });
          t.true(found !== null, `${state}, ${failed}: nothing is left`);
          t.true(found!.lengthBytes >= 1500, `${state}, ${failed}: ${found!.lengthBytes} bytes are left`);
          await each.updateRecovery({ blockId: 1, recoveryGeneration, newLengthBytes: 1500 });
        };
        await recover(store, 12).catch(() => {});
        isOver = failed === '';
        if (!isOver) failures++;
        disk.onCall = () => {};
        await t.notThrowsAsync(recover(store, 13), `${state}, ${failed}`);
        if (!failed.startsWith('rename')) t.deepEqual(filesOfBlock(disk, 1).map((path) => basename(path)), ['blk_1', 'blk_1_13.meta'], `${state}, ${failed}: nothing else is left`);
        await store.close();
        disk.powerCut('lost', seededRandom(at));
        const next = await open(disk, 2);
        const end = next.getReplica(1)!;
        t.like(end, { state: 'finalized', block: { lengthBytes: 1500 } }, `${state}, ${failed}`);
        t.deepEqual(await readVerified(next, end.block), bytes.subarray(0, 1500), `${state}, ${failed}`);
        await next.close();
      }
    }
    t.true(failures > 15, `${failures} calls failed`);
  });
}

test('a block that is deleted after its recovery has failed leaves no file behind, whichever sync failed (fault 21)', async (t) => {
  const bytes = content(1, 1700);
  let failures = 0;
  for (const state of ['finalized', 'being-written'] as const) {
    for (let at = 1, isOver = false; !isOver; at++) {
      const { disk, store } = await storeWith(bytes, state);
      let syncs = 0;
      let failed = '';
      disk.onCall = (call, path) => {
        if (!/sync/i.test(call) || path.includes('trash') || ++syncs !== at) return;
        failed = `${call} ${path}`;
        throw failure('EIO', 'the disk is failing');
      };
      await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
      await store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: 1500 }).catch(() => {});
      isOver = failed === '';
      if (!isOver) failures++;
      disk.onCall = () => {};
      await store.invalidate({ blockId: 1, generationStamp: 12 });
      t.deepEqual(filesOfBlock(disk, 1), [], `${state}, ${failed}`);
      await store.close();
    }
  }
  t.true(failures >= 8, `${failures} syncs failed`);
});

test('a full disk under an append takes what is new, and nothing of what was there (fault 18)', async (t) => {
  const bytes = content(1, 1200);
  for (const kind of ['finalized', 'flushed'] as const) {
    const disk = new SimulatedDisk();
    const store = await open(disk, 1);
    let writer = await store.create(request(1, 9));
    await appendAll(writer, bytes, { chunkBytes, packetBytes, endBytes: 600 });
    if (kind === 'finalized') {
      await writer.finalize();
      writer = await store.recover({ blockId: 1, generationStamp: 10, keepBytes: 600, isDurable: true });
    } else {
      await writer.append({ ...packetOf(bytes, 600, 700, chunkBytes), isFlush: true });
    }
    const keptBytes = writer.receivedBytes;
    disk.onCall = (call) => {
      if (call === 'write') throw failure('ENOSPC', 'no space left on device');
    };
    await t.throwsAsync(appendAll(writer, bytes, { chunkBytes, packetBytes }), { instanceOf: NoSpaceError });
    await writer.close();
    disk.onCall = () => {};
    t.deepEqual(await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 }), {
      state: 'being-written',
      generationStamp: kind === 'finalized' ? 10 : 9,
      lengthBytes: keptBytes,
    });
    await store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: keptBytes });
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 12 }), bytes.subarray(0, keptBytes));
    await store.close();
  }
});

test('after a failed fsync no writer goes on with a replica that must be kept; a recovery of its block writes it anew, and then a power cut takes nothing of it (faults 6, 21)', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const bytes = content(1, 700);
  const first = await store.create(request(1, 9));
  await appendAll(first, bytes, { chunkBytes, packetBytes, endBytes: 600 });
  await first.finalize();
  const writer = await store.recover({ blockId: 1, generationStamp: 10, keepBytes: 600, isDurable: true });
  await writer.append(packetOf(bytes, 600, 700, chunkBytes));
  let syncs = 0;
  const failSyncs = (call: string, path: string) => {
    if (call !== 'dataSync' || !path.includes('blk_1')) return;
    syncs++;
    disk.loseUnsynced(path);
    throw failure('EIO', 'the disk is failing');
  };
  disk.onCall = failSyncs;
  await t.throwsAsync(writer.sync(), { instanceOf: InputOutputError });
  await writer.close();
  t.is(syncs, 1);
  // It fails again: then it is as it was.
  const found = await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
  t.deepEqual(found, { state: 'waiting-to-be-recovered', generationStamp: 10, lengthBytes: 700 }, 'what another replica has counts for more');
  await t.throwsAsync(store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: 700 }), { instanceOf: InputOutputError });
  disk.onCall = () => {};
  await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 13, keepBytes: 600, isDurable: true }), { instanceOf: InputOutputError, message: /another replica must do/ });
  t.like(await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 13 }), { state: 'waiting-to-be-recovered', lengthBytes: 700 });
  await store.updateRecovery({ blockId: 1, recoveryGeneration: 13, newLengthBytes: 700 });
  disk.powerCut('lost', seededRandom(1));
  const again = await open(disk, 2);
  t.deepEqual(again.getReplica(1)?.block, { blockId: 1, generationStamp: 13, lengthBytes: 700 });
  t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 13 }), bytes);
  await again.close();
});

for (const [title, kept] of [['torn in the data (fault 10)', 'data'], ['cut off in the checksum file (fault 11)', 'meta']] as const) {
  test(`a replica being written whose end is ${title} is kept as far as it is verified`, async (t) => {
    const bytes = content(1, 1000);
    const disk = new SimulatedDisk();
    const store = await open(disk, 1);
    const writer = await store.create(request(1, 9));
    await appendAll(writer, bytes, { chunkBytes, packetBytes: 100 });
    await store.close();
    const [path, lengthBytes] = kept === 'data' ? ['/data/rbw/blk_1', 950] : ['/data/rbw/blk_1_9.meta', 96 + 4 * 2 + 3];
    const file = await disk.mount().open(path, 'write');
    await file.truncate(lengthBytes);
    await file.close();
    disk.restart();
    const again = await open(disk, 2);
    const found = await again.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
    t.deepEqual(found, { state: 'waiting-to-be-recovered', generationStamp: 9, lengthBytes: kept === 'data' ? 768 : 512 });
    await again.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: found!.lengthBytes });
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 12 }), bytes.subarray(0, found!.lengthBytes));
    await again.close();
  });
}

test('nothing is acknowledged as durable without fsyncs, and a replica that need not be durable gets none', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const count = async (isDurable: boolean, blockId: number) => {
    const before = disk.syncCount;
    const writer = await store.create(request(blockId, 9, { isDurable }));
    await appendAll(writer, content(1, 100), { chunkBytes, packetBytes, isLast: true });
    await writer.finalize();
    return disk.syncCount - before;
  };
  await count(true, 1);
  t.is(await count(true, 2), 3, 'data, checksums, directory');
  t.is(await count(false, 3), 0);
  await store.close();
});

test('the durable order: data, checksums, names, directory, acknowledgement', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const first = await store.create(request(1, 9));
  await first.finalize();
  const writer = await store.create(request(2, 9));
  await appendAll(writer, content(1, 100), { chunkBytes, packetBytes, isLast: true });
  const calls: string[] = [];
  disk.onCall = (call, path) => void calls.push(`${call} ${path}`);
  await writer.finalize();
  t.deepEqual(
    calls.filter((call) => !call.startsWith('write')),
    [
      'dataSync /data/rbw/blk_2',
      'dataSync /data/rbw/blk_2_9.meta',
      'rename /data/rbw/blk_2_9.meta',
      'rename /data/rbw/blk_2',
      'syncDirectory /data/current/subdir0/subdir0',
    ],
  );
  await store.close();
});

test('directories are synced once for all who finalize meanwhile', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const writers = await Promise.all(Array.from({ length: 20 }, (_, index) => store.create(request(index + 1, 9))));
  let syncs = 0;
  disk.onCall = (call, path) => void (syncs += call === 'syncDirectory' && path === '/data/current/subdir0/subdir0' ? 1 : 0);
  await Promise.all(writers.map((writer) => writer.finalize()));
  t.true(syncs >= 1 && syncs < 10, `${syncs} syncs`);
  await store.close();
});

test('a failed fsync fails the replica, is not repeated, and leaves nothing behind (fault 21)', async (t) => {
  for (const victim of ['blk_1', 'blk_1_9.meta', 'subdir0']) {
    const disk = new SimulatedDisk();
    const store = await open(disk, 1);
    const other = await store.create(request(2, 9));
    await other.finalize();
    const writer = await store.create(request(1, 9));
    await writer.append(packetOf(content(1, 50), 0, 50, chunkBytes));
    let syncs = 0;
    disk.onCall = (call, path) => {
      if (!call.endsWith('Sync') && call !== 'syncDirectory') return;
      if (!path.endsWith(`/${victim}`)) return;
      syncs++;
      throw failure('EIO', 'the disk is failing');
    };
    await t.throwsAsync(writer.finalize(), { instanceOf: InputOutputError });
    await writer.close();
    t.is(syncs, 1, `${victim} is synced once`);
    t.is(store.getReplica(1), undefined);
    disk.onCall = () => {};
    await store.close();
    const again = await open(disk, 2);
    t.is(again.getReplica(1), undefined, 'nor after a restart');
    t.is(again.getReplica(2)?.state, 'finalized');
    await again.close();
    t.deepEqual(
      disk.files().filter((path) => path.includes('blk_1')),
      [],
    );
  }
});

test('a recovery whose new checksum file cannot be written changes nothing, and leaves nothing of it (fault 21)', async (t) => {
  for (const isFinalized of [true, false]) {
    const disk = new SimulatedDisk();
    const store = await open(disk, 1);
    const writer = await store.create(request(1, 9));
    await writer.append(packetOf(content(1, 50), 0, 50, chunkBytes));
    if (isFinalized) await writer.finalize();
    else await writer.close();
    const before = [disk.files().filter((path) => path.includes('blk_1')), store.getReplica(1)];
    disk.onCall = (call, path) => {
      if (call === 'dataSync' && path.endsWith('/blk_1_12.meta')) throw failure('EIO', 'the disk is failing');
    };
    await t.throwsAsync(store.recover({ ...request(1, 12), previousGenerationStamp: 9, keepBytes: 20, isDurable: true }), { instanceOf: InputOutputError });
    disk.onCall = () => {};
    t.deepEqual([disk.files().filter((path) => path.includes('blk_1')), store.getReplica(1)], before);
    await store.close();
  }
});

test('a full disk fails that replica alone, with its reason, and gives its space back (fault 18)', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const small = await store.create(request(1, 9));
  const big = await store.create(request(2, 9));
  await appendAll(small, content(1, 30), { chunkBytes, packetBytes });
  disk.onCall = (call, path) => {
    if (call === 'write' && path.endsWith('blk_2')) throw failure('ENOSPC', 'no space left on device');
  };
  await t.throwsAsync(big.append(packetOf(content(2, 100), 0, 100, chunkBytes)), {
    instanceOf: NoSpaceError,
    message: /free some, or add a data node/,
  });
  await big.close();
  t.is(store.getReplica(2), undefined);
  await small.finalize();
  t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 30));
  t.false((await store.readStorages())[0]!.isFailed);
  await store.close();
  t.deepEqual(
    disk.files().filter((path) => path.includes('blk_2')),
    [],
  );
});

test('the reserve of a disk is not written into', async (t) => {
  const disk = new SimulatedDisk();
  disk.totalBytes = 10_000;
  const store = await LocalBlockStore.open({
    disk: disk.mount(),
    directories: ['/data'],
    clock: new ManualClock(),
    random: seededRandom(1),
    reservedBytes: 9000,
  });
  t.is((await store.readStorages())[0]!.capacityBytes, 1000);
  const writer = await store.create(request(1, 9));
  await writer.append(packetOf(content(1, 400), 0, 400, chunkBytes));
  await t.throwsAsync(writer.append(packetOf(content(1, 1400), 400, 1400, chunkBytes)), {
    instanceOf: NoSpaceError,
    message: /only its reserve is left/,
  });
  await writer.close();
  t.is(store.getReplica(1), undefined);
  await store.close();
});

test('a disk that takes no writes any more is out of use, and still serves what it has (fault 22)', async (t) => {
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const writer = await store.create(request(1, 9));
  await writer.append(packetOf(content(1, 50), 0, 50, chunkBytes));
  await writer.finalize();
  disk.onCall = (call) => {
    if (!['open', 'read', 'readDirectory'].includes(call)) throw failure('EROFS', 'read-only file system');
  };
  await t.throwsAsync(store.create(request(2, 9)), { instanceOf: InputOutputError });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  const [storage] = await store.readStorages();
  t.true(storage!.isFailed);
  t.is(storage!.remainingBytes, 0);
  await t.throwsAsync(store.create(request(3, 9)), { message: /takes no more writes/ });
  t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 50));
  await store.close();
});

test('what cannot be deleted is tried again, unless a new replica of the block has taken its name meanwhile', async (t) => {
  const disk = new SimulatedDisk();
  const clock = new ManualClock();
  const store = await LocalBlockStore.open({ disk: disk.mount(), directories: ['/data'], clock, random: seededRandom(1) });
  for (const blockId of [1, 2]) {
    const writer = await store.create(request(blockId, 9));
    await appendAll(writer, content(blockId, 300), { chunkBytes, packetBytes, isLast: true });
    await writer.finalize();
  }
  // New replicas can still be moved there.
  disk.onCall = (call, path) => {
    if (call === 'rename' && path.includes('/current/')) throw failure('EIO', 'a bad sector');
  };
  for (const blockId of [1, 2]) t.is((await store.invalidate({ blockId, generationStamp: 9 })).outcome, 'removed');
  disk.onCall = () => {};
  t.is(disk.files().filter((path) => path.includes('/current/')).length, 4);
  const writer = await store.create(request(2, 9));
  await appendAll(writer, content(3, 300), { chunkBytes, packetBytes, isLast: true });
  await writer.finalize();
  clock.advance(60_000);
  await store.readStorages();
  await store.close();
  t.deepEqual(disk.files().filter((path) => path.includes('/current/')).sort(), ['/data/current/subdir0/subdir0/blk_2', '/data/current/subdir0/subdir0/blk_2_9.meta']);
});

test.serial('checksums that cannot be written while space for the data is looked for fail the replica, and nothing else (fault 18)', async (t) => {
  const disk = new SimulatedDisk();
  let isSlow = false;
  const mounted = disk.mount();
  const readSpace = async () => {
    for (let turn = 0; isSlow && turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    return { totalBytes: 100_000, availableBytes: isSlow ? 0 : 2000 };
  };
  const clock = new ManualClock();
  const store = await LocalBlockStore.open({ disk: { ...mounted, readSpace }, directories: ['/data'], clock, random: seededRandom(1) });
  const writer = await store.create(request(1, 9));
  disk.onCall = (call, path) => {
    if (call === 'write' && path.endsWith('.meta')) throw failure('ENOSPC', 'no space left on device');
  };
  isSlow = true;
  // A rejection that nobody handles in its turn would end the process, though somebody does later.
  let unhandled = 0;
  const count = () => void unhandled++;
  process.on('unhandledRejection', count);
  await t.throwsAsync(writer.append(packetOf(content(1, 4096), 0, 4096, chunkBytes)), { instanceOf: NoSpaceError });
  process.off('unhandledRejection', count);
  t.is(unhandled, 0);
  disk.onCall = () => {};
  isSlow = false;
  await writer.close();
  t.deepEqual(disk.files().filter((path) => path.includes('blk_')), []);
  await store.close();
});

test('a replica that a killed process had moved to its place, and not synced there, is there after the next start and a power cut (faults 6, 7)', async (t) => {
  const bytes = content(1, 1700);
  const disk = new SimulatedDisk();
  const store = await open(disk, 1);
  const writer = await store.create(request(1, 9));
  await appendAll(writer, bytes, { chunkBytes, packetBytes: 333 });
  let isMoved = false;
  const forever = new Promise<void>(() => {});
  disk.onCall = (call, path) => {
    if (call !== 'syncDirectory' || !path.includes('subdir')) return;
    isMoved = filesOfBlock(disk, 1).some((file) => file.includes('current') && file.endsWith('blk_1'));
    return isMoved ? forever : undefined;
  };
  void writer.finalize();
  while (!isMoved) await new Promise(setImmediate);
  disk.restart();
  const next = await open(disk, 2);
  t.like(next.getReplica(1), { state: 'finalized' });
  await next.close();
  disk.powerCut('lost', seededRandom(1));
  const last = await open(disk, 3);
  t.deepEqual(await readVerified(last, { blockId: 1, generationStamp: 9 }), bytes);
  await last.close();
});
