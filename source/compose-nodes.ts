import { join } from 'node:path';
import { type Address, parseAddress } from './base/address.js';
import { systemClock } from './base/clock.js';
import type { Logger } from './base/log.js';
import { systemRandom } from './base/random.js';
import { currentUser, nameNodeAddress } from './compose.js';
import { nameNodeDirectory, saveNameSpace } from './compose-backup.js';
import type { Config } from './config.js';
import { DataNode } from './datanode/data-node.js';
import { NameNode } from './namenode/name-node.js';
import { ConfiguredRacks, ScriptedRacks } from './namenode/rack-mapping.js';
import { type ClientProtocol, clientProtocol } from './protocol/client-protocol.js';
import { type DatanodeProtocol, datanodeProtocol, type DatanodeServiceProtocol, datanodeServiceProtocol } from './protocol/datanode-protocol.js';
import type { Identity } from './protocol/hello.js';
import { runProgram } from './run-program.js';
import type { RunningNode } from './serve.js';
import { openLmdbStore } from './storage/lmdb-store.js';
import { LocalBlockStore } from './storage/local-block-store.js';
import { nodeDisk } from './storage/node-disk.js';
import { createBlockChannelConnector } from './transport/block-channel-connector.js';
import { listen } from './transport/listen.js';
import { createRpcCaller } from './transport/rpc-client.js';

/** Picks the real parts of the servers, as compose.ts does for a client. Loaded by `dfsh namenode` and `dfsh datanode` alone. */
interface NodeOptions {
  config: Config;
  logger: Logger;
  /** host:port: the name node itself, or the one that a data node belongs to. */
  nameNode: string;
  softwareVersion: string;
}

