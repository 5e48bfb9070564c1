import { join } from 'node:path';
import { systemClock } from './base/clock.js';
import { escapeControls } from './base/text.js';
import type { Arguments } from './cli.js';
import { homeDirectory } from './config.js';
import { createProgram, type Program } from './program.js';
import { loadSettings } from './settings.js';
import type { ShellOptions } from './shell/shell-options.js';

export { describeFailure } from './program.js';

/** `dfsh`: the shell. It opens whether a name node answers or not. */
export async function runShell(values: Arguments): Promise<number> {
  const program = await createProgram(values);
  try {
    return await openShell(program, values);
  } finally {
    await program.close();
  }
}

/** `dfsh start`, and so `npm start`: a local cluster if no name node answers, then the shell (without a terminal cli.ts runs the tour instead). */
export async function runStart(values: Arguments): Promise<number> {
  const program = await createProgram(values);
  try {
    if (!(await isAnswering(program))) {
      const cluster = await program.localCluster();
      const nodes = await cluster.up({ onProgress: (step) => process.stdout.write(`${step}\n`) });
      for (const { failure } of nodes) if (failure !== undefined) process.stderr.write(`${escapeControls(failure)}\n`);
    }
    return await openShell(program, values);
  } finally {
    await program.close();
  }
}

async function isAnswering(program: Program): Promise<boolean> {
  try {
    await (await program.client()).getServerDefaults();
    return true;
  } catch {
    return false;
  }
}

async function openShell(program: Program, values: Arguments): Promise<number> {
  const home = homeDirectory(process.env);
  const isPlain = values.plain || !process.stdout.isTTY || process.env['TERM'] === 'dumb' || process.env['INK_SCREEN_READER'] === 'true';
  const [settings, { runLine }, { complete }, { registry }] = await Promise.all([
    loadSettings(home),
    import('./commands/dispatcher.js'),
    import('./commands/completion.js'),
    import('./commands/registry.js'),
  ]);
  const options: ShellOptions = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    session: program.session,
    createContext: program.createContext,
    runLine,
    completer: complete,
    registry,
    feed: (signal) => feed(program, signal),
    historyFile: join(home, 'history'),
    nameNodeAddress: program.nameNode,
    clock: systemClock,
    environment: process.env,
    settings,
  };
  if (isPlain) return (await import('./shell/run-plain-shell.js')).runPlainShell(options);
  return (await import('./shell/run-shell.js')).runInteractiveShell(options);
}

async function* feed(program: Program, signal: AbortSignal) {
  yield* (await program.client()).feed({ signal });
}
