import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import type { AdminState, DatanodeReport } from '../protocol/cluster-events.js';
import { adminStateText } from './admin-state.js';
import type { CommandContext, FlagSpec } from './command.js';
import type { NodeStateRecord } from './records.js';

const pollMs = 500;

export const noWaitFlag: FlagSpec = { name: 'no-wait', isLong: true, summary: 'Return once the wish is on disk' };

export interface Departure {
  node: string;
  state: 'decommissioned' | 'in-maintenance';
  durationMs?: number | undefined;
  isWaiting: boolean;
  /** `decommission`, `maintenance` */
  operation: string;
}

/**
 * Wishes a data node away, and follows it until it may go. What it waits for is said when it changes. Ctrl-C ends the waiting
 * alone: the wish is on disk, and goes on being fulfilled.
 */
export async function sendAway(departure: Departure, context: CommandContext): Promise<number> {
  const { sink, clock, signal } = context;
  const { operation, state, durationMs } = departure;
  const client = await context.client();
  let report = await client.setNodeState(departure.node, state, { durationMs });
  const { datanodeUuid, name } = report;
  const startedMs = clock.monotonicMs();
  const id = `${operation}-${name}`;
  const outcome = { operation, source: name, target: '', bytes: undefined, notes: [] };
  let mostPending = 0;
  let told = '';
  let hasWaited = false;
  try {
    while (departure.isWaiting && report.adminState !== state) {
      if (!isOnItsWay(report.adminState, state)) {
        sink.err(`${operation}: ${name} is ${adminStateText[report.adminState]} now: somebody else wished so`);
        return 1;
      }
      hasWaited = true;
      mostPending = Math.max(mostPending, report.adminPendingBlocks);
      const steps = mostPending > 0 ? { done: mostPending - report.adminPendingBlocks, total: mostPending, unit: 'blocks' } : null;
      sink.progress(id, { operation, source: name, target: '', startedMs, doneBytes: 0, steps });
      const kind = report.adminNote.replace(/\d+/g, '#');
      if (kind !== told && report.adminNote !== '' && clock.monotonicMs() - startedMs >= 2000) {
        told = kind;
        const line = `${name}: ${adminStateText[report.adminState]}; waits for: ${escapeControls(report.adminNote)}`;
        if (sink.notice) sink.notice(line);
        else sink.err(line);
      }
      await sleep(clock, pollMs, signal);
      report = (await client.getDatanodes()).find((one) => one.datanodeUuid === datanodeUuid) ?? report;
    }
  } catch (error) {
    const copiedBlocks = mostPending - report.adminPendingBlocks;
    sink.end(id, { ...outcome, blockCount: copiedBlocks, result: signal.aborted ? 'cancelled' : 'failed', durationMs: clock.monotonicMs() - startedMs });
    if (signal.aborted) sink.err(`${name} stays wished away, and goes on without this command; \`recommission ${name}' takes it back`);
    throw error;
  }
  if (hasWaited) sink.end(id, { ...outcome, blockCount: mostPending, result: 'done', durationMs: clock.monotonicMs() - startedMs });
  say(report, context);
  return 0;
}

/** Makes a data node one like any other again. */
export async function takeBack(node: string, context: CommandContext): Promise<number> {
  say(await (await context.client()).setNodeState(node, 'normal'), context);
  return 0;
}

function isOnItsWay(now: AdminState, state: Departure['state']): boolean {
  return now === (state === 'decommissioned' ? 'decommissioning' : 'entering-maintenance');
}

function say(report: DatanodeReport, { sink }: CommandContext): void {
  const record: NodeStateRecord = { type: 'datanode', ...report };
  sink.record(record);
  sink.out(`${report.name} (${escapeControls(report.address)}): ${adminStateText[report.adminState]}`);
}
