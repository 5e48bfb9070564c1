import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import type { ClusterHealth } from '../protocol/cluster-events.js';
import { clusterEventLine, eventHead, timeOfDay } from './cluster-event-line.js';
import type { Command, CommandContext, Invocation, OutputSink } from './command.js';
import { UsageError } from './command-errors.js';
import { runWords } from './dispatcher.js';

export const command: Command = {
  name: 'watch',
  summary: 'Repeat a command, or follow the cluster',
  group: 'Cluster',
  usage: '[-n <seconds>] [<command> ...]',
  flags: [{ name: 'n', value: 'seconds', summary: 'how long to wait between two rounds; 2 if not given' }],
  arguments: [{ name: 'command', kind: 'command', isOptional: true, isRepeated: true }],
  description: 'Repeats a command until Ctrl-C. Without a command it follows the cluster: a line for each event, and for each change of its health; with --json every item of the feed.',
  examples: ['watch -n 5 du -s /', 'watch'],
  // What follows the command's name is that command's.
  flagParsing: 'own',
  run: watch,
};

const defaultSeconds = 2;

async function watch({ operands }: Invocation, context: CommandContext): Promise<number> {
  const { seconds, words } = readWords(operands);
  if (words.length === 0) return followCluster(context);
  if (words[0]!.replace(/^-/, '') === 'watch') throw new UsageError('watch does not watch itself');
  return repeatCommand(words, seconds, context);
}

function readWords(operands: readonly string[]): { seconds: number; words: readonly string[] } {
  if (operands[0] !== '-n') {
    if (operands[0]?.startsWith('-n')) throw new UsageError(`Illegal option ${operands[0]}`);
    return { seconds: defaultSeconds, words: operands };
  }
  const seconds = Number(operands[1]);
  if (operands[1] === undefined || !(seconds >= 0.1 && seconds <= 86_400)) throw new UsageError(`Option -n: seconds from 0.1 to 86400 expected, not '${operands[1] ?? ''}'`);
  return { seconds, words: operands.slice(2) };
}

/** Rounds until Ctrl-C. On a live screen each takes the place of the one before, and the last one stays; elsewhere each is printed. */
async function repeatCommand(words: readonly string[], seconds: number, context: CommandContext): Promise<number> {
  const { sink, clock, signal } = context;
  const title = `every ${seconds} s: ${escapeControls(words.join(' '))}`;
  try {
    for (;;) {
      const head = `${title}   ${timeOfDay(clock.nowMs())}`;
      if (sink.screen) {
        const gathered = gatherLines(sink);
        await runWords(words, { ...context, sink: gathered.sink });
        sink.screen.show([head, ...gathered.lines]);
      } else {
        sink.out(head);
        await runWords(words, context);
        sink.out('');
      }
      await sleep(clock, seconds * 1000, signal);
    }
  } finally {
    sink.screen?.keep();
  }
}

/** A sink that keeps the text of one round; of more lines than anybody reads on a screen, the first ones. */
function gatherLines(sink: OutputSink): { sink: OutputSink; lines: string[] } {
  const lines: string[] = [];
  const add = (line: string) => {
    if (lines.length < maxGatheredLines) lines.push(line);
    else if (lines.length === maxGatheredLines) lines.push('and more; run the command by itself to see all');
  };
  const decoder = new TextDecoder();
  let rest = '';
  const gathering: OutputSink = {
    isJson: false,
    out: add,
    err: add,
    record() {},
    async write(bytes) {
      const pieces = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = pieces.pop()!.slice(0, maxLineLength);
      for (const piece of pieces) add(escapeControls(piece, '\t'));
    },
    progress: (id, progress) => sink.progress(id, progress),
    end: (id, outcome) => sink.end(id, outcome),
  };
  return { sink: gathering, lines };
}

const maxGatheredLines = 1000;
const maxLineLength = 10_000;

/** The feed as lines, until Ctrl-C. Where the screen shows events by itself, only what it does not show: the figures, in place. */
async function followCluster(context: CommandContext): Promise<number> {
  const { sink, signal, clock } = context;
  const client = await context.client();
  let shown = '';
  try {
    for await (const item of client.feed({ signal })) {
      sink.record(item);
      if (item.type === 'cluster') {
        if (!sink.screen) sink.out(clusterEventLine(item.event));
      } else if (sink.screen) {
        sink.screen.show(healthFigures(item.health));
      } else if (healthLine(item.health) !== shown) {
        shown = healthLine(item.health);
        sink.out(`${eventHead(clock.nowMs(), item.health.status === 'HEALTHY' ? 'info' : 'warn')} ${shown}`);
      }
    }
  } finally {
    sink.screen?.keep();
  }
  signal.throwIfAborted();
  return 0;
}

function healthLine({ status, datanodes, blocks, repair, balancer }: ClusterHealth): string {
  const live = datanodes.filter(({ state }) => state !== 'dead').length;
  const parts = [`${status} ${live}/${datanodes.length} live`, `${blocks.underReplicated} under-replicated`, `${blocks.missing} missing`];
  if (blocks.corrupt > 0) parts.push(`${blocks.corrupt} corrupt`);
  if (repair.totalBlocks > 0) parts.push(`repair ${repair.doneBlocks}/${repair.totalBlocks}`);
  if (balancer.isRunning) parts.push('balancing');
  return parts.join(', ');
}

function healthFigures(health: ClusterHealth): string[] {
  const { fileCount, directoryCount, blocks } = health;
  return [
    `${timeOfDay(health.timeMs)}   ${healthLine(health)}`,
    `files ${fileCount}   directories ${directoryCount}   blocks ${blocks.total}   to copy ${blocks.pendingReplication}   to delete ${blocks.pendingDeletion}`,
  ];
}
