import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { PeerWaits } from '../../../source/datanode/peer-waits.js';
import { type BenchNode, DatanodeBench, TestWriter, until } from '../../helpers/datanode-bench.js';
import { content } from '../../helpers/replica-content.js';

test('what a node waited for its peers is told for one to two minutes, and then forgotten', (t) => {
  const clock = new ManualClock();
  const waits = new PeerWaits(clock);
  t.deepEqual(waits.forHeartbeat(), {}, 'nothing to tell');
  waits.note('dn2', 10);
  waits.note('dn2', 5);
  waits.note('dn3', 1);
  t.is(waits.forHeartbeat().peerWaits?.length, 2);
  clock.advance(9_999);
  t.deepEqual(waits.forHeartbeat(), {}, 'told a moment ago: heartbeats are short');
  clock.advance(50_001);
  waits.note('dn2', 100);
  t.deepEqual(waits.forHeartbeat(), { peerWaits: [{ datanodeUuid: 'dn2', packetCount: 3, waitMs: 115 }, { datanodeUuid: 'dn3', packetCount: 1, waitMs: 1 }] });
  clock.advance(60_000);
  t.deepEqual(waits.forHeartbeat(), { peerWaits: [{ datanodeUuid: 'dn2', packetCount: 1, waitMs: 100 }] });
  clock.advance(120_000);
  t.deepEqual(waits.forHeartbeat(), { peerWaits: [] }, 'that it is over is told too');
  clock.advance(10_000);
  t.deepEqual(waits.forHeartbeat(), { peerWaits: [] }, 'the heartbeat may have been lost');
});

test('of many peers a heartbeat tells those with the most packets', (t) => {
  const waits = new PeerWaits(new ManualClock());
  for (let peer = 0; peer < 100; peer++) for (let i = 0; i <= peer; i++) waits.note(`dn${peer}`, 1);
  const { peerWaits = [] } = waits.forHeartbeat();
  t.is(peerWaits.length, 64);
  t.is(peerWaits[0]!.datanodeUuid, 'dn99');
  t.true(peerWaits.every(({ packetCount }) => packetCount > 36));
});

const delayMs = 40;

/** Of a pipeline of three with a slow disk at `slowIndex`: the average wait that the second node tells of the third. */
async function waitWithSlowDisk(slowIndex: number): Promise<number> {
  const bench = new DatanodeBench();
  try {
    const nodes: BenchNode[] = await bench.addAll(3);
    for (const { dataNode } of nodes) dataNode.start();
    const slow = nodes[slowIndex]!;
    slow.disk.onCall = (call) => (call === 'write' ? new Promise<void>((resolve) => setTimeout(resolve, delayMs)) : undefined);
    const writer = new TestWriter(bench.connect(nodes[0]!.address));
    await writer.open(nodes, { blockId: 7, generationStamp: 1001, lengthBytes: 0 });
    await writer.sendAll(content(1, 4000), { packetBytes: 1024 });
    await writer.readAcksUpTo(writer.lastSequence);
    const told = (node: BenchNode) => node.nameNode.all('datanode.sendHeartbeat').find(({ peerWaits }) => peerWaits)?.peerWaits;
    await until(() => told(nodes[1]!) !== undefined);
    const [wait, ...others] = told(nodes[1]!)!;
    if (others.length > 0 || wait!.datanodeUuid !== nodes[2]!.location.datanodeUuid || told(nodes[0]!) !== undefined) throw new Error('only the last node of a pipeline is measured, by the one before it');
    return wait!.waitMs / wait!.packetCount;
  } finally {
    await bench.close();
  }
}

test('a slow disk at the end of a pipeline is waited for by the node before it; one in front of it blames nobody', async (t) => {
  const last = await waitWithSlowDisk(2);
  t.true(last >= delayMs / 4, `${last} ms`);
  const own = await waitWithSlowDisk(1);
  t.true(own < last / 2, `${own} ms while the own disk is slow, ${last} ms while that of the peer is`);
});
