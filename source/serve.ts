import { createLogger } from './base/log.js';
import type { Arguments } from './cli.js';
import { startDataNode, startNameNode } from './compose-nodes.js';
import { ConfigError, InvalidArgumentError } from './protocol/errors.js';
import { readConfig, version } from './program.js';

export { describeFailure } from './program.js';

/** A node that serves until it is told to end. */
export interface RunningNode {
  /** Settles when the node has ended by itself: rejects with why. Never resolves otherwise. */
  readonly failed: Promise<never>;
  /** In good order: what is acknowledged is on disk. */
  close(): Promise<void>;
}

/** `dfsh namenode`: in the foreground, its log on stderr, until SIGTERM or SIGINT. */
export async function serveNameNode(values: Arguments): Promise<number> {
  const config = await readConfig(values);
  const logger = createLogger((line) => process.stderr.write(line));
  return serve(() => startNameNode({ config, logger, nameNode: values['name-node'] ?? config.nameNode, isFormatWanted: values.format ?? false, softwareVersion: version() }));
}

/** `dfsh datanode PORT`: likewise. Any port will do: a data node that config.json does not list joins all the same. */
export async function serveDataNode(values: Arguments, portText: string): Promise<number> {
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65535) throw new InvalidArgumentError(`datanode: the port is ${JSON.stringify(portText)}; allowed: 1 to 65535`);
  if (values.format) throw new ConfigError('datanode: --format is for the name node; an empty data directory is taken into use by itself');
  const config = await readConfig(values);
  const logger = createLogger((line) => process.stderr.write(line));
  return serve(() => startDataNode({ config, logger, nameNode: values['name-node'] ?? config.nameNode, port, softwareVersion: version() }));
}

async function serve(start: () => Promise<RunningNode>): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  // The terminal that started a local cluster may go away.
  process.on('SIGHUP', () => {});
  // A log that cannot be written to, on a full disk or to a reader that is gone, is no reason to end, as it is for commands: its lines are lost, the node serves.
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => {});
  const node = await start();
  await Promise.race([stopped, node.failed]);
  await node.close();
  return 0;
}
