import { type Clock, sleep } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';
import { InputOutputError, NotReplicatedYetError } from '../protocol/errors.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { AppendOptions, FileWriter, WriteOptions } from './client-api.js';
import { type AbandonedFiles, cleanUpLimitMs } from './abandoned-files.js';
import { cancelledError, throwIfCancelled, withGrace } from './cancellation.js';
import { FailedNodes } from './failed-nodes.js';
import type { LeaseRenewer } from './lease-renewer.js';
import { OutputStream, type OutputStreamOptions } from './output-stream.js';
import { packetGeometry } from './packet.js';
import type { PacketPool } from './packet-pool.js';
import { backoffMs, type RetryingCaller } from './retrying-caller.js';
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
export function openWriter(environment: WriterEnvironment, path: string, options: WriteOptions): Promise<FileWriter> {
  return begin(environment, path, options, async (signal) => {
    const { file, block } = await environment.nameNode.call(
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
      { signal },
    );
    return { status: file, firstBlock: block, append: undefined, isTemporary: options.temporary ?? false };
  });
}

/** Opens a file again, to write behind its end. */
export function openAppender(environment: WriterEnvironment, path: string, options: AppendOptions): Promise<FileWriter> {
  const { nameNode, abandoned } = environment;
  return begin(environment, path, options, async (signal) => {
    const { file, last } = await whenReplicated(environment, path, options.signal, () => nameNode.call('fs.append', { path }, { signal }));
    if (last) return { status: file, firstBlock: last, isTemporary: false, append: { blockIndex: last.blockIndex, offsetBytes: last.offsetBytes + last.block.lengthBytes } };
    try {
      return { status: file, firstBlock: null, isTemporary: false, append: await readEnd(nameNode, path, file) };
    } catch (error) {
      await abandoned.recover(path, file.inodeId);
      throw error;
    }
  });
}

/** Where the next block of a file of whole blocks goes. */
async function readEnd(nameNode: RetryingCaller, path: string, file: FileStatus): Promise<{ blockIndex: number; offsetBytes: number }> {
  if (file.lengthBytes === 0) return { blockIndex: 0, offsetBytes: 0 };
  const { blocks } = await nameNode.call('fs.getBlockLocations', { path, offsetBytes: file.lengthBytes - 1, lengthBytes: 1 });
  const last = blocks.at(-1);
  if (!last) throw new InputOutputError(`${path}: the name node knows no block at byte ${file.lengthBytes - 1}, its last`, { path });
  return { blockIndex: last.blockIndex + 1, offsetBytes: last.offsetBytes + last.block.lengthBytes };
}

/** Runs a call that the name node puts off until the file's last block is on enough data nodes. For the retry timeout. */
async function whenReplicated<T>({ clock, random, retryTimeoutMs }: WriterEnvironment, path: string, signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  const deadlineMs = clock.monotonicMs() + retryTimeoutMs;
  for (let attempt = 2; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof NotReplicatedYetError)) throw error;
      const delayMs = backoffMs(attempt, random);
      if (clock.monotonicMs() + delayMs >= deadlineMs) throw error;
      await sleep(clock, delayMs, signal).catch(() => {
        throw cancelledError(signal, `writing ${path}`);
      });
    }
  }
}

type Opened = Pick<OutputStreamOptions, 'status' | 'firstBlock' | 'append' | 'isTemporary'>;

async function begin(environment: WriterEnvironment, path: string, options: AppendOptions, open: (signal: AbortSignal | undefined) => Promise<Opened>): Promise<FileWriter> {
  const { nameNode, clock, random, leases, writers, abandoned } = environment;
  const { signal } = options;
  const what = `writing ${path}`;
  throwIfCancelled(signal, what);
  // What the first block needs to know is fetched meanwhile.
  const defaultsComing = environment.serverDefaults();
  defaultsComing.catch(() => {});
  const grace = signal && withGrace(signal, clock, cleanUpLimitMs);
  let opened: Opened;
  try {
    opened = await open(grace?.signal);
  } finally {
    grace?.dispose();
  }
  const { status, firstBlock, append, isTemporary } = opened;
  const defaults = await defaultsComing.catch(async (error: unknown) => {
    await (append ? abandoned.recover(path, status.inodeId) : abandoned.delete(path, status.inodeId));
    throw error;
  });
  const stop = new AbortController();
  const endLease = leases.begin(defaults.softLeaseLimitMs);
  const writer = new OutputStream({
    status,
    firstBlock,
    append,
    isTemporary,
    stop,
    pool: environment.pool,
    userSignal: signal,
    abandoned,
    onProgress: options.onProgress,
    onEnd: () => {
      endLease();
      writers.delete(writer);
    },
    file: {
      nameNode,
      connector: environment.connector,
      clock,
      random,
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
