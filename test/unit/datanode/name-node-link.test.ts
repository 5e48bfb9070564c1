import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { decodeReplicas } from '../../../source/protocol/block-report.js';
import {
  ClusterMismatchError,
  OutcomeUnknownError,
  RegistrationRefusedError,
  UnavailableError,
  UnregisteredNodeError,
} from '../../../source/protocol/errors.js';
import { ReportOutbox } from '../../../source/datanode/report-outbox.js';
import { type BenchNode, DatanodeBench, TestWriter, until } from '../../helpers/datanode-bench.js';
import { appendAll, content } from '../../helpers/replica-content.js';

async function put(node: BenchNode, blockId: number): Promise<void> {
  const writer = await node.store.create({
    blockId,
    generationStamp: 9,
    storageId: '',
    chunkBytes: 64,
    isDurable: true,
    isTemporary: false,
  });
  await appendAll(writer, content(1, 10), { chunkBytes: 64, packetBytes: 64, isLast: true });
  await writer.finalize();
}

async function write(bench: DatanodeBench, node: BenchNode, blockId: number): Promise<void> {
  const writer = new TestWriter(bench.connect(node.address));
  await writer.open([node], { blockId, generationStamp: 9, lengthBytes: 0 });
  await writer.sendAll(content(1, 10));
  await writer.readAck();
  writer.channel.destroy();
}

async function withNode(run: (bench: DatanodeBench, node: BenchNode) => Promise<void>): Promise<void> {
  const bench = new DatanodeBench();
  try {
    await run(bench, await bench.add());
  } finally {
    await bench.close();
  }
}

test('a new node registers without a cluster, keeps the one that it is told, and reports what it has', (t) =>
  withNode(async (_bench, node) => {
    await put(node, 3);
    await put(node, 1);
    node.dataNode.start();
    await until(() => node.nameNode.all('datanode.blockReport').length === 1 && node.nameNode.all('datanode.sendHeartbeat').length > 1);
    t.like(node.nameNode.all('datanode.register')[0], { clusterId: null, datanodeUuid: node.store.datanodeUuid, host: 'dn1', port: 9864 });
    t.is(node.store.clusterId, 'cluster-1');
    const [report] = node.nameNode.all('datanode.blockReport');
    t.like(report, { epoch: 1, reportId: 1, sliceIndex: 0, isLast: true, storageId: node.location.storageId });
    t.deepEqual([...decodeReplicas(report!.replicas)!], [1, 9, 10, 3, 9, 10]);
    t.like(node.nameNode.all('datanode.sendHeartbeat')[0], {
      epoch: 1,
      transferCount: 0,
      storages: [{ storageId: node.location.storageId, blockCount: 2, isFailed: false }],
    });
  }));

test('what a node has put aside as rotten it tells at each registration', (t) =>
  withNode(async (_bench, node) => {
    await put(node, 3);
    await put(node, 1);
    await node.store.quarantine({ blockId: 3, generationStamp: 9 }, 'rotten');
    node.dataNode.start();
    await until(() => node.nameNode.all('datanode.reportCorrupt').length === 1);
    const { storageId } = node.location;
    t.like(node.nameNode.all('datanode.reportCorrupt')[0], { epoch: 1, replicas: [{ storageId, block: { blockId: 3, generationStamp: 9 }, isQuarantined: true }] });
    node.nameNode.commands.push({ kind: 'register' });
    await until(() => node.nameNode.all('datanode.reportCorrupt').length === 2);
    t.like(node.nameNode.all('datanode.reportCorrupt')[1], { epoch: 2 });
  }));

test('an empty node reports that it is empty', (t) =>
  withNode(async (_bench, node) => {
    node.dataNode.start();
    await until(() => node.nameNode.all('datanode.blockReport').length === 1);
    t.like(node.nameNode.all('datanode.blockReport')[0], { isLast: true, replicas: '' });
  }));

test('replicas that come are reported at once and in order', (t) =>
  withNode(async (bench, node) => {
    node.dataNode.start();
    await node.dataNode.waitUntilRegistered();
    for (let blockId = 1; blockId <= 20; blockId++) await write(bench, node, blockId);
    await until(() => node.nameNode.events().length === 20);
    t.deepEqual(
      node.nameNode.events(),
      Array.from({ length: 20 }, (_, index) => `received ${index + 1}_9`),
    );
  }));

