import type { Clock } from '../base/clock.js';
import { type Logger, silentLogger } from '../base/log.js';
import { baseName } from '../base/path.js';
import type { Random } from '../base/random.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';
import type { ClientProtocol } from '../protocol/client-protocol.js';
import type { DatanodeServiceProtocol } from '../protocol/datanode-protocol.js';
import { FileNotFoundError, InvalidArgumentError } from '../protocol/errors.js';
import { type FileStatus, fromTuple } from '../protocol/file-status.js';
import type { Identity } from '../protocol/hello.js';
import type { ParamsOf, ResultOf, RpcCaller } from '../protocol/method.js';
import { AbandonedFiles } from './abandoned-files.js';
import { throwIfCancelled } from './cancellation.js';
import type { AppendOptions, DfsClient, FileReader, FileWriter, ReadOptions, WriteOptions } from './client-api.js';
import { followFeed, type OpenFeed } from './cluster-feed.js';
import { eachBlock, FileBlocks } from './file-blocks.js';
import { fileChecksum } from './file-checksum.js';
import { HedgedReads, type ReadCounters } from './hedged-reads.js';
import { InputStream } from './input-stream.js';
import { LeaseRenewer } from './lease-renewer.js';
import { readableOf, writableOf } from './node-streams.js';
import { openAppender, openWriter, type WriterEnvironment } from './open-writer.js';
import { PacketPool } from './packet-pool.js';
import { ReadFailures } from './read-failures.js';
import { RetryingCaller } from './retrying-caller.js';

export interface ClientOptions {
  /** How long a call survives a lost name node. */
  retryTimeoutMs: number;
  /** How long one try of a call waits for its answer; 20 s if not said. */
  callTimeoutMs?: number | undefined;
  /** False: close() may answer before the replicas are on disk. The name node's default if not said. */
  isDurableClose?: boolean | undefined;
  /** How long a replica may keep a reader waiting before a second one is asked; 500 if not said, 0 for never. */
  hedgedReadDelayMs?: number | undefined;
  /** Told why a call waits for the name node, when it takes longer than a second. */
  onWaiting?: ((reason: Error) => void) | undefined;
  log?: Logger | undefined;
}

export interface ClientParts {
  nameNode: RpcCaller<ClientProtocol>;
  /** host:port */
  nameNodeAddress: string;
  /** A new connection to a data node's own service. The client keeps and closes it. */
  dataNode: (address: string) => RpcCaller<DatanodeServiceProtocol>;
  connector: BlockChannelConnector;
  openFeed: OpenFeed;
  /** Its cluster id is filled in from the name node, before the first block operation. */
  identity: Identity;
  clock: Clock;
  random: Random;
  options: ClientOptions;
}

type ServerDefaults = ResultOf<ClientProtocol, 'fs.getServerDefaults'>;

const defaultCallTimeoutMs = 20_000;
/** 0o777 less the usual umask of 0o022. */
const defaultDirectoryPermission = 0o755;
const suspectAnswerMs = 2000;

/** Nothing is sent before the first call. What is passed in belongs to the client from here on: `close` closes it. */
export function createDfsClient(parts: ClientParts): DfsClient {
  return new NameNodeClient(parts);
}

class NameNodeClient implements DfsClient {
  readonly uri: string;
  readonly user: string;
  readonly #parts: ClientParts;
  readonly #nameNode: RetryingCaller;
  readonly #log: Logger;
  readonly #dataNodes = new Map<string, RpcCaller<DatanodeServiceProtocol>>();
  readonly #writers = new Set<FileWriter>();
  readonly #readers = new Set<FileReader>();
  readonly #hedgedReads: HedgedReads;
  readonly #environment: WriterEnvironment;
  #defaults: Promise<ServerDefaults> | undefined;

