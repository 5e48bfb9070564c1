import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { CancelledError, FileAlreadyExistsError, InvalidArgumentError, NotReplicatedYetError, UnavailableError } from '../../../source/protocol/errors.js';
import type { WriteProgress } from '../../../source/client/client-api.js';
import type { WriteRequest } from '../../../source/protocol/block-stream.js';
import { FakeCluster, patternBytes, writeFile } from '../../helpers/fake-cluster.js';

test('a small file takes two calls of the name node, its rename included', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const writer = await client.openWriter('/f._COPYING_', { temporary: true });
  await writer.write(Buffer.from('hello'));
  const { status, degraded } = await writer.close({ renameTo: { path: '/f', overwrite: false } });
  t.deepEqual(cluster.methods().filter((method) => method !== 'fs.getServerDefaults'), ['fs.create', 'fs.complete']);
  t.is(status.lengthBytes, 5);
  t.deepEqual(degraded, []);
  t.deepEqual([...cluster.files.keys()], ['/f']);
  for (const node of cluster.nodes.slice(0, 3)) t.is(cluster.contentOn('/f', node).toString(), 'hello');
});

test('the one packet of a small block goes out with its request, once; a larger block is asked for first', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const packets: number[] = [];
  cluster.onPacket = ({ request, sequence }) => void packets.push(request.block.blockId, sequence);
  const large = patternBytes(200_000);
  for (const [path, bytes] of [['/a', Buffer.from('hello')], ['/b', Buffer.from('world')], ['/c', large], ['/d', Buffer.from('again')]] as const) await writeFile(client, path, bytes);
  t.deepEqual(cluster.requests.map(({ body }) => (body as WriteRequest).isFollowed), [true, true, false, true]);
  t.deepEqual(packets, cluster.requests.flatMap(({ body }) => [body.block.blockId, 0]));
  t.is(cluster.connectionCount, 1, 'a packet too many would have ended the first one');
  t.true(cluster.contentOn('/c', cluster.nodes[2]!).equals(large));
  t.is(cluster.contentOn('/d', cluster.nodes[2]!).toString(), 'again');
});

test('an empty file that is known to be empty takes no block', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/empty', { lengthHintBytes: 0 });
  await writer.close();
  t.deepEqual(cluster.methods().filter((method) => method !== 'fs.getServerDefaults'), ['fs.create', 'fs.complete']);
  t.deepEqual(cluster.files.get('/empty')!.blocks, []);
});

test('a file that was said to be empty and is not is written all the same', async (t) => {
  const cluster = new FakeCluster();
  const bytes = patternBytes(2500);
  await writeFile(cluster.client(), '/f', bytes, { lengthHintBytes: 0, blockSizeBytes: 1000 });
  t.true(cluster.contentOn('/f', cluster.nodes[0]!).equals(bytes));
});

test('a file that turns out to be empty needs no data node, and its block goes with its close', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/empty');
  t.is((await writer.acquire()).length, 512 * 1024);
  await writer.commit(0);
  const { status } = await writer.close();
  t.is(status.lengthBytes, 0);
  t.deepEqual(cluster.methods().filter((method) => method !== 'fs.getServerDefaults'), ['fs.create', 'fs.complete']);
  t.deepEqual(cluster.requests, []);
});

for (const [blockSizeBytes, lengthBytes] of [
  [10_000, 1],
  [10_000, 9_999],
  [10_000, 10_000],
  [10_000, 10_001],
  [10_000, 123_456],
  [1, 5],
  [100_000, 250_000],
  [1_048_576, 1_048_576],
  [1_048_576, 1_048_577],
  [1_048_576, 1_572_864],
  [3_000_000, 7_000_000],
] as const) {
  test(`${lengthBytes} bytes in blocks of ${blockSizeBytes} arrive whole on three nodes`, async (t) => {
    const cluster = new FakeCluster();
    const bytes = patternBytes(lengthBytes);
    const { status, degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes, pieceBytes: 70_001 });
    t.is(status.lengthBytes, lengthBytes);
    t.deepEqual(degraded, []);
    t.is(cluster.files.get('/f')!.blocks.length, Math.ceil(lengthBytes / blockSizeBytes));
    for (const node of cluster.nodes.slice(0, 3)) t.true(cluster.contentOn('/f', node).equals(bytes), node.location.name);
  });
}

