import test from 'ava';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

// Five nodes, up to two of them away at a time, rot, deletions, changed replication and restarts of the name node, in random order from a
// seed. At no time may the last good copy of a block be deleted by order; when all are back, every block must be whole.
for (const seed of seeds()) {
  test(`random nodes come and go, copies rot, files come and go: no last copy is deleted, and all is whole in the end (seed ${seed})`, async (t) => {
    const cluster = await BlockCluster.started(5, { seed, strangerGraceMs: 15_000 });
    const { random } = cluster;
    const alive = new Map<number, Block>();
    const pick = <T>(items: readonly T[]): T | undefined => (items.length === 0 ? undefined : items[random.integer(items.length)]);
    const counts = { writes: 0, kills: 0, rots: 0, deletes: 0 };
    for (let round = 0; round < 60; round++) {
      const running = cluster.nodes.filter((node) => node.isRunning && !node.isCutOff);
      const away = cluster.nodes.filter((node) => !running.includes(node));
      const action = random.integer(12);
      if (action <= 3 && running.length >= 3 && !cluster.services.safeMode.isOn) {
        try {
          const block = cluster.write({ replication: 1 + random.integer(3), lengthBytes: 1 + random.integer(1000), areConfirmed: random.integer(4) > 0 });
          alive.set(block.blockId, block);
          counts.writes++;
        } catch {
          // Too few nodes that are not dead.
        }
      } else if (action === 4 && away.length < 2) {
        pick(running)!.kill();
        counts.kills++;
      } else if (action === 5 && away.length < 2) {
        pick(running)!.isCutOff = true;
        counts.kills++;
      } else if (action === 6 || action === 7) {
        const node = pick(away);
        if (node) {
          node.isCutOff = false;
          if (!node.isRunning) await node.start();
        }
      } else if (action === 8) {
        // One copy rots where there are at least two, and a reader meets it.
        const block = pick([...alive.values()].filter((each) => cluster.holders(each).length >= 2));
        const node = block && pick(cluster.holders(block).filter(({ name }) => cluster.locations(block).includes(name)));
        if (block && node) {
          node.rotten.add(block.blockId);
          cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: node.uuid, storageId: node.storageId }]);
          counts.rots++;
        }
      } else if (action === 9) {
        const block = pick([...alive.values()]);
        if (block) {
          alive.delete(block.blockId);
          cluster.delete(block);
          counts.deletes++;
        }
      } else if (action === 10) {
        const block = pick([...alive.values()]);
        if (block) {
          const replication = 1 + random.integer(4);
          cluster.catalogBlocks.find(({ blockId }) => blockId === block.blockId)!.replication = replication;
          cluster.services.blocks.setReplication(block.blockId, replication);
        }
      } else if (action === 11 && cluster.nodes.every((node) => node.rotten.size === 0)) {
        // Its doubts are lost with it, so there are none: that a copy is rotten, nobody would know until it is read.
        await cluster.restartNameNode();
      }
      await cluster.run(250 * random.integer(20));
    }
    for (const node of cluster.nodes) {
      node.isCutOff = false;
      if (!node.isRunning) await node.start();
    }
    // Nobody has read all of it: the rot that is still unseen is found by readers now.
    await cluster.run(30_000);
    for (const node of cluster.nodes) {
      for (const blockId of node.rotten) {
        const block = alive.get(blockId);
        if (block) cluster.services.blocks.reportBadReplicas([{ block, datanodeUuid: node.uuid, storageId: node.storageId }]);
      }
    }
    await cluster.run(60_000);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.true(counts.writes > 3 && counts.kills > 0, JSON.stringify(counts));
    const { blocks, safeMode } = cluster.services.health();
    t.false(safeMode.isOn);
    const lost = [...alive.values()].filter((block) => cluster.holders(block).length === 0);
    t.is(blocks.missing, lost.length);
    for (const block of alive.values()) {
      if (lost.includes(block)) continue;
      const { replication } = cluster.catalogBlocks.find(({ blockId }) => blockId === block.blockId)!;
      t.is(cluster.holders(block).length, replication, `blk_${block.blockId}`);
      t.deepEqual(cluster.locations(block), cluster.holders(block).map(({ name }) => name).sort());
    }
    t.like(blocks, { total: alive.size, underReplicated: 0, pendingReplication: 0, pendingDeletion: 0 });
    for (const node of cluster.nodes) for (const blockId of node.replicas.keys()) t.true(alive.has(blockId), `${node.name} keeps blk_${blockId}, which no file has`);
  });
}

/** `DFSH_SEEDS=1-500` looks further than the usual few. */
function seeds(): number[] {
  const [first, last] = (process.env['DFSH_SEEDS'] ?? '1-8').split('-').map(Number);
  return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
}
