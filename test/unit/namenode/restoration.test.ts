import test from 'ava';
import { decodeRestoration, encodeRestoration, isSpared, restoredGraceMs } from '../../../source/namenode/restoration.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

const restoration = { timeMs: 1_800_000_000_000, backupEditId: 77, lastKnownBlockId: 5000, firstNewBlockId: 2 ** 50 };

test('a restoration is kept as it was', (t) => {
  t.deepEqual(decodeRestoration(encodeRestoration(restoration)), restoration);
});

test('blocks that were created after the backup are spared for a day, others are not', (t) => {
  for (const [blockId, upTimeMs, expected] of [[5001, 0, true], [5000, 0, false], [2 ** 50, 0, false], [2 ** 50 - 1, restoredGraceMs - 1, true], [5001, restoredGraceMs, false]] as const) {
    t.is(isSpared(restoration, blockId, upTimeMs), expected, `${blockId} ${upTimeMs}`);
  }
});

test('unknown replicas that are spared outlive the grace of others, and go when nothing spares them any more', async (t) => {
  let isOver = false;
  const cluster = await BlockCluster.started(3, { strangerGraceMs: 20_000, isSpared: (blockId) => !isOver && blockId > 6000 });
  const [node] = cluster.nodes;
  for (const blockId of [6000, 6001, 6002]) node!.replicas.set(blockId, { blockId, generationStamp: 7, lengthBytes: 10 });
  await node!.report();
  await cluster.run(100_000);
  t.deepEqual([...node!.replicas.keys()], [6001, 6002]);
  isOver = true;
  await cluster.run(30_000);
  t.deepEqual([...node!.replicas.keys()], []);
});
