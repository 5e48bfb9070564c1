import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Block } from '../protocol/block.js';
import type { BlockChannelConnector } from '../protocol/block-stream.js';
import type { BlockStore } from '../storage/block-store.js';
import type { NodeCounters } from './node-counters.js';
import type { OrderedDeletions } from './ordered-deletions.js';
import type { PacketBudget } from './packet-budget.js';
import type { PacketBuffers } from './packet-buffers.js';
import type { PeerAddresses } from './peer-addresses.js';
import type { PeerWaits } from './peer-waits.js';

/** What all block operations of a data node share. */
export interface NodeContext {
  readonly store: BlockStore;
  readonly connector: BlockChannelConnector;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: NodeCounters;
  readonly budget: PacketBudget;
  readonly buffers: PacketBuffers;
  /** How long the next node of a pipeline may take for an answer; each one behind it adds `hopTimeoutMs`, so that the nearest one to a failure speaks first. */
  readonly downstreamTimeoutMs: number;
  readonly hopTimeoutMs: number;
  /** How long an own disk may take for a packet, or for the end of a block: less than a node before this one waits. */
  readonly diskTimeoutMs: number;
  /** How often whoever writes to this node, or waits for its copy, hears that it is there. */
  readonly signOfLifeMs: number;
  /** Whom it may dial for a client. */
  readonly peers: PeerAddresses;
  readonly peerWaits: PeerWaits;
  readonly deletions: OrderedDeletions;
  /** A replica was finalized here. */
  onReceived(block: Block, storageId: string): void;
  /** Something speaks against a replica: it is to be checked, and put aside if it is rotten. */
  onSuspect(block: Pick<Block, 'blockId' | 'generationStamp'>, reason: Error): void;
}
