import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { InputOutputError, NoSpaceError, NotEnoughReplicasError, toWireError } from '../../../source/protocol/errors.js';
import type { WriteProgress } from '../../../source/client/client-api.js';
import type { WriteRequest } from '../../../source/protocol/block-stream.js';
import { FakeCluster, type PacketFault, patternBytes, writeFile } from '../../helpers/fake-cluster.js';

const megabyte = 1 << 20;

function writes(cluster: FakeCluster): WriteRequest[] {
  return cluster.requests.flatMap((request) => (request.type === 'write' ? [request.body as WriteRequest] : []));
}

/** Every replica that the name node was told of holds exactly the bytes, under the block's generation stamp. */
function assertContent(t: { true: (value: boolean, message?: string) => void }, cluster: FakeCluster, bytes: Buffer): void {
  for (const block of cluster.files.get('/f')!.blocks) {
    t.true(block.locations.length > 0);
    for (const location of block.locations) {
      const replica = cluster.nodes.find((node) => node.location === location || node.location.datanodeUuid === location.datanodeUuid)!.replicas.get(block.block.blockId)!;
      t.true(replica.bytes.equals(bytes.subarray(block.offsetBytes, block.offsetBytes + block.block.lengthBytes)), `${location.name} holds other bytes`);
      t.true(replica.generationStamp === block.block.generationStamp, `${location.name} holds another generation`);
    }
  }
}

test('a dead node in the first pipeline: another block without it, and the file has all its copies', async (t) => {
  const cluster = new FakeCluster(4);
  cluster.nodes[1]!.isDown = true;
  const bytes = patternBytes(3 * megabyte);
  const { degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 8 * megabyte });
  t.deepEqual(degraded, []);
  t.deepEqual(cluster.methods().filter((method) => method !== 'fs.getServerDefaults'), ['fs.create', 'fs.abandonBlock', 'fs.addBlock', 'fs.complete']);
  t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn1', 'dn3', 'dn4']);
  assertContent(t, cluster, bytes);
});

test('the first node of the first pipeline refuses the connection (fault 27)', async (t) => {
  const cluster = new FakeCluster(4);
  cluster.nodes[0]!.isDown = true;
  const bytes = patternBytes(100);
  const { degraded } = await writeFile(cluster.client(), '/f', bytes);
  t.deepEqual(degraded, []);
  assertContent(t, cluster, bytes);
});

test('a node without space is left out, and the progress says why (fault 18)', async (t) => {
  const cluster = new FakeCluster(4);
  cluster.onWrite = (nodes) => (nodes.includes(cluster.nodes[2]!) ? { ok: false, error: toWireError(new NoSpaceError('no space left')), badDatanode: 'uuid-3' } : undefined);
  let last: WriteProgress | undefined;
  await writeFile(cluster.client(), '/f', patternBytes(100), { onProgress: (progress) => (last = progress) });
  t.deepEqual(last!.failures, [{ datanode: 'dn3', reason: 'refused the block: no space left' }]);
  t.deepEqual(last!.pipeline, ['dn1', 'dn2', 'dn4']);
});

for (const [title, fault] of [
  ['breaks the connection off', 'break'],
  ['acknowledges an error of the first node', { entry: 0, status: 'error' }],
  ['acknowledges an error of the second node', { entry: 1, status: 'error' }],
  ['acknowledges a bad checksum at the last node', { entry: 2, status: 'checksum' }],
] as [string, PacketFault][]) {
  for (const sequence of [0, 1, 5, 11]) {
    test(`the pipeline ${title} at packet ${sequence}: the survivors, and a free node, go on under a new generation (fault 1)`, async (t) => {
      const cluster = new FakeCluster(4);
      let faults = 0;
      cluster.onPacket = (packet) => (packet.sequence === sequence && faults++ === 0 ? fault : undefined);
      const bytes = patternBytes(6 * megabyte);
      const { status } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
      t.is(faults, 2, 'the packet came twice');
      t.is(status.lengthBytes, bytes.length);
      const [block] = cluster.files.get('/f')!.blocks;
      const dropped = typeof fault === 'object' ? `dn${fault.entry + 1}` : 'dn1';
      t.false(block!.locations.some((location) => location.name === dropped));
      if (sequence > 0) {
        const [first, second] = writes(cluster);
        t.is(second!.stage, 'recover');
        t.is(second!.keepBytes, sequence * 512 * 1024);
        t.is(second!.previousGenerationStamp, first!.block.generationStamp);
        t.true(second!.block.generationStamp > first!.block.generationStamp);
      }
      t.is(block!.locations.length, 3);
      assertContent(t, cluster, bytes);
    });
  }
}

