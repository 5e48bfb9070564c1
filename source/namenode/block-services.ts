import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import type { KeyValueStore } from '../storage/key-value-store.js';
import type { DamagedRecordError } from '../storage/record.js';
import { Balancer, type BalancerLimits, defaultBalancerLimits } from './balancer.js';
import { loadBlocks } from './block-loader.js';
import { BlockMaintenance } from './block-maintenance.js';
import type { BlockCatalog, RecoveredBlock } from './block-management.js';
import { BlockManager } from './block-manager.js';
import { BlockMap } from './block-map.js';
import { BlockRedundancy } from './block-redundancy.js';
import { BlockReportQueue } from './block-report-queue.js';
import { BlocksBeingWritten } from './blocks-being-written.js';
import { type CommandLimits, DatanodeCommands, defaultCommandLimits } from './datanode-commands.js';
import { describeDamage } from './damaged-records.js';
import { DatanodeAdministration } from './datanode-administration.js';
import { DatanodeManager } from './datanode-manager.js';
import { DatanodeService } from './datanode-service.js';
import { ClusterFeed, type EventSink } from './feed.js';
import { FutureReplicas } from './future-replicas.js';
import { createHealth } from './health.js';
import { readNodeWishes } from './node-wish.js';
import { ConfiguredRacks, type RackMapping } from './rack-mapping.js';
import { defaultRepairLimits, type RepairLimits, RepairPlanner } from './repair-planner.js';
import { RepairProgress } from './repair-progress.js';
import { ReplicaTrimmer } from './replica-trimmer.js';
import { ReplicationQueue } from './replication-queue.js';
import { SafeMode } from './safe-mode.js';
import { StrangeReplicas } from './strange-replicas.js';

export interface BlockServicesOptions {
  store: KeyValueStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  clusterId: string;
  /** host:port of the name node, for showing. */
  nameNode: string;
  /** host:port each, in the order of config.json. */
  dataNodes: readonly string[];
  minReplication: number;
  heartbeatIntervalMs: number;
  staleNodeTimeoutMs: number;
  deadNodeTimeoutMs: number;
  blockReportIntervalMs: number;
  maxReplicationStreams: number;
  /** Copies that a file has if nobody says otherwise: 3. */
  defaultReplication?: number | undefined;
  /** 1, as HDFS: see BlockRedundancy. */
  maintenanceMinReplication?: number | undefined;
  /** When the safe mode of the start ends: see SafeMode. */
  safeMode?: { threshold?: number | undefined; minDatanodes?: number | undefined; extensionMs?: number | undefined } | undefined;
  /** The last one that is on disk. Replicas above it are of a later time than this name space. Unknown if not said. */
  lastGenerationStamp?: (() => number) | undefined;
  /** All on the default rack if not said. */
  racks?: RackMapping | undefined;
  /** See DatanodeServiceParts. */
  commitRecoveredBlock: (recovered: RecoveredBlock) => Promise<void>;
  countInodes: () => { fileCount: number; directoryCount: number };
  /** Why the store takes no changes; undefined while it does. */
  readOnlyReason?: (() => string | undefined) | undefined;
  /** An unknown replica is left alone for so long. */
  strangerGraceMs?: number;
  /** An unknown block whose replicas are kept all the same. */
  isSpared?: ((blockId: number) => boolean) | undefined;
  repairLimits?: Partial<RepairLimits>;
  commandLimits?: Partial<CommandLimits>;
  balancerLimits?: Partial<BalancerLimits>;
}

/** Everything on block management's side of the seam to the namespace, put together. */
export interface BlockServices {
  readonly blocks: BlockManager;
  readonly datanodes: DatanodeManager;
  readonly administration: DatanodeAdministration;
  readonly balancer: Balancer;
  readonly safeMode: SafeMode;
  readonly feed: ClusterFeed;
  /** What the name node serves to data nodes. */
  readonly service: DatanodeService;
  readonly health: () => ClusterHealth;
  /**
   * Takes all blocks of the namespace into memory, a page at a time. The services may be served meanwhile: reports wait. No block may
   * be changed before the safe mode of the start has ended. `onDamage` is told of wishes for data nodes that cannot be read; else they are thrown.
   */
  load(catalog: BlockCatalog, signal?: AbortSignal, onDamage?: (error: DamagedRecordError) => void): Promise<void>;
  /** Does what is due, in memory. Answers after how many milliseconds it wants to be called again. To be called from `load` on. */
  tick(): number;
}

/** Half a minute: a data node sends what it received and deleted within a second, unless it is cut off. */
const unconfirmedGraceMs = 30_000;
const leftoverGraceMs = 2000;
const reportRaceMs = 60_000;
/** Of dead nodes that an administrator let go, or that were replaced: so many times what makes one dead. */
const lostNodeTimeouts = 10;

