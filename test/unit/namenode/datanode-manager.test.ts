import test from 'ava';
import { encodeReplicas } from '../../../source/protocol/block-report.js';
import { ClusterMismatchError, OverloadedError, RegistrationRefusedError } from '../../../source/protocol/errors.js';
import { BlockCluster, SimulatedDatanode } from '../../helpers/block-cluster.js';

const states = (cluster: BlockCluster) => cluster.services.datanodes.reports().map(({ name, state }) => `${name} ${state}`);

test('nodes are named by their place in the configuration, then in joining order, and keep their names for good', async (t) => {
  const cluster = new BlockCluster();
  await cluster.services.load(cluster.catalog);
  const third = await cluster.addNode({ uuid: 'c', port: 9866 });
  const stranger = await cluster.addNode({ uuid: 'x', port: 9900 });
  const first = await cluster.addNode({ uuid: 'a', port: 9864 });
  const other = await cluster.addNode({ uuid: 'y', port: 9800 });
  t.deepEqual([third.name, stranger.name, first.name, other.name], ['dn3', 'dn4', 'dn1', 'dn5']);
  t.true(cluster.messages.includes('dn4 joined the cluster at 127.0.0.1:9900'));
  const epochs = cluster.nodes.map(({ epoch }) => epoch);
  await cluster.restartNameNode();
  t.deepEqual(states(cluster), ['dn1 stale', 'dn3 stale', 'dn4 stale', 'dn5 stale'], 'known again, though none has registered yet');
  t.is(cluster.services.blocks.registeredDatanodeCount(), 4);
  stranger.port = 9901;
  await cluster.run(2000);
  t.deepEqual(cluster.nodes.map(({ name }) => name), ['dn3', 'dn4', 'dn1', 'dn5'], 'another port is the same node');
  t.true(Math.min(...cluster.nodes.map(({ epoch }) => epoch)) > Math.max(...epochs), 'epochs rise over restarts');
  const second = await cluster.addNode({ uuid: 'b', port: 9865 });
  t.is(second.name, 'dn2');
});

test('a new identity at an address takes the name of the old one, once that is silent', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const old = cluster.nodes[1]!;
  const wiped = new SimulatedDatanode(cluster, { uuid: 'fresh', port: old.port });
  await t.throwsAsync(wiped.start(), { instanceOf: OverloadedError, message: /127\.0\.0\.1:9865 is held by dn2/ });
  old.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  cluster.nodes.push(wiped);
  await wiped.start();
  t.is(wiped.name, 'dn2');
  t.deepEqual(states(cluster), ['dn1 live', 'dn2 live', 'dn3 live']);
  await cluster.run(10_000);
  t.deepEqual([...wiped.replicas.keys()], [block.blockId], 'what the old one had was copied to it');
  t.deepEqual(cluster.locations(block), ['dn1', 'dn2', 'dn3']);
});

test('two new identities that ask for one address at once: one is taken in, the other waits for it to be silent; the address and the name have one node', async (t) => {
  const cluster = await BlockCluster.started(2);
  const [, old] = cluster.nodes;
  old!.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  // The registration of a process that has died meanwhile is still on its way when the next one, on another empty disk, sends its own.
  const [died, next] = ['died', 'next'].map((uuid) => new SimulatedDatanode(cluster, { uuid, port: old!.port }));
  const [first, second] = await Promise.allSettled([died!.start(), next!.start()]);
  t.is(first.status, 'fulfilled');
  t.true(second.status === 'rejected' && second.reason instanceof OverloadedError, 'it may ask again');
  await t.throwsAsync(next!.start(), { instanceOf: OverloadedError, message: /is held by dn2/ });
  await cluster.runUntil(() => cluster.events('node-stale').length === 2);
  cluster.nodes.push(next!);
  await next!.start();
  t.is(next!.name, 'dn2');
  const reports = () => cluster.services.datanodes.reports().map(({ name, datanodeUuid, state }) => `${name} ${datanodeUuid} ${state}`);
  t.deepEqual(reports(), [`dn1 ${cluster.nodes[0]!.uuid} live`, 'dn2 next live']);
  next!.port = 9999;
  next!.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 3);
  await next!.start();
  await cluster.run(20_000);
  t.deepEqual(reports(), [`dn1 ${cluster.nodes[0]!.uuid} live`, 'dn2 next live'], 'elsewhere it is the same node');
  await cluster.restartNameNode();
  await cluster.run(5000);
  t.deepEqual(reports(), [`dn1 ${cluster.nodes[0]!.uuid} live`, 'dn2 next live'], 'what is stored is what was known');
});

