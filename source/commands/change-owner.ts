import type { CommandContext, Invocation } from './command.js';
import { noSuchFile } from './command-errors.js';
import { PathRun } from './failure.js';
import { isExisting } from './path-item.js';
import { walk } from './walk.js';

/** What a user's and a group's name are made of (Hadoop: FsShellPermissions.Chown). */
export const accountPattern = '[-_./@a-zA-Z0-9]+';

/** chown and chgrp of paths; what is right already is left alone. */
export async function changeOwner(
  invocation: Invocation,
  context: CommandContext,
  wanted: { owner?: string | undefined; group?: string | undefined },
  paths: readonly string[],
): Promise<number> {
  const run = new PathRun(invocation, context);
  await run.eachPath(paths, async (item) => {
    if (!isExisting(item)) throw noSuchFile(item);
    await walk(item, run, invocation.flags.has('R'), async (one) => {
      const { owner, group } = one.status;
      const change = {
        ...(wanted.owner !== undefined && wanted.owner !== owner && { owner: wanted.owner }),
        ...(wanted.group !== undefined && wanted.group !== group && { group: wanted.group }),
      };
      if ('owner' in change || 'group' in change)
        await run.attempt(undefined, () => one.fileSystem.setOwner(one.path, change), `changing ownership of '${one.shown}': `);
      context.sink.record({ path: one.path });
    });
  });
  return run.exitCode;
}