/** A name node on its data directory and its port. `isFormatWanted`: make a name space if the directory is empty; never if it is not. */
export async function startNameNode(options: NodeOptions & { isFormatWanted: boolean }): Promise<RunningNode> {
  const { config, logger } = options;
  const address = nameNodeAddress(options.nameNode);
  const store = await openLmdbStore({ directory: nameNodeDirectory(config.dataDirectory), logger });
  const closing = new Closing();
  closing.add(() => store.close());
  try {
    const nameNode = await NameNode.open({
      store,
      clock: systemClock,
      random: systemRandom,
      logger,
      damage: store.damage,
      storeRefusal: () => store.refusal(),
      saveImage: () => saveNameSpace(config.dataDirectory, store),
      options: {
        address,
        superuser: currentUser(),
        isFormatWanted: options.isFormatWanted,
        dataNodes: config.dataNodes,
        blockSizeBytes: config.blockSizeBytes,
        replication: config.replicationFactor,
        minReplication: config.minReplication,
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        staleNodeTimeoutMs: config.staleNodeTimeoutMs,
        deadNodeTimeoutMs: config.deadNodeTimeoutMs,
        blockReportIntervalMs: config.blockReportIntervalMs,
        maxReplicationStreams: config.maxReplicationStreams,
        maintenanceMinReplication: config.maintenanceMinReplication,
        racks: config.rackScript === undefined ? new ConfiguredRacks(config.racks) : new ScriptedRacks({ program: config.rackScript, run: runProgram, logger }),
        balanceBytesPerSecond: config.balanceBytesPerSecond,
        safeMode: { threshold: config.safeModeThreshold, minDatanodes: config.safeModeMinDatanodes, extensionMs: config.safeModeExtensionMs },
        trashIntervalMinutes: config.trashIntervalMinutes,
        isDurableClose: config.isDurableClose,
        softLeaseLimitMs: config.softLeaseLimitMs,
        hardLeaseLimitMs: config.hardLeaseLimitMs,
        unknownReplicaGraceMs: config.unknownReplicaGraceMs,
        answersKeptMs: config.editsKeptMs,
        editsKept: config.editsKept,
      },
    });
    closing.add(() => nameNode.close());
    const identity: Identity = { clusterId: nameNode.clusterId, role: 'namenode', user: currentUser(), clientId: systemRandom.id() };
    const listener = await listen({
      ...hostAndPort(address),
      identity,
      services: [
        { protocol: clientProtocol, handlers: nameNode.clientHandlers, allowedRoles: ['client', 'datanode'] },
        { protocol: datanodeProtocol, handlers: nameNode.datanodeHandlers, allowedRoles: ['datanode'] },
      ],
      feed: nameNode.feed,
      health: () => {
        const { status, readOnlyReason, safeMode, blocks, datanodes, clusterId } = nameNode.health();
        return { httpStatus: 200, status, readOnlyReason, role: 'namenode', clusterId, safeMode, blocks, liveDatanodes: datanodes.filter(({ state }) => state !== 'dead').length, datanodes: datanodes.length };
      },
      metrics: () => nameNode.metrics(),
      title: 'dfsh name node',
      clock: systemClock,
      logger,
    });
    closing.add(() => listener.close());
    nameNode.start();
    logger.info(`name node of cluster ${nameNode.clusterId} on ${listener.address}, data in ${config.dataDirectory}`);
    return { failed: rejectWhen(nameNode.failed), close: () => closing.run() };
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** A data node on its data directory and its port. It keeps trying to reach the name node for ever; a refusal by it ends the node. */
export async function startDataNode(options: NodeOptions & { port: number }): Promise<RunningNode> {
  const { config, logger, port } = options;
  const listed = config.dataNodes.map((address) => parseAddress(address)!).find((address) => address.port === port);
  const host = listed?.host ?? '127.0.0.1';
  const directories = config.dataDirectories.map((directory) => join(directory, `datanode-${port}`));
  const closing = new Closing();
  try {
    const store = await LocalBlockStore.open({
      disk: nodeDisk,
      directories,
      clock: systemClock,
      random: systemRandom,
      logger,
      reservedBytes: config.reservedBytes,
      blockSizeBytes: config.blockSizeBytes,
      failedVolumesTolerated: config.failedVolumesTolerated,
    });
    closing.add(() => store.close());
    const identity: Identity = { clusterId: store.clusterId, role: 'datanode', user: currentUser(), clientId: systemRandom.id() };
    const caller = createRpcCaller<DatanodeProtocol & ClientProtocol>({ address: nameNodeAddress(options.nameNode), identity, clock: systemClock });
    closing.add(async () => caller.close());
    const connector = createBlockChannelConnector({ identity, clock: systemClock });
    closing.add(async () => connector.close());
    const dataNode = await DataNode.open({
      store,
      nameNode: caller,
      connector,
      openPeer: (address) => createRpcCaller<DatanodeServiceProtocol>({ address, identity, clock: systemClock }),
      fetchPeerAddresses: async () => (await caller.call('cluster.getDatanodes', {})).map((node) => node.address),
      clock: systemClock,
      random: systemRandom,
      logger,
      identity,
      host,
      port,
      options: { softwareVersion: options.softwareVersion, maxReplicationStreams: config.maxReplicationStreams, scanPeriodMs: config.scanPeriodMs, scanBytesPerSecond: config.scanBytesPerSecond },
    });
    closing.add(() => dataNode.close());
    const listener = await listen({
      host,
      port,
      identity,
      services: [{ protocol: datanodeServiceProtocol, handlers: dataNode.handlers, allowedRoles: ['client', 'datanode'] }],
      onBlockChannel: (channel, context) => dataNode.handleChannel(channel, context),
      health: () => ({ httpStatus: 200, status: dataNode.isRegistered ? 'REGISTERED' : 'WAITING FOR THE NAME NODE', role: 'datanode', datanodeUuid: store.datanodeUuid, clusterId: store.clusterId }),
      metrics: () => dataNode.metrics(),
      title: 'dfsh data node',
      clock: systemClock,
      logger,
    });
    closing.add(() => listener.close());
    dataNode.start();
    logger.info(`data node ${store.datanodeUuid} on ${listener.address}, data in ${directories.join(', ')}`);
    return { failed: rejectWhen(dataNode.ended), close: () => closing.run() };
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** What was opened, to be closed in the opposite order. */
class Closing {
  readonly #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) await step();
  }
}

function hostAndPort(address: string): Address {
  return parseAddress(address)!;
}

/** Rejects with what `ending` resolves to; never settles if that is nothing. */
function rejectWhen(ending: Promise<Error | undefined>): Promise<never> {
  const failed = ending.then((error) => (error ? Promise.reject(error) : new Promise<never>(() => {})));
  failed.catch(() => {});
  return failed;
}
