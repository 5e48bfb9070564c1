import { escapeControls } from '../base/text.js';
import type { LocatedBlock, ReplicaLocation } from '../protocol/block.js';
import type { FileStatus } from '../protocol/file-status.js';

/** What fsck finds of a block, and keeps of it: a file may have hundreds of thousands. */
export interface BlockCheck {
  blockIndex: number;
  blockId: number;
  generationStamp: number;
  lengthBytes: number;
  /** On live nodes that are in service, and not known to be rotten. */
  liveReplicas: number;
  /** As good, on nodes that are being emptied, are empty, are about to be in maintenance, or are in it. */
  decommissioning: number;
  decommissioned: number;
  enteringMaintenance: number;
  inMaintenance: number;
  /** It could be on two racks, as there are some, and is on one; '' if not. */
  placementError: string;
  /** There are replicas, and none is good. */
  isCorrupt: boolean;
  /** There is no replica. */
  isMissing: boolean;
  missingReplicas: number;
  /** Of whatever state, there are or are to be so many. */
  expectedReplicas: number;
  /** Where all its replicas are: `dn1 127.0.0.1:9864`, with what is wrong with it. */
  places: string[];
}

/** `isPlaced`: keep where the replicas are; `isRacked`: with their racks. */
export function checkBlock(
  { block, blockIndex, locations }: LocatedBlock,
  replication: number,
  options: { isPlaced: boolean; isRacked: boolean; rackCount: number },
): BlockCheck {
  const { blockId, generationStamp, lengthBytes } = block;
  const reachable = locations.filter(({ state }) => state !== 'dead');
  const good = reachable.filter(({ isCorrupt }) => !isCorrupt);
  const countOf = (state: ReplicaLocation['adminState']) => good.filter(({ adminState }) => adminState === state).length;
  const away = locations.filter(({ state, adminState, isCorrupt }) => state === 'dead' && adminState === 'in-maintenance' && !isCorrupt).length;
  const liveReplicas = countOf(undefined);
  const isLost = good.length === 0 && lengthBytes > 0;
  const isCorrupt = isLost && reachable.length > 0;
  return {
    blockIndex,
    blockId,
    generationStamp,
    lengthBytes,
    liveReplicas,
    decommissioning: countOf('decommissioning'),
    decommissioned: countOf('decommissioned'),
    enteringMaintenance: countOf('entering-maintenance'),
    inMaintenance: countOf('in-maintenance') + away,
    placementError: placementError(good, replication, options.rackCount),
    isCorrupt,
    isMissing: isLost && !isCorrupt,
    missingReplicas: isLost ? 0 : Math.max(0, replication - good.length - away),
    expectedReplicas: locations.length,
    places: options.isPlaced ? locations.map((location) => place(location, options.isRacked)) : [],
  };
}

/** In HDFS's words: BlockPlacementStatusDefault. */
function placementError(good: readonly ReplicaLocation[], replication: number, rackCount: number): string {
  const counted = good.filter(({ adminState }) => adminState === undefined);
  const racks = new Set(counted.map(({ rack }) => rack)).size;
  if (counted.length < 2 || replication < 2 || racks > 1 || rackCount < 2) return '';
  return `Block should be additionally replicated on 1 more rack(s). Total number of racks in the cluster: ${rackCount}`;
}

const adminMarks = { decommissioning: 'DECOMMISSIONING', decommissioned: 'DECOMMISSIONED', 'entering-maintenance': 'ENTERING MAINTENANCE', 'in-maintenance': 'IN MAINTENANCE' } as const;

function place({ name, address, rack, state, adminState, isCorrupt }: ReplicaLocation, isRacked: boolean): string {
  const marks = `${isCorrupt ? ' CORRUPT' : ''}${adminState === undefined ? '' : ` ${adminMarks[adminState]}`}${state === 'live' ? '' : ` ${state.toUpperCase()}`}`;
  return escapeControls(`${isRacked ? `${rack}/` : ''}${name} ${address}${marks}`);
}

/** Sums over a tree, as fsck's report prints them (Hadoop: NamenodeFsck.ReplicationResult). */
export class FsckTotals {
  directories = 0;
  files = 0;
  openFiles = 0;
  lengthBytes = 0;
  blocks = 0;
  replicas = 0;
  expectedReplicas = 0;
  minimallyReplicated = 0;
  overReplicated = 0;
  underReplicated = 0;
  badlyPlaced = 0;
  decommissioning = 0;
  decommissioned = 0;
  enteringMaintenance = 0;
  inMaintenance = 0;
  missingReplicas = 0;
  corruptFiles = 0;
  missing = 0;
  missingBytes = 0;
  corrupt = 0;
  corruptBytes = 0;

  get isHealthy(): boolean {
    return this.missing === 0 && this.corrupt === 0;
  }

  addFile(status: FileStatus): void {
    this.files++;
    this.lengthBytes += status.lengthBytes;
  }

  addBlock(check: BlockCheck, wanted: { replication: number; minReplication: number }): void {
    const { lengthBytes, liveReplicas, isCorrupt, isMissing, missingReplicas } = check;
    this.blocks++;
    this.replicas += liveReplicas;
    this.expectedReplicas += wanted.replication;
    if (check.placementError !== '') this.badlyPlaced++;
    for (const state of ['decommissioning', 'decommissioned', 'enteringMaintenance', 'inMaintenance'] as const) this[state] += check[state];
    const readable = liveReplicas + check.decommissioning + check.decommissioned + check.enteringMaintenance + check.inMaintenance;
    if (readable >= Math.min(wanted.minReplication, wanted.replication)) this.minimallyReplicated++;
    if (liveReplicas > wanted.replication) this.overReplicated++;
    if (missingReplicas > 0) {
      this.underReplicated++;
      this.missingReplicas += missingReplicas;
    }
    if (isCorrupt) {
      this.corrupt++;
      this.corruptBytes += lengthBytes;
    }
    if (isMissing) {
      this.missing++;
      this.missingBytes += lengthBytes;
    }
  }
}
