import test from 'ava';
import type { RecoveryOrder } from '../../../source/namenode/block-management.js';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

/** An order that the cluster's blocks side could have been given by its namespace. */
function orderOf(cluster: BlockCluster, block: Block, recoveryGeneration: number): { order: RecoveryOrder; areAll: boolean } {
  const { places, areAll } = cluster.services.blocks.recoveryPlaces(block.blockId);
  return { areAll, order: { kind: 'recover', block, recoveryGeneration, newLengthBytes: null, replicas: places, token: '' } };
}

function ordersOf(cluster: BlockCluster): { node: string; recoveryGeneration: number }[] {
  return cluster.nodes.flatMap((node) => node.commands.flatMap((command) => (command.kind === 'recover' ? [{ node: node.name, recoveryGeneration: command.recoveryGeneration }] : [])));
}

test('the pipeline of a block is asked, as far as it lives; each try by another primary, the latest one only', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin();
  const pipeline = cluster.locations(block);
  const { order, areAll } = orderOf(cluster, block, 2000);
  t.true(areAll);
  t.deepEqual(order.replicas.map(({ name }) => name).sort(), pipeline);
  cluster.services.blocks.orderRecovery(order, 0);
  cluster.services.blocks.orderRecovery({ ...order, recoveryGeneration: 2001 }, 1);
  await cluster.run(2000);
  t.deepEqual(ordersOf(cluster), [{ node: order.replicas[1]!.name, recoveryGeneration: 2001 }]);
  cluster.services.blocks.orderRecovery({ ...order, recoveryGeneration: 2002 }, 3);
  await cluster.run(2000);
  t.deepEqual(ordersOf(cluster).at(-1)?.recoveryGeneration, 2002);
  cluster.node(order.replicas[0]!).kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  const later = orderOf(cluster, block, 2003);
  t.false(later.areAll, 'one that may have it cannot be asked');
  t.is(later.order.replicas.length, 2);
});

test('after a restart of the name node every data node is asked, as nobody knows who wrote the block', async (t) => {
  const cluster = await BlockCluster.started(5);
  const block = cluster.begin();
  await cluster.restartNameNode();
  t.deepEqual(orderOf(cluster, block, 2000).order.replicas, [], 'none has come back yet');
  await cluster.run(3000);
  const { order, areAll } = orderOf(cluster, block, 2000);
  t.deepEqual(order.replicas.map(({ name }) => name).sort(), ['dn1', 'dn2', 'dn3', 'dn4', 'dn5']);
  t.true(areAll);
  cluster.nodes[4]!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.false(orderOf(cluster, block, 2000).areAll);
});

test('of a block being written a dead node may have a part that the others do not, until its pipeline goes on without it', async (t) => {
  const cluster = await BlockCluster.started(4);
  const [block, other] = [cluster.begin(), cluster.begin({ replication: 1 })];
  const { blocks } = cluster.services;
  t.false(blocks.mayBeElsewhere(block.blockId));
  const pipeline = blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const dead = pipeline.find(({ name }) => !cluster.locations(other).includes(name))!;
  cluster.node(dead).kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.true(blocks.mayBeElsewhere(block.blockId));
  t.false(blocks.mayBeElsewhere(other.blockId), 'it is not of that pipeline');
  blocks.updatePipeline({ ...block, generationStamp: 1002 }, pipeline.filter((place) => place !== dead));
  t.false(blocks.mayBeElsewhere(block.blockId));
  await cluster.restartNameNode();
  await cluster.run(3000);
  t.false(cluster.services.blocks.mayBeElsewhere(other.blockId), 'all that are not dead are asked');
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.true(cluster.services.blocks.mayBeElsewhere(other.blockId), 'nobody knows its pipeline any more');
});

