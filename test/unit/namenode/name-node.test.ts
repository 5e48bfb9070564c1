import test from 'ava';
import { silentLogger } from '../../../source/base/log.js';
import { seededRandom } from '../../../source/base/random.js';
import { encodeFormat } from '../../../source/namenode/format.js';
import { formatKey } from '../../../source/namenode/keys.js';
import { NameNode } from '../../../source/namenode/name-node.js';
import { clientProtocol } from '../../../source/protocol/client-protocol.js';
import { datanodeProtocol } from '../../../source/protocol/datanode-protocol.js';
import { OutcomeUnknownError, PermissionDeniedError, SafeModeError, StorageDamagedError, VersionMismatchError } from '../../../source/protocol/errors.js';
import { MemoryStore } from '../../../source/storage/memory-store.js';
import { benchOptions, NameNodeBench } from '../../helpers/name-node-bench.js';
import { createMemoryRpcCaller } from '../../helpers/memory-rpc.js';
import { TurnClock } from '../../helpers/namespace-harness.js';

test('every method of both protocols has its handler', async (t) => {
  const { nameNode } = await new NameNodeBench().start();
  t.deepEqual(Object.keys(nameNode.clientHandlers).sort(), Object.keys(clientProtocol).sort());
  t.deepEqual(Object.keys(nameNode.datanodeHandlers).sort(), Object.keys(datanodeProtocol).sort());
  await nameNode.close();
});

test('a new name space takes files at once, and says what applies', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  await cluster.put('/a/f');
  const { nameNode } = cluster;
  t.like(await cluster.root('fs.getServerDefaults', {}), { clusterId: nameNode.clusterId, replication: 2, minReplication: 2, blockSizeBytes: 1000, trashIntervalMinutes: 1440, softLeaseLimitMs: 60_000, supergroup: 'supergroup' });
  t.like(await cluster.root('cluster.getHealth', {}), { status: 'HEALTHY', fileCount: 1, directoryCount: 2 });
  t.deepEqual((await cluster.root('cluster.getDatanodes', {})).map((node) => node.name), ['dn1', 'dn2']);
  const { blocks } = await cluster.root('fs.getBlockLocations', { path: '/a/f', offsetBytes: 0, lengthBytes: 100 });
  t.deepEqual(blocks[0]!.locations.map((location) => location.name).sort(), ['dn1', 'dn2']);
  t.true((await cluster.root('fs.getStatus', {})).capacityBytes >= 2 ** 40);
  await nameNode.close();
});

test('after a restart reads are answered at once, and changes wait until every block is reported', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  await cluster.put('/f');
  const { clusterId } = cluster.nameNode;
  await cluster.kill();
  await cluster.start();
  t.is(cluster.nameNode.clusterId, clusterId);
  t.is((await cluster.root('fs.getFileInfo', { path: '/f' }))?.lengthBytes, 7);
  t.true((await cluster.root('cluster.setSafeMode', { action: 'get' })).isOn);
  let isMade = false;
  const made = cluster.root('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false }).then(() => (isMade = true));
  await cluster.turns(2000);
  t.false(isMade);
  t.is(await cluster.root('fs.getFileInfo', { path: '/d' }), null);
  await cluster.join(1);
  await cluster.turns(2000);
  await made;
  t.false((await cluster.root('cluster.setSafeMode', { action: 'get' })).isOn);
  await cluster.nameNode.close();
});

