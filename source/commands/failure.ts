import { escapeControls } from '../base/text.js';
import type { CommandContext, Invocation } from './command.js';
import { describeError, errorLines, errorRecord, isCancellation, isFatal, type NamedPath } from './command-errors.js';
import { UnavailableError } from '../protocol/errors.js';
import { toJsonLine } from './json-line.js';
import { expandOperand, type PathItem, type Side } from './path-item.js';

/** Says a failure on stderr, as a line or, with --json, as an object. Nothing is said of what a person has cancelled. */
export function printFailure(
  context: CommandContext,
  failure: { name: string; error: unknown; about?: NamedPath | undefined; prefix?: string | undefined },
): void {
  const { name, error, about, prefix = '' } = failure;
  if (isCancellation(error, context.signal)) return;
  const text = prefix + describeError(error, about) + (error instanceof UnavailableError ? whatToType(context) : '');
  if (context.sink.isJson) return context.sink.err(toJsonLine(errorRecord(name, error, text, (error as { path?: string }).path ?? about?.path)));
  for (const line of errorLines(name, text, error)) context.sink.err(line);
}

function whatToType(context: CommandContext): string {
  return `; to start a cluster on this machine: ${context.session.exit ? 'cluster up' : 'dfsh --exec "cluster up"'}`;
}

/**
 * One run of a command over its paths: what fails for one is said, the others still run, and the exit code is 1 in the end.
 */
export class PathRun {
  exitCode = 0;
  readonly context: CommandContext;
  /** As typed, without its dash: lines on stderr begin with it. */
  readonly name: string;

  constructor(invocation: Invocation, context: CommandContext) {
    this.context = context;
    this.name = commandName(invocation);
  }

  /** Runs `work`; what it throws is said of `about`. Only what concerns every path is thrown on. */
  async attempt(about: NamedPath | undefined, work: () => Promise<void>, prefix?: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.fail(error, about, prefix);
    }
  }

  fail(error: unknown, about?: NamedPath, prefix?: string): void {
    if (isFatal(error, this.context.signal)) throw error;
    this.exitCode = 1;
    printFailure(this.context, { name: this.name, error, about, prefix });
  }

  /** Expands each word and runs `work` on every path, also on those that do not exist. */
  async eachPath(words: readonly string[], work: (item: PathItem) => Promise<void>, side: Side = 'remote'): Promise<void> {
    for (const word of words) {
      await this.attempt(undefined, async () => {
        for await (const item of expandOperand(word, this.context, side)) {
          this.context.signal.throwIfAborted();
          await this.attempt(item, () => work(item));
        }
      });
    }
  }
}

export function commandName(invocation: Invocation): string {
  return escapeControls(invocation.typedName.replace(/^-/, ''));
}
