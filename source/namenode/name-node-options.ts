import type { BlockServicesOptions } from './block-services.js';
import type { RackMapping } from './rack-mapping.js';

/** What a name node is told at its start; where a value is optional, what is right for nearly everybody stands beside it. */
export interface NameNodeOptions {
  /** host:port, for showing. */
  readonly address: string;
  /** Who runs the name node: nothing is refused to him. */
  readonly superuser: string;
  /** Make a name space in an empty store. One that holds a name space is never formatted again. Without it an empty store is refused. */
  readonly isFormatWanted: boolean;
  /** host:port each, in the order of config.json: dn1 is the first. */
  readonly dataNodes: readonly string[];
  readonly blockSizeBytes: number;
  readonly replication: number;
  readonly minReplication: number;
  readonly heartbeatIntervalMs: number;
  readonly staleNodeTimeoutMs: number;
  readonly deadNodeTimeoutMs: number;
  readonly blockReportIntervalMs: number;
  readonly maxReplicationStreams: number;
  readonly trashIntervalMinutes: number;
  readonly isDurableClose: boolean;
  readonly softLeaseLimitMs: number;
  readonly hardLeaseLimitMs: number;
  /** Replicas that a block must have while others are in maintenance: 1. */
  readonly maintenanceMinReplication?: number | undefined;
  /** When the safe mode of the start ends: when every complete block has a replica, unless said. */
  readonly safeMode?: BlockServicesOptions['safeMode'];
  /** 100 MiB: see BalancerLimits. */
  readonly balanceBytesPerSecond?: number | undefined;
  /** Which rack a data node stands on: all on one, unless said. */
  readonly racks?: RackMapping | undefined;
  /** A replica that no block explains is left alone for so long: 60 s. */
  readonly unknownReplicaGraceMs?: number | undefined;
  /** Members may do anything: `supergroup`. */
  readonly supergroup?: string | undefined;
  /** 1 h; 0: access times are not kept. */
  readonly accessTimePrecisionMs?: number | undefined;
  /** How long the answer to a call is kept for its retries: 10 min. */
  readonly answersKeptMs?: number | undefined;
  /** But at most so many edits: 1,000,000. */
  readonly editsKept?: number | undefined;
}
