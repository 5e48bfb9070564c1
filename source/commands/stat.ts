import { escapeControls } from '../base/text.js';
import { baseName } from '../base/path.js';
import type { FileStatus } from '../protocol/file-status.js';
import type { Command } from './command.js';
import { noSuchFile, UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { formatOctal, formatPermission } from './format-mode.js';
import { statTime } from './format-time.js';
import { toEntryRecord } from './listing.js';

export const command: Command = {
  name: 'stat',
  group: 'Files',
  summary: 'Print what is known of a path, in a format',
  usage: '[<format>] <path> ...',
  flags: [],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  description:
    'The format is the first word, if it has a %: %a mode as digits, %A as letters, %b bytes, %F type, %g group, %n name, %o block ' +
    'size, %r replication, %u owner, %x and %y the times of the last access and change (UTC), %X and %Y in ms since 1970. %y if ' +
    'none is given.',
  examples: ["stat '%n %b bytes, %r copies' '/data/*'"],
  async run(invocation, context) {
    const { operands } = invocation;
    const isFormatted = operands[0]!.includes('%');
    const format = isFormatted ? operands[0]! : '%y';
    const paths = isFormatted ? operands.slice(1) : operands;
    if (paths.length === 0) throw new UsageError('Not enough arguments: expected 1 but got 0');
    const run = new PathRun(invocation, context);
    await run.eachPath(paths, async (item) => {
      if (!item.status) throw noSuchFile(item);
      const text = formatStat(format, item.status, baseName(item.path));
      context.sink.record({ ...toEntryRecord(item.status, item.path), text });
      context.sink.out(escapeControls(text));
    });
    return run.exitCode;
  },
};

/** Fills in a format of `stat`; a letter that means nothing stands for itself (Hadoop: Stat.processPath). */
export function formatStat(format: string, status: FileStatus, name: string): string {
  return format.replace(/%([^])|%$/gu, (whole, letter: string | undefined) => {
    switch (letter) {
      case undefined:
        return whole;
      case 'a':
        return formatOctal(status.permission);
      case 'A':
        return formatPermission(status.permission);
      case 'b':
        return `${status.lengthBytes}`;
      case 'F':
        return status.type === 'directory' ? 'directory' : 'regular file';
      case 'g':
        return status.group;
      case 'n':
        return name;
      case 'o':
        return `${status.blockSizeBytes}`;
      case 'r':
        return `${status.replication}`;
      case 'u':
        return status.owner;
      case 'x':
        return statTime(status.accessTimeMs);
      case 'X':
        return `${status.accessTimeMs}`;
      case 'y':
        return statTime(status.modificationTimeMs);
      case 'Y':
        return `${status.modificationTimeMs}`;
      default:
        return letter;
    }
  });
}