test('two copies of one node that register at once: one is taken in, and it is the one that is stored (faults 39, 40)', async (t) => {
  const cluster = await BlockCluster.started(2);
  const [node] = cluster.nodes;
  node!.kill();
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  const copies = [9998, 9999].map((port) => new SimulatedDatanode(cluster, { uuid: node!.uuid, port }));
  const [first, second] = await Promise.allSettled(copies.map((copy) => copy.start()));
  t.is(first!.status, 'fulfilled');
  t.true(second!.status === 'rejected' && second!.reason instanceof OverloadedError);
  await t.throwsAsync(copies[1]!.start(), { instanceOf: RegistrationRefusedError, message: /dn1 is alive at 127\.0\.0\.1:9998/ });
  await cluster.restartNameNode();
  t.is(cluster.services.datanodes.find(node!.uuid)!.address, '127.0.0.1:9998');
});

test('a node that is restarted at once under another spelling of its address is no copy', async (t) => {
  const cluster = await BlockCluster.started(2);
  const [node] = cluster.nodes;
  node!.kill();
  const { datanodeUuid, address } = cluster.services.datanodes.reports()[0]!;
  const storages = [{ storageId: 'any', capacityBytes: 1, usedBytes: 0, remainingBytes: 1, blockCount: 0, isFailed: false }];
  const register = (uuid: string) => cluster.services.datanodes.register({ datanodeUuid: uuid, clusterId: null, bootNonce: 'later', host: 'localhost', port: 9864, softwareVersion: '0', storages });
  t.is(address, '127.0.0.1:9864');
  await t.throwsAsync(register('another'), { instanceOf: OverloadedError, message: /localhost:9864 is held by dn1/ });
  t.is((await register(datanodeUuid)).name, 'dn1');
  t.is(cluster.services.datanodes.nodeCount, 2);
});

test('two live processes with one identity: the second is refused and the first undisturbed (faults 39, 40)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [node] = cluster.nodes;
  const clone = new SimulatedDatanode(cluster, { uuid: node!.uuid, port: 9999 });
  await t.throwsAsync(clone.start(), { instanceOf: RegistrationRefusedError, message: /dn1 is alive at 127\.0\.0\.1:9864 with the same identity/ });
  await cluster.run(2000);
  t.is(cluster.services.datanodes.find(node!.uuid)!.address, '127.0.0.1:9864');
  node!.isCutOff = true;
  await cluster.runUntil(() => cluster.events('node-stale').length === 1);
  await clone.start();
  t.is(clone.name, 'dn1', 'the first is not live any more');
  node!.isCutOff = false;
  await t.throwsAsync(node!.register(), { instanceOf: RegistrationRefusedError, message: /another process has taken the place of this one as dn1/ });
});

test('a quick restart at the same address is taken in at once', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [node] = cluster.nodes;
  node!.kill();
  await cluster.run(500);
  await node!.start();
  await cluster.run(5000);
  t.deepEqual(states(cluster), ['dn1 live', 'dn2 live', 'dn3 live']);
  t.is(cluster.events('node-stale').length, 0);
  t.is(cluster.holders(block).length, 3);
});

test('a node of another cluster is refused, and nothing is kept of it (fault 41)', async (t) => {
  const cluster = await BlockCluster.started(1);
  const foreign = new SimulatedDatanode(cluster, { uuid: 'foreign', port: 9999, clusterId: 'other' });
  await t.throwsAsync(foreign.start(), { instanceOf: ClusterMismatchError, message: /belongs to cluster other, this is cluster cluster-1/ });
  t.is(cluster.services.blocks.registeredDatanodeCount(), 1);
});

test('when this process was stopped for a minute, nobody is declared dead for it (fault 54)', async (t) => {
  const cluster = await BlockCluster.started(3);
  cluster.clock.advance(60_000);
  cluster.services.tick();
  cluster.services.tick();
  t.deepEqual(states(cluster), ['dn1 live', 'dn2 live', 'dn3 live']);
  cluster.nodes[0]!.kill();
  await cluster.run(4000);
  t.deepEqual(states(cluster), ['dn1 stale', 'dn2 live', 'dn3 live']);
  await cluster.run(8000);
  t.deepEqual(states(cluster), ['dn1 dead', 'dn2 live', 'dn3 live']);
});

test('a node that was stopped and goes on: stale, dead, told to register, live again, without its blocks being lost (fault 54)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const block = cluster.write();
  await cluster.run(1000);
  const [node] = cluster.nodes;
  node!.isCutOff = true;
  await cluster.run(5000);
  node!.isCutOff = false;
  await cluster.run(1000);
  t.regex(cluster.messages.at(-1)!, /^dn1 is live again after [5-7] seconds$/);
  node!.isCutOff = true;
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.deepEqual(cluster.locations(block), ['dn2', 'dn3']);
  const all = cluster.services.blocks.locate(block.blockId, { readerAddress: '', allReplicas: true });
  t.deepEqual(all.map(({ name, state }) => `${name} ${state}`).sort(), ['dn1 dead', 'dn2 live', 'dn3 live']);
  node!.isCutOff = false;
  const { epoch } = node!;
  await cluster.run(2000);
  t.true(node!.epoch > epoch);
  t.deepEqual(node!.commands.map(({ kind }) => kind), ['register']);
  t.deepEqual(cluster.locations(block), ['dn1', 'dn2', 'dn3']);
  t.is(cluster.services.health().status, 'HEALTHY');
  t.is(cluster.messages.filter((message) => message === 'dn1 is back: live').length, 1);
});

