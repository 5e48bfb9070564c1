import { userInfo } from 'node:os';
import { formatAddress, parseAddress } from './base/address.js';
import { systemClock } from './base/clock.js';
import { systemRandom } from './base/random.js';
import type { DfsClient } from './client/client-api.js';
import type { LocalCluster } from './cluster/local-cluster.js';
import { type Config, defaultNameNodePort } from './config.js';
import type { FileSystem } from './filesystem/file-system.js';
import { ConfigError } from './protocol/errors.js';
import type { FeedItem } from './protocol/cluster-events.js';
import type { Identity } from './protocol/hello.js';

/**
 * The only place (with compose-nodes.ts for the servers) that picks real implementations: TCP, the system's clock and randomness,
 * local disks. Everything is imported when first needed.
 */

export interface ConnectOptions {
  /** host:port; 127.0.0.1:9870 if not said. */
  nameNode?: string | undefined;
  /** Whom to act as; the user of this process if not said. */
  user?: string | undefined;
  /** How long a call survives a lost name node, ms; 60,000 if not said. */
  retryTimeoutMs?: number | undefined;
  /** False: close() may answer before the replicas are on disk. The name node's configuration decides if not said. */
  isDurableClose?: boolean | undefined;
  /** How long a replica may keep a reader waiting before a second one is asked, ms; 500 if not said, 0 for never. */
  hedgedReadDelayMs?: number | undefined;
  /** Told why a call waits for the name node, when it takes longer than a second. */
  onWaiting?: ((reason: Error) => void) | undefined;
}

/** A client of a running cluster. Nothing is sent before the first call: that one throws UnavailableError when no name node answers. */
export async function connect(options: ConnectOptions = {}): Promise<DfsClient> {
  const [{ createDfsClient }, { createRpcCaller }, { createBlockChannelConnector }] = await Promise.all([
    import('./client/dfs-client.js'),
    import('./transport/rpc-client.js'),
    import('./transport/block-channel-connector.js'),
  ]);
  const address = nameNodeAddress(options.nameNode ?? `127.0.0.1:${defaultNameNodePort}`);
  const identity: Identity = { clusterId: null, role: 'client', user: options.user ?? currentUser(), clientId: systemRandom.id() };
  return createDfsClient({
    nameNode: createRpcCaller({ address, identity, clock: systemClock }),
    nameNodeAddress: address,
    dataNode: (dataNodeAddress) => createRpcCaller({ address: dataNodeAddress, identity, clock: systemClock }),
    connector: createBlockChannelConnector({ identity, clock: systemClock }),
    openFeed: (feedOptions) => openFeed(address, identity, feedOptions),
    identity,
    clock: systemClock,
    random: systemRandom,
    options: { retryTimeoutMs: options.retryTimeoutMs ?? 60_000, isDurableClose: options.isDurableClose, hedgedReadDelayMs: options.hedgedReadDelayMs, onWaiting: options.onWaiting },
  });
}

async function* openFeed(address: string, identity: Identity, options: { afterId?: number; signal?: AbortSignal }): AsyncIterable<FeedItem> {
  const feedClient = await import('./transport/feed-client.js');
  yield* feedClient.openFeed({ address, identity, clock: systemClock, ...options });
}

export async function localFileSystem(): Promise<FileSystem> {
  const { createLocalFileSystem } = await import('./filesystem/local-file-system.js');
  return createLocalFileSystem({ random: systemRandom });
}

export async function remoteFileSystem(client: DfsClient): Promise<FileSystem> {
  const { createDfsFileSystem } = await import('./filesystem/dfs-file-system.js');
  return createDfsFileSystem(client);
}

/** The cluster of this machine that `config` describes; its nodes run `entry`, this program. */
export async function localCluster(config: Config, entry: string, nameNode = config.nameNode): Promise<LocalCluster> {
  const { createLocalCluster } = await import('./cluster/create-local-cluster.js');
  return createLocalCluster({
    config: { file: config.file, nameNode, dataNodes: config.dataNodes, dataDirectory: config.dataDirectory, dataDirectories: config.dataDirectories },
    launch: { execPath: process.execPath, entry },
    clock: systemClock,
  });
}

export function currentUser(): string {
  return userInfo().username;
}

/** A clean host:port from what a person wrote; ConfigError if it is no address. */
export function nameNodeAddress(text: string): string {
  const address = parseAddress(text.replace(/^(?:dfs|hdfs):\/\//, '').replace(/\/$/, ''), defaultNameNodePort);
  if (!address) throw new ConfigError(`the name node's address is ${JSON.stringify(text)}; allowed: "host" or "host:port"`);
  return formatAddress(address);
}
