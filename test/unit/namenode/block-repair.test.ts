import test from 'ava';
import { BlockCluster } from '../../helpers/block-cluster.js';

const allHealthy = (cluster: BlockCluster) => () => {
  const { blocks } = cluster.services.health();
  return blocks.underReplicated === 0 && blocks.missing === 0;
};

test('a node dies: its blocks are copied to the rest, within two heartbeats of the verdict, and it is told', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 50 }, () => cluster.write());
  await cluster.run(2000);
  t.is(cluster.services.health().status, 'HEALTHY');
  const dead = cluster.nodes[2]!;
  const lostCount = dead.replicas.size;
  t.true(lostCount > 10);
  dead.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  t.is(cluster.messages.at(-1), 'dn3 no heartbeat for 3 s: STALE');
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.true(cluster.messages.includes(`dn3 DEAD, ${lostCount} blocks under-replicated, 0 missing; re-replication started`), cluster.messages.join('\n'));
  const repair = cluster.services.health().repair;
  t.is(repair.totalBlocks, lostCount);
  const tookMs = await cluster.runUntil(() => cluster.nodes.some((node) => node.commands.some(({ kind }) => kind === 'replicate')));
  t.true(tookMs <= 2000);
  await cluster.runUntil(allHealthy(cluster));
  for (const block of blocks) {
    const holders = cluster.holders(block).filter((node) => node.isRunning);
    t.is(holders.length, 3);
    t.deepEqual(cluster.locations(block), holders.map(({ name }) => name).sort());
    const all = cluster.services.blocks.locate(block.blockId, { readerAddress: '', allReplicas: true });
    t.is(all.length, 3, 'the dead one is forgotten, now that there are enough');
  }
  t.is(cluster.services.health().status, 'DEGRADED', 'a node is dead still');
  await cluster.run(500);
  t.is(cluster.events('repair-finished').length, 1);
  t.deepEqual(cluster.services.health().repair.totalBlocks, 0);
});

test('a node that comes back: the excess goes, from the fullest node, and never more than the excess', async (t) => {
  const cluster = await BlockCluster.started(3);
  const full = await cluster.addNode({ otherUsedBytes: 900 * 1024 ** 3 });
  await cluster.run(1000);
  const blocks = Array.from({ length: 30 }, () => cluster.write());
  await cluster.run(1000);
  const [, , away] = cluster.nodes;
  away!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  await cluster.runUntil(allHealthy(cluster));
  const heldByFull = full.replicas.size;
  t.is(heldByFull, 30, 'with three nodes left each block is on each of them');
  await away!.start();
  const returned = away!.replicas.size;
  t.true(returned > 0);
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 3));
  await cluster.run(5000);
  for (const block of blocks) t.is(cluster.holders(block).length, 3);
  t.is(full.replicas.size, 30 - returned, 'what is too much goes where there is the least room');
  t.is(cluster.services.health().status, 'HEALTHY');
  t.is(cluster.services.blocks.pendingDeletionCount(), 0);
});

test('excess on nodes that are equally free goes from all of them, not from one', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 80 }, () => cluster.write({ replication: 4 }));
  await cluster.run(2000);
  for (const { blockId } of blocks) cluster.services.blocks.setReplication(blockId, 2);
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 2));
  for (const node of cluster.nodes) t.true(Math.abs(node.replicas.size - 40) <= 1, `${node.name} keeps ${node.replicas.size}`);
});

test('with two of three nodes dead every block keeps its last copy, and is repaired when one comes back', async (t) => {
  const cluster = await BlockCluster.started(3);
  const blocks = Array.from({ length: 20 }, () => cluster.write());
  await cluster.run(1000);
  const [first, second, third] = cluster.nodes;
  first!.kill();
  second!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 2);
  t.like(cluster.services.health().blocks, { underReplicated: 20, highestPriority: 20, missing: 0 });
  t.true(cluster.messages.some((message) => message.endsWith('DEAD, 20 blocks under-replicated, 0 missing; no data node is left to copy to')), cluster.messages.join('\n'));
  for (const block of blocks) t.deepEqual(cluster.locations(block), [third!.name]);
  third!.kill();
  await cluster.runUntil(() => cluster.services.health().blocks.missing === 20);
  t.regex(cluster.events('block-missing')[0]!.message, /^20 blocks without a good replica on any live node: blk_\d+ of \/file-\d+, .*\.\.\.$/);
  await first!.start();
  await cluster.run(1000);
  t.like(cluster.services.health().blocks, { underReplicated: 20, missing: 0 });
  t.is(cluster.events('block-missing').at(-1)!.message, 'every block has a good replica again');
  await second!.start();
  await third!.start();
  await cluster.runUntil(allHealthy(cluster));
  t.is(cluster.services.health().status, 'HEALTHY');
  for (const block of blocks) t.is(cluster.holders(block).length, 3);
});

