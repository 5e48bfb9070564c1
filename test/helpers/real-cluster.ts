import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DfsClient } from '../../source/client/client-api.js';
import type { LocalCluster } from '../../source/cluster/local-cluster.js';
import { connect, localCluster } from '../../source/compose.js';
import { type Config, loadConfig } from '../../source/config.js';
import type { ClusterHealth } from '../../source/protocol/cluster-events.js';
import { freePorts } from './free-ports.js';

/** The program as users run it. */
export const program = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'dfsh.js');

export interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

/** Quick verdicts, for tests in which nodes die. */
export const quickVerdicts = { heartbeat_interval_ms: 200, stale_node_timeout_ms: 800, dead_node_timeout_ms: 2000 };

/** A cluster of real processes on free ports in a temporary folder, driven by the real program. */
export class RealCluster {
  readonly folder: string;
  readonly configFile: string;
  readonly config: Config;
  readonly nodes: LocalCluster;
  readonly environment: NodeJS.ProcessEnv;
  #clients: DfsClient[] = [];

  private constructor(folder: string, configFile: string, config: Config, nodes: LocalCluster, environment: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.configFile = configFile;
    this.config = config;
    this.nodes = nodes;
    this.environment = environment;
  }

  /** Describes a cluster, and starts it unless told otherwise. `settings` are keys of config.json. */
  static async create(options: { dataNodes?: number; settings?: Record<string, unknown>; isStarted?: boolean } = {}): Promise<RealCluster> {
    const { dataNodes = 3, settings = {}, isStarted = true } = options;
    const folder = mkdtempSync(join(tmpdir(), 'dfsh-cluster-'));
    const [nameNodePort, ...ports] = await freePorts(1 + dataNodes, 2);
    const configFile = join(folder, 'config.json');
    const content = {
      block_size: 1_000_000,
      replication_factor: Math.min(3, dataNodes),
      data_nodes: ports.map((port) => `127.0.0.1:${port}`),
      name_node: `127.0.0.1:${nameNodePort}`,
      data_dir: 'data',
      ...settings,
    };
    writeFileSync(configFile, JSON.stringify(content, null, 2));
    const environment: NodeJS.ProcessEnv = { ...process.env, DFSH_CONFIG: configFile, DFSH_HOME: join(folder, 'home'), TZ: 'UTC' };
    const config = await loadConfig({ file: configFile, environment: {}, workingDirectory: folder, packageFile: configFile });
    const cluster = new RealCluster(folder, configFile, config, await localCluster(config, program), environment);
    mkdirSync(join(folder, 'work'));
    if (isStarted) await cluster.nodes.up({});
    return cluster;
  }

  /** `dfsh --exec LINE`..., in the folder `work`. */
  exec(...lines: string[]): Promise<Answer> {
    return this.run(lines.flatMap((line) => ['--exec', line]));
  }

  run(args: string[], input = ''): Promise<Answer> {
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [program, ...args], { cwd: join(this.folder, 'work'), env: this.environment, maxBuffer: 2 ** 28, encoding: 'utf8' }, (error, stdout, stderr) => {
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
      });
      child.stdin!.on('error', () => {});
      child.stdin!.end(input);
    });
  }

  /** The program in the background, for killing it. */
  spawn(args: string[]) {
    return spawn(process.execPath, [program, ...args], { cwd: join(this.folder, 'work'), env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** A client in this process, closed with the cluster. */
  async client(): Promise<DfsClient> {
    const client = await connect({ nameNode: this.config.nameNode });
    this.#clients.push(client);
    return client;
  }

  /** Waits until the name node's health satisfies; rejects with the last one seen after `limitMs`. */
  async until(isSatisfied: (health: ClusterHealth) => boolean, limitMs = 60_000): Promise<ClusterHealth> {
    const client = await this.client();
    const limit = AbortSignal.timeout(limitMs);
    let last: ClusterHealth | undefined;
    for await (const item of client.feed({ signal: limit })) {
      if (item.type !== 'health') continue;
      last = item.health;
      if (isSatisfied(last)) return last;
    }
    throw new Error(`not within ${limitMs} ms; last: ${JSON.stringify(last, null, 1)}`);
  }

  /** Files of finished replicas on the disks: for each block id the data folders that hold it, and the files. */
  replicasOnDisk(): Map<number, string[]> {
    const found = new Map<number, string[]>();
    for (const directory of readdirSync(this.config.dataDirectory).filter((name) => name.startsWith('datanode-'))) {
      const root = join(this.config.dataDirectory, directory, 'current');
      let files: string[] = [];
      try {
        files = readdirSync(root, { recursive: true, encoding: 'utf8' });
      } catch {}
      for (const file of files) {
        const match = /(?:^|\/)blk_(\d+)$/.exec(file);
        if (match) found.set(Number(match[1]), [...(found.get(Number(match[1])) ?? []), join(root, file)]);
      }
    }
    return found;
  }

  localPath(name: string): string {
    return join(this.folder, 'work', name);
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.nodes.down({});
    rmSync(this.folder, { recursive: true, force: true });
  }
}
