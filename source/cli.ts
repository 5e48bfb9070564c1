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
  dfsh datanode PORT [--config FILE] [--data-dir DIR]                            a data node in the foreground
  dfsh demo                                                                      the tour on real bytes

  --config FILE     config.json (else DFSH_CONFIG, ./config.json, the package's own)
  --name-node H:P   another name node than the configured one
  --user NAME       act as this user
  --exec CMD        run CMD and exit with its code; try --exec help
  --json            an object a line instead of text
  --progress        a line every 10% of a transfer, on stderr
  -k                go on after a command that failed
  --plain           no live screen: lines only
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
  'data-dir': { type: 'string' },
  format: { type: 'boolean' },
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
  const program = await import('./program.js');
  if (values.version) return say(`dfsh ${program.version()}\n`);
  const [subcommand, ...rest] = positionals;
  if (values.exec && subcommand !== undefined) return refuse(`--exec takes one word a command: quote it, as in --exec ${JSON.stringify([values.exec.at(-1), ...positionals].join(' '))}`);
  switch (subcommand) {
    case undefined:
      if (values.exec) return program.runOneShot(values, values.exec);
      if (!process.stdin.isTTY) return program.runScript(values);
      return (await import('./interactive.js')).runShell(values);
    case 'start':
      return rest.length > 0 ? refuse('start takes no operands') : (await import('./interactive.js')).runStart(values);
    case 'demo':
      return rest.length > 0 ? refuse('demo takes no operands') : (await import('./demo.js')).runDemo(values);
    case 'namenode':
      return rest.length > 0 ? refuse('namenode takes no operands') : (await import('./serve.js')).serveNameNode(values);
    case 'datanode':
      return rest.length !== 1 ? refuse('datanode takes one operand, its port') : (await import('./serve.js')).serveDataNode(values, rest[0]!);
    default:
      return refuse(`unknown subcommand '${subcommand}'; to run a command of the file system: dfsh --exec ${JSON.stringify(positionals.join(' '))}`);
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

// A reader that went away (`dfsh ... | head`) is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  async (error: unknown) => {
    const { describeFailure } = await import('./program.js');
    const { lines, exitCode } = describeFailure(error);
    process.stderr.write(lines.map((line) => `dfsh: ${line}\n`).join(''));
    process.exit(exitCode);
  },
);
