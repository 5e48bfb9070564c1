import test from 'ava';
import { OverloadedError, PermissionDeniedError, UnregisteredNodeError } from '../../../source/protocol/errors.js';
import { BlockReportQueue } from '../../../source/namenode/block-report-queue.js';
import { ManualClock } from '../../../source/base/clock.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

test('a replica that a client confirmed counts at once, outlives a report made before it, and is dropped if its node never tells', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write({ areConfirmed: false });
  t.is(cluster.locations(block).length, 3);
  const [first, second, third] = cluster.nodes;
  await first!.report([]);
  await second!.report();
  t.is(cluster.locations(block).length, 3);
  third!.tell('received', block);
  first!.replicas.clear();
  await cluster.run(25_000);
  t.is(cluster.locations(block).length, 3);
  t.true(first!.commands.some(({ kind }) => kind === 'blockReport'), 'asked what it has, meanwhile');
  await cluster.runUntil(() => cluster.services.health().blocks.underReplicated === 1, 10_000);
  t.deepEqual(cluster.locations(block), [second!.name, third!.name].sort());
  await cluster.runUntil(() => cluster.holders(block).length === 3);
});

test('a report takes away what it lacks, except what came after it was made; and brings back nothing that went', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [kept, gone, late] = [cluster.write(), cluster.write(), cluster.write()];
  const [node] = cluster.nodes;
  await cluster.run(61_000);
  const reportId = node!.nextReportId();
  await node!.reportSlice({ reportId, sliceIndex: 0, isLast: false, replicas: [kept, late] });
  node!.replicas.delete(late.blockId);
  node!.tell('deleted', late);
  const young = cluster.write();
  await node!.reportSlice({ reportId, sliceIndex: 1, isLast: true, replicas: [] });
  t.true(cluster.locations(kept).includes(node!.name));
  t.false(cluster.locations(gone).includes(node!.name), 'the report lacks it');
  t.true(cluster.locations(young).includes(node!.name), 'younger than the report');
  const again = node!.nextReportId();
  await node!.reportSlice({ reportId: again, sliceIndex: 0, isLast: true, replicas: [kept, late, young] });
  t.false(cluster.locations(late).includes(node!.name), 'deleted after the report was made');
});

test('slices count in their order only: an older report, a slice that came twice and one after a gap change nothing (fault 36)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [a, b] = [cluster.write(), cluster.write()];
  const [node] = cluster.nodes;
  await cluster.run(61_000);
  const older = node!.nextReportId();
  const newer = node!.nextReportId();
  await node!.reportSlice({ reportId: newer, sliceIndex: 0, isLast: false, replicas: [a] });
  await node!.reportSlice({ reportId: older, sliceIndex: 0, isLast: true, replicas: [] });
  await node!.reportSlice({ reportId: newer, sliceIndex: 0, isLast: true, replicas: [] });
  t.true(cluster.locations(a).includes(node!.name));
  t.true(cluster.locations(b).includes(node!.name));
  await node!.reportSlice({ reportId: older, sliceIndex: 1, isLast: true, replicas: [] });
  t.true(cluster.locations(b).includes(node!.name));
  await node!.reportSlice({ reportId: newer, sliceIndex: 2, isLast: true, replicas: [] });
  t.true(cluster.locations(b).includes(node!.name));
  await cluster.run(1500);
  t.is(node!.commands.filter(({ kind }) => kind === 'blockReport').length, 1, 'after a gap the node is asked for a whole report');
  await node!.reportSlice({ reportId: newer, sliceIndex: 0, isLast: true, replicas: [] });
  t.true(cluster.locations(b).includes(node!.name), 'older than the last whole one');
  await t.throwsAsync(node!.reportSlice({ reportId: node!.nextReportId(), sliceIndex: 0, isLast: true, replicas: [], epoch: node!.epoch - 1 }), { instanceOf: UnregisteredNodeError });
  t.true(cluster.locations(b).includes(node!.name));
});

test('an unknown replica is left alone for its grace, then deleted; one whose node holds thousands likewise', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: 20_000 });
  const [node] = cluster.nodes;
  const orphans = Array.from({ length: 3000 }, (_, i) => ({ blockId: 5_000_000 + i, generationStamp: 7, lengthBytes: 10 }));
  for (const orphan of orphans) node!.replicas.set(orphan.blockId, orphan);
  await node!.report();
  await cluster.run(19_000);
  t.is(node!.replicas.size, 3000);
  await cluster.runUntil(() => node!.replicas.size === 0, 10_000);
});

