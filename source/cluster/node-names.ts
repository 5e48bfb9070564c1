import { join } from 'node:path';
import { parseAddress } from '../base/address.js';
import type { ClusterState } from './cluster-state.js';
import type { LocalNode } from './local-cluster.js';

/** What a cluster is made of, from config.json. */
export interface ClusterConfig {
  /** config.json, absolute; it is given to the nodes. */
  file: string | undefined;
  /** host:port */
  nameNode: string;
  /** host:port each, in order */
  dataNodes: readonly string[];
  /** Absolute. Holds `namenode`, `datanode-PORT`, `log`, and the state file. */
  dataDirectory: string;
  /** The first of which is `dataDirectory`: a data node has `datanode-PORT` below each. */
  dataDirectories: readonly string[];
}

/** Data nodes: of config.json, added, and others that were started. */
export function dataNodeAddresses(config: ClusterConfig, state: ClusterState): string[] {
  const addresses = new Set([...config.dataNodes, ...state.added, ...state.processes.keys()]);
  addresses.delete(config.nameNode);
  return [...addresses];
}

/** What the name node calls it; before it has said so, what it will: dn1..dnN in config.json's order, then in the order of adding. */
export function nodeName(config: ClusterConfig, state: ClusterState, address: string): string {
  if (address === config.nameNode) return 'nn';
  const told = state.names.get(address);
  if (told !== undefined) return told;
  const addresses = dataNodeAddresses(config, state);
  const taken = new Set(state.names.values());
  let number = addresses.indexOf(address) + 1;
  while (taken.has(`dn${number}`)) number++;
  return `dn${number}`;
}

/** The node at an address, as it is without a process. */
export function describeNode(config: ClusterConfig, state: ClusterState, address: string): LocalNode {
  const role = address === config.nameNode ? 'namenode' : 'datanode';
  const folder = nodeFolder(config, address);
  const { dataDirectory } = config;
  return {
    name: nodeName(config, state, address),
    role,
    address,
    pid: undefined,
    state: 'stopped',
    dataDirectory: join(dataDirectory, folder),
    logFile: join(dataDirectory, 'log', `${folder}.log`),
  };
}

/** Where a data node keeps its replicas. */
export function storageDirectories(config: ClusterConfig, address: string): string[] {
  return config.dataDirectories.map((directory) => join(directory, nodeFolder(config, address)));
}

function nodeFolder(config: ClusterConfig, address: string): string {
  return address === config.nameNode ? 'namenode' : `datanode-${parseAddress(address)!.port}`;
}
