import test from 'ava';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster, type SimulatedDatanode } from '../../helpers/block-cluster.js';

const graceMs = 20_000;

/** Blocks that a node was told to delete: what is being written is not among its reported replicas. */
function ordered(node: SimulatedDatanode, { blockId }: Block): number[] {
  return node.commands.flatMap((command) => (command.kind === 'invalidate' ? command.blocks.filter((block) => block.blockId === blockId).map((block) => block.generationStamp) : []));
}

test('a replica without a writer whose block belongs to no file is deleted, after the grace', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: graceMs });
  const [node] = cluster.nodes;
  const orphan = { blockId: 5_000_000, generationStamp: 7, lengthBytes: 10 };
  await node!.reportAbandoned([orphan]);
  await cluster.run(graceMs - 2000);
  t.deepEqual(ordered(node!, orphan), []);
  await node!.reportAbandoned([orphan]);
  await cluster.runUntil(() => ordered(node!, orphan).length > 0, 5000);
});

test('a replica without a writer stays as long as its block waits for its recovery, over restarts of the name node too', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: graceMs });
  const block = cluster.begin();
  const [node] = cluster.nodes;
  for (let round = 0; round < 5; round++) {
    await node!.reportAbandoned([{ ...block, lengthBytes: 10 }]);
    await cluster.run(graceMs);
    if (round === 2) {
      await cluster.restartNameNode();
      await cluster.run(2000);
    }
  }
  t.deepEqual(ordered(node!, block), []);
});

test('a replica without a writer of an old generation goes only once enough newer replicas are verified', async (t) => {
  const cluster = await BlockCluster.started(4, { strangerGraceMs: graceMs });
  const block = cluster.begin();
  const targets = cluster.services.blocks.locate(block.blockId, { readerAddress: '127.0.0.1:1' });
  const other = cluster.nodes.find((node) => !targets.some(({ datanodeUuid }) => datanodeUuid === node.uuid))!;
  const whole = { ...block, generationStamp: 1005, lengthBytes: 20 };
  const [first, ...rest] = targets.map((target) => cluster.node(target));
  first!.ignores.add('replicate');
  first!.store(whole);
  cluster.services.blocks.updatePipeline(whole, targets.slice(0, 1));
  cluster.commit(whole, targets.slice(0, 1));
  await other.reportAbandoned([{ ...block, lengthBytes: 10 }]);
  await cluster.run(2 * graceMs);
  t.deepEqual(ordered(other, block), [], 'one newer replica may still be lost');
  for (const node of rest) node.store(whole);
  await cluster.runUntil(() => ordered(other, block).length > 0, 2 * graceMs);
  t.is(cluster.holders(whole).length, 3);
});

test('beside the replica of now an older one without a writer goes, and that of now stays', async (t) => {
  const cluster = await BlockCluster.started(3, { strangerGraceMs: graceMs });
  const block = cluster.write();
  const [node] = cluster.nodes;
  await cluster.run(2000);
  await node!.reportAbandoned([{ ...block, generationStamp: block.generationStamp - 1 }]);
  await cluster.runUntil(() => ordered(node!, block).length > 0, 2 * graceMs);
  await cluster.run(5000);
  t.is(cluster.holders(block).length, 3);
  t.true(ordered(node!, block).every((generationStamp) => generationStamp < block.generationStamp));
});
