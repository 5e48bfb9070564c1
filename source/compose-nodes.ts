import { join } from 'node:path';
import { formatAddress, parseAddress } from './base/address.js';
import { systemClock } from './base/clock.js';
import type { Logger } from './base/log.js';
import { systemRandom } from './base/random.js';
import { currentUser, nameNodeAddress } from './compose.js';
import type { Config } from './config.js';
import { DataNode } from './datanode/data-node.js';
import { NameNode } from './namenode/name-node.js';
import { clientProtocol } from './protocol/client-protocol.js';
import { datanodeProtocol, datanodeServiceProtocol } from './protocol/datanode-protocol.js';
import type { Identity } from './protocol/hello.js';
import type { RunningNode } from './serve.js';
import { openLmdbStore } from './storage/lmdb-store.js';
import { createLocalBlockStore } from './storage/local-block-store.js';
import { nodeDisk } from './storage/node-disk.js';
import { createBlockChannelConnector } from './transport/block-channel-connector.js';
import { listen } from './transport/listen.js';
import { createRpcCaller } from './transport/rpc-client.js';

/** What picks the real parts of the servers, as compose.ts does for a client. Loaded by `dfsh namenode` and `dfsh datanode` alone. */

export interface NameNodeOptions {
  config: Config;
  logger: Logger;
  nameNode: string;
  /** Format an empty data directory. One that holds a name space is never formatted again. */
  isFormatWanted: boolean;
  softwareVersion: string;
}
