import test from 'ava';
import { encodeNodeWish } from '../../../source/namenode/node-wish.js';
import { nodeWishKey } from '../../../source/namenode/keys.js';
import { NotEnoughReplicasError } from '../../../source/protocol/errors.js';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster, type SimulatedDatanode } from '../../helpers/block-cluster.js';

const report = (cluster: BlockCluster, node: SimulatedDatanode) => cluster.services.datanodes.reports().find(({ datanodeUuid }) => datanodeUuid === node.uuid)!;
const stateOf = (cluster: BlockCluster, node: SimulatedDatanode) => report(cluster, node).adminState;
const copiesOrdered = (cluster: BlockCluster) => cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'replicate').length;
const elsewhere = (cluster: BlockCluster, block: Block, node: SimulatedDatanode) => cluster.holders(block).filter((holder) => holder !== node).length;

/** As the name node does once the wish is on disk. */
async function wish(cluster: BlockCluster, node: SimulatedDatanode, state: 'normal' | 'decommissioned' | 'in-maintenance', durationMs?: number): Promise<void> {
  await cluster.store.transact((transaction) => {
    if (state === 'normal') transaction.delete(nodeWishKey(node.uuid));
    else transaction.put(nodeWishKey(node.uuid), encodeNodeWish({ state, setTimeMs: cluster.clock.nowMs(), durationMs }));
  });
  cluster.services.administration.setWish(cluster.services.datanodes.find(node.uuid)!, state, durationMs);
}