test('a failure at the last acknowledgement, when the bytes are there already', async (t) => {
  const cluster = new FakeCluster(4);
  let faults = 0;
  cluster.onPacket = (packet) => (packet.isLast && faults++ === 0 ? { entry: 2, status: 'error' } : undefined);
  const bytes = patternBytes(2 * megabyte);
  const { degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
  t.deepEqual(degraded, []);
  t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn1', 'dn2', 'dn4']);
  assertContent(t, cluster, bytes);
});

test('two failures: a replacement first copies from the survivor, and the block ends with min_replication copies', async (t) => {
  const cluster = new FakeCluster(4);
  const failAt = new Set([2, 6]);
  cluster.onPacket = (packet) => (failAt.delete(packet.sequence) ? { entry: 0, status: 'error' } : undefined);
  const bytes = patternBytes(6 * megabyte);
  const { degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
  t.deepEqual(degraded, [{ blockIndex: 0, durableReplicas: 2 }]);
  t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn3', 'dn4']);
  t.is(cluster.requests.filter((request) => request.type === 'transfer').length, 1);
  assertContent(t, cluster, bytes);
});

test('no replacement is left: the write goes on with the one survivor', async (t) => {
  const cluster = new FakeCluster(3);
  const failAt = new Set([2, 6]);
  cluster.onPacket = (packet) => (failAt.delete(packet.sequence) ? { entry: 0, status: 'error' } : undefined);
  const bytes = patternBytes(6 * megabyte);
  const { degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
  t.deepEqual(degraded, [{ blockIndex: 0, durableReplicas: 1 }]);
  assertContent(t, cluster, bytes);
});

test('a node dies during the recovery from another failure', async (t) => {
  const cluster = new FakeCluster(4);
  let faults = 0;
  cluster.onPacket = (packet) => (packet.sequence === 3 && faults++ === 0 ? { entry: 0, status: 'error' } : undefined);
  cluster.onWrite = (_, request) => {
    if (request.stage === 'recover' && writes(cluster).filter((write) => write.stage === 'recover').length === 1) cluster.nodes[2]!.isDown = true;
    return undefined;
  };
  const bytes = patternBytes(6 * megabyte);
  await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
  t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn2', 'dn4']);
  assertContent(t, cluster, bytes);
});

test('when no replica is left the error names each node and its reason, and nothing stays behind', async (t) => {
  const cluster = new FakeCluster(3);
  cluster.onPacket = (packet) => (packet.sequence >= 2 ? { entry: 0, status: 'noSpace' } : undefined);
  const error = await t.throwsAsync<InstanceType<typeof InputOutputError>>(writeFile(cluster.client(), '/f', patternBytes(6 * megabyte), { blockSizeBytes: 64 * megabyte }), { instanceOf: InputOutputError });
  t.deepEqual(error!.details, ['dn1: is out of space', 'dn2: is out of space', 'dn3: is out of space']);
  t.regex(error!.message, /^\/f: cannot write blk_\d+_\d+: every data node of its pipeline failed$/);
  t.false(cluster.files.has('/f'));
});

test('no data node at all: NotEnoughReplicasError with the reasons of the name node and ours', async (t) => {
  const cluster = new FakeCluster(3);
  for (const node of cluster.nodes) node.isDown = true;
  const error = await t.throwsAsync<InstanceType<typeof NotEnoughReplicasError>>(writeFile(cluster.client(), '/f', patternBytes(100)));
  t.true(error!.details.some((line) => line.startsWith('dn2: ')), error!.details.join('\n'));
  t.false(cluster.files.has('/f'));
});

test('a failure in each block of a file', async (t) => {
  const cluster = new FakeCluster(6);
  const failed = new Set<number>();
  cluster.onPacket = ({ request, sequence, nodes }) => {
    if (sequence !== 1 || failed.has(request.block.blockId)) return undefined;
    failed.add(request.block.blockId);
    return { entry: failed.size % nodes.length, status: 'error' };
  };
  const bytes = patternBytes(5 * megabyte);
  await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: megabyte });
  t.is(failed.size, 5);
  assertContent(t, cluster, bytes);
});

for (const blockCount of [1, 3]) {
  test(`one replica of block ${blockCount === 1 ? 'the only' : 'a middle'} is left and that is too few: when a node comes back it gets a copy, and the put succeeds`, async (t) => {
    const cluster = new FakeCluster(3);
    cluster.minReplication = 2;
    const faultyBlock = blockCount - 1 - (blockCount > 1 ? 1 : 0);
    cluster.onPacket = ({ request }) => {
      const index = cluster.files.get('/f')!.blocks.findIndex((block) => block.block.blockId === request.block.blockId);
      if (index === faultyBlock && request.stage === 'create' && cluster.nodes[0]!.replicas.get(request.block.blockId)!.bytes.length >= megabyte) cluster.nodes[0]!.isDown = cluster.nodes[1]!.isDown = true;
      return undefined;
    };
    let refusals = 0;
    cluster.onCall = (call) => {
      if (call.method === 'fs.getAdditionalDatanodes' && ++refusals === 3) cluster.nodes[1]!.isDown = false;
    };
    const bytes = patternBytes(2 * megabyte * blockCount);
    const seen: WriteProgress[] = [];
    const { degraded } = await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 2 * megabyte, onProgress: (progress) => seen.push({ ...progress }) });
    t.deepEqual(degraded[0], { blockIndex: faultyBlock, durableReplicas: 2 });
    t.deepEqual(cluster.files.get('/f')!.blocks[faultyBlock]!.locations.map((location) => location.name).sort(), ['dn2', 'dn3']);
    assertContent(t, cluster, bytes);
  });
}

