import test from 'ava';
import { BlockCluster } from '../../helpers/block-cluster.js';

test('a reader meets rotten bytes: the node checks, puts the copy aside, and gets a good one in its place, with three nodes too (fault 12)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [first] = cluster.nodes;
  first!.rotten.add(block.blockId);
  cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: first!.uuid, storageId: first!.storageId }]);
  const order = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' }).map(({ name }) => name);
  t.is(order.length, 3);
  t.is(order[2], first!.name, 'the doubted copy is the last one to try');
  await cluster.runUntil(() => cluster.events('replica-corrupt').length === 1, 2000);
  t.is(cluster.messages.at(-1), `blk_${block.blockId}_1001 on dn1 is rotten (checksum of chunk 3); 2 good copies left`);
  t.like(cluster.services.health().blocks, { corrupt: 1, underReplicated: 1 });
  t.is(cluster.services.health().status, 'DEGRADED');
  await cluster.runUntil(() => cluster.holders(block).length === 3, 3000);
  await cluster.run(1000);
  t.true(cluster.messages.includes(`the rotten copy of blk_${block.blockId} on dn1 was replaced`));
  t.like(cluster.services.health().blocks, { corrupt: 0, underReplicated: 0 });
  t.is(cluster.services.health().status, 'HEALTHY');
});

test('a reader that is wrong changes nothing', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  for (const node of cluster.nodes) cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: node.uuid, storageId: node.storageId }]);
  t.is(cluster.locations(block).length, 3, 'doubted by one reader is better than none');
  await cluster.run(3000);
  t.is(cluster.holders(block).length, 3);
  t.is(cluster.services.health().status, 'HEALTHY');
  t.is(cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'verify').length, 3);
  t.is(cluster.events('replica-corrupt').length, 0);
});

test('when all copies are rotten the block is missing, and nothing is ordered to be deleted (fault 26)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  for (const node of cluster.nodes) {
    node.rotten.add(block.blockId);
    cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: node.uuid, storageId: node.storageId }]);
  }
  await cluster.run(10_000);
  t.like(cluster.services.health().blocks, { missing: 1, corrupt: 1, underReplicated: 0 });
  t.is(cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'invalidate').length, 0);
  t.deepEqual(cluster.locations(block), []);
  const all = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1', allReplicas: true });
  t.deepEqual(all.map(({ name, isCorrupt }) => [name, isCorrupt]).sort(), cluster.nodes.map(({ name }) => [name, true]).sort(), 'who looks for lost blocks sees that there are copies, and what they are worth');
});

test('a replica of the wrong length is rotten: not served, replaced elsewhere, and deleted after that', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write();
  await cluster.run(1000);
  const short = cluster.holders(block)[0]!;
  short.replicas.set(block.blockId, { ...block, lengthBytes: block.lengthBytes - 1 });
  await short.report();
  t.false(cluster.locations(block).includes(short.name));
  const all = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1', allReplicas: true });
  t.deepEqual(all.filter(({ isCorrupt }) => isCorrupt).map(({ name }) => name), [short.name]);
  await cluster.runUntil(() => cluster.holders(block).length === 3 && !short.replicas.has(block.blockId));
  await cluster.run(1000);
  t.is(cluster.services.health().status, 'HEALTHY');
});

test('a rotten copy is never what a new one is made from, whatever else is to be chosen from (fault 12)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 30 }, () => cluster.write());
  await cluster.run(1000);
  const rottenHolders = new Map<number, string>();
  for (const block of blocks) {
    const rotten = cluster.holders(block)[block.blockId % 3]!;
    rottenHolders.set(block.blockId, rotten.name);
    rotten.replicas.set(block.blockId, { ...block, lengthBytes: block.lengthBytes - 1 });
  }
  for (const node of cluster.nodes) await node.report();
  await cluster.runUntil(() => cluster.services.health().status === 'HEALTHY');
  let orders = 0;
  for (const node of cluster.nodes) {
    for (const command of node.commands) {
      if (command.kind !== 'replicate') continue;
      orders++;
      t.not(node.name, rottenHolders.get(command.block.blockId), 'its copy was known to be rotten');
    }
  }
  t.true(orders >= blocks.length);
});

test('a replica of the wrong length makes room for a good one where there is no other node, and only beside good ones', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [first, second, third] = cluster.nodes;
  for (const node of [first!, second!]) {
    node.replicas.set(block.blockId, { ...block, lengthBytes: 5 });
    await node.report();
  }
  await cluster.runUntil(() => cluster.holders(block).length === 3);
  third!.replicas.set(block.blockId, { ...block, lengthBytes: 5 });
  first!.replicas.set(block.blockId, { ...block, lengthBytes: 5 });
  second!.replicas.set(block.blockId, { ...block, lengthBytes: 5 });
  for (const node of cluster.nodes) await node.report();
  await cluster.run(30_000);
  t.is(cluster.services.health().blocks.missing, 1);
  for (const node of cluster.nodes) t.true(node.replicas.has(block.blockId), 'bad as it is, it is all there is');
});

