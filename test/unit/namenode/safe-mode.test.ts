import test from 'ava';
import { ManualClock } from '../../../source/base/clock.js';
import { OverloadedError, SafeModeError } from '../../../source/protocol/errors.js';
import { SafeMode, type SafeModeOptions } from '../../../source/namenode/safe-mode.js';
import { BlockCluster } from '../../helpers/block-cluster.js';

const progress = (reportedBlocks: number, totalBlocks: number) => ({ isLoaded: true, reportedBlocks, totalBlocks, liveNodes: 1, knownNodes: 3 });

function createSafeMode(options: Partial<SafeModeOptions> = {}) {
  const clock = new ManualClock();
  const messages: string[] = [];
  return { clock, messages, safeMode: new SafeMode({ ...options, clock, events: { publish: ({ message }) => messages.push(message) } }) };
}

test('at start changes wait, and go on when every block has been reported', async (t) => {
  const { safeMode, messages } = createSafeMode();
  t.regex(safeMode.reason, /being loaded/);
  safeMode.advance(progress(9, 10));
  t.true(safeMode.isOn);
  t.regex(safeMode.reason, /^The reported blocks 9 needs additional 1 blocks to reach the threshold 1\.0000 of total blocks 10\. The number of live datanodes is 1 of 3\./);
  const waiting = safeMode.allow('Cannot create directory /t');
  safeMode.advance(progress(10, 10));
  t.false(safeMode.isOn);
  t.is(safeMode.reason, '');
  await waiting;
  t.is(safeMode.allow('Cannot create directory /t'), undefined);
  t.deepEqual(messages, ['Safe mode is OFF']);
});

test('changes that wait too long are to be asked again, before their clients give up on an answer, and told why in HDFS\'s words', async (t) => {
  const { safeMode, clock } = createSafeMode();
  safeMode.advance(progress(0, 1));
  const waiting = safeMode.allow('Cannot delete /t');
  clock.advance(10_000);
  const error = await t.throwsAsync(waiting!, { instanceOf: OverloadedError, message: 'Cannot delete /t. Name node is in safe mode.' });
  t.regex(error!.details[0]!, /^The reported blocks 0 needs additional 1 blocks/);
});

test('turned on by hand it refuses at once, those that wait too, and stays on when all is reported', async (t) => {
  const { safeMode, messages } = createSafeMode();
  safeMode.advance(progress(0, 1));
  const waiting = safeMode.allow('Cannot rename /t');
  safeMode.enter();
  await t.throwsAsync(waiting!, { instanceOf: SafeModeError });
  safeMode.advance(progress(1, 1));
  t.true(safeMode.isOn);
  t.throws(() => safeMode.allow('Cannot rename /t'), { instanceOf: SafeModeError, message: 'Cannot rename /t. Name node is in safe mode.' });
  t.regex(safeMode.reason, /turned on manually/);
  safeMode.leave();
  safeMode.leave();
  t.false(safeMode.isOn);
  t.deepEqual(messages, ['Safe mode is ON: it was turned on manually', 'Safe mode is OFF']);
});

test('it cannot be left before the blocks are known, not even by force', (t) => {
  const { safeMode } = createSafeMode();
  t.throws(() => safeMode.forceExit(), { instanceOf: SafeModeError });
  safeMode.enter();
  t.throws(() => safeMode.leave(), { instanceOf: SafeModeError });
  safeMode.advance(progress(0, 5));
  safeMode.forceExit();
  t.false(safeMode.isOn);
});

test('it ends at the threshold, with enough live nodes, after its extension, and says in HDFS\'s words what it waits for', (t) => {
  const { safeMode, clock } = createSafeMode({ threshold: 0.9, minDatanodes: 2, extensionMs: 5000 });
  safeMode.advance({ ...progress(89, 100) });
  t.is(safeMode.reason, 'The reported blocks 89 needs additional 1 blocks to reach the threshold 0.9000 of total blocks 100. The number of live datanodes 1 needs an additional 1 live datanodes to reach the minimum number 2. Safe mode will be turned off automatically once the thresholds have been reached.');
  safeMode.advance({ ...progress(90, 100) });
  clock.advance(60_000);
  safeMode.advance({ ...progress(90, 100) });
  t.true(safeMode.isOn, 'a node is lacking');
  safeMode.advance({ ...progress(90, 100), liveNodes: 2 });
  clock.advance(2000);
  t.is(safeMode.reason, 'The reported blocks 90 has reached the threshold 0.9000 of total blocks 100. The number of live datanodes 2 has reached the minimum number 2. In safe mode extension. Safe mode will be turned off automatically in 3 seconds.');
  safeMode.advance({ ...progress(88, 100), liveNodes: 2 });
  clock.advance(4000);
  safeMode.advance({ ...progress(90, 100), liveNodes: 2 });
  t.true(safeMode.isOn, 'what was reached and lost begins its extension anew');
  clock.advance(5000);
  safeMode.advance({ ...progress(90, 100), liveNodes: 2 });
  t.false(safeMode.isOn);
});