test('in safe mode nothing is recovered, and nothing is forgotten', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.begin();
  cluster.services.blocks.orderRecovery(orderOf(cluster, block, 2000).order, 0);
  cluster.services.safeMode.enter();
  await cluster.run(5000);
  t.deepEqual(ordersOf(cluster), []);
  cluster.services.safeMode.leave();
  await cluster.run(2000);
  t.is(ordersOf(cluster).length, 1);
});

test('a block that is opened again is neither missing nor repaired; the replicas that its recovery left out are replaced, and go last (faults 36, 37)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ replication: 3 });
  await cluster.run(1000);
  const [left, ...others] = cluster.holders(block);
  cluster.services.blocks.reopen(block.blockId, 0);
  for (let i = 0; i < 3; i++) {
    await left!.report();
    await cluster.run(5000);
  }
  t.like(cluster.services.health().blocks, { missing: 0, underReplicated: 0, corrupt: 0 });
  t.deepEqual(cluster.nodes.flatMap(({ commands }) => commands), []);

  const recovered = { ...block, generationStamp: 5000, lengthBytes: 7 };
  for (const node of others) node.store(recovered);
  cluster.commit(recovered, others.map(({ uuid, storageId }) => ({ datanodeUuid: uuid, storageId, name: '', address: '', rack: '', state: 'live' as const })));
  // Late: from before the recovery.
  await left!.report();
  t.deepEqual(cluster.locations(recovered), others.map(({ name }) => name).sort());
  await cluster.runUntil(() => cluster.holders(recovered).length === 3);
  await cluster.runUntil(() => left!.replicas.get(block.blockId)?.generationStamp !== block.generationStamp);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
  t.like(cluster.services.health().blocks, { missing: 0, underReplicated: 0, corrupt: 0 });
});

test('an old replica is not deleted while the newer ones are not beyond doubt', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write({ replication: 3 });
  await cluster.run(1000);
  const [left, ...others] = cluster.holders(block);
  cluster.services.blocks.reopen(block.blockId, 0);
  const recovered = { ...block, generationStamp: 5000, lengthBytes: 7 };
  for (const node of others) {
    node.isCutOff = true;
    node.store(recovered);
  }
  cluster.commit(recovered, others.map(({ uuid, storageId }) => ({ datanodeUuid: uuid, storageId, name: '', address: '', rack: '', state: 'live' as const })));
  await cluster.run(60_000);
  t.true(left!.replicas.has(block.blockId), 'nobody but their writer has told of the newer ones');
  for (const node of others) node.isCutOff = false;
  await cluster.runUntil(() => cluster.holders(recovered).length === 3);
});

test('a rotten replica, and one that may be deleted already, do not go on with a block that is opened again', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ replication: 4 });
  await cluster.run(1000);
  const { blocks } = cluster.services;
  for (const node of cluster.nodes) node.ignores.add('invalidate');
  blocks.setReplication(block.blockId, 3);
  await cluster.run(3000);
  t.is(cluster.locations(block).length, 3);
  const doomed = cluster.nodes.find((node) => !cluster.locations(block).includes(node.name))!;
  blocks.reopen(block.blockId, 0);
  t.false(orderOf(cluster, block, 2000).order.replicas.some(({ name }) => name === doomed.name));
  t.is(orderOf(cluster, block, 2000).order.replicas.length, 3);
});

