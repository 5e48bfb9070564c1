import type { Command } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { printFile } from './print-file.js';

export const command: Command = {
  name: 'cat',
  group: 'Files',
  summary: 'Print files',
  usage: '<src> ...',
  flags: [{ name: 'ignoreCrc', summary: "Taken for HDFS's sake; bytes are always checked" }],
  arguments: [{ name: 'src', kind: 'remote-path', isRepeated: true }],
  examples: ['cat /user/me/notes.txt'],
  async run(invocation, context) {
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      await printFile(item, context);
    });
    return run.exitCode;
  },
};
