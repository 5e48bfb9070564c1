import { escapeControls } from '../base/text.js';
import type { Command, CommandContext } from './command.js';
import { numberFlag } from './flags.js';
import type { LogRecord } from './records.js';

const defaultLineCount = 20;

/** A node's log, from its end. */
export const command: Command = {
  name: 'logs',
  summary: 'Print the last lines of a node\'s log, and follow it',
  group: 'Cluster',
  usage: 'NAME',
  flags: [
    { name: 'n', value: 'LINES', summary: `How many lines, ${defaultLineCount} if not said` },
    { name: 'f', summary: 'Go on with what is appended, until interrupted' },
  ],
  flagParsing: 'anywhere',
  arguments: [{ name: 'NAME', kind: 'node' }],
  needsNameNode: false,
  description: 'Shows the log of a node of the cluster on this machine: nn, dn1, dn2, ...',
  examples: ['logs dn2', 'logs nn -n 100', 'logs dn1 -f'],
  async run(invocation, { sink, signal, localCluster }) {
    const [name] = invocation.operands as [string];
    const lineCount = numberFlag(invocation, 'n', defaultLineCount, 0);
    const cluster = await localCluster();
    const say = sayTo(sink, name);
    for (const line of await cluster.log(name, { lineCount })) say(line);
    if (invocation.flags.has('f')) {
      for await (const line of cluster.followLog(name, { signal })) say(line);
    }
    return 0;
  },
};

function sayTo(sink: CommandContext['sink'], node: string): (line: string) => void {
  return (line) => {
    sink.out(escapeControls(line, '\t'));
    const record: LogRecord = { node, line };
    sink.record(record);
  };
}
