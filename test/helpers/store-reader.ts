import { silentLogger } from '../../source/base/log.js';
import { NameNode } from '../../source/namenode/name-node.js';
import { seededRandom } from '../../source/base/random.js';
import { DfsError } from '../../source/protocol/errors.js';
import type { CallContext } from '../../source/protocol/method.js';
import { openLmdbStore } from '../../source/storage/lmdb-store.js';
import { benchOptions } from './name-node-bench.js';
import { TurnClock } from './namespace-harness.js';

/**
 * A program for tests that damage stores: opens each directory that it is told on the command line as a name node, reads all of it, and prints
 * a line of JSON: { refused } with the reason, or { entries, errors, reason }: what it was answered, path by path, how many typed errors, and
 * why it is read-only.
 */
const context: CallContext = { user: 'hdfs', clientId: 'reader', role: 'client', remoteAddress: '127.0.0.1:5' };

for (const directory of process.argv.slice(2)) process.stdout.write(`${JSON.stringify(await read(directory))}\n`);
process.exit(0);

async function read(directory: string): Promise<object> {
  let store: Awaited<ReturnType<typeof openLmdbStore>>;
  try {
    store = await openLmdbStore({ directory, logger: silentLogger });
  } catch (error) {
    return refusal(error);
  }
  let nameNode: NameNode;
  try {
    nameNode = await NameNode.open({ store, damage: store.damage, clock: new TurnClock(), random: seededRandom(1), logger: silentLogger, options: { ...benchOptions, isFormatWanted: true } });
  } catch (error) {
    return refusal(error);
  }
  nameNode.start();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const entries: Record<string, unknown> = {};
  let errors = 0;
  const ask = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DfsError)) throw error;
      errors++;
      return undefined;
    }
  };
  const visit = async (path: string): Promise<void> => {
    const page = await ask(() => nameNode.clientHandlers['fs.getListing']({ path }, context));
    for (const [name] of page?.entries ?? []) {
      const child = path === '/' ? `/${name}` : `${path}/${name}`;
      const status = await ask(() => nameNode.clientHandlers['fs.getFileInfo']({ path: child }, context));
      if (!status) continue;
      const located = status.type === 'file' ? await ask(() => nameNode.clientHandlers['fs.getBlockLocations']({ path: child, offsetBytes: 0, lengthBytes: 2 ** 40 }, context)) : undefined;
      entries[child] = { status, blocks: located?.blocks.map(({ block, offsetBytes }) => ({ block, offsetBytes })) };
      if (status.type === 'directory') await visit(child);
    }
  };
  await visit('/');
  const { reason } = nameNode.health().safeMode;
  await nameNode.close();
  await store.close();
  return { entries, errors, reason };
}

function refusal(error: unknown): object {
  if (!(error instanceof DfsError)) throw error;
  return { refused: `${error.name}: ${error.message}` };
}
