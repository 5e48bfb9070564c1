import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { DfsClient, FileWriter, WriteProgress } from '../../source/client/client-api.js';
import { connect } from '../../source/compose.js';
import type { ClusterEvent } from '../../source/protocol/cluster-events.js';
import { CutProxy, type Way } from '../helpers/cut-proxy.js';
import { patternBytes, readFile, writeFile } from '../helpers/fake-cluster.js';
import { reroute, routedEnvironment } from '../helpers/reroute.js';
import { fullHealth } from '../rig/full-health.js';
import { RigCluster } from '../rig/rig-cluster.js';

const megabyte = 1 << 20;

/** Real nodes whose connections go by proxies where `routesOf` says so: from a node (or `client`) to the nodes that it names. */
async function start(t: ExecutionContext, options: { dataNodes: number; routes: Record<string, string[]>; settings?: Record<string, unknown> }) {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-network-'));
  const proxies = new Map<string, CutProxy>();
  const routesOf = (from: string) =>
    Object.fromEntries((options.routes[from] ?? []).map((to) => [to === 'nn' ? cluster.nameNodeAddress : cluster.addressOf(to), proxies.get(`${from} ${to}`)!.address]));
  const cluster = await RigCluster.create({ folder, dataNodes: options.dataNodes, settings: { block_size: '4m', stale_node_timeout_ms: 1000, dead_node_timeout_ms: 3000, soft_lease_limit_ms: 10_000, hard_lease_limit_ms: 60_000, ...options.settings }, environmentOf: (name) => (options.routes[name] ? routedEnvironment(routesOf(name)) : {}) });
  t.teardown(async () => {
    await cluster.destroy();
    for (const proxy of proxies.values()) await proxy.close();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [from, targets] of Object.entries(options.routes)) {
    for (const to of targets) proxies.set(`${from} ${to}`, await CutProxy.open(to === 'nn' ? cluster.nameNodeAddress : cluster.addressOf(to)));
  }
  reroute(routesOf('client'));
  cluster.startAll();
  await cluster.settled();
  return { cluster, client: cluster.client, way: (from: string, to: string) => proxies.get(`${from} ${to}`)! };
}

/** Writes until a good part of `content` is acknowledged; the rest is for the caller. Answers the progress, and where the rest begins. */
async function writeBegin(client: DfsClient, path: string, content: Buffer): Promise<{ writer: FileWriter; progress: WriteProgress; at: number }> {
  let progress: WriteProgress | undefined;
  const writer = await client.openWriter(path, { onProgress: (now) => (progress = now) });
  const at = 3 * megabyte;
  await writer.write(content.subarray(0, at));
  while ((progress?.acknowledgedBytes ?? 0) < megabyte) await new Promise((resolve) => setTimeout(resolve, 5));
  return { writer, progress: progress!, at };
}

const everyDataNode = ['dn1', 'dn2', 'dn3', 'dn4'];

test('a client that is cut from a data node in the middle of a put and of a get goes on with others (fault 27)', async (t) => {
  const { cluster, client, way } = await start(t, { dataNodes: 4, routes: { client: everyDataNode } });
  const content = patternBytes(12 * megabyte);
  const { writer, progress, at } = await writeBegin(client, '/f', content);
  const cut = progress.pipeline[0]!;
  way('client', cut).hold();
  await writer.write(content.subarray(at));
  const { status } = await writer.close();
  t.is(status.lengthBytes, content.length);
  t.true(progress.failures.length > 0 && progress.failures.every(({ datanode }) => datanode === cut), JSON.stringify(progress.failures));
  way('client', cut).heal();
  let from: string | undefined;
  let first: string | undefined;
  const pieces: Buffer[] = [];
  const reader = await client.openReader('/f', { onProgress: ({ datanode }) => (from = datanode) });
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    pieces.push(Buffer.from(piece.bytes));
    piece.release();
    if (!first) way('client', (first = from!)).hold();
  }
  t.true(Buffer.concat(pieces).equals(content));
  t.not(from, first);
  way('client', first!).heal();
  await fullHealth(cluster);
});

