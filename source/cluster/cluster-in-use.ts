import { nodeDisk } from '../storage/node-disk.js';
import { readIdentity } from '../storage/volume-identity.js';
import type { ClusterState } from './cluster-state.js';
import { type ClusterConfig, dataNodeAddresses, storageDirectories } from './node-names.js';

/** Some data node belongs to a cluster: a name node whose store is empty has lost it, and must not begin another. */
export async function isInUse(config: ClusterConfig, state: ClusterState): Promise<boolean> {
  for (const address of dataNodeAddresses(config, state)) {
    for (const directory of storageDirectories(config, address)) {
      const identity = await readIdentity(nodeDisk, directory).catch(() => 'damaged' as const);
      if (identity === 'damaged' || (identity !== undefined && identity.clusterId !== null)) return true;
    }
  }
  return false;
}
