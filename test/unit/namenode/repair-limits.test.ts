import test from 'ava';
import { BlockCluster, mebibyte } from '../../helpers/block-cluster.js';

const underReplicated = (cluster: BlockCluster) => cluster.services.health().blocks.underReplicated;

for (const seed of [1, 2, 3]) {
  test(`repair keeps to its limits, for each node and in total, and ends all the same (seed ${seed})`, async (t) => {
    const cluster = await BlockCluster.started(7, { seed, maxReplicationStreams: 2, repairLimits: { copiesPerNode: 3, bytesPerNode: 3 * mebibyte, copiesInTotal: 8 } });
    const blocks = Array.from({ length: 80 }, () => cluster.write());
    const large = Array.from({ length: 10 }, () => cluster.write({ lengthBytes: 100 * mebibyte }));
    await cluster.run(1000);
    cluster.nodes[seed]!.kill();
    let most = 0;
    await cluster.runUntil(() => {
      const { pendingReplication } = cluster.services.health().blocks;
      most = Math.max(most, pendingReplication);
      t.true(pendingReplication <= 8);
      for (const { incoming, outgoing, name } of cluster.services.datanodes.nodes) {
        for (const running of [incoming, outgoing]) {
          t.true(running.count <= 3, `${name}: ${running.count} copies at a time`);
          if (running.count > 2) t.true(running.bytes <= 3 * mebibyte, `${name}: beyond its streams only small ones`);
        }
      }
      return cluster.events('node-dead').length === 1 && underReplicated(cluster) === 0;
    }, 600_000);
    t.true(most >= 6, 'and they are used');
    for (const block of [...blocks, ...large]) t.is(cluster.holders(block).filter((node) => node.isRunning).length, 3);
  });
}

test('a source that takes its orders and sends nothing is passed over by the next try, whatever the seed', async (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const cluster = await BlockCluster.started(5, { seed });
    const block = cluster.write();
    await cluster.run(1000);
    const [victim, mute] = cluster.holders(block);
    mute!.ignores.add('replicate');
    victim!.kill();
    await cluster.runUntil(() => cluster.events('node-dead').length === 1);
    const tookMs = await cluster.runUntil(() => cluster.holders(block).filter((node) => node.isRunning).length === 3, 30_000);
    t.true(tookMs <= 10_000, `seed ${seed}: ${tookMs} ms`);
  }
});

test('a copy that makes progress is waited for however long it takes; one that stands still is made again', async (t) => {
  const cluster = await BlockCluster.started(4);
  const block = cluster.write({ lengthBytes: 100 * mebibyte });
  await cluster.run(1000);
  cluster.holders(block)[0]!.kill();
  for (const node of cluster.nodes) node.ignores.add('replicate');
  await cluster.runUntil(() => cluster.nodes.some((node) => node.commands.some(({ kind }) => kind === 'replicate')));
  const source = cluster.nodes.find((node) => node.commands.some(({ kind }) => kind === 'replicate'))!;
  const orders = () => cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'replicate').length;
  for (let done = 1; done <= 12; done++) {
    source.replications = [{ blockId: block.blockId, doneBytes: done * mebibyte, totalBytes: 100 * mebibyte }];
    await cluster.run(20_000);
    t.is(orders(), 1, `${done} MiB after ${done * 20} s: it goes on`);
  }
  t.is(cluster.services.health().repair.transfers[0]!.doneBytes, 12 * mebibyte);
  await cluster.runUntil(() => orders() > 1, 120_000);
});

test('a data node that is cut off from the name node is dead and repaired; when it is back the excess goes, and what was deleted meanwhile (fault 28)', async (t) => {
  for (const seed of [1, 2, 3]) {
    const cluster = await BlockCluster.started(4, { seed, strangerGraceMs: 5000 });
    const blocks = Array.from({ length: 30 }, () => cluster.write());
    await cluster.run(1000);
    const node = cluster.nodes[seed]!;
    const held = blocks.filter((block) => node.replicas.has(block.blockId));
    const deleted = held[0]!;
    node.isCutOff = true;
    await cluster.runUntil(() => cluster.events('node-dead').length === 1);
    await cluster.runUntil(() => underReplicated(cluster) === 0);
    cluster.delete(deleted);
    await cluster.run(3000);
    t.true(node.replicas.has(deleted.blockId), 'it cannot be told');
    node.isCutOff = false;
    await cluster.run(20_000);
    for (const block of blocks) t.is(cluster.holders(block).length, block === deleted ? 0 : 3);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.like(cluster.services.health(), { status: 'HEALTHY', blocks: { pendingReplication: 0, pendingDeletion: 0 } });
  }
});

test('a node whose messages are lost one way is dead once and back once, whatever it hears meanwhile: no flapping (fault 30)', async (t) => {
  const cluster = await BlockCluster.started(4);
  Array.from({ length: 10 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  const held = node!.replicas.size;
  node!.isCutOff = true;
  await cluster.run(60_000);
  t.is(cluster.events('node-dead').length, 1);
  t.is(underReplicated(cluster), 0);
  const ordered = cluster.nodes.flatMap((each) => each.commands).filter(({ kind }) => kind === 'replicate').length;
  t.is(ordered, held, 'each block is copied once');
  node!.isCutOff = false;
  await cluster.run(30_000);
  t.is(cluster.events('node-dead').length, 1);
  t.is(cluster.events('node-stale').length, 1);
  t.is(cluster.events('node-live').length, 1);
  t.is(cluster.nodes.flatMap((each) => each.commands).filter(({ kind }) => kind === 'replicate').length, ordered);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a node that hears nothing, and whose heartbeats arrive, holds nothing up: others do its work (fault 30)', async (t) => {
  const cluster = await BlockCluster.started(5);
  const blocks = Array.from({ length: 30 }, () => cluster.write());
  await cluster.run(1000);
  const [victim, deaf] = cluster.nodes;
  for (const kind of ['replicate', 'invalidate', 'verify', 'blockReport'] as const) deaf!.ignores.add(kind);
  victim!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  await cluster.runUntil(() => underReplicated(cluster) === 0, 60_000);
  t.is(cluster.events('node-stale').filter(({ node }) => node === deaf!.name).length, 0);
  for (const block of blocks) t.is(cluster.holders(block).filter((node) => node.isRunning).length, 3);
});

test('with one good copy and rot beside it, excess never takes the good one (fault 51)', async (t) => {
  for (const seed of [1, 2, 3, 4]) {
    const cluster = await BlockCluster.started(4, { seed });
    const block = cluster.write({ replication: 4 });
    await cluster.run(1000);
    const [good, ...others] = cluster.nodes;
    for (const node of others) node.rotten.add(block.blockId);
    cluster.services.blocks.reportBadReplicas(others.map((node) => ({ block, datanodeUuid: node.uuid, storageId: node.storageId })));
    cluster.services.blocks.setReplication(block.blockId, 1);
    await cluster.run(120_000);
    t.true(cluster.holders(block).includes(good!), `seed ${seed}`);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.is(cluster.services.health().blocks.missing, 0);
  }
});
