import test from 'ava';
import { AlreadyBeingCreatedError, FileAlreadyExistsError } from '../../../source/protocol/errors.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';

const yearMs = 365 * 86_400_000;
const create = { path: '/f', permission: 0o644, overwrite: false, createParents: true };
const mkdir = (path: string, callId: number) => ({ path, permission: 0o755, createParents: false, callId });

/** Both nodes report every second. */
async function pass(cluster: NameNodeBench, durationMs: number): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += 1000) {
    cluster.clock.advance(1000);
    await cluster.heartbeat(0);
    await cluster.heartbeat(1);
  }
  await cluster.turns(0);
}

for (const [title, jumpMs] of [
  ['forward', yearMs],
  ['back', -yearMs],
] as const) {
  test(`a wall clock that jumps a year ${title} ends no lease, declares no node dead, forgets no answer, and keeps none longer (fault 53)`, async (t) => {
    const cluster = await new NameNodeBench({ softLeaseLimitMs: 60_000, hardLeaseLimitMs: 120_000, answersKeptMs: 300_000 }).start();
    await cluster.join(0);
    await cluster.join(1);
    await cluster.put('/kept');
    const writer = cluster.as('hdfs', 'writer');
    const other = cluster.as('hdfs', 'other');
    await writer('fs.create', create);
    t.true(await writer('fs.mkdirs', mkdir('/d', 1)));
    const at = cluster.clock.monotonicMs();

    cluster.clock.jumpMs = jumpMs;
    await pass(cluster, 5000);
    t.deepEqual((await cluster.root('cluster.getDatanodes', {})).map(({ state }) => state), ['live', 'live']);
    await t.throwsAsync(other('fs.create', create), { instanceOf: AlreadyBeingCreatedError });
    t.is((await writer('fs.renewLease', {})).openFileCount, 1);
    t.true(await writer('fs.mkdirs', mkdir('/d', 1)), 'a retry gets the stored answer');
    t.is((await cluster.root('fs.getBlockLocations', { path: '/kept', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
    t.true(await cluster.root('fs.mkdirs', mkdir('/e', 2)));
    const { modificationTimeMs } = (await cluster.root('fs.getFileInfo', { path: '/e' }))!;
    t.true(Math.abs(modificationTimeMs - cluster.clock.nowMs()) < 1000, 'only shown times follow the wall clock');

    // By the clock that never jumps all of it goes on as ever: the writer is not heard of any more.
    cluster.clock.jumpMs = 0;
    while (cluster.clock.monotonicMs() - at < 110_000) await pass(cluster, 1000);
    t.is((await cluster.root('fs.getFileInfo', { path: '/f' }))!.isUnderConstruction, true);
    await pass(cluster, 60_000);
    t.is((await writer('fs.renewLease', {})).openFileCount, 0, 'the lease has ended');
    t.true(await writer('fs.mkdirs', mkdir('/d', 1)));
    while (cluster.clock.monotonicMs() - at < 330_000) await pass(cluster, 10_000);
    await cluster.turns(3000);
    await t.throwsAsync(writer('fs.mkdirs', mkdir('/d', 1)), { instanceOf: FileAlreadyExistsError });
    await cluster.nameNode.close();
  });

  test(`a name node that starts a year ${title} of the one before takes leases and nodes as they were (fault 53)`, async (t) => {
    const cluster = await new NameNodeBench({ softLeaseLimitMs: 60_000, hardLeaseLimitMs: 120_000 }).start();
    await cluster.join(0);
    await cluster.join(1);
    const writer = cluster.as('hdfs', 'writer');
    await writer('fs.create', create);
    await cluster.put('/kept');
    await cluster.kill();
    cluster.clock.jumpMs = jumpMs;
    await cluster.start();
    await cluster.join(0);
    await cluster.join(1);
    await cluster.turns(1000);
    t.false((await cluster.root('cluster.getHealth', {})).safeMode.isOn);
    t.is((await writer('fs.renewLease', {})).openFileCount, 1);
    await pass(cluster, 5000);
    t.deepEqual((await cluster.root('cluster.getDatanodes', {})).map(({ state }) => state), ['live', 'live']);
    await t.throwsAsync(cluster.as('hdfs', 'other')('fs.create', create), { instanceOf: AlreadyBeingCreatedError });
    await cluster.put('/after');
    await cluster.nameNode.close();
  });
}
