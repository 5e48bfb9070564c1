import test, { type ExecutionContext } from 'ava';
import {
  ChecksumError,
  ClusterMismatchError,
  InputOutputError,
  ReplicaNotFoundError,
  StaleGenerationError,
} from '../../source/protocol/errors.js';
import type { BlockStore, CreateReplica, ReplicaWriter } from '../../source/storage/block-store.js';
import { appendAll, chunkChecksums, content, packetOf, readVerified } from './replica-content.js';

/** A store under test, on a place of its own. */
export interface StoreFixture {
  store: BlockStore;
  /** Closes it and opens it again on the same place. */
  reopen(): Promise<BlockStore>;
  /** Changes a byte of a stored file: of the data, or of the checksums. */
  damage(block: { blockId: number; generationStamp: number }, file: 'data' | 'meta', offset: number): Promise<void>;
}

const chunkBytes = 64;
const packetBytes = 256;

function request(blockId: number, generationStamp: number, more: Partial<CreateReplica> = {}): CreateReplica {
  return { blockId, generationStamp, storageId: '', chunkBytes, isDurable: true, isTemporary: false, ...more };
}

/** A finalized replica of `bytes`. */
async function put(
  store: BlockStore,
  blockId: number,
  generationStamp: number,
  bytes: Buffer,
  more: Partial<CreateReplica> = {},
): Promise<void> {
  const writer = await store.create(request(blockId, generationStamp, more));
  await appendAll(writer, bytes, { chunkBytes, packetBytes, isLast: true });
  await writer.finalize();
}

/** One being written, acknowledged up to its end; its writer still there. */
async function begin(
  store: BlockStore,
  blockId: number,
  generationStamp: number,
  bytes: Buffer,
  step = packetBytes,
): Promise<ReplicaWriter> {
  const writer = await store.create(request(blockId, generationStamp));
  await appendAll(writer, bytes, { chunkBytes, packetBytes: step });
  writer.acknowledge(bytes.length);
  return writer;
}

