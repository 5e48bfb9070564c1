#!/usr/bin/env node
import { parseArgs } from 'node:util';

/**
 * The program: reads argv and hands over. Nothing heavy is imported up here: a one-shot command pays for what it runs only,
 * and the shell (Ink, React, chalk), the nodes and the tour are loaded when they are asked for.
 */
const usage = `Usage:
  dfsh [--config FILE] [--name-node HOST:PORT] [--user NAME] [--plain] [--yes]   the shell
  dfsh --exec "CMD" [--exec "CMD"]... [--json] [--progress] [-k]                 one-shot; ; and && inside CMD
  dfsh < script.dfsh                                                             a command a line, # comments
  dfsh start                                                                     starts a local cluster if none answers, then the shell
  dfsh namenode [--config FILE] [--data-dir DIR] [--format]                      a name node in the foreground
  dfsh namenode backup FILE|DIR | restore FILE [--replace]                       its store to a file, also while it runs; and back
  dfsh datanode PORT [--config FILE] [--data-dir DIR]...                         a data node in the foreground; a folder a disk
  dfsh demo                                                                      the tour on real bytes

  --config FILE     config.json (else DFSH_CONFIG, ./config.json, the package's own)
  --name-node H:P   another name node than the configured one
  --user NAME       act as this user
  --exec CMD        run CMD and exit with its code; try --exec help
  --json            an object a line instead of text
  --progress        a line every 10% of a transfer, on stderr
  -k                go on after a command that failed
  --plain           no live screen: lines only
  --replace         restore: put the store that is there aside
  --yes             answer every question with yes
  --version, --help
Exit codes: 0 fine, 1 a path failed, 2 no name node answers, 130 interrupted, 255 usage.
`;

const options = {
  config: { type: 'string' },
  'name-node': { type: 'string' },
  user: { type: 'string' },
  exec: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  progress: { type: 'boolean' },
  plain: { type: 'boolean' },
  yes: { type: 'boolean' },
  k: { type: 'boolean', short: 'k' },
  'data-dir': { type: 'string', multiple: true },
  format: { type: 'boolean' },
  replace: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

export type Arguments = ReturnType<typeof parse>['values'];

function parse(args: string[]) {
  return parseArgs({ args, options, allowPositionals: true, strict: true });
}

async function main(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return refuse((error as Error).message.split('. To specify')[0]!);
  }
  const { values, positionals } = parsed;
  if (values.help) return say(usage);
  const [subcommand, ...rest] = positionals;
  if (values.exec && subcommand !== undefined) return refuse(`--exec takes one word a command: quote it, as in --exec ${JSON.stringify([values.exec.at(-1), ...positionals].join(' '))}`);
  if (subcommand !== undefined && !Object.hasOwn(subcommands, subcommand)) {
    return refuse(`unknown subcommand '${subcommand}'; to run a command of the file system: dfsh --exec ${JSON.stringify(positionals.join(' '))}`);
  }
  const wrong = subcommand === undefined ? undefined : wrongOperands(subcommand, rest, values);
  if (wrong) return refuse(wrong);
  if (values.version || values.exec || (subcommand === undefined && !process.stdin.isTTY)) {
    const program = await import('./program.js');
    if (values.version) return say(`dfsh ${program.version()}\n`);
    return attempt(program, () => (values.exec ? program.runOneShot(values, values.exec) : program.runScript(values)));
  }
  return subcommands[subcommand as keyof typeof subcommands ?? 'shell'](values, rest);
}

/** Each is a bundle of its own: what one loads, the others do not pay for. */
const subcommands = {
  shell: async (values: Arguments) => {
    const interactive = await import('./interactive.js');
    return attempt(interactive, () => interactive.runShell(values));
  },
  start: async (values: Arguments) => {
    if (!process.stdin.isTTY || !process.stdout.isTTY) return subcommands.demo(values);
    const interactive = await import('./interactive.js');
    return attempt(interactive, () => interactive.runStart(values));
  },
  demo: async (values: Arguments) => {
    const demo = await import('./demo.js');
    return attempt(demo, () => demo.runDemo(values));
  },
  namenode: async (values: Arguments, [action, path]: string[]) => {
    if (action !== undefined) {
      const maintain = await import('./maintain.js');
      return attempt(maintain, () => (action === 'backup' ? maintain.backup(values, path!) : maintain.restore(values, path!)));
    }
    const serve = await import('./serve.js');
    return attempt(serve, () => serve.serveNameNode(values));
  },
  datanode: async (values: Arguments, [port]: string[]) => {
    const serve = await import('./serve.js');
    return attempt(serve, () => serve.serveDataNode(values, port!));
  },
};

function wrongOperands(subcommand: string, operands: readonly string[], values: Arguments): string | undefined {
  if (values.replace && !(subcommand === 'namenode' && operands[0] === 'restore')) return '--replace is for namenode restore';
  if (subcommand === 'datanode') return operands.length === 1 ? undefined : 'datanode takes one operand, its port';
  if (operands.length === 0) return undefined;
  if (subcommand !== 'namenode') return `${subcommand} takes no operands`;
  const [action, ...rest] = operands;
  if (action !== 'backup' && action !== 'restore') return `namenode takes no operands, or backup FILE|DIR, or restore FILE, not ${JSON.stringify(action)}`;
  if (rest.length !== 1) return `namenode ${action} takes one operand, ${action === 'backup' ? 'the file or directory to write to' : 'the backup'}`;
  return values.format ? `namenode ${action}: --format is for starting a name node` : undefined;
}

/** Runs, and says what a person is to read of a failure that nobody has handled. */
async function attempt(way: { describeFailure: (error: unknown) => { lines: string[]; exitCode: number } }, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    const { lines, exitCode } = way.describeFailure(error);
    process.stderr.write(lines.map((line) => `dfsh: ${line}\n`).join(''));
    return exitCode;
  }
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(message: string): number {
  process.stderr.write(`dfsh: ${message}\nTry dfsh --help\n`);
  return 255;
}

// A reader that went away (`dfsh ... | head`), or a terminal, is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(process.exitCode ?? 0);
    // A full disk behind `> file`, say: what was printed is not all there.
    if (stream === process.stdout) process.stderr.write(`dfsh: standard output: ${error.message}\n`);
    process.exit(1);
  });
}

const code = await main(process.argv.slice(2));
// What stdout could not take is known a turn later.
setImmediate(() => process.exit(code));