for (const [title, fault] of [
  ['change on their way to', { entry: 0, status: 'checksum' }],
  ['break off on their way to', 'break'],
] as [string, PacketFault][]) {
  test(`bytes that ${title} one node after the other cost no put: nodes whose way failed are taken back before it is given up (fault 35)`, async (t) => {
    const cluster = new FakeCluster(3);
    cluster.minReplication = 2;
    const failAt = new Map([[2, 1], [3, 1], [4, 3], [7, 2]]);
    cluster.onPacket = ({ sequence }) => {
      const left = failAt.get(sequence) ?? 0;
      failAt.set(sequence, left - 1);
      return left > 0 ? fault : undefined;
    };
    const bytes = patternBytes(6 * megabyte);
    await writeFile(cluster.client(), '/f', bytes, { blockSizeBytes: 64 * megabyte });
    t.true([...failAt.values()].every((left) => left < 0), 'all faults came');
    t.true(cluster.files.get('/f')!.blocks[0]!.locations.length >= 2);
    assertContent(t, cluster, bytes);
  });
}

test('a way that fails again and again is given up: a node is taken back a few times only, and each failure has its line', async (t) => {
  const cluster = new FakeCluster(3);
  let failures = 0;
  cluster.onPacket = ({ sequence }) => (sequence >= 2 ? (failures++, { entry: 0, status: 'checksum' }) : undefined);
  const error = await t.throwsAsync<InstanceType<typeof InputOutputError>>(writeFile(cluster.client(), '/f', patternBytes(6 * megabyte), { blockSizeBytes: 64 * megabyte }), { instanceOf: InputOutputError });
  t.true(failures <= 13, `${failures} failures`);
  for (const name of ['dn1', 'dn2', 'dn3']) t.true(error!.details.some((line) => line.startsWith(`${name}: got bytes that do not match their checksum`)), error!.details.join('\n'));
  t.false(cluster.files.has('/f'));
});

