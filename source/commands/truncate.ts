import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import { UnsupportedError } from '../protocol/errors.js';
import type { Command, CommandContext } from './command.js';
import { isADirectory, noSuchFile, PathError, UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { type ExistingItem, isExisting } from './path-item.js';
import type { TruncateRecord } from './records.js';

const firstPollMs = 100;
const longestPollMs = 1000;

export const command: Command = {
  name: 'truncate',
  group: 'Files',
  summary: 'Cut files to a length',
  usage: '[-w] <length> <path> ...',
  flags: [{ name: 'w', summary: 'Wait until the file is cut' }],
  arguments: [
    { name: 'length', kind: 'number' },
    { name: 'path', kind: 'remote-path', isRepeated: true },
  ],
  description: 'A cut at the end of a block is done at once. Inside a block the data nodes take a moment; the file cannot be changed meanwhile.',
  examples: ['truncate 0 /logs/app.log', 'truncate -w 1048576 /data/part-0'],
  async run(invocation, context) {
    const [typed = '', ...paths] = invocation.operands;
    const newLengthBytes = Number(typed);
    if (!/^\d+$/.test(typed) || !Number.isSafeInteger(newLengthBytes)) throw new UsageError(`Illegal length, a non-negative integer expected: '${typed}'`);
    const isWaiting = invocation.flags.has('w');
    const run = new PathRun(invocation, context);
    const waiting: ExistingItem[] = [];
    await run.eachPath(paths, async (item) => {
      if (!isExisting(item)) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      if (!item.fileSystem.truncate) throw new PathError(UnsupportedError.entry, item, `${item.fileSystem.uri} cannot cut files`);
      const { lengthBytes } = item.status;
      if (newLengthBytes > lengthBytes) throw new UsageError(`Cannot truncate to a larger file size. Current size: ${lengthBytes}, truncate size: ${newLengthBytes}.`);
      const isDone = await item.fileSystem.truncate(item.path, newLengthBytes);
      if (!isDone && isWaiting) {
        waiting.push(item);
        return;
      }
      const shown = escapeControls(item.shown);
      context.sink.out(
        isDone
          ? `Truncated ${shown} to length: ${newLengthBytes}`
          : `Truncating ${shown} to length: ${newLengthBytes}. Wait for block recovery to complete before further updating this file.`,
      );
      record(context, item, newLengthBytes, isDone);
    });
    for (const item of waiting) {
      await run.attempt(item, async () => {
        context.sink.out(`Waiting for ${escapeControls(item.shown)} ...`);
        await waitUntilClosed(item, context);
        context.sink.out(`Truncated ${escapeControls(item.shown)} to length: ${newLengthBytes}`);
        record(context, item, newLengthBytes, true);
      });
    }
    return run.exitCode;
  },
};

async function waitUntilClosed(item: ExistingItem, { clock, signal }: CommandContext): Promise<void> {
  for (let pollMs = firstPollMs; ; pollMs = Math.min(longestPollMs, 2 * pollMs)) {
    const status = await item.fileSystem.find(item.path);
    if (status?.inodeId !== item.status.inodeId) throw noSuchFile(item);
    if (!status.isUnderConstruction) return;
    await sleep(clock, pollMs, signal);
  }
}

function record(context: CommandContext, { path }: ExistingItem, lengthBytes: number, isDone: boolean): void {
  const line: TruncateRecord = { path, lengthBytes, isDone };
  context.sink.record(line);
}
