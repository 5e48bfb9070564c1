import { createServer } from 'node:net';
import test from 'ava';
import { systemClock } from '../../../source/base/clock.js';
import { PeerAddresses } from '../../../source/datanode/peer-addresses.js';
import type { ReplicaLocation } from '../../../source/protocol/block.js';
import { frameTypes, type WriteRequest } from '../../../source/protocol/block-stream.js';
import { InvalidArgumentError, UnavailableError } from '../../../source/protocol/errors.js';
import { createBlockChannelConnector } from '../../../source/transport/block-channel-connector.js';
import { openOperation, RefusedError } from '../../../source/transport/block-operation.js';
import { DatanodeBench, TestWriter, until } from '../../helpers/datanode-bench.js';
import { patternBytes, readFile, writeFile } from '../../helpers/fake-cluster.js';
import { MiniCluster } from '../../helpers/mini-cluster.js';

test('an address is asked for once, and an unknown one each time', async (t) => {
  let asked = 0;
  const peers = new PeerAddresses(async () => {
    asked++;
    return ['127.0.0.1:1', '127.0.0.1:2'];
  });
  await Promise.all(Array.from({ length: 10 }, () => peers.check({ address: '127.0.0.1:1' })));
  await peers.check({ address: '127.0.0.1:2' });
  t.is(asked, 1);
  await t.throwsAsync(peers.check({ address: '10.0.0.1:22' }), { instanceOf: InvalidArgumentError, message: '10.0.0.1:22 is not the address of a data node of this cluster' });
  t.is(asked, 2);
  const lost = new PeerAddresses(async () => {
    throw new UnavailableError('no name node');
  });
  await t.throwsAsync(lost.check({ address: '127.0.0.1:1' }), { instanceOf: UnavailableError });
});

test('a client cannot make a data node dial an address that is no data node\'s (fault 67)', async (t) => {
  let dialled = 0;
  const victim = createServer((socket) => {
    dialled++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => victim.listen(0, '127.0.0.1', resolve));
  t.teardown(() => victim.close());
  const { port } = victim.address() as { port: number };
  const cluster = await MiniCluster.start(t, { blockSizeBytes: 1 << 20 });
  const client = cluster.client();
  await writeFile(client, '/f', patternBytes(1000));
  const { value: located } = await client.blocks('/f')[Symbol.asyncIterator]().next();
  const { clusterId } = await client.getServerDefaults();
  const connector = createBlockChannelConnector({ identity: { clusterId, role: 'client', user: 'mallory', clientId: 'm' }, clock: systemClock });
  t.teardown(() => connector.close());
  const elsewhere: ReplicaLocation = { ...located!.locations[0]!, datanodeUuid: 'elsewhere', address: `127.0.0.1:${port}` };
  const options = { clock: systemClock, limitMs: 10_000 };
  const write: WriteRequest = { stage: 'create', block: { blockId: 99, generationStamp: 99, lengthBytes: 0 }, storageId: '', token: '', downstream: [elsewhere], chunkBytes: 512, isDurable: true, keepBytes: 0, isFinal: true };
  for (const request of [
    { type: frameTypes.write, body: write },
    { type: frameTypes.transfer, body: { block: located!.block, token: '', target: elsewhere } },
  ]) {
    const { address } = located!.locations[0]!;
    await t.throwsAsync(openOperation(connector, address, request, options), { instanceOf: RefusedError, message: /is not the address of a data node of this cluster/ });
  }
  t.is(dialled, 0);
  t.true((await readFile(client, '/f')).equals(patternBytes(1000)));
  t.deepEqual((await Promise.all(cluster.nodes.map((node) => node.replicaNames()))).flat().filter((name) => name.endsWith('blk_99')), []);
});

test('an order to delete that overtakes the write that it undoes leaves no replica behind (fault 49)', async (t) => {
  const bench = new DatanodeBench();
  t.teardown(() => bench.close());
  const [node] = await bench.addAll(1);
  const block = { blockId: 7, generationStamp: 1001, lengthBytes: 0 };
  node!.dataNode.start({ host: node!.name, port: 9864 });
  await node!.dataNode.waitUntilRegistered();
  node!.nameNode.commands.push({ kind: 'invalidate', blocks: [block] });
  await until(() => node!.nameNode.events().includes('deleted 7_1001'));
  const writer = new TestWriter(bench.connect(node!.address));
  const status = await writer.open([node!], block);
  t.like(status, { ok: false });
  t.is(node!.store.getReplica(7), undefined);
  // A newer block, or a copy that the name node orders later, is another thing.
  t.like(await new TestWriter(bench.connect(node!.address)).open([node!], { ...block, blockId: 8 }), { ok: true });
  t.like(await new TestWriter(bench.connect(node!.address)).open([node!], block, { stage: 'transfer' }), { ok: true });
});
