import type { BalancerStatus, ClusterHealth, DatanodeReport } from '../protocol/cluster-events.js';

/**
 * What commands print with --json: one object a line, camelCase, bytes as numbers, times in ms since 1970, paths absolute. An error
 * is an ErrorRecord on stderr. Every record of a kind has all the fields named here.
 */

/** ls, lls, find: an entry. */
export interface EntryRecord {
  path: string;
  type: 'file' | 'directory';
  lengthBytes: number;
  /** 0 for a directory. */
  replication: number;
  blockSizeBytes: number;
  modificationTimeMs: number;
  accessTimeMs: number;
  /** Octal digits: `755`, `1777`. */
  permission: string;
  owner: string;
  group: string;
}

/** stat: the entry, and what the format made of it. */
export interface StatRecord extends EntryRecord {
  text: string;
}

/** put, get, cp, moveFromLocal, moveToLocal: a file that was copied. */
export interface CopyRecord {
  source: string;
  target: string;
  bytes: number;
  /** Blocks with fewer durable replicas than wanted. */
  degradedBlocks: { blockIndex: number; durableReplicas: number }[];
}

/** mv */
export interface RenameRecord {
  source: string;
  target: string;
}

/** mkdir, concat (its target), recoverLease, touchz, touch, rmdir, chmod, chown, chgrp, cd, lcd, pwd, lpwd: a path that is as was asked for. */
export interface PathRecord {
  path: string;
}

/** rm: `trash` is where it went; null if it is gone for good. */
export interface RemoveRecord {
  path: string;
  trash: string | null;
}

/** setrep; `isReached` with -w only. */
export interface ReplicationRecord {
  path: string;
  replication: number;
  isReached: boolean | null;
}

/** truncate; `isDone`: false while the last block is still to be cut. */
export interface TruncateRecord {
  path: string;
  lengthBytes: number;
  isDone: boolean;
}

/** checksum: hex digits. */
export interface ChecksumRecord {
  path: string;
  algorithm: string;
  checksum: string;
}

/** test */
export interface TestRecord {
  path: string;
  result: boolean;
}

/** du */
export interface UsageRecord {
  path: string;
  lengthBytes: number;
  spaceConsumedBytes: number;
}

/** count */
export interface CountRecord extends UsageRecord {
  directoryCount: number;
  fileCount: number;
}

/** df */
export interface SpaceRecord {
  fileSystem: string;
  capacityBytes: number;
  usedBytes: number;
  remainingBytes: number;
}

/** report: the cluster first, then each data node that is asked for. */
export type ReportRecord = { type: 'cluster'; health: Omit<ClusterHealth, 'datanodes' | 'repair'> } | ({ type: 'datanode' } & DatanodeReport);

/** decommission, recommission, maintenance: the data node as it is then. */
export type NodeStateRecord = { type: 'datanode' } & DatanodeReport;

/** balancer: as it ended, or with -status as it stands. */
export type BalancerRecord = BalancerStatus;

/** FAILED: no bad block was found, but not everything could be looked at. */
export type FsckStatus = 'HEALTHY' | 'CORRUPT' | 'FAILED';

/** fsck: with -files an object a file, with -blocks an object a block, and at last the summary. */
export type FsckRecord =
  | {
      type: 'file';
      path: string;
      lengthBytes: number;
      replication: number;
      blockCount: number;
      status: 'OK' | 'UNDER REPLICATED' | 'CORRUPT' | 'MISSING';
    }
  | {
      type: 'block';
      path: string;
      blockIndex: number;
      blockId: number;
      generationStamp: number;
      lengthBytes: number;
      liveReplicas: number;
      locations: string[];
    }
  | {
      type: 'summary';
      path: string;
      status: FsckStatus;
      directoryCount: number;
      fileCount: number;
      lengthBytes: number;
      blockCount: number;
      minimallyReplicatedBlocks: number;
      overReplicatedBlocks: number;
      underReplicatedBlocks: number;
      badlyPlacedBlocks: number;
      decommissionedReplicas: number;
      decommissioningReplicas: number;
      enteringMaintenanceReplicas: number;
      inMaintenanceReplicas: number;
      missingBlocks: number;
      corruptBlocks: number;
      missingReplicas: number;
    };

/** fsck -list-corruptfileblocks: a block without a good replica. */
export interface CorruptBlockRecord {
  path: string;
  blockId: number;
}

/** safemode */
export interface SafeModeRecord {
  isOn: boolean;
  /** Why the name node takes no changes though it is not in safe mode; for `get`. */
  readOnlyReason?: string;
  reason: string;
}

/** saveNamespace */
export interface SavedNamespaceRecord {
  /** On the name node's machine. */
  path: string;
  bytes: number;
  lastEditId: number;
}

/** cluster, node: a node on this machine. `pid` is null where no process of it was started from here. */
export interface NodeRecord {
  /** nn, dn1, dn2, ... */
  name: string;
  role: 'namenode' | 'datanode';
  address: string;
  pid: number | null;
  state: 'running' | 'stopped' | 'unreachable';
  dataDirectory: string;
  logFile: string;
}

/** logs */
export interface LogRecord {
  node: string;
  line: string;
}

/** help, usage */
export interface HelpRecord {
  name: string;
  aliases: string[];
  group: string;
  summary: string;
  usage: string;
  flags: { flag: string; summary: string }[];
}

/** On stderr. `code` and `name` are those of the table of errors. */
export interface ErrorRecord {
  error: { command?: string; name: string; code: number; message: string; path?: string };
}
