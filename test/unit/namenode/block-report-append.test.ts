import test from 'ava';
import { BlockCluster } from '../../helpers/block-cluster.js';

test('a report from before an append does not take the newest replicas away (fault 36, HDFS-16987)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const before = cluster.nodes.map((node) => ({ node, reportId: node.nextReportId(), replicas: [...node.replicas.values()] }));

  const { blocks } = cluster.services;
  const targets = blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const appended = { ...block, generationStamp: block.generationStamp + 1, lengthBytes: block.lengthBytes + 10 };
  blocks.reopen(block.blockId, 2 * block.lengthBytes);
  blocks.updatePipeline({ ...appended, lengthBytes: block.lengthBytes }, targets);
  for (const node of cluster.nodes) node.store(appended);
  cluster.commit(appended, targets);
  await cluster.run(1000);

  for (const { node, reportId, replicas } of before) await node.reportSlice({ reportId, sliceIndex: 0, isLast: true, replicas });
  t.is(cluster.locations(appended).length, 3, 'a node that told of the new replica has it');
  t.like(cluster.services.health().blocks, { missing: 0, underReplicated: 0, corrupt: 0 });
  await cluster.run(60_000);
  t.is(cluster.holders(appended).length, 3);
  t.is(cluster.nodes.flatMap((node) => node.commands).filter(({ kind }) => kind === 'replicate' || kind === 'invalidate').length, 0, 'nothing is copied or deleted for it');
});

test('a node that comes back with the generation of before an append is believed, and gets the new one (fault 37)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const { blocks } = cluster.services;
  const [left, ...others] = cluster.nodes;
  left!.kill();
  const targets = blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' }).filter(({ datanodeUuid }) => datanodeUuid !== left!.uuid);
  const appended = { ...block, generationStamp: block.generationStamp + 1, lengthBytes: block.lengthBytes + 10 };
  blocks.reopen(block.blockId, 2 * block.lengthBytes);
  blocks.updatePipeline({ ...appended, lengthBytes: block.lengthBytes }, targets);
  for (const node of others) node.store(appended);
  cluster.commit(appended, targets);
  await cluster.run(15_000);

  await left!.start();
  t.false(cluster.locations(appended).includes(left!.name), 'its replica is old');
  await cluster.runUntil(() => cluster.holders(appended).length === 3);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a file is deleted while a replica of it is being recovered: what the recovery leaves goes after the grace, and no order hangs (faults 38, 49)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [ahead] = cluster.nodes;
  ahead!.replicas.set(block.blockId, { ...block, generationStamp: block.generationStamp + 1 });
  cluster.delete(block);
  await cluster.run(5000);
  t.true(ahead!.replicas.has(block.blockId), 'nobody knows yet what it is');
  t.is(cluster.services.health().blocks.pendingDeletion, 0);
  await cluster.run(65_000);
  t.false(ahead!.replicas.has(block.blockId));
});
