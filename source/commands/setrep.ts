import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import type { Command, CommandContext } from './command.js';
import { noSuchFile, UsageError } from './command-errors.js';
import { PathRun } from './failure.js';
import { type ExistingItem, isExisting, type PathItem } from './path-item.js';
import { walk } from './walk.js';
import type { ReplicationRecord } from './records.js';

const firstPollMs = 100;
const longestPollMs = 2000;

export const command: Command = {
  name: 'setrep',
  group: 'Files',
  summary: 'Set how many copies a file has',
  usage: '[-R] [-w] <rep> <path> ...',
  flags: [
    { name: 'R', summary: "Taken for HDFS's sake: directories are always followed" },
    { name: 'w', summary: 'Wait until the copies are there' },
  ],
  arguments: [
    { name: 'rep', kind: 'number' },
    { name: 'path', kind: 'remote-path', isRepeated: true },
  ],
  description: 'Of a directory, every file below it.',
  examples: ['setrep -w 3 /data/part-0'],
  async run(invocation, context) {
    const [typed = '', ...paths] = invocation.operands;
    if (!/^[+-]?\d+$/.test(typed)) throw new UsageError(`Illegal replication, a positive integer expected: '${typed}'`);
    const replication = Number(typed);
    if (replication < 1) throw new UsageError('replication must be >= 1');
    const isWaiting = invocation.flags.has('w');
    const run = new PathRun(invocation, context);
    const changed: PathItem[] = [];
    await run.eachPath(paths, async (item) => {
      if (!isExisting(item)) throw noSuchFile(item);
      await walk(item, run, true, async (one) => {
        if (one.status.type !== 'file') return;
        await setReplication(one, replication, context);
        context.sink.out(`Replication ${replication} set: ${escapeControls(one.shown)}`);
        if (isWaiting) changed.push({ ...one, status: null });
        else record(context, one, replication, null);
      });
    });
    for (const item of changed) {
      await run.attempt(item, async () => {
        await waitForReplication(item, replication, context);
        record(context, item, replication, true);
      });
    }
    return run.exitCode;
  },
};

async function setReplication(item: ExistingItem, replication: number, context: CommandContext): Promise<void> {
  await (await context.client()).setReplication(item.path, replication);
}

function record(context: CommandContext, { path }: PathItem, replication: number, isReached: boolean | null): void {
  const line: ReplicationRecord = { path, replication, isReached };
  context.sink.record(line);
}

/** `Waiting for /f ... done`, a dot a look; before the dots, going down, HDFS's warning. */
async function waitForReplication(item: PathItem, replication: number, context: CommandContext): Promise<void> {
  const { sink, clock, signal } = context;
  const client = await context.client();
  const startedMs = clock.monotonicMs();
  const id = `setrep-${item.path}`;
  let dots = '';
  let hasWarned = false;
  let pollMs = firstPollMs;
  const outcome = { operation: 'setrep', source: item.shown, target: '', bytes: undefined, notes: [] };
  try {
    for (;;) {
      let blockCount = 0;
      let readyCount = 0;
      for await (const { locations, isUnderConstruction } of client.blocks(item.path, { signal })) {
        if (isUnderConstruction) continue;
        blockCount++;
        const good = locations.filter(({ state, isCorrupt }) => state !== 'dead' && !isCorrupt);
        // What is on a node that is to be emptied does not count; what is on one in maintenance may.
        const copies = good.filter(({ adminState }) => adminState === undefined).length;
        const away = good.filter(({ adminState }) => adminState?.endsWith('maintenance')).length;
        if (copies <= replication && copies + away >= replication) readyCount++;
        else if (copies > replication && !hasWarned) {
          hasWarned = true;
          sink.out(`Waiting for ${escapeControls(item.shown)} ...`);
          sink.out('WARNING: the waiting time may be long for DECREASING the number of replications.');
        }
      }
      if (readyCount === blockCount) break;
      // In blocks, not bytes: the copies under way are the cluster's.
      sink.progress(id, {
        operation: 'setrep',
        source: item.shown,
        target: `${replication} copies`,
        startedMs,
        doneBytes: 0,
        steps: { done: readyCount, total: blockCount, unit: 'blocks' },
      });
      dots += '.';
      await sleep(clock, pollMs, signal);
      pollMs = Math.min(longestPollMs, pollMs * 2);
    }
  } catch (error) {
    sink.end(id, { ...outcome, result: signal.aborted ? 'cancelled' : 'failed', durationMs: clock.monotonicMs() - startedMs });
    throw error;
  }
  // HDFS's line says that it is done: a summary would say it twice.
  if (dots !== '') sink.end(id, undefined);
  sink.out(hasWarned ? `${dots} done` : `Waiting for ${escapeControls(item.shown)} ...${dots} done`);
}
