import { sleep } from '../base/clock.js';
import { formatReport } from '../base/size.js';
import type { DfsClient } from '../client/client-api.js';
import type { BalancerStatus } from '../protocol/cluster-events.js';
import type { Command, CommandContext } from './command.js';
import { UsageError } from './command-errors.js';
import { reportTime } from './format-time.js';
import type { BalancerRecord } from './records.js';

const pollMs = 500;
/** Between two lines of the table. */
const rowMs = 5000;
/** HDFS's -2 and -6, as a process ends with them. */
const exitCodes = { none: 0, balanced: 0, 'no-block': 254, stopped: 250 } as const;
const lastLines = { none: '', balanced: 'The cluster is balanced. Exiting...', 'no-block': 'No block can be moved. Exiting...', stopped: 'Balancing was stopped. Exiting...' } as const;

export const command: Command = {
  name: 'balancer',
  group: 'Cluster',
  summary: 'Even out how full the data nodes are',
  usage: '[-threshold <percent>] | -status | -stop',
  flags: [
    { name: 'threshold', value: 'percent', summary: 'How far from the mean a data node may be, 1 to 100; 10 if not given' },
    { name: 'status', summary: 'Print how it stands' },
    { name: 'stop', summary: 'Stop it, wherever it was started' },
  ],
  flagParsing: 'anywhere',
  arguments: [],
  description:
    'Moves blocks from fuller data nodes to emptier ones until each is within the threshold of the mean, at balance_bandwidth; each block keeps all its copies, and its ' +
    'racks, at every moment. The name node does the work, this follows it; Ctrl-C, or balancer -stop, stops it, and balancer goes on where it was. ' +
    'Exit code 0 when balanced, 254 when no block can be moved, 250 when somebody else stopped it.',
  examples: ['balancer', 'balancer -threshold 5', 'balancer -status'],
  async run({ flags }, context) {
    const typed = flags.get('threshold');
    const modes = ['status', 'stop'].filter((flag) => flags.has(flag));
    if (modes.length + (typed === undefined ? 0 : 1) > 1) throw new UsageError('Only one of -threshold, -status and -stop is allowed');
    const client = await context.client();
    if (flags.has('status')) return tell(await client.balance('get'), context);
    if (flags.has('stop')) return tell(await client.balance('stop'), context);
    return follow(client, typed === undefined ? undefined : readThreshold(typed), context);
  },
};

function readThreshold(typed: string | true): number {
  const percent = typeof typed === 'string' && /^\d{1,3}(\.\d{1,3})?$/.test(typed) ? Number(typed) : Number.NaN;
  if (!(percent >= 1 && percent <= 100)) throw new UsageError(`Expecting a number in the range of [1.0, 100.0]: ${String(typed)}`);
  return percent;
}

/** Starts it, or joins the run that goes on, and stays until that has ended. A name node that has restarted is told again. */
async function follow(client: DfsClient, thresholdPercent: number | undefined, context: CommandContext): Promise<number> {
  const { sink, clock, signal } = context;
  const startedMs = clock.monotonicMs();
  const begin = async () => {
    const now = await client.balance('get');
    return now.isRunning && thresholdPercent === undefined ? now : client.balance('start', { thresholdPercent });
  };
  let status = await begin();
  const { run } = status;
  sink.out('Time Stamp               Iteration#  Bytes Already Moved  Bytes Left To Move  Bytes Being Moved  NameNode');
  let [rowCount, nextRowMs] = [0, startedMs];
  try {
    for (; status.isRunning; status = await ask(client, status, begin)) {
      if (clock.monotonicMs() >= nextRowMs) {
        sink.out(row(rowCount++, status, client.uri, clock.nowMs()));
        nextRowMs = clock.monotonicMs() + rowMs;
      }
      sink.progress('balancer', { operation: 'balancer', source: `to within ${status.thresholdPercent}%`, target: '', startedMs, doneBytes: status.movedBytes, totalBytes: status.movedBytes + status.leftBytes });
      await sleep(clock, pollMs, signal);
    }
  } catch (error) {
    sink.end('balancer', outcome(status, 'cancelled', clock.monotonicMs() - startedMs));
    if (signal.aborted) {
      await client.balance('stop');
      sink.err('balancing is stopped; `balancer\' goes on where it was');
    }
    throw error;
  }
  sink.out(row(rowCount, status, client.uri, clock.nowMs()));
  sink.end('balancer', outcome(status, status.outcome === 'balanced' ? 'done' : 'failed', clock.monotonicMs() - startedMs));
  const record: BalancerRecord = status;
  sink.record(record);
  sink.out(lastLines[status.outcome]);
  sink.out(`${reportTime(clock.nowMs())} Balancing took ${((status.run === run ? status.durationMs : clock.monotonicMs() - startedMs) / 1000).toFixed(3)} seconds`);
  return exitCodes[status.outcome];
}

async function ask(client: DfsClient, before: BalancerStatus, begin: () => Promise<BalancerStatus>): Promise<BalancerStatus> {
  const status = await client.balance('get');
  return status.run < before.run || (status.run === before.run && status.startedTimeMs !== before.startedTimeMs) ? begin() : status;
}

function outcome(status: BalancerStatus, result: 'done' | 'failed' | 'cancelled', durationMs: number) {
  return { operation: 'balancer', source: `to within ${status.thresholdPercent}%`, target: '', result, bytes: status.movedBytes, blockCount: status.movedBlocks, durationMs, notes: [] };
}

function row(iteration: number, { movedBytes, leftBytes, movingBytes }: BalancerStatus, uri: string, nowMs: number): string {
  const figures = [String(iteration).padStart(10), formatReport(movedBytes).padStart(19), formatReport(leftBytes).padStart(18), formatReport(movingBytes).padStart(17)];
  return `${reportTime(nowMs).replace(/ \S+ (\d{4})$/, ' $1').padEnd(24)} ${figures.join('  ')}  ${uri}`;
}

function tell(status: BalancerStatus, { sink }: CommandContext): number {
  sink.record(status);
  const moved = `${formatReport(status.movedBytes)} in ${status.movedBlocks} blocks moved`;
  if (status.isRunning) sink.out(`The balancer runs, threshold ${status.thresholdPercent}%: ${moved}, ${formatReport(status.leftBytes)} left, for ${(status.durationMs / 1000).toFixed(1)} s`);
  else if (status.outcome === 'none') sink.out('The balancer does not run, and has not since the name node started');
  else sink.out(`The balancer does not run; last: ${status.outcome === 'no-block' ? 'no block could be moved' : status.outcome}, ${moved} in ${(status.durationMs / 1000).toFixed(1)} s`);
  return 0;
}
