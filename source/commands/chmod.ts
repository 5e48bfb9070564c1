import type { Command } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { parseModeChange } from './mode-change.js';
import { isExisting } from './path-item.js';
import { walk } from './walk.js';

export const command: Command = {
  name: 'chmod',
  group: 'Files',
  summary: 'Change modes',
  usage: '[-R] <mode[,mode]... | octalmode> <path> ...',
  flags: [{ name: 'R', summary: 'What is below directories, too' }],
  flagParsing: 'lenient',
  arguments: [
    { name: 'mode', kind: 'text' },
    { name: 'path', kind: 'remote-path', isRepeated: true },
  ],
  description: 'A mode is three octal digits, four with the sticky bit, or clauses such as u=rwx,g+w,o-x. X means x for directories only.',
  examples: ['chmod 640 /f', 'chmod -R a+X /shared', 'chmod +t /tmp'],
  async run(invocation, context) {
    const [mode, ...paths] = invocation.operands;
    const change = parseModeChange(mode!);
    const run = new PathRun(invocation, context);
    await run.eachPath(paths, async (item) => {
      if (!isExisting(item)) throw noSuchFile(item);
      await walk(item, run, invocation.flags.has('R'), async (one) => {
        const permission = change(one.status);
        // HDFS's words around whatever the name node says of it.
        if (permission !== one.status.permission)
          await run.attempt(undefined, () => one.fileSystem.setPermission(one.path, permission), `changing permissions of '${one.shown}': `);
        context.sink.record({ path: one.path });
      });
    });
    return run.exitCode;
  },
};