test('a node that returns with an old generation: its replica is never served, and goes only once there are enough newer ones (fault 37)', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: 60_000 });
  const block = cluster.begin();
  const [first, second, third] = cluster.nodes;
  third!.replicas.set(block.blockId, { ...block, lengthBytes: 100 });
  third!.kill();
  const newer = { ...block, generationStamp: 1002, lengthBytes: 500 };
  const places = [first!, second!].map((node) => ({ datanodeUuid: node.uuid, storageId: node.storageId }));
  cluster.services.blocks.updatePipeline({ ...newer, lengthBytes: 0 }, places);
  for (const node of [first!, second!]) node.store(newer);
  cluster.commit(newer, cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' }));
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.is(cluster.services.health().blocks.underReplicated, 1);
  for (const node of cluster.nodes) node.ignores.add('replicate');
  await third!.start();
  t.deepEqual(cluster.locations(newer), [first!.name, second!.name].sort());
  await cluster.run(30_000);
  t.true(third!.replicas.has(block.blockId), 'left alone during the grace');
  first!.kill();
  second!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 3);
  await cluster.run(120_000);
  t.true(third!.replicas.has(block.blockId), 'no newer copy is alive: it stays');
  t.deepEqual(cluster.locations(newer), []);
  await first!.start();
  await second!.start();
  await cluster.runUntil(() => !third!.replicas.has(block.blockId));
  for (const node of cluster.nodes) node.ignores.clear();
  await cluster.runUntil(() => cluster.holders(newer).length === 3);
});

test('what a node could not put aside is not served, and deleted once the block is whole elsewhere', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write();
  await cluster.run(1000);
  const bad = cluster.holders(block)[0]!;
  await cluster.services.service['datanode.reportCorrupt'](
    { ...bad.sender(), replicas: [{ storageId: bad.storageId, block, isQuarantined: false, reason: 'EIO' }] },
    { user: 'dfs', clientId: 'node', role: 'datanode', remoteAddress: '127.0.0.1:1' },
  );
  bad.rotten.add(block.blockId);
  t.false(cluster.locations(block).includes(bad.name));
  await cluster.run(1000);
  await bad.report();
  t.false(cluster.locations(block).includes(bad.name), 'a report lists it, and does not make it good');
  await cluster.runUntil(() => cluster.holders(block).length === 3 && !bad.replicas.has(block.blockId));
});

test('what a node has put aside goes when its file is deleted', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [first] = cluster.nodes;
  for (const node of cluster.nodes) node.ignores.add('replicate');
  first!.rotten.add(block.blockId);
  cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: first!.uuid, storageId: first!.storageId }]);
  await cluster.runUntil(() => first!.quarantined.size === 1, 5000);
  cluster.delete(block);
  t.deepEqual([...first!.quarantined.keys()], [block.blockId]);
  await cluster.runUntil(() => first!.quarantined.size === 0, 5000);
});

test('what a node has put aside goes though its block is opened again, and has another generation, before the node is told', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write();
  await cluster.run(1000);
  const [first] = cluster.holders(block);
  first!.rotten.add(block.blockId);
  cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: first!.uuid, storageId: first!.storageId }]);
  await cluster.runUntil(() => cluster.messages.some((message) => message.endsWith('was replaced')), 10_000);
  t.is(first!.quarantined.size, 1);
  cluster.services.blocks.reopen(block.blockId, 0);
  await cluster.run(5000);
  t.is(first!.quarantined.size, 1, 'of a block that somebody writes nothing is deleted');
  const recovered = { ...block, generationStamp: 5000 };
  const others = cluster.nodes.filter((node) => node !== first);
  for (const node of others) node.store(recovered);
  cluster.commit(recovered, others.map(({ uuid, storageId }) => ({ datanodeUuid: uuid, storageId, name: '', address: '', rack: '', state: 'live' as const })));
  await cluster.runUntil(() => first!.quarantined.size === 0, 60_000);
  t.is(cluster.holders(recovered).length, 3);
});

test('what a node has put aside goes though name node name node and data node have restarted: when its file is gone, or the block whole again', async (t) => {
  const cluster = await BlockCluster.started(4, { strangerGraceMs: 60_000 });
  const [deleted, kept] = [cluster.write(), cluster.write()];
  await cluster.run(1000);
  for (const node of cluster.nodes) node.ignores.add('replicate');
  const first = cluster.nodes.find((node) => cluster.holders(deleted).includes(node) && cluster.holders(kept).includes(node))!;
  for (const block of [deleted, kept]) {
    first.rotten.add(block.blockId);
    cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: first.uuid, storageId: first.storageId }]);
  }
  await cluster.runUntil(() => first.quarantined.size === 2, 5000);
  first.kill();
  cluster.delete(deleted);
  for (const node of cluster.nodes) node.ignores.clear();
  await cluster.runUntil(() => cluster.holders(kept).length === 3);
  await cluster.restartNameNode();
  await cluster.run(20_000);
  await first.start();
  t.is(first.quarantined.size, 2);
  await cluster.run(5000);
  t.deepEqual([...first.quarantined.keys()], [deleted.blockId], 'a block that nobody knows is left alone for a while');
  await cluster.runUntil(() => first.quarantined.size === 0);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});
