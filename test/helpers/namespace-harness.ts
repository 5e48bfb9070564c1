import { ManualClock, type Timer } from '../../source/base/clock.js';
import { createLogger, silentLogger } from '../../source/base/log.js';
import { seededRandom } from '../../source/base/random.js';
import { createClientHandlers } from '../../source/namenode/client-service.js';
import { LeaseManager } from '../../source/namenode/lease-manager.js';
import { LeaseRecoveries } from '../../source/namenode/lease-recoveries.js';
import { formatNameSpace, readClusterId } from '../../source/namenode/name-space-format.js';
import { Namespace } from '../../source/namenode/namespace.js';
import { NamespaceCatalog } from '../../source/namenode/read-blocks.js';
import { endExpiredLeases, reclaimSlice } from '../../source/namenode/own-edits.js';
import { commitRecoveredBlock, type FileRecoveryParts, recoverFiles } from '../../source/namenode/recover-files.js';
import type { LocatedBlock } from '../../source/protocol/block.js';
import type { ClientProtocol } from '../../source/protocol/client-protocol.js';
import type { CallContext, ParamsOf, ResultOf } from '../../source/protocol/method.js';
import type { KeyValueStore } from '../../source/storage/key-value-store.js';
import type { RecoveryOrder } from '../../source/namenode/block-management.js';
import { MemoryStore } from '../../source/storage/memory-store.js';
import { FakeBlocks } from './fake-blocks.js';

/** Stands still, except that a turn given to others (a timer of 0 ms) ends by itself. */
export class TurnClock extends ManualClock {
  /** How far the wall clock is off. */
  jumpMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.jumpMs;
  }

  override setTimer(callback: () => void, delayMs: number): Timer {
    if (delayMs > 0) return super.setTimer(callback, delayMs);
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  }
}

export const groupsOfUsers: Record<string, string[]> = { alice: ['eng'], bob: ['staff'], carol: ['eng', 'supergroup'] };
export const softLimitMs = 60_000;
export const hardLimitMs = 1_200_000;
export const recoveryTimeoutMs = 10_000;
const tickMs = 1000;

export interface HarnessOptions {
  store?: KeyValueStore;
  clock?: TurnClock;
  registeredDatanodes?: number;
  accessTimePrecisionMs?: number;
}

export type Call = <M extends keyof ClientProtocol & string>(method: M, params: ParamsOf<ClientProtocol, M>) => Promise<ResultOf<ClientProtocol, M>>;

/** The namespace with its handlers over a store, beside a block management that only remembers what it was told. */
export class NamespaceHarness {
  readonly store: KeyValueStore;
  readonly clock: TurnClock;
  readonly blocks: FakeBlocks;
  readonly leases: LeaseManager;
  readonly recovery: FileRecoveryParts;
  /** Lines of the recoveries' log. */
  readonly logged: string[] = [];
  readonly namespace: Namespace;
  readonly clusterId: string;
  readonly safeMode = { isOn: false, reason: '', allow: (_what: string): Promise<void> | undefined => undefined, enter() {}, leave() {}, forceExit() {} };
  readonly #handlers: ReturnType<typeof createClientHandlers>;

  static async open(options: HarnessOptions = {}): Promise<NamespaceHarness> {
    const store = options.store ?? new MemoryStore();
    const clock = options.clock ?? new TurnClock();
    if (readClusterId(store) === undefined) await formatNameSpace(store, { clock, random: seededRandom(1), superuser: 'hdfs', supergroup: 'supergroup' });
    return new NamespaceHarness({ ...options, store, clock });
  }