  constructor(parts: ClientParts) {
    const { clock, random, options, connector } = parts;
    this.#parts = parts;
    this.uri = `dfs://${parts.nameNodeAddress}`;
    this.user = parts.identity.user;
    this.#log = options.log ?? silentLogger;
    this.#hedgedReads = new HedgedReads(clock, options.hedgedReadDelayMs);
    this.#nameNode = new RetryingCaller(parts.nameNode, clock, random, {
      retryTimeoutMs: options.retryTimeoutMs,
      callTimeoutMs: options.callTimeoutMs ?? defaultCallTimeoutMs,
      onWaiting: options.onWaiting,
    });
    this.#environment = {
      nameNode: this.#nameNode,
      serverDefaults: () => this.getServerDefaults(),
      connector,
      clock,
      random,
      log: this.#log,
      pool: new PacketPool(),
      leases: new LeaseRenewer(this.#nameNode, clock, this.#log),
      abandoned: new AbandonedFiles(this.#nameNode, clock, this.#log),
      findSuspect: (targets) => this.#findSuspect(targets),
      retryTimeoutMs: options.retryTimeoutMs,
      isDurableClose: options.isDurableClose,
      writers: this.#writers,
    };
  }

  get readCounters(): ReadCounters {
    return { ...this.#hedgedReads.counters };
  }

  getServerDefaults(): Promise<ServerDefaults> {
    this.#defaults ??= this.#nameNode.call('fs.getServerDefaults', {}).then(
      (defaults) => {
        this.#parts.identity.clusterId = defaults.clusterId;
        return defaults;
      },
      (error: unknown) => {
        this.#defaults = undefined;
        throw error;
      },
    );
    return this.#defaults;
  }

  async stat(path: string): Promise<FileStatus> {
    const status = await this.find(path);
    if (!status) throw new FileNotFoundError(`${path}: No such file or directory`, { path });
    return status;
  }

  find(path: string): Promise<FileStatus | null> {
    return this.#nameNode.call('fs.getFileInfo', { path });
  }

  async exists(path: string): Promise<boolean> {
    return (await this.find(path)) !== null;
  }

  async *list(path: string, options: { startAfter?: string; signal?: AbortSignal } = {}): AsyncIterable<FileStatus> {
    const fetchPage = (startAfter: string | undefined) => {
      const page = this.#nameNode.call('fs.getListing', { path, ...(startAfter === undefined ? {} : { startAfter }) }, { signal: options.signal });
      page.catch(() => {});
      return page;
    };
    for (let coming = fetchPage(options.startAfter); ; ) {
      const { entries, hasMore } = await coming;
      // The next page comes while this one is consumed.
      if (hasMore && entries.length > 0) coming = fetchPage(entries.at(-1)![0]);
      for (const entry of entries) {
        const status = fromTuple(entry);
        yield status.name === '' && status.type === 'file' ? { ...status, name: baseName(path) } : status;
      }
      if (!hasMore || entries.length === 0) return;
    }
  }

  getContentSummary(path: string): Promise<ResultOf<ClientProtocol, 'fs.getContentSummary'>> {
    return this.#nameNode.call('fs.getContentSummary', { path });
  }

  getStatus(): Promise<ResultOf<ClientProtocol, 'fs.getStatus'>> {
    return this.#nameNode.call('fs.getStatus', {});
  }

  async checkAccess(path: string, actions: string): Promise<void> {
    await this.#nameNode.call('fs.checkAccess', { path, actions });
  }

  mkdirs(path: string, options: { createParents?: boolean; permission?: number } = {}): Promise<boolean> {
    return this.#nameNode.call('fs.mkdirs', { path, permission: options.permission ?? defaultDirectoryPermission, createParents: options.createParents ?? true });
  }

  async rename(source: string, target: string, options: { overwrite?: boolean } = {}): Promise<void> {
    await this.#nameNode.call('fs.rename', { source, target, overwrite: options.overwrite ?? false });
  }

  delete(path: string, options: { recursive?: boolean } = {}): Promise<boolean> {
    return this.#nameNode.call('fs.delete', { path, recursive: options.recursive ?? false });
  }

  async setPermission(path: string, permission: number): Promise<void> {
    await this.#nameNode.call('fs.setPermission', { path, permission });
  }

  async setOwner(path: string, owner: { owner?: string; group?: string }): Promise<void> {
    await this.#nameNode.call('fs.setOwner', { path, ...defined(owner) });
  }

  async setTimes(path: string, times: { modificationTimeMs?: number; accessTimeMs?: number }): Promise<void> {
    await this.#nameNode.call('fs.setTimes', { path, ...defined(times) });
  }

  setReplication(path: string, replication: number): Promise<boolean> {
    return this.#nameNode.call('fs.setReplication', { path, replication });
  }

  truncate(path: string, newLengthBytes: number): Promise<boolean> {
    return this.#nameNode.call('fs.truncate', { path, newLengthBytes });
  }

  async concat(target: string, sources: readonly string[]): Promise<void> {
    await this.#nameNode.call('fs.concat', { target, sources: [...sources] });
  }

  recoverLease(path: string): Promise<boolean> {
    return this.#nameNode.call('fs.recoverLease', { path });
  }

  blocks(path: string, options: { allReplicas?: boolean; signal?: AbortSignal } = {}): ReturnType<DfsClient['blocks']> {
    return eachBlock(this.#nameNode, path, options);
  }

  getFileChecksum(path: string, options: { signal?: AbortSignal } = {}): Promise<{ algorithm: string; bytes: Uint8Array }> {
    return fileChecksum(path, eachBlock(this.#nameNode, path, options), (address) => this.#dataNode(address), options.signal);
  }

  async openReader(path: string, options: ReadOptions = {}): Promise<FileReader> {
    const { startBytes = 0, lengthBytes = Number.MAX_SAFE_INTEGER, signal } = options;
    for (const [name, value] of [['startBytes', startBytes], ['lengthBytes', lengthBytes]] as const) {
      if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError(`${name} must be a whole number of bytes from 0: ${value}`, { path });
    }
    throwIfCancelled(signal, `reading ${path}`);
    const stop = new AbortController();
    const stopReading = () => stop.abort(signal?.reason);
    signal?.addEventListener('abort', stopReading, { once: true });
    const defaults = this.getServerDefaults();
    defaults.catch(() => {});
    let blocks: FileBlocks;
    try {
      blocks = await FileBlocks.open(this.#nameNode, path, {
        startBytes,
        lengthBytes,
        signal: stop.signal,
        lengthParts: { openDataNode: (address) => this.#dataNode(address), clock: this.#parts.clock },
      });
      await defaults;
      throwIfCancelled(signal, `reading ${path}`);
    } finally {
      signal?.removeEventListener('abort', stopReading);
    }
    const { connector, clock, random } = this.#parts;
    const reader = new InputStream({
      blocks,
      startBytes,
      endBytes: Math.max(startBytes, Math.min(blocks.status.lengthBytes, startBytes + lengthBytes)),
      stop,
      userSignal: signal,
      onProgress: options.onProgress,
      onEnd: () => this.#readers.delete(reader),
      file: { nameNode: this.#nameNode, connector, clock, random, log: this.#log, signal: stop.signal, path, blocks, unreachable: new Set(), hedge: this.#hedgedReads.stream(), failures: new ReadFailures() },
    });
    this.#readers.add(reader);
    return reader;
  }

  openWriter(path: string, options: WriteOptions = {}): Promise<FileWriter> {
    return openWriter(this.#environment, path, options);
  }

  openAppender(path: string, options: AppendOptions = {}): Promise<FileWriter> {
    return openAppender(this.#environment, path, options);
  }

  createReadStream(path: string, options?: ReadOptions): ReturnType<DfsClient['createReadStream']> {
    return readableOf(() => this.openReader(path, options));
  }

  createWriteStream(path: string, options?: WriteOptions): ReturnType<DfsClient['createWriteStream']> {
    return writableOf(() => this.openWriter(path, options));
  }

  getDatanodes(): Promise<ResultOf<ClientProtocol, 'cluster.getDatanodes'>> {
    return this.#nameNode.call('cluster.getDatanodes', {});
  }

  getHealth(): Promise<ResultOf<ClientProtocol, 'cluster.getHealth'>> {
    return this.#nameNode.call('cluster.getHealth', {});
  }

  setNodeState(...[node, state, { durationMs } = {}]: Parameters<DfsClient['setNodeState']>): ReturnType<DfsClient['setNodeState']> {
    return this.#nameNode.call('cluster.setNodeState', { node, state, ...(durationMs !== undefined && { durationMs }) });
  }

  balance(...[action, { thresholdPercent } = {}]: Parameters<DfsClient['balance']>): ReturnType<DfsClient['balance']> {
    return this.#nameNode.call('cluster.balance', { action, ...(thresholdPercent !== undefined && { thresholdPercent }) });
  }

  setSafeMode(action: ParamsOf<ClientProtocol, 'cluster.setSafeMode'>['action']): Promise<{ isOn: boolean; reason: string }> {
    return this.#nameNode.call('cluster.setSafeMode', { action });
  }

  saveNamespace(): ReturnType<DfsClient['saveNamespace']> {
    return this.#nameNode.call('cluster.saveNamespace', {});
  }

  feed(options: { signal?: AbortSignal } = {}): ReturnType<DfsClient['feed']> {
    const { openFeed, clock, random } = this.#parts;
    return followFeed(openFeed, clock, random, options.signal);
  }

  async close(): Promise<void> {
    for (const reader of [...this.#readers]) reader.close();
    await Promise.all([...this.#writers].map((writer) => writer.abort()));
    this.#environment.abandoned.close();
    for (const dataNode of this.#dataNodes.values()) dataNode.close();
    this.#dataNodes.clear();
    this.#parts.connector.close();
    this.#nameNode.close();
  }

  #dataNode(address: string): RpcCaller<DatanodeServiceProtocol> {
    const known = this.#dataNodes.get(address);
    if (known) return known;
    const caller = this.#parts.dataNode(address);
    this.#dataNodes.set(address, caller);
    return caller;
  }

  async #findSuspect(targets: readonly { datanodeUuid: string }[]): Promise<number | undefined> {
    const states = new Map((await this.#nameNode.call('cluster.getDatanodes', {}, { retryTimeoutMs: suspectAnswerMs })).map((node) => [node.datanodeUuid, node.state]));
    const index = targets.findIndex((target) => states.get(target.datanodeUuid) !== 'live');
    return index < 0 ? undefined : index;
  }
}

/** Without the members that are undefined: the name node takes a member that is there for a change. */
function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
