import { tokenize } from '../commands/tokenizer.js';

/** A pasted text as the command lines to run, in order: a newline ends one, except within quotes or behind a backslash. Blank lines are left out. */
export function scriptLines(text: string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    const whole = open + line;
    const { unterminated } = tokenize(whole);
    // A backslash at the end joins the next line; a newline within quotes belongs to the word.
    if (unterminated === '\\') open = whole.slice(0, -1);
    else if (unterminated) open = `${whole}\n`;
    else {
      open = '';
      if (whole.trim() !== '') lines.push(whole);
    }
  }
  // What nothing closes is run as it is: the command line says what is wrong with it.
  if (open.trim() !== '') lines.push(open.replace(/\n$/, ''));
  return lines;
}