test('a file deleted while its node was away: the orphan goes after the grace (fault 38)', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: 20_000 });
  const block = cluster.write();
  const [node] = cluster.nodes;
  node!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  cluster.delete(block);
  await cluster.run(2000);
  await node!.start();
  t.true(node!.replicas.has(block.blockId));
  await cluster.runUntil(() => !node!.replicas.has(block.blockId), 30_000);
});

test('an empty first report of a node that had blocks is asked for again before it is believed (fault 43)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 20 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  const held = [...node!.replicas.values()];
  t.true(held.length > 0);
  node!.replicas.clear();
  await node!.start();
  t.is(cluster.services.health().blocks.underReplicated, 0, 'not believed yet');
  for (const block of held) node!.replicas.set(block.blockId, block);
  await cluster.run(3000);
  t.is(cluster.nodes.flatMap((each) => each.commands).filter(({ kind }) => kind !== 'blockReport').length, 0, 'the disk was mounted late: nothing was copied or deleted');
  node!.replicas.clear();
  await node!.start();
  await cluster.run(1500);
  t.true(cluster.messages.includes(`re-replication started: ${held.length} blocks under-replicated`), 'twice empty is empty');
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 3));
});

test('what an older life of the node sends is refused, and a client may not speak for a node (fault 32)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const { service } = cluster.services;
  const [node] = cluster.nodes;
  const context = { user: 'dfs', clientId: 'x', role: 'datanode', remoteAddress: '127.0.0.1:1' } as const;
  const events = [{ storageId: node!.storageId, kind: 'deleted', block: { blockId: 1, generationStamp: 1, lengthBytes: 1 } }] as const;
  const message = { ...node!.sender(), epoch: node!.epoch - 1, events: [...events] };
  await t.throwsAsync(async () => service['datanode.blockReceivedAndDeleted'](message, context), { instanceOf: UnregisteredNodeError, message: /registration \d+, which is over \(now \d+\); register again/ });
  await t.throwsAsync(async () => service['datanode.blockReceivedAndDeleted']({ ...message, datanodeUuid: 'nobody' }, context), { instanceOf: UnregisteredNodeError });
  await t.throwsAsync(async () => service['datanode.blockReceivedAndDeleted']({ ...message, epoch: node!.epoch }, { ...context, role: 'client' }), { instanceOf: PermissionDeniedError });
});

test('a notice that comes once more, late, is passed over: what has gone since is not counted, and the last copy stays (fault 32)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const { service } = cluster.services;
  const [node, other] = cluster.nodes;
  const block = cluster.write();
  await cluster.run(1000);
  const context = { user: 'dfs', clientId: 'x', role: 'datanode', remoteAddress: '127.0.0.1:1' } as const;
  const { storageId } = node!;
  const message = { ...node!.sender(2), events: [{ storageId, kind: 'received' as const, block }, { storageId, kind: 'received' as const, block: { ...block, blockId: 999_999 } }] };
  await service['datanode.blockReceivedAndDeleted'](message, context);
  node!.replicas.delete(block.blockId);
  node!.tell('deleted', block);
  t.deepEqual(cluster.locations(block), ['dn2', 'dn3']);
  await service['datanode.blockReceivedAndDeleted'](message, context);
  await service['datanode.reportIntact']({ ...message, firstNotice: message.firstNotice, replicas: [{ storageId, block }] }, context);
  t.deepEqual(cluster.locations(block), ['dn2', 'dn3'], 'it is known to be gone');
  // With more behind what was said already, only that is news.
  const more = { ...message, events: [...message.events, { storageId, kind: 'deleted' as const, block }, { storageId, kind: 'received' as const, block }] };
  await service['datanode.blockReceivedAndDeleted'](more, context);
  node!.replicas.set(block.blockId, block);
  t.deepEqual(cluster.locations(block), ['dn1', 'dn2', 'dn3']);
  // A new registration counts anew.
  await node!.register();
  await service['datanode.blockReceivedAndDeleted']({ ...message, epoch: node!.epoch, firstNotice: 1, events: [{ storageId, kind: 'deleted', block }] }, context);
  t.deepEqual(cluster.locations(block), ['dn2', 'dn3']);
  t.true(other!.replicas.has(block.blockId));
});

