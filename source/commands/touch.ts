import type { Command } from './command.js';
import { UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { parseTouchTime } from './format-time.js';
import { createEmptyFile } from './touchz.js';

export const command: Command = {
  name: 'touch',
  group: 'Files',
  summary: 'Set the times of files, making those that are missing',
  usage: '[-a] [-m] [-t <yyyyMMdd:HHmmss>] [-c] <path> ...',
  flags: [
    { name: 'a', summary: 'The time of the last access only' },
    { name: 'm', summary: 'The time of the last change only' },
    { name: 't', value: 'yyyyMMdd:HHmmss', summary: 'This time, local, instead of now' },
    { name: 'c', summary: 'Make nothing' },
  ],
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  examples: ['touch -t 20260131:120000 /a', 'touch -c -a /a'],
  async run(invocation, context) {
    const { flags, operands } = invocation;
    const typed = flags.get('t');
    const timeMs = typeof typed === 'string' ? parseTouchTime(typed) : context.clock.nowMs();
    if (timeMs === undefined)
      throw new UsageError(`Unable to parse the specified timestamp ${String(typed)}. The expected format is yyyyMMdd:HHmmss`);
    const isBoth = flags.has('a') === flags.has('m');
    const times = { ...((isBoth || flags.has('m')) && { modificationTimeMs: timeMs }), ...((isBoth || flags.has('a')) && { accessTimeMs: timeMs }) };
    const run = new PathRun(invocation, context);
    await run.eachPath(operands, async (item) => {
      if (!item.status) {
        if (flags.has('c')) return;
        await createEmptyFile(item, context.signal);
      }
      if (item.status || typed !== undefined) await item.fileSystem.setTimes(item.path, times);
      context.sink.record({ path: item.path });
    });
    return run.exitCode;
  },
};
