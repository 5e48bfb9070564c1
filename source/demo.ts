import { createHash, randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from './base/clock.js';
import { formatReport } from './base/size.js';
import { escapeControls } from './base/text.js';
import type { Arguments } from './cli.js';
import type { DfsClient } from './client/client-api.js';
import type { LocalCluster } from './cluster/local-cluster.js';
import { connect, localCluster } from './compose.js';
import { loadConfig } from './config.js';
import { InputOutputError } from './protocol/errors.js';
import { entryPoint } from './program.js';

export { describeFailure } from './program.js';

const nodeCount = 4;
const replicaCount = 3;
const fileBytes = 64 * 1024 * 1024;
const blockBytes = 4 * 1024 * 1024;
const blockCount = fileBytes / blockBytes;
const repairLimitMs = 120_000;
const file = '/demo/events.bin';
/** Short verdicts, so that the tour keeps nobody waiting; the shipped ones are four times longer. */
const timing = { heartbeat_interval_ms: 250, stale_node_timeout_ms: 1000, dead_node_timeout_ms: 2500 };

/**
 * `dfsh demo`: four data nodes of its own on free ports in a temporary folder; bytes in, a node killed, the repair watched, bytes
 * out and compared. Needs no terminal. Resolves to 0 only if every byte came back and every block is whole again.
 */
export async function runDemo(values: Arguments): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'dfsh-demo-'));
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort(new InputOutputError('the tour was interrupted')));
  const say = values.json ? (step: string, text: string) => print(JSON.stringify({ step, text })) : (step: string, text: string) => print(`${step.padEnd(10)}${text}`);
  const { cluster, nameNode } = await describeCluster(folder);
  const client = await connect({ nameNode });
  try {
    await tour({ folder, cluster, client, nameNode, say, signal: interrupt.signal });
    return 0;
  } finally {
    await client.close();
    await cluster.down({});
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Tour {
  folder: string;
  cluster: LocalCluster;
  client: DfsClient;
  nameNode: string;
  say: (step: string, text: string) => void;
  signal: AbortSignal;
}

async function tour({ folder, cluster, client, nameNode, say, signal }: Tour): Promise<void> {
  for (const { failure } of await cluster.up({ signal })) if (failure !== undefined) throw new InputOutputError(failure);
  say('start', `a name node on ${nameNode} and ${nodeCount} data nodes, each a process of its own`);

  const written = await putRandomBytes(client, signal);
  const seconds = written.durationMs / 1000;
  say('put', `${formatReport(fileBytes)} of random bytes to ${file} in ${seconds.toFixed(1)} s, ${formatReport(Math.round(fileBytes / seconds))}/s, ${blockCount} blocks x${replicaCount}, all durable`);

  const counts = countReplicas(folder);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  say('disks', `${total} replicas in the data nodes' folders: ${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  if (total !== blockCount * replicaCount) throw new InputOutputError(`expected ${blockCount * replicaCount} replicas on the disks, found ${total}`);

  const victim = await nodeWithReplicas(client);
  const sinceMs = systemClock.monotonicMs();
  await cluster.kill(victim);
  say('kill', `kill -9 ${victim}, which held ${counts.get(victim) ?? 0} of the replicas`);
  const early = await digestOf(client, signal);
  if (early !== written.digest) throw new InputOutputError(`${file} read differently while ${victim} was down`);
  say('read', 'every byte reads back from the other replicas meanwhile');

  await watchRepair(client, victim, say, signal);
  say('healed', `every block has ${replicaCount} live replicas again, ${((systemClock.monotonicMs() - sinceMs) / 1000).toFixed(1)} s after the kill`);

  const late = await digestOf(client, signal);
  if (late !== written.digest) throw new InputOutputError(`${file} read differently after the repair`);
  say('compare', `${fileBytes} bytes back, SHA-256 ${late.slice(0, 16)}... equal`);
}

/** A configuration on free ports below `folder`. */
async function describeCluster(folder: string): Promise<{ cluster: LocalCluster; nameNode: string }> {
  const [nameNodePort, ...dataNodePorts] = await freePorts(1 + nodeCount);
  const configFile = join(folder, 'config.json');
  const content = {
    block_size: blockBytes,
    replication_factor: replicaCount,
    data_nodes: dataNodePorts.map((port) => `127.0.0.1:${port}`),
    name_node: `127.0.0.1:${nameNodePort}`,
    data_dir: 'cluster',
    ...timing,
  };
  writeFileSync(configFile, JSON.stringify(content, null, 2));
  const config = await loadConfig({ file: configFile, environment: {}, workingDirectory: folder, packageFile: configFile });
  return { cluster: await localCluster(config, entryPoint()), nameNode: config.nameNode };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise<Server>((resolve, reject) => {
      const server = createServer();
      server.on('error', reject).listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function putRandomBytes(client: DfsClient, signal: AbortSignal): Promise<{ digest: string; durationMs: number }> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(1024 * 1024);
  const writer = await client.openWriter(file, { createParents: true, signal });
  const startMs = systemClock.monotonicMs();
  for (let done = 0; done < fileBytes; done += chunk.length) {
    randomFillSync(chunk);
    hash.update(chunk);
    await writer.write(chunk);
  }
  await writer.close();
  return { digest: hash.digest('hex'), durationMs: systemClock.monotonicMs() - startMs };
}

async function digestOf(client: DfsClient, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const reader = await client.openReader(file, { signal });
  for (let part = await reader.read(); part; part = await reader.read()) {
    hash.update(part.bytes);
    part.release();
  }
  return hash.digest('hex');
}

/** Finished replicas found by looking at the disks, a data node. */
function countReplicas(folder: string): Map<string, number> {
  const directories = readdirSync(join(folder, 'cluster')).filter((name) => name.startsWith('datanode-')).sort((a, b) => Number(a.slice(9)) - Number(b.slice(9)));
  const ports = (JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { data_nodes: string[] }).data_nodes.map((address) => address.split(':')[1]);
  const counts = new Map<string, number>();
  for (const directory of directories) {
    const files = readdirSync(join(folder, 'cluster', directory), { recursive: true, encoding: 'utf8' });
    counts.set(`dn${ports.indexOf(directory.slice(9)) + 1}`, files.filter((name) => /(?:^|\/)current\/.*\/blk_\d+$/.test(name)).length);
  }
  return new Map([...counts].sort(([a], [b]) => a.localeCompare(b)));
}

async function nodeWithReplicas(client: DfsClient): Promise<string> {
  for await (const located of client.blocks(file)) return located.locations[0]!.name;
  throw new InputOutputError(`${file} has no blocks`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tells what the cluster's feed says of the death and the repair; resolves when no block misses a replica any more. */
async function watchRepair(client: DfsClient, victim: string, say: Tour['say'], signal: AbortSignal): Promise<void> {
  const limit = new AbortController();
  const timer = systemClock.setTimer(() => limit.abort(), repairLimitMs, { background: true });
  const either = AbortSignal.any([signal, limit.signal]);
  let isDead = false;
  try {
    for await (const item of client.feed({ signal: either })) {
      if (item.type === 'cluster') {
        if (item.event.node === victim || item.event.kind.startsWith('repair')) say('', escapeControls(item.event.message));
        continue;
      }
      isDead ||= item.health.datanodes.some(({ name, state }) => name === victim && state === 'dead');
      const { underReplicated, pendingReplication, missing } = item.health.blocks;
      if (missing > 0) throw new InputOutputError(`${missing} blocks have no replica left`);
      if (isDead && underReplicated === 0 && pendingReplication === 0) return;
    }
  } finally {
    timer.cancel();
  }
  signal.throwIfAborted();
  throw new InputOutputError(`the repair was not done within ${repairLimitMs / 1000} s`);
}
