import type { CommandContext } from './command.js';

/** Asks a question on stderr; true if the next line of the input begins with a y. No input is a no. */
export async function readAnswer(context: CommandContext, question: string): Promise<boolean> {
  context.sink.err(question.trimEnd());
  let line = '';
  for await (const bytes of context.input) {
    context.signal.throwIfAborted();
    line += Buffer.from(bytes).toString('utf8');
    if (line.includes('\n') || line.length > 1000) break;
  }
  return /^\s*y/i.test(line);
}