for (const [title, lengths] of [
  ['at once', [1000]],
  ['in parts', [400, 600]],
  ['as its second block', [1500, 500]],
] as const) {
  test(`where a close is not durable, a sync exactly at the end of a block (filled ${title}) syncs it before it ends, and the file goes on`, async (t) => {
    const cluster = new FakeCluster();
    const packets: [offset: number, mark: string][] = [];
    cluster.onPacket = ({ offset, isLast, isSync }) => void packets.push([offset, isSync ? 'sync' : isLast ? 'last' : '']);
    const bytes = patternBytes(3000);
    const writer = await cluster.client({ isDurableClose: false }).openWriter('/f', { blockSizeBytes: 1000 });
    let at = 0;
    for (const length of lengths) await writer.write(bytes.subarray(at, (at += length)));
    await writer.hflush();
    await writer.hsync();
    t.deepEqual(packets.at(-1), [1000, 'sync'], 'the block was still open');
    await writer.write(bytes.subarray(at, 2500));
    await writer.hsync();
    (await writer.acquire()).set(bytes.subarray(2500));
    await writer.commit(500);
    await writer.hsync();
    t.deepEqual(packets.at(-1), [500, 'sync']);
    const { status } = await writer.close();
    t.is(status.lengthBytes, 3000);
    t.is(packets.filter(([, mark]) => mark === 'last').length, 3);
    for (const node of cluster.nodes.slice(0, 3)) t.true(cluster.contentOn('/f', node).equals(bytes));
  });
}

test('where a close is not durable, blocks end as they are filled when nobody syncs, without a packet more', async (t) => {
  const cluster = new FakeCluster();
  const packets: [offset: number, isLast: boolean][] = [];
  cluster.onPacket = ({ offset, isLast }) => void packets.push([offset, isLast]);
  await writeFile(cluster.client({ isDurableClose: false }), '/f', patternBytes(2500), { blockSizeBytes: 1000, pieceBytes: 500 });
  t.deepEqual(packets, [[0, true], [0, true], [0, true]]);
});

test('a buffer that was acquired is filled in place, in parts too', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 1000 });
  (await writer.acquire()).fill(1, 0, 300);
  await writer.commit(300);
  const rest = await writer.acquire();
  t.is(rest.length, 700);
  rest.fill(2);
  await writer.commit(700);
  (await writer.acquire()).fill(3, 0, 1);
  await writer.commit(1);
  await writer.close();
  const content = cluster.contentOn('/f', cluster.nodes[0]!);
  t.deepEqual([content.length, content[0], content[300], content[1000]], [1001, 1, 2, 3]);
});

test('committing more than was acquired is refused, and the writer goes on', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 1000 });
  await t.throwsAsync(writer.commit(1), { instanceOf: InvalidArgumentError });
  await writer.acquire();
  await t.throwsAsync(writer.commit(1001), { instanceOf: InvalidArgumentError });
  await writer.commit(10);
  t.is((await writer.close()).status.lengthBytes, 10);
});

test('an existing file is refused when the writer is opened', async (t) => {
  const cluster = new FakeCluster();
  cluster.addFile('/f', Buffer.from('old'));
  await t.throwsAsync(cluster.client().openWriter('/f'), { instanceOf: FileAlreadyExistsError });
  t.is(cluster.contentOn('/f', cluster.nodes[0]!).toString(), 'old');
});

test('no name node at all: the first call says so at once', async (t) => {
  const cluster = new FakeCluster();
  cluster.onCall = () => {
    throw new UnavailableError('refused');
  };
  await t.throwsAsync(cluster.client({ retryTimeoutMs: 3_600_000 }).openWriter('/f'), { instanceOf: UnavailableError });
});

test('a complete that finds too few replicas is asked again', async (t) => {
  const cluster = new FakeCluster();
  let refusals = 0;
  cluster.onCall = (call) => {
    if (call.method === 'fs.complete' && refusals++ < 3) throw new NotReplicatedYetError('not yet');
  };
  const { status } = await writeFile(cluster.client(), '/f', Buffer.from('x'));
  t.is(status.lengthBytes, 1);
  const ids = cluster.calls.flatMap((call) => (call.method === 'fs.complete' ? [call.params.callId] : []));
  t.is(ids.length, 4);
  t.is(new Set(ids).size, 4, 'each is a call of its own: the earlier ones have their answer');
});