test('blocks with the fewest copies are copied first', async (t) => {
  const cluster = await BlockCluster.started(6, { maxReplicationStreams: 1, repairLimits: { copiesPerNode: 1 } });
  const blocks = Array.from({ length: 60 }, () => cluster.write());
  await cluster.run(1000);
  const [first, second] = cluster.nodes;
  const single = new Set(blocks.filter((block) => cluster.holders(block).filter((node) => node !== first && node !== second).length === 1).map(({ blockId }) => blockId));
  t.true(single.size >= 3);
  // Both are gone before any copy is ordered.
  cluster.services.safeMode.enter();
  first!.kill();
  second!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 2);
  cluster.services.safeMode.leave();
  await cluster.runUntil(() => cluster.nodes.some((node) => node.commands.some(({ kind }) => kind === 'replicate')));
  const orders = () => cluster.nodes.flatMap((node) => node.commands.flatMap((command) => (command.kind === 'replicate' ? [command.block.blockId] : [])));
  const firstOrders = orders();
  t.true(firstOrders.length > 0 && firstOrders.length <= 4, 'one stream a node');
  const holdersOfSingle = new Set(blocks.filter(({ blockId }) => single.has(blockId)).flatMap((block) => cluster.holders(block).filter((node) => node.isRunning)));
  // Each node that has a last copy begins with one. (The last of four may find no free target but itself.)
  t.true(firstOrders.filter((blockId) => single.has(blockId)).length >= Math.min(3, holdersOfSingle.size));
  await cluster.runUntil(() => blocks.every((block) => !single.has(block.blockId) || cluster.holders(block).filter((node) => node.isRunning).length >= 2));
  const doubles = orders().filter((blockId) => !single.has(blockId)).length;
  t.true(doubles < 30, `${doubles} blocks with two copies were copied before those with one were safe`);
  await cluster.runUntil(allHealthy(cluster), 600_000);
});

test('a copy that never arrives is given up and made again elsewhere', async (t) => {
  const cluster = await BlockCluster.started(5, { seed: 7 });
  const block = cluster.write();
  await cluster.run(1000);
  const [victim] = cluster.holders(block);
  victim!.kill();
  for (const node of cluster.nodes) node.ignores.add('replicate');
  await cluster.runUntil(() => cluster.services.health().blocks.pendingReplication === 1);
  await cluster.run(2000);
  const firstOrder = cluster.nodes.flatMap((node) => node.commands).find(({ kind }) => kind === 'replicate')!;
  for (const node of cluster.nodes) {
    node.ignores.clear();
    node.commands.length = 0;
  }
  const tookMs = await cluster.runUntil(allHealthy(cluster));
  t.true(tookMs < 10_000, 'its source does nothing any more: that is noticed before the copy could have timed out');
  const secondOrder = cluster.nodes.flatMap((node) => node.commands).find(({ kind }) => kind === 'replicate')!;
  if (firstOrder.kind !== 'replicate' || secondOrder.kind !== 'replicate') return t.fail();
  t.not(secondOrder.targets[0]!.name, firstOrder.targets[0]!.name, 'not to the target that failed, while there is another');
  t.is(cluster.holders(block).filter((node) => node.isRunning).length, 3);
});

test('setReplication makes copies and deletes them', async (t) => {
  const cluster = await BlockCluster.started(5);
  const block = cluster.write({ replication: 2 });
  await cluster.run(1000);
  t.is(cluster.holders(block).length, 2);
  cluster.services.blocks.setReplication(block.blockId, 5);
  t.is(cluster.services.health().blocks.underReplicated, 1);
  await cluster.runUntil(() => cluster.holders(block).length === 5);
  cluster.services.blocks.setReplication(block.blockId, 1);
  await cluster.runUntil(() => cluster.holders(block).length === 1);
  await cluster.run(5000);
  t.is(cluster.holders(block).length, 1);
  t.deepEqual(cluster.locations(block), cluster.holders(block).map(({ name }) => name));
  t.is(cluster.services.health().status, 'HEALTHY');
});