export function createBlockServices(options: BlockServicesOptions): BlockServices {
  const { clock, random, racks = new ConfiguredRacks() } = options;
  // Health is asked for when everything below exists.
  const feed: ClusterFeed = new ClusterFeed({ clock, logger: options.logger, health: () => health() });
  const events: EventSink = feed;
  const safeMode = new SafeMode({ clock, events, ...options.safeMode });
  const future = new FutureReplicas();
  const datanodes = new DatanodeManager({
    store: options.store,
    clock,
    random,
    events,
    clusterId: options.clusterId,
    configuredAddresses: options.dataNodes,
    staleNodeTimeoutMs: options.staleNodeTimeoutMs,
    deadNodeTimeoutMs: options.deadNodeTimeoutMs,
    racks,
    onDamage: (error) => safeMode.enterDamaged(describeDamage(error)),
  });
  const map = new BlockMap();
  const queue = new ReplicationQueue(map);
  const writing = new BlocksBeingWritten();
  const redundancy = new BlockRedundancy({ map, queue, datanodes, writing, maintenanceMinReplication: options.maintenanceMinReplication ?? 1 });
  const trimmer = new ReplicaTrimmer(redundancy);
  const strangers = new StrangeReplicas({ redundancy, trimmer, strangerGraceMs: options.strangerGraceMs ?? 60_000, leftoverGraceMs, isSpared: options.isSpared });
  const lostNodeTimeoutMs = lostNodeTimeouts * options.deadNodeTimeoutMs;
  const limits = { ...defaultRepairLimits, streamsPerNode: options.maxReplicationStreams, vanishedMs: 3 * options.heartbeatIntervalMs, ...options.repairLimits };
  const planner = new RepairPlanner({ redundancy, strangers, random, limits });
  const blocks = new BlockManager({ clock, random, redundancy, writing, planner, strangers, racks, minReplication: options.minReplication, unconfirmedGraceMs, lostNodeTimeoutMs });
  const balancer = new Balancer({ clock, random, events, redundancy, planner, trimmer, limits: { ...defaultBalancerLimits, settleMs: 10 * options.heartbeatIntervalMs, ...options.balancerLimits } });
  const progress = new RepairProgress({ queue, planner, events });
  const settleMs = 2 * options.deadNodeTimeoutMs;
  const tickIntervalMs = Math.max(20, Math.min(250, options.heartbeatIntervalMs / 4));
  const maintenance: BlockMaintenance = new BlockMaintenance({ administration: () => administration, balancer, future, clock, events, datanodes, redundancy, blocks, planner, trimmer, strangers, safeMode, progress, reportRaceMs, tickIntervalMs, settleMs });
  const administration: DatanodeAdministration = new DatanodeAdministration({
    clock,
    events,
    redundancy,
    writing,
    defaultReplication: options.defaultReplication ?? 3,
    lostNodeTimeoutMs,
    recheckBlocksOf: (node) => maintenance.recheckBlocksOf(node),
    recheckAllBlocks: () => maintenance.recheckAllBlocks(),
  });
  const reports = new BlockReportQueue({ clock });
  const commands = new DatanodeCommands({ planner, trimmer, strangers, safeMode, limits: { ...defaultCommandLimits, ...options.commandLimits } });
  const service = new DatanodeService({
    clock,
    events,
    redundancy,
    writing,
    strangers,
    planner,
    future,
    datanodes,
    commands,
    reports,
    clusterId: options.clusterId,
    heartbeatIntervalMs: options.heartbeatIntervalMs,
    blockReportIntervalMs: options.blockReportIntervalMs,
    reportRaceMs,
    commitRecoveredBlock: options.commitRecoveredBlock,
  });
  const health = createHealth({ balancer, clock, clusterId: options.clusterId, nameNode: options.nameNode, redundancy, blocks, planner, progress, safeMode, countInodes: options.countInodes, readOnlyReason: options.readOnlyReason });
  datanodes.load(maintenance);
  return {
    blocks,
    datanodes,
    administration,
    balancer,
    safeMode,
    feed,
    service,
    health,
    async load(catalog, signal, onDamage = throwDamage) {
      administration.load(readNodeWishes(options.store, onDamage));
      if (options.lastGenerationStamp) future.begin(options.lastGenerationStamp());
      for (const page of loadBlocks(catalog, redundancy, writing)) {
        if (page > 0) await sleep(clock, 0, signal);
      }
      maintenance.blocksLoaded(catalog);
      reports.open();
      maintenance.tick();
    },
    tick: () => maintenance.tick(),
  };
}

function throwDamage(error: DamagedRecordError): never {
  throw error;
}
