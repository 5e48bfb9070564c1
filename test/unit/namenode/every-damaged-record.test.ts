import test from 'ava';
import { describeKey } from '../../../source/namenode/damaged-records.js';
import { countersKey } from '../../../source/namenode/keys.js';
import { SafeModeError, StorageDamagedError } from '../../../source/protocol/errors.js';
import type { Key } from '../../../source/storage/key-value-store.js';
import { NameNodeBench } from '../../helpers/name-node-bench.js';

const mkdir = { permission: 0o755, createParents: true };

/** A name space with records of every kind that lasts. The same each time. */
async function furnished(): Promise<NameNodeBench> {
  const cluster = await new NameNodeBench().start();
  await cluster.join(0);
  await cluster.join(1);
  await cluster.put('/a/f');
  await cluster.put('/b/g');
  await cluster.root('fs.mkdirs', { path: '/c', ...mkdir, callId: 1 });
  await cluster.root('fs.create', { path: '/open', permission: 0o644, overwrite: false, createParents: true });
  await cluster.root('cluster.setNodeState', { node: 'dn2', state: 'in-maintenance' });
  return cluster;
}

async function allKeys(): Promise<Key[]> {
  const cluster = await furnished();
  const keys = [...cluster.store.range({ start: '', end: '\xff' })].map(([key]) => key);
  await cluster.nameNode.close();
  return keys;
}

test('whatever record of the store is damaged, health, report, df, the feed, safe mode and metrics answer, and nothing ends the name node (fault 14)', async (t) => {
  const keys = await allKeys();
  t.is([...new Set(keys.map((key) => key[0]))].join(''), 'ABCEFILRUn', 'a kind of record that this test does not know, or has lost');
  for (const key of keys) {
    const which = describeKey(key);
    const cluster = await furnished();
    cluster.store.damage(key);
    let healthCount = 0;
    cluster.nameNode.feed.subscribe((item) => void (item.type === 'health' && healthCount++));
    const before = { ...(await cluster.root('cluster.getHealth', {})) };
    t.true(before.fileCount === 3 && before.directoryCount === 4, which);
    // The data nodes die, and what is on them is missed.
    await cluster.turns(15_000);
    const health = await cluster.root('cluster.getHealth', {});
    t.is(health.datanodes.map(({ name, state }) => `${name} ${state}`).join(), 'dn1 dead,dn2 dead', which);
    t.is(health.blocks.missing, 2, which);
    t.is(cluster.events.filter(({ kind }) => kind === 'block-missing').length, 1, which);
    t.is(health.fileCount, 3, which);
    t.true(healthCount > 10, which);
    t.is((await cluster.root('cluster.getDatanodes', {})).length, 2, which);
    t.true((await cluster.root('fs.getStatus', {})).capacityBytes >= 0, which);
    t.true(cluster.nameNode.metrics().some(({ name, value }) => name === 'dfsh_namenode_files' && value === 3), which);
    const { isOn, reason } = await cluster.root('cluster.setSafeMode', { action: 'get' });
    if (isOn) t.true(reason.includes(`damaged: ${which}: `), `${which}: ${reason}`);
    t.is(await Promise.race([cluster.nameNode.failed, Promise.resolve('runs')]), 'runs', which);
    await cluster.nameNode.close();
  }
});

test('damaged counters are told where health is asked for, and changes are refused from then on (fault 14)', async (t) => {
  const cluster = await furnished();
  cluster.store.damage(countersKey);
  await cluster.turns(1000);
  const health = await cluster.root('cluster.getHealth', {});
  t.is(health.status, 'SAFE MODE');
  t.regex(health.safeMode.reason, /damaged: the counters: .*restore the store from a backup/);
  await t.throwsAsync(cluster.root('fs.mkdirs', { path: '/new', ...mkdir }), { instanceOf: SafeModeError });
  t.is((await cluster.root('fs.getBlockLocations', { path: '/b/g', offsetBytes: 0, lengthBytes: 9 })).blocks[0]!.locations.length, 2);
  await cluster.nameNode.close();
});

test('whatever record is damaged, a data node that registers again is taken back, and what it holds can be read (fault 14)', async (t) => {
  for (const key of await allKeys()) {
    const which = describeKey(key);
    const cluster = await furnished();
    const { inodeId } = (await cluster.root('fs.getFileInfo', { path: '/b/g' }))!;
    cluster.store.damage(key);
    await cluster.turns(20_000);
    await cluster.join(0);
    await cluster.join(1);
    const health = await cluster.root('cluster.getHealth', {});
    t.is(health.datanodes.map(({ name, state }) => `${name} ${state}`).join(), 'dn1 live,dn2 live', which);
    try {
      const { blocks } = await cluster.root('fs.getBlockLocations', { path: '/b/g', offsetBytes: 0, lengthBytes: 9 });
      t.is(blocks[0]!.locations.length, 2, which);
    } catch (error) {
      // What names the file, or its block, is what is damaged.
      t.true(error instanceof StorageDamagedError, `${which}: ${String(error)}`);
      t.regex(which, new RegExp(`inode ${inodeId}$|inode 1638[5-9]$|entry "[bg]"`));
    }
    await cluster.nameNode.close();
  }
});

test('whatever record is damaged, a start either serves the rest or is refused by name, and no replica is deleted (fault 14)', async (t) => {
  const refused: string[] = [];
  for (const key of await allKeys()) {
    const which = describeKey(key);
    const cluster = await furnished();
    await cluster.kill();
    cluster.store.damage(key);
    const before = cluster.store.crashImage().tree;
    try {
      await cluster.start();
    } catch (error) {
      t.true(error instanceof StorageDamagedError && error.message.includes(JSON.stringify(key)), `${which}: ${String(error)}`);
      t.is(cluster.store.crashImage().tree, before, which);
      refused.push(which);
      continue;
    }
    await cluster.join(0);
    await cluster.join(1);
    t.is((await cluster.root('cluster.getHealth', {})).datanodes.map(({ name, state }) => `${name} ${state}`).join(), 'dn1 live,dn2 live', which);
    await cluster.turns(100_000);
    for (const index of [0, 1]) t.deepEqual((await cluster.heartbeat(index)).filter(({ kind }) => kind === 'invalidate'), [], which);
    t.is(await Promise.race([cluster.nameNode.failed, Promise.resolve('runs')]), 'runs', which);
    await cluster.nameNode.close();
  }
  t.deepEqual(refused, ['the counters', 'the format']);
});
