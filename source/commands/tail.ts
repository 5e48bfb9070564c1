import { sleep } from '../base/clock.js';
import type { Command } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { numberFlag } from './flags.js';
import { printFile } from './print-file.js';

const tailBytes = 1024;
const defaultPollMs = 5000;

export const command: Command = {
  name: 'tail',
  group: 'Files',
  summary: 'Print the last kilobyte of a file, and follow it',
  usage: '[-f] [-s <ms>] <file>',
  flags: [
    { name: 'f', summary: 'Go on with what is appended, until interrupted' },
    { name: 's', value: 'ms', summary: 'With -f: how often to look, 5000 if not said' },
  ],
  arguments: [{ name: 'file', kind: 'remote-path' }],
  examples: ['tail /logs/today', 'tail -f -s 1000 /logs/today'],
  async run(invocation, context) {
    const pollMs = numberFlag(invocation, 's', defaultPollMs);
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      if (!item.status) throw noSuchFile(item);
      if (item.status.type === 'directory') throw isADirectory(item);
      let position = Math.max(0, item.status.lengthBytes - tailBytes);
      position += await printFile(item, context, { startBytes: position });
      while (invocation.flags.has('f')) {
        await sleep(context.clock, pollMs, context.signal);
        const { lengthBytes } = await item.fileSystem.stat(item.path);
        // Replaced by a shorter file: from its begin, as it is another one.
        if (lengthBytes < position) position = 0;
        if (lengthBytes > position) position += await printFile(item, context, { startBytes: position });
      }
    });
    return run.exitCode;
  },
};
