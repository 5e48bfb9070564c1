import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { silentLogger } from '../../../source/base/log.js';
import { chooseTargets, type PlacementCandidate } from '../../../source/namenode/placement.js';
import { ConfiguredRacks, distanceBetween, ScriptedRacks } from '../../../source/namenode/rack-mapping.js';
import type { Block } from '../../../source/protocol/block.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

const candidate = (uuid: string, rack: string, fields: Partial<PlacementCandidate> = {}): PlacementCandidate => ({
  uuid,
  host: `host-${uuid}`,
  rack,
  capacityBytes: 1000,
  remainingBytes: 900,
  usedFraction: 0.1,
  load: 0,
  isStale: false,
  ...fields,
});
const options = { count: 3, blockSizeBytes: 100, excluded: new Set<string>() };
const racksOf = (chosen: readonly PlacementCandidate[]) => chosen.map(({ rack }) => rack);

/** dn1, dn2, ... on these racks. */
const racksByPort = (...racks: string[]) => new ConfiguredRacks(Object.fromEntries(racks.map((rack, index) => [`127.0.0.1:${9864 + index}`, rack])));
const racksHolding = (cluster: BlockCluster, block: Block) =>
  cluster.holders(block).filter((node) => node.isRunning).map((node) => cluster.services.datanodes.find(node.uuid)!.rack);
const isSpread = (cluster: BlockCluster, block: Block) => new Set(racksHolding(cluster, block)).size > 1;

test('the first replica is the writer\'s own, the second on another rack, the third beside the second, whatever the seed', (t) => {
  const candidates = ['a', 'b', 'c'].flatMap((rack) => [1, 2, 3].map((n) => candidate(`${rack}${n}`, `/${rack}`)));
  for (let seed = 1; seed <= 100; seed++) {
    const [first, second, third] = chooseTargets(candidates, { ...options, writerHost: 'host-b2' }, seededRandom(seed));
    t.is(first!.uuid, 'b2');
    t.not(second!.rack, '/b');
    t.is(third!.rack, second!.rack);
    t.not(third!.uuid, second!.uuid);
  }
});

test('a writer on no data node\'s machine gets its first replica on its own rack', (t) => {
  const candidates = ['a', 'b'].flatMap((rack) => [1, 2].map((n) => candidate(`${rack}${n}`, `/${rack}`)));
  for (let seed = 1; seed <= 50; seed++) {
    const chosen = chooseTargets(candidates, { ...options, writerHost: 'laptop', writerRack: '/b' }, seededRandom(seed));
    t.is(chosen[0]!.rack, '/b');
    t.is(new Set(racksOf(chosen)).size, 2);
  }
});

test('of many replicas no rack gets more than its share, and two racks have one at least', (t) => {
  const candidates = ['a', 'b', 'c'].flatMap((rack) => [1, 2, 3, 4, 5].map((n) => candidate(`${rack}${n}`, `/${rack}`)));
  for (let seed = 1; seed <= 100; seed++) {
    const racks = racksOf(chooseTargets(candidates, { ...options, count: 7 }, seededRandom(seed)));
    for (const rack of new Set(racks)) t.true(racks.filter((one) => one === rack).length <= 4, racks.join());
    t.is(new Set(racksOf(chooseTargets(candidates, { ...options, count: 2 }, seededRandom(seed)))).size, 2);
  }
});

test('one of any rack is better than none: full, excluded and late nodes of other racks are no reason to write less', (t) => {
  const candidates = [candidate('a1', '/a'), candidate('a2', '/a'), candidate('a3', '/a'), candidate('b1', '/b', { remainingBytes: 0 }), candidate('b2', '/b', { isStale: true })];
  for (let seed = 1; seed <= 50; seed++) {
    const two = chooseTargets(candidates, { ...options, count: 2 }, seededRandom(seed));
    t.deepEqual(racksOf(two), ['/a', '/a'], 'a late node is a worse place than the same rack');
    t.is(chooseTargets(candidates, { ...options, count: 4 }, seededRandom(seed)).length, 4);
    t.is(chooseTargets(candidates, { ...options, count: 2, excluded: new Set(['b2']) }, seededRandom(seed)).length, 2);
  }
});

test('a further replica follows the rule by those that are there', (t) => {
  const candidates = ['a', 'b'].flatMap((rack) => [1, 2, 3].map((n) => candidate(`${rack}${n}`, `/${rack}`)));
  const [a1, a2] = candidates;
  for (let seed = 1; seed <= 50; seed++) {
    const excluded = new Set(['a1', 'a2']);
    t.deepEqual(racksOf(chooseTargets(candidates, { ...options, count: 1, excluded, existing: [a1!] }, seededRandom(seed))), ['/b']);
    t.deepEqual(racksOf(chooseTargets(candidates, { ...options, count: 1, excluded, existing: [a1!, a2!] }, seededRandom(seed))), ['/b']);
  }
});

