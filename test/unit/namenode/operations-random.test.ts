import test from 'ava';
import { ConfiguredRacks } from '../../../source/namenode/rack-mapping.js';
import { nodeWishKey } from '../../../source/namenode/keys.js';
import { encodeNodeWish, type WishedState } from '../../../source/namenode/node-wish.js';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster, mebibyte, type SimulatedDatanode } from '../../helpers/block-cluster.js';

const capacityBytes = 2000 * mebibyte;

for (const seed of seeds()) {
  test(`nodes are emptied, maintained, killed and balanced at random, on three racks: no last copy is deleted, and all is whole and spread in the end (seed ${seed})`, async (t) => {
    const racks = new ConfiguredRacks(Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`127.0.0.1:${9864 + index}`, `/rack${index % 3}`])));
    const cluster = new BlockCluster({ seed, racks, strangerGraceMs: 5000, balancerLimits: { bytesPerSecond: 1024 ** 3 } });
    await cluster.services.load(cluster.catalog);
    for (let i = 0; i < 7; i++) await cluster.addNode({ capacityBytes });
    await cluster.run(1000);
    const { random } = cluster;
    const alive = new Map<number, Block>();
    const pick = <T>(items: readonly T[]): T | undefined => (items.length === 0 ? undefined : items[random.integer(items.length)]);
    const stateOf = (node: SimulatedDatanode) => cluster.services.datanodes.find(node.uuid)!.adminState;
    const wish = async (node: SimulatedDatanode, state: WishedState, durationMs?: number) => {
      await cluster.store.transact((transaction) => {
        if (state === 'normal') transaction.delete(nodeWishKey(node.uuid));
        else transaction.put(nodeWishKey(node.uuid), encodeNodeWish({ state, setTimeMs: cluster.clock.nowMs(), durationMs }));
      });
      cluster.services.administration.setWish(cluster.services.datanodes.find(node.uuid)!, state, durationMs);
    };
    const counts = { writes: 0, wishes: 0, kills: 0, departures: 0, balances: 0, restarts: 0 };
    for (let round = 0; round < 50; round++) {
      const unplanned = cluster.nodes.filter((node) => !node.isRunning && stateOf(node) !== 'in-maintenance' && stateOf(node) !== 'decommissioned');
      const action = random.integer(12);
      if (action <= 3 && !cluster.services.safeMode.isOn) {
        try {
          const block = cluster.write({ replication: 2 + random.integer(2), lengthBytes: (1 + random.integer(20)) * mebibyte });
          alive.set(block.blockId, block);
          counts.writes++;
        } catch {
          // Too few nodes in service.
        }
      } else if (action === 4 || action === 5) {
        const outCount = cluster.nodes.filter((node) => stateOf(node) !== 'normal').length;
        const node = pick(cluster.nodes.filter((each) => stateOf(each) === 'normal'));
        if (node && outCount < 3) {
          if (action === 4) await wish(node, 'decommissioned');
          else await wish(node, 'in-maintenance', random.integer(2) === 0 ? undefined : 20_000 + random.integer(60_000));
          counts.wishes++;
        }
      } else if (action === 6) {
        const node = pick(cluster.nodes.filter((each) => stateOf(each) !== 'normal'));
        if (node) await wish(node, 'normal');
      } else if (action === 7 && unplanned.length === 0) {
        pick(cluster.nodes.filter((node) => node.isRunning))!.kill();
        counts.kills++;
      } else if (action === 8) {
        // What it was promised: it may go now.
        const node = pick(cluster.nodes.filter((each) => each.isRunning && (stateOf(each) === 'in-maintenance' || stateOf(each) === 'decommissioned')));
        if (node) {
          node.kill();
          counts.departures++;
          const lost = [...alive.values()].filter((block) => !cluster.holders(block).some((holder) => holder.isRunning || unplanned.includes(holder)));
          t.deepEqual(lost, [], `${node.name} was let go, and had the only copies`);
        }
      } else if (action === 9) {
        const node = pick(cluster.nodes.filter((each) => !each.isRunning));
        if (node) await node.start();
      } else if (action === 10) {
        if (cluster.services.balancer.status().isRunning) cluster.services.balancer.stop();
        else cluster.services.balancer.start(5);
        counts.balances++;
      } else if (action === 11 && random.integer(3) === 0) {
        await cluster.restartNameNode();
        counts.restarts++;
      }
      await cluster.run(250 * random.integer(60));
    }
    for (const node of cluster.nodes) {
      if (!node.isRunning) await node.start();
    }
    await cluster.run(5000);
    for (const node of cluster.nodes) await wish(node, 'normal');
    cluster.services.balancer.stop();
    await cluster.run(90_000);
    t.true(counts.writes > 3 && counts.wishes > 0, JSON.stringify(counts));
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    for (const block of alive.values()) {
      const { replication } = cluster.catalogBlocks.find(({ blockId }) => blockId === block.blockId)!;
      const holders = cluster.holders(block);
      t.is(holders.length, replication, `blk_${block.blockId}`);
      t.true(new Set(holders.map((node) => cluster.services.datanodes.find(node.uuid)!.rack)).size > 1, `blk_${block.blockId} is on one rack`);
    }
    t.like(cluster.services.health().blocks, { total: alive.size, underReplicated: 0, badlyPlaced: 0, missing: 0, pendingReplication: 0, pendingDeletion: 0 });
  });
}

/** `DFSH_SEEDS=1-500` looks further than the usual few. */
function seeds(): number[] {
  const [first, last] = (process.env['DFSH_SEEDS'] ?? '1-6').split('-').map(Number);
  return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
}