test('a node is decommissioned once all its blocks are elsewhere: it serves reads and copies meanwhile, and gets nothing new', async (t) => {
  const cluster = await BlockCluster.started(5);
  const blocks = Array.from({ length: 40 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  const held = blocks.filter((block) => node!.replicas.has(block.blockId));
  t.true(held.length > 10);
  await wish(cluster, node!, 'decommissioned');
  t.is(stateOf(cluster, node!), 'decommissioning');
  t.true(cluster.locations(held[0]!).includes('dn1'), 'it serves reads');
  const later = Array.from({ length: 20 }, () => cluster.write());
  t.true(later.every((block) => !node!.replicas.has(block.blockId)), 'nothing new');
  await cluster.runUntil(() => {
    if (stateOf(cluster, node!) === 'decommissioned') return true;
    t.is(node!.replicas.size, held.length, 'it keeps what it has');
    return false;
  });
  for (const block of held) t.is(elsewhere(cluster, block, node!), 3);
  t.is(node!.replicas.size, held.length);
  t.true(node!.commands.some(({ kind }) => kind === 'replicate'), 'it is a source itself');
  t.is(cluster.services.health().status, 'HEALTHY');
  t.deepEqual(cluster.events('node-administration').map(({ message }) => message), ['dn1 is being decommissioned: its blocks are copied elsewhere', 'dn1 is decommissioned: nothing needs it any more']);
  node!.kill();
  const ordered = copiesOrdered(cluster);
  await cluster.run(30_000);
  t.is(copiesOrdered(cluster), ordered, 'it is gone, and nothing has to be repaired');
  t.is(cluster.services.health().status, 'HEALTHY');
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('while a node is being emptied, or is in maintenance, repair copies nothing to it', async (t) => {
  for (const state of ['decommissioned', 'in-maintenance'] as const) {
    const cluster = await BlockCluster.started(5);
    Array.from({ length: 20 }, () => cluster.write());
    await cluster.run(1000);
    const [node, lost] = cluster.nodes;
    const held = node!.replicas.size;
    await wish(cluster, node!, state);
    lost!.kill();
    await cluster.runUntil(() => cluster.events('node-dead').length === 1);
    await cluster.runUntil(() => cluster.services.health().blocks.underReplicated === 0);
    t.is(node!.replicas.size, held, state);
  }
});

test('a write that finds too few nodes is told which of them are to go', async (t) => {
  const cluster = await BlockCluster.started(3);
  await wish(cluster, cluster.nodes[0]!, 'decommissioned');
  await wish(cluster, cluster.nodes[1]!, 'in-maintenance');
  const request = { count: 3, blockSizeBytes: 1000, writerAddress: '127.0.0.1:1', excluded: [], existing: [], path: '/a' };
  const error = t.throws(() => cluster.services.blocks.chooseTargets(request), { instanceOf: NotEnoughReplicasError, message: /written to 1 of the 2 minReplication nodes/ });
  t.deepEqual((error as InstanceType<typeof NotEnoughReplicasError>).details, ['dn1 (127.0.0.1:9864): being decommissioned', 'dn2 (127.0.0.1:9865): about to be in maintenance']);
});

test('with too few other nodes a decommission goes on, and says why; a new node lets it finish', async (t) => {
  const cluster = await BlockCluster.started(3);
  Array.from({ length: 5 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  await wish(cluster, node!, 'decommissioned');
  await cluster.run(60_000);
  t.like(report(cluster, node!), { adminState: 'decommissioning', adminPendingBlocks: 5 });
  t.is(report(cluster, node!).adminNote, '5 blocks to be copied; 3 replicas are wanted, and only 2 data nodes are live and in service: add a data node, or want fewer (setrep)');
  await cluster.addNode();
  await cluster.runUntil(() => stateOf(cluster, node!) === 'decommissioned');
  t.is(report(cluster, node!).adminNote, '');
});

test('a decommission waits for a block that is being written on the node, until its file is closed and it is elsewhere too (fault 52)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin();
  const targets = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const node = cluster.node(targets[0]!);
  await wish(cluster, node, 'decommissioned');
  await cluster.run(30_000);
  t.like(report(cluster, node), { adminState: 'decommissioning', adminPendingBlocks: 0 });
  t.regex(report(cluster, node).adminNote, /^1 block being written there/);
  const whole = { ...block, lengthBytes: 1000 };
  for (const target of targets) cluster.node(target).store(whole);
  cluster.commit(whole, targets);
  cluster.services.tick();
  t.is(stateOf(cluster, node), 'decommissioning', 'two of three replicas are elsewhere');
  await cluster.runUntil(() => stateOf(cluster, node) === 'decommissioned');
  t.is(elsewhere(cluster, whole, node), 3);
});

test('after a restart of the name node an open block, of which nobody knows the nodes, holds a decommission too (fault 52)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin();
  const targets = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const node = cluster.node(targets[0]!);
  await wish(cluster, node, 'decommissioned');
  await cluster.restartNameNode();
  await cluster.run(30_000);
  t.is(stateOf(cluster, node), 'decommissioning', 'the wish has outlived the restart');
  t.regex(report(cluster, node).adminNote, /^1 block being written since before the name node's start/);
  const whole = { ...block, lengthBytes: 1000 };
  for (const target of targets) cluster.node(target).store(whole);
  cluster.commit(whole, targets);
  await cluster.runUntil(() => stateOf(cluster, node) === 'decommissioned');
  t.is(elsewhere(cluster, whole, node), 3);
});

test('a node that is dead is decommissioned only when all that it may have had is whole, also after a restart of the name node', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 8 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  await wish(cluster, node!, 'decommissioned');
  node!.kill();
  await cluster.restartNameNode();
  await cluster.runUntil(() => {
    if (stateOf(cluster, node!) !== 'decommissioned') return false;
    for (const block of blocks) t.is(elsewhere(cluster, block, node!), 3);
    return true;
  });
});

for (const isRestarted of [false, true]) {
  test(`a dead node that is to go is waited for by an open file for a while, and then by nobody: ${isRestarted ? 'its pipeline is not known' : 'it is in its pipeline'} (faults 4, 52)`, async (t) => {
    const cluster = await BlockCluster.started(4);
    const block = cluster.begin();
    const [gone, late] = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' }).map((place) => cluster.node(place)) as [SimulatedDatanode, SimulatedDatanode];
    gone.kill();
    if (isRestarted) await cluster.restartNameNode();
    await cluster.runUntil(() => report(cluster, gone).state === 'dead');
    const areAllAsked = () => cluster.services.blocks.recoveryPlaces(block.blockId).areAll;
    await cluster.run(200_000);
    t.false(areAllAsked(), 'as long as nobody says that it will not come back');
    await wish(cluster, gone, 'decommissioned');
    await cluster.run(2000);
    t.is(stateOf(cluster, gone), 'decommissioned', 'it has been dead for long');
    t.true(areAllAsked());

    await wish(cluster, late, 'decommissioned');
    late.kill();
    await cluster.run(60_000);
    t.like(report(cluster, late), { state: 'dead', adminState: 'decommissioning' }, 'it may be about to come back');
    t.regex(report(cluster, late).adminNote, /1 block being written/);
    t.false(areAllAsked());
    await cluster.runUntil(() => stateOf(cluster, late) === 'decommissioned');
    t.true(areAllAsked());
    await late.start();
    await cluster.run(2000);
    t.true(cluster.services.blocks.recoveryPlaces(block.blockId).places.some(({ datanodeUuid }) => datanodeUuid === late.uuid), 'one that comes back all the same is asked');
  });
}

test('a node is taken back: its replicas count again, and what is too much by them goes', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 10 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  await wish(cluster, node!, 'decommissioned');
  await cluster.runUntil(() => stateOf(cluster, node!) === 'decommissioned');
  await wish(cluster, node!, 'normal');
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 3));
  await cluster.run(5000);
  for (const block of blocks) t.is(cluster.holders(block).length, 3);
  t.is(stateOf(cluster, node!), 'normal');
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a node in maintenance goes away without a storm of copies, and is repaired when its time is over', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 20 }, () => cluster.write());
  const single = cluster.write({ replication: 1 });
  await cluster.run(1000);
  const node = cluster.holders(single)[0]!;
  await wish(cluster, node, 'in-maintenance', 60_000);
  t.is(stateOf(cluster, node), 'entering-maintenance');
  await cluster.runUntil(() => stateOf(cluster, node) === 'in-maintenance');
  t.is(copiesOrdered(cluster), 1, 'only the block that was nowhere else');
  t.is(elsewhere(cluster, single, node), 1);
  node.kill();
  await cluster.run(40_000);
  t.like(report(cluster, node), { state: 'dead', adminState: 'in-maintenance' });
  t.is(copiesOrdered(cluster), 1);
  t.like(cluster.services.health(), { status: 'HEALTHY', blocks: { underReplicated: 0 } });
  await cluster.runUntil(() => stateOf(cluster, node) === 'normal');
  await cluster.runUntil(() => blocks.every((block) => elsewhere(cluster, block, node) === 3));
  t.is(cluster.services.health().blocks.missing, 0);
});

test('in maintenance, what falls below the least number of copies is made again', async (t) => {
  const cluster = await BlockCluster.started(5, { maintenanceMinReplication: 2 });
  const block = cluster.write();
  await cluster.run(1000);
  const [away, lost] = cluster.holders(block);
  await wish(cluster, away!, 'in-maintenance');
  await cluster.runUntil(() => stateOf(cluster, away!) === 'in-maintenance');
  t.is(copiesOrdered(cluster), 0);
  away!.kill();
  lost!.kill();
  await cluster.runUntil(() => cluster.holders(block).filter((node) => node.isRunning).length === 2);
  await cluster.run(20_000);
  t.is(cluster.holders(block).filter((node) => node.isRunning).length, 2, 'and no more');
});

test('a maintenance outlives a restart of the name node: what the absent node may have is not copied until its time is over', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 20 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  await wish(cluster, node!, 'in-maintenance', 90_000);
  await cluster.runUntil(() => stateOf(cluster, node!) === 'in-maintenance');
  node!.kill();
  await cluster.run(5000);
  await cluster.restartNameNode();
  await cluster.run(60_000);
  t.is(stateOf(cluster, node!), 'in-maintenance');
  t.is(copiesOrdered(cluster), 0);
  t.true(report(cluster, node!).maintenanceRemainingMs! <= 30_000);
  await cluster.runUntil(() => stateOf(cluster, node!) === 'normal');
  await cluster.runUntil(() => blocks.every((block) => elsewhere(cluster, block, node!) === 3));
});

