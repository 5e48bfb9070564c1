import type { Command } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { printFile } from './print-file.js';

const headBytes = 1024;

export const command: Command = {
  name: 'head',
  group: 'Files',
  summary: 'Print the first kilobyte of a file',
  usage: '<file>',
  flags: [],
  arguments: [{ name: 'file', kind: 'remote-path' }],
  examples: ['head /user/me/data.csv'],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      await printFile(item, context, { lengthBytes: headBytes });
    });
    return run.exitCode;
  },
};
