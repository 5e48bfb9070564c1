import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { DfsClient } from '../../source/client/client-api.js';
import type { LocalCluster } from '../../source/cluster/local-cluster.js';
import { systemRandom } from '../../source/base/random.js';
import { connect, localCluster } from '../../source/compose.js';
import { loadConfig } from '../../source/config.js';
import { copyFile } from '../../source/filesystem/copy-file.js';
import { createDfsFileSystem } from '../../source/filesystem/dfs-file-system.js';
import { createLocalFileSystem } from '../../source/filesystem/local-file-system.js';
import { freePorts } from '../helpers/free-ports.js';
import { cpuSecondsOf, type Sample, timed } from './measure.js';

/** A cluster of real processes on free ports, with a client in this process. */
export class BenchmarkCluster {
  readonly client: DfsClient;
  readonly #cluster: LocalCluster;
  readonly #configFile: string;
  readonly #entry: string;
  readonly #local = createLocalFileSystem({ random: systemRandom });
  /** CPU seconds of the one-shot commands that have ended. */
  #endedCpuSeconds = 0;
  #pids: number[] = [];

  private constructor(client: DfsClient, cluster: LocalCluster, configFile: string, entry: string) {
    this.client = client;
    this.#cluster = cluster;
    this.#configFile = configFile;
    this.#entry = entry;
  }

  static async start(folder: string, entry: string, settings: Record<string, unknown>): Promise<BenchmarkCluster> {
    mkdirSync(folder, { recursive: true });
    const [nameNodePort, ...ports] = await freePorts(4);
    const file = join(folder, 'config.json');
    const content = { block_size: '64m', replication_factor: 3, data_nodes: ports.map((port) => `127.0.0.1:${port}`), name_node: `127.0.0.1:${nameNodePort}`, data_dir: 'data', ...settings };
    writeFileSync(file, JSON.stringify(content));
    const config = await loadConfig({ file, environment: {}, workingDirectory: folder, packageFile: file });
    const cluster = await localCluster(config, entry);
    const nodes = await cluster.up({});
    const client = await connect({ nameNode: config.nameNode, isDurableClose: config.isDurableClose });
    const result = new BenchmarkCluster(client, cluster, file, entry);
    result.#pids = nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    return result;
  }

  get nodePids(): readonly number[] {
    return this.#pids;
  }

  /** Runs the program as a user would; rejects unless it exits with 0. */
  async run(args: string[]): Promise<void> {
    // The shell's `times` tells the CPU seconds of the command it waited for.
    const child = spawn('sh', ['-c', '"$@"; code=$?; times >&3; exit $code', 'sh', process.execPath, this.#entry, '--config', this.#configFile, ...args], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
    const [errors, times] = [child.stderr!, child.stdio[3] as Readable].map((stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (bytes: Buffer) => chunks.push(bytes));
      return chunks;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`dfsh ${args.join(' ')} ended with ${code}: ${Buffer.concat(errors!)}`);
    const ofChildren = `${Buffer.concat(times!)}`.trim().split('\n').at(-1) ?? '';
    for (const [, minutes, seconds] of ofChildren.matchAll(/(\d+)m([\d.]+)s/g)) this.#endedCpuSeconds += Number(minutes) * 60 + Number(seconds);
  }

  /** What `work` took, with the CPU seconds of client and nodes together. */
  async sample(work: () => Promise<unknown>): Promise<Sample> {
    const own = process.cpuUsage();
    const before = cpuSecondsOf(this.#pids) + this.#endedCpuSeconds;
    const seconds = await timed(work);
    const used = process.cpuUsage(own);
    return { seconds, cpuSeconds: cpuSecondsOf(this.#pids) + this.#endedCpuSeconds - before + (used.user + used.system) / 1e6 };
  }

  /** What `put` does, in this process. */
  async put(localPath: string, path: string): Promise<void> {
    await copyFile({ fileSystem: this.#local, path: localPath }, { fileSystem: createDfsFileSystem(this.client), path }, { overwrite: true });
  }

  /** What `get` does, in this process. */
  async get(path: string, localPath: string): Promise<void> {
    await copyFile({ fileSystem: createDfsFileSystem(this.client), path }, { fileSystem: this.#local, path: localPath }, { overwrite: true });
  }

  async writeAll(path: string, content: Uint8Array): Promise<void> {
    const writer = await this.client.openWriter(path, { overwrite: true });
    await writer.write(content);
    await writer.close();
  }

  async readAll(path: string): Promise<number> {
    const reader = await this.client.openReader(path);
    let total = 0;
    for (let part = await reader.read(); part; part = await reader.read()) {
      total += part.bytes.length;
      part.release();
    }
    return total;
  }

  /** Waits until the replicas of deleted files are gone from the disks, so that no round pays for the one before. */
  async settled(): Promise<void> {
    for (;;) {
      const { blocks } = await this.client.getHealth();
      if (blocks.pendingDeletion === 0 && blocks.pendingReplication === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.#cluster.down({});
  }
}