test.serial('a data node that is cut from the name node is dead, its blocks are repaired, and on its return the excess goes (fault 28)', async (t) => {
  const { cluster, client, way } = await start(t, { dataNodes: 4, routes: { dn2: ['nn'] } });
  const contents = Array.from({ length: 8 }, (_, i) => patternBytes(200_000 + i, i));
  for (const [i, content] of contents.entries()) await writeFile(client, `/f${i}`, content);
  await fullHealth(cluster);
  way('dn2', 'nn').hold();
  await cluster.until('dn2 dead and its blocks repaired', ({ datanodes, blocks }) => datanodes.some(({ name, state }) => name === 'dn2' && state === 'dead') && blocks.underReplicated + blocks.pendingReplication === 0);
  for (const [i, content] of contents.entries()) {
    t.true((await readFile(client, `/f${i}`)).equals(content));
    for await (const { locations } of client.blocks(`/f${i}`)) t.is(locations.filter(({ name }) => name !== 'dn2').length, 3);
  }
  way('dn2', 'nn').heal();
  await cluster.settled();
  await fullHealth(cluster);
  for (const [i, content] of contents.entries()) t.true((await readFile(client, `/f${i}`)).equals(content));
});

test('where data nodes cannot reach one of them, pipelines leave out that one, not the one that says so (fault 29)', async (t) => {
  const others = ['dn1', 'dn3', 'dn4'];
  const { cluster, client, way } = await start(t, { dataNodes: 4, routes: Object.fromEntries(others.map((name) => [name, ['dn2']])) });
  for (const name of others) way(name, 'dn2').hold();
  const content = patternBytes(3 * megabyte);
  const blamed = new Set<string>();
  // dn2 is not always behind another one.
  for (let i = 0; blamed.size === 0; i++) {
    t.true(i < 30);
    let progress: WriteProgress | undefined;
    const writer = await client.openWriter(`/f${i}`, { onProgress: (now) => (progress = now) });
    await writer.write(content);
    await writer.close();
    t.true((await readFile(client, `/f${i}`)).equals(content));
    for (const { datanode } of progress!.failures) blamed.add(datanode);
  }
  t.deepEqual([...blamed], ['dn2']);
  for (const name of others) way(name, 'dn2').heal();
  await fullHealth(cluster);
});

for (const [title, held] of [
  ['whose words do not arrive', { up: { kind: 'hold' } }],
  ['that hears no answers', { down: { kind: 'hold' } }],
] as const) {
  test(`a data node ${title} is dead once, does not flap, and is live again afterwards (fault 30)`, async (t) => {
    const { cluster, client, way } = await start(t, { dataNodes: 4, routes: { dn2: ['nn'] } });
    const content = patternBytes(megabyte);
    await writeFile(client, '/f', content);
    const events: ClusterEvent[] = [];
    const stop = new AbortController();
    t.teardown(() => stop.abort());
    let heard = () => {};
    const isHeard = new Promise<void>((resolve) => (heard = resolve));
    const following = (async () => {
      for await (const item of client.feed({ signal: stop.signal })) {
        heard();
        if (item.type === 'cluster') events.push(item.event);
      }
    })().catch(() => {});
    await isHeard;
    way('dn2', 'nn').set(held as { up?: Way; down?: Way });
    const isDead = ({ datanodes }: { datanodes: { name: string; state: string }[] }) => datanodes.some(({ name, state }) => name === 'dn2' && state === 'dead');
    await cluster.until('dn2 dead', isDead);
    // Longer than a call of the data node waits for its answer: it has tried again meanwhile.
    const endMs = performance.now() + 15_000;
    await cluster.until('the repair', ({ blocks }) => blocks.underReplicated === 0);
    t.true((await readFile(client, '/f')).equals(content));
    await cluster.until('some time', (health) => performance.now() > endMs && isDead(health));
    t.is(events.filter(({ kind, node }) => kind === 'node-dead' && node === 'dn2').length, 1);
    way('dn2', 'nn').heal();
    await cluster.settled();
    await fullHealth(cluster);
    stop.abort();
    await following;
  });
}

test.serial('connections to data nodes that are reset in mid-body cost no byte, and leave nothing of a put that was given up (fault 33)', async (t) => {
  const { cluster, client, way } = await start(t, { dataNodes: 4, routes: { client: everyDataNode } });
  const content = patternBytes(6 * megabyte);
  const { writer, progress, at } = await writeBegin(client, '/f', content);
  way('client', progress.pipeline[0]!).reset();
  await writer.write(content.subarray(at));
  await writer.close();
  t.true((await readFile(client, '/f')).equals(content));
  const given = await client.openWriter('/g', { overwrite: true });
  await given.write(content.subarray(0, 5 * megabyte));
  for (const name of everyDataNode) way('client', name).reset();
  await given.abort();
  t.is(await client.find('/g'), null);
  await fullHealth(cluster);
});

