import type { Command, CommandContext } from './command.js';
import { UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { isExisting, type PathItem } from './path-item.js';
import { PermissionDeniedError } from '../protocol/errors.js';

const questions = ['d', 'e', 'f', 's', 'w', 'r', 'z'];

export const command: Command = {
  name: 'test',
  group: 'Files',
  summary: 'Answer a question about a path by the exit code',
  usage: '-[defswrz] <path>',
  flags: [
    { name: 'd', summary: 'Is it a directory?' },
    { name: 'e', summary: 'Is it there?' },
    { name: 'f', summary: 'Is it a file?' },
    { name: 's', summary: 'Is it longer than nothing?' },
    { name: 'w', summary: 'May I write it?' },
    { name: 'r', summary: 'May I read it?' },
    { name: 'z', summary: 'Is it an empty file?' },
  ],
  arguments: [{ name: 'path', kind: 'remote-path' }],
  description: 'Exit code 0 for yes, 1 for no; nothing is printed.',
  examples: ['test -e /jobs/_SUCCESS && cat /jobs/out'],
  async run(invocation, context) {
    const asked = questions.filter((flag) => invocation.flags.has(flag));
    if (asked.length === 0) throw new UsageError('No test flag given');
    if (asked.length > 1) throw new UsageError('Only one test flag is allowed');
    const run = new PathRun(invocation, context);
    await run.eachPath(invocation.operands, async (item) => {
      const result = await answer(asked[0]!, item, context);
      context.sink.record({ path: item.path, result });
      if (!result) run.exitCode = 1;
    });
    return run.exitCode;
  },
};

async function answer(question: string, item: PathItem, context: CommandContext): Promise<boolean> {
  if (!isExisting(item)) return false;
  switch (question) {
    case 'd':
      return item.status.type === 'directory';
    case 'f':
      return item.status.type === 'file';
    case 's':
      return item.status.lengthBytes > 0;
    case 'z':
      return item.status.lengthBytes === 0;
    case 'w':
    case 'r':
      return isAllowed(item, question, context);
    default:
      return true;
  }
}

async function isAllowed(item: PathItem, action: string, context: CommandContext): Promise<boolean> {
  try {
    await (await context.client()).checkAccess(item.path, action);
    return true;
  } catch (error) {
    if (error instanceof PermissionDeniedError) return false;
    throw error;
  }
}
