import test from 'ava';
import { findSlowNodes } from '../../../source/namenode/slow-nodes.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

/** What each of `table`'s nodes says that it waits for each other one, in ms a packet. */
function reporters(table: Record<string, Record<string, number>>, options: { packetCount?: number; dead?: string } = {}) {
  const { packetCount = 100, dead } = options;
  return Object.entries(table).map(([name, waits]) => ({
    isAlive: name !== dead,
    peerWaits: Object.entries(waits).map(([datanodeUuid, waitMs]) => ({ datanodeUuid, packetCount, waitMs: waitMs * packetCount })),
  }));
}
const names = (found: ReadonlyMap<string, unknown>) => [...found.keys()];
const slowDn3 = { dn1: { dn2: 1, dn3: 90 }, dn2: { dn1: 2, dn3: 70 }, dn3: { dn1: 1, dn2: 3 } };

test('a node that its peers wait for is found slow, with how long and what is usual', (t) => {
  t.deepEqual([...findSlowNodes(reporters(slowDn3))], [['dn3', { waitMs: 70, usualMs: 1, reporterCount: 2 }]]);
});

test('a node that is slow itself, and so waits for everybody, does not make others look slow', (t) => {
  t.deepEqual(names(findSlowNodes(reporters({ dn1: { dn2: 1, dn3: 80 }, dn2: { dn1: 1, dn3: 90 }, dn3: { dn1: 80, dn2: 80 } }))), ['dn3']);
});

test('nobody is slow where all are alike, where too few were measured, for a few packets, or by the word of the dead', (t) => {
  t.deepEqual(names(findSlowNodes(reporters({ dn1: { dn2: 90, dn3: 100 }, dn2: { dn1: 95 } }))), [], 'all alike');
  t.deepEqual(names(findSlowNodes(reporters({ dn1: { dn2: 1, dn3: 10 }, dn2: { dn1: 1 } }))), [], 'ten times as slow, and yet quick');
  t.deepEqual(names(findSlowNodes(reporters({ dn1: { dn2: 500 }, dn2: { dn1: 1 } }))), [], 'two measured: who knows');
  t.deepEqual(names(findSlowNodes(reporters(slowDn3, { packetCount: 19 }))), []);
  t.deepEqual(names(findSlowNodes(reporters({ dn1: { dn2: 1 }, dn2: { dn1: 2 }, dn4: { dn3: 90 } }, { dead: 'dn4' }))), []);
});

test('heartbeats bring what peers measure, and reports name who is slow, until it is over', async (t) => {
  const cluster = await BlockCluster.started(3);
  const { datanodes, service } = cluster.services;
  const tell = async (slowMs: number) => {
    for (const node of cluster.nodes) {
      const peerWaits = cluster.nodes.filter((peer) => peer !== node).map((peer) => ({ datanodeUuid: peer.uuid, packetCount: 50, waitMs: peer === cluster.nodes[1] ? 50 * slowMs : 50 }));
      await service['datanode.sendHeartbeat'](
        { datanodeUuid: node.uuid, epoch: node.epoch, storages: [node.storage()], transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [], peerWaits },
        { user: 'dfs', clientId: 'node', role: 'datanode', remoteAddress: '127.0.0.1:1' },
      );
    }
  };
  await tell(200);
  t.deepEqual(datanodes.reports().map(({ name, slow }) => [name, slow?.waitMs]), [['dn1', undefined], ['dn2', 200], ['dn3', undefined]]);
  await cluster.run(12_000);
  t.is(datanodes.reports()[1]!.slow?.waitMs, 200, 'a heartbeat without a word of it changes nothing');
  await tell(1);
  await cluster.run(12_000);
  t.true(datanodes.reports().every(({ slow }) => slow === undefined));
  await tell(200);
  await cluster.run(12_000);
  t.true(datanodes.reports().some(({ slow }) => slow !== undefined));
  for (const node of cluster.nodes) await node.start();
  await cluster.run(12_000);
  t.true(datanodes.reports().every(({ slow }) => slow === undefined), 'new processes have measured nothing');
});