test('a clock that jumps a year back does not make a maintenance longer than it was wished (fault 53)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [node] = cluster.nodes;
  await cluster.store.transact((transaction) => transaction.put(nodeWishKey(node!.uuid), encodeNodeWish({ state: 'in-maintenance', setTimeMs: cluster.clock.nowMs() + 365 * 86_400_000, durationMs: 60_000 })));
  await cluster.restartNameNode();
  await cluster.run(2000);
  t.true(report(cluster, node!).maintenanceRemainingMs! <= 60_000);
  await cluster.runUntil(() => stateOf(cluster, node!) === 'normal', 61_000);
});

test('a block that is closed while the many blocks of its node are looked at is looked at too (fault 52)', async (t) => {
  const cluster = await BlockCluster.started(3);
  // Looked at first.
  let open = cluster.begin({ replication: 1 });
  while (cluster.locations(open)[0] !== 'dn1') open = cluster.begin({ replication: 1 });
  for (let count = 0; count < 6000; count++) cluster.write();
  for (const block of cluster.catalogBlocks.filter(({ isComplete, blockId }) => !isComplete && blockId !== open.blockId)) cluster.delete(block);
  await cluster.run(2000);
  const [node] = cluster.nodes;
  await wish(cluster, node!, 'in-maintenance');
  cluster.services.tick();
  t.is(stateOf(cluster, node!), 'entering-maintenance', 'one tick is not enough');
  const whole = { ...open, lengthBytes: 10 };
  node!.ignores.add('replicate');
  node!.store(whole);
  cluster.commit(whole, cluster.services.blocks.locate(open.blockId, { readerAddress: '127.0.0.1:1' }));
  await cluster.run(10_000);
  t.is(stateOf(cluster, node!), 'entering-maintenance', 'it has the only replica');
  node!.ignores.clear();
  await cluster.runUntil(() => stateOf(cluster, node!) === 'in-maintenance');
  t.is(elsewhere(cluster, whole, node!), 1);
});

test('copies that failed at every other node hold up a decommission no longer than it takes to try again', async (t) => {
  const cluster = await BlockCluster.started(3);
  const blocks = Array.from({ length: 12 }, () => cluster.write({ replication: 1 }));
  await cluster.run(1000);
  const [node] = cluster.nodes;
  node!.ignores.add('replicate');
  await wish(cluster, node!, 'decommissioned');
  await cluster.run(120_000);
  t.is(stateOf(cluster, node!), 'decommissioning');
  node!.ignores.clear();
  await cluster.runUntil(() => stateOf(cluster, node!) === 'decommissioned');
  for (const block of blocks) t.is(elsewhere(cluster, block, node!), 1);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});