  private constructor(options: HarnessOptions & { store: KeyValueStore; clock: TurnClock }) {
    this.store = options.store;
    this.clock = options.clock;
    this.clusterId = readClusterId(this.store)!;
    this.blocks = new FakeBlocks(options.registeredDatanodes ?? 3);
    this.leases = new LeaseManager({ softLimitMs, hardLimitMs, tickIntervalMs: tickMs }, () => this.clock.monotonicMs());
    const recoveries = new LeaseRecoveries(recoveryTimeoutMs);
    this.namespace = new Namespace({
      store: this.store,
      clock: this.clock,
      blocks: this.blocks,
      leases: this.leases,
      recoveries,
      defaults: { replication: 3, blockSizeBytes: 1000, minReplication: 2 },
    });
    this.namespace.loadLeases((error) => {
      throw error;
    });
    this.recovery = { namespace: this.namespace, blocks: this.blocks, recoveries, clock: this.clock, logger: createLogger((line) => this.logged.push(line)) };
    // Data nodes report all that there should be.
    const catalog = new NamespaceCatalog(this.namespace.view);
    for (let page = catalog.scanBlocks(); page.length > 0; page = catalog.scanBlocks(page.at(-1)!.inodeId, page.at(-1)!.blockIndex)) {
      for (const block of page) this.blocks.load(block);
    }
    this.#handlers = createClientHandlers({
      namespace: this.namespace,
      blocks: this.blocks,
      leases: this.leases,
      safeMode: this.safeMode,
      groups: { groupsOf: (user) => groupsOfUsers[user] ?? [] },
      clock: this.clock,
      logger: silentLogger,
      cluster: { health: () => Promise.reject(new Error('no cluster here')) as never, reports: () => [], datanodes: { findByName: () => undefined }, administration: { setWish() {} }, balancer: { status: () => undefined as never, start: () => undefined as never, stop: () => undefined as never } },
      options: {
        clusterId: this.clusterId,
        superuser: 'hdfs',
        supergroup: 'supergroup',
        trashIntervalMinutes: 0,
        isDurableClose: true,
        softLeaseLimitMs: softLimitMs,
        accessTimePrecisionMs: options.accessTimePrecisionMs ?? 3_600_000,
      },
    });
  }

  /** Calls as `user`, from the client of that name unless said. */
  as(user: string, clientId = `client-of-${user}`): Call {
    const context: CallContext = { user, clientId, role: 'client', remoteAddress: '127.0.0.1:50000' };
    return async (method, params) => {
      const handler = this.#handlers[method] as (params: unknown, context: CallContext) => unknown;
      return (await handler(params, context)) as never;
    };
  }

  /** The superuser. */
  get root(): Call {
    return this.as('hdfs');
  }

  async mkdir(path: string, options: { user?: string; permission?: number } = {}): Promise<void> {
    await this.as(options.user ?? 'hdfs')('fs.mkdirs', { path, permission: options.permission ?? 0o755, createParents: true });
  }

  /** A complete file of blocks of the given lengths. Answers its inode id. */
  async file(path: string, lengths: number[] = [], options: { user?: string; permission?: number; blockSizeBytes?: number } = {}): Promise<number> {
    const call = this.as(options.user ?? 'hdfs');
    const { file } = await call('fs.create', {
      path,
      permission: options.permission ?? 0o644,
      overwrite: false,
      createParents: true,
      blockSizeBytes: options.blockSizeBytes ?? 1000,
    });
    let previous: WrittenBlock | null = null;
    for (const [blockIndex, lengthBytes] of lengths.entries()) {
      const located: LocatedBlock = await call('fs.addBlock', { inodeId: file.inodeId, previous, blockIndex, excluded: [] });
      previous = written(located, lengthBytes);
    }
    await call('fs.complete', { inodeId: file.inodeId, last: previous });
    return file.inodeId;
  }

  /** Time goes on as it does with ticks. */
  async pass(durationMs: number): Promise<void> {
    for (let left = durationMs; left > 0; left -= tickMs) {
      this.clock.advance(Math.min(left, tickMs));
      await endExpiredLeases(this.namespace, this.leases, silentLogger);
      await recoverFiles(this.recovery);
    }
  }

  /** Does what is due for files that were taken over; answers the orders that primaries got. */
  async recover(): Promise<RecoveryOrder[]> {
    const begin = this.blocks.orders.length;
    await recoverFiles(this.recovery);
    return this.blocks.orders.slice(begin);
  }

  /** A primary has done what it was ordered, and found `lengthBytes`. */
  async finishRecovery(order: RecoveryOrder, lengthBytes = order.newLengthBytes ?? order.block.lengthBytes): Promise<void> {
    const replicas = lengthBytes === 0 ? [] : order.replicas.map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId }));
    await commitRecoveredBlock(this.recovery, { block: order.block, recoveryGeneration: order.recoveryGeneration, newLengthBytes: lengthBytes, replicas });
  }

  /** Every file that was taken over gets closed. */
  async recoverAll(): Promise<void> {
    while (this.recovery.recoveries.size > 0) {
      for (const order of await this.recover()) await this.finishRecovery(order);
      this.clock.advance(tickMs);
    }
  }

  async reclaimAll(): Promise<number> {
    let slices = 0;
    while (await reclaimSlice(this.namespace, this.blocks)) slices++;
    return slices;
  }

  /** What a name node sees that starts on what is on disk now, after this one was killed. */
  async restarted(options: HarnessOptions = {}): Promise<NamespaceHarness> {
    const store = options.store ?? new MemoryStore({ image: (this.store as MemoryStore).crashImage() });
    return NamespaceHarness.open({ clock: this.clock, ...options, store });
  }

  /** Every record but those of the log and of retries. */
  dump(): Map<string, string> {
    const records = new Map<string, string>();
    for (const [key, value] of this.store.range({ start: '\x01', end: '\xff' })) if (!/^[LR]/.test(key)) records.set(key, Buffer.from(value).toString('hex'));
    return records;
  }
}

export interface WrittenBlock {
  block: { blockId: number; generationStamp: number; lengthBytes: number };
  replicas: { datanodeUuid: string; storageId: string }[];
}

export function written(located: LocatedBlock, lengthBytes: number, replicaCount = located.locations.length): WrittenBlock {
  const replicas = located.locations.slice(0, replicaCount).map(({ datanodeUuid, storageId }) => ({ datanodeUuid, storageId }));
  return { block: { ...located.block, lengthBytes }, replicas };
}