test('a name node that is not there is tried for ever, and then told everything', (t) =>
  withNode(async (bench, node) => {
    let tries = 0;
    node.nameNode.onCall = () => {
      tries++;
      throw new UnavailableError('nothing answers');
    };
    node.dataNode.start();
    await until(() => tries >= 3);
    t.false(node.dataNode.isRegistered);
    await write(bench, node, 1);
    node.nameNode.onCall = () => {};
    await node.dataNode.waitUntilRegistered();
    await until(() => node.nameNode.events().length === 1 && node.nameNode.all('datanode.blockReport').length === 1);
    t.pass();
  }));

test('a message whose outcome is unknown is sent again, and nothing overtakes it', (t) =>
  withNode(async (bench, node) => {
    node.dataNode.start();
    await until(() => node.nameNode.all('datanode.blockReport').length === 1);
    let failures = 0;
    node.nameNode.onCall = (method) => {
      if (method === 'datanode.blockReceivedAndDeleted' && failures++ < 2) throw new OutcomeUnknownError('the connection broke');
    };
    await write(bench, node, 1);
    await write(bench, node, 2);
    node.nameNode.commands.push({ kind: 'invalidate', blocks: [{ blockId: 1, generationStamp: 9, lengthBytes: 10 }] });
    await until(() => node.nameNode.events().length >= 3);
    t.deepEqual(node.nameNode.events(), ['received 1_9', 'received 2_9', 'deleted 1_9']);
    t.true(failures >= 2);
    let next = 1;
    for (const { firstNotice, events } of node.nameNode.all('datanode.blockReceivedAndDeleted')) {
      t.is(firstNotice, next, 'each notice has its number, the same when it is sent again');
      next += events.length;
    }
  }));

test('what comes while a full report is on its way is heard of after it', (t) =>
  withNode(async (bench, node) => {
    let letGo!: () => void;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    node.nameNode.onCall = async (method) => {
      if (method === 'datanode.blockReport') await held;
    };
    node.dataNode.start();
    await node.dataNode.waitUntilRegistered();
    await write(bench, node, 1);
    t.deepEqual(node.nameNode.events(), []);
    letGo();
    await until(() => node.nameNode.events().length === 1);
    const order = node.nameNode.heard.map(({ method }) => method).filter((method) => method !== 'datanode.sendHeartbeat');
    t.deepEqual(order, ['datanode.register', 'datanode.blockReport', 'datanode.blockReceivedAndDeleted']);
  }));

for (const how of ['an error', 'a command'] as const) {
  test(`a name node that has restarted, known by ${how}, is registered with again and gets a full report`, (t) =>
    withNode(async (_bench, node) => {
      node.dataNode.start();
      await until(() => node.nameNode.all('datanode.blockReport').length === 1);
      if (how === 'a command') node.nameNode.commands.push({ kind: 'register' });
      else {
        node.nameNode.onCall = (_method, params) => {
          if (params['epoch'] === 1) throw new UnregisteredNodeError('who are you?');
        };
      }
      await until(() => node.nameNode.all('datanode.blockReport').length === 2);
      const [first, second] = node.nameNode.all('datanode.register');
      t.is(second!.bootNonce, first!.bootNonce, 'the same process');
      t.like(node.nameNode.all('datanode.blockReport')[1], { epoch: 2, reportId: 2 });
      t.like(second, { clusterId: 'cluster-1' });
    }));
}

test('a full report comes when it is asked for, and from time to time', (t) =>
  withNode(async (_bench, node) => {
    node.nameNode.blockReportIntervalMs = 20;
    node.dataNode.start();
    await until(() => node.nameNode.all('datanode.blockReport').length >= 3);
    node.nameNode.commands.push({ kind: 'blockReport' });
    const ids = node.nameNode.all('datanode.blockReport').map(({ reportId }) => reportId);
    t.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
  }));

test('another cluster ends the node, and touches nothing (fault 41)', (t) =>
  withNode(async (_bench, node) => {
    await node.store.bindToCluster('cluster-0');
    const files = node.disk.files();
    node.dataNode.start();
    const error = await node.dataNode.ended;
    t.true(error instanceof ClusterMismatchError);
    t.regex(error!.message, /belongs to cluster cluster-0, the name node to cluster-1; nothing was touched/);
    t.is(node.store.clusterId, 'cluster-0');
    t.deepEqual(node.disk.files(), files);
    t.deepEqual(
      node.nameNode.heard.map(({ method }) => method),
      ['datanode.register'],
    );
  }));

