import { formatHuman } from '../base/size.js';
import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import type { CountRecord } from './records.js';

interface Columns {
  quotas: string[];
  counts: string[];
  snapshots: string[];
  policy: string;
}

const columnTitles: Columns = {
  quotas: ['QUOTA', 'REM_QUOTA', 'SPACE_QUOTA', 'REM_SPACE_QUOTA'],
  counts: ['DIR_COUNT', 'FILE_COUNT', 'CONTENT_SIZE'],
  snapshots: ['SNAPSHOT_LENGTH', 'SNAPSHOT_FILE_COUNT', 'SNAPSHOT_DIR_COUNT', 'SNAPSHOT_SPACE_CONSUMED'],
  policy: 'ERASURECODING_POLICY',
};

export const command: Command = {
  name: 'count',
  group: 'Space',
  summary: 'Count directories, files and bytes',
  usage: '[-q] [-h] [-v] [-t [<storage type>]] [-u] [-x] [-e] [-s] <path> ...',
  flags: [
    { name: 'q', summary: 'Print quotas first' },
    { name: 'u', summary: 'Print quotas only' },
    { name: 'h', summary: 'Print sizes for people: 1.2 K, 64 M' },
    { name: 'v', summary: 'Print a header' },
    { name: 'x', summary: 'Without snapshots' },
    { name: 't', summary: 'Quotas by storage type; there is one type' },
    { name: 'e', summary: 'Print how files are stored' },
    { name: 's', summary: 'Print what snapshots hold' },
  ],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  description: 'Directories (the path itself too), files, bytes, and the path.',
  examples: ['count -h -v /'],
  async run(invocation, context) {
    const { flags, operands } = invocation;
    const run = new PathRun(invocation, context);
    if (flags.has('v')) context.sink.out(`${countColumns(flags, columnTitles)}PATHNAME`);
    await run.eachPath(operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      const { directoryCount, fileCount, lengthBytes, spaceConsumedBytes } = await (await context.client()).getContentSummary(item.path);
      const record: CountRecord = { path: item.path, directoryCount, fileCount, lengthBytes, spaceConsumedBytes };
      context.sink.record(record);
      const size = flags.has('h') ? formatHuman : String;
      const columns = countColumns(flags, {
        // Quotas are not kept: HDFS's words for a directory without any.
        quotas: ['none', 'inf', 'none', 'inf'],
        counts: [size(directoryCount), size(fileCount), size(lengthBytes)],
        snapshots: ['0', '0', '0', '0'],
        policy: item.status.type === 'directory' ? 'EC:' : 'Replicated',
      });
      context.sink.out(`${columns}${escapeControls(item.shown)}`);
    });
    return run.exitCode;
  },
};

/** The columns in HDFS's widths, each with a blank behind it (ContentSummary.toString). */
function countColumns(flags: ReadonlyMap<string, unknown>, cells: Columns): string {
  const column = (cell: string, width: number) => `${cell.padStart(width)} `;
  const quotas = cells.quotas.map((cell, i) => column(cell, i === 0 ? 12 : 15)).join('');
  if (flags.has('u')) return quotas;
  const counts = cells.counts.map((cell, i) => column(cell, i === 2 ? 18 : 12)).join('');
  const policy = flags.has('e') ? column(cells.policy, 20) : '';
  const snapshots = flags.has('s') ? cells.snapshots.map((cell, i) => column(cell, [18, 24, 24, 28][i]!)).join('') : '';
  return (flags.has('q') ? quotas : '') + counts + policy + snapshots;
}