test('fewer nodes than copies wanted: the block is reported as degraded', async (t) => {
  const cluster = new FakeCluster(2);
  const { degraded } = await writeFile(cluster.client(), '/f', patternBytes(1500), { blockSizeBytes: 1000 });
  t.deepEqual(degraded, [
    { blockIndex: 0, durableReplicas: 2 },
    { blockIndex: 1, durableReplicas: 2 },
  ]);
});

test('progress comes from acknowledgements and ends at every replica', async (t) => {
  const cluster = new FakeCluster();
  const seen: WriteProgress[] = [];
  await writeFile(cluster.client(), '/f', patternBytes(2_500_000), { blockSizeBytes: 1 << 20, onProgress: (progress) => seen.push({ ...progress }) });
  const last = seen.at(-1)!;
  t.is(last.acknowledgedBytes, 2_500_000);
  t.is(last.sentBytes, 2_500_000);
  t.is(last.durableReplicaBytes, 3 * 2_500_000);
  t.deepEqual(last.durableReplicaCounts, [3, 3, 3]);
  t.deepEqual(last.pipeline, ['dn1', 'dn2', 'dn3']);
  t.deepEqual(last.failures, []);
  for (const [index, progress] of seen.entries()) {
    t.true(progress.acknowledgedBytes <= 2_500_000 && progress.acknowledgedBytes >= (seen[index - 1]?.acknowledgedBytes ?? 0));
    t.true(progress.durableReplicaBytes <= 3 * progress.acknowledgedBytes);
  }
});

test('memory is bounded: a writer whose pipeline stands still waits for its window', async (t) => {
  const cluster = new FakeCluster();
  cluster.onPacket = () => 'silent';
  const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 1 << 30 });
  let written = 0;
  const writing = (async () => {
    for (;;) {
      await writer.write(Buffer.alloc(512 * 1024));
      written++;
    }
  })();
  writing.catch(() => {});
  while (written < 16) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.is(written, 16);
  await writer.abort();
  await t.throwsAsync(writing, { instanceOf: CancelledError });
  t.false(cluster.files.has('/f'));
});

test('abort leaves nothing, whatever was written', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const writer = await client.openWriter('/f', { blockSizeBytes: 1000 });
  await writer.write(patternBytes(2500));
  await writer.abort();
  await writer.abort();
  t.false(cluster.files.has('/f'));
  await t.throwsAsync(writer.write(Buffer.from('x')), { instanceOf: CancelledError });
  await t.throwsAsync(writer.close(), { instanceOf: CancelledError });
});

test('a cancel while an acquired buffer is being filled is said as a cancel, and the buffer is no other file\'s', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const writer = await client.openWriter('/f', { blockSizeBytes: 1_000_000 });
  const lent = await writer.acquire();
  await writer.abort();
  const other = await client.openWriter('/other', { blockSizeBytes: 1_000_000 });
  const buffer = await other.acquire();
  t.not(buffer.buffer, lent.buffer);
  await t.throwsAsync(writer.commit(1000), { instanceOf: CancelledError });
  await other.abort();
});

test('abort does not touch a file that somebody else has put under the name', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/f');
  cluster.files.delete('/f');
  cluster.addFile('/f', Buffer.from('of another'));
  await writer.abort();
  t.is(cluster.contentOn('/f', cluster.nodes[0]!).toString(), 'of another');
});

test('abort does not touch a file that somebody else puts under the name at that very moment', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/f');
  cluster.onCall = (call) => {
    if (call.method !== 'fs.delete') return;
    cluster.files.delete('/f');
    cluster.addFile('/f', Buffer.from('of another'));
  };
  await writer.abort();
  t.is(cluster.contentOn('/f', cluster.nodes[0]!).toString(), 'of another');
});

test('abort never rejects, though the name node is gone', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client({ retryTimeoutMs: 30 }).openWriter('/f');
  cluster.onCall = () => {
    throw new UnavailableError('gone');
  };
  await t.notThrowsAsync(writer.abort());
});

test('a file whose first block cannot be prepared, since the defaults do not come, is deleted', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  cluster.onCall = (call) => {
    if (call.method === 'fs.getServerDefaults') throw new InvalidArgumentError('no defaults today');
  };
  await t.throwsAsync(client.openWriter('/f'), { message: 'no defaults today' });
  t.true(cluster.methods().includes('fs.create'));
  t.false(cluster.files.has('/f'));
});

