import test from 'ava';
import { seededRandom } from '../../../source/base/random.js';
import { NotEnoughReplicasError } from '../../../source/protocol/errors.js';
import { chooseTargets, type PlacementCandidate } from '../../../source/namenode/placement.js';
import { BlockCluster, mebibyte } from '../../helpers/block-cluster.js';

const candidate = (uuid: string, fields: Partial<PlacementCandidate> = {}): PlacementCandidate => ({
  uuid,
  host: '127.0.0.1',
  rack: '/default-rack',
  capacityBytes: 1000,
  remainingBytes: 900,
  usedFraction: 0.1,
  load: 0,
  isStale: false,
  ...fields,
});
const options = { count: 3, blockSizeBytes: 100, excluded: new Set<string>() };

/** How often each is chosen in so many tries. */
function tally(candidates: PlacementCandidate[], chosenOptions: Partial<Parameters<typeof chooseTargets>[1]> = {}, tries = 3000): Map<string, number> {
  const random = seededRandom(11);
  const counts = new Map(candidates.map(({ uuid }) => [uuid, 0]));
  for (let i = 0; i < tries; i++) for (const { uuid } of chooseTargets(candidates, { ...options, ...chosenOptions }, random)) counts.set(uuid, counts.get(uuid)! + 1);
  return counts;
}

test('never two replicas on one node, never an excluded or a full one', (t) => {
  const random = seededRandom(1);
  const candidates = [candidate('a'), candidate('b'), candidate('full', { remainingBytes: 99 }), candidate('c'), candidate('out')];
  for (let i = 0; i < 500; i++) {
    const uuids = chooseTargets(candidates, { ...options, excluded: new Set(['out']) }, random).map(({ uuid }) => uuid);
    t.deepEqual([...uuids].sort(), ['a', 'b', 'c']);
  }
  t.is(chooseTargets(candidates, { ...options, count: 9 }, random).length, 4);
  t.deepEqual(chooseTargets([], options, random), []);
});

test('equal nodes of one machine get equal shares, whoever writes', (t) => {
  const counts = tally([candidate('a'), candidate('b'), candidate('c'), candidate('d'), candidate('e')], { writerHost: '127.0.0.1' });
  for (const count of counts.values()) t.true(Math.abs(count - 1800) < 150, JSON.stringify([...counts]));
});

test('the emptier and the idler ones are preferred, the fuller and busier ones not starved', (t) => {
  const space = tally(['a', 'b', 'c', 'd'].map((uuid, i) => candidate(uuid, { usedFraction: 0.2 * (i + 1) })), { count: 1 });
  t.true(space.get('a')! > space.get('b')! && space.get('b')! > space.get('c')! && space.get('c')! > space.get('d')!, JSON.stringify([...space]));
  t.true(tally([candidate('a', { usedFraction: 0.9 }), candidate('b'), candidate('c'), candidate('d')]).get('a')! > 0);
  const load = tally([candidate('busy', { load: 10 }), candidate('b'), candidate('c')], { count: 1 });
  t.true(load.get('busy')! < load.get('b')! / 2, JSON.stringify([...load]));
});

test('stale nodes are taken only where there are not enough others', (t) => {
  const random = seededRandom(2);
  const candidates = [candidate('stale', { isStale: true }), candidate('b'), candidate('c')];
  t.deepEqual(chooseTargets(candidates, { ...options, count: 2 }, random).map(({ uuid }) => uuid).sort(), ['b', 'c']);
  t.is(chooseTargets(candidates, options, random)[2]!.uuid, 'stale');
});

test('where machines differ, the writer\'s own comes first', (t) => {
  const random = seededRandom(3);
  const candidates = [candidate('a', { host: '10.0.0.1' }), candidate('b', { host: '10.0.0.2' }), candidate('c', { host: '10.0.0.3' }), candidate('d', { host: '10.0.0.4' })];
  for (let i = 0; i < 50; i++) t.is(chooseTargets(candidates, { ...options, writerHost: '10.0.0.3' }, random)[0]!.uuid, 'c');
});

test('when no node is left the refusal is HDFS\'s, with a line for each node on why it was not chosen', async (t) => {
  const cluster = await BlockCluster.started(3);
  const tiny = await cluster.addNode({ capacityBytes: 10 * mebibyte });
  const { blocks } = cluster.services;
  cluster.nodes[0]!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  const request = { count: 3, blockSizeBytes: 64 * mebibyte, writerAddress: '127.0.0.1:1', excluded: [cluster.nodes[1]!.uuid], existing: [], path: '/a' };
  const error = t.throws(() => blocks.chooseTargets(request), { instanceOf: NotEnoughReplicasError });
  t.is(error!.message, 'File /a could only be written to 1 of the 2 minReplication nodes. There are 3 datanode(s) running and 1 node(s) are excluded in this operation.');
  t.deepEqual((error as InstanceType<typeof NotEnoughReplicasError>).details.map((line) => line.replace(/\d+ s$/, 'N s')), [
    'dn1 (127.0.0.1:9864): dead: no heartbeat for N s',
    'dn2 (127.0.0.1:9865): excluded by the writer, which could not use it',
    `${tiny.name} (127.0.0.1:9867): ${10 * mebibyte} bytes left for new blocks, ${64 * mebibyte} needed: free some, or add a data node`,
  ]);
  t.deepEqual(blocks.chooseTargets({ ...request, excluded: [] }).map(({ name }) => name).sort(), ['dn2', 'dn3']);
  t.deepEqual(blocks.chooseTargets({ ...request, count: 1, existing: [cluster.nodes[2]!.uuid], excluded: [] }).map(({ name }) => name), ['dn2']);
  t.throws(() => blocks.chooseTargets({ ...request, count: 1, existing: [cluster.nodes[2]!.uuid, cluster.nodes[1]!.uuid], excluded: [] }), { instanceOf: NotEnoughReplicasError, message: /could only be written to 0 of the 1 minReplication nodes.*no node\(s\) are excluded/ });
});

test('with the one data node that ever registered a single replica is enough; with none the refusal says so', async (t) => {
  const cluster = await BlockCluster.started(0);
  const request = { count: 3, blockSizeBytes: mebibyte, writerAddress: '127.0.0.1:1', excluded: [], existing: [] };
  t.throws(() => cluster.services.blocks.chooseTargets(request), { message: /written to 0 of the 1 minReplication nodes. There are 0 datanode\(s\) running/ });
  await cluster.addNode();
  t.is(cluster.services.blocks.chooseTargets(request).length, 1);
});

test('what clients are writing counts as used: blocks begun at once do not all go to one node', async (t) => {
  const cluster = await BlockCluster.started(4);
  for (let i = 0; i < 40; i++) cluster.begin({ replication: 1 });
  const shares = cluster.nodes.map((node) => cluster.services.datanodes.find(node.uuid)!.writing.count);
  t.is(shares.reduce((sum, share) => sum + share), 40);
  for (const share of shares) t.true(share >= 7 && share <= 13, shares.join());
});
