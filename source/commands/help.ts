import { escapeControls } from '../base/text.js';
import type { Command, CommandContext, CommandEntry, CommandSpec } from './command.js';
import { flagText, UsageError, usageLine } from './command-errors.js';
import type { HelpRecord } from './records.js';

export const command: Command = {
  name: 'help',
  group: 'Shell',
  summary: 'Explain commands',
  usage: '[<command> ...]',
  flags: [],
  // A command may be named with its dash.
  flagParsing: 'own',
  arguments: [{ name: 'command', kind: 'command', isOptional: true, isRepeated: true }],
  needsNameNode: false,
  examples: ['help', 'help put'],
  async run(invocation, context) {
    const { operands } = invocation;
    if (operands.length === 0) {
      if (context.sink.isJson) for (const one of await context.commands.loadAll()) context.sink.record(toHelpRecord(one));
      for (const line of overviewLines(context.commands.entries)) context.sink.out(line);
      return 0;
    }
    for (const name of operands) {
      const found = await (await findCommand(name, context)).load();
      context.sink.record(toHelpRecord(found));
      for (const line of helpLines(found)) context.sink.out(line);
    }
    return 0;
  },
};

/** By name or alias, with or without a dash; UsageError in HDFS's words if there is none. */
export async function findCommand(name: string, context: CommandContext): Promise<CommandEntry> {
  const entry = context.commands.find(name.replace(/^-/, ''));
  if (!entry) throw new UsageError(`\`${escapeControls(name)}': Unknown command`);
  return entry;
}

export function toHelpRecord(spec: CommandSpec): HelpRecord {
  const { name, aliases = [], group, summary, flags } = spec;
  return {
    name,
    aliases,
    group,
    summary,
    usage: usageLine(spec).slice('Usage: '.length),
    flags: flags.map((flag) => ({ flag: flagText(flag), summary: flag.summary })),
  };
}

function overviewLines(entries: readonly CommandEntry[]): string[] {
  const width = Math.max(...entries.map((entry) => names(entry).length));
  const groups = [...new Set(entries.map(({ group }) => group))];
  return [
    ...groups.flatMap((group) => [
      group,
      ...entries.filter((entry) => entry.group === group).map((entry) => `  ${names(entry).padEnd(width)}  ${entry.summary}`),
      '',
    ]),
    'help COMMAND explains one. A command may be typed with a dash, or as hdfs dfs -COMMAND; --json prints objects.',
    'Commands are joined by ; and &&. Names with blanks are quoted; * ? [a-z] {a,b} match names.',
  ];
}

function names({ name, aliases }: CommandEntry): string {
  return [name, ...aliases].join(', ');
}

/** What `help COMMAND` prints. */
export function helpLines(spec: CommandSpec): string[] {
  const { summary, description, flags, aliases = [], examples = [] } = spec;
  const width = Math.max(0, ...flags.map((flag) => flagText(flag).length));
  return [
    usageLine(spec),
    `  ${summary}.${description ? ` ${description}` : ''}`,
    ...(aliases.length > 0 ? [`  Also: ${aliases.join(', ')}`] : []),
    ...(flags.length > 0 ? ['', ...flags.map((flag) => `  ${flagText(flag).padEnd(width)}  ${flag.summary}`)] : []),
    ...(examples.length > 0 ? ['', 'Examples:', ...examples.map((example) => `  ${example}`)] : []),
    '',
  ];
}
