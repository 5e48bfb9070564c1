import test from 'ava';
import { DatanodeDescriptor } from '../../../source/namenode/datanode-descriptor.js';
import { ConfiguredRacks } from '../../../source/namenode/rack-mapping.js';
import { chooseExcess } from '../../../source/namenode/replica-trimmer.js';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster, mebibyte } from '../../helpers/block-cluster.js';

const capacityBytes = 1000 * mebibyte;
const used = (cluster: BlockCluster) => cluster.nodes.map((node) => node.storage().usedBytes / capacityBytes);
const spread = (cluster: BlockCluster) => Math.max(...used(cluster)) - Math.min(...used(cluster));

/** Three nodes with 45 blocks of 10 MiB three times each, and empty newcomers. */
async function lopsided(newcomers: number, options: ConstructorParameters<typeof BlockCluster>[0] = {}): Promise<{ cluster: BlockCluster; blocks: Block[] }> {
  const cluster = await BlockCluster.started(0, { balancerLimits: { bytesPerSecond: 1024 ** 4 }, ...options });
  for (let i = 0; i < 3; i++) await cluster.addNode({ capacityBytes });
  await cluster.run(1000);
  const blocks = Array.from({ length: 45 }, () => cluster.write({ lengthBytes: 10 * mebibyte }));
  await cluster.run(1000);
  for (let i = 0; i < newcomers; i++) await cluster.addNode({ capacityBytes });
  await cluster.run(2000);
  return { cluster, blocks };
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`the balancer evens out the nodes, and no block ever has fewer copies than before (seed ${seed})`, async (t) => {
    const { cluster, blocks } = await lopsided(2, { seed });
    const { balancer } = cluster.services;
    t.true(spread(cluster) > 0.4);
    t.like(balancer.start(5), { isRunning: true, run: 1, thresholdPercent: 5 });
    await cluster.runUntil(() => {
      for (const block of blocks) if (cluster.holders(block).length < 3) t.fail(`blk_${block.blockId} has ${cluster.holders(block).length} copies`);
      return !balancer.status().isRunning;
    }, 600_000);
    t.like(balancer.status(), { outcome: 'balanced', leftBytes: 0, movingBytes: 0 });
    t.true(spread(cluster) <= 0.1, used(cluster).join());
    const { movedBlocks, movedBytes } = balancer.status();
    t.true(movedBlocks >= 40 && movedBlocks <= 70, `${movedBlocks}: all that is needed, and little more`);
    t.is(movedBytes, movedBlocks * 10 * mebibyte);
    await cluster.run(5000);
    for (const block of blocks) t.is(cluster.holders(block).length, 3);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.like(cluster.services.health(), { status: 'HEALTHY', blocks: { underReplicated: 0, pendingReplication: 0, pendingDeletion: 0 } });
    t.true(cluster.events('balancer').at(-1)!.message.startsWith('balancing ended: the cluster is balanced; '));
  });
}

test('a balanced cluster is left as it is', async (t) => {
  const { cluster } = await lopsided(0);
  cluster.services.balancer.start(10);
  await cluster.run(500);
  t.like(cluster.services.balancer.status(), { isRunning: false, outcome: 'balanced', movedBlocks: 0 });
});

test('it is stopped, moves nothing more, and goes on where it was', async (t) => {
  const { cluster, blocks } = await lopsided(2, { balancerLimits: { bytesPerSecond: 20 * mebibyte } });
  const { balancer } = cluster.services;
  balancer.start(5);
  await cluster.runUntil(() => balancer.status().movedBlocks >= 5);
  t.like(balancer.stop(), { isRunning: false, outcome: 'stopped' });
  await cluster.run(5000);
  const { movedBlocks } = balancer.status();
  await cluster.run(20_000);
  t.is(balancer.status().movedBlocks, movedBlocks);
  for (const block of blocks) t.is(cluster.holders(block).length, 3, 'what had begun was ended');
  t.like(balancer.start(5), { isRunning: true, run: 2 });
  await cluster.runUntil(() => balancer.status().outcome === 'balanced', 600_000);
  t.true(spread(cluster) <= 0.1);
});

test('what a move changes is not counted twice: a threshold below what is moved in a few seconds is reached, and nothing goes to and fro', async (t) => {
  const cluster = await BlockCluster.started(0, { balancerLimits: { bytesPerSecond: 10 * mebibyte } });
  for (let i = 0; i < 3; i++) await cluster.addNode({ capacityBytes });
  await cluster.run(1000);
  for (let i = 0; i < 75; i++) cluster.write({ lengthBytes: 6 * mebibyte });
  for (let i = 0; i < 2; i++) await cluster.addNode({ capacityBytes });
  await cluster.run(2000);
  const { balancer } = cluster.services;
  t.is(balancer.start(1).leftBytes, 520 * mebibyte, 'known at once');
  await cluster.runUntil(() => !balancer.status().isRunning, 120_000);
  t.like(balancer.status(), { outcome: 'balanced', leftBytes: 0 });
  t.true(spread(cluster) < 0.021, used(cluster).join());
  t.true(balancer.status().movedBlocks <= 95, `${balancer.status().movedBlocks}: 90 are needed`);
});

