import { counted } from '../base/text.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import type { LocalNode } from './local-cluster.js';
import type { SafeModeWatch } from './safe-mode-watch.js';

/**
 * What still keeps the data nodes at `addresses` from being ready, in words; undefined when nothing does. With `safeModeWatch` the end of safe
 * mode is waited for too. Times are monotonic.
 */
export function whatIsMissing(
  health: ClusterHealth | undefined,
  awaited: {
    addresses: readonly string[];
    starts: readonly { node: LocalNode; startedMs: number }[];
    nowMs: number;
    safeModeWatch: SafeModeWatch | undefined;
  },
): string | undefined {
  const { addresses, starts, nowMs, safeModeWatch } = awaited;
  if (!health) return 'the name node does not answer';
  const missing = addresses.filter((address) => {
    const report = health.datanodes.find((each) => each.address === address);
    const start = starts.find(({ node }) => node.address === address);
    // A heartbeat from before the start is one of the node's former life.
    return report?.state !== 'live' || (start !== undefined && report.sinceHeartbeatMs > nowMs - start.startedMs);
  });
  if (missing.length > 0) return `${counted(missing.length, 'data node')} not live: ${missing.join(', ')}`;
  const { safeMode } = health;
  if (!safeModeWatch || !safeMode.isOn) return undefined;
  // Set by hand in a cluster that ran already: it stays until somebody leaves it.
  if (starts.length === 0 && safeMode.reportedBlocks >= safeMode.totalBlocks) return undefined;
  return safeModeWatch.observe(health) ? undefined : `the name node is in safe mode (${safeMode.reason})`;
}