test('a file is appended to, and rot in it is told of, while the node of one replica has not come back since the restart of the name node', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  const { file, block } = await cluster.root('fs.create', { path: '/f', permission: 0o644, overwrite: false, createParents: false, withBlock: true });
  const { inodeId } = file;
  const replicas = block!.locations.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId }));
  await cluster.kill();
  await cluster.start();
  await cluster.join(0);
  // Over the wire: what the name node answers must be what it takes.
  const context = { user: 'hdfs', clientId: 'client-of-hdfs', role: 'client', remoteAddress: '127.0.0.1:5' } as const;
  const { call } = createMemoryRpcCaller<typeof clientProtocol>({ services: [{ protocol: clientProtocol, handlers: cluster.nameNode.clientHandlers, allowedRoles: ['client'] }], context, clock: cluster.clock });
  await call('fs.complete', { inodeId, last: { block: { ...block!.block, lengthBytes: 7 }, replicas } });
  const { blocks } = await call('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 7 });
  const bad = blocks[0]!.locations.map(({ datanodeUuid, storageId }) => ({ block: blocks[0]!.block, datanodeUuid, storageId }));
  t.deepEqual(bad.map(({ datanodeUuid, storageId }) => [datanodeUuid, storageId]).sort(), [['uuid-0', 's0'], ['uuid-1', '']], 'what it does not know');
  t.is(await call('block.reportBadReplicas', { replicas: bad }), null);
  const { last } = await call('fs.append', { path: '/f' });
  const places = last!.locations.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId }));
  t.is(places.length, 2);
  const { generationStamp } = await call('fs.updateBlockForPipeline', { inodeId, block: last!.block });
  const renewed = { ...last!.block, generationStamp };
  await call('fs.updatePipeline', { inodeId, previous: last!.block, written: { block: renewed, replicas: places } });
  const longer = { ...renewed, lengthBytes: 9 };
  t.is((await call('fs.complete', { inodeId, last: { block: longer, replicas: places } })).lengthBytes, 9);
  cluster.held[0] = cluster.held[1] = [longer];
  await cluster.join(0);
  await cluster.join(1);
  const after = await call('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 9 });
  t.deepEqual(after.blocks[0]!.locations.map(({ storageId }) => storageId).sort(), ['s0', 's1'], 'its node has told');
  await cluster.nameNode.close();
});

test('in a safe mode set by hand every change is refused at once, in HDFS\'s words', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  await cluster.put('/f');
  const { root } = cluster;
  await t.throwsAsync(cluster.as('bob')('cluster.setSafeMode', { action: 'enter' }), { instanceOf: PermissionDeniedError });
  t.true((await root('cluster.setSafeMode', { action: 'enter' })).isOn);
  const refused = async (call: Promise<unknown>, what: string) => void (await t.throwsAsync(call, { instanceOf: SafeModeError, message: `${what}. Name node is in safe mode.` }));
  await refused(root('fs.mkdirs', { path: '/new', permission: 0o755, createParents: false }), 'Cannot create directory /new');
  await refused(root('fs.create', { path: '/new', permission: 0o644, overwrite: false, createParents: false }), 'Cannot create file/new');
  await refused(root('fs.delete', { path: '/f', recursive: false }), 'Cannot delete /f');
  await refused(root('fs.rename', { source: '/f', target: '/g' }), 'Cannot rename /f');
  await refused(root('fs.setPermission', { path: '/f', permission: 0o777 }), 'Cannot set permission for /f');
  await refused(root('fs.setReplication', { path: '/f', replication: 1 }), 'Cannot set replication for /f');
  await refused(root('fs.setTimes', { path: '/f', accessTimeMs: 1 }), 'Cannot set times /f');
  await refused(root('fs.setOwner', { path: '/f', owner: 'bob' }), 'Cannot set owner for /f');
  t.is((await root('fs.getBlockLocations', { path: '/f', offsetBytes: 0, lengthBytes: 1 })).blocks.length, 1);
  t.false((await root('cluster.setSafeMode', { action: 'leave' })).isOn);
  t.true(await root('fs.delete', { path: '/f', recursive: false }));
  await cluster.nameNode.close();
});

test('what is deleted is reclaimed and what is abandoned is deleted, without anybody asking', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  for (let i = 0; i < 30; i++) await cluster.put(`/d/${i}`);
  await cluster.root('fs.create', { path: '/f._COPYING_', permission: 0o644, overwrite: false, createParents: false, temporary: true });
  await cluster.root('fs.delete', { path: '/d', recursive: true });
  await cluster.turns(3000);
  t.like(cluster.nameNode.health(), { fileCount: 1, directoryCount: 1 });
  t.is(cluster.nameNode.health().blocks.total, 0);
  await cluster.turns(62_000);
  t.is(await cluster.root('fs.getFileInfo', { path: '/f._COPYING_' }), null);
  await cluster.nameNode.close();
});

