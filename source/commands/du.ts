import { formatHuman } from '../base/size.js';
import { escapeControls } from '../base/text.js';
import type { Command, CommandContext } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { inOrder } from './in-order.js';
import { childItem, type ExistingItem, isExisting } from './path-item.js';
import { formatTable } from './table.js';
import type { UsageRecord } from './records.js';
import { UnsupportedError } from '../protocol/errors.js';

const callsAtATime = 16;

export const command: Command = {
  name: 'du',
  group: 'Space',
  summary: 'Print how much space paths take',
  usage: '[-s] [-h] [-v] [-x] <path> ...',
  flags: [
    { name: 's', summary: 'One sum for each path, not a line for each entry of it' },
    { name: 'h', summary: 'Print sizes for people: 1.2 K, 64 M' },
    { name: 'v', summary: 'Print a header' },
    { name: 'x', summary: 'Without snapshots' },
  ],
  arguments: [{ name: 'path', kind: 'remote-path', isOptional: true, isRepeated: true }],
  description: 'The length, the space that all replicas take, and the path.',
  examples: ['du -s -h /', 'du -h /user/me'],
  async run(invocation, context) {
    const { flags, operands } = invocation;
    const size = flags.has('h') ? formatHuman : String;
    const run = new PathRun(invocation, context);
    const rows: string[][] = flags.has('v') ? [['SIZE', 'DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS', 'FULL_PATH_NAME']] : [];
    const isHeaderOnly = () => rows.length === (flags.has('v') ? 1 : 0);
    const add = (item: ExistingItem, { lengthBytes, spaceConsumedBytes }: Omit<UsageRecord, 'path'>) => {
      const record: UsageRecord = { path: item.path, lengthBytes, spaceConsumedBytes };
      context.sink.record(record);
      if (!context.sink.isJson) rows.push([size(lengthBytes), size(spaceConsumedBytes), escapeControls(item.shown)]);
    };
    await run.eachPath(operands.length > 0 ? operands : ['.'], async (item) => {
      if (!isExisting(item)) throw noSuchFile(item);
      if (item.status.type === 'file' || flags.has('s')) return add(item, await measure(item, context));
      for await (const entry of inOrder(childrenOf(item, context), callsAtATime, async (child) => ({
        child,
        usage: await settle(measure(child, context)),
      }))) {
        if ('error' in entry.usage) run.fail(entry.usage.error, entry.child);
        else add(entry.child, entry.usage);
      }
    });
    if (!isHeaderOnly()) for (const line of formatTable(rows)) context.sink.out(line);
    return run.exitCode;
  },
};

async function* childrenOf(directory: ExistingItem, context: CommandContext): AsyncIterable<ExistingItem> {
  for await (const status of directory.fileSystem.list(directory.path, { signal: context.signal })) yield childItem(directory, status);
}

async function settle<T>(promise: Promise<T>): Promise<T | { error: unknown }> {
  try {
    return await promise;
  } catch (error) {
    return { error };
  }
}

/** A file's own status says it; a directory is asked about. */
async function measure(item: ExistingItem, context: CommandContext): Promise<{ lengthBytes: number; spaceConsumedBytes: number }> {
  const { status, fileSystem } = item;
  if (status.type === 'file' && !status.isUnderConstruction)
    return { lengthBytes: status.lengthBytes, spaceConsumedBytes: status.lengthBytes * status.replication };
  if (!fileSystem.capabilities.hasReplication)
    throw new UnsupportedError(`du counts the distributed file system's directories, not ${fileSystem.uri}${item.path}`, { path: item.path });
  const { lengthBytes, spaceConsumedBytes } = await (await context.client()).getContentSummary(item.path);
  return { lengthBytes, spaceConsumedBytes };
}