test('a file that could not be deleted when it was given up is deleted later, though the client goes on with others', async (t) => {
  const clock = new ManualClock();
  const cluster = new FakeCluster(4, clock);
  const client = cluster.client({ retryTimeoutMs: 1 });
  const other = await client.openWriter('/other');
  const writer = await client.openWriter('/f');
  let isReachable = false;
  cluster.onCall = (call) => {
    if (call.method === 'fs.delete' && !isReachable) throw new UnavailableError('gone');
  };
  await writer.abort();
  t.true(cluster.files.has('/f'));
  isReachable = true;
  for (let i = 0; i < 100 && cluster.files.has('/f'); i++) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.false(cluster.files.has('/f'));
  const deletions = () => cluster.methods().filter((method) => method === 'fs.delete').length;
  const count = deletions();
  clock.advance(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(deletions(), count, 'and not again');
  await other.close();
});

test('a progress callback that throws fails the writer with its error, and nothing is left', async (t) => {
  for (const throwAt of [1, 2, 3, 4]) {
    const cluster = new FakeCluster();
    let calls = 0;
    const onProgress = () => {
      if (++calls === throwAt) throw new Error('no more');
    };
    const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 1000, onProgress });
    const writing = (async () => {
      for (let i = 0; i < 10; i++) await writer.write(patternBytes(1000));
      await writer.close();
    })();
    await t.throwsAsync(writing, { message: 'no more' });
    t.false(cluster.files.has('/f'), `thrown at call ${throwAt}`);
    t.is(calls, throwAt);
  }
});

for (const moment of ['create', 'write', 'close'] as const) {
  test(`a signal during ${moment} rejects with CancelledError, and nothing is left`, async (t) => {
    const cluster = new FakeCluster();
    const controller = new AbortController();
    const putting = (async () => {
      if (moment === 'create') {
        cluster.onCall = (call) => {
          if (call.method === 'fs.create') controller.abort();
        };
      }
      const writer = await cluster.client().openWriter('/f', { signal: controller.signal, blockSizeBytes: 1 << 30 });
      if (moment !== 'create') cluster.onPacket = () => 'silent';
      if (moment === 'write') setImmediate(() => controller.abort());
      for (let i = 0; i < (moment === 'write' ? 100 : 1); i++) await writer.write(Buffer.alloc(512 * 1024));
      if (moment === 'close') setImmediate(() => controller.abort());
      await writer.close();
    })();
    await t.throwsAsync(putting, { instanceOf: CancelledError });
    t.false(cluster.files.has('/f'), 'all is cleaned up when the promise rejects');
  });
}

test('a signal that comes while complete is under way cannot take the file back: close succeeds', async (t) => {
  const cluster = new FakeCluster();
  const controller = new AbortController();
  const writer = await cluster.client().openWriter('/f', { signal: controller.signal });
  await writer.write(Buffer.from('x'));
  cluster.onCall = (call) => {
    if (call.method === 'fs.complete') controller.abort();
  };
  t.is((await writer.close()).status.lengthBytes, 1);
  await writer.abort();
  t.true(cluster.files.has('/f'));
});

test('closing the client aborts what is being written', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const writer = await client.openWriter('/f');
  await writer.write(Buffer.from('x'));
  await client.close();
  t.false(cluster.files.has('/f'));
});

test('two calls at a time are refused, and the file is not mixed up', async (t) => {
  const cluster = new FakeCluster();
  const writer = await cluster.client().openWriter('/f');
  const first = writer.write(Buffer.from('first'));
  await t.throwsAsync(writer.write(Buffer.from('second')), { instanceOf: InvalidArgumentError });
  await first;
  await writer.close();
  t.is(cluster.contentOn('/f', cluster.nodes[0]!).toString(), 'first');
});

test('many files at once share the packet buffers and all get through', async (t) => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const bytes = patternBytes(3000);
  await Promise.all(Array.from({ length: 150 }, (_, index) => writeFile(client, `/f${index}`, bytes, { blockSizeBytes: 1000 })));
  for (let index = 0; index < 150; index++) t.true(cluster.contentOn(`/f${index}`, cluster.nodes[2]!).equals(bytes));
});
