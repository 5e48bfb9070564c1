import { escapeControls } from '../base/text.js';
import type { Command, CommandContext, FlagSpec, Invocation } from './command.js';
import { inputOutputError, isADirectory, noSuchFile } from './command-errors.js';
import { readAnswer } from './answer.js';
import { PathRun } from './failure.js';
import { addressOf, type ExistingItem, expandOperand, isExisting } from './path-item.js';
import type { RemoveRecord } from './records.js';
import { moveToTrash } from './trash.js';

/** With -safely, a directory of more files than this is asked about (hadoop.shell.delete.limit.num.files). */
const safeFileCount = 100;

export const rmFlags: FlagSpec[] = [
  { name: 'f', summary: 'Do not mind what is not there' },
  { name: 'r', summary: 'Directories too, with all that is in them' },
  { name: 'R', summary: 'The same as -r' },
  { name: 'skipTrash', summary: 'Delete for good at once' },
  { name: 'safely', summary: `Ask before deleting a directory of more than ${safeFileCount} files for good` },
];

export const command: Command = {
  name: 'rm',
  group: 'Files',
  summary: 'Delete files and directories, into the trash',
  usage: '[-f] [-r|-R] [-skipTrash] [-safely] <src> ...',
  flags: rmFlags,
  arguments: [{ name: 'src', kind: 'remote-path', isRepeated: true }],
  description: 'What is deleted goes to /user/NAME/.Trash/Current, below which it keeps its path. What is in the trash is deleted for good.',
  examples: ['rm /user/me/old.csv', "rm -r '/tmp/job-*'", 'rm -r -skipTrash /tmp/big'],
  run: (invocation, context) => remove(invocation, context, { isRecursive: invocation.flags.has('r') || invocation.flags.has('R') }),
};

export async function remove(invocation: Invocation, context: CommandContext, { isRecursive }: { isRecursive: boolean }): Promise<number> {
  const { flags, operands } = invocation;
  const run = new PathRun(invocation, context);
  for (const word of operands) {
    await run.attempt(undefined, async () => {
      let matchCount = 0;
      try {
        for await (const item of expandOperand(word, context)) {
          context.signal.throwIfAborted();
          matchCount++;
          await run.attempt(item, async () => {
            if (isExisting(item)) await removeOne(item, run, { isRecursive, isTrashSkipped: flags.has('skipTrash'), isSafe: flags.has('safely') });
            else if (!flags.has('f')) throw noSuchFile(item);
          });
        }
      } catch (error) {
        // A glob without a match is nothing to mind, either.
        if (!flags.has('f') || matchCount > 0 || !isNoMatch(error)) throw error;
      }
    });
  }
  return run.exitCode;
}

async function removeOne(
  item: ExistingItem,
  run: PathRun,
  options: { isRecursive: boolean; isTrashSkipped: boolean; isSafe: boolean },
): Promise<void> {
  const { context } = run;
  const { sink } = context;
  if (item.status.type === 'directory' && !options.isRecursive) throw isADirectory(item);
  const trash = options.isTrashSkipped ? null : await moveToTrash(item, context);
  const record: RemoveRecord = { path: item.path, trash };
  if (trash !== null) {
    sink.record(record);
    const line = `Moved: '${escapeControls(addressOf(item))}' to trash at: ${escapeControls(addressOf({ ...item, path: trash }))}`;
    if (!sink.isJson) (sink.notice ?? sink.err).call(sink, line);
    return;
  }
  if (item.path === '/') throw inputOutputError(item);
  if (options.isSafe && !(await mayDelete(item, context))) return;
  if (!(await item.fileSystem.delete(item.path, { recursive: options.isRecursive }))) throw noSuchFile(item);
  sink.record(record);
  sink.out(`Deleted ${escapeControls(item.shown)}`);
}

async function mayDelete(item: ExistingItem, context: CommandContext): Promise<boolean> {
  if (item.status.type !== 'directory') return true;
  const { fileCount } = await (await context.client()).getContentSummary(item.path);
  if (fileCount <= safeFileCount) return true;
  if (await readAnswer(context, `Proceed deleting ${fileCount} files? (Y or N) `)) return true;
  context.sink.err('Delete aborted at user request.');
  return false;
}

function isNoMatch(error: unknown): boolean {
  return error instanceof Error && error.name === 'PathError' && error.message.endsWith(': No such file or directory');
}
