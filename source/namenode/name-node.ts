import { AssertionError } from '../base/assert.js';
import { type Clock, repeat, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { ClientProtocol } from '../protocol/client-protocol.js';
import type { ClusterHealth, FeedSource } from '../protocol/cluster-events.js';
import type { DatanodeProtocol } from '../protocol/datanode-protocol.js';
import { NoSpaceError, OutcomeUnknownError, StorageDamagedError } from '../protocol/errors.js';
import type { Handlers, Protocol } from '../protocol/method.js';
import type { KeyValueStore } from '../storage/key-value-store.js';
import { DamagedRecordError } from '../storage/record.js';
import { type BlockServices, createBlockServices } from './block-services.js';
import { createClientHandlers } from './client-service.js';
import { type GroupMapping, SystemGroupMapping } from './group-mapping.js';
import { describeDamage } from './damaged-records.js';
import { formatVersion } from './format.js';
import { LeaseManager } from './lease-manager.js';
import { LeaseRecoveries } from './lease-recoveries.js';
import { LogTrimmer } from './log-trimmer.js';
import { formatNameSpace, readClusterId, upgradeNameSpace } from './name-space-format.js';
import type { NameNodeOptions } from './name-node-options.js';
import { describeRestoration, isSpared } from './restoration.js';
import { type Metric, nameNodeMetrics } from './name-node-metrics.js';
import { Namespace } from './namespace.js';
import { NamespaceView } from './namespace-view.js';
import { endExpiredLeases, reclaimSlice } from './own-edits.js';
import { NamespaceCatalog } from './read-blocks.js';
import { commitRecoveredBlock, type FileRecoveryParts, recoverFiles } from './recover-files.js';

export interface NameNodeParts {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options: NameNodeOptions;
  /** Writes the name space, as it is on disk, to a file of its own: for saveNamespace. It is refused where this is left out. */
  readonly saveImage?: (() => Promise<{ path: string; sizeBytes: number; lastEditId: number }>) | undefined;
  /** What its opening has found damaged in the store: it is served read-only then. */
  readonly damage?: DamagedRecordError | undefined;
  /** Why the store takes no changes just now, if that is so: asked every second, and told when it changes. */
  readonly storeRefusal?: (() => Error | undefined) | undefined;
  /** The machine's, unless said. */
  readonly groups?: GroupMapping | undefined;
}

const defaults = { supergroup: 'supergroup', accessTimePrecisionMs: 3_600_000, answersKeptMs: 600_000, editsKept: 1_000_000 };
const leaseTickMs = 1000;
const recoveryTickMs = 250;
/** Beside three heartbeats: to verify a large block from a slow disk. */
const leastRecoveryMs = 10_000;
const reclaimIntervalMs = 100;
const spaceCheckIntervalMs = 1000;
const trimIntervalMs = 1000;

/**
 * The name node: the namespace and block management over one store, as handlers for a transport. It listens to nothing itself.
 * The store belongs to the caller, who closes it after `close`.
 */
export class NameNode {
  readonly clusterId: string;
  readonly clientHandlers: Handlers<ClientProtocol>;
  readonly datanodeHandlers: Handlers<DatanodeProtocol>;
  readonly feed: FeedSource;
  /** Resolves, never rejects, when the process must not go on: a commit failed, or an invariant is broken. Pending for ever otherwise. */
  readonly failed: Promise<Error>;
  readonly #parts: NameNodeParts;
  readonly #namespace: Namespace;
  readonly #leases: LeaseManager;
  readonly #recovery: FileRecoveryParts;
  readonly #services: BlockServices;
  readonly #trimmer: LogTrimmer;
  readonly #calls = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  readonly #closing = new AbortController();
  /** Edits of our own that are under way. */
  readonly #work = new Set<Promise<unknown>>();
  #fail!: (error: Error) => void;
  /** Why the store takes no changes, as of the last look. */
  #refusal: Error | undefined;

  /**
   * Opens the name space in `store`, making one where that is wanted and the store is empty, and upgrading one of an older version. VersionMismatchError, StorageDamagedError:
   * it is none that this program can take; nothing was touched.
   */
  static async open(parts: NameNodeParts): Promise<NameNode> {
    const { store, clock, random, logger, options } = parts;
    let clusterId = readClusterId(store);
    if (clusterId === undefined) {
      if (!options.isFormatWanted) throw new StorageDamagedError('the name node is not formatted: its store is empty; if one was lost, put it back or restore a backup (dfsh namenode restore FILE); --format makes a new, empty name space');
      clusterId = await formatNameSpace(store, { clock, random, superuser: options.superuser, supergroup: options.supergroup ?? defaults.supergroup });
      logger.info(`a new name space was made: cluster ${clusterId}`);
    }
    const oldVersion = parts.damage ? undefined : await upgradeNameSpace(store);
    if (oldVersion !== undefined) logger.info(`the name space was upgraded from format version ${oldVersion} to ${formatVersion}: older releases refuse it from now on`);
    return new NameNode(parts, clusterId);
  }

  private constructor(parts: NameNodeParts, clusterId: string) {
    const { store, clock, random, logger, options } = parts;
    this.#parts = parts;
    this.clusterId = clusterId;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
    void store.failed.then((error) => this.#fail(error));
    const { softLeaseLimitMs, hardLeaseLimitMs, minReplication } = options;
    this.#leases = new LeaseManager({ softLimitMs: softLeaseLimitMs, hardLimitMs: hardLeaseLimitMs, tickIntervalMs: leaseTickMs }, () => clock.monotonicMs());
    const view = new NamespaceView(store);
    const restoration = view.readRestoration();
    const startMs = clock.monotonicMs();
    this.#services = createBlockServices({
      store,
      clock,
      random,
      logger,
      clusterId,
      nameNode: options.address,
      dataNodes: options.dataNodes,
      minReplication,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      staleNodeTimeoutMs: options.staleNodeTimeoutMs,
      deadNodeTimeoutMs: options.deadNodeTimeoutMs,
      blockReportIntervalMs: options.blockReportIntervalMs,
      maxReplicationStreams: options.maxReplicationStreams,
      defaultReplication: options.replication,
      maintenanceMinReplication: options.maintenanceMinReplication,
      racks: options.racks,
      commitRecoveredBlock: async (recovered) => {
        await this.#services.safeMode.allow('Cannot commitBlockSynchronization');
        await commitRecoveredBlock(this.#recovery, recovered);
      },
      ...(options.unknownReplicaGraceMs === undefined ? {} : { strangerGraceMs: options.unknownReplicaGraceMs }),
      safeMode: options.safeMode,
      balancerLimits: options.balanceBytesPerSecond === undefined ? {} : { bytesPerSecond: options.balanceBytesPerSecond },
      lastGenerationStamp: () => this.#namespace.counters.lastGenerationStamp,
      countInodes: () => this.#namespace.counters,
      readOnlyReason: () => this.#refusal?.message,
      isSpared: restoration && ((blockId) => isSpared(restoration, blockId, clock.monotonicMs() - startMs)),
    });
    const { blocks, safeMode, feed, health, datanodes, administration, balancer, service } = this.#services;
    const recoveries = new LeaseRecoveries(3 * options.heartbeatIntervalMs + leastRecoveryMs);
    this.#namespace = new Namespace({
      store,
      clock,
      blocks,
      leases: this.#leases,
      recoveries,
      defaults: { replication: options.replication, blockSizeBytes: options.blockSizeBytes, minReplication },
    });
    this.#recovery = { namespace: this.#namespace, blocks, recoveries, clock, logger };
    if (parts.damage) this.#noteDamage(parts.damage);
    this.#namespace.loadLeases((error) => this.#noteDamage(error));
    this.#trimmer = new LogTrimmer(this.#namespace, clock, { keptMs: options.answersKeptMs ?? defaults.answersKeptMs, keptEdits: options.editsKept ?? defaults.editsKept });
    this.feed = feed;
    const clientHandlers = createClientHandlers({
      namespace: this.#namespace,
      blocks,
      leases: this.#leases,
      safeMode,
      groups: parts.groups ?? new SystemGroupMapping(clock),
      clock,
      logger,
      cluster: { health, reports: () => datanodes.reports(), datanodes, administration, balancer },
      saveImage: parts.saveImage,
      options: {
        clusterId,
        superuser: options.superuser,
        supergroup: options.supergroup ?? defaults.supergroup,
        trashIntervalMinutes: options.trashIntervalMinutes,
        isDurableClose: options.isDurableClose,
        softLeaseLimitMs,
        accessTimePrecisionMs: options.accessTimePrecisionMs ?? defaults.accessTimePrecisionMs,
      },
    });
    this.clientHandlers = this.#watched(clientHandlers);
    this.datanodeHandlers = this.#watched<DatanodeProtocol>(service);
  }

  health(): ClusterHealth {
    return this.#services.health();
  }

  /** Numbers for /metrics. */
  metrics(): Metric[] {
    return nameNodeMetrics({ health: this.health(), namespace: this.#namespace, leases: this.#leases, calls: this.#calls });
  }

  /** Loads the blocks and begins with what is done from time to time. Handlers answer before that too; changes wait for the end of safe mode. */
  start(): void {
    const { clock, logger } = this.#parts;
    const { feed, safeMode, blocks } = this.#services;
    feed.publish({ kind: 'name-node-started', level: 'info', message: `name node ${this.#parts.options.address} started, cluster ${this.clusterId}` });
    const restoration = this.#namespace.view.readRestoration();
    if (restoration) feed.publish({ kind: 'name-node-started', level: 'warn', message: describeRestoration(restoration) });
    void this.#run(this.#load());
    this.#every(leaseTickMs, async () => {
      if (safeMode.isOn) this.#leases.tick();
      else await endExpiredLeases(this.#namespace, this.#leases, logger);
    });
    this.#every(recoveryTickMs, async () => {
      if (!safeMode.isOn) await recoverFiles(this.#recovery);
    });
    this.#every(spaceCheckIntervalMs, async () => this.#tellSpace());
    this.#every(reclaimIntervalMs, async () => {
      while (!safeMode.isOn && !this.#closing.signal.aborted && (await reclaimSlice(this.#namespace, blocks))) await sleep(clock, 0);
    });
    this.#every(trimIntervalMs, async () => {
      while (!safeMode.isOn && !this.#closing.signal.aborted && (await this.#trimmer.trim())) await sleep(clock, 0);
    });
  }

  /** Ends what goes on of its own accord. Calls in progress end by themselves; none is to come after this. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const stop of this.#stops) stop();
    await Promise.allSettled(this.#work);
  }

  async #load(): Promise<void> {
    await this.#services.load(new NamespaceCatalog(this.#namespace.view, (error) => this.#noteDamage(error)), this.#closing.signal, (error) => this.#noteDamage(error));
    if (this.#closing.signal.aborted) return;
    let delayMs = 0;
    this.#stops.push(repeat(this.#parts.clock, () => delayMs, () => void (delayMs = this.#services.tick()), (error) => this.#report(error)));
  }

  #every(intervalMs: number, tick: () => Promise<void>): void {
    this.#stops.push(repeat(this.#parts.clock, () => intervalMs, () => this.#run(tick()), (error) => this.#report(error)));
  }

  async #run(work: Promise<unknown>): Promise<void> {
    this.#work.add(work);
    try {
      await work;
    } catch (error) {
      this.#report(error);
    } finally {
      this.#work.delete(work);
    }
  }

  /** What our own work meets: nobody else will hear of it. */
  #report(error: unknown): void {
    // That there is no space is told once, by #tellSpace, and not with each try to make some.
    if (this.#closing.signal.aborted || error instanceof NoSpaceError) return;
    this.#judge(error);
    this.#parts.logger.error('work of the name node failed', error);
  }

  #tellSpace(): void {
    const refusal = this.#parts.storeRefusal?.();
    const isChange = (refusal !== undefined) !== (this.#refusal !== undefined);
    this.#refusal = refusal;
    if (!isChange) return;
    const event = refusal ? ({ level: 'error', message: `read-only: ${refusal.message}` } as const) : ({ level: 'info', message: 'the name node has space again, and takes changes' } as const);
    this.#services.feed.publish({ kind: 'storage-failed', ...event });
  }

  /** A broken invariant ends the process; a damaged record ends all changes. Answers what the caller is to be told. */
  #judge(error: unknown): unknown {
    if (error instanceof AssertionError) this.#fail(error);
    else if (error instanceof DamagedRecordError) this.#noteDamage(error);
    // A commit that failed may be on disk all the same: whoever asks again, after the next start, is told (promises.md, P11).
    else if (error instanceof StorageDamagedError) return new OutcomeUnknownError(`the outcome is unknown: ${error.message}`, { cause: error });
    return error;
  }

  #noteDamage(error: DamagedRecordError): void {
    this.#services.safeMode.enterDamaged(describeDamage(error));
  }

  /** Counts the calls, and sees the broken invariants and the damaged records. */
  #watched<P extends Protocol>(handlers: Handlers<P>): Handlers<P> {
    const watched: Record<string, unknown> = {};
    for (const [method, handler] of Object.entries(handlers) as [string, Handlers<Protocol>[string]][]) {
      if (typeof handler !== 'function') continue;
      this.#calls.set(method, 0);
      watched[method] = (...call: Parameters<typeof handler>) => {
        this.#calls.set(method, this.#calls.get(method)! + 1);
        try {
          const answer = handler(...call);
          if (!(answer instanceof Promise)) return answer;
          return answer.catch((error: unknown) => {
            throw this.#judge(error);
          });
        } catch (error) {
          throw this.#judge(error);
        }
      };
    }
    return watched as Handlers<P>;
  }
}
