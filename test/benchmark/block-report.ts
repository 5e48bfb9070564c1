import { systemClock } from '../../source/base/clock.js';
import { silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import type { BlockCatalog, CatalogBlock } from '../../source/namenode/block-management.js';
import { createBlockServices } from '../../source/namenode/block-services.js';
import type { Block } from '../../source/protocol/block.js';
import { encodeReplicas, maxReplicasPerSlice } from '../../source/protocol/block-report.js';
import type { CallContext } from '../../source/protocol/method.js';
import { openMemoryStore } from '../../source/storage/memory-store.js';

/**
 * Block management alone, without network and disk: loading, full reports, a node's death, heartbeats of a thousand nodes; and the memory
 * that a block takes. Run: node --expose-gc dist/test/benchmark/block-report.js [blocks, 1000000 if not said]
 */
const blockCount = Number(process.argv[2] ?? 1_000_000);
const firstBlockId = 1_073_741_825;
const context: CallContext = { user: 'dfs', clientId: 'bench', role: 'datanode', remoteAddress: '127.0.0.1:1' };
const nodeCount = 3;
let [pausedMs, pausedCpu, lastTurnMs] = [0, 0, 0];

const memoryBefore = memory();
const services = createBlockServices({
  store: openMemoryStore(),
  clock: systemClock,
  random: seededRandom(1),
  logger: silentLogger,
  clusterId: 'bench',
  nameNode: '127.0.0.1:9870',
  dataNodes: [],
  minReplication: 1,
  heartbeatIntervalMs: 3000,
  staleNodeTimeoutMs: 600_000,
  deadNodeTimeoutMs: 1_200_000,
  blockReportIntervalMs: 3_600_000,
  maxReplicationStreams: 4,
  commitRecoveredBlock: () => Promise.resolve(),
  countInodes: () => ({ fileCount: blockCount, directoryCount: 1 }),
});

await measured(`load ${blockCount} blocks`, blockCount, () => services.load(catalog()));
const epochs: number[] = [];
for (let node = 0; node < nodeCount; node++) epochs.push((await register(node)).epoch);
for (let node = 0; node < nodeCount; node++) await measured(`first full report of node ${node + 1}`, blockCount, () => report(node, 1));
for (let round = 2; round <= 4; round++) await measured('full report, nothing new', blockCount, () => report(0, round));
await measured('full report that lacks every other block', blockCount, () => report(0, 5, 2));
await measured('full report that has them again', blockCount, () => report(0, 6));
tickUntilIdle();
const memoryAfter = memory();
const perBlock = (memoryAfter.total - memoryBefore.total) / blockCount;
console.log(`memory: ${perBlock.toFixed(1)} B a block with ${nodeCount} replicas (heap ${(memoryAfter.heap / 2 ** 20).toFixed(0)} MiB, arrays ${(memoryAfter.arrays / 2 ** 20).toFixed(0)} MiB)`);
console.log(`health: ${JSON.stringify(services.health().blocks)}`);

const storages = (node: number) => [{ storageId: `s${node}`, capacityBytes: 2 ** 40, usedBytes: 2 ** 30, remainingBytes: 2 ** 39, blockCount, isFailed: false }];
for (let node = nodeCount; node < 1000; node++) epochs.push((await register(node)).epoch);
const heartbeats = 100_000;
await measured('heartbeats of 1,000 nodes', heartbeats, async () => {
  for (let i = 0; i < heartbeats; i++) {
    const node = i % 1000;
    await services.service['datanode.sendHeartbeat'](
      { datanodeUuid: `node-${node}`, epoch: epochs[node]!, storages: storages(node), transferCount: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0, replications: [] },
      context,
    );
  }
});
await measured('ticks with 1,000 nodes', 1000, async () => {
  for (let i = 0; i < 1000; i++) services.tick();
});
await measured('health with 1,000 nodes', 1000, async () => {
  for (let i = 0; i < 1000; i++) services.health();
});
await measured('locate', 200_000, async () => {
  for (let i = 0; i < 200_000; i++) services.blocks.locate(firstBlockId + ((i * 7919) % blockCount), { readerAddress: '127.0.0.1:1' });
});
await measured('chooseTargets of 3 among 1,000', 20_000, async () => {
  for (let i = 0; i < 20_000; i++) services.blocks.chooseTargets({ count: 3, blockSizeBytes: 2 ** 20, writerAddress: '127.0.0.1:1', excluded: [], existing: [] });
});

function catalog(): BlockCatalog {
  return {
    scanBlocks(afterInodeId = 0, _afterIndex, limit = 1000) {
      const page: CatalogBlock[] = [];
      for (let inodeId = afterInodeId + 1; inodeId <= blockCount && page.length < limit; inodeId++) {
        page.push({ blockId: firstBlockId + inodeId - 1, inodeId, blockIndex: 0, generationStamp: 1000 + inodeId, lengthBytes: 4096, replication: 3, isComplete: true });
      }
      return page;
    },
    pathOfInode: () => undefined,
  };
}

function register(node: number) {
  return services.service['datanode.register'](
    {
      datanodeUuid: `node-${node}`,
      clusterId: null,
      bootNonce: `boot-${node}`,
      host: '127.0.0.1',
      port: 10_000 + node,
      softwareVersion: '0',
      storages: [{ storageId: `s${node}`, capacityBytes: 2 ** 40, usedBytes: 2 ** 30, remainingBytes: 2 ** 39, blockCount, isFailed: false }],
    },
    context,
  );
}

/** Slices are made and sent one by one, as a data node does. Their making is not the name node's work, and is not counted. */
async function report(node: number, reportId: number, every = 1): Promise<void> {
  let sliceIndex = 0;
  for (let begin = 0; begin < blockCount; begin += maxReplicasPerSlice) {
    const end = Math.min(blockCount, begin + maxReplicasPerSlice);
    const replicas = uncounted(() => {
      const blocks: Block[] = [];
      for (let i = begin; i < end; i += every) blocks.push({ blockId: firstBlockId + i, generationStamp: 1001 + i, lengthBytes: 4096 });
      return encodeReplicas(blocks);
    });
    await services.service['datanode.blockReport']({ datanodeUuid: `node-${node}`, epoch: epochs[node]!, storageId: `s${node}`, reportId, sliceIndex: sliceIndex++, isLast: end === blockCount, replicas }, context);
  }
}

function tickUntilIdle(): void {
  while (services.tick() < 100);
}

function uncounted<T>(work: () => T): T {
  const [begin, cpu] = [performance.now(), cpuMs()];
  const result = work();
  pausedMs += performance.now() - begin;
  pausedCpu += cpuMs() - cpu;
  lastTurnMs = cpuMs();
  return result;
}

/** Prints wall and CPU time, the rate, and the CPU time of the longest stretch in which nothing else could run. */
async function measured(name: string, count: number, work: () => Promise<void>): Promise<void> {
  let longestMs = 0;
  let isDone = false;
  lastTurnMs = cpuMs();
  const probe = () => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - lastTurnMs);
    lastTurnMs = nowMs;
    if (!isDone) setImmediate(probe);
  };
  setImmediate(probe);
  [pausedMs, pausedCpu] = [0, 0];
  const [begin, cpu] = [performance.now(), cpuMs()];
  await work();
  const wallMs = performance.now() - begin - pausedMs;
  const usedMs = cpuMs() - cpu - pausedCpu;
  isDone = true;
  await new Promise((resolve) => setImmediate(resolve));
  console.log(`${name}: ${wallMs.toFixed(0)} ms, CPU ${usedMs.toFixed(0)} ms, ${((count / usedMs) * 1000).toFixed(0)}/s of CPU, ${((usedMs * 1000) / count).toFixed(2)} us each, longest stretch ${longestMs.toFixed(1)} ms`);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function memory(): { heap: number; arrays: number; total: number } {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, arrays: arrayBuffers, total: heapUsed + arrayBuffers };
}
