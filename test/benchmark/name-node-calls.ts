// Calls a second through the name node's handlers on LMDB, without a transport: what the namespace itself costs.
// usage: npx tsx test/benchmark/name-node-calls.ts [calls=20000] [outstanding=64] [depth=3]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { systemClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { systemRandom } from '../../source/base/random.js';
import { NameNode } from '../../source/namenode/name-node.js';
import type { NameNodeOptions } from '../../source/namenode/name-node-options.js';
import type { ClientProtocol } from '../../source/protocol/client-protocol.js';
import type { CallContext, ParamsOf, ResultOf } from '../../source/protocol/method.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';

const [calls, outstanding, depth] = [process.argv[2] ?? '20000', process.argv[3] ?? '64', process.argv[4] ?? '3'].map(Number) as [number, number, number];
const folder = mkdtempSync(join(tmpdir(), 'dfsh-calls-'));
const options: NameNodeOptions = {
  address: '127.0.0.1:9870',
  superuser: 'bench',
  isFormatWanted: true,
  dataNodes: ['127.0.0.1:9864', '127.0.0.1:9865', '127.0.0.1:9866'],
  blockSizeBytes: 64 * 2 ** 20,
  replication: 3,
  minReplication: 2,
  heartbeatIntervalMs: 1000,
  staleNodeTimeoutMs: 3_600_000,
  deadNodeTimeoutMs: 7_200_000,
  blockReportIntervalMs: 3_600_000,
  maxReplicationStreams: 2,
  trashIntervalMinutes: 0,
  isDurableClose: true,
  softLeaseLimitMs: 60_000,
  hardLeaseLimitMs: 1_200_000,
};
const store = await openLmdbStore({ directory: join(folder, 'store'), logger: silentLogger });
const nameNode = await NameNode.open({ store, clock: systemClock, random: systemRandom, logger: silentLogger, options });
nameNode.start();
const storages = (index: number) => [{ storageId: `s${index}`, capacityBytes: 2 ** 40, usedBytes: 0, remainingBytes: 2 ** 40, blockCount: 0, isFailed: false }];
for (let index = 0; index < 3; index++) {
  const context: CallContext = { user: 'bench', clientId: `dn${index}`, role: 'datanode', remoteAddress: '127.0.0.1:1' };
  const sender = { datanodeUuid: `uuid-${index}` };
  const { epoch } = await nameNode.datanodeHandlers['datanode.register'](
    { ...sender, clusterId: null, bootNonce: 'n', host: '127.0.0.1', port: 9864 + index, softwareVersion: '0', storages: storages(index) },
    context,
  );
  await nameNode.datanodeHandlers['datanode.blockReport']({ ...sender, epoch, storageId: `s${index}`, reportId: 1, sliceIndex: 0, isLast: true, replicas: '' }, context);
  await nameNode.datanodeHandlers['datanode.sendHeartbeat'](
    { ...sender, epoch, storages: storages(index), transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [] },
    context,
  );
}

const context: CallContext = { user: 'bench', clientId: 'bench-client', role: 'client', remoteAddress: '127.0.0.1:2' };
let callId = 0;
const call = async <M extends keyof ClientProtocol & string>(method: M, params: ParamsOf<ClientProtocol, M>): Promise<ResultOf<ClientProtocol, M>> =>
  (await (nameNode.clientHandlers[method] as (params: unknown, context: CallContext) => unknown)(params, context)) as ResultOf<ClientProtocol, M>;

/** 1,000 directories below `/d/d/d...`, as far apart as names can be. */
const base = Array.from({ length: depth - 1 }, () => '/d').join('');
const place = (index: number) => `${base}/x${(index * 7919) % 1000}`;
while (nameNode.health().safeMode.isOn) await new Promise((resolve) => setTimeout(resolve, 10));
await call('fs.mkdirs', { path: `${base}/x`, permission: 0o755, createParents: true, callId: ++callId });
for (let index = 0; index < 1000; index += 100) {
  await Promise.all(Array.from({ length: 100 }, (_, more) => call('fs.mkdirs', { path: `${base}/x${index + more}`, permission: 0o755, createParents: true, callId: ++callId })));
}

async function measure(name: string, work: (index: number) => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  let next = 0;
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: outstanding }, async () => {
      for (let index = next++; index < calls; index = next++) {
        const callMs = performance.now();
        await work(index);
        times.push(performance.now() - callMs);
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const used = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))]!.toFixed(2);
  const microseconds = ((used.user + used.system) / calls).toFixed(0);
  console.log(`${name.padEnd(28)} ${String(Math.round(calls / seconds)).padStart(7)}/s   p50 ${at(0.5)} ms  p99 ${at(0.99)} ms   ${microseconds} us of CPU each`);
}

console.log(`${calls} calls each, ${outstanding} outstanding, depth ${depth}`);
const create = { permission: 0o644, overwrite: false, createParents: false };
await measure('create + complete, empty', async (index) => {
  const { file } = await call('fs.create', { ...create, path: `${place(index)}/f${index}`, callId: ++callId });
  await call('fs.complete', { inodeId: file.inodeId, last: null, callId: ++callId });
});
await measure('put of one block, renamed', async (index) => {
  const path = `${place(index)}/g${index}`;
  const { file, block } = await call('fs.create', { ...create, path: `${path}._COPYING_`, overwrite: true, temporary: true, withBlock: true, callId: ++callId });
  const replicas = block!.locations.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId }));
  await call('fs.complete', { inodeId: file.inodeId, last: { block: { ...block!.block, lengthBytes: 4096 }, replicas }, renameTo: { path, overwrite: false }, callId: ++callId });
});
await measure('mkdir', (index) => call('fs.mkdirs', { path: `${place(index)}/m${index}`, permission: 0o755, createParents: false, callId: ++callId }));
await measure('stat', (index) => call('fs.getFileInfo', { path: `${place(index)}/f${index}` }));
await measure('block locations', (index) => call('fs.getBlockLocations', { path: `${place(index)}/g${index}`, offsetBytes: 0, lengthBytes: 1 }));
await measure('rename', (index) => call('fs.rename', { source: `${place(index)}/f${index}`, target: `${place(index)}/r${index}`, callId: ++callId }));
await measure('chmod', (index) => call('fs.setPermission', { path: `${place(index)}/r${index}`, permission: 0o600, callId: ++callId }));
await measure('delete', (index) => call('fs.delete', { path: `${place(index)}/r${index}`, recursive: false, callId: ++callId }));
await measure('delete with a block', (index) => call('fs.delete', { path: `${place(index)}/g${index}`, recursive: false, callId: ++callId }));
const startMs = performance.now();
await call('fs.getContentSummary', { path: '/' });
console.log(`content summary of ${1000 + calls} directories: ${Math.round(performance.now() - startMs)} ms`);
await nameNode.close();
await store.close();
rmSync(folder, { recursive: true });