test('a copy that was on its way when the block was opened again becomes a leftover of the old generation', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ replication: 3 });
  await cluster.run(1000);
  const dead = cluster.holders(block)[0]!;
  for (const node of cluster.nodes) node.ignores.add('replicate');
  dead.kill();
  await cluster.runUntil(() => cluster.nodes.some(({ commands }) => commands.some(({ kind }) => kind === 'replicate')), 60_000);
  const target = cluster.nodes.find((node) => !cluster.locations(block).includes(node.name) && node !== dead)!;
  const { blocks } = cluster.services;
  const targets = blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  t.is(cluster.services.health().blocks.underReplicated, 1);
  blocks.reopen(block.blockId, 0);
  t.like(cluster.services.health().blocks, { underReplicated: 0, pendingReplication: 0 }, 'its writer looks after it now');
  const newer = { ...block, generationStamp: 5000 };
  blocks.updatePipeline(newer, targets);
  target.store(block);
  const appended = { ...newer, lengthBytes: block.lengthBytes + 1 };
  for (const place of targets) cluster.node(place).store(appended);
  cluster.commit(appended, targets);
  t.deepEqual(cluster.locations(appended), targets.map(({ name }) => name).sort(), 'the old copy is not among them');
  for (const node of cluster.nodes) node.ignores.clear();
  await cluster.runUntil(() => cluster.holders(appended).length === 3);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a block that is deleted while it is recovered leaves no replica of any generation (faults 38, 49)', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: 20_000 });
  const block = cluster.begin();
  const { order } = orderOf(cluster, block, 2000);
  cluster.services.blocks.orderRecovery(order, 0);
  await cluster.run(2000);
  const recovered = { ...block, generationStamp: 2000, lengthBytes: 9 };
  const [first, second, third] = cluster.nodes;
  first!.store(recovered);
  second!.store(recovered);
  cluster.delete(block);
  // Its part of the recovery came too late.
  third!.store(recovered);
  await cluster.runUntil(() => cluster.nodes.every((node) => !node.replicas.has(block.blockId)), 60_000);
  t.is(cluster.services.health().blocks.missing, 0);
});

test('a block that was written before the restart of the name node, and then deleted, leaves no replica being written', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin();
  // Being written: in no report.
  await cluster.restartNameNode();
  await cluster.run(3000);
  cluster.delete(block);
  await cluster.run(3000);
  t.true(cluster.nodes.every(({ commands }) => commands.some((command) => command.kind === 'invalidate' && command.blocks.some(({ blockId }) => blockId === block.blockId))));
});

test('an old replica that is reported while its block is under construction goes when the block is complete, without being reported again (fault 37)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ replication: 2 });
  await cluster.run(1000);
  const [kept, old] = cluster.holders(block);
  const newer = { ...block, generationStamp: 5000 };
  cluster.services.blocks.reopen(block.blockId, 0);
  Object.assign(cluster.catalogBlocks[0]!, newer, { isComplete: false });
  // What it knew of the pipeline goes with the name node: then the old replica is only a line of a report.
  await cluster.restartNameNode();
  await cluster.run(3000);
  const other = cluster.nodes.find((node) => node !== kept && node !== old)!;
  const recovered = { ...newer, generationStamp: 6000 };
  for (const node of [kept!, other]) node.store(recovered);
  cluster.commit(recovered, [kept!, other].map(({ uuid, storageId }) => ({ datanodeUuid: uuid, storageId, name: '', address: '', rack: '', state: 'live' as const })));
  t.true(old!.replicas.has(block.blockId));
  const idle = cluster.nodes.find((node) => node !== kept && node !== old && node !== other)!;
  await cluster.runUntil(() => idle.commands.some((command) => command.kind === 'invalidate' && command.blocks[0]!.generationStamp === 5999), 60_000);
  await cluster.runUntil(() => !old!.replicas.has(block.blockId), 60_000);
  t.is(cluster.holders(recovered).length, 2);
});

test('a node that another one has replaced for good is not waited for: its block can still be given up', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.begin();
  const [gone] = cluster.nodes;
  gone!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.false(orderOf(cluster, block, 2000).areAll);
  await cluster.addNode({ uuid: 'uuid-new', port: gone!.port });
  await cluster.run(1000);
  const { order, areAll } = orderOf(cluster, block, 2001);
  t.true(areAll);
  t.deepEqual(order.replicas.map(({ datanodeUuid }) => datanodeUuid).sort(), ['uuid-2', 'uuid-3']);
});