test('a pipeline that went on without a node: what that node has left is deleted soon after the file is whole', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin();
  const targets = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const [first, second, third] = targets.map((target) => cluster.node(target));
  third!.replicas.set(block.blockId, { ...block, lengthBytes: 3 });
  const newer = { ...block, generationStamp: 1002, lengthBytes: 900 };
  cluster.services.blocks.updatePipeline({ ...newer, lengthBytes: 0 }, targets.slice(0, 2));
  t.deepEqual(cluster.locations(block), [first!.name, second!.name].sort());
  for (const node of [first!, second!]) node.store(newer);
  cluster.commit(newer, targets.slice(0, 2));
  await cluster.runUntil(() => cluster.holders(newer).length === 3, 10_000);
  await cluster.run(6000);
  const left = third!.replicas.get(block.blockId);
  t.true(left === undefined || left.generationStamp === 1002);
  t.is(cluster.services.health().status, 'HEALTHY');
});

test('a storm of reports is refused beyond the bound, and what was taken is worked off in turns (fault 44)', async (t) => {
  const clock = new ManualClock();
  const queue = new BlockReportQueue({ clock, maxWaitingBytes: 100, maxWaitingMessages: 3, replicasPerTurn: 10 });
  const done: string[] = [];
  function* work(name: string) {
    yield 10;
    done.push(name);
  }
  const first = queue.add(60, () => work('a'));
  const second = queue.add(40, () => work('b'));
  await t.throwsAsync(queue.add(1, () => work('c')), { instanceOf: OverloadedError });
  t.deepEqual(done, [], 'nothing before the blocks are known');
  queue.open();
  for (let i = 0; i < 5; i++) {
    clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([first, second]);
  t.deepEqual(done, ['a', 'b']);
});

test('a large report is taken in by and by: what changes meanwhile is neither lost nor brought back', async (t) => {
  const cluster = new BlockCluster();
  const count = 30_000;
  const blocks = Array.from({ length: count }, (_, i) => ({ blockId: 1000 + i, generationStamp: 5, lengthBytes: i }));
  cluster.catalogBlocks.push(...blocks.map((block, i) => ({ ...block, inodeId: i + 1, blockIndex: 0, replication: 1, isComplete: true })));
  /** Lets zero timers run until the work is done; counts how often it rested. */
  const rests = async (work: Promise<unknown>, atFirstRest?: () => void) => {
    let isDone = false;
    void work.finally(() => (isDone = true));
    let count = 0;
    for (; !isDone; count++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (count === 1) atFirstRest?.();
      cluster.clock.advance(0);
    }
    return count;
  };
  t.true((await rests(cluster.services.load(cluster.catalog))) >= count / 4096);
  t.like(cluster.services.health().safeMode, { isOn: true, totalBlocks: count, reportedBlocks: 0 });
  const node = await cluster.addNode({ uuid: 'empty', port: 9864 });
  const reportId = node.nextReportId();
  const slice = (sliceIndex: number, isLast: boolean, from: number, to: number) => node.reportSlice({ reportId, sliceIndex, isLast, replicas: blocks.slice(from, to) });
  const deleted = blocks[19_000]!;
  const restCount = await rests(slice(0, false, 0, 20_000), () => {
    cluster.delete(blocks[5]!);
    cluster.delete(blocks[19_999]!);
    node.tell('deleted', deleted);
  });
  t.true(restCount >= 2);
  await rests(slice(1, true, 20_000, count));
  cluster.services.tick();
  t.like(cluster.services.health().safeMode, { isOn: true, totalBlocks: count - 2, reportedBlocks: count - 3 });
  t.deepEqual(cluster.locations(deleted), []);
  t.deepEqual(cluster.locations(blocks[25_000]!), [node.name]);
  t.is(cluster.services.health().datanodes[0]!.blockCount, count - 3);
  await rests(node.report(blocks.filter((_, i) => i % 2 === 0)));
  t.is(cluster.services.health().datanodes[0]!.blockCount, count / 2 - 1, 'all that the second report lacks is gone, and the orphan is not counted');
});

test('a report that comes when more has happened than can be remembered does not pass for what the node has: another one is asked for', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [block] = [cluster.write(), cluster.write()];
  await cluster.run(1000);
  const [node] = cluster.nodes;
  await node!.register();
  const known = cluster.services.datanodes.find(node!.uuid)!;
  for (let i = 1; i <= 65_537; i++) node!.tell('deleted', { blockId: i, generationStamp: 1001, lengthBytes: 1 });
  node!.replicas.delete(block.blockId);
  await node!.report();
  t.false(known.isReported);
  t.true(cluster.locations(block).includes(node!.name), 'a report that may be older takes nothing away');
  await cluster.runUntil(() => known.isReported, 200_000);
  t.is(cluster.holders(block).length === 3, cluster.locations(block).includes(node!.name));
});