test('a store that is not formatted, not ours, or of another version is refused and left as it is', async (t) => {
  const open = (store: MemoryStore, isFormatWanted: boolean) =>
    NameNode.open({ store, clock: new TurnClock(), random: seededRandom(1), logger: silentLogger, options: { ...benchOptions, isFormatWanted }, groups: { groupsOf: () => [] } });
  const dump = (store: MemoryStore) => [...store.range({ start: '\x01', end: '\xff' })];
  const empty = new MemoryStore();
  await t.throwsAsync(open(empty, false), { instanceOf: StorageDamagedError, message: /not formatted/ });
  t.deepEqual(dump(empty), []);
  const foreign = new MemoryStore();
  await foreign.transact((transaction) => transaction.put('x', Buffer.from('y')));
  await t.throwsAsync(open(foreign, true), { instanceOf: StorageDamagedError });
  t.is(dump(foreign).length, 1);
  const later = new MemoryStore();
  await later.transact((transaction) => transaction.put(formatKey, encodeFormat({ version: 3, clusterId: 'CID-x' })));
  await t.throwsAsync(open(later, true), { instanceOf: VersionMismatchError, message: /version 3, and this program knows versions 1 to 2; it is left as it is/ });
  t.is(dump(later).length, 1);
  const { clusterId } = await open(empty, true);
  t.regex(clusterId, /^CID-[0-9a-f]{32}$/);
  t.is((await open(empty, true)).clusterId, clusterId);
});

test('metrics count calls and what is there, and a name has one kind', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.root('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false });
  const metrics = cluster.nameNode.metrics();
  const value = (name: string, label?: string) => metrics.find((metric) => metric.name === `dfsh_namenode_${name}` && (!label || Object.values(metric.labels ?? {}).includes(label)))?.value;
  t.is(value('calls_total', 'fs.mkdirs'), 1);
  t.is(value('directories'), 2);
  const kinds = new Map<string, string>();
  for (const { name, type, help, value } of metrics) {
    t.is(kinds.get(name) ?? type, type);
    kinds.set(name, type);
    t.true(help.length > 0 && Number.isFinite(value));
    t.regex(name, type === 'counter' ? /^dfsh_namenode_[a-z_]+_total$/ : /^dfsh_namenode_[a-z_]+(?<!_total)$/);
  }
  await cluster.nameNode.close();
});

test('a commit that fails is told to who runs the name node', async (t) => {
  const cluster = new NameNodeBench();
  let isBroken = false;
  cluster.store = new MemoryStore({ commitDelay: () => (isBroken ? Promise.reject(new Error('EIO')) : Promise.resolve()) });
  await cluster.start();
  isBroken = true;
  await t.throwsAsync(cluster.root('fs.mkdirs', { path: '/d', permission: 0o755, createParents: false }), { instanceOf: OutcomeUnknownError });
  t.true((await cluster.nameNode.failed) instanceof StorageDamagedError);
  await cluster.nameNode.close();
});

test('in safe mode no recovery is taken into the name space; the next one is, after it', async (t) => {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  const { file, block } = await cluster.root('fs.create', { path: '/f', permission: 0o644, overwrite: false, createParents: true, withBlock: true });
  await cluster.root('fs.recoverLease', { path: '/f' });
  const recoveryOf = async () => {
    for (let tries = 0; tries < 60; tries++) {
      await cluster.turns();
      for (const index of [0, 1]) for (const command of await cluster.heartbeat(index)) if (command.kind === 'recover') return command;
    }
    throw new Error('no recovery was ordered');
  };
  const commit = ({ block, recoveryGeneration, replicas }: Awaited<ReturnType<typeof recoveryOf>>) =>
    cluster.commitRecovery(0, { block, recoveryGeneration, newLengthBytes: 5, replicas: replicas.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId })) });
  const first = await recoveryOf();
  await cluster.root('cluster.setSafeMode', { action: 'enter' });
  await t.throwsAsync(commit(first), { instanceOf: SafeModeError });
  t.like(await cluster.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: true, inodeId: file.inodeId });
  await cluster.root('cluster.setSafeMode', { action: 'leave' });
  const second = await recoveryOf();
  t.is(second.block.blockId, block!.block.blockId);
  await commit(second);
  t.like(await cluster.root('fs.getFileInfo', { path: '/f' }), { isUnderConstruction: false, lengthBytes: 5 });
  await cluster.nameNode.close();
});