test('a name space older than its replicas stays in safe mode: nothing of them is deleted unless somebody forces it', async (t) => {
  let lastGenerationStamp = 2000;
  const cluster = await BlockCluster.started(3, { lastGenerationStamp: () => lastGenerationStamp });
  const [kept, later] = [cluster.write(), cluster.write({ lengthBytes: 1000 })];
  await cluster.run(1000);
  // Restored from a backup: what was written after it is not known, and generations go back.
  cluster.catalogBlocks.splice(cluster.catalogBlocks.findIndex(({ blockId }) => blockId === later!.blockId), 1);
  cluster.catalogBlocks[0]!.generationStamp = 900;
  for (const node of cluster.nodes) node.replicas.set(kept!.blockId, { ...kept!, generationStamp: 900 });
  lastGenerationStamp = 1000;
  await cluster.restartNameNode();
  await cluster.run(300_000);
  t.true(cluster.services.safeMode.isOn);
  t.regex(cluster.services.safeMode.reason, /^The reported blocks 1 has reached .* generation stamps in future\. Refusing to leave safe mode without a force flag\. Exiting safe mode will cause a deletion of 1000 byte\(s\)\. Please use -forceExit flag/);
  t.throws(() => cluster.services.safeMode.leave(), { instanceOf: SafeModeError, message: /deletion of 1000 byte\(s\)/ });
  cluster.services.safeMode.enter();
  await cluster.run(2000);
  t.throws(() => cluster.services.safeMode.leave(), { instanceOf: SafeModeError, message: /deletion of 1000 byte\(s\)/ }, 'by a detour neither');
  t.is(cluster.holders(later!).length, 3);
  cluster.services.safeMode.forceExit();
  t.false(cluster.services.safeMode.isOn);
  await cluster.runUntil(() => cluster.holders(later!).length === 0);
  t.is(cluster.services.health().blocks.missing, 0);
});

test('after a restart it lasts until each block has a replica; then repair waits for the nodes that are still to report', async (t) => {
  const cluster = await BlockCluster.started(3);
  const blocks = Array.from({ length: 12 }, () => cluster.write());
  await cluster.run(1000);
  for (const node of cluster.nodes) node.isCutOff = true;
  await cluster.restartNameNode();
  t.like(cluster.services.health(), { status: 'SAFE MODE', safeMode: { isOn: true, reportedBlocks: 0, totalBlocks: 12 } });
  const allowed = cluster.services.safeMode.allow('Cannot create directory /t');
  cluster.nodes[0]!.isCutOff = false;
  await cluster.run(1250);
  t.like(cluster.services.health(), { safeMode: { isOn: false, reportedBlocks: 12, totalBlocks: 12 }, blocks: { underReplicated: 12, missing: 0 } });
  await allowed;
  cluster.nodes[1]!.isCutOff = false;
  await cluster.run(4000);
  t.is(cluster.services.health().blocks.pendingReplication, 0);
  cluster.nodes[2]!.isCutOff = false;
  await cluster.run(2000);
  t.is(cluster.services.health().status, 'HEALTHY');
  t.is(cluster.nodes.flatMap((node) => node.commands).length, 0, 'nothing was copied or deleted');
  for (const block of blocks) t.is(cluster.locations(block).length, 3);
});

test('a node that does not come back after a restart is declared dead, and then repaired', async (t) => {
  const cluster = await BlockCluster.started(4);
  const blocks = Array.from({ length: 12 }, () => cluster.write());
  await cluster.run(1000);
  cluster.nodes[0]!.kill();
  await cluster.restartNameNode();
  await cluster.run(5000);
  t.false(cluster.services.safeMode.isOn);
  t.is(cluster.services.health().blocks.pendingReplication, 0);
  await cluster.runUntil(() => cluster.events('node-dead').length === 1, 8000);
  await cluster.runUntil(() => blocks.every((block) => cluster.holders(block).filter((node) => node.isRunning).length === 3));
});

test('a block that nobody reports holds the start; leaving by hand works, and says what is missing', async (t) => {
  const cluster = await BlockCluster.started(3);
  const [lost] = [cluster.write(), cluster.write()];
  await cluster.run(1000);
  for (const node of cluster.nodes) node.replicas.delete(lost!.blockId);
  await cluster.restartNameNode();
  await cluster.run(20_000);
  t.like(cluster.services.health().safeMode, { isOn: true, reportedBlocks: 1, totalBlocks: 2 });
  cluster.services.safeMode.leave();
  await cluster.run(1000);
  t.like(cluster.services.health(), { status: 'DEGRADED', blocks: { missing: 1 } });
});

test('in safe mode by hand nothing is copied or deleted; after it both go on', async (t) => {
  const cluster = await BlockCluster.started(4);
  const [kept, deleted] = [cluster.write(), cluster.write()];
  await cluster.run(1000);
  cluster.services.safeMode.enter();
  cluster.delete(deleted!);
  cluster.holders(kept!)[0]!.kill();
  await cluster.runUntil(() => cluster.events('node-dead').length === 1);
  t.true(cluster.messages.at(-1)!.endsWith('re-replication waits for the end of safe mode'));
  await cluster.run(5000);
  t.is(cluster.nodes.flatMap((node) => node.commands).length, 0);
  cluster.services.safeMode.leave();
  await cluster.runUntil(() => cluster.holders(kept!).filter((node) => node.isRunning).length === 3);
  await cluster.runUntil(() => cluster.holders(deleted!).filter((node) => node.isRunning).length === 0);
});