/** The sentences of block-store.ts, each as a test. */
export function blockStoreContract(
  name: string,
  withStore: (t: ExecutionContext, run: (fixture: StoreFixture) => Promise<void>) => Promise<void>,
): void {
  const contract = (title: string, run: (t: ExecutionContext, fixture: StoreFixture) => Promise<void>) =>
    test(`${name}: ${title}`, (t) => withStore(t, (fixture) => run(t, fixture)));

  for (const lengthBytes of [0, 1, 63, 64, 65, 255, 256, 257, 1000]) {
    contract(`a replica of ${lengthBytes} bytes comes back as it was written, after a restart too`, async (t, { store, reopen }) => {
      const bytes = content(lengthBytes, lengthBytes);
      await put(store, 5, 1001, bytes);
      t.deepEqual(await readVerified(store, { blockId: 5, generationStamp: 1001 }), bytes);
      const again = await reopen();
      t.deepEqual(await readVerified(again, { blockId: 5, generationStamp: 1001 }), bytes);
      t.deepEqual(again.getReplica(5)?.block, { blockId: 5, generationStamp: 1001, lengthBytes });
      t.is(again.getReplica(5)?.state, 'finalized');
      t.deepEqual(await again.verify({ blockId: 5, generationStamp: 1001 }), { outcome: 'intact' });
    });
  }

  contract('packets of any length make the same replica, with checksums counted from its begin', async (t, { store, reopen }) => {
    const bytes = content(3, 700);
    for (const [index, step] of [1, 7, 63, 64, 65, 100, 333].entries()) {
      const blockId = index + 1;
      const writer = await store.create(request(blockId, 9));
      await appendAll(writer, bytes, { chunkBytes, packetBytes: step });
      await writer.finalize();
      t.deepEqual(await readVerified(store, { blockId, generationStamp: 9 }), bytes, `steps of ${step}`);
    }
    const again = await reopen();
    t.deepEqual(await again.verify({ blockId: 3, generationStamp: 9 }), { outcome: 'intact' });
  });

  contract('packets with checksums of another chunk size are stored in the chunks of the replica', async (t, { store }) => {
    const bytes = content(4, 500);
    const writer = await store.create(request(1, 9));
    await appendAll(writer, bytes, { chunkBytes: 50, packetBytes: 150 });
    await writer.finalize();
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), bytes);
  });

  contract('many packets on their way at once keep their order', async (t, { store }) => {
    const bytes = content(5, 64 * 40);
    const writer = await store.create(request(1, 9));
    const appended: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += 64) appended.push(writer.append(packetOf(bytes, at, at + 64, chunkBytes)));
    await Promise.all(appended);
    const block = await writer.finalize();
    t.is(block.lengthBytes, bytes.length);
    t.is(writer.durableBytes, bytes.length);
    t.deepEqual(await readVerified(store, block), bytes);
  });

  contract('any range of whole chunks can be read', async (t, { store }) => {
    const bytes = content(6, 1000);
    await put(store, 1, 9, bytes);
    const reader = await store.openReader({ blockId: 1, generationStamp: 9 });
    t.is(reader.lengthBytes, 1000);
    t.is(reader.chunkBytes, chunkBytes);
    for (const [offsetBytes, length] of [
      [0, 64],
      [64, 128],
      [640, 360],
      [960, 40],
    ] as const) {
      const data = Buffer.alloc(length);
      const checksums = Buffer.alloc(4 * Math.ceil(length / chunkBytes));
      await reader.read({ offsetBytes, data, checksums });
      t.deepEqual(data, bytes.subarray(offsetBytes, offsetBytes + length));
      t.deepEqual(checksums, chunkChecksums(data, chunkBytes));
    }
    await reader.close();
  });

  contract('what is not there, or of another generation, is not read', async (t, { store }) => {
    await put(store, 1, 9, content(1, 10));
    await t.throwsAsync(store.openReader({ blockId: 2, generationStamp: 9 }), { instanceOf: ReplicaNotFoundError });
    await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 8 }), { instanceOf: StaleGenerationError });
    await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 10 }), { instanceOf: StaleGenerationError });
    t.is(store.getReplica(2), undefined);
  });

  contract('a replica being written is read up to what was acknowledged, and that inside a chunk too', async (t, { store }) => {
    const bytes = content(7, 300);
    const writer = await store.create(request(1, 9));
    await appendAll(writer, bytes, { chunkBytes, packetBytes: 100, endBytes: 200 });
    t.is(store.getReplica(1)?.visibleLengthBytes, 0);
    writer.acknowledge(100);
    t.is(store.getReplica(1)?.visibleLengthBytes, 100);
    t.is(store.getReplica(1)?.state, 'being-written');
    const reader = await store.openReader({ blockId: 1, generationStamp: 9 });
    await appendAll(writer, bytes, { chunkBytes, packetBytes: 100, isLast: true });
    writer.acknowledge(200);
    const data = Buffer.alloc(reader.lengthBytes);
    const checksums = Buffer.alloc(8);
    await reader.read({ offsetBytes: 0, data, checksums });
    await reader.close();
    t.deepEqual(data, bytes.subarray(0, 100));
    t.deepEqual(checksums, chunkChecksums(data, chunkBytes));
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), bytes.subarray(0, 200));
    await writer.finalize();
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), bytes);
  });

  contract('a block is created once in a generation, and an older generation never', async (t, { store }) => {
    await put(store, 1, 9, content(1, 10));
    await t.throwsAsync(store.create(request(1, 9)), { instanceOf: StaleGenerationError });
    await t.throwsAsync(store.create(request(1, 8)), { instanceOf: StaleGenerationError });
    const writer = await store.create(request(2, 9));
    await t.throwsAsync(store.create(request(2, 9)), { instanceOf: StaleGenerationError });
    await writer.append(packetOf(content(1, 10), 0, 10, chunkBytes));
    await writer.close();
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 10));
  });

  contract('a new generation gives an older replica being written up, and stops its writer', async (t, { store }) => {
    const old = await begin(store, 1, 9, content(1, 100));
    let reason: Error | undefined;
    old.onRevoked((error) => (reason = error));
    await put(store, 1, 10, content(2, 50));
    t.true(reason instanceof StaleGenerationError);
    await t.throwsAsync(old.append(packetOf(content(1, 200), 100, 200, chunkBytes)), { instanceOf: StaleGenerationError });
    await t.throwsAsync(old.finalize(), { instanceOf: StaleGenerationError });
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 10 }), content(2, 50));
  });

  contract('an older finalized replica stays until the copy that replaces it is whole', async (t, { store, reopen }) => {
    await put(store, 1, 9, content(1, 100));
    const copy = await store.create(request(1, 10, { isTemporary: true }));
    await copy.append(packetOf(content(2, 80), 0, 80, chunkBytes));
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 9 }), content(1, 100));
    await copy.finalize();
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 10 }), content(2, 80));
    const again = await reopen();
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 10 }), content(2, 80));
  });

  contract('a temporary copy that does not get finished leaves nothing', async (t, { store, reopen }) => {
    const copy = await store.create(request(1, 10, { isTemporary: true }));
    await copy.append(packetOf(content(2, 80), 0, 80, chunkBytes));
    t.is(store.getReplica(1), undefined);
    await copy.close();
    t.deepEqual(await store.invalidate({ blockId: 1, generationStamp: 10 }), { outcome: 'absent' });
    const other = await store.create(request(2, 10, { isTemporary: true }));
    await other.append(packetOf(content(2, 80), 0, 80, chunkBytes));
    const again = await reopen();
    t.is(again.getReplica(2), undefined);
    t.is((await again.readStorages())[0]!.usedBytes, 0);
  });

  contract('a writer that goes away leaves a replica that another one goes on with', async (t, { store, reopen }) => {
    const bytes = content(8, 500);
    const writer = await begin(store, 1, 9, bytes.subarray(0, 300), 100);
    await writer.close();
    t.deepEqual([...store.abandonedReplicas()], [{ blockId: 1, generationStamp: 9, lengthBytes: 300 }]);
    const again = await reopen();
    t.deepEqual(
      [...again.abandonedReplicas()],
      [{ blockId: 1, generationStamp: 9, lengthBytes: 300 }],
      'what was acknowledged survives the process',
    );
    const next = await again.recover({ blockId: 1, generationStamp: 10, previousGenerationStamp: 9, keepBytes: 300, isDurable: true });
    t.is(next.receivedBytes, 300);
    await appendAll(next, bytes, { chunkBytes, packetBytes, isLast: true });
    t.deepEqual(await next.finalize(), { blockId: 1, generationStamp: 10, lengthBytes: 500 });
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 10 }), bytes);
  });

  for (const keepBytes of [0, 1, 64, 100, 128, 200, 299, 300]) {
    contract(`recovery cuts a replica being written to ${keepBytes} bytes and goes on from there`, async (t, { store }) => {
      const bytes = content(9, 300);
      const other = content(10, 700);
      const old = await begin(store, 1, 9, bytes, 100);
      const writer = await store.recover({ blockId: 1, generationStamp: 12, previousGenerationStamp: 9, keepBytes, isDurable: true });
      await t.throwsAsync(old.append(packetOf(content(9, 400), 300, 400, chunkBytes)), { instanceOf: StaleGenerationError });
      t.is(writer.receivedBytes, keepBytes);
      const expected = Buffer.concat([bytes.subarray(0, keepBytes), other.subarray(keepBytes)]);
      await appendAll(writer, expected, { chunkBytes, packetBytes, isLast: true });
      await writer.finalize();
      t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 12 }), expected);
      await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 9 }), { instanceOf: StaleGenerationError });
    });

    contract(`recovery cuts a finalized replica to ${keepBytes} bytes and goes on from there`, async (t, { store, reopen }) => {
      const bytes = content(9, 300);
      await put(store, 1, 9, bytes);
      const writer = await store.recover({ blockId: 1, generationStamp: 12, previousGenerationStamp: 9, keepBytes, isDurable: true });
      t.is(store.getReplica(1)?.state, 'being-written');
      t.deepEqual([...store.finalizedReplicas(store.getReplica(1)!.storageId)], []);
      const expected = Buffer.concat([bytes.subarray(0, keepBytes), content(11, 400)]);
      await appendAll(writer, expected, { chunkBytes, packetBytes });
      await writer.finalize();
      const again = await reopen();
      t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 12 }), expected);
    });
  }

  contract('recovery refuses what does not rise, what missed a generation, and what is too short', async (t, { store }) => {
    const bytes = content(1, 100);
    const writer = await begin(store, 1, 9, bytes);
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 9, keepBytes: 0, isDurable: true }), {
      instanceOf: StaleGenerationError,
    });
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 8, keepBytes: 0, isDurable: true }), {
      instanceOf: StaleGenerationError,
    });
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 12, previousGenerationStamp: 10, keepBytes: 0, isDurable: true }), {
      instanceOf: StaleGenerationError,
    });
    await t.throwsAsync(store.recover({ blockId: 2, generationStamp: 12, keepBytes: 0, isDurable: true }), {
      instanceOf: ReplicaNotFoundError,
    });
    await writer.append(packetOf(content(1, 150), 100, 150, chunkBytes));
    await writer.close();
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 12, keepBytes: 151, isDurable: true }), {
      instanceOf: InputOutputError,
    });
    t.deepEqual(store.getReplica(1)?.block, { blockId: 1, generationStamp: 9, lengthBytes: 150 }, 'nothing changed');
  });

  contract('of two recoveries at once the newer generation wins, whichever came first (HDFS-7065)', async (t, { store }) => {
    for (const [blockId, stamps] of [
      [1, [11, 12]],
      [2, [12, 11]],
    ] as const) {
      await (await begin(store, blockId, 9, content(1, 100))).close();
      const [first, second] = await Promise.allSettled(
        stamps.map((generationStamp) => store.recover({ blockId, generationStamp, keepBytes: 100, isDurable: true })),
      );
      t.is(store.getReplica(blockId)?.block.generationStamp, 12);
      const winner = (stamps[0] === 12 ? first : second) as PromiseFulfilledResult<ReplicaWriter>;
      const loser = stamps[0] === 12 ? second : first;
      if (loser!.status === 'fulfilled') await t.throwsAsync(loser!.value.finalize(), { instanceOf: StaleGenerationError });
      await winner.value.finalize();
      t.deepEqual(await readVerified(store, { blockId, generationStamp: 12 }), content(1, 100));
    }
  });

  contract('a recovery beside a finalize gets the finalized replica or stops it, and nothing else', async (t, { store }) => {
    for (let blockId = 1; blockId <= 8; blockId++) {
      const writer = await begin(store, blockId, 9, content(1, 100));
      const finalizing = writer.finalize();
      for (let i = 0; i < blockId; i++) await Promise.resolve();
      const next = await store.recover({ blockId, generationStamp: 12, keepBytes: 100, isDurable: true });
      await finalizing.catch((error: unknown) => t.true(error instanceof StaleGenerationError));
      await next.finalize();
      t.deepEqual(await readVerified(store, { blockId, generationStamp: 12 }), content(1, 100));
    }
  });

  contract('a finalize that waits behind a recovery finds that it lost', async (t, { store }) => {
    await put(store, 1, 8, content(1, 100));
    await store.quarantine({ blockId: 1, generationStamp: 8 }, 'rotten');
    const writer = await begin(store, 1, 9, content(2, 100));
    // Takes its time, so that the two queue up behind it.
    const deleting = store.invalidate({ blockId: 1, generationStamp: 8 });
    const recovering = store.recover({ blockId: 1, generationStamp: 12, keepBytes: 100, isDurable: true });
    await t.throwsAsync(writer.finalize(), { instanceOf: StaleGenerationError });
    t.like(await deleting, { outcome: 'removed' });
    const next = await recovering;
    t.like(store.getReplica(1), { state: 'being-written', block: { blockId: 1, generationStamp: 12, lengthBytes: 100 } });
    await next.finalize();
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 12 }), content(2, 100));
  });

  contract('finalized replicas are listed by rising id', async (t, { store, reopen }) => {
    const ids = [900_000, 3, 70_000, 1, 65_536, 2, 65_535, 1_073_741_825];
    for (const blockId of ids) await put(store, blockId, 9, content(1, 10));
    await (await begin(store, 4, 9, content(1, 10))).close();
    for (const each of [store, await reopen()]) {
      const { storageId, blockCount } = (await each.readStorages())[0]!;
      t.deepEqual(
        [...each.finalizedReplicas(storageId)].map((block) => block.blockId),
        [...ids].sort((a, b) => a - b),
      );
      t.is(blockCount, ids.length);
    }
  });

  contract('invalidate removes a replica of that generation or an older one, in whatever state', async (t, { store, reopen }) => {
    await put(store, 1, 9, content(1, 10));
    const writer = await begin(store, 2, 9, content(1, 10));
    await put(store, 3, 9, content(1, 10));
    t.like(await store.invalidate({ blockId: 1, generationStamp: 8 }), { outcome: 'newer' });
    t.like(await store.invalidate({ blockId: 1, generationStamp: 9 }), { outcome: 'removed' });
    t.like(await store.invalidate({ blockId: 1, generationStamp: 9 }), { outcome: 'absent' });
    t.like(await store.invalidate({ blockId: 2, generationStamp: 10 }), { outcome: 'removed' });
    await t.throwsAsync(writer.finalize());
    await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 9 }), { instanceOf: ReplicaNotFoundError });
    const again = await reopen();
    t.deepEqual(
      [1, 2, 3].map((blockId) => again.getReplica(blockId)?.state),
      [undefined, undefined, 'finalized'],
    );
    await put(again, 1, 9, content(2, 20));
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 9 }), content(2, 20), 'the id can be used again');
  });

  contract('a replica without a writer is deleted by its own generation or a newer one, and stays for an older one', async (t, { store }) => {
    const writer = await begin(store, 1, 9, content(1, 10));
    t.deepEqual([...store.abandonedReplicas()], [], 'it has a writer');
    await writer.close();
    t.deepEqual([...store.abandonedReplicas()], [{ blockId: 1, generationStamp: 9, lengthBytes: 10 }]);
    t.like(await store.invalidate({ blockId: 1, generationStamp: 8 }), { outcome: 'newer' });
    t.is(store.getReplica(1)?.state, 'being-written');
    t.like(await store.invalidate({ blockId: 1, generationStamp: 9 }), { outcome: 'removed' });
    t.is(store.getReplica(1), undefined);
    t.deepEqual([...store.abandonedReplicas()], []);
  });

  contract(
    'a flipped byte of the data is found, and the replica put aside: kept, not served, and its place free',
    async (t, { store, damage, reopen }) => {
      const bytes = content(1, 300);
      const block = { blockId: 1, generationStamp: 9 };
      await put(store, 1, 9, bytes);
      await damage(block, 'data', 130);
      t.is(await readVerified(store, block), undefined);
      const verdict = await store.verify(block);
      t.is(verdict.outcome, 'rotten');
      t.regex(verdict.outcome === 'rotten' ? verdict.reason : '', /the data differs from its checksum in chunk 2, at byte 128/);
      t.false(await store.quarantine({ ...block, generationStamp: 8 }, 'of another generation'));
      t.true(await store.quarantine(block, 'rotten'));
      t.is(store.getReplica(1)?.state, 'quarantined');
      await t.throwsAsync(store.openReader(block), { instanceOf: ReplicaNotFoundError });
      const again = await reopen();
      t.is(again.getReplica(1)?.state, 'quarantined');
      t.deepEqual([...again.quarantinedReplicas()].map((aside) => aside.block), [again.getReplica(1)!.block]);
      await put(again, 1, 9, bytes, { isTemporary: true });
      t.deepEqual(await readVerified(again, block), bytes);
      t.is(again.getReplica(1)?.state, 'finalized');
      t.deepEqual([...again.quarantinedReplicas()], []);
    },
  );

  contract('a flipped byte among the checksums is told apart from one in the data', async (t, { store, damage }) => {
    await put(store, 1, 9, content(1, 300));
    await damage({ blockId: 1, generationStamp: 9 }, 'meta', 97);
    const verdict = await store.verify({ blockId: 1, generationStamp: 9 });
    t.is(verdict.outcome, 'rotten');
    t.regex(verdict.outcome === 'rotten' ? verdict.reason : '', /the checksum file is damaged/);
  });

  contract('a checksum file with a damaged header is not believed', async (t, { store, damage }) => {
    await put(store, 1, 9, content(1, 300));
    await damage({ blockId: 1, generationStamp: 9 }, 'meta', 20);
    await t.throwsAsync(store.openReader({ blockId: 1, generationStamp: 9 }), { instanceOf: ChecksumError });
    t.is((await store.verify({ blockId: 1, generationStamp: 9 })).outcome, 'rotten');
  });

  contract('recovery does not cut through rot', async (t, { store, damage }) => {
    await put(store, 1, 9, content(1, 300));
    await damage({ blockId: 1, generationStamp: 9 }, 'data', 130);
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 10, keepBytes: 140, isDurable: true }), { instanceOf: ChecksumError });
    t.is(store.getReplica(1)?.block.generationStamp, 9);
  });

  contract('the store belongs to one cluster for good', async (t, { store, reopen }) => {
    t.is(store.clusterId, null);
    await store.bindToCluster('cluster-a');
    const again = await reopen();
    t.is(again.clusterId, 'cluster-a');
    t.is(again.datanodeUuid, store.datanodeUuid);
    await again.bindToCluster('cluster-a');
    await t.throwsAsync(again.bindToCluster('cluster-b'), { instanceOf: ClusterMismatchError });
    t.is(again.clusterId, 'cluster-a');
  });

  contract('an unknown storage is refused', async (t, { store }) => {
    await t.throwsAsync(store.create(request(1, 9, { storageId: 'DS-elsewhere' })), { instanceOf: InputOutputError });
    t.is(store.getReplica(1), undefined);
  });

  contract('used space is what the replicas take, and comes back', async (t, { store, reopen }) => {
    const usedOf = async (each: BlockStore) => (await each.readStorages())[0]!.usedBytes;
    await put(store, 1, 9, content(1, 1000));
    const one = await usedOf(store);
    t.true(one >= 1000 && one < 1200, `${one}`);
    await put(store, 2, 9, content(1, 1000));
    await (await begin(store, 3, 9, content(1, 500))).close();
    const all = await usedOf(store);
    t.is(all, 2 * one + 500);
    const again = await reopen();
    t.is(await usedOf(again), all);
    await again.invalidate({ blockId: 2, generationStamp: 9 });
    await again.invalidate({ blockId: 3, generationStamp: 9 });
    t.is(await usedOf(again), one);
  });

  contract('a synced length is durable', async (t, { store }) => {
    const writer = await begin(store, 1, 9, content(1, 130));
    t.is(writer.durableBytes, 0);
    await writer.sync();
    t.is(writer.durableBytes, 130);
    await writer.close();
  });

  for (const state of ['being written', 'finalized'] as const) {
    for (const newLengthBytes of [0, 1, 64, 100, 200, 300]) {
      contract(`a block's recovery ends its replica, which is ${state}, at ${newLengthBytes} bytes, under the new generation`, async (t, { store, reopen }) => {
        const bytes = content(9, 300);
        if (state === 'finalized') await put(store, 1, 9, bytes);
        else await begin(store, 1, 9, bytes, 100);
        const found = await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
        t.deepEqual(found, { state: state === 'finalized' ? 'finalized' : 'being-written', generationStamp: 9, lengthBytes: 300 });
        const update = { blockId: 1, recoveryGeneration: 12, newLengthBytes };
        const updated = await store.updateRecovery(update);
        t.deepEqual(updated.block, { blockId: 1, generationStamp: 12, lengthBytes: newLengthBytes });
        t.deepEqual(await store.updateRecovery(update), updated, 'an answer that was lost is given again');
        const again = await reopen();
        t.is(again.getReplica(1)?.state, 'finalized');
        t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 12 }), bytes.subarray(0, newLengthBytes));
        t.deepEqual(await again.verify({ blockId: 1, generationStamp: 12 }), { outcome: 'intact' });
      });
    }
  }

  contract('from the begin of a recovery on no writer of a lower generation gets a byte in (fault 45)', async (t, { store }) => {
    const bytes = content(1, 200);
    const old = await begin(store, 1, 9, bytes);
    let revoked: Error | undefined;
    old.onRevoked((reason) => (revoked = reason));
    await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
    t.true(revoked instanceof StaleGenerationError);
    const isStale = { instanceOf: StaleGenerationError };
    await t.throwsAsync(old.append(packetOf(content(1, 300), 200, 300, chunkBytes)), isStale);
    await t.throwsAsync(old.finalize(), isStale);
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 11, previousGenerationStamp: 9, keepBytes: 200, isDurable: true }), isStale);
    await t.throwsAsync(store.recover({ blockId: 1, generationStamp: 12, previousGenerationStamp: 9, keepBytes: 200, isDurable: true }), isStale);
    await t.throwsAsync(store.create(request(1, 11)), isStale);
    t.deepEqual(store.getReplica(1)?.block, { blockId: 1, generationStamp: 9, lengthBytes: 200 });
  });

  contract('of two recoveries of a block the later one wins, whichever answer comes last (fault 46)', async (t, { store }) => {
    await (await begin(store, 1, 9, content(1, 200))).close();
    const init = (recoveryGeneration: number) => store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration });
    const update = (recoveryGeneration: number, newLengthBytes: number) => store.updateRecovery({ blockId: 1, recoveryGeneration, newLengthBytes });
    t.like(await init(12), { lengthBytes: 200 });
    t.like(await init(12), { lengthBytes: 200 }, 'an answer that was lost is given again');
    t.like(await init(13), { lengthBytes: 200 });
    await t.throwsAsync(init(12), { instanceOf: StaleGenerationError });
    await t.throwsAsync(update(12, 100), { instanceOf: StaleGenerationError });
    await t.throwsAsync(update(14, 100), { instanceOf: StaleGenerationError });
    await t.throwsAsync(update(13, 201), { instanceOf: InputOutputError });
    t.like(store.getReplica(1), { state: 'being-written', block: { blockId: 1, generationStamp: 9, lengthBytes: 200 } });
    t.like((await update(13, 150)).block, { generationStamp: 13, lengthBytes: 150 });
    await t.throwsAsync(init(13), { instanceOf: StaleGenerationError });
    await t.throwsAsync(update(12, 100), { instanceOf: StaleGenerationError });
    t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 13 }), content(1, 200).subarray(0, 150));
  });

  contract('a recovery begun before a restart is begun again, and what is there then may have lost its end', async (t, { store, reopen }) => {
    await begin(store, 1, 9, content(1, 200));
    await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 });
    const again = await reopen();
    await t.throwsAsync(again.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: 200 }), { instanceOf: StaleGenerationError });
    t.deepEqual(await again.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 13 }), {
      state: 'waiting-to-be-recovered',
      generationStamp: 9,
      lengthBytes: 200,
    });
    await again.updateRecovery({ blockId: 1, recoveryGeneration: 13, newLengthBytes: 200 });
    t.deepEqual(await readVerified(again, { blockId: 1, generationStamp: 13 }), content(1, 200));
  });

  contract('a recovery finds nothing, what is too old, and what was put aside, and tells them apart', async (t, { store }) => {
    const init = (blockId: number) => store.initRecovery({ blockId, generationStamp: 9, recoveryGeneration: 12 });
    t.is(await init(1), null);
    await begin(store, 2, 8, content(1, 100));
    await t.throwsAsync(init(2), { instanceOf: StaleGenerationError });
    await put(store, 3, 9, content(1, 100));
    await store.quarantine({ blockId: 3, generationStamp: 9 }, 'rotten');
    await t.throwsAsync(init(3), { instanceOf: ChecksumError });
    const copy = await store.create(request(4, 9, { isTemporary: true }));
    await copy.append(packetOf(content(2, 80), 0, 80, chunkBytes));
    t.is(await init(4), null, 'a copy that is not whole yet is none');
  });

  for (const [file, offset, lengthBytes] of [['data', 130, 128], ['meta', 100, 64]] as const) {
    contract(`rot in the ${file} of a replica: its recovery gets no further than what is verified (fault ${file === 'data' ? 12 : 13})`, async (t, { store, damage }) => {
      const bytes = content(1, 300);
      await put(store, 1, 9, bytes);
      await damage({ blockId: 1, generationStamp: 9 }, file, offset);
      t.deepEqual(await store.initRecovery({ blockId: 1, generationStamp: 9, recoveryGeneration: 12 }), {
        state: 'waiting-to-be-recovered',
        generationStamp: 9,
        lengthBytes,
      });
      await t.throwsAsync(store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: lengthBytes + 1 }), { instanceOf: InputOutputError });
      await store.updateRecovery({ blockId: 1, recoveryGeneration: 12, newLengthBytes: lengthBytes });
      t.deepEqual(await readVerified(store, { blockId: 1, generationStamp: 12 }), bytes.subarray(0, lengthBytes));
    });
  }

  const turn = () => new Promise((resolve) => setImmediate(resolve));
  contract('a reader of a replica that is being written and finalized never meets a checksum that differs', async (t, { store }) => {
    const bytes = content(7, 3000);
    for (let blockId = 1; blockId <= 6; blockId++) {
      const writer = await store.create(request(blockId, 9));
      let isOver = false;
      let reads = 0;
      let seenBytes = 0;
      const reading = (async () => {
        while (!isOver) {
          const found = await readVerified(store, { blockId, generationStamp: 9 });
          t.true(found?.equals(bytes.subarray(0, found.length)), `block ${blockId}`);
          t.true(found!.length >= seenBytes, 'what was seen stays');
          seenBytes = found!.length;
          reads++;
          await turn();
        }
      })();
      for (let at = 0, step = 1; at < bytes.length; at += step, step = 1 + ((step * 7) % 150)) {
        const end = Math.min(at + step, bytes.length);
        await writer.append(packetOf(bytes, at, end, chunkBytes, blockId % 2 === 0 && end === bytes.length));
        writer.acknowledge(end);
        await turn();
      }
      await writer.finalize();
      while (seenBytes < bytes.length) await turn();
      isOver = true;
      await reading;
      t.true(reads > 1, `${reads} reads`);
    }
  });
}
