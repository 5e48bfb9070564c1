import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { Block } from '../protocol/block.js';
import { encodeReplicas, maxReplicasPerSlice } from '../protocol/block-report.js';
import type { DatanodeCommand, DatanodeProtocol } from '../protocol/datanode-protocol.js';
import { ClusterMismatchError, DfsError, RegistrationRefusedError, UnregisteredNodeError, VersionMismatchError } from '../protocol/errors.js';
import type { Identity } from '../protocol/hello.js';
import type { ParamsOf, ResultOf, RpcCaller } from '../protocol/method.js';
import type { BlockStore } from '../storage/block-store.js';
import type { RecoveredBlock } from './block-recovery.js';
import { type NoticeBatch, ReportOutbox } from './report-outbox.js';

type Heartbeat = ParamsOf<DatanodeProtocol, 'datanode.sendHeartbeat'>;

export interface NameNodeLinkOptions {
  nameNode: RpcCaller<DatanodeProtocol>;
  store: BlockStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  identity: Identity;
  softwareVersion: string;
  callTimeoutMs: number;
  /** Where others reach this node. */
  address: () => { host: string; port: number };
  /** What a heartbeat tells besides the storages. */
  statistics: () => Pick<Heartbeat, 'transferCount' | 'receivedBytesPerSecond' | 'sentBytesPerSecond' | 'replications' | 'peerWaits'>;
  /** Must not take long: a heartbeat waits for nothing. */
  onCommands: (commands: DatanodeCommand[]) => void;
}

interface Session {
  sender: { datanodeUuid: string; epoch: number };
  heartbeatIntervalMs: number;
  blockReportIntervalMs: number;
  /** Aborts when this node must register again, or ends. */
  ended: AbortController;
}

/** Never more than this between two tries: a name node that comes back is found soon. */
const maxBackoffMs = 3000;
/** Between two calls with notices. The writer tells the name node of its replicas itself, so nothing waits for them. */
const noticePauseMs = 20;
const maxNotices = 100_000;
const maxAbandonedPerCall = 1000;

/**
 * Keeps the name node informed (BPServiceActor): registers, sends heartbeats, full block reports and what comes and goes, each on its own
 * path, so that none waits for another; and does so again, with a backoff, for ever, whatever becomes of the name node. Only a refusal that no
 * waiting can change, or the failure of more disks than it does without, ends it.
 *
 *      start -> registering -> serving -> (unknown to the name node) -> registering ...
 *                    \-> ended: another cluster, another version, another process with this identity, no disks
 */
