import { formatAddress, parseAddress } from '../base/address.js';
import { InputOutputError } from '../protocol/errors.js';
import type { ClusterState } from './cluster-state.js';
import { type ClusterConfig, dataNodeAddresses } from './node-names.js';
import { isPortFree } from './port-owner.js';

/** For another data node: behind the last port in use, and free. */
export async function nextFreeAddress(config: ClusterConfig, state: ClusterState): Promise<string> {
  const dataNodes = dataNodeAddresses(config, state).map((address) => parseAddress(address)!);
  const host = dataNodes.at(-1)?.host ?? '127.0.0.1';
  const first = Math.max(...dataNodes.map(({ port }) => port)) + 1;
  for (let port = first; port <= 65535; port++) {
    const address = formatAddress({ host, port });
    if (address !== config.nameNode && (await isPortFree({ host, port }))) return address;
  }
  throw new InputOutputError(`no port from ${first} to 65535 is free for another data node on ${host}`);
}
