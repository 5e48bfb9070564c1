import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';
import type { FileWriter, WriteOptions } from './client-api.js';
import { type AbandonedFiles, cleanUpLimitMs } from './abandoned-files.js';
import { cancelledError, throwIfCancelled, withGrace } from './cancellation.js';
import { FailedNodes } from './failed-nodes.js';
import type { LeaseRenewer } from './lease-renewer.js';
import { OutputStream } from './output-stream.js';
import { packetGeometry } from './packet.js';
import type { PacketPool } from './packet-pool.js';
import type { RetryingCaller } from './retrying-caller.js';
import type { SuspectFinder } from './silence-watch.js';

/** 0o666 less the usual umask of 0o022. */
const defaultFilePermission = 0o644;

export interface WriterEnvironment {
  nameNode: RetryingCaller;
  serverDefaults: () => Promise<{ minReplication: number; isDurableClose: boolean; softLeaseLimitMs: number }>;
  connector: BlockChannelConnector;
  clock: Clock;
  random: Random;
  log: Logger;
  pool: PacketPool;
  leases: LeaseRenewer;
  abandoned: AbandonedFiles;
  findSuspect: SuspectFinder;
  retryTimeoutMs: number;
  /** The server's default if undefined. */
  isDurableClose: boolean | undefined;
  writers: Set<FileWriter>;
}

/** Creates the file, and its first block with it, in one call: a small put is create, pipeline, complete. */
export async function openWriter(environment: WriterEnvironment, path: string, options: WriteOptions): Promise<FileWriter> {
  const { nameNode, clock, leases, writers } = environment;
  const { signal } = options;
  const what = `writing ${path}`;
  throwIfCancelled(signal, what);
  // What the first block needs to know is fetched meanwhile.
  const defaultsComing = environment.serverDefaults();
  defaultsComing.catch(() => {});
  const grace = signal && withGrace(signal, clock, cleanUpLimitMs);
  let created;
  try {
    created = await nameNode.call(
      'fs.create',
      {
        path,
        permission: options.permission ?? defaultFilePermission,
        overwrite: options.overwrite ?? false,
        createParents: options.createParents ?? false,
        withBlock: options.lengthHintBytes !== 0,
        ...(options.replication === undefined ? {} : { replication: options.replication }),
        ...(options.blockSizeBytes === undefined ? {} : { blockSizeBytes: options.blockSizeBytes }),
        ...(options.temporary === undefined ? {} : { temporary: options.temporary }),
      },
      { signal: grace?.signal },
    );
  } finally {
    grace?.dispose();
  }
  const { file: status, block } = created;
  const defaults = await defaultsComing.catch(async (error: unknown) => {
    await environment.abandoned.delete(path, status.inodeId);
    throw error;
  });
  const stop = new AbortController();
  const endLease = leases.begin(defaults.softLeaseLimitMs);
  const writer = new OutputStream({
    status,
    firstBlock: block,
    stop,
    pool: environment.pool,
    userSignal: signal,
    abandoned: environment.abandoned,
    onProgress: options.onProgress,
    onEnd: () => {
      endLease();
      writers.delete(writer);
    },
    file: {
      nameNode,
      connector: environment.connector,
      clock,
      random: environment.random,
      log: environment.log,
      signal: stop.signal,
      findSuspect: environment.findSuspect,
      path,
      inodeId: status.inodeId,
      replication: status.replication,
      minReplication: defaults.minReplication,
      chunkBytes: packetGeometry(status.blockSizeBytes).chunkBytes,
      isDurable: environment.isDurableClose ?? defaults.isDurableClose,
      retryTimeoutMs: environment.retryTimeoutMs,
      failed: new FailedNodes(clock),
    },
  });
  writers.add(writer);
  if (signal?.aborted) {
    await writer.abort();
    throw cancelledError(signal, what);
  }
  return writer;
}