/** Runs `work` on a clock that moves only while nothing else does. */
async function onManualClock<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const finish = () => (isDone = true);
  work.then(finish, finish);
  while (!isDone) {
    for (let turn = 0; turn < 50 && !isDone; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (!isDone) clock.advance(500);
  }
  return work;
}

test('a node that is stopped, not dead: the name node tells which one of the silent pipeline it is (fault 54)', async (t) => {
  const clock = new ManualClock();
  const cluster = new FakeCluster(4, clock);
  let faults = 0;
  cluster.onPacket = (packet) => {
    if (packet.sequence !== 3 || faults++ > 0) return undefined;
    cluster.nodes[1]!.state = 'stale';
    return 'silent';
  };
  const bytes = patternBytes(6 * megabyte);
  const started = clock.monotonicMs();
  await onManualClock(clock, writeFile(cluster.client({ retryTimeoutMs: 60_000 }), '/f', bytes, { blockSizeBytes: 64 * megabyte }));
  t.true(clock.monotonicMs() - started < 10_000, `${clock.monotonicMs() - started} ms`);
  t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn1', 'dn3', 'dn4']);
  assertContent(t, cluster, bytes);
});

for (const [title, atPacket] of [['before it is ready', false], ['in mid-block', true]] as const) {
  for (const [fault, what, fromMs, toMs] of [
    ['silent', 'sends no sign of life any more: it is left out within some ten seconds', 8_000, 12_000],
    ['working', 'is alive, and acknowledges nothing: its disk has time until the limit', 35_000, 60_000],
  ] as const) {
    test(`a first node ${title} that the name node hears ${what} (faults 23, 27)`, async (t) => {
      const clock = new ManualClock();
      const cluster = new FakeCluster(4, clock);
      let faults = 0;
      if (atPacket) cluster.onPacket = ({ sequence }) => (sequence === 3 && faults++ === 0 ? fault : undefined);
      else cluster.onWrite = () => (faults++ === 0 ? fault : undefined);
      const bytes = patternBytes(3 * megabyte);
      const begunMs = clock.monotonicMs();
      await onManualClock(clock, writeFile(cluster.client({ retryTimeoutMs: 60_000 }), '/f', bytes, { blockSizeBytes: 8 * megabyte }));
      const tookMs = clock.monotonicMs() - begunMs;
      t.true(faults > 0 && tookMs >= fromMs && tookMs <= toMs, `${tookMs} ms`);
      t.deepEqual(cluster.files.get('/f')!.blocks[0]!.locations.map((location) => location.name), ['dn2', 'dn3', 'dn4']);
      assertContent(t, cluster, bytes);
    });
  }
}

test('a writer that pauses for long is no failure', async (t) => {
  const clock = new ManualClock();
  const cluster = new FakeCluster(4, clock);
  let emptyPackets = 0;
  let atByte = -1;
  cluster.onPacket = ({ offset, isLast }) => {
    if (offset === atByte && !isLast) emptyPackets++;
    atByte = offset;
    return undefined;
  };
  const writer = await cluster.client().openWriter('/f', { blockSizeBytes: 64 * megabyte });
  await writer.write(patternBytes(megabyte));
  for (let i = 0; i < 200; i++) {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  t.true(emptyPackets >= 7 && emptyPackets <= 14, `${emptyPackets} signs of life in 200 s`);
  await writer.write(patternBytes(10));
  const { degraded, status } = await writer.close();
  t.deepEqual(degraded, []);
  t.is(status.lengthBytes, megabyte + 10);
});
