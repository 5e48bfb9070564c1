import { formatHuman } from '../base/size.js';
import type { Command } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { formatTable } from './table.js';
import type { SpaceRecord } from './records.js';

export const command: Command = {
  name: 'df',
  group: 'Space',
  summary: 'Print the space of the file system',
  usage: '[-h] [<path> ...]',
  flags: [{ name: 'h', summary: 'Print sizes for people: 1.2 K, 64 M' }],
  arguments: [{ name: 'path', kind: 'remote-path', isOptional: true, isRepeated: true }],
  examples: ['df -h'],
  async run(invocation, context) {
    const { flags, operands } = invocation;
    const size = flags.has('h') ? formatHuman : String;
    const run = new PathRun(invocation, context);
    const rows: string[][] = [];
    await run.eachPath(operands.length > 0 ? operands : ['/'], async (item) => {
      if (!item.status) throw noSuchFile(item);
      const { capacityBytes, usedBytes, remainingBytes } = await (await context.client()).getStatus();
      const record: SpaceRecord = { fileSystem: item.fileSystem.uri, capacityBytes, usedBytes, remainingBytes };
      context.sink.record(record);
      const percent = capacityBytes === 0 ? 0 : Math.round((usedBytes * 100) / capacityBytes);
      rows.push([item.fileSystem.uri, size(capacityBytes), size(usedBytes), size(remainingBytes), `${percent}%`]);
    });
    if (rows.length > 0)
      for (const line of formatTable([['Filesystem', 'Size', 'Used', 'Available', 'Use%'], ...rows], { rightAligned: [1, 2, 3, 4] }))
        context.sink.out(line);
    return run.exitCode;
  },
};