test.serial('connections to the name node that are reset at any moment repeat no change and lose none (faults 3, 31, 33)', async (t) => {
  const { cluster, way } = await start(t, { dataNodes: 3, routes: { client: ['nn'] } });
  const client = await connect({ nameNode: cluster.nameNodeAddress });
  t.teardown(() => client.close());
  const proxy = way('client', 'nn');
  let resets = 0;
  let calls = 0;
  let isOver = false;
  const turn = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms));
  const resetting = (async () => {
    while (!isOver) {
      // One within a call, some time behind its first byte; then one call is let through, however slow the machine is.
      const [sent, ended] = [proxy.passed.up, calls];
      while (!isOver && proxy.passed.up === sent) await turn();
      if (resets % 5 > 0) await turn(resets % 5);
      proxy.reset();
      resets++;
      while (!isOver && calls === ended) await turn();
    }
  })();
  // A second rename, or a second delete, would be refused: each answer must be the first one's.
  for (let i = 0; i < 60; i++) {
    t.true(await client.mkdirs(`/a${i}`));
    calls++;
    await client.rename(`/a${i}`, `/b${i}`);
    calls++;
    if (i % 2) t.true(await client.delete(`/b${i}`));
  }
  isOver = true;
  await resetting;
  t.true(resets > 20);
  const names: string[] = [];
  for await (const { name } of client.list('/')) names.push(name);
  t.deepEqual(names.sort(), Array.from({ length: 30 }, (_, i) => `b${2 * i}`).sort());
});

test('a data node that sends and takes one byte a second is left out of gets and puts (fault 34)', async (t) => {
  const { cluster, client, way } = await start(t, { dataNodes: 4, routes: { client: everyDataNode } });
  const content = patternBytes(6 * megabyte);
  await writeFile(client, '/f', content);
  const trickle: Way = { kind: 'trickle', intervalMs: 1000 };
  let from: string | undefined;
  let slow: string | undefined;
  const pieces: Buffer[] = [];
  const reader = await client.openReader('/f', { onProgress: ({ datanode }) => (from = datanode) });
  for (let piece = await reader.read(); piece; piece = await reader.read()) {
    pieces.push(Buffer.from(piece.bytes));
    piece.release();
    if (!slow) way('client', (slow = from!)).set({ up: trickle, down: trickle });
  }
  t.true(Buffer.concat(pieces).equals(content));
  t.not(from, slow);
  way('client', slow!).heal();
  const { writer, progress, at } = await writeBegin(client, '/g', content);
  const target = progress.pipeline[0]!;
  way('client', target).set({ up: trickle, down: trickle });
  await writer.write(content.subarray(at));
  await writer.close();
  t.true(progress.failures.length > 0 && progress.failures.every(({ datanode }) => datanode === target), JSON.stringify(progress.failures));
  way('client', target).heal();
  t.true((await readFile(client, '/g')).equals(content));
  await fullHealth(cluster);
});

test.serial('a byte that changes on the way to a data node, between two, or to a reader reaches neither a disk nor a user (fault 35)', async (t) => {
  const routes = { client: ['dn1', 'dn2', 'dn3'], dn1: ['dn2', 'dn3'], dn2: ['dn1', 'dn3'], dn3: ['dn1', 'dn2'] };
  const { cluster, client, way } = await start(t, { dataNodes: 3, routes, settings: { block_size: '1m' } });
  const content = patternBytes(1_500_000);
  const paths: string[] = [];
  // On every way a byte, one way after the other as the pipeline is built anew: not each is one that the block takes.
  for (let inWrites = 0, i = 0; inWrites < 12; i++) {
    t.true(i < 100);
    const ways = Object.entries(routes).flatMap(([from, targets]) => ((from === 'client') === (i % 2 === 0) ? targets.map((to) => way(from, to)) : []));
    const flipped = () => ways.reduce((sum, spoiler) => sum + spoiler.flipped, 0);
    const before = flipped();
    for (const spoiler of ways) spoiler.set({ up: { kind: 'flip', afterBytes: 20_000 + 7_777 * i } });
    await writeFile(client, `/f${i}`, content);
    inWrites += flipped() - before;
    for (const spoiler of ways) spoiler.heal();
    paths.push(`/f${i}`);
  }
  for (let inReads = 0, i = 0; inReads < 3; i++) {
    t.true(i < 100);
    const spoiler = way('client', routes.client[i % 3]!);
    const before = spoiler.flipped;
    spoiler.set({ down: { kind: 'flip', afterBytes: 10_000 + 5_555 * i } });
    t.true((await readFile(client, paths[i % paths.length]!)).equals(content));
    inReads += spoiler.flipped - before;
    spoiler.heal();
  }
  await fullHealth(cluster);
  for (const path of paths) t.true((await readFile(client, path)).equals(content), path);
});
