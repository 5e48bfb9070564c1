import { sleep } from '../base/clock.js';
import type { Command } from './command.js';
import { isADirectory, noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { numberFlag } from './flags.js';
import { printFile, printSource } from './print-file.js';

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
        // Opened, since only that tells how long a file is that is being written.
        const source = await item.fileSystem.open(item.path, { startBytes: position, signal: context.signal });
        if (source.status.lengthBytes >= position) {
          position += await printSource(source, context);
        } else {
          // Replaced by a shorter file: from its begin, as it is another one.
          await source.close();
          position = await printFile(item, context);
        }
      }
    });
    return run.exitCode;
  },
};
