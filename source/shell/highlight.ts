import type { CommandRegistry } from '../commands/command.js';
import { tokenize } from '../commands/tokenizer.js';
import type { Highlight } from './shell-options.js';
import { type Segment, segment, type StyleName } from './styled-line.js';

/** What may stand before a command pasted from a runbook: `hdfs dfs -ls /`. */
const prefixes = new Set(['hdfs', 'hadoop']);
const tools = new Set(['dfs', 'fs', 'dfsadmin']);

/** Colours for the line being typed: known commands stand out, words that no command begins with are marked, so are quotes, comments and operators. */
export function createHighlight(registry: CommandRegistry): Highlight {
  const isKnown = (word: string) => registry.find(word.replace(/^-/, '')) !== undefined;
  const isBegun = (word: string) => registry.entries.some(({ name, aliases }) => [name, ...aliases].some((known) => known.startsWith(word.replace(/^-/, ''))));
  return (text) => {
    const { segments, operators, commentStart } = tokenize(text);
    const marks: { start: number; end: number; style: StyleName }[] = operators.map(({ start, end }) => ({ start, end, style: 'accent' }));
    if (commentStart < text.length) marks.push({ start: commentStart, end: text.length, style: 'dim' });
    for (const { words } of segments) {
      const commandIndex = !prefixes.has(words[0]?.text ?? '') ? 0 : tools.has(words[1]?.text ?? '') ? 2 : 1;
      words.forEach((word, index) => {
        const { start, end } = word;
        if (index === commandIndex) {
          if (isKnown(word.text)) marks.push({ start, end, style: 'bold' });
          // What is still being typed is wrong only once nothing begins so.
          else if (end < text.length || !(isBegun(word.text) || [...prefixes, ...tools].some((known) => known.startsWith(word.text)))) marks.push({ start, end, style: 'unknown' });
        } else if (index > commandIndex && word.isQuoted) marks.push({ start, end, style: 'quoted' });
      });
    }
    return pieces(text, marks.sort((a, b) => a.start - b.start));
  };
}

/** `text` cut at `marks`, which are in order and do not overlap. */
function pieces(text: string, marks: readonly { start: number; end: number; style: StyleName }[]): Segment[] {
  const result: Segment[] = [];
  let position = 0;
  for (const { start, end, style } of marks) {
    if (start > position) result.push(segment(text.slice(position, start)));
    result.push(segment(text.slice(start, end), style));
    position = end;
  }
  if (position < text.length) result.push(segment(text.slice(position)));
  return result;
}
