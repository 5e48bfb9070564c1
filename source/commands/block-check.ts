import { escapeControls } from '../base/text.js';
import type { LocatedBlock, ReplicaLocation } from '../protocol/block.js';
import type { FileStatus } from '../protocol/file-status.js';

/** What fsck finds of a block, and keeps of it: a file may have hundreds of thousands. */
export interface BlockCheck {
  blockIndex: number;
  blockId: number;
  generationStamp: number;
  lengthBytes: number;
  /** On live nodes, and not known to be rotten. */
  liveReplicas: number;
  /** There are replicas, and none is good. */
  isCorrupt: boolean;
  /** There is no replica. */
  isMissing: boolean;
  missingReplicas: number;
  /** Where all its replicas are: `dn1 127.0.0.1:9864`, with what is wrong with it. */
  places: string[];
}

/** `isPlaced`: keep where the replicas are; `isRacked`: with their racks. */
export function checkBlock(
  { block, blockIndex, locations }: LocatedBlock,
  replication: number,
  options: { isPlaced: boolean; isRacked: boolean },
): BlockCheck {
  const { blockId, generationStamp, lengthBytes } = block;
  const reachable = locations.filter(({ state }) => state !== 'dead');
  const liveReplicas = reachable.filter(({ isCorrupt }) => !isCorrupt).length;
  const isLost = liveReplicas === 0 && lengthBytes > 0;
  const isCorrupt = isLost && reachable.length > 0;
  return {
    blockIndex,
    blockId,
    generationStamp,
    lengthBytes,
    liveReplicas,
    isCorrupt,
    isMissing: isLost && !isCorrupt,
    missingReplicas: isLost ? 0 : Math.max(0, replication - liveReplicas),
    places: options.isPlaced ? locations.map((location) => place(location, options.isRacked)) : [],
  };
}

function place({ name, address, rack, state, isCorrupt }: ReplicaLocation, isRacked: boolean): string {
  const marks = `${isCorrupt ? ' CORRUPT' : ''}${state === 'live' ? '' : ` ${state.toUpperCase()}`}`;
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
    if (liveReplicas >= Math.min(wanted.minReplication, wanted.replication)) this.minimallyReplicated++;
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