test('a refused registration ends the node with its reason', (t) =>
  withNode(async (_bench, node) => {
    node.nameNode.onCall = () => {
      throw new RegistrationRefusedError('another process has this identity');
    };
    node.dataNode.start();
    t.is((await node.dataNode.ended)?.message, 'another process has this identity');
    t.false(node.dataNode.isRegistered);
  }));

test('a closed node is ended without an error, and says nothing more', async (t) => {
  const bench = new DatanodeBench();
  const node = await bench.add();
  node.dataNode.start();
  await node.dataNode.waitUntilRegistered();
  await bench.close();
  const count = node.nameNode.heard.length;
  t.is(await node.dataNode.ended, undefined);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.is(node.nameNode.heard.length, count);
});

test('a replica without a writer stays until the name node, which is asked after its lifetime, has it deleted; its own absence does not count', async (t) => {
  const clock = new ManualClock();
  const bench = new DatanodeBench({ clock });
  const node = await bench.add({ settings: { abandonedReplicaLifetimeMs: 180_000 } });
  node.nameNode.heartbeatIntervalMs = 30_000;
  const writer = await node.store.create({
    blockId: 1,
    generationStamp: 9,
    storageId: '',
    chunkBytes: 64,
    isDurable: true,
    isTemporary: false,
  });
  await appendAll(writer, content(1, 10), { chunkBytes: 64, packetBytes: 64 });
  const pass = async (minutes: number) => {
    for (let i = 0; i < minutes * 2; i++) {
      clock.advance(30_000);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  node.nameNode.onCall = () => {
    throw new UnavailableError('nothing answers');
  };
  node.dataNode.start();
  await pass(10);
  await writer.close();
  await pass(10);
  t.is(node.store.getReplica(1)?.state, 'being-written');
  node.nameNode.onCall = () => {};
  await pass(2);
  t.true(node.dataNode.isRegistered);
  t.is(node.store.getReplica(1)?.state, 'being-written');
  t.deepEqual(node.nameNode.all('datanode.reportAbandoned'), []);
  await pass(30);
  t.is(node.store.getReplica(1)?.state, 'being-written', 'nobody but the name node knows whether its bytes are needed');
  const told = node.nameNode.all('datanode.reportAbandoned');
  t.true(told.length > 20, 'again and again: an answer may be lost, and a name node forgets at its restart');
  t.deepEqual(told[0]!.replicas, [{ blockId: 1, generationStamp: 9, lengthBytes: 10 }]);
  node.nameNode.commands = [{ kind: 'invalidate', blocks: told[0]!.replicas }];
  await pass(2);
  t.is(node.store.getReplica(1), undefined);
  await pass(2);
  const count = node.nameNode.all('datanode.reportAbandoned').length;
  await pass(5);
  t.is(node.nameNode.all('datanode.reportAbandoned').length, count);
  await bench.close();
});

test('an outbox that overflows asks for a full report instead, and a batch is of one kind', (t) => {
  const outbox = new ReportOutbox(10);
  const block = { blockId: 1, generationStamp: 9, lengthBytes: 0 };
  for (let i = 0; i < 3; i++) outbox.add({ kind: 'received', storageId: 's', block });
  outbox.add({ kind: 'corrupt', storageId: 's', block, isQuarantined: true, reason: 'r' });
  outbox.add({ kind: 'deleted', storageId: 's', block });
  const first = outbox.batch()!;
  t.deepEqual([first.method, first.notices.length], ['events', 3]);
  outbox.drop(first);
  t.is(outbox.batch()!.method, 'corrupt');
  t.false(outbox.isReportDue);
  const stale = outbox.batch()!;
  for (let i = 0; i < 9; i++) outbox.add({ kind: 'received', storageId: 's', block });
  t.true(outbox.isReportDue);
  t.is(outbox.size, 1);
  outbox.drop(stale);
  t.is(outbox.size, 1, 'a batch that was dropped by the overflow takes nothing else with it');
});
