/**
 * config.json, read once and never rewritten. The file's keys are snake_case; this is what the rest of the program sees.
 */
export interface Config {
  /** The file, absolute; undefined for the package's defaults. */
  readonly file: string | undefined;
  readonly blockSizeBytes: number;
  readonly replicationFactor: number;
  /** host:port each, in order: dn1 is the first. */
  readonly dataNodes: readonly string[];
  /** host:port */
  readonly nameNode: string;
  /** Absolute. Holds `namenode`, `datanode-PORT`, `log`. */
  readonly dataDirectory: string;
  readonly minReplication: number;
  readonly heartbeatIntervalMs: number;
  readonly staleNodeTimeoutMs: number;
  readonly deadNodeTimeoutMs: number;
  readonly blockReportIntervalMs: number;
  readonly retryTimeoutMs: number;
  readonly trashIntervalMinutes: number;
  readonly isDurableClose: boolean;
  readonly softLeaseLimitMs: number;
  readonly hardLeaseLimitMs: number;
  /** How many copies a node sends or receives for repair at a time. */
  readonly maxReplicationStreams: number;
  /** Bytes a data node leaves free on each disk. */
  readonly reservedBytes: number;
}