test('small blocks are moved many at a time, not two by two: what keeps a node busy until its next heartbeat', async (t) => {
  const cluster = await BlockCluster.started(0, { balancerLimits: { bytesPerSecond: 1024 ** 4 } });
  // Small disks that have room for a whole block all the same.
  for (let i = 0; i < 3; i++) await cluster.addNode({ capacityBytes: 10 * mebibyte, otherUsedBytes: -200 * mebibyte });
  await cluster.run(1000);
  const blocks = Array.from({ length: 500 }, () => cluster.write({ lengthBytes: 10_000 }));
  for (let i = 0; i < 2; i++) await cluster.addNode({ capacityBytes: 10 * mebibyte });
  await cluster.run(2000);
  const { balancer } = cluster.services;
  balancer.start(2);
  await cluster.runUntil(() => !balancer.status().isRunning, 30_000);
  t.like(balancer.status(), { outcome: 'balanced' });
  t.true(balancer.status().movedBlocks >= 400 && balancer.status().movedBlocks <= 700, `${balancer.status().movedBlocks}`);
  await cluster.run(5000);
  for (const block of blocks) t.is(cluster.holders(block).length, 3);
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('it keeps to its bandwidth, at each node', async (t) => {
  const { cluster } = await lopsided(1, { balancerLimits: { bytesPerSecond: 5 * mebibyte } });
  const { balancer } = cluster.services;
  const newcomer = cluster.nodes[3]!;
  balancer.start(1);
  await cluster.run(20_000);
  const received = newcomer.replicas.size * 10 * mebibyte;
  t.true(received >= 16 * 5 * mebibyte && received <= 24 * 5 * mebibyte, `${received / mebibyte} MiB in 20 s`);
});

test('racks stay as they were: what has replicas on two keeps them on two', async (t) => {
  const racks = new ConfiguredRacks(Object.fromEntries(['/a', '/a', '/b', '/a', '/a'].map((rack, index) => [`127.0.0.1:${9864 + index}`, rack])));
  const { cluster, blocks } = await lopsided(2, { racks });
  const { balancer } = cluster.services;
  balancer.start(5);
  await cluster.runUntil(() => !balancer.status().isRunning, 600_000);
  await cluster.run(5000);
  for (const block of blocks) t.true(new Set(cluster.holders(block).map((node) => cluster.services.datanodes.find(node.uuid)!.rack)).size === 2);
  t.is(cluster.services.health().blocks.badlyPlaced, 0);
  // The one node on /b has a replica of each block, and must keep it.
  t.is(cluster.nodes[2]!.replicas.size, 45);
  t.is(balancer.status().outcome, 'no-block');
  t.true(cluster.nodes.filter((_, index) => index !== 2).every((node) => node.replicas.size > 5), 'the others share their part');
});

test('with nothing that can be moved it ends, and says so', async (t) => {
  const cluster = await BlockCluster.started(0);
  for (let i = 0; i < 3; i++) await cluster.addNode({ capacityBytes: i === 0 ? capacityBytes / 4 : capacityBytes });
  for (let i = 0; i < 10; i++) cluster.write({ lengthBytes: 10 * mebibyte });
  await cluster.run(2000);
  const { balancer } = cluster.services;
  balancer.start(5);
  await cluster.runUntil(() => !balancer.status().isRunning);
  t.like(balancer.status(), { outcome: 'no-block', movedBlocks: 0 });
  t.is(cluster.events('balancer').at(-1)!.level, 'warn');
});

test('nodes come and go while it runs: repair goes on beside it, and nothing is lost', async (t) => {
  for (const seed of [11, 12, 13]) {
    const { cluster, blocks } = await lopsided(3, { seed, balancerLimits: { bytesPerSecond: 50 * mebibyte } });
    const { balancer } = cluster.services;
    balancer.start(5);
    await cluster.run(3000);
    cluster.nodes[seed % 6]!.kill();
    await cluster.run(15_000);
    await cluster.nodes[seed % 6]!.start();
    cluster.nodes[(seed + 1) % 6]!.isCutOff = true;
    await cluster.run(5000);
    cluster.nodes[(seed + 1) % 6]!.isCutOff = false;
    await cluster.runUntil(() => !balancer.status().isRunning, 600_000);
    t.is(balancer.status().movingBytes, 0, 'what failed is not counted as moving');
    // What came back after the end may have tilted it again.
    await cluster.run(20_000);
    balancer.start(5);
    await cluster.runUntil(() => balancer.status().outcome === 'balanced', 600_000);
    await cluster.run(10_000);
    for (const block of blocks) t.is(cluster.holders(block).length, 3, `seed ${seed}`);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.true(spread(cluster) <= 0.11, used(cluster).join());
  }
});

test('it moves nothing to a node that is to go, and nothing in safe mode', async (t) => {
  const { cluster } = await lopsided(2);
  const { balancer, administration, datanodes, safeMode } = cluster.services;
  const leaving = cluster.nodes[4]!;
  administration.setWish(datanodes.find(leaving.uuid)!, 'decommissioned');
  safeMode.enter();
  balancer.start(5);
  await cluster.run(5000);
  t.is(balancer.status().movedBlocks, 0);
  safeMode.leave();
  await cluster.runUntil(() => !balancer.status().isRunning, 600_000);
  t.is(balancer.status().outcome, 'balanced');
  t.is(leaving.replicas.size, 0);
});

test('of what is too much after a move the source\'s replica goes, though another node is fuller; a rack\'s only one never', (t) => {
  const node = (name: string, rackNumber: number, usedBytes: number) => {
    const made = new DatanodeDescriptor({ number: Number(name.slice(2)), uuid: name, name, host: 'h', address: `h:${name.slice(2)}` }, 0);
    made.updateStorages([{ storageId: name, capacityBytes: 1000, usedBytes, remainingBytes: 1000 - usedBytes, blockCount: 1, isFailed: false }], 64);
    made.rackNumber = rackNumber;
    return { node: made };
  };
  const [first, source, fullest, alone] = [node('dn1', 0, 100), node('dn2', 0, 300), node('dn3', 0, 900), node('dn4', 1, 950)];
  const names = (count: number, preferred?: DatanodeDescriptor) => chooseExcess([first!, source!, fullest!, alone!], count, preferred).map((one) => one.node.name);
  t.deepEqual(names(1), ['dn3'], 'the fullest of the rack that has several');
  t.deepEqual(names(1, source!.node), ['dn2']);
  t.deepEqual(names(1, alone!.node), ['dn3'], 'not the only one on its rack');
  t.deepEqual(names(2, source!.node), ['dn2', 'dn3']);
  t.is(names(9).length, 3, 'one always stays');
});

test('a block that loses a replica while it is moved is repaired though the move fails', async (t) => {
  const { cluster } = await lopsided(2);
  const { balancer } = cluster.services;
  for (const node of cluster.nodes) node.ignores.add('replicate');
  const lost = cluster.nodes[2]!;
  lost.kill();
  balancer.start(1);
  await cluster.run(2000);
  balancer.stop();
  // They try, and get nowhere.
  for (const node of cluster.nodes) for (const command of node.commands) if (command.kind === 'replicate') node.replications.push({ blockId: command.block.blockId, doneBytes: 0, totalBytes: command.block.lengthBytes });
  t.true(cluster.nodes.some(({ replications }) => replications.length > 0));
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  await cluster.run(5000);
  for (const node of cluster.nodes) {
    node.ignores.clear();
    node.replications = [];
  }
  await cluster.run(100_000);
  t.like(cluster.services.health().blocks, { underReplicated: 0, pendingReplication: 0 });
});

test('a block that is too large to be copied beside many small moves is repaired all the same, at once', async (t) => {
  const cluster = await BlockCluster.started(0, { balancerLimits: { bytesPerSecond: 1024 ** 4 }, repairLimits: { bytesPerNode: 10 * mebibyte } });
  for (let i = 0; i < 4; i++) await cluster.addNode({ capacityBytes: 100 * mebibyte, otherUsedBytes: -200 * mebibyte });
  await cluster.run(1000);
  for (let i = 0; i < 3000; i++) cluster.write({ lengthBytes: 10_000 });
  const large = cluster.write({ lengthBytes: 10 * mebibyte });
  await cluster.run(1000);
  for (let i = 0; i < 4; i++) await cluster.addNode({ capacityBytes: 100 * mebibyte, otherUsedBytes: -200 * mebibyte });
  // Copies take a while.
  for (const node of cluster.nodes) node.ignores.add('replicate');
  cluster.services.balancer.start(1);
  const loads = () => [...cluster.services.datanodes.nodes].map(({ incoming, outgoing }) => incoming.count + outgoing.count);
  await cluster.runUntil(() => Math.min(...loads()) >= 20, 5000);
  await cluster.run(1000);
  for (const node of cluster.nodes) for (const command of node.commands) if (command.kind === 'replicate') node.replications.push({ blockId: command.block.blockId, doneBytes: 0, totalBytes: command.block.lengthBytes });
  cluster.services.blocks.setReplication(large.blockId, 4);
  await cluster.runUntil(() => cluster.nodes.some(({ commands }) => commands.some((command) => command.kind === 'replicate' && command.block.blockId === large.blockId)), 10_000);
  t.true(Math.min(...loads()) >= 20, 'the moves go on');
});