test('excess waits while one of the copies is only claimed, doubted or on a silent node', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write();
  await cluster.run(1000);
  const silent = cluster.holders(block)[0]!;
  silent.isCutOff = true;
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  cluster.services.blocks.setReplication(block.blockId, 2);
  await cluster.run(3000);
  t.is(cluster.holders(block).length, 3, 'two of the three are on live nodes: none of these may go');
  silent.isCutOff = false;
  await cluster.runUntil(() => cluster.holders(block).length === 2);
  await cluster.run(5000);
  t.is(cluster.holders(block).length, 2);
});

test('a replica that is needed again before its deletion is ordered stays', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  cluster.services.blocks.setReplication(block.blockId, 2);
  cluster.services.tick();
  t.is(cluster.services.blocks.pendingDeletionCount(), 1);
  cluster.services.blocks.setReplication(block.blockId, 3);
  await cluster.run(5000);
  t.is(cluster.holders(block).length, 3);
  t.is(cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'invalidate' || kind === 'replicate').length, 0);
  t.is(cluster.services.health().status, 'HEALTHY');
});

test('blocks of a deleted file are deleted everywhere, also where the order is lost at first', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  cluster.nodes[0]!.ignores.add('invalidate');
  cluster.delete(block);
  t.is(cluster.services.health().blocks.pendingDeletion, 3);
  await cluster.run(3000);
  t.is(cluster.holders(block).length, 1);
  t.is(cluster.services.health().blocks.pendingDeletion, 1);
  cluster.nodes[0]!.ignores.clear();
  await cluster.runUntil(() => cluster.holders(block).length === 0);
  await cluster.run(1000);
  t.like(cluster.services.health().blocks, { total: 0, pendingDeletion: 0 });
});

test('when a target dies in the middle of a copy, the copy is ordered again at once', async (t) => {
  const cluster = await BlockCluster.started(5, { seed: 3 });
  const block = cluster.write();
  await cluster.run(1000);
  const [victim] = cluster.holders(block);
  victim!.kill();
  for (const node of cluster.nodes) node.ignores.add('replicate');
  await cluster.runUntil(() => cluster.services.health().blocks.pendingReplication === 1);
  const target = cluster.nodes.find((node) => node.name === cluster.services.health().repair.transfers[0]!.target)!;
  target.kill();
  for (const node of cluster.nodes) node.ignores.clear();
  await cluster.runUntil(() => cluster.events('node-dead').length === 2);
  const tookMs = await cluster.runUntil(allHealthy(cluster));
  t.true(tookMs <= 3000);
});

test('copies of a last good replica that failed at every other node are made again: what may be left of them there makes room', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [good, ...others] = cluster.nodes;
  for (const node of cluster.nodes) node.ignores.add('replicate');
  for (const node of others) {
    node.rotten.add(block.blockId);
    cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: node.uuid, storageId: node.storageId }]);
  }
  await cluster.runUntil(() => good!.commands.filter(({ kind }) => kind === 'replicate').length >= 2);
  await cluster.run(10_000);
  t.like(cluster.services.health().blocks, { underReplicated: 1, corrupt: 1 });
  for (const node of cluster.nodes) node.ignores.clear();
  await cluster.runUntil(() => cluster.holders(block).length === 3);
  await cluster.run(1000);
  t.is(cluster.services.health().status, 'HEALTHY');
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a last good replica is copied again though one other node has a copy of the wrong length, and a copy failed at the other one', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [good, short, empty] = cluster.nodes;
  good!.ignores.add('replicate');
  short!.ignores.add('replicate');
  empty!.replicas.delete(block.blockId);
  empty!.tell('deleted', block);
  await cluster.runUntil(() => good!.commands.concat(short!.commands).some(({ kind }) => kind === 'replicate'));
  short!.replicas.set(block.blockId, { ...block, lengthBytes: 5 });
  await short!.report();
  await cluster.run(10_000);
  good!.ignores.clear();
  await cluster.runUntil(() => cluster.holders(block).length === 3);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a copy that failed is made again though the only other node has no room for one', async (t) => {
  const cluster = await BlockCluster.started(2);
  const block = cluster.write();
  await cluster.addNode({ capacityBytes: block.lengthBytes / 2 });
  await cluster.run(1000);
  const [good, lost] = cluster.nodes;
  good!.ignores.add('replicate');
  lost!.replicas.delete(block.blockId);
  lost!.tell('deleted', block);
  await cluster.runUntil(() => good!.commands.some(({ kind }) => kind === 'replicate'));
  await cluster.run(10_000);
  good!.ignores.clear();
  await cluster.runUntil(() => cluster.holders(block).length === 2);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});
