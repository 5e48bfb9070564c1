import type { SlowVerdict } from '../protocol/cluster-events.js';
import type { PeerWait } from '../protocol/datanode-protocol.js';

/** Of one node for another; fewer say nothing. */
const leastPackets = 20;
/** Nobody is called slow for less. */
const leastWaitMs = 20;
const timesUsual = 3;

/** What others say of how long they wait for the disk or the network of a node. */
interface Reporter {
  readonly isAlive: boolean;
  readonly peerWaits: readonly PeerWait[];
}

/**
 * Nodes that others wait for much longer than for the median one, by their uuid (Hadoop: SlowPeerTracker, OutlierDetector). With fewer
 * than three nodes that were measured nobody is: there is no telling which one is out of the ordinary.
 */
export function findSlowNodes(reporters: Iterable<Reporter>): ReadonlyMap<string, SlowVerdict> {
  const averagesOf = new Map<string, number[]>();
  for (const { isAlive, peerWaits } of reporters) {
    for (const { datanodeUuid, packetCount, waitMs } of isAlive ? peerWaits : []) {
      if (packetCount < leastPackets) continue;
      const averages = averagesOf.get(datanodeUuid);
      if (averages) averages.push(waitMs / packetCount);
      else averagesOf.set(datanodeUuid, [waitMs / packetCount]);
    }
  }
  const measured = [...averagesOf].map(([uuid, averages]) => ({ uuid, waitMs: lowerMedian(averages), reporterCount: averages.length }));
  const slow = new Map<string, SlowVerdict>();
  if (measured.length < 3) return slow;
  const usualMs = lowerMedian(measured.map(({ waitMs }) => waitMs));
  for (const { uuid, waitMs, reporterCount } of measured) {
    if (waitMs >= leastWaitMs && waitMs > timesUsual * usualMs) slow.set(uuid, { waitMs: rounded(waitMs), usualMs: rounded(usualMs), reporterCount });
  }
  return slow;
}

/** Of several that report, a single one that is slow itself, and so has to wait for everybody, does not decide. */
function lowerMedian(values: readonly number[]): number {
  return Float64Array.from(values).sort()[Math.floor((values.length - 1) / 2)]!;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