test('a block whose only node was replaced at its address is not given up before that has been silent for long; when it is back elsewhere it is asked (fault 4)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin({ replication: 1 });
  const [place] = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const holder = cluster.node(place!);
  holder.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  await cluster.addNode({ uuid: 'uuid-new', port: holder.port });
  t.deepEqual(cluster.services.blocks.recoveryPlaces(block.blockId), { places: [], areAll: false }, 'it may be on its way');
  holder.port = 9990;
  await holder.start();
  await cluster.run(1000);
  const { order, areAll } = orderOf(cluster, block, 2000);
  t.true(areAll);
  t.deepEqual(order.replicas.map(({ datanodeUuid, address }) => ({ datanodeUuid, address })), [{ datanodeUuid: holder.uuid, address: '127.0.0.1:9990' }]);
  t.deepEqual(cluster.locations(block), order.replicas.map(({ name }) => name));
  cluster.delete(block);
  await cluster.run(2000);
  t.true(holder.commands.some((command) => command.kind === 'invalidate' && command.blocks.some(({ blockId }) => blockId === block.blockId)), 'what it has is deleted with its file');

  const lost = cluster.begin({ replication: 1 });
  const gone = cluster.node(cluster.services.blocks.locate(lost.blockId, { readerAddress: '127.0.0.1:1' })[0]!);
  gone.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 2);
  await cluster.addNode({ uuid: 'uuid-newer', port: gone.port });
  await cluster.run(90_000);
  t.false(cluster.services.blocks.recoveryPlaces(lost.blockId).areAll);
  await cluster.run(20_000);
  t.deepEqual(cluster.services.blocks.recoveryPlaces(lost.blockId), { places: [], areAll: true }, 'nobody is waited for any more');
});

test('an order to delete what a node had before it joined and left a pipeline does not hide what it has since (fault 49)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ replication: 3 });
  await cluster.run(1000);
  const { blocks, datanodes } = cluster.services;
  for (const node of cluster.nodes) node.isCutOff = true;
  blocks.setReplication(block.blockId, 2);
  await cluster.run(500);
  const doomed = cluster.node({ datanodeUuid: [...datanodes.nodes].find(({ invalidations }) => invalidations.size > 0)!.uuid });
  const others = cluster.holders(block).filter((node) => node !== doomed);
  const placesOf = (nodes: typeof others) => nodes.map(({ uuid, storageId }) => ({ datanodeUuid: uuid, storageId, name: '', address: '', rack: '', state: 'live' as const }));
  blocks.reopen(block.blockId, 0);
  blocks.updatePipeline({ ...block, generationStamp: 1003 }, placesOf([doomed, ...others]));
  // Being written: in no report.
  doomed.replicas.set(block.blockId, { ...block, generationStamp: 1003 });
  blocks.updatePipeline({ ...block, generationStamp: 1005 }, placesOf(others));
  const whole = { ...block, generationStamp: 1005, lengthBytes: block.lengthBytes + 1 };
  cluster.commit(whole, placesOf(others));
  doomed.isCutOff = false;
  await cluster.run(1000);
  t.is(cluster.services.datanodes.find(doomed.uuid)!.invalidations.size, 0);
  for (const node of others) {
    node.isCutOff = false;
    node.store(whole);
  }
  await cluster.runUntil(() => !doomed.replicas.has(block.blockId), 60_000);
  t.is(cluster.holders(whole).length, 2);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a pipeline that goes on with a node that was replaced a moment before is not taken for one of nobody: all are asked', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.begin({ replication: 1 });
  const { blocks } = cluster.services;
  const [place] = blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const holder = cluster.node(place!);
  holder.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  await cluster.addNode({ uuid: 'uuid-new', port: holder.port });
  blocks.updatePipeline({ ...block, generationStamp: 1002 }, [place!]);
  holder.port = 9990;
  await holder.start();
  await cluster.run(1000);
  t.true(orderOf(cluster, block, 2000).order.replicas.some(({ datanodeUuid }) => datanodeUuid === holder.uuid));
});
