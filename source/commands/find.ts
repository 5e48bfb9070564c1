import { escapeControls } from '../base/text.js';
import { compileGlob } from '../filesystem/glob-pattern.js';
import type { Command, CommandContext } from './command.js';
import { noSuchFile, UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { toEntryRecord } from './listing.js';
import { type ExistingItem, isExisting } from './path-item.js';
import { walk } from './walk.js';
import { baseName } from '../base/path.js';
import { InvalidArgumentError } from '../protocol/errors.js';

/** True if the path passes, and the next part is to be asked; printing is a part that always passes. */
type Step = (item: ExistingItem) => boolean | Promise<boolean>;

export const command: Command = {
  name: 'find',
  group: 'Files',
  summary: 'List what lies below a path and matches an expression',
  usage: '<path> ... [-name <glob>] [-iname <glob>] [-print] [-print0] [-a]',
  flags: [
    { name: 'name', value: 'glob', summary: 'The last name matches' },
    { name: 'iname', value: 'glob', summary: 'The same, capitals or not' },
    { name: 'print', summary: 'Print the path (also if nothing is said)' },
    { name: 'print0', summary: 'Print the path, and NUL instead of a new line' },
    { name: 'a', summary: 'And; it may be left out' },
    { name: 'and', summary: 'The same' },
  ],
  flagParsing: 'own',
  arguments: [{ name: 'path', kind: 'remote-path', isRepeated: true }],
  examples: ["find / -name '*.csv'", "find /logs -name '2026-*' -print0"],
  async run(invocation, context) {
    const { operands } = invocation;
    const begin = operands.findIndex((word) => word.startsWith('-'));
    const paths = begin === -1 ? operands : operands.slice(0, begin);
    const steps = parseExpression(begin === -1 ? [] : operands.slice(begin), context);
    const run = new PathRun(invocation, context);
    await run.eachPath(paths.length > 0 ? paths : ['.'], async (item) => {
      if (!isExisting(item)) throw noSuchFile(item);
      await walk(item, run, true, async (one) => {
        for (const step of steps) if (!(await step(one))) return;
      });
    });
    return run.exitCode;
  },
};

function parseExpression(words: readonly string[], context: CommandContext): Step[] {
  const steps: Step[] = [];
  let isPrinting = false;
  for (let i = 0; i < words.length; i++) {
    switch (words[i]) {
      case '-a':
      case '-and':
        break;
      case '-print':
      case '-print0':
        isPrinting = true;
        steps.push(words[i] === '-print' ? printer(context) : zeroPrinter(context));
        break;
      case '-name':
      case '-iname': {
        const glob = words[++i];
        if (glob === undefined) throw new UsageError(`${words[i - 1]} needs a glob behind it`);
        const isAnyCase = words[i - 1] === '-iname';
        const matches = compileGlob(isAnyCase ? glob.toLowerCase() : glob);
        steps.push((item) => matches(isAnyCase ? baseName(item.path).toLowerCase() : baseName(item.path)));
        break;
      }
      default:
        throw new InvalidArgumentError(`Unexpected argument: ${words[i]}`);
    }
  }
  return isPrinting ? steps : [...steps, printer(context)];
}

function printer({ sink }: CommandContext): Step {
  return (item) => {
    if (sink.isJson) sink.record(toEntryRecord(item.status, item.path));
    else sink.out(escapeControls(item.shown));
    return true;
  };
}

/** For programs: the path as it is, nothing escaped. */
function zeroPrinter(context: CommandContext): Step {
  const print = printer(context);
  return async (item) => {
    if (context.sink.isJson) return print(item);
    await context.sink.write(Buffer.from(`${item.shown}\0`));
    return true;
  };
}
