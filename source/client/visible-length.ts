import type { Clock } from '../base/clock.js';
import { blockName, type LocatedBlock, type ReplicaLocation } from '../protocol/block.js';
import type { DatanodeServiceProtocol } from '../protocol/datanode-protocol.js';
import type { RpcCaller } from '../protocol/method.js';
import { messageOf } from './pipeline.js';

/** A data node's own service. Kept and closed by whoever gives it. */
export type OpenDataNode = (address: string) => RpcCaller<DatanodeServiceProtocol>;

export interface VisibleLength {
  lengthBytes: number;
  /** The nodes that have so much. */
  locations: ReplicaLocation[];
}

/** No node that has the block said how much of it may be read. */
export interface UnknownLength {
  reasons: string[];
}

const answerLimitMs = 3000;

/**
 * How much of a block that is being written may be read (DFSInputStream.readBlockLength): what all of its nodes have acknowledged, and so a
 * recovery would keep. Those are asked at once, and the shortest answer counts, of the newest generation that there is: so that the next
 * reader does not see less. Nobody has it yet: what the name node says, 0 at first. UnknownLength if no node told a length, and one may have
 * some of it: one that did not answer, is dead, or whose replica is rotten.
 */
export async function fetchVisibleLength(
  located: LocatedBlock,
  parts: { openDataNode: OpenDataNode; clock: Clock; signal: AbortSignal | undefined },
): Promise<VisibleLength | UnknownLength> {
  const { block, locations } = located;
  const results = await Promise.allSettled(
    locations.map(({ address }) => parts.openDataNode(address).call('replica.getInfo', { blockId: block.blockId }, { signal: parts.signal, timeoutMs: answerLimitMs })),
  );
  parts.signal?.throwIfAborted();
  const reasons: string[] = [];
  let newest: { generationStamp: number; lengthBytes: number; locations: ReplicaLocation[] } | undefined;
  for (const [index, result] of results.entries()) {
    const location = locations[index]!;
    if (result.status === 'rejected') {
      reasons.push(`${location.name}: ${messageOf(result.reason)}`);
      continue;
    }
    const replica = result.value;
    if (!replica || replica.block.generationStamp < block.generationStamp) continue;
    if (replica.state === 'quarantined') {
      reasons.push(`${location.name}: what it had is rotten, and put aside`);
      continue;
    }
    const { generationStamp } = replica.block;
    const lengthBytes = replica.visibleLengthBytes;
    if (!newest || generationStamp > newest.generationStamp) newest = { generationStamp, lengthBytes, locations: [] };
    if (generationStamp < newest.generationStamp) continue;
    newest.lengthBytes = Math.min(newest.lengthBytes, lengthBytes);
    newest.locations.push(location);
  }
  if (newest) return { lengthBytes: Math.max(newest.lengthBytes, block.lengthBytes), locations: newest.locations };
  if (located.mayBeElsewhere) reasons.push('a data node that is dead may have it');
  if (reasons.length === 0 && locations.length > 0) return { lengthBytes: block.lengthBytes, locations };
  return { reasons: reasons.length > 0 ? reasons : [`no data node is known to have ${blockName(block)}`] };
}