test('distances grow from the machine over the rack to what lies beyond', (t) => {
  const at = (host: string, rack: string) => ({ host, rack });
  t.is(distanceBetween(at('x', '/a'), at('x', '/a')), 0);
  t.is(distanceBetween(at('x', '/a'), at('y', '/a')), 2);
  t.is(distanceBetween(at('x', '/a'), at('y', '/b')), 4);
  t.is(distanceBetween(at('x', '/east/a'), at('y', '/east/b')), 4);
  t.is(distanceBetween(at('x', '/east/a'), at('y', '/west/a')), 6);
});

test('readers are sent to their own machine, then to their rack, then further; equally near ones take turns', async (t) => {
  const racks = new ConfiguredRacks({ '10.0.0.1': '/a', '10.0.0.2': '/a', '10.0.0.3': '/b', '10.0.0.4': '/b', '10.0.0.9': '/b' });
  const cluster = await BlockCluster.started(0, { racks });
  for (let n = 1; n <= 4; n++) await cluster.addNode({ host: `10.0.0.${n}`, port: 9864 });
  await cluster.run(1000);
  const block = cluster.write({ replication: 4 });
  const names = (readerAddress: string) => cluster.services.blocks.locate(block.blockId, { readerAddress }).map(({ name }) => Number(name.slice(2)) - 3);
  const firstOf = new Set<number>();
  for (let i = 0; i < 40; i++) {
    t.deepEqual(names('10.0.0.3:5000').slice(0, 2), [3, 4]);
    t.deepEqual(names('10.0.0.9:5000').slice(0, 2).sort(), [3, 4], 'no data node runs there: its rack is known all the same');
    firstOf.add(names('10.0.0.9:5000')[0]!);
  }
  t.is(firstOf.size, 2);
  t.deepEqual(cluster.services.blocks.locate(block.blockId, { readerAddress: '10.0.0.3:1' }).map(({ rack }) => rack), ['/b', '/b', '/a', '/a']);
});

test('blocks whose replicas are all on one rack are copied to another one as soon as there is one, after those that lack copies', async (t) => {
  const cluster = await BlockCluster.started(3, { racks: racksByPort('/a', '/a', '/a', '/b', '/b') });
  const blocks = Array.from({ length: 12 }, () => cluster.write());
  await cluster.run(1000);
  t.is(cluster.services.health().blocks.badlyPlaced, 0, 'there is only one rack');
  const fourth = await cluster.addNode();
  cluster.services.tick();
  t.is(cluster.services.health().blocks.badlyPlaced, 12);
  t.is(cluster.services.health().status, 'HEALTHY', 'nothing is lacking');
  await cluster.runUntil(() => cluster.services.health().blocks.badlyPlaced === 0);
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 3));
  await cluster.run(3000);
  for (const block of blocks) {
    t.is(cluster.holders(block).length, 3);
    t.true(fourth.replicas.has(block.blockId));
  }
  t.deepEqual(cluster.deletionsOfLastCopies, []);
  t.like(cluster.services.health().blocks, { underReplicated: 0, pendingReplication: 0, pendingDeletion: 0 });
});

test('where the other rack has no room nothing is copied in vain, and the blocks stay as they are', async (t) => {
  const cluster = await BlockCluster.started(4, { racks: racksByPort('/a', '/a', '/a', '/a', '/b') });
  const blocks = Array.from({ length: 5 }, () => cluster.write());
  await cluster.run(1000);
  await cluster.addNode({ capacityBytes: 1000 });
  await cluster.run(20_000);
  t.is(cluster.services.health().blocks.badlyPlaced, 5);
  t.is(cluster.nodes.flatMap((node) => node.commands).length, 0);
  for (const block of blocks) t.is(cluster.holders(block).length, 3);
});

test('what is lacking is copied before what only stands badly', async (t) => {
  const cluster = await BlockCluster.started(3, { racks: racksByPort('/a', '/a', '/a', '/b'), maxReplicationStreams: 1, repairLimits: { copiesPerNode: 1 } });
  const [badlyPlaced, lacking] = [Array.from({ length: 6 }, () => cluster.write()), Array.from({ length: 6 }, () => cluster.write({ replication: 2 }))];
  await cluster.run(1000);
  cluster.services.safeMode.enter();
  for (const { blockId } of lacking) cluster.services.blocks.setReplication(blockId, 3);
  await cluster.addNode();
  await cluster.run(1000);
  t.like(cluster.services.health().blocks, { badlyPlaced: 6, underReplicated: 6 });
  cluster.services.safeMode.leave();
  await cluster.runUntil(() => lacking.every((block) => cluster.holders(block).length === 3));
  const orders = cluster.nodes.flatMap((node) => node.commands.flatMap((command) => (command.kind === 'replicate' ? [command.block.blockId] : [])));
  t.true(badlyPlaced.filter(({ blockId }) => orders.includes(blockId)).length <= 3, 'only where a free node could not be used for the others');
  await cluster.runUntil(() => [...badlyPlaced, ...lacking].every((block) => isSpread(cluster, block)));
});

