import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../source/base/clock.js';
import { systemRandom } from '../../source/base/random.js';
import type { DfsClient } from '../../source/client/client-api.js';
import type { CommandContext, Session } from '../../source/commands/command.js';
import { runLine } from '../../source/commands/dispatcher.js';
import { registry } from '../../source/commands/registry.js';
import { createDfsFileSystem } from '../../source/filesystem/dfs-file-system.js';
import { createLocalFileSystem } from '../../source/filesystem/local-file-system.js';
import { MiniCluster, type MiniClusterOptions } from './mini-cluster.js';
import { RecorderSink } from './recorder-sink.js';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  sink: RecorderSink;
}

export interface RunOptions {
  user?: string;
  input?: string | AsyncIterable<Uint8Array>;
  isJson?: boolean;
  signal?: AbortSignal;
  clock?: Clock;
  /** For looking at while the line runs. */
  sink?: RecorderSink;
  /** Changes what the client answers. */
  client?: (client: DfsClient) => DfsClient;
}

/** Runs command lines as a shell would, on a whole cluster in this process and in a local folder of its own. */
export class CommandBench {
  readonly cluster: MiniCluster;
  readonly folder: string;
  readonly session: Session;
  readonly #clients = new Map<string, DfsClient>();

  private constructor(cluster: MiniCluster, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
    this.session = { user: 'tester', workingDirectory: '/user/tester', localDirectory: folder, isJson: false, history: () => [] };
  }

  static async start(t: { teardown(end: () => Promise<void>): void }, options?: MiniClusterOptions): Promise<CommandBench> {
    const folder = await mkdtemp(join(tmpdir(), 'dfsh-bench-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    return new CommandBench(await MiniCluster.start(t, options), folder);
  }

  /** The address before a path. */
  get uri(): string {
    return `dfs://${this.cluster.nameNodeAddress}`;
  }

  client(user = 'tester'): DfsClient {
    let client = this.#clients.get(user);
    if (!client) this.#clients.set(user, (client = this.cluster.client({ user })));
    return client;
  }

  async run(line: string, options: RunOptions = {}): Promise<Ran> {
    const user = options.user ?? 'tester';
    const client = options.client ? options.client(this.client(user)) : this.client(user);
    const remote = createDfsFileSystem(client);
    const sink = options.sink ?? new RecorderSink({ isJson: options.isJson ?? false });
    const { input = '' } = options;
    const context: CommandContext = {
      sink,
      signal: options.signal ?? new AbortController().signal,
      session: user === 'tester' ? this.session : { ...this.session, user, workingDirectory: `/user/${user}` },
      client: async () => client,
      remote: async () => remote,
      local: createLocalFileSystem({ random: systemRandom }),
      localCluster: async () => {
        throw new Error('no local cluster here');
      },
      input: typeof input === 'string' ? chunks(input) : input,
      commands: registry,
      clock: options.clock ?? systemClock,
    };
    const code = await runLine(line, context);
    return { code, stdout: sink.text, stderr: sink.errors.map((one) => `${one}\n`).join(''), sink };
  }

  /** Each must succeed. */
  async setUp(...lines: string[]): Promise<void> {
    for (const line of lines) {
      const { code, stderr } = await this.run(line);
      if (code !== 0) throw new Error(`${line}: ${code} ${stderr}`);
    }
  }

  /** A file of the distributed file system. */
  async write(path: string, text: string): Promise<void> {
    const { code, stderr } = await this.run(`put -f - '${path}'`, { input: text });
    if (code !== 0) throw new Error(`put - ${path}: ${code} ${stderr}`);
  }
}

/** The same client, with another `method`. */
export function withMethod<K extends keyof DfsClient>(method: K, change: (client: DfsClient) => DfsClient[K]): (client: DfsClient) => DfsClient {
  return (client) => {
    const changed = change(client);
    return new Proxy(client, {
      get(target, key: keyof DfsClient) {
        if (key === method) return changed;
        const value: unknown = target[key];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}

async function* chunks(text: string): AsyncIterable<Uint8Array> {
  if (text !== '') yield Buffer.from(text);
}