export class NameNodeLink {
  readonly outbox = new ReportOutbox(maxNotices);
  readonly #options: NameNodeLinkOptions;
  readonly #bootNonce: string;
  readonly #closed = new AbortController();
  readonly #registeredWaiters = new Set<() => void>();
  #session: Session | undefined;
  #name: string | null = null;
  #reportId = 0;
  #running: Promise<void> | undefined;
  #isOutageLogged = false;
  #resolveEnded!: (error: Error | undefined) => void;
  /** Resolves when the link has ended: with the refusal that ended it, or with nothing after close. */
  readonly ended = new Promise<Error | undefined>((resolve) => (this.#resolveEnded = resolve));

  constructor(options: NameNodeLinkOptions) {
    this.#options = options;
    this.#bootNonce = options.random.id();
  }

  get isRegistered(): boolean {
    return this.#session !== undefined && !this.#session.ended.signal.aborted;
  }

  /** dn1, as the name node calls this node; null before it did. */
  get name(): string | null {
    return this.#name;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Rejects with the signal's reason when that aborts. */
  async waitUntilRegistered(signal?: AbortSignal): Promise<void> {
    if (this.isRegistered) return;
    await new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = () => {
        this.#registeredWaiters.delete(onRegistered);
        reject(signal!.reason as Error);
      };
      const onRegistered = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      this.#registeredWaiters.add(onRegistered);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Tells of the end of a recovery, through restarts of the name node, until it took it or refused it, or the signal aborts. */
  async commitRecovery(recovered: RecoveredBlock, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#closed.signal]);
    for (let failures = 0; ; failures++) {
      stop.throwIfAborted();
      await this.waitUntilRegistered(stop);
      const session = this.#session!;
      try {
        await this.#call('datanode.commitBlockSynchronization', { ...session.sender, ...recovered }, stop);
        return;
      } catch (error) {
        const isUnregistered = error instanceof UnregisteredNodeError;
        if (stop.aborted || !(isUnregistered || (error instanceof DfsError && error.isRetriable))) throw error;
        if (isUnregistered) session.ended.abort();
        await this.#backoff(failures, stop);
      }
    }
  }

  /** Asks what is to become of replicas that have no writer. Without an answer they stay; they are to be told again. */
  async reportAbandoned(replicas: readonly Block[]): Promise<void> {
    for (let begin = 0; begin < replicas.length && this.isRegistered; begin += maxAbandonedPerCall) {
      const { sender, ended } = this.#session!;
      await this.#call('datanode.reportAbandoned', { ...sender, replicas: replicas.slice(begin, begin + maxAbandonedPerCall) }, ended.signal);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#session?.ended.abort();
    await this.#running;
    this.#resolveEnded(undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted;) {
      try {
        this.#session = await this.#register();
        failures = 0;
        this.#noteAnswer();
        for (const wake of this.#registeredWaiters) wake();
        this.#registeredWaiters.clear();
        this.outbox.requestReport();
        this.#tellQuarantined();
        await Promise.all([this.#sendHeartbeats(this.#session), this.#sendReports(this.#session)]);
      } catch (error) {
        if (signal.aborted) return;
        const reason = this.#finalReason(error);
        if (reason) {
          this.#session?.ended.abort();
          this.#options.logger.error(`this data node cannot serve: ${reason.message}`);
          return this.#resolveEnded(reason);
        }
        this.#noteOutage(error);
        await this.#backoff(failures++, signal);
      }
    }
  }

  async #register(): Promise<Session> {
    const { store, identity, softwareVersion, address, logger } = this.#options;
    const { host, port } = address();
    const answer = await this.#call('datanode.register', {
      datanodeUuid: store.datanodeUuid,
      clusterId: store.clusterId,
      bootNonce: this.#bootNonce,
      host,
      port,
      softwareVersion,
      storages: await store.readStorages(),
      ...this.#failures(),
    });
    await store.bindToCluster(answer.clusterId);
    identity.clusterId = answer.clusterId;
    this.#name = answer.name;
    logger.info(`registered as ${answer.name} with cluster ${answer.clusterId}`);
    return {
      sender: { datanodeUuid: store.datanodeUuid, epoch: answer.epoch },
      heartbeatIntervalMs: answer.heartbeatIntervalMs,
      blockReportIntervalMs: answer.blockReportIntervalMs,
      ended: new AbortController(),
    };
  }

  /** The name node keeps no list of what was put aside, and its block may have been deleted, or be whole again. */
  #tellQuarantined(): void {
    for (const { block, storageId } of this.#options.store.quarantinedReplicas())
      this.outbox.add({ kind: 'corrupt', storageId, block, isQuarantined: true, reason: 'it was put aside earlier' });
  }

  /** Until the session ends. Throws only what is final. */
  async #sendHeartbeats(session: Session): Promise<void> {
    const { signal } = session.ended;
    for (let failures = 0; !signal.aborted;) {
      try {
        const { commands } = await this.#call(
          'datanode.sendHeartbeat',
          { ...session.sender, storages: await this.#options.store.readStorages(), ...this.#failures(), ...this.#options.statistics() },
          signal,
        );
        failures = 0;
        this.#noteAnswer();
        // It has been told now.
        if (this.#options.store.unusable) throw this.#options.store.unusable;
        this.#obey(session, commands);
        await this.#pause(session.heartbeatIntervalMs, signal);
      } catch (error) {
        await this.#failed(session, error, failures++);
      }
    }
  }

  #failures(): Pick<Heartbeat, 'failedVolumes'> {
    const { failedVolumes } = this.#options.store;
    return failedVolumes.length > 0 ? { failedVolumes } : {};
  }

  #obey(session: Session, commands: DatanodeCommand[]): void {
    const rest: DatanodeCommand[] = [];
    for (const command of commands) {
      if (command.kind === 'register') session.ended.abort();
      else if (command.kind === 'blockReport') this.outbox.requestReport();
      else rest.push(command);
    }
    if (rest.length > 0) this.#options.onCommands(rest);
  }

  /**
   * Notices at once, one call at a time; full reports when they are due, and then first. Notices wait while a report is on its way: it may not have
   * what came after its begin, so that must be heard of after it.
   */
  async #sendReports(session: Session): Promise<void> {
    const { signal } = session.ended;
    const { clock } = this.#options;
    let timer = clock.setTimer(() => this.outbox.requestReport(), session.blockReportIntervalMs, { background: true });
    try {
      for (let failures = 0; !signal.aborted;) {
        await this.outbox.waitForWork(signal);
        if (signal.aborted) return;
        const isReport = this.outbox.isReportDue;
        try {
          if (isReport) {
            this.outbox.reportStarted();
            await this.#sendFullReport(session);
            timer.cancel();
            timer = clock.setTimer(() => this.outbox.requestReport(), session.blockReportIntervalMs, { background: true });
          } else {
            const batch = this.outbox.batch()!;
            await this.#sendNotices(session, batch);
            this.outbox.drop(batch);
            // The first of a burst goes at once, the others together: a call for each small block would be most of its cost.
            await this.#pause(noticePauseMs, signal);
          }
          failures = 0;
        } catch (error) {
          if (isReport) this.outbox.requestReport();
          await this.#failed(session, error, failures++);
        }
      }
    } finally {
      timer.cancel();
    }
  }

  async #sendNotices(session: Session, { method, firstNotice, notices }: NoticeBatch): Promise<void> {
    const { sender } = session;
    const { signal } = session.ended;
    switch (method) {
      case 'events': {
        const events = notices.flatMap((notice) => (notice.kind === 'received' || notice.kind === 'deleted' ? [notice] : []));
        await this.#call('datanode.blockReceivedAndDeleted', { ...sender, firstNotice, events }, signal);
        return;
      }
      case 'corrupt': {
        const replicas = notices.flatMap((notice) =>
          notice.kind === 'corrupt'
            ? [
                {
                  storageId: notice.storageId,
                  block: notice.block,
                  isQuarantined: notice.isQuarantined,
                  reason: notice.reason.slice(0, 500),
                },
              ]
            : [],
        );
        await this.#call('datanode.reportCorrupt', { ...sender, firstNotice, replicas }, signal);
        return;
      }
      case 'intact': {
        await this.#call(
          'datanode.reportIntact',
          { ...sender, firstNotice, replicas: notices.map(({ storageId, block }) => ({ storageId, block })) },
          signal,
        );
        return;
      }
    }
  }

  async #sendFullReport(session: Session): Promise<void> {
    const { store, logger } = this.#options;
    const reportId = ++this.#reportId;
    let replicaCount = 0;
    for (const { storageId, isFailed } of await store.readStorages()) {
      if (isFailed) continue;
      let sliceIndex = 0;
      let slice: Block[] = [];
      const send = async (isLast: boolean) => {
        await this.#call(
          'datanode.blockReport',
          { ...session.sender, storageId, reportId, sliceIndex: sliceIndex++, isLast, replicas: encodeReplicas(slice) },
          session.ended.signal,
        );
        replicaCount += slice.length;
        slice = [];
      };
      for (const block of store.finalizedReplicas(storageId)) {
        if (slice.length === maxReplicasPerSlice) await send(false);
        slice.push(block);
      }
      await send(true);
    }
    logger.debug(`block report ${reportId}: ${replicaCount} replicas`);
  }

  async #failed(session: Session, error: unknown, failures: number): Promise<void> {
    if (session.ended.signal.aborted) return;
    if (error instanceof UnregisteredNodeError) {
      this.#options.logger.info('the name node does not know this data node: registering again');
      session.ended.abort();
      return;
    }
    if (this.#finalReason(error)) {
      session.ended.abort();
      throw error;
    }
    this.#noteOutage(error);
    await this.#backoff(failures, session.ended.signal);
  }

  #call<M extends keyof DatanodeProtocol & string>(
    method: M,
    params: ParamsOf<DatanodeProtocol, M>,
    signal = this.#closed.signal,
  ): Promise<ResultOf<DatanodeProtocol, M>> {
    return this.#options.nameNode.call(method, params, { timeoutMs: this.#options.callTimeoutMs, signal });
  }

  /** With jitter, so that the nodes of a cluster do not come all at once. */
  #backoff(failures: number, signal: AbortSignal): Promise<void> {
    const limitMs = Math.min(maxBackoffMs, 100 * 2 ** Math.min(failures, 10));
    return this.#pause(limitMs * (0.5 + this.#options.random.next() / 2), signal);
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#options.clock, delayMs, signal).catch(() => {});
  }

  #noteOutage(error: unknown): void {
    if (this.#isOutageLogged) return;
    this.#isOutageLogged = true;
    this.#options.logger.warn(`the name node does not answer (${error instanceof Error ? error.message : String(error)}); trying on`);
  }

  #noteAnswer(): void {
    if (this.#isOutageLogged) this.#options.logger.info('the name node answers again');
    this.#isOutageLogged = false;
  }

  /** Why no waiting can help; undefined if it can. */
  #finalReason(error: unknown): Error | undefined {
    const isRefusal = error instanceof ClusterMismatchError || error instanceof RegistrationRefusedError || error instanceof VersionMismatchError;
    return this.#options.store.unusable ?? (isRefusal ? error : undefined);
  }
}