test('over-replication never takes the only replica on a rack, nor the last one (fault 51)', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const cluster = await BlockCluster.started(6, { seed, racks: racksByPort('/a', '/a', '/a', '/a', '/a', '/b') });
    const blocks = Array.from({ length: 10 }, () => cluster.write({ replication: 6 }));
    await cluster.run(1000);
    for (const { blockId } of blocks) cluster.services.blocks.setReplication(blockId, 2);
    await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).length === 2));
    await cluster.run(3000);
    for (const block of blocks) t.deepEqual(racksHolding(cluster, block).sort(), ['/a', '/b'], `seed ${seed}`);
    t.deepEqual(cluster.deletionsOfLastCopies, []);
    t.is(cluster.services.health().blocks.badlyPlaced, 0);
  }
});

test('a rack is lost: its blocks are repaired on what is left, and spread again when it is back', async (t) => {
  const cluster = await BlockCluster.started(6, { racks: racksByPort('/a', '/a', '/a', '/b', '/b', '/b') });
  const blocks = Array.from({ length: 15 }, () => cluster.write());
  await cluster.run(1000);
  for (const block of blocks) t.true(isSpread(cluster, block));
  const rack = cluster.nodes.slice(3);
  for (const node of rack) node.kill();
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).filter((node) => node.isRunning).length === 3));
  t.is(cluster.services.health().blocks.badlyPlaced, 0, 'there is no other rack now');
  for (const node of rack) await node.start();
  await cluster.runUntil(() => blocks.every((block) => isSpread(cluster, block) && cluster.holders(block).length === 3));
  t.deepEqual(cluster.deletionsOfLastCopies, []);
});

test('a node that comes back on another rack is placed by that', async (t) => {
  const table: Record<string, string> = { '127.0.0.1:9864': '/a', '127.0.0.1:9865': '/a', '127.0.0.1:9866': '/a', '127.0.0.1:9900': '/b' };
  const cluster = await BlockCluster.started(3, { racks: new ConfiguredRacks(table) });
  const block = cluster.write();
  await cluster.run(1000);
  const [node] = cluster.nodes;
  node!.kill();
  node!.port = 9900;
  await cluster.runUntil(() => cluster.events('node-stale').length > 0);
  await node!.start();
  await cluster.run(1000);
  t.is(cluster.services.datanodes.reports()[0]!.rack, '/b');
  t.true(isSpread(cluster, block));
  t.is(cluster.services.health().blocks.badlyPlaced, 0);
});

test('racks are known by host, by host:port before that, and by default', async (t) => {
  const racks = new ConfiguredRacks({ '10.0.0.1': '/a', '10.0.0.1:9865': '/b', 'localhost:9864': '/c' });
  t.is(await racks.resolve('10.0.0.1:9864'), '/a');
  t.is(racks.known('10.0.0.1:9865'), '/b');
  t.is(racks.known('127.0.0.1:9864'), '/c');
  t.is(racks.known('10.0.0.2:9864'), '/default-rack');
});

test('a rack program is asked once for each node, many at a time, and what it says wrongly or not at all is told once', async (t) => {
  const runs: (readonly string[])[] = [];
  const told: string[] = [];
  let answer: (addresses: readonly string[]) => string | Error = (addresses) => addresses.map((_, i) => `/r${i}`).join('\n');
  const racks = new ScriptedRacks({
    program: '/etc/racks',
    run: async (_program, parameters) => {
      runs.push(parameters);
      await Promise.resolve();
      const said = answer(parameters);
      if (said instanceof Error) throw said;
      return said;
    },
    logger: { ...silentLogger, warn: (line) => told.push(line) },
  });
  t.deepEqual(await Promise.all(['a:1', 'b:1', 'c:1'].map((address) => racks.resolve(address))), ['/r0', '/r0', '/r1']);
  t.deepEqual(runs, [['a:1'], ['b:1', 'c:1']]);
  t.is(await racks.resolve('c:1'), '/r1');
  t.is(racks.known('c:1'), '/r1');
  t.is(runs.length, 2);
  answer = () => '/one /two';
  t.is(await racks.resolve('d:1'), '/default-rack');
  t.is(await racks.resolve('d:1'), '/default-rack');
  t.is(runs.length, 4, 'asked again when the node registers again');
  answer = () => 'rm;-rf';
  t.is(await racks.resolve('d:1'), '/default-rack');
  answer = () => new Error('it ended with 3');
  t.is(await racks.resolve('d:1'), '/default-rack');
  t.deepEqual(told.map((line) => line.replace(/;[^;]*$/, '')), [
    'rack_script /etc/racks: it printed 2 racks for 1 addresses',
    'rack_script /etc/racks: "rm;-rf" is no rack, such as /rack1',
    'rack_script /etc/racks: it ended with 3',
  ]);
  answer = () => '/late';
  t.is(await racks.resolve('d:1'), '/late');
});
