import { sleep } from '../base/clock.js';
import { escapeControls } from '../base/text.js';
import type { Command } from './command.js';
import { UsageError } from './command-errors.js';
import { readOnlyLine } from './read-only-line.js';
import type { SafeModeRecord } from './records.js';

const pollMs = 500;
const actions = ['enter', 'leave', 'get', 'wait', 'forceExit'] as const;

export const command: Command = {
  name: 'safemode',
  group: 'Cluster',
  summary: 'Ask for safe mode, enter it or leave it',
  usage: 'enter | leave | get | wait | forceExit',
  flags: [],
  isAdmin: true,
  arguments: [{ name: 'enter | leave | get | wait | forceExit', kind: 'text' }],
  description:
    'In safe mode nothing can be changed. A name node starts in it, until its data nodes have reported their blocks; wait waits for its end.',
  examples: ['safemode get', 'safemode wait && put a /a'],
  async run(invocation, context) {
    const action = actions.find((known) => known === invocation.operands[0]);
    if (!action) throw new UsageError(`safemode knows ${actions.join(', ')}, not '${invocation.operands[0]}'`);
    const client = await context.client();
    let state = await client.setSafeMode(action === 'wait' ? 'get' : action);
    const startedMs = context.clock.monotonicMs();
    while (action === 'wait' && state.isOn) {
      context.sink.progress('safemode', { operation: 'safemode wait', source: escapeControls(state.reason), target: '', startedMs, doneBytes: 0, steps: null });
      await sleep(context.clock, pollMs, context.signal);
      state = await client.setSafeMode('get');
    }
    const { readOnlyReason } = action === 'get' ? await client.getHealth() : {};
    const record: SafeModeRecord = { isOn: state.isOn, reason: state.reason, ...(readOnlyReason === undefined ? {} : { readOnlyReason }) };
    context.sink.record(record);
    context.sink.out(`Safe mode is ${state.isOn ? 'ON' : 'OFF'}`);
    if (action === 'get' && readOnlyReason !== undefined) context.sink.out(readOnlyLine(readOnlyReason));
    return 0;
  },
};
