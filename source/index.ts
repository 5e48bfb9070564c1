/**
 * The package as a library: `import { connect } from 'dfsh'`.
 *
 *     const dfs = await connect({ nameNode: '127.0.0.1:9870' });
 *     await pipeline(createReadStream('a.txt'), dfs.createWriteStream('/a.txt'));
 *     for await (const status of dfs.list('/')) console.log(status.name, status.lengthBytes);
 *     await dfs.close();
 */
export { connect, type ConnectOptions } from './compose.js';
export type { DfsClient, FileReader, FileWriter, ReadOptions, ReadProgress, WriteOptions, WriteProgress } from './client/client-api.js';
export type { ReadCounters } from './client/hedged-reads.js';
export type { Block, LocatedBlock, ReplicaLocation } from './protocol/block.js';
export type { AdminState, BalancerStatus, ClusterEvent, ClusterHealth, DatanodeReport, FeedItem } from './protocol/cluster-events.js';
/** What --json prints: an object a line. */
export type * from './commands/records.js';
export type { FileStatus } from './protocol/file-status.js';
export * from './protocol/errors.js';
