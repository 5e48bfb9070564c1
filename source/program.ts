import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from './base/clock.js';
import { escapeControls } from './base/text.js';
import type { Arguments } from './cli.js';
import type { DfsClient } from './client/client-api.js';
import type { LocalCluster } from './cluster/local-cluster.js';
import type { CommandContext, OutputSink, Session } from './commands/command.js';
import { connect, currentUser, localCluster, localFileSystem, nameNodeAddress, remoteFileSystem } from './compose.js';
import { type Config, loadConfig } from './config.js';
import type { FileSystem } from './filesystem/file-system.js';
import { DfsError, InvalidArgumentError } from './protocol/errors.js';

/** What every way of running commands shares: one-shot, script, shell. */
export interface Program {
  config: Config;
  /** host:port */
  nameNode: string;
  session: Session;
  /** The context of one command line: its own sink, signal and input; client and file systems are shared. */
  createContext(parts: { sink: OutputSink; signal: AbortSignal; input: AsyncIterable<Uint8Array> }): Promise<CommandContext>;
  client(): Promise<DfsClient>;
  localCluster(): Promise<LocalCluster>;
  close(): Promise<void>;
}

// dist/bin and dist/source are both two folders below the package's own.
const packageDirectory = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export function version(): string {
  return (JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The script that a node of the local cluster runs: this program. */
export function entryPoint(): string {
  return join(packageDirectory, 'dist', 'bin', 'dfsh.js');
}

export async function readConfig(values: Pick<Arguments, 'config' | 'data-dir'>): Promise<Config> {
  const config = await loadConfig({
    file: values.config,
    environment: process.env,
    workingDirectory: process.cwd(),
    packageFile: join(packageDirectory, 'config.json'),
  });
  const dataDirectories = [...new Set(values['data-dir']?.map((directory) => resolve(directory)))];
  return dataDirectories.length > 0 ? { ...config, dataDirectory: dataDirectories[0]!, dataDirectories } : config;
}

/** `onWaiting` is told why a call waits for the name node, when it takes longer than a second. */
export async function createProgram(values: Arguments, exit?: () => void, onWaiting?: (reason: Error) => void): Promise<Program> {
  const config = await readConfig(values);
  const nameNode = values['name-node'] ? nameNodeAddress(values['name-node']) : config.nameNode;
  const user = values.user ?? currentUser();
  const session: Session = { user, workingDirectory: `/user/${user}`, localDirectory: process.cwd(), isJson: values.json ?? false, history: () => [], ...(exit && { exit }) };
  let client: Promise<DfsClient> | undefined;
  let remote: Promise<FileSystem> | undefined;
  const getClient = () => (client ??= connect({ nameNode, user, retryTimeoutMs: config.retryTimeoutMs, hedgedReadDelayMs: config.hedgedReadDelayMs, onWaiting }));
  const local = await localFileSystem();
  const getLocalCluster = () => localCluster(config, entryPoint(), nameNode);
  return {
    config,
    nameNode,
    session,
    client: getClient,
    localCluster: getLocalCluster,
    async createContext({ sink, signal, input }) {
      const { registry } = await import('./commands/registry.js');
      return {
        sink,
        signal,
        session,
        input,
        clock: systemClock,
        local,
        commands: registry,
        client: getClient,
        remote: () => (remote ??= getClient().then(remoteFileSystem)),
        localCluster: getLocalCluster,
      };
    },
    async close() {
      await (await client)?.close();
    },
  };
}

/** `--exec CMD`...: each in turn, until one fails; resolves to the exit code of the last one that ran. */
export async function runOneShot(values: Arguments, lines: readonly string[]): Promise<number> {
  // Looked at only by what reads it: a pipe that is shared with others becomes non-blocking for them, too.
  return runLines(values, lines, { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() });
}

/** stdin as a script: a command a line, until one fails; the error names the line. */
export async function runScript(values: Arguments): Promise<number> {
  return runLines(values, readLines(), noInput(), (number, line) => process.stderr.write(`dfsh: stopped at line ${number}: ${escapeControls(line)}\n`));
}

async function runLines(values: Arguments, lines: Iterable<string> | AsyncIterable<string>, input: AsyncIterable<Uint8Array>, onStop?: (number: number, line: string) => void): Promise<number> {
  const [{ runLine }, sink] = await Promise.all([import('./commands/dispatcher.js'), createSink(values)]);
  const program = await createProgram(values, undefined, (reason) => sink.notice?.(`waiting for the name node: ${escapeControls(reason.message)}`));
  const interrupt = new AbortController();
  onInterrupt(interrupt);
  const context = await program.createContext({ sink, signal: interrupt.signal, input });
  let code = 0;
  let number = 0;
  try {
    for await (const line of lines) {
      number++;
      code = await runLine(line, context);
      if (interrupt.signal.aborted) break;
      if (code !== 0 && !values.k) {
        onStop?.(number, line);
        break;
      }
    }
  } finally {
    await program.close();
  }
  return code;
}

async function createSink(values: Arguments): Promise<OutputSink> {
  const streams = { stdout: process.stdout, stderr: process.stderr };
  if (values.json) return (await import('./commands/json-sink.js')).createJsonSink(streams);
  return (await import('./commands/text-sink.js')).createTextSink({ ...streams, isProgressWanted: values.progress ?? false });
}

/** The first Ctrl-C (or SIGTERM) cancels in good order, the second ends at once. */
function onInterrupt(controller: AbortController): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
}

/** Opened when the first line is asked for: readline drops lines that come before that. */
async function* readLines(): AsyncIterable<string> {
  const { createInterface } = await import('node:readline');
  const { TextDecoder } = await import('node:util');
  // Each byte as a character of its own: what is no UTF-8 must be refused, not turned into another name.
  process.stdin.setEncoding('latin1');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number++;
    let text: string;
    try {
      text = decoder.decode(Buffer.from(line, 'latin1'));
    } catch {
      throw new InvalidArgumentError(`line ${number} of the script is not UTF-8: ${JSON.stringify(line.slice(0, 80))}`);
    }
    yield text;
  }
}

async function* noInput(): AsyncIterable<Uint8Array> {}

/** What a person reads of an error that no command has handled. */
export function describeFailure(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof DfsError) return { lines: [...error.message.split('\n'), ...error.details].map((line) => escapeControls(line)), exitCode: error.entry.exitCode };
  return { lines: [`internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`], exitCode: 1 };
}