test('one of several storages fails: only its replicas are lost (fault 25)', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 10 }, () => cluster.write());
  await cluster.run(1000);
  const [node] = cluster.nodes;
  const heldBefore = blocks.filter((block) => cluster.locations(block).includes('dn1'));
  t.true(heldBefore.length > 0);
  const moved = heldBefore[0]!;
  const context = { user: 'dfs', clientId: 'node', role: 'datanode', remoteAddress: '127.0.0.1:1' } as const;
  const { service } = cluster.services;
  const sender = { datanodeUuid: node!.uuid, epoch: node!.epoch };
  await service['datanode.blockReceivedAndDeleted']({ ...node!.sender(), events: [{ storageId: 'second', kind: 'received', block: moved }] }, context);
  const failed = { ...node!.storage(), isFailed: true };
  await service['datanode.sendHeartbeat']({ ...sender, storages: [failed], transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [] }, context);
  cluster.services.tick();
  t.deepEqual(blocks.filter((block) => cluster.locations(block).includes('dn1')), [moved]);
  t.true(cluster.messages.some((message) => message.startsWith('dn1 lost its storage')));
  t.is(cluster.services.health().blocks.underReplicated, heldBefore.length - 1);
  // What was on its way when the disk failed brings nothing back.
  const { storageId } = node!.storage();
  await service['datanode.blockReceivedAndDeleted']({ ...node!.sender(heldBefore.length), events: heldBefore.slice(1).map((block) => ({ storageId, kind: 'received', block })) }, context);
  await service['datanode.blockReport']({ ...sender, storageId, reportId: 1_000_000, sliceIndex: 0, isLast: true, replicas: encodeReplicas(heldBefore) }, context);
  cluster.services.tick();
  t.deepEqual(blocks.filter((block) => cluster.locations(block).includes('dn1')), [moved]);
});

test('what a node cannot use it tells at its registration and in heartbeats: one event each, and the report names it with its reason (fault 25)', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [node] = cluster.nodes;
  const context = { user: 'dfs', clientId: 'node', role: 'datanode', remoteAddress: '127.0.0.1:1' } as const;
  const { service, datanodes } = cluster.services;
  const dead = { directory: '/mnt/d2', storageId: null, reason: 'EIO: input/output error' };
  const beat = (failedVolumes: (typeof dead)[]) =>
    service['datanode.sendHeartbeat']({ datanodeUuid: node!.uuid, epoch: node!.epoch, storages: [node!.storage()], failedVolumes, transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [] }, context);
  for (let i = 0; i < 3; i++) await beat([dead]);
  t.deepEqual(cluster.events('storage-failed').map(({ level, node: name, message }) => [level, name, message]), [['error', 'dn1', 'dn1 cannot use /mnt/d2: EIO: input/output error']]);
  t.deepEqual(datanodes.reports()[0]!.failedVolumes, [{ directory: dead.directory, reason: dead.reason }]);
  t.is(datanodes.reports()[1]!.failedVolumes, undefined);
  await beat([dead, { ...dead, directory: '/mnt/d3' }]);
  t.is(cluster.events('storage-failed').length, 2);
  await beat([]);
  t.is(datanodes.reports()[0]!.failedVolumes, undefined);
});

test('a node with more storages than can be told apart is refused when it registers, and nothing of it stays', async (t) => {
  const cluster = await BlockCluster.started(1);
  const storages = (count: number) => Array.from({ length: count }, (_, i) => ({ storageId: `s${i}`, capacityBytes: 1, usedBytes: 0, remainingBytes: 1, blockCount: 0, isFailed: false }));
  const register = async (count: number) =>
    cluster.services.datanodes.register({ datanodeUuid: 'many', clusterId: null, bootNonce: 'boot', host: '127.0.0.1', port: 9999, softwareVersion: '0.1.0', storages: storages(count) });
  await t.throwsAsync(register(65), { instanceOf: RegistrationRefusedError, message: /127\.0\.0\.1:9999 has 65 storage directories; more than 64 cannot be told apart: give it fewer/ });
  t.is(cluster.services.blocks.registeredDatanodeCount(), 1);
  t.is((await register(64)).storages.length, 64);
  const other = storages(1).map((storage) => ({ ...storage, storageId: 'replaced' }));
  const replaced = cluster.services.datanodes.register({ datanodeUuid: 'many', clusterId: null, bootNonce: 'boot-2', host: '127.0.0.1', port: 9999, softwareVersion: '0.1.0', storages: other });
  await t.throwsAsync(replaced, { instanceOf: RegistrationRefusedError, message: /and had 64 others since the name node started; .*restart the name node/ });
});
