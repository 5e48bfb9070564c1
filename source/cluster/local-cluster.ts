/** State of one process of the local cluster. */
export interface LocalNode {
  /** nn, dn1, dn2, ... */
  name: string;
  role: 'namenode' | 'datanode';
  address: string;
  /** Of its process, if the state file proves it ours; for `stop`, `kill` and `down` the one that it had. */
  pid: number | undefined;
  /** unreachable: its process is there, and the name node does not answer, or does not count it as live. */
  state: 'running' | 'stopped' | 'unreachable';
  dataDirectory: string;
  logFile: string;
  /** Set where the call that answers with it has started it. */
  wasStarted?: true;
  /** In the answer of `up`: why this data node did not start, in one line. */
  failure?: string;
}

/** Says what happens, step by step: `starting dn2 on 127.0.0.1:9865`. */
export type ClusterProgress = (step: string) => void;

/**
 * The name node and data nodes on this machine as detached processes that outlive the shell: data folders, logs and a state file a
 * name-node address below the data folder (design.md, Local cluster).
 */
export interface LocalCluster {
  /**
   * Starts what is missing of config.json's nodes (or of the first `count` data nodes; beyond config's list on the next free ports);
   * resolves once safe mode is off and every listed node is live. A data node that ends while it starts is answered with its `failure`, and
   * the others run. A taken port, a name node that ends, no data node left, or the time limit: an error that says which, by whom, and the
   * last lines of its log; what this call had started is stopped again.
   */
  up(options: { count?: number; signal?: AbortSignal; onProgress?: ClusterProgress }): Promise<LocalNode[]>;
  /** Stops all nodes in good order (SIGTERM, then SIGKILL after a limit). Resolves to those that were running. */
  down(options: { onProgress?: ClusterProgress }): Promise<LocalNode[]>;
  status(): Promise<LocalNode[]>;
  /** Adds a data node on the next free port, recorded, started and live. */
  add(options: { signal?: AbortSignal; onProgress?: ClusterProgress }): Promise<LocalNode>;
  start(name: string, options?: { signal?: AbortSignal; onProgress?: ClusterProgress }): Promise<LocalNode>;
  stop(name: string): Promise<LocalNode>;
  /** SIGKILL, for seeing the repair. */
  kill(name: string): Promise<LocalNode>;
  /** The last lines of a node's log. */
  log(name: string, options: { lineCount: number }): Promise<string[]>;
  /** The lines that come from now on, until the signal aborts. */
  followLog(name: string, options: { signal: AbortSignal }): AsyncIterable<string>;
}
