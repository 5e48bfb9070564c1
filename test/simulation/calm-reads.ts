import { blocksIn, durableReplicas } from './replica-files.js';
import type { ClientMachine, SimulatedCluster } from './simulated-cluster.js';
import type { FaultKind } from './simulation-config.js';

/** With these, any call may fail, anywhere. */
const unforeseeable: readonly FaultKind[] = ['messages', 'streams', 'cloned-node'];

/** How long a machine must have been well for others to know what it has. */
const settledAfterMs = 10_000;

/**
 * To be called at a read's begin. What it returns says, at the read's end, whether nothing could have hindered it (P6: rot of one replica is no
 * reason to fail): the client, the name node and, for each block, a data node with a good replica had been well since long before.
 */
export function watchRead(cluster: SimulatedCluster, client: ClientMachine, path: string): () => boolean {
  const { config, simulator, nameNode } = cluster;
  if (unforeseeable.some((kind) => config.faultKinds.has(kind))) return () => false;
  const sinceMs = simulator.nowMs - settledAfterMs;
  const isWell = (machine: { host: string; process: { isAlive: boolean } | undefined }) => machine.process?.isAlive === true && cluster.troubles.wasNone(machine.host, sinceMs);
  if (!isWell(nameNode) || !isWell(client)) return () => false;
  const before = goodReplicas(cluster, path);
  return () => {
    if (!isWell(nameNode) || !isWell(client) || nameNode.isDamaged) return false;
    const after = goodReplicas(cluster, path);
    return [...after].every(([blockId, places]) =>
      cluster.dataNodes.some((machine) => isWell(machine) && machine.store?.failedVolumes.length === 0 && places.has(machine.host) && before.get(blockId)?.has(machine.host)),
    );
  };
}

/** The hosts with good replicas, by block. */
function goodReplicas(cluster: SimulatedCluster, path: string): Map<number, Set<string>> {
  const view = cluster.nameNode.view();
  const found = new Map<number, Set<string>>();
  for (const block of blocksIn(view)) {
    const inode = view.readInode(block.inodeId);
    if (inode && view.readPath(inode) === path) found.set(block.blockId, new Set(durableReplicas(cluster, block).map(({ machine }) => machine.host)));
  }
  return found;
}
